"""The function that writes: how far it came is known, whatever breaks off its tick."""

from types import SimpleNamespace

import pytest

from routing_weights.errors import GenesysUnavailable, StoreUnavailable, VerificationFailed
from tests.support.fakes import FakeTime, LambdaContext, function_module, member, plan, queue, target, work

BEFORE = queue(member("agent-1"), member("agent-2"), member("agent-3"))
TARGET = target({"agent-1": 0.4, "agent-2": 0.35, "agent-3": 0.25})
MEMBERS = {
    "distribution_id": "d-1",
    "execution_arn": "arn:d-1",
    "started_at": "2026-01-31T08:00:00Z",
    "queue_id": "queue-001",
    "target": "members",
}


@pytest.fixture
def tick(documents, monkeypatch):
    """Write members from `next` on, against a Genesys that fails at the first write of the members in `fails`."""
    app = function_module("patch")
    monkeypatch.setattr(
        app.PatchSettings, "load", lambda: SimpleNamespace(documents_bucket=documents.bucket, locks_table="")
    )
    documents.keep_work("d-1", work(plan(), TARGET, BEFORE))
    written = []

    def run(next_member, **fails):
        def write_members(_before, chunk, _target, key):  # noqa: ARG001 - the contract's own names
            (one,) = chunk
            if one.user_id in fails:
                raise fails.pop(one.user_id)
            written.append(one.user_id)

        genesys = SimpleNamespace(raise_first=True, per_write=1, write_members=write_members)
        monkeypatch.setattr(app, "decided", lambda *_, **__: genesys)
        monkeypatch.setattr(app, "has_time", lambda _: True)
        written.clear()
        return app.handler(MEMBERS | {"next": next_member}, LambdaContext()), list(written)

    return run


@pytest.mark.parametrize("error", [GenesysUnavailable, StoreUnavailable])
def test_what_passes_ends_a_tick_that_has_written_and_the_next_one_goes_on_there(tick, error):
    answer, written = tick(0, **{"agent-2": error("Not now.")})
    assert answer == {"next": 1, "total": 3, "pause_s": 0}
    assert written == ["agent-1"]
    answer, written = tick(answer["next"])
    assert answer == {"next": 3, "total": 3, "pause_s": 0}
    assert written == ["agent-2", "agent-3"]


@pytest.mark.parametrize("error", [GenesysUnavailable, StoreUnavailable])
def test_what_passes_is_the_state_machines_to_retry_where_a_tick_has_written_nothing(tick, error):
    with pytest.raises(error):
        tick(1, **{"agent-2": error("Not now.")})


# ---- rings -----------------------------------------------------------------------------------------------------------

MADE = target({"agent-1": 0.4, "agent-2": 0.1}, values={"agent-1": 1, "agent-2": 5}, bullseye_rings=6)


@pytest.fixture
def first_part(documents, monkeypatch):
    """Write the first part of the settings of MADE, to a Genesys that has had the rings since its n-th reading."""
    app, time = function_module("patch"), FakeTime()
    settings = SimpleNamespace(documents_bucket=documents.bucket, locks_table="", verify_timeout_s=15)
    monkeypatch.setattr(app.PatchSettings, "load", lambda: settings)
    monkeypatch.setattr(app, "time", SimpleNamespace(monotonic=time.clock, sleep=time.sleep))

    def run(since, wanted=MADE):
        did = []
        documents.keep_work("d-1", work(plan(), wanted, queue(*BEFORE.members, bullseye_rings=0)))

        def read_queue(_id):
            did.append("read")
            return queue(*BEFORE.members, bullseye_rings=6 if did.count("read") >= since else 0)

        write_queue = lambda *_: did.append("write")  # noqa: E731 - the contract's own method
        genesys = SimpleNamespace(raise_first=True, read_queue=read_queue, write_queue=write_queue)
        monkeypatch.setattr(app, "decided", lambda *_, **__: genesys)
        assert app.handler(MEMBERS | {"target": "queue", "part": "first"}, LambdaContext()) == {"written": True}
        return did

    return run


@pytest.mark.parametrize("since", [1, 3])
def test_no_member_is_written_before_the_rings_that_were_made_can_be_read(first_part, since):
    assert first_part(since) == ["write", *["read"] * since]


def test_rings_that_genesys_does_not_have_in_time_end_the_run(first_part):
    with pytest.raises(VerificationFailed, match="No member was written"):
        first_part(1000)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(target({}, bullseye_rings=6), id="no member changes"),
        pytest.param(target({"agent-1": 0.4}, wrap_up_timeout_s=45.0), id="no rings are made"),
    ],
)
def test_nobody_waits_where_no_member_needs_a_new_ring(first_part, wanted):
    assert first_part(1, wanted) == ["write"]
