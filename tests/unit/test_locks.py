"""Locks and executions as AWS has them: who may take a lock over, who may write under it, and how executions end."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from routing_weights.adapters.aws.locks_table import Locks, fence
from routing_weights.adapters.aws.recoveries import EndedExecutions, Recoveries
from routing_weights.domain.execution import Execution
from routing_weights.domain.record import Closing
from routing_weights.domain.run import Lock
from routing_weights.errors import Interrupted, StoreUnavailable
from tests.support.fakes import FakeTime

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:distribute"
RECOVER = "arn:aws:states:eu-central-1:123456789012:stateMachine:recover"
START, QUEUE = datetime(2026, 1, 31, 8, tzinfo=UTC), "queue-001"
NOW = datetime(2026, 1, 31, 8, 10, tzinfo=UTC)
DEAD, ME = "arn:aws:states:x:1:execution:distribute:d-1", "arn:aws:states:x:1:execution:recover:r-1"


class Table:
    """The table of the locks, as the state machines write it."""

    def __init__(self, dynamodb):
        self.dynamodb = dynamodb

    def put(self, holder, queue_id=QUEUE):
        since = {"N": f"{START.timestamp():.0f}"}
        self.dynamodb.put_item(
            TableName="locks", Item={"queue_id": {"S": queue_id}, "holder": {"S": holder}, "taken_at": since}
        )


@pytest.fixture
def table(aws):
    aws("dynamodb").create_table(
        TableName="locks",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "queue_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "queue_id", "KeyType": "HASH"}],
    )
    return Table(aws("dynamodb"))


# ---- the lock --------------------------------------------------------------------------------------------------------


def test_a_lock_is_found_with_its_holder_and_its_time(table):
    assert Locks("locks").find(QUEUE) is None
    table.put(DEAD)
    assert Locks("locks").find(QUEUE) == Lock(QUEUE, DEAD, START)


def test_every_page_of_the_locks_is_read(table, monkeypatch):
    table.put(DEAD, "queue-1")
    table.put(ME, "queue-2")
    scan = table.dynamodb.scan
    monkeypatch.setattr(table.dynamodb, "scan", lambda **query: scan(**query, Limit=1))
    assert sorted(lock.holder for lock in Locks("locks").all()) == sorted([DEAD, ME])


@pytest.mark.parametrize(("holder", "is_taken"), [(DEAD, True), (ME, True), (DEAD + "0", False), (None, False)])
def test_a_lock_is_taken_over_from_its_owners_only(table, holder, is_taken):
    if holder:
        table.put(holder)
    assert Locks("locks").take_over(QUEUE, {DEAD, ME}, ME, NOW) is is_taken
    expected = Lock(QUEUE, ME, NOW) if is_taken else holder and Lock(QUEUE, holder, START)
    assert Locks("locks").find(QUEUE) == expected


def test_a_service_that_does_not_answer_is_named_as_ours(table, aws_answers):
    table.put(DEAD)
    aws_answers("dynamodb", "UpdateItem", "InternalServerError")
    with pytest.raises(StoreUnavailable, match="take over the lock"):
        Locks("locks").take_over(QUEUE, {DEAD}, ME, NOW)


# ---- executions ------------------------------------------------------------------------------------------------------


def test_an_execution_is_described_with_how_it_ended(aws_answers):
    ended = {"error": "States.Runtime", "cause": "An error occurred.", "input": "{}"}
    described = {"executionArn": DEAD, "status": "FAILED", "startDate": START, "stopDate": NOW, **ended}
    aws_answers("stepfunctions", "DescribeExecution", described | {"redriveCount": 0})
    assert EndedExecutions().describe(DEAD) == Execution(DEAD, "FAILED", START, NOW, **ended)


def test_an_execution_that_runs_again_says_so(aws_answers):
    aws_answers("stepfunctions", "DescribeExecution", {"executionArn": DEAD, "status": "RUNNING", "redriveCount": 1})
    assert EndedExecutions().describe(DEAD) == Execution(DEAD, "RUNNING", is_redriven=True)


@pytest.mark.parametrize("code", ["ExecutionDoesNotExist", "InvalidArn"])
def test_an_execution_that_step_functions_does_not_know_is_unknown(aws_answers, code):
    aws_answers("stepfunctions", "DescribeExecution", code)
    assert EndedExecutions().describe(DEAD) == Execution(DEAD, "UNKNOWN")


def test_an_execution_that_cannot_be_described_is_not_taken_for_unknown(aws_answers):
    aws_answers("stepfunctions", "DescribeExecution", "InternalServerError")
    with pytest.raises(StoreUnavailable, match="read the execution"):
        EndedExecutions().describe(DEAD)


def test_failed_executions_are_listed_in_each_way_to_fail_back_to_a_time(aws_answers):
    executions = [{"executionArn": DEAD, "startDate": NOW}, {"executionArn": ME, "startDate": START}]
    requests = aws_answers("stepfunctions", "ListExecutions", {"executions": executions})
    assert list(EndedExecutions(MACHINE).failed(NOW)) == [DEAD] * 3
    asked = [json.loads(request["body"]) for request in requests]
    assert [(request["stateMachineArn"], request["statusFilter"]) for request in asked] == [
        (MACHINE, status) for status in ("FAILED", "TIMED_OUT", "ABORTED")
    ]


def test_a_recovery_is_started_without_a_name_so_that_it_can_be_started_again(aws_answers):
    requests = aws_answers("stepfunctions", "StartExecution", {})
    Recoveries(RECOVER).start(DEAD, QUEUE)
    (request,) = [json.loads(request["body"]) for request in requests]
    assert (request["stateMachineArn"], "name" in request) == (RECOVER, False)
    assert json.loads(request["input"]) == {"executionArn": DEAD, "queue_id": QUEUE}


def test_a_recovery_is_known_by_its_state_machine():
    recoveries = Recoveries(RECOVER)
    assert recoveries.includes(f"{RECOVER.replace(':stateMachine:', ':execution:')}:r-1")
    assert not recoveries.includes(f"{MACHINE.replace(':stateMachine:', ':execution:')}:d-1")


# ---- the fence -------------------------------------------------------------------------------------------------------


def test_the_owner_of_the_lock_may_write(table):
    table.put(DEAD)
    fence("locks", QUEUE, DEAD)()


@pytest.mark.parametrize("holder", [None, ME, DEAD + "0"])
def test_nobody_else_may_write(table, holder):
    if holder:
        table.put(holder)
    with pytest.raises(Interrupted, match="no longer this run's"):
        fence("locks", QUEUE, DEAD)()


def test_a_fence_looks_once_a_second_and_consistently(aws_answers):
    time = FakeTime()
    check = fence("locks", QUEUE, DEAD, clock=time.clock)
    lock = {"queue_id": {"S": QUEUE}, "holder": {"S": DEAD}, "taken_at": {"N": "1"}}
    requests = aws_answers("dynamodb", "GetItem", {"Item": lock})
    for seconds in (0, 0.9, 0.2, 0.5):
        time.advance(seconds)
        check()
    assert [json.loads(request["body"])["ConsistentRead"] for request in requests] == [True, True]


def test_a_fence_that_was_passed_is_closed_once_the_lock_is_gone(table):
    time = FakeTime()
    table.put(DEAD)
    check = fence("locks", QUEUE, DEAD, clock=time.clock)
    check()
    table.put(ME)
    time.advance(1)
    for _ in range(2):
        with pytest.raises(Interrupted):
            check()


def test_a_lock_that_cannot_be_read_lets_nobody_write(table, aws_answers):
    table.put(DEAD)
    aws_answers("dynamodb", "GetItem", "InternalServerError")
    with pytest.raises(StoreUnavailable):
        fence("locks", QUEUE, DEAD)()


def test_a_record_of_what_was_written_is_written_under_the_lock_only(trail, table):
    trail = replace(trail, locks_table="locks")
    record = Closing(distribution_id="d-2", timestamp="2026-01-31T08:00:00.000Z", status="completed", queue_id=QUEUE)
    with pytest.raises(Interrupted):
        trail.append(record, DEAD)
    table.put(ME)
    with pytest.raises(Interrupted):
        trail.append(record, DEAD)
    assert not trail.find("d-2")
    assert trail.append(record, ME)
    assert not trail.append(record, ME), "it was written before"
    assert not trail.append(record, DEAD), "and stays, whoever asks"
