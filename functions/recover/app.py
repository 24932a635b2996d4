"""Recover: for a distribution that waits for a lock, and for the recovery of an abandoned execution."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import recover as bootstrap
from routing_weights.bootstrap.metered import metered
from routing_weights.domain.execution import Report
from routing_weights.domain.run import Run
from routing_weights.settings import RecoverSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
@metered("recover")
def handler(event: dict[str, Any], _context: "LambdaContext") -> dict[str, Any]:
    """`{blocked: run}`, a distribution whose queue is locked; `{begin, me, queue_id, told}`, a recovery.

    `told` is what the event about the end of the execution says. `recover_with` is the state machine of the recoveries:
    the template cannot name it here, since the state machine names this function.
    """
    settings, now = RecoverSettings.load(), datetime.now(UTC)
    if "blocked" in event:
        blocked = Run.model_validate(event["blocked"])
        return {"wait_s": bootstrap.unblock(settings, event["recover_with"]).unblock(blocked, now)}
    recover = bootstrap.recover(settings, event["recover_with"])
    told = Report.model_validate(event["told"])
    return recover.recover(event["begin"], event["me"], event["queue_id"], told, now).to_json()
