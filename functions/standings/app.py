"""Standings: who of a queue's agents is free. A draw asks for a reading of its queue, and Genesys publishes events."""

import time
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.application.messages import batch_failures
from routing_weights.bootstrap import standings as bootstrap
from routing_weights.settings import StandingsSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """An SQS batch of events, which comes again as a whole after an error; or `{queue_id}` from a draw."""
    settings = StandingsSettings.load()
    if "Records" in event:
        bootstrap.note_standings(settings).note([record["body"] for record in event["Records"]], time.time())
        return batch_failures([])
    return {"outcome": bootstrap.read_standings(settings, context).read(event["queue_id"], time.time())}
