"""Sweep: on a schedule, finds the abandoned executions that no event has reported."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import sweep as bootstrap
from routing_weights.settings import SweepSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], _context: "LambdaContext") -> dict[str, int]:
    count = bootstrap.sweep(SweepSettings.load()).sweep(datetime.now(UTC))
    if count:
        logger.warning("Runs were left behind, and nothing had noticed", count=count)
    return {"found": count}
