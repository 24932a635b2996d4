"""Validate: accepts an execution's input as a plan, and opens the audit record."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import validate as bootstrap
from routing_weights.bootstrap.metered import metered
from routing_weights.domain.run import Run
from routing_weights.settings import ValidateSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
@metered("validate")
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    run = Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    run = bootstrap.validate(ValidateSettings.load(), context).validate(run, event["input"], datetime.now(UTC))
    return run.model_dump(mode="json")
