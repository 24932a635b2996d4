"""Publishes the outcomes of distributions: an event on the bus for every closing record, and for what was measured."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from aws_lambda_powertools import Logger

from routing_weights.application.messages import StreamRecord
from routing_weights.application.ports import Bus, DeadLetters, OutcomeStream, Trail
from routing_weights.domain.events import (
    APPROVAL_ANSWERED,
    DISTRIBUTION_MEASURED,
    DISTRIBUTION_OUTCOME,
    DistributionAnswered,
    DistributionMeasured,
    DistributionOutcome,
    answered,
    measured,
    outcome_of,
)
from routing_weights.domain.record import ApprovalAnswered, Closing, Measurement, Published
from routing_weights.errors import DistributionNotFound, StoreUnavailable

logger = Logger(child=True)

Event = DistributionOutcome | DistributionMeasured | DistributionAnswered
_DETAIL_TYPES: dict[type[Event], str] = {
    DistributionOutcome: DISTRIBUTION_OUTCOME,
    DistributionMeasured: DISTRIBUTION_MEASURED,
    DistributionAnswered: APPROVAL_ANSWERED,
}


@dataclass(frozen=True)
class PublishOutcomes:
    stream: OutcomeStream
    bus: Bus
    dead_letters: DeadLetters

    def publish(self, records: Sequence[StreamRecord]) -> list[str]:
        """Publish the records of a batch of the audit table's stream, in their order.

        Returns a list with the sequence number of the first record that could not be published; it is empty if all were
        published. That record and all after it come again, in their order, until the mapping in template.yaml gives up.
        """
        for record in records:
            try:
                self._publish(record)
            except StoreUnavailable as error:
                logger.warning(
                    "The outcome is published later", distribution_id=record.distribution_id, reason=error.message
                )
                return [record.sequence_number]
        return []

    def _publish(self, record: StreamRecord) -> None:
        try:
            event = _event_of(self.stream.record_in(record.image))
        except StoreUnavailable:
            raise
        except Exception as defect:  # ours, in one record: it must not keep back the outcomes after it
            logger.exception("The outcome cannot be published", distribution_id=record.distribution_id)
            self.dead_letters.put(json.dumps({"distribution_id": record.distribution_id}), type(defect).__name__)
        else:
            if event:
                _put(event, self.bus)


@dataclass(frozen=True)
class RepublishOutcomes:
    trail: Trail
    bus: Bus

    def republish(self, distribution_ids: Sequence[str]) -> list[str]:
        """Publish the outcomes of distributions once more, by hand. Returns the ids of the events, as they were before.

        Raises:
            DistributionNotFound: one has no closing record.
        """
        return [self._republish(distribution_id) for distribution_id in distribution_ids]

    def _republish(self, distribution_id: str) -> str:
        record = self.trail.find(distribution_id).closing
        if record is None:
            raise DistributionNotFound(f"Distribution {distribution_id} has no closing record, so it has no outcome.")
        return _put(outcome_of(record), self.bus)


def _event_of(record: Published) -> Event | None:
    match record:
        case Closing():
            return outcome_of(record)
        case Measurement():
            return measured(record)
        case ApprovalAnswered():
            return answered(record)
        case _:
            assert_never(record)


def _put(event: Event, bus: Bus) -> str:
    """Returns the event's id."""
    bus.put(_DETAIL_TYPES[type(event)], event)
    logger.info("The outcome is published", distribution_id=event.distribution_id, event_id=event.id)
    return event.id
