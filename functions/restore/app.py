"""Restore: gives the queue its before-image again after a failure."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import restore as bootstrap
from routing_weights.bootstrap.metered import metered
from routing_weights.domain.run import Run
from routing_weights.settings import RestoreSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
@metered("restore")
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """`{accepted, settings_left}`: which writes Genesys has accepted. A recovery names itself as `holder` of the lock.

    `{outcome, left}`: `left` is how much there was no time for. Call again until it is 0.
    """
    settings, run = RestoreSettings.load(), Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    restore = bootstrap.restore(settings, context, run, event.get("holder") or run.execution_arn)
    restoration = restore.restore(run, event["accepted"], event.get("settings_left", {}))
    return {"outcome": restoration.outcome, "left": restoration.left}
