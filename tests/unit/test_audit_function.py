"""The function that closes records: it wires the use case, and counts the metrics that this returns."""

import json

import pytest

from routing_weights.application.close import Close
from tests.support.fakes import (
    FakeApprovals,
    FakeDocuments,
    FakeFleetSums,
    FakePatrols,
    FakeSchedules,
    FakeTrail,
    LambdaContext,
    account,
    function_module,
)

RUN = {
    "distribution_id": "d-1",
    "execution_arn": "arn:d-1",
    "started_at": "2026-01-31T08:00:00Z",
    "queue_id": "queue-001",
}


@pytest.fixture
def closing(monkeypatch):
    """The event that closes the record of `d-1` with a status, given to the function."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "test")
    app = function_module("audit")
    monkeypatch.setattr(app.AuditSettings, "load", lambda: None)
    use_case = Close(
        FakeDocuments(), FakeTrail(), FakePatrols(), FakeSchedules(), account(), FakeFleetSums(), FakeApprovals().end
    )
    monkeypatch.setattr(app.bootstrap, "close", lambda *_: use_case)

    def close(status, error):
        return app.handler({"run": RUN, "outcome": {"status": status, "error": error}, "holder": ""}, LambdaContext())

    return close


def test_the_function_answers_with_status_and_sentence_and_counts_the_outcome(closing, capsys):
    answer = closing("queue_busy", {"Error": "QueueBusy", "Cause": '{"errorMessage": "Come back later."}'})
    assert answer.pop("effort")["functions"].keys() == {"audit"}
    assert answer == {"status": "queue_busy", "message": "Come back later."}
    emitted = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert emitted[0]["DistributionQueueBusy"] == [1.0]
    assert emitted[0]["DistributionLatency"][0] > 0
