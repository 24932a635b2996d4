"""Notify: processes the queue of events that people read in Slack, in Teams or by e-mail."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.application.messages import Message, batch_failures
from routing_weights.bootstrap import notify as bootstrap
from routing_weights.settings import NotifySettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: "LambdaContext") -> dict[str, Any]:
    """An SQS batch. Only the messages that failed come back."""
    use_case = bootstrap.notify(NotifySettings.load())
    return batch_failures(use_case.notify([Message.parse(record) for record in event["Records"]]))
