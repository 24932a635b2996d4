"""Project: decides what the run will do, keeps the before-image, and projects. Writes nothing to Genesys."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import project as bootstrap
from routing_weights.bootstrap.metered import metered
from routing_weights.domain.run import Run
from routing_weights.settings import ProjectSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
@metered("project")
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    settings, run = ProjectSettings.load(), Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    return bootstrap.project(settings, context, run).project(run).to_json()
