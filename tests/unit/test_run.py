"""What travels between the states: a run, and how a failed Lambda becomes the errors of its record."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.domain.problems import problem
from routing_weights.domain.run import Outcome, Run
from routing_weights.errors import (
    Forbidden,
    PlanInvalid,
)
from tests.support.fakes import run_of

START = datetime(2026, 1, 31, 8, 0, 0, 123_456, tzinfo=UTC)
RUN = run_of(START)


def after(**duration):
    return START + timedelta(**duration)


def test_a_run_comes_back_from_a_states_payload_as_it_went():
    assert Run.model_validate(json.loads(RUN.model_dump_json()) | {"target": "members", "next": 3}) == RUN


@pytest.mark.parametrize(
    ("now", "milliseconds"),
    [
        (after(seconds=1.5), 1500),
        (after(microseconds=600), 1),
        (after(seconds=-3), 0),
        (after(hours=1).astimezone(timezone(timedelta(hours=5))), 3_600_000),
    ],
)
def test_latency_is_whole_milliseconds_since_the_start_and_never_negative(now, milliseconds):
    assert RUN.latency_ms(now) == milliseconds


def test_latency_is_told_from_a_start_in_another_time_zone():
    run = Run.model_validate(RUN.model_dump(mode="json") | {"started_at": "2026-01-31T10:00:00+02:00"})
    assert run.latency_ms(datetime(2026, 1, 31, 8, 0, 1, tzinfo=UTC)) == 1000


def errors_of(error, cause, status="member_update_failed"):
    return Outcome(status=status, error={"Error": error, "Cause": cause}).errors()


def lambda_cause(error):
    return json.dumps({"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": ["File ..."]})


def test_a_completed_run_has_no_errors():
    assert Outcome(status="completed").errors() == []


def test_a_lambdas_error_in_our_wire_form_is_taken_apart():
    error = Forbidden("Add the scope.", http_status=403, genesys_code="missing")
    assert errors_of("Forbidden", lambda_cause(error)) == [
        {"type": "Forbidden", "message": "Add the scope.", "http_status": 403, "genesys_code": "missing"}
    ]


def test_an_error_with_several_problems_is_one_entry_for_each():
    listed = [problem("member_weights.x", "not there", "member_not_in_queue"), problem("queue_id", "bad", "missing")]
    assert errors_of("PlanInvalid", lambda_cause(PlanInvalid("Both.", errors=listed, error_count=2))) == listed


def test_a_bug_in_a_lambda_is_recorded_with_its_class_and_text():
    cause = json.dumps({"errorMessage": "'plan'", "errorType": "KeyError", "stackTrace": []})
    assert errors_of("KeyError", cause) == [{"type": "KeyError", "message": "KeyError: 'plan'"}]


@pytest.mark.parametrize(
    ("error", "cause", "message"),
    [
        ("States.Timeout", "", "States.Timeout"),
        ("States.DataLimitExceeded", "The state is too big.", "States.DataLimitExceeded: The state is too big."),
        ("Lambda.TooManyRequestsException", "Rate exceeded", "Lambda.TooManyRequestsException: Rate exceeded"),
        ("QueueGone", "Queue queue-001 is gone.", "QueueGone: Queue queue-001 is gone."),
        ("States.TaskFailed", "[1]", "States.TaskFailed: [1]"),
        ("States.TaskFailed", '"text"', 'States.TaskFailed: "text"'),
        ("Sandbox.Timedout", '{"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 20.00 seconds"}',
         "Sandbox.Timedout: Task timed out after 20.00 seconds"),
        ("Lambda.Unknown", '{"errorMessage": "2026-01-31 Task timed out after 3.00 seconds"}',
         "Lambda.Unknown: 2026-01-31 Task timed out after 3.00 seconds"),
    ],
)  # fmt: skip
def test_what_is_not_our_error_is_recorded_as_a_sentence(error, cause, message):
    assert errors_of(error, cause) == [{"type": error, "message": message}]


def test_an_error_without_a_cause_is_recorded():
    assert Outcome(status="interrupted", error={"Error": "States.Timeout"}).errors() == [
        {"type": "States.Timeout", "message": "States.Timeout"}
    ]


@given(st.text(), st.text() | st.dictionaries(st.text(), st.text() | st.integers()).map(json.dumps))
def test_every_failure_can_be_recorded(error, cause):
    for entry in errors_of(error, cause):
        assert isinstance(entry["message"], str)
