"""Patch: writes everything that differs from the before-image, the queue's own settings or the members."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import patch as bootstrap
from routing_weights.bootstrap.metered import metered
from routing_weights.domain.run import Run
from routing_weights.settings import PatchSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
@metered("patch")
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """`{target: "queue", part}` writes one part of the settings; `{target: "members", next}` members from `next` on.

    `also` names members after `next` that are written already.
    """
    settings, run = PatchSettings.load(), Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    if event["target"] == "queue":
        return {"written": bootstrap.patch_queue(settings, context, run).patch(run, event["part"])}
    return bootstrap.patch_members(settings, context, run).patch(run, event["next"], event.get("also", ())).to_json()
