"""Where AWS refuses: it is reported, tried again where writes met, and never taken for an answer."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.client import reported
from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.forecast_table import Forecasts
from routing_weights.adapters.aws.locks_table import Locks
from routing_weights.adapters.aws.secrets import JsonSecret
from routing_weights.adapters.aws.skills_table import SkillOwners
from routing_weights.adapters.aws.state_machine import Executions
from routing_weights.adapters.aws.token_function import TokenFunction
from routing_weights.domain.drift import Answer, DriftEntry
from routing_weights.domain.inputs import FromPlanRef
from routing_weights.domain.record import opened
from routing_weights.errors import (
    StoreUnavailable,
)
from tests.support.fakes import plan, run_of
from tests.unit.test_audit_table import listing

START = datetime(2026, 1, 31, 8, 0, 0, 123_456, tzinfo=UTC)
PLAN = f"plans/{'a' * 64}.json"
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:distribute"
RUN = run_of(START)


@pytest.mark.parametrize(
    ("service", "operation", "act"),
    [
        ("dynamodb", "Query", lambda: AuditTrail("audit", Documents("b")).append(opened(RUN, plan(), START))),
        ("dynamodb", "Query", lambda: AuditTrail("audit", Documents("b")).find("d-1")),
        ("dynamodb", "Query", lambda: listing(AuditTrail("audit", Documents("b")))),
        ("dynamodb", "GetItem", lambda: Forecasts("forecasts").find("queue-001")),
        ("dynamodb", "GetItem", lambda: SkillOwners("skills").require("skill-1", "queue-001")),
        ("dynamodb", "PutItem", lambda: SkillOwners("skills").claim("skill-1", "queue-001")),
        ("s3", "PutObject", lambda: Documents("documents-bucket").put("d-1", "before", {})),
        ("s3", "GetObject", lambda: Documents("documents-bucket").find("d-1", "before")),
        ("secretsmanager", "GetSecretValue", lambda: JsonSecret("token").read()),
        ("secretsmanager", "PutSecretValue", lambda: JsonSecret("token").write({})),
        ("lambda", "Invoke", lambda: TokenFunction("token-function").refresh("", 0)),
        ("stepfunctions", "StartExecution", lambda: Executions(MACHINE).start(FromPlanRef(plan_ref=PLAN), None)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_aws_refuses_is_reported_and_never_taken_for_an_answer(aws_answers, service, operation, act):
    aws_answers(service, operation, "AccessDeniedException")
    with pytest.raises(StoreUnavailable) as caught:
        act()
    assert caught.value.details == {"aws_error": "AccessDeniedException"}
    assert caught.value.message.startswith("Could not ")


def test_an_audit_record_that_was_not_written_is_not_taken_for_a_second_writer(trail, aws_answers):
    aws_answers("dynamodb", "TransactWriteItems", "ThrottlingException")
    with pytest.raises(StoreUnavailable):
        trail.append(opened(RUN, plan(), START))


CONFLICT = {
    "Error": {"Code": "TransactionCanceledException"},
    "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
}
PLACE_TAKEN = {
    "Error": {"Code": "TransactionCanceledException"},
    "CancellationReasons": [{"Code": "None"}, {"Code": "ConditionalCheckFailed"}, {"Code": "None"}],
}
MET_ONE = {"Error": {"Code": "TransactionConflictException"}}


@pytest.fixture
def meets(aws, monkeypatch):
    """Have an operation of DynamoDB refused so many times, and count how often it is asked for."""

    def meet(operation, response, times):
        original, asked = getattr(aws("dynamodb"), operation), []

        def write(**arguments):
            asked.append(arguments)
            if len(asked) <= times:
                raise ClientError(response, operation)
            return original(**arguments)

        monkeypatch.setattr(aws("dynamodb"), operation, write)
        return asked

    return meet


@pytest.fixture
def locked(aws):
    """The holder of the lock of queue-001."""
    aws("dynamodb").create_table(
        TableName="locks",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "queue_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "queue_id", "KeyType": "HASH"}],
    )
    aws("dynamodb").put_item(TableName="locks", Item={"queue_id": {"S": "queue-001"}, "holder": {"S": "me"}})
    return "me"


@pytest.mark.parametrize("with_lock", [False, True], ids=["alone", "with a check of the lock"])
@pytest.mark.parametrize("response", ["CONFLICT", "PLACE_TAKEN"])
def test_a_record_whose_place_in_the_chain_is_taken_is_tried_again(
    trail, meets, locked, fake_time, with_lock, response
):
    asked = meets("transact_write_items", {"CONFLICT": CONFLICT, "PLACE_TAKEN": PLACE_TAKEN}[response], times=3)
    trail = replace(trail, sleep=fake_time.sleep)
    assert trail.append(opened(RUN, plan(), START), locked if with_lock else "")
    assert len(asked) == 4
    assert len(fake_time.slept) == 3


def test_a_write_that_conflicts_again_and_again_fails(trail, meets, locked, fake_time):
    asked = meets("transact_write_items", CONFLICT, times=math.inf)
    with pytest.raises(StoreUnavailable, match="TransactionConflict"):
        replace(trail, sleep=fake_time.sleep).append(opened(RUN, plan(), START), locked)
    assert len(asked) == 20
    assert sum(fake_time.slept) <= 15.6
    assert not trail.find(RUN.distribution_id)


@pytest.mark.usefixtures("locked")
def test_the_takeover_of_a_lock_that_a_closing_record_checks_is_tried_again(meets):
    asked = meets("update_item", MET_ONE, times=1)
    assert Locks("locks").take_over("queue-001", {"me"}, "recovery", START)
    assert len(asked) == 2


ENTRY = DriftEntry("queue-001", "2026-01-01", "2026-01-01T00:00:00.000Z", "d-1", ())


def test_an_entry_that_two_readings_store_at_once_is_stored(drift_table, meets, fake_time):
    asked = meets("transact_write_items", CONFLICT, times=2)
    drift_table = replace(drift_table, sleep=fake_time.sleep)
    assert drift_table.append(ENTRY, "state-1", 1)
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("operation", "write"),
    [
        ("update_item", lambda entries: entries.note("queue-001", "2026-01-01", Answer("notified", "."), final=True)),
        ("update_item", lambda entries: entries.note_begun("queue-001", "2026-01-01") is None),
        ("put_item", lambda entries: entries.settled("queue-001", 2) is None),
    ],
    ids=["note", "note_begun", "settled"],
)
def test_a_note_that_meets_a_new_entry_is_tried_again(drift_table, meets, fake_time, operation, write):
    drift_table = replace(drift_table, sleep=fake_time.sleep)
    drift_table.append(ENTRY, "state-1", 1)
    asked = meets(operation, MET_ONE, times=1)
    assert write(drift_table)
    assert len(asked) == 2


def test_a_connection_that_fails_is_reported_by_its_class():
    with pytest.raises(StoreUnavailable, match=r"Could not read it: EndpointConnectionError\."), reported("read it"):
        raise EndpointConnectionError(endpoint_url="https://internal")


def test_an_expected_refusal_passes_through():
    refusal = ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
    with pytest.raises(ClientError), reported("read it", expected=("NoSuchKey",)):
        raise refusal
