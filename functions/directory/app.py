"""Directory: queues by name, what is in force in them, and their members."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.api.app import new_app
from routing_weights.api.queues import router

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
app = new_app(logger, router)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    return app.resolve(event, context)
