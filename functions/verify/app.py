"""Verify: what is claimed was read back."""

import time
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.actuation import as_kept
from routing_weights.distribution import Queue, decimals_kept, named
from routing_weights.errors import VerificationFailed
from routing_weights.genesys.connect import contract
from routing_weights.plan import Plan
from routing_weights.putting_back import target_of
from routing_weights.run import Run
from routing_weights.settings import VerifySettings
from routing_weights.store.documents import Documents
from routing_weights.verification import settle, unverified

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Polls until the read-back equals the target."""
    settings, run = VerifySettings.load(), Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    documents = Documents(settings.documents_bucket)
    plan = Plan.model_validate(documents.get(run.distribution_id, "plan"))
    before = Queue.from_json(documents.get(run.distribution_id, "before"))
    genesys, timeout_s = contract(settings, context, run, plan, before=before), settings.verify_timeout_s
    target = target_of(genesys, plan, before, documents.find)
    after = settle(genesys, plan.queue_id, before, target, timeout_s=timeout_s, clock=time.monotonic, sleep=time.sleep)
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
    decimals = decimals_kept(target, after)
    if decimals is not None:
        statement = documents.get(run.distribution_id, "actuation")
        documents.put(run.distribution_id, "actuation", as_kept(statement, after, decimals))
    return {"verified": len(target.values)}
