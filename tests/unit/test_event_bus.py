"""The bus of the deployment: an event is put under its name, and an event that was not accepted is an error."""

import json

import pytest

from routing_weights.adapters.aws.event_bus import Bus
from routing_weights.domain.events import DISTRIBUTION_OUTCOME, outcome_of
from routing_weights.domain.record import Closing
from routing_weights.errors import StoreUnavailable


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
    at = "2026-01-31T08:00:00.000Z"
    record = Closing(distribution_id="d-1", timestamp=at, started_at=at, status="completed")
    Bus("ours").put("A Thing", {"version": "1", "id": "x"})
    Bus("ours").put(DISTRIBUTION_OUTCOME, outcome_of(record))
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
def test_an_event_that_was_not_accepted_is_an_error(aws_answers, reply):
    aws_answers("events", "PutEvents", reply)
    with pytest.raises(StoreUnavailable, match="put an event on the bus"):
        Bus("ours").put("A Thing", {})
