"""The function that closes records: it takes back the return of a plan for a while that did not complete."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from routing_weights.adapters.aws.patrol_table import Patrol
from routing_weights.settings import Settings
from tests.support.fakes import SMALLEST_PLAN, function_module

ROOT = Path(__file__).parents[2]
RUN = {
    "distribution_id": "d-1",
    "execution_arn": "arn:d-1",
    "started_at": "2026-01-31T08:00:00Z",
    "queue_id": "queue-001",
}
CONTEXT = SimpleNamespace(
    function_name="audit",
    memory_limit_in_mb=128,
    aws_request_id="1",
    invoked_function_arn="arn:aws:lambda:x:1:function:audit",
)


@pytest.fixture
def close(trail, documents, aws, monkeypatch):
    """Close the record of `d-1`, which was for a while or for good; what is recorded, and which returns are left."""
    for name in ("LOCKS_TABLE", "AUDIT_TABLE", "DOCUMENTS_BUCKET", "DRIFT_TABLE", "ONE_TIME_GROUP"):
        monkeypatch.setenv(
            name, {"AUDIT_TABLE": trail.table, "DOCUMENTS_BUCKET": documents.bucket}.get(name, "one-time")
        )
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "test")
    Settings.load.__func__.cache_clear()
    app = function_module("audit")
    aws("dynamodb").create_table(
        TableName="one-time",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("queue_id", "record")],
        KeySchema=[
            {"AttributeName": "queue_id", "KeyType": "HASH"},
            {"AttributeName": "record", "KeyType": "RANGE"},
        ],
    )
    scheduler = aws("scheduler")
    scheduler.create_schedule_group(Name="one-time")
    for name in ("return.d-1", "return.d-2"):
        scheduler.create_schedule(
            GroupName="one-time",
            Name=name,
            ScheduleExpression="at(2026-01-31T17:00:00)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": "arn:aws:states:x:1:stateMachine:m", "RoleArn": "arn:aws:iam::1:role/r"},
        )

    def close(status, run_id="d-1", **changes):
        documents.put(run_id, "plan", SMALLEST_PLAN | changes)
        error = {} if status in {"completed", "dry_run"} else {"Error": "QueueBusy", "Cause": "{}"}
        event = {"run": RUN, "outcome": {"status": status, "error": error}, "holder": ""}
        app.handler(event | {"run": RUN | {"distribution_id": run_id, "execution_arn": ""}}, CONTEXT)
        left = [item["Name"] for item in scheduler.list_schedules(GroupName="one-time")["Schedules"]]
        return trail.find(run_id)["9-closed"], sorted(left)

    yield close
    Settings.load.__func__.cache_clear()


UNTIL = {"until": "2026-01-31T17:00:00Z"}


@pytest.mark.parametrize("status", ["queue_busy", "member_update_failed", "interrupted", "dry_run"])
def test_the_return_of_what_did_not_complete_is_taken_back(close, status):
    record, left = close(status, **UNTIL)
    assert (record["status"], record["until"]) == (status, UNTIL["until"])
    assert left == ["return.d-2"]


@pytest.mark.parametrize(("status", "plan"), [("completed", UNTIL), ("queue_busy", {})])
def test_what_completed_returns_and_what_is_for_good_has_no_return(close, status, plan):
    _, left = close(status, **plan)
    assert left == ["return.d-1", "return.d-2"]


def test_a_return_that_cannot_be_taken_back_does_not_keep_the_record_open(close, aws_answers, logs):
    aws_answers("scheduler", "DeleteSchedule", "ThrottlingException")
    record, left = close("queue_busy", **UNTIL)
    assert record["status"] == "queue_busy"
    assert "return.d-1" in left
    assert any("A return is left" in str(entry.get("msg")) for entry in logs())


@pytest.mark.parametrize("policy", ["record", "notify", "repair"])
def test_the_queue_of_a_completed_plan_that_names_on_drift_is_patrolled_until_one_that_does_not(close, policy):
    close("completed", on_drift=policy)
    assert Patrol("one-time").due(10**15) == ["queue-001"]
    close("completed", "d-2")
    assert Patrol("one-time").due(10**15) == []


@pytest.mark.parametrize("status", ["dry_run", "member_update_failed", "queue_busy"])
def test_a_run_that_did_not_complete_changes_nothing_of_the_patrol(close, status):
    close(status, on_drift="repair")
    assert Patrol("one-time").due(10**15) == []
    close("completed", "d-2", on_drift="repair")
    close(status, "d-3")
    assert Patrol("one-time").due(10**15) == ["queue-001"]
