"""Checkpoint: signs what the chains of all records are, on a schedule and on request."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.api.app import new_app
from routing_weights.api.checkpoints import router
from routing_weights.bootstrap import checkpoint as bootstrap
from routing_weights.settings import EvidenceSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
app = new_app(logger, router)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    if event.get("source") == "aws.events":
        made = bootstrap.make_checkpoint(EvidenceSettings.load()).make(datetime.now(UTC))
        return {"number": made.number}
    return app.resolve(event, context)
