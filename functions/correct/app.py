"""Correct: on a schedule, corrects the counters of draws by the contacts that agents really answered."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from routing_weights.bootstrap import correct as bootstrap
from routing_weights.settings import CorrectSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(_event: dict[str, Any], context: "LambdaContext") -> dict[str, int]:
    outcomes = bootstrap.correct_shares(CorrectSettings.load(), context).correct(datetime.now(UTC))
    for outcome in ("skipped", "failed"):
        metrics.add_metric(f"Correction{outcome.title()}", MetricUnit.Count, outcomes[outcome])
    return outcomes
