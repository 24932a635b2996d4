"""Verify: what is claimed was read back."""

import time
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.documents import Documents
from routing_weights.bootstrap import decided
from routing_weights.domain.queue import named
from routing_weights.domain.run import Run
from routing_weights.domain.verify import settle, unverified
from routing_weights.errors import VerificationFailed
from routing_weights.settings import VerifySettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Polls until the read-back equals the target."""
    settings, run = VerifySettings.load(), Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    documents = Documents(settings.documents_bucket)
    work, timeout_s = documents.work(run.distribution_id), settings.verify_timeout_s
    genesys, before, target = decided(settings, context, run, work.decision), work.before, work.decision.target
    after = settle(
        genesys, before.queue_id, before, target, timeout_s=timeout_s, clock=time.monotonic, sleep=time.sleep
    )
    documents.put(run.distribution_id, "after", after.to_json())
    differing = unverified(target, after)
    if differing:
        gone = [user for user in differing if user in target.values.keys() - {m.user_id for m in after.members}]
        raise VerificationFailed(
            f"Genesys accepted the writes, and {timeout_s:g} s later still holds something else for "
            f"{named(differing)}. {f'No longer in the queue: {named(gone)}. ' if gone else ''}"
            f"See in the record what was put back, then send the plan again{' without them' if gone else ''}.",
            members=differing[:100],
        )
    return {"verified": len(target.values)}
