"""Recover: what an execution left behind, for the distribution that waits for it and for the recovery that ends it."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.documents import Documents
from routing_weights.application.recover import Recovery
from routing_weights.domain.run import Run
from routing_weights.settings import RecoverSettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """`{blocked: run, recover_with}`, a distribution whose queue is locked; `{begin, me, recover_with}`, a recovery.

    A recovery also has `queue_id` and `told` (`status`, `error`, `cause`), empty where it was started without them.

    `recover_with` is the state machine of the recoveries: the template could not say so without going in a circle.
    """
    settings = RecoverSettings.load()
    trail = AuditTrail(settings.audit_table, Documents(settings.documents_bucket))
    recovery = Recovery(settings.locks_table, trail, event["recover_with"])
    now = datetime.now(UTC)
    if "blocked" in event:
        return {"wait_s": recovery.unblock(Run.model_validate(event["blocked"]), now)}
    return recovery.begin(event["begin"], event["me"], now, queue_id=event["queue_id"], told=event["told"])
