"""Patch: writes what differs from the before-image, the queue's setting or the members'."""

import json
import time
from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.locks_table import fence
from routing_weights.adapters.aws.skills_table import SkillOwners
from routing_weights.application.ports import Genesys
from routing_weights.bootstrap import decided, has_time
from routing_weights.domain.decision import Work
from routing_weights.domain.images import require_unedited
from routing_weights.domain.queue import RINGS, Part, Queue, Target, named, unsettled
from routing_weights.domain.run import Run
from routing_weights.domain.verify import settle, unverified
from routing_weights.errors import (
    GenesysUnavailable,
    RateLimited,
    RoutingWeightsError,
    StoreUnavailable,
    VerificationFailed,
)
from routing_weights.settings import PatchSettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`{target: "queue", part}` writes a part of the settings; `{target: "members", next}` members from `next` on.

    A tick ends when all are written, when the invocation's time is up, when Genesys asks for a long pause, or when it
    fails after some progress; it says where the next one begins, so no write is repeated.
    """
    settings, run = PatchSettings.load(), Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    documents = Documents(settings.documents_bucket)
    work = documents.work(run.distribution_id)
    guard = fence(settings.locks_table, work.plan.queue_id, run.execution_arn)
    genesys = decided(settings, context, run, work.decision, guard)
    if event["target"] == "queue":
        if event["part"] == "first":  # every run begins here; from here on a restoration has something to look for
            documents.put(run.distribution_id, "writing", {})
        if work.decision.skill_id:
            SkillOwners(settings.skills_table).claim(work.decision.skill_id, work.plan.queue_id)
        return _patch_queue(genesys, work, event["part"], f"{run.distribution_id}:queue", settings.verify_timeout_s)

    changes, position = work.decision.members(work.before), event["next"]
    tick: dict[str, Any] = {"total": len(changes), "pause_s": 0}
    try:
        _leave_younger_edits(genesys, work)
        while position < len(changes) and has_time(context):
            chunk = changes[position : position + genesys.per_write]
            key = f"{run.distribution_id}:member:{chunk[0].user_id}"
            genesys.write_members(work.before, chunk, work.decision.target, key=key)
            position += len(chunk)
    except RateLimited as limited:
        tick["pause_s"] = limited.details["retry_after_s"]
    except (GenesysUnavailable, StoreUnavailable):  # both pass, and may be met again
        if position == event["next"]:
            raise
    except RoutingWeightsError as error:  # told, not raised: what was accepted until then is known
        cause = {"errorType": type(error).__name__, "errorMessage": str(error)}
        tick["failure"] = {"Error": type(error).__name__, "Cause": json.dumps(cause)}
    return {"next": position, **tick}


def _patch_queue(genesys: Genesys, work: Work, part: Part, key: str, timeout_s: float) -> dict[str, Any]:
    """Write the queue's own settings of one part, those that differ.

    Rings are there when this returns, and empty before they are removed.
    """
    decision, before = work.decision, work.before
    wanted, earlier = decision.settings(part), decision.settings("first")
    if wanted:
        _leave_younger_edits(genesys, work)
        if part == "last" and RINGS in wanted:
            _await_empty_rings(genesys, before, decision.target, timeout_s)
        own = earlier if part == "last" and (decision.order or earlier) else None
        genesys.write_queue(before, decision.target, wanted, f"{key}:{part}", own)
        if part == "first" and RINGS in wanted and decision.order:
            _await_rings(genesys, before, decision.target, timeout_s)
    return {"written": bool(wanted)}


def _await_rings(genesys: Genesys, before: Queue, target: Target, timeout_s: float) -> None:
    """Wait until the rings are there that members will be put into: Genesys refuses a ring that it does not have yet.

    Raises:
        VerificationFailed: they are not.
    """
    rings = Target({}, {}, {RINGS: target.settings[RINGS]})
    if unverified(rings, _settled(genesys, before, rings, timeout_s)):
        raise VerificationFailed(
            f"Genesys accepted the queue's rings, and {timeout_s:g} s later still does not have them. "
            "No member was written. Send the plan again."
        )


def _await_empty_rings(genesys: Genesys, before: Queue, target: Target, timeout_s: float) -> None:
    """Wait until the members have left the rings that are to be removed: a write that was accepted is not yet applied.

    Raises:
        VerificationFailed: some are still in them, so that Genesys would refuse, or leave them in rings that are gone.
    """
    members = replace(target, settings={})
    staying = unsettled(members, _settled(genesys, before, members, timeout_s))
    if staying:
        raise VerificationFailed(
            f"Genesys accepted the writes of members, and {timeout_s:g} s later still holds something else for "
            f"{named(staying)}. The rings were not removed. Send the plan again.",
            members=staying[:100],
        )


def _settled(genesys: Genesys, before: Queue, wanted: Target, timeout_s: float) -> Queue:
    clock, sleep = time.monotonic, time.sleep
    return settle(genesys, before.queue_id, before, wanted, timeout_s=timeout_s, clock=clock, sleep=sleep)


def _leave_younger_edits(genesys: Genesys, work: Work) -> None:
    """Genesys may have kept the run waiting for long: a repair overwrites no edit of that time."""
    if work.plan.is_repair:
        require_unedited(work.decision.target, work.before, genesys.read_queue(work.plan.queue_id))
