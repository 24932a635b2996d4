"""Webhook: the public door. Authenticated deliveries are queued. Everything else is rejected and logged."""

import time
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.api.webhook import answer
from routing_weights.bootstrap import webhook as bootstrap
from routing_weights.settings import WebhookSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: "LambdaContext") -> dict[str, Any]:
    return answer(event, lambda: bootstrap.receive_webhook(WebhookSettings.load()), time.time())
