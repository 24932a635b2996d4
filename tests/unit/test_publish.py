"""The publication of outcomes: every closing record is an event, in order, and a failed one delays no other."""

import json
from datetime import UTC, datetime

import pytest

from routing_weights.application.messages import StreamRecord
from routing_weights.application.publish import PublishOutcomes, RepublishOutcomes
from routing_weights.domain.events import APPROVAL_ANSWERED, DISTRIBUTION_MEASURED, DISTRIBUTION_OUTCOME
from routing_weights.domain.record import (
    ApprovalAnswered,
    Closing,
    Interval,
    Measurement,
    Prediction,
    Realised,
    published,
)
from routing_weights.errors import DistributionNotFound
from tests.support.fakes import FakeBus, FakeDeadLetters, FakeTrail, run_of

RUN = run_of(datetime(2026, 1, 31, 8, tzinfo=UTC))


def closing(distribution_id):
    at = "2026-01-31T08:00:00.000Z"
    return Closing(distribution_id=distribution_id, timestamp=at, started_at=at, status="completed")


class Stream:
    """The stream of the audit table; an image is the record's own JSON here."""

    def record_in(self, image):
        return published(image)


def streamed(number, **changes):
    image = closing(f"d-{number}").to_json() | changes
    return StreamRecord(str(number), f"d-{number}", image)


class Publishing:
    def __init__(self):
        self.bus, self.dead = FakeBus(), FakeDeadLetters()
        self.publish = PublishOutcomes(Stream(), self.bus, self.dead).publish

    def published(self):
        return [event.distribution_id for _, event in self.bus.events]


@pytest.fixture
def outcomes():
    return Publishing()


def test_every_record_of_a_batch_is_published(outcomes):
    assert outcomes.publish([streamed(1), streamed(2)]) == []
    assert outcomes.published() == ["d-1", "d-2"]
    assert {kind for kind, _ in outcomes.bus.events} == {DISTRIBUTION_OUTCOME}


def test_what_was_measured_is_published_and_why_nothing_was_is_not(outcomes):
    prediction = Prediction(60, 1800, 180, 120, "plan", Interval(0.8, 0.7, 0.9), None, None, 20, 5, None)
    realised = Realised(offered=50, abandoned=5, in_time=36, counted=45, waited=0)
    common = {"distribution_id": "d-1", "timestamp": "2026-01-31T10:00:00.000Z", "queue_id": "queue-001"}
    span = {"start": "2026-01-31T08:30:00.000Z", "end": "2026-01-31T09:30:00.000Z"}
    record = Measurement(**common, **span, predicted=prediction, realised=realised, alone=True)
    batch = [
        StreamRecord(str(n), "d-1", each.to_json()) for n, each in enumerate((record, Measurement(**common, why="x")))
    ]
    assert outcomes.publish(batch) == []
    ((kind, event),) = outcomes.bus.events
    assert (kind, event.id, event.contacts, event.alone) == (DISTRIBUTION_MEASURED, "d-1:measured", 50, True)
    assert event.projected.model_dump() == {"service_level": 0.8, "abandonment": None, "mean_wait_s": None}
    assert event.realised.model_dump() == {"service_level": 0.8, "abandonment": 0.1, "mean_wait_s": None}


def test_an_answer_to_a_distribution_that_waits_is_published(outcomes):
    common = {"distribution_id": "d-1", "timestamp": "2026-01-31T10:00:00.000Z", "queue_id": "queue-001"}
    record = ApprovalAnswered(**common, number=2, hash="ab12", answer="approved", caller="arn:user/lead", reason="fine")
    image = record.to_json()
    assert image["record"] == "4-answered-2"
    assert outcomes.publish([StreamRecord("1", "d-1", image)]) == []
    ((kind, event),) = outcomes.bus.events
    assert (kind, event.id, event.answer) == (APPROVAL_ANSWERED, "d-1:approved:2", "approved")
    assert (event.caller, event.reason, event.hash) == ("arn:user/lead", "fine", "ab12")


def test_an_unaccepted_outcome_and_all_after_it_come_again(outcomes):
    outcomes.bus.refused = {"d-2:completed"}
    batch = [streamed(number) for number in (1, 2, 3)]
    assert outcomes.publish(batch) == ["2"]
    assert outcomes.published() == ["d-1"]
    outcomes.bus.refused = set()
    assert outcomes.publish(batch[1:]) == []
    assert outcomes.published() == ["d-1", "d-2", "d-3"]
    assert outcomes.dead.letters == []


def test_an_unpublishable_record_is_a_dead_letter(outcomes, logs):
    assert outcomes.publish([streamed(1, status="of another version"), streamed(2)]) == []
    assert outcomes.published() == ["d-2"]
    assert outcomes.dead.letters == [(json.dumps({"distribution_id": "d-1"}), "ValidationError")]
    assert [log["distribution_id"] for log in logs() if log["levelname"] == "ERROR"] == ["d-1"]


def test_a_dead_letter_that_cannot_be_put_comes_again(outcomes):
    outcomes.dead.is_down = True
    assert outcomes.publish([streamed(1, status="of another version"), streamed(2)]) == ["1"]
    assert outcomes.published() == []


def test_an_outcome_is_published_once_more_by_hand_under_the_same_id():
    trail, bus = FakeTrail(), FakeBus()
    trail.append(closing("d-1"))
    republish = RepublishOutcomes(trail, bus).republish
    assert [republish(["d-1"]) for _ in range(2)] == [["d-1:completed"]] * 2
    assert [event.id for _, event in bus.events] == ["d-1:completed"] * 2
    with pytest.raises(DistributionNotFound, match="no closing record"):
        republish(["d-2"])
