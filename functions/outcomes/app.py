"""Outcomes: puts an event on the bus for every closing record in the stream of the audit table."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.application.messages import StreamRecord, batch_failures
from routing_weights.bootstrap import outcomes as bootstrap
from routing_weights.settings import OutcomesSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: "LambdaContext") -> dict[str, Any]:
    """A batch of the stream; or `{"distribution_ids": [...]}`, by hand, to publish those outcomes once more."""
    settings = OutcomesSettings.load()
    if "distribution_ids" in event:
        return {"put": bootstrap.republish_outcomes(settings).republish(event["distribution_ids"])}
    records = [StreamRecord.parse(record) for record in event["Records"]]
    return batch_failures(bootstrap.publish_outcomes(settings).publish(records))
