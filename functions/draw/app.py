"""Draw: the preferred agents of one contact, for Genesys's data action and over HTTP."""

import time
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from routing_weights.api.draws import answer
from routing_weights.bootstrap import draw as bootstrap
from routing_weights.settings import DrawSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: Any, _context: "LambdaContext") -> dict[str, Any]:
    response, metric = answer(event, lambda: bootstrap.draw(DrawSettings.load()), time.time())
    metrics.add_metric(metric, MetricUnit.Count, 1)
    return response
