"""Audit: closes the record of a distribution, and counts its metrics."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from routing_weights.bootstrap import audit as bootstrap
from routing_weights.bootstrap.metered import metered
from routing_weights.domain.run import Outcome, Run
from routing_weights.settings import AuditSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@metered("audit")
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """`{run, outcome}`, and of a recovery itself as `recovery`, and as `holder` if it has taken over the lock."""
    run, outcome = Run.model_validate(event["run"]), Outcome.model_validate(event["outcome"])
    logger.append_keys(distribution_id=run.distribution_id)
    holder, recovery = event.get("holder") or "", event.get("recovery") or ""
    closing = bootstrap.close(AuditSettings.load(), context).close(run, outcome, holder, recovery, datetime.now(UTC))
    for metric in closing.metrics:
        metrics.add_metric(metric.name, metric.unit, metric.value)
    return {"status": outcome.status.value, "message": outcome.message()}
