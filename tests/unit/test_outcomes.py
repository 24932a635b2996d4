"""The end of a distribution as others hear of it: the event, the bus, and the function that a stream calls."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from moto.dynamodb.models.table import Table
from moto.events.models import EventPattern

from local.checks.outcome_schema import schema
from local.stack import moto_seam
from local.stack.lambdas import Outcome as Invoked
from local.stack.polling import StreamPoller
from local.stack.template import StreamSource
from routing_weights.adapters.aws.event_bus import SOURCE, Bus
from routing_weights.domain.events import DISTRIBUTION_OUTCOME, DistributionOutcome, outcome_of
from routing_weights.domain.problems import problem
from routing_weights.domain.record import Closing, closed, refused
from routing_weights.domain.run import Outcome
from routing_weights.domain.status import Status
from routing_weights.errors import DistributionNotFound, StoreUnavailable
from tests.support.fakes import LambdaContext, function_module, member, plan, queue, run_of

ROOT = Path(__file__).parents[2]
START, END = datetime(2026, 1, 31, 8, 0, tzinfo=UTC), datetime(2026, 1, 31, 8, 0, 4, tzinfo=UTC)
RUN = run_of(START)
BEFORE = queue(member("agent-1", 0.1), member("agent-2", 0.35), member("agent-3"), overflow_threshold=0.7)
AFTER = queue(member("agent-1", 0.4), member("agent-2", 0.35), member("agent-3", 0.25), overflow_threshold=0.85)


def closing(status="completed", error=None, **known):
    known = {"plan": plan(reason="evening"), "before": BEFORE, "after": AFTER, "restore": None} | known
    known = {"projection": {"verdict": "pass", "reason": "within the limits"}, "actuation": None} | known
    return closed(RUN, Outcome(status=status, error=error or {}), at=END, **known)


# ---- the event -------------------------------------------------------------------------------------------------------


def test_an_outcome_is_a_summary_and_leads_to_its_record():
    told = outcome_of(closing()).model_dump(mode="json")
    assert told == {
        "type": "distribution_outcome",
        "version": "1",
        "id": "d-1:completed",
        "distribution_id": "d-1",
        "record": "/distributions/d-1",
        "queue_id": "queue-001",
        "status": "completed",
        "started_at": "2026-01-31T08:00:00.000Z",
        "ended_at": "2026-01-31T08:00:04.000Z",
        "latency_ms": 4000,
        "door": "api",
        "caller": "arn:user/ops",
        "requested_by": None,
        "reason": "evening",
        "strategy_reference": "longest-available-agent",
        "members": 3,
        "balance_accuracy": 100.0,
        "changes": {"settings": 1, "members": 2},
        "projection": {"verdict": "pass", "reason": "within the limits"},
        "restore": None,
        "errors": [],
        "error_count": 0,
    }


def test_a_failed_outcome_has_its_errors_and_its_restore():
    restore = {
        "outcome": "partial",
        "restored": 1,
        "unrestored": ["agent-1"],
        "unconfirmed": [],
        "edited": [],
    }
    told = outcome_of(closing("member_update_failed", {"Error": "Forbidden", "Cause": "No."}, restore=restore))
    assert told.restore.model_dump() == {"outcome": "partial", "unrestored": 1, "unconfirmed": 0, "edited": 0}
    assert [(error.type, error.path) for error in told.errors] == [("Forbidden", None)]


@pytest.mark.parametrize("status", [status for status in Status if status.terminal])
def test_every_status_that_ends_a_distribution_can_be_told_with_and_without_all_that_a_run_leaves(status):
    nothing = dict.fromkeys(("plan", "before", "after", "projection"))
    for record in (closing(status), closing(status, **nothing)):
        assert outcome_of(record).id == f"d-1:{status}"


def test_a_refused_plan_is_told_with_its_first_problems_and_their_number():
    problems = [problem(f"member_weights.a{n}", "too large", "less_than_equal") for n in range(9)]
    _, record = refused(RUN, None, problems, END)
    told = outcome_of(record)
    assert (told.status, told.queue_id, told.error_count) == ("validation_failed", None, 9)
    assert [error.path for error in told.errors] == [f"member_weights.a{n}" for n in range(5)]


def test_the_largest_outcome_is_small(trail, aws):
    weights = {f"agent-{i:04}-{'x' * 50}": i * 1e-8 for i in range(5_000)}
    held = queue(*(member(name, weight) for name, weight in weights.items()))
    wide = {"Error": "Forbidden", "Cause": "€" * 30_000}
    record = closing("member_update_failed", wide, plan=plan(member_weights=weights), before=BEFORE, after=held)
    trail.append(record)
    image = aws("dynamodb").get_item(
        TableName="audit", Key={"distribution_id": {"S": "d-1"}, "record": {"S": Closing.KEY}}
    )
    told = outcome_of(trail.closing_in(image["Item"]))
    assert (told.members, told.changes.members) == (5_000, 5_000)
    assert told.errors[0].message == "€" * 999 + "…"
    assert len(told.model_dump_json().encode()) < 10_000


def test_the_pages_pattern_fits_the_pages_event_which_keeps_the_schema():
    page = (ROOT / "docs/use/outcomes.md").read_text(encoding="utf-8")
    pattern, detail = re.findall(r"^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    outcome = DistributionOutcome.model_validate_json(detail, strict=True)
    event = {"source": SOURCE, "detail-type": DISTRIBUTION_OUTCOME, "detail": json.loads(detail)}
    assert EventPattern.load(pattern).matches_event(event)
    assert outcome.model_dump(mode="json") == event["detail"]


def test_the_schema_of_the_page_is_the_codes():
    page = (ROOT / "docs" / "outcome-event.schema.json").read_text(encoding="utf-8")
    assert page == schema(), "python -m local.checks.outcome_schema > docs/outcome-event.schema.json"


# ---- the bus ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def heard(aws):
    """The events that have come to a queue from the bus `ours`, in their order."""
    arn = "arn:aws:sqs:eu-central-1:123456789012:heard"
    url = aws("sqs").create_queue(QueueName="heard")["QueueUrl"]
    aws("events").create_event_bus(Name="ours")
    aws("events").put_rule(Name="all", EventBusName="ours", EventPattern='{"source": ["routing-weights"]}')
    aws("events").put_targets(Rule="all", EventBusName="ours", Targets=[{"Id": "q", "Arn": arn}])

    def events():
        messages = aws("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    return events


def test_an_event_is_put_as_an_object_under_its_name(heard):
    Bus("ours").put("A Thing", {"version": "1", "id": "x"})
    Bus("ours").put(DISTRIBUTION_OUTCOME, outcome_of(closing()))
    thing, outcome = heard()
    assert (thing["source"], thing["detail-type"], thing["detail"]) == (
        "routing-weights",
        "A Thing",
        {"version": "1", "id": "x"},
    )
    assert (outcome["detail-type"], outcome["detail"]["id"]) == ("Distribution Outcome", "d-1:completed")


@pytest.mark.parametrize(
    "reply", ["ThrottlingException", {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}]
)
def test_an_event_that_was_not_taken_is_an_error(aws_answers, reply):
    aws_answers("events", "PutEvents", reply)
    with pytest.raises(StoreUnavailable, match="put an event on the bus"):
        Bus("ours").put("A Thing", {})


# ---- the function ----------------------------------------------------------------------------------------------------


@pytest.fixture
def app(monkeypatch, aws):
    """The function; `dead()` are its dead letters."""
    module = function_module("outcomes")
    url = aws("sqs").create_queue(QueueName="dead")["QueueUrl"]
    settings = SimpleNamespace(
        audit_table="audit", documents_bucket="documents-bucket", outgoing_bus="ours", outcome_dead_letters=url
    )
    monkeypatch.setattr(module.OutcomesSettings, "load", lambda: settings)
    module.call = lambda event: module.handler(event, LambdaContext())
    module.dead = lambda: [
        (json.loads(message["Body"]), message["MessageAttributes"]["reason"]["StringValue"])
        for message in aws("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])
    ]
    return module


def streamed(trail, aws, number, **changes):
    """A record of the stream, of a closing record that is in the table."""
    record = closing().model_copy(update={"distribution_id": f"d-{number}"})
    trail.append(record)
    key = {"distribution_id": {"S": record.distribution_id}, "record": {"S": Closing.KEY}}
    image = aws("dynamodb").get_item(TableName="audit", Key=key)["Item"] | changes
    return {"dynamodb": {"Keys": key, "NewImage": image, "SequenceNumber": str(number)}}


def test_every_record_of_a_batch_is_told(app, trail, aws, heard):
    batch = [streamed(trail, aws, number) for number in (1, 2)]
    assert app.call({"Records": batch}) == {"batchItemFailures": []}
    assert [event["detail"]["distribution_id"] for event in heard()] == ["d-1", "d-2"]


def test_what_the_bus_does_not_take_comes_again_and_all_after_it(app, trail, aws, heard, monkeypatch):
    put, refusing = Bus.put, ["d-2"]

    def refuse(bus, detail_type, detail):
        if detail.distribution_id in refusing:
            raise StoreUnavailable("Could not put an event on the bus: InternalFailure.")
        put(bus, detail_type, detail)

    monkeypatch.setattr(app.Bus, "put", refuse)
    batch = [streamed(trail, aws, number) for number in (1, 2, 3)]
    assert app.call({"Records": batch}) == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert [event["detail"]["distribution_id"] for event in heard()] == ["d-1"]
    refusing.clear()
    assert app.call({"Records": batch[1:]}) == {"batchItemFailures": []}
    assert [event["detail"]["distribution_id"] for event in heard()] == ["d-2", "d-3"]
    assert app.dead() == []


def test_a_record_that_cannot_be_told_is_set_aside_and_keeps_back_no_other(app, trail, aws, heard, logs):
    batch = [streamed(trail, aws, 1, status={"S": "of another version"}), streamed(trail, aws, 2)]
    assert app.call({"Records": batch}) == {"batchItemFailures": []}
    assert [event["detail"]["distribution_id"] for event in heard()] == ["d-2"]
    assert app.dead() == [({"distribution_id": "d-1"}, "ValidationError")]
    assert [log["distribution_id"] for log in logs() if log["levelname"] == "ERROR"] == ["d-1"]


def test_an_outcome_is_put_once_more_by_hand_under_the_same_id(app, trail, heard):
    trail.append(closing())
    for _ in range(2):
        assert app.call({"distribution_ids": ["d-1"]}) == {"put": ["d-1:completed"]}
    assert [event["detail"]["id"] for event in heard()] == ["d-1:completed"] * 2
    with pytest.raises(DistributionNotFound, match="no closing record"):
        app.call({"distribution_ids": ["d-2"]})


# ---- the stream, in the embedded stack -------------------------------------------------------------------------------


@pytest.fixture
def stream(aws):
    keys = {"distribution_id": "HASH", "record": "RANGE"}
    aws("dynamodb").create_table(
        TableName="told",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    return lambda key, record: aws("dynamodb").put_item(
        TableName="told", Item={"distribution_id": {"S": key}, "record": {"S": record}}
    )


def test_a_function_gets_the_records_that_its_filter_lets_through_in_order_and_again_from_the_one_that_failed(stream):
    got, failing = [], ["b"]

    def invoke(_name, payload, _trace=""):
        records = json.loads(payload)["Records"]
        keys = [record["dynamodb"]["Keys"]["distribution_id"]["S"] for record in records]
        got.append(keys)
        failed = [
            record["dynamodb"]["SequenceNumber"] for record, key in zip(records, keys, strict=True) if key in failing
        ]
        return Invoked(
            json.dumps({"batchItemFailures": [{"itemIdentifier": n} for n in failed]}).encode(), failed=False
        )

    pattern = '{"eventName": ["INSERT"], "dynamodb": {"Keys": {"record": {"S": ["9-closed"]}}}}'
    arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/told/stream/now"
    poller = StreamPoller(StreamSource(arn, "OutcomesFunction", 4, (pattern,), None), invoke, "eu-central-1")
    for key in "abc":
        stream(key, "0-opened")
        stream(key, Closing.KEY)
    pauses = [poller._turn() for _ in range(3)]
    assert got == [["a", "b"], ["b", "c"], ["b", "c"]]
    assert 0 < pauses[0] < pauses[1] < pauses[2]
    failing.clear()
    assert [poller._turn(), poller._turn() > 0] == [0, True]
    assert got[3:] == [["b", "c"]]


def test_a_transaction_that_is_undone_leaves_nothing_in_the_stream(stream, aws, monkeypatch):
    monkeypatch.setattr(Table, "__deepcopy__", moto_seam._snapshot, raising=False)  # as `install` does
    stream("a", Closing.KEY)
    put = {"Put": {"TableName": "told", "Item": {"distribution_id": {"S": "b"}, "record": {"S": Closing.KEY}}}}
    key = {"distribution_id": {"S": "c"}, "record": {"S": Closing.KEY}}
    condition = "attribute_exists(distribution_id)"
    check = {"ConditionCheck": {"TableName": "told", "Key": key, "ConditionExpression": condition}}
    with pytest.raises(aws("dynamodb").exceptions.TransactionCanceledException):
        aws("dynamodb").transact_write_items(TransactItems=[put, check])
    ids = [record["dynamodb"]["Keys"]["distribution_id"]["S"] for record in moto_seam.stream_of("told", 0, 10)]
    assert ids == ["a"]
