"""Evidence: verifies the audit trail on a schedule and on request, and exports it."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from routing_weights.api.app import new_app
from routing_weights.api.evidence import report_of, router
from routing_weights.bootstrap import evidence as bootstrap
from routing_weights.settings import AuditorSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()
app = new_app(logger, router)


@metrics.log_metrics
def _verify(_event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    seconds = context.get_remaining_time_in_millis() / 1000 - 10
    report = report_of(bootstrap.verify_chain(AuditorSettings.load(), seconds).verify())
    for finding in report.findings:
        logger.error("The audit trail is broken", finding=finding.model_dump(exclude_none=True))
    metrics.add_metric("AuditBroken", "Count", report.finding_count)
    return report.model_dump(include={"sound", "records", "finding_count"})


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """A request, or the event of the schedule."""
    if event.get("source") == "aws.events":
        verified: dict[str, Any] = _verify(event, context)
        return verified
    return app.resolve(event, context)
