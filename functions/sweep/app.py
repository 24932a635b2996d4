"""Sweep: on a schedule, finds the abandoned executions that no event reported, and counts what waits for approval."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from routing_weights.bootstrap import sweep as bootstrap
from routing_weights.settings import SweepSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(_event: dict[str, Any], _context: "LambdaContext") -> dict[str, int]:
    settings, now = SweepSettings.load(), datetime.now(UTC)
    count = bootstrap.sweep(settings).sweep(now)
    if count:
        logger.warning("Runs were left behind, and nothing had noticed", count=count)
    waiting = sum(1 for _ in bootstrap.approvals(settings).waiting(now))
    metrics.add_metric("ApprovalsWaiting", MetricUnit.Count, waiting)
    return {"found": count}
