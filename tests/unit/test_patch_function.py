"""The function that writes: how far it came is known, whatever breaks off its tick."""

from types import SimpleNamespace

import pytest

from routing_weights.errors import GenesysUnavailable, StoreUnavailable
from tests.unit.fakes import SMALLEST_PLAN, LambdaContext, function_module, member, queue, target

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
    documents.put("d-1", "plan", SMALLEST_PLAN)
    documents.put("d-1", "before", BEFORE.to_json())
    written = []

    def run(next_member, **fails):
        def write_members(_before, chunk, _target, key):  # noqa: ARG001 - the contract's own names
            (one,) = chunk
            if one.user_id in fails:
                raise fails.pop(one.user_id)
            written.append(one.user_id)

        genesys = SimpleNamespace(raise_first=True, per_write=1, write_members=write_members)
        monkeypatch.setattr(app, "contract", lambda *_, **__: genesys)
        monkeypatch.setattr(app, "target_of", lambda *_: TARGET)
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
