"""Restore: puts the before-image back after a failure, and reads what the queue really holds then."""

import time
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.locks_table import fence
from routing_weights.bootstrap import decided, has_time
from routing_weights.domain.queue import PARTS
from routing_weights.domain.restore import Restoration, Restorer
from routing_weights.domain.run import Run
from routing_weights.errors import Interrupted, RoutingWeightsError
from routing_weights.settings import RestoreSettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`{accepted, settings_left}`: how many members, and which parts of the settings, were not accepted for certain.

    `holder` has the lock, if not the run.

    `started_at` is of the execution that restores: the run's, or the recovery's.

    Each attempt begins with a fresh reading, so it may be repeated any time; `left` is what there was no time for.
    """
    settings, run = RestoreSettings.load(), Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    documents = Documents(settings.documents_bucket)
    earlier, writing = (documents.find(run.distribution_id, name) for name in ("restore", "writing"))
    if writing is None:  # nothing was written
        documents.put(run.distribution_id, "restore", Restoration("not_needed").to_json())
        return {"outcome": "not_needed", "left": 0}
    work = documents.work(run.distribution_id)
    guard = fence(settings.locks_table, work.plan.queue_id, event.get("holder") or run.execution_arn)
    restorer = Restorer(
        decided(settings, context, run, work.decision, guard, restoring=True),
        work.before,
        work.decision.target,
        key=f"{run.distribution_id}:restore:{context.aws_request_id}",
        has_time=lambda: has_time(context),
        clock=time.monotonic,
        sleep=time.sleep,
        earlier=Restoration(**earlier) if earlier else Restoration("not_needed"),
    )
    try:
        restoration, after = restorer.run(
            accepted=event["accepted"],
            settings_accepted=[part for part in PARTS if not event.get("settings_left", {}).get(part, True)],
            watch_s=settings.verify_timeout_s,
        )
    except Interrupted:  # what is on record is the new owner's to write
        raise
    except RoutingWeightsError:
        documents.put(run.distribution_id, "restore", restorer.interrupted().to_json())
        documents.put(run.distribution_id, "after", None)  # what was read before is no longer what Genesys holds
        raise
    documents.put(run.distribution_id, "restore", restoration.to_json())
    documents.put(run.distribution_id, "after", after.to_json())
    return {"outcome": restoration.outcome, "left": restoration.left}
