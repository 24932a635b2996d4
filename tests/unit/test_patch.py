"""Patch: how far the writing came is known, whatever ends it."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from routing_weights.application.patch import PatchMembers, PatchQueue, Tick
from routing_weights.domain.run import Failure
from routing_weights.domain.verify import Settling
from routing_weights.errors import (
    GenesysRefused,
    GenesysUnavailable,
    RateLimited,
    StoreUnavailable,
    VerificationFailed,
)
from tests.support.fakes import (
    FakeDocuments,
    FakeTime,
    LambdaContext,
    function_module,
    member,
    plan,
    queue,
    run_of,
    target,
    work,
    written_in_turn,
)

BEFORE = queue(member("agent-1"), member("agent-2"), member("agent-3"))
TARGET = target({"agent-1": 0.4, "agent-2": 0.35, "agent-3": 0.25})
RUN = run_of(datetime(2026, 1, 31, 8, tzinfo=UTC))


class Genesys:
    """Fails at the first write of each member in `fails`; `written` has the others."""

    raise_first, per_write = True, 1

    def __init__(self, **fails):
        self.fails, self.written = fails, []

    def write_members(self, _before, members, _target, key, *, go_on, stops_at):
        assert key == "d-1:member"
        return written_in_turn(members, self.per_write, self._write, go_on=go_on, stops_at=stops_at)

    def _write(self, chunk):
        (one,) = chunk
        if one.user_id in self.fails:
            raise self.fails.pop(one.user_id)
        self.written.append(one.user_id)


def patch_members(start, has_time=lambda: True, **fails):
    documents, genesys = FakeDocuments(), Genesys(**fails)
    documents.keep_work("d-1", work(plan(), TARGET, BEFORE))
    settling = Settling(15, None, None)
    return PatchMembers(documents, lambda _decision: genesys, settling, has_time).patch(RUN, start), genesys.written


@pytest.mark.parametrize("error", [GenesysUnavailable, StoreUnavailable])
def test_an_outage_ends_a_tick_that_has_written_and_the_next_one_goes_on_there(error):
    tick, written = patch_members(0, **{"agent-2": error("Not now.")})
    assert (tick, written) == (Tick(1, 3), ["agent-1"])
    tick, written = patch_members(tick.next)
    assert (tick, written) == (Tick(3, 3), ["agent-2", "agent-3"])


@pytest.mark.parametrize("is_approved", [True, False])
def test_an_edit_after_the_reading_of_an_approved_run_is_not_overwritten(is_approved):
    """People approved what Project read. Another run keeps the last word, as before."""
    documents, genesys = FakeDocuments(), Genesys()
    documents.keep_work("d-1", work(plan(), TARGET, BEFORE))
    edited = queue(member("agent-1"), member("agent-2", 0.9), member("agent-3"))
    genesys.read_queue = lambda _queue_id: edited
    run = RUN.model_copy(update={"approved_at": RUN.started_at if is_approved else None})
    tick = PatchMembers(documents, lambda _decision: genesys, Settling(15, None, None), lambda: True).patch(run, 0)
    if not is_approved:
        assert (tick, genesys.written) == (Tick(3, 3), ["agent-1", "agent-2", "agent-3"])
        return
    assert (tick.failure.name, tick.next, genesys.written) == ("QueueChanged", 0, [])
    assert "agent-2" in tick.failure.cause
    genesys.read_queue = lambda _queue_id: queue(member("agent-1", 0.4), member("agent-2"), member("agent-3"))
    tick = PatchMembers(documents, lambda _decision: genesys, Settling(15, None, None), lambda: True).patch(run, 1)
    assert (tick.failure, genesys.written) == (None, ["agent-2", "agent-3"]), "its own writes are no edits"


@pytest.mark.parametrize("error", [GenesysUnavailable, StoreUnavailable])
def test_a_tick_that_fails_before_its_first_write_is_retried(error):
    with pytest.raises(error):
        patch_members(1, **{"agent-2": error("Not now.")})


def test_a_tick_ends_when_its_time_is_up():
    left = [True, True, False]
    tick, written = patch_members(0, has_time=lambda: left.pop(0))
    assert (tick, written) == (Tick(2, 3), ["agent-1", "agent-2"])


def test_a_long_pause_that_genesys_asks_for_is_left_to_the_state_machine():
    tick, _ = patch_members(0, **{"agent-2": RateLimited("Wait.", retry_after_s=42)})
    assert tick == Tick(1, 3, pause_s=42)


def test_a_refusal_is_returned_with_how_far_the_tick_came():
    refusal = GenesysRefused("No.", http_status=400)
    tick, _ = patch_members(0, **{"agent-2": refusal})
    assert (tick.next, tick.failure) == (1, Failure.of(refusal))
    assert tick.to_json()["failure"]["Error"] == "GenesysRefused"


class Scripted:
    """Answers each group of writes with the next of `answers`, and shows `joined` when it is read."""

    def __init__(self, *answers, joined=()):
        self.answers, self.joined, self.did = list(answers), joined, []

    def write_members(self, _before, members, _target, key, **_):
        assert key == "d-1:member"
        users = [m.user_id for m in members]
        self.did.append(users)
        return self.answers.pop(0) if self.answers else dict.fromkeys(users)

    def read_again(self, held, user_ids):
        self.did.append("read")
        shown = (replace(m, carried=m.user_id in self.joined) for m in held.members if m.user_id in user_ids)
        return replace(held, members=tuple(shown))


def scripted(genesys, wanted, before, start=0, also=(), has_time=lambda: True):
    documents, time = FakeDocuments(), FakeTime()
    documents.keep_work("d-1", work(plan(), wanted, before))
    settling = Settling(15, time.clock, time.sleep)
    return PatchMembers(documents, lambda _decision: genesys, settling, has_time).patch(RUN, start, also)


def test_members_who_go_down_are_a_group_of_their_own():
    before = queue(member("down-1", 0.5), member("up-1", 0.0), member("down-2", 0.5), member("up-2", 0.1))
    genesys = Scripted()
    assert scripted(genesys, target({"down-1": 0.1, "up-1": 0.3, "down-2": 0.0, "up-2": 0.3}), before) == Tick(4, 4)
    assert genesys.did == [["up-1", "up-2"], ["down-1", "down-2"]]


@pytest.mark.parametrize("error", [GenesysRefused("No.", http_status=400), RateLimited("Wait.", retry_after_s=9)])
def test_a_tick_knows_the_accepted_writes_before_and_after_a_gap_and_begins_no_other_group(error):
    before = queue(*(member(f"agent-{n}", 0.0) for n in range(5)), member("down", 0.5))
    genesys = Scripted({"agent-0": None, "agent-1": None, "agent-2": error, "agent-3": None})
    wanted = target({f"agent-{n}": 0.1 for n in range(5)} | {"down": 0.0})
    tick = scripted(genesys, wanted, before)
    assert (tick.next, tick.also, tick.total, len(genesys.did)) == (2, ("agent-3",), 6, 1)
    assert (tick.pause_s, tick.failure) == ((9, None) if "retry_after_s" in error.details else (0, Failure.of(error)))


def test_the_next_tick_repeats_no_write():
    before = queue(*(member(f"agent-{n}", 0.0) for n in range(5)), member("down", 0.5))
    wanted = target({f"agent-{n}": 0.1 for n in range(5)} | {"down": 0.0})
    genesys = Scripted({"agent-2": RateLimited("Wait.", retry_after_s=9), "agent-4": None})
    tick = scripted(genesys, wanted, before, start=2, also=["agent-3"])
    assert tick == Tick(2, 6, pause_s=9, also=("agent-3", "agent-4"))
    assert tick.to_json()["also"] == ["agent-3", "agent-4"]
    assert scripted(genesys, wanted, before, start=2, also=tick.also) == Tick(6, 6)
    assert genesys.did == [["agent-2", "agent-4"], ["agent-2"], ["down"]]


def test_an_outage_after_a_write_beyond_the_gap_is_progress():
    before = queue(member("agent-0", 0.0), member("agent-1", 0.0))
    genesys = Scripted({"agent-0": GenesysUnavailable("Not now."), "agent-1": None})
    assert scripted(genesys, target({"agent-0": 0.1, "agent-1": 0.1}), before) == Tick(0, 2, also=("agent-1",))


def test_a_tick_is_small_enough_for_the_state_machine_and_still_knows_whether_it_has_come_further():
    """One write may be under way while thousands of others are accepted. Those that a tick cannot name come again."""
    before = queue(*(member(f"agent-{n:058}", 0.0) for n in range(5000)))
    first, *others = (each.user_id for each in before.members)
    wanted, outage = target(dict.fromkeys([first, *others], 0.1)), GenesysUnavailable("Not now.")
    tick = scripted(Scripted({first: outage} | dict.fromkeys(others)), wanted, before)
    assert tick.next == 0
    assert len(json.dumps(tick.to_json())) < 200_000  # of the 262,144 bytes that a state may get
    assert list(tick.also) == others[: len(tick.also)]
    left = others[len(tick.also) :]
    with pytest.raises(GenesysUnavailable):
        scripted(Scripted({first: outage} | dict.fromkeys(left)), wanted, before, also=tick.also)
    assert scripted(Scripted(), wanted, before, also=tick.also) == Tick(5000, 5000)


JOINS = queue(member("out", 0.4, value=True), member("in", 0.0, value=False), member("stays", 0.4, value=True))
JOINED = target(
    {"out": 0.0, "in": 0.4, "stays": 0.4}, values={"out": False, "in": True, "stays": True}, joins=True
)  # fmt: skip


def test_nobody_is_unjoined_before_everybody_else_is_read_as_joined():
    genesys = Scripted(joined={"out", "in", "stays"})
    assert scripted(genesys, JOINED, JOINS) == Tick(2, 2)
    assert genesys.did == [["in"], "read", ["out"]]


def test_a_tick_that_goes_on_with_unjoining_reads_again_who_is_joined():
    genesys = Scripted(joined={"out", "in", "stays"})
    assert scripted(genesys, JOINED, JOINS, start=1) == Tick(2, 2)
    assert genesys.did == ["read", ["out"]]


@pytest.mark.parametrize("missing", ["in", "stays"])
def test_nobody_is_unjoined_if_somebody_else_is_not_joined_in_time(missing):
    genesys = Scripted(joined={"out", "in", "stays"} - {missing})
    tick = scripted(genesys, JOINED, JOINS)
    assert (tick.next, tick.failure.name) == (1, "VerificationFailed")
    assert missing in tick.failure.error().message
    assert ["out"] not in genesys.did


def test_unjoining_does_not_begin_without_time_to_read():
    genesys = Scripted(joined={"out", "in", "stays"})
    assert scripted(genesys, JOINED, JOINS, start=1, has_time=lambda: False) == Tick(1, 2)
    assert genesys.did == []


def test_a_plan_that_joins_nobody_needs_no_reading():
    genesys = Scripted()
    assert scripted(genesys, replace(JOINED, values={"out": False}, weights={"out": 0.0}), JOINS) == Tick(1, 1)
    assert genesys.did == [["out"]]


def test_the_function_writes_the_part_that_the_state_machine_names(monkeypatch):
    app = function_module("patch")
    monkeypatch.setattr(app.PatchSettings, "load", lambda: None)
    one_part = SimpleNamespace(patch=lambda run, part: (run.distribution_id, part) == ("d-1", "last"))
    members = SimpleNamespace(patch=lambda _run, start, also: Tick(start + 1, 3, also=tuple(also)))
    monkeypatch.setattr(app.bootstrap, "patch_queue", lambda *_: one_part)
    monkeypatch.setattr(app.bootstrap, "patch_members", lambda *_: members)
    event = RUN.model_dump(mode="json")
    for asked, answered in (
        ({"target": "queue", "part": "last"}, {"written": True}),
        ({"target": "members", "next": 1}, {"next": 2, "total": 3, "pause_s": 0}),
        (
            {"target": "members", "next": 1, "also": ["agent-9"]},
            {"next": 2, "total": 3, "pause_s": 0, "also": ["agent-9"]},
        ),
    ):
        given = app.handler(event | asked, LambdaContext())
        assert {name: value for name, value in given.items() if name != "effort"} == answered


# ---- rings -----------------------------------------------------------------------------------------------------------

MADE = target({"agent-1": 0.4, "agent-2": 0.1}, values={"agent-1": 1, "agent-2": 5}, bullseye_rings=6)


def patch_first_part(since, wanted=MADE):
    """Write the first part of the settings, to a Genesys that has the rings from its n-th reading on."""
    documents, time, did = FakeDocuments(), FakeTime(), []
    documents.keep_work("d-1", work(plan(), wanted, queue(*BEFORE.members, bullseye_rings=0)))

    def read_queue(_id):
        did.append("read")
        return queue(*BEFORE.members, bullseye_rings=6 if did.count("read") >= since else 0)

    genesys = SimpleNamespace(read_queue=read_queue, write_queue=lambda *_: did.append("write"))
    settling = Settling(15, time.clock, time.sleep)
    assert PatchQueue(documents, None, lambda _decision: genesys, settling).patch(RUN, "first")
    assert documents.may_have_written("d-1")
    return did


@pytest.mark.parametrize("since", [1, 3])
def test_no_member_is_written_before_the_new_rings_can_be_read(since):
    assert patch_first_part(since) == ["write", *["read"] * since]


def test_rings_that_genesys_does_not_have_in_time_end_the_run():
    with pytest.raises(VerificationFailed, match="No member was written"):
        patch_first_part(1000)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(target({}, bullseye_rings=6), id="no member changes"),
        pytest.param(target({"agent-1": 0.4}, wrap_up_timeout_s=45.0), id="no rings are made"),
    ],
)
def test_nobody_waits_if_no_member_needs_a_new_ring(wanted):
    assert patch_first_part(1, wanted) == ["write"]
