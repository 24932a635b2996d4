"""Approvals: the routes of approvals, the question of a run that waits, and an answer in the console."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from routing_weights.api import approvals
from routing_weights.api.app import new_app
from routing_weights.bootstrap import approvals as bootstrap
from routing_weights.bootstrap.metered import metered
from routing_weights.domain.approval import Ask
from routing_weights.domain.run import Run
from routing_weights.settings import ApprovalsSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()
app = new_app(logger, approvals.router, distribution=approvals.owner)


@metrics.log_metrics
@metered("approvals")
def _ask(event: dict[str, Any], _context: "LambdaContext") -> dict[str, Any]:
    run, ask = Run.model_validate(event["run"]), Ask.parse(event["ask"])
    logger.append_keys(distribution_id=run.distribution_id)
    settings, now = ApprovalsSettings.load(), datetime.now(UTC)
    if bootstrap.ask_approval(settings).ask(run, ask, event["token"], now):
        metrics.add_metric("ApprovalAsked", MetricUnit.Count, 1)
        waiting = sum(1 for _ in bootstrap.approvals(settings).waiting(now))
        metrics.add_metric("ApprovalsWaiting", MetricUnit.Count, waiting)
    return {}


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """A request; or `{ask, run, token}` of a run that waits; or `{answer, ...}`, what an execution was started with."""
    if "ask" in event:
        asked: dict[str, Any] = _ask(event, context)
        return asked
    if "answer" in event:
        use_case = bootstrap.answer_in_console(ApprovalsSettings.load())
        answered = use_case.answer(Run.model_validate(event), event["answer"], datetime.now(UTC))
        return {"distribution_id": answered.distribution_id, "status": answered.state}
    return app.resolve(event, context)
