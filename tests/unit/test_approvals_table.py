"""ApprovalsTable: a question is answered once, in time, for what was asked; and how an execution hears of it."""

from datetime import UTC, datetime, timedelta

import pytest
from moto.core.exceptions import JsonRESTError
from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackPoolManager

from local.stack import moto_seam
from routing_weights.adapters.aws.approvals_table import Approvals
from routing_weights.adapters.aws.efforts import counted
from routing_weights.domain.approval import Approval
from routing_weights.domain.effort import Effort
from routing_weights.domain.record import timestamp

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
END = NOW + timedelta(minutes=10)
TOKEN = "a-secret-token"


def question(distribution_id="d-1", number=1, **changes):
    known = {
        "distribution_id": distribution_id,
        "number": number,
        "hash": f"{number}" * 64,
        "reasons": ({"name": "plan", "sentence": "The plan asks for approval."},),
        "queue_id": "queue-001",
        "door": "api",
        "asked_by": "arn:user/ops",
        "asked_at": timestamp(NOW),
        "expires_at": timestamp(END),
        "token": TOKEN,
    }
    return Approval.model_validate(known | changes)


@pytest.fixture
def table(aws):
    """ApprovalsTable with the index of template.yaml, which has no token."""
    keys = [{"AttributeName": "waiting", "KeyType": "HASH"}, {"AttributeName": "asked_at", "KeyType": "RANGE"}]
    shown = {
        "ProjectionType": "INCLUDE",
        "NonKeyAttributes": ["state", "hash", "expires_at", "number", "approval"],
    }
    aws("dynamodb").create_table(
        TableName="approvals",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("distribution_id", "waiting", "asked_at")
        ],
        KeySchema=[{"AttributeName": "distribution_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[{"IndexName": "by_time", "KeySchema": keys, "Projection": shown}],
    )
    return Approvals("approvals")


def test_a_question_is_read_as_it_was_asked(table):
    assert table.find("d-1") is None
    assert table.ask(question()) == question() == table.find("d-1")


def test_a_question_that_is_asked_again_gets_the_new_token_and_keeps_the_rest(table):
    table.ask(question())
    later = {"asked_at": timestamp(END), "expires_at": timestamp(END)}
    assert table.ask(question(token="another", **later)) == question(token="another") == table.find("d-1")
    assert table.ask(question(number=2, **later)).number == 2
    assert table.ask(question()).number == 2, "an earlier question does not come back"


@pytest.mark.parametrize("answer", ["approved", "rejected"])
def test_a_question_is_answered_once(table, answer):
    table.ask(question())
    answered = table.answer(question(), answer, "arn:user/boss", "why", NOW)
    assert (answered.state, answered.answered_by, answered.reason) == (answer, "arn:user/boss", "why")
    assert (answered.token, answered.answered_at) == (TOKEN, timestamp(NOW))
    assert table.find("d-1") == answered
    assert table.answer(question(), "approved", "arn:user/other", "why", NOW) is None
    assert table.ask(question(token="another")) == answered, "an attempt that comes after the answer"
    table.end("d-1")
    assert table.find("d-1") == answered


@pytest.mark.parametrize(
    ("asked", "at"),
    [
        (question(), END),
        (question(hash="0" * 64), NOW),
        (question(number=2, hash="1" * 64), NOW),
        (question("d-2"), NOW),
    ],
    ids=["late", "another hash", "another question", "never asked"],
)
def test_an_answer_to_something_else_or_too_late_is_not_stored(table, asked, at):
    table.ask(question())
    assert table.answer(asked, "approved", "arn:user/boss", "why", at) is None
    assert table.find("d-1") == question()


def test_what_waits_is_listed_without_its_token_the_oldest_first(table):
    table.ask(question("d-2", asked_at=timestamp(NOW + timedelta(minutes=1))))
    for name in ("d-1", "d-3", "d-4"):
        table.ask(question(name))
    table.answer(question("d-3"), "approved", "arn:user/boss", "why", NOW)
    table.end("d-4")
    waiting = list(table.waiting(NOW))
    assert [each.distribution_id for each in waiting] == ["d-1", "d-2"]
    assert {each.token for each in waiting} == {""}
    assert list(table.waiting(END)) == []
    assert table.find("d-4").state == "over"


def test_a_token_is_taken_once_by_the_embedded_stack(monkeypatch):
    monkeypatch.setitem(moto_seam._originals, (CallbackPoolManager, "notify"), CallbackPoolManager.notify)
    pool = CallbackPoolManager(activity_store={})
    task = pool.add("token")
    assert moto_seam._answer_task(pool, "token", "first") is True
    for _ in range(2):
        with pytest.raises(JsonRESTError, match="TaskTimedOut"):
            moto_seam._answer_task(pool, "token", "second")
    assert task.get_outcome() == "first"
    pool.add("stopped").interrupt_all()
    with pytest.raises(JsonRESTError, match="TaskTimedOut"):
        moto_seam._answer_task(pool, "stopped", "late")
    assert moto_seam._answer_task(pool, "unknown", "x") is False


def test_the_function_that_keeps_a_token_is_counted_once_however_the_wait_ends():
    report = '{"Payload": {"effort": {"dynamodb_writes": 3}}}'
    waits = [
        {"type": "TaskStateEntered"},
        {"type": "TaskScheduled", "taskScheduledEventDetails": {"resourceType": "lambda"}},
        {"type": "TaskSubmitted", "taskSubmittedEventDetails": {"output": report}},
    ]
    ends = [
        {"type": "TaskSucceeded", "taskSucceededEventDetails": {"output": '{"approved": "0"}'}},
        {"type": "TaskFailed", "taskFailedEventDetails": {"error": "Rejected", "cause": "{}"}},
        {"type": "TaskTimedOut", "taskTimedOutEventDetails": {}},
    ]
    for end in ends:
        assert counted([*waits, end], is_over=True) == Effort(transitions=1, dynamodb_writes=3)
