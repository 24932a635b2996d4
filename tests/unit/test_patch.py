"""Patch: how far the writing came is known, whatever ends it."""

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
)

BEFORE = queue(member("agent-1"), member("agent-2"), member("agent-3"))
TARGET = target({"agent-1": 0.4, "agent-2": 0.35, "agent-3": 0.25})
RUN = run_of(datetime(2026, 1, 31, 8, tzinfo=UTC))


class Genesys:
    """Fails at the first write of each member in `fails`; `written` has the others."""

    raise_first, per_write = True, 1

    def __init__(self, **fails):
        self.fails, self.written = fails, []

    def write_members(self, _before, members, _target, key):
        (one,) = members
        assert key == f"d-1:member:{one.user_id}"
        if one.user_id in self.fails:
            raise self.fails.pop(one.user_id)
        self.written.append(one.user_id)


def patch_members(start, has_time=lambda: True, **fails):
    documents, genesys = FakeDocuments(), Genesys(**fails)
    documents.keep_work("d-1", work(plan(), TARGET, BEFORE))
    return PatchMembers(documents, lambda _decision: genesys, has_time).patch(RUN, start), genesys.written


@pytest.mark.parametrize("error", [GenesysUnavailable, StoreUnavailable])
def test_an_outage_ends_a_tick_that_has_written_and_the_next_one_goes_on_there(error):
    tick, written = patch_members(0, **{"agent-2": error("Not now.")})
    assert (tick, written) == (Tick(1, 3), ["agent-1"])
    tick, written = patch_members(tick.next)
    assert (tick, written) == (Tick(3, 3), ["agent-2", "agent-3"])


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


def test_the_function_writes_the_part_that_the_state_machine_names(monkeypatch):
    app = function_module("patch")
    monkeypatch.setattr(app.PatchSettings, "load", lambda: None)
    one_part = SimpleNamespace(patch=lambda run, part: (run.distribution_id, part) == ("d-1", "last"))
    members = SimpleNamespace(patch=lambda _run, start: Tick(start + 1, 3))
    monkeypatch.setattr(app.bootstrap, "patch_queue", lambda *_: one_part)
    monkeypatch.setattr(app.bootstrap, "patch_members", lambda *_: members)
    event = RUN.model_dump(mode="json")
    assert app.handler(event | {"target": "queue", "part": "last"}, LambdaContext()) == {"written": True}
    assert app.handler(event | {"target": "members", "next": 1}, LambdaContext()) == {
        "next": 2, "total": 3, "pause_s": 0
    }  # fmt: skip


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
