"""Plans: the routes of operators. They submit plans, revert queues, and read what is on record."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.api import accuracy, baselines, distributions, drift, forecasts, named_plans, submissions
from routing_weights.api.app import new_app

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
resources = (submissions, distributions, baselines, named_plans, forecasts, drift, accuracy)
app = new_app(logger, *(resource.router for resource in resources), distribution=distributions.owner)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    return app.resolve(event, context)
