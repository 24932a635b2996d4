"""Patrol: on a schedule, queues a reading of each queue whose changes may come without an event."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import patrol as bootstrap
from routing_weights.settings import PatrolSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], _context: "LambdaContext") -> dict[str, int]:
    return {"sent": bootstrap.patrol(PatrolSettings.load()).patrol(datetime.now(UTC))}
