"""Audit: closes the record of a distribution, and counts its metrics."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from routing_weights.bootstrap import audit as bootstrap
from routing_weights.domain.run import Outcome, Run
from routing_weights.settings import AuditSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], _context: "LambdaContext") -> dict[str, Any]:
    """`{run, outcome}`, and the `holder` of the lock if that is a recovery."""
    run, outcome = Run.model_validate(event["run"]), Outcome.model_validate(event["outcome"])
    logger.append_keys(distribution_id=run.distribution_id)
    closing = bootstrap.close(AuditSettings.load()).close(run, outcome, event.get("holder") or "", datetime.now(UTC))
    for metric in closing.metrics:
        metrics.add_metric(metric.name, metric.unit, metric.value)
    return {"status": outcome.status.value, "message": outcome.message()}
