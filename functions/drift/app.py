"""Drift: processes the queue of events. Each event makes it read its queue and record, report or repair drift."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from routing_weights.application.messages import Message, batch_failures
from routing_weights.bootstrap import drift as bootstrap
from routing_weights.settings import DriftSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """An SQS batch. Only the messages that failed come back."""
    use_case = bootstrap.detect_drift(DriftSettings.load(), context)
    detected = use_case.detect([Message.parse(record) for record in event["Records"]])
    metrics.add_metric("DriftFound", MetricUnit.Count, detected.drifts)
    return batch_failures(detected.failed)
