"""Outcomes: puts an event on the bus for every closing record in the stream of the audit table."""

import json
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.event_bus import Bus, set_aside
from routing_weights.domain.events import DISTRIBUTION_OUTCOME, DistributionOutcome, outcome_of
from routing_weights.errors import DistributionNotFound, StoreUnavailable
from routing_weights.settings import OutcomesSettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """A batch of the stream; or `{"distribution_ids": [...]}`, by hand, to put the events of those once more."""
    settings = OutcomesSettings.load()
    trail, bus = AuditTrail(settings.audit_table, Documents(settings.documents_bucket)), Bus(settings.outgoing_bus)
    if "distribution_ids" in event:
        return {"put": [_again(distribution_id, trail, bus) for distribution_id in event["distribution_ids"]]}
    for item in event["Records"]:
        told = item["dynamodb"]
        distribution_id = told["Keys"]["distribution_id"]["S"]
        try:
            _tell(told["NewImage"], trail, bus, settings.outcome_dead_letters)
        except StoreUnavailable as error:
            # It and all after it come again, in their order, until the mapping's patience in template.yaml is over.
            logger.warning("The outcome is told later", distribution_id=distribution_id, reason=error.message)
            return {"batchItemFailures": [{"itemIdentifier": told["SequenceNumber"]}]}
    return {"batchItemFailures": []}


def _tell(image: dict[str, Any], trail: AuditTrail, bus: Bus, dead_letters: str) -> None:
    try:
        outcome = outcome_of(trail.closing_in(image))
    except StoreUnavailable:
        raise
    except Exception as defect:  # ours, in one record: it must not keep back the outcomes after it
        distribution_id = image["distribution_id"]["S"]
        logger.exception("The outcome cannot be told", distribution_id=distribution_id)
        set_aside(dead_letters, json.dumps({"distribution_id": distribution_id}), type(defect).__name__)
    else:
        _put(outcome, bus)


def _again(distribution_id: str, trail: AuditTrail, bus: Bus) -> str:
    record = trail.find(distribution_id).closing
    if record is None:
        raise DistributionNotFound(f"Distribution {distribution_id} has no closing record, so there is no outcome.")
    return _put(outcome_of(record), bus)


def _put(outcome: DistributionOutcome, bus: Bus) -> str:
    """The event's id."""
    bus.put(DISTRIBUTION_OUTCOME, outcome)
    logger.info("The outcome is told", distribution_id=outcome.distribution_id, status=outcome.status.value)
    return outcome.id
