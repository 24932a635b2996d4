"""Verify: nothing is claimed that was not read back."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import verify as bootstrap
from routing_weights.bootstrap.metered import metered
from routing_weights.domain.run import Run
from routing_weights.settings import VerifySettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
@metered("verify")
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    settings, run = VerifySettings.load(), Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    return {"verified": bootstrap.verify(settings, context, run).verify(run)}
