"""Patch: writes what differs from the before-image, the queue's setting or the members'."""

import json
import time
from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.distribution import (
    RINGS,
    Part,
    Queue,
    Target,
    members_to_write,
    named,
    settings_by_part,
    unsettled,
)
from routing_weights.errors import (
    GenesysUnavailable,
    RateLimited,
    RoutingWeightsError,
    StoreUnavailable,
    VerificationFailed,
)
from routing_weights.genesys.connect import contract, has_time
from routing_weights.genesys.contracts import Contract
from routing_weights.plan import Plan
from routing_weights.putting_back import require_unedited, target_of
from routing_weights.run import Run
from routing_weights.settings import PatchSettings
from routing_weights.store.documents import Documents
from routing_weights.store.locks import fence
from routing_weights.store.skills import SkillOwners
from routing_weights.verification import settle, unverified

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
    plan = Plan.model_validate(documents.get(run.distribution_id, "plan"))
    before = Queue.from_json(documents.get(run.distribution_id, "before"))
    guard = fence(settings.locks_table, plan.queue_id, run.execution_arn)
    genesys = contract(settings, context, run, plan, guard, before=before)
    target = target_of(genesys, plan, before, documents.find)
    documents.put(run.distribution_id, "writing", {})  # from here on a restoration has something to look for

    if event["target"] == "queue":
        if before.skill_id:
            SkillOwners(settings.skills_table).claim(before.skill_id, plan.queue_id)
        written = _write_settings(event["part"], plan, genesys, before, target, run, settings.verify_timeout_s)
        return {"written": written}

    changes, position = members_to_write(target, before, raise_first=genesys.raise_first), event["next"]
    tick: dict[str, Any] = {"total": len(changes), "pause_s": 0}
    try:
        _leave_younger_edits(plan, genesys, target, before)
        while position < len(changes) and has_time(context):
            chunk = changes[position : position + genesys.per_write]
            genesys.write_members(before, chunk, target, key=f"{run.distribution_id}:member:{chunk[0].user_id}")
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


def _write_settings(
    part: Part, plan: Plan, genesys: Contract, before: Queue, target: Target, run: Run, timeout_s: float
) -> bool:
    """Write what differs of a part of the queue's own settings; False where nothing does.

    Rings are there when this returns, and empty before they are removed.
    """
    parts, changes = settings_by_part(target, before), members_to_write(target, before, raise_first=genesys.raise_first)
    if not parts[part]:
        return False
    _leave_younger_edits(plan, genesys, target, before)
    if part == "last" and RINGS in parts[part]:
        _await_empty_rings(genesys, before, target, timeout_s)
    own = parts["first"] if part == "last" and (changes or parts["first"]) else None
    genesys.write_queue(before, target, parts[part], f"{run.distribution_id}:queue:{part}", own)
    if part == "first" and RINGS in parts[part] and changes:
        _await_rings(genesys, before, target, timeout_s)
    return True


def _await_rings(genesys: Contract, before: Queue, target: Target, timeout_s: float) -> None:
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


def _await_empty_rings(genesys: Contract, before: Queue, target: Target, timeout_s: float) -> None:
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


def _settled(genesys: Contract, before: Queue, wanted: Target, timeout_s: float) -> Queue:
    clock, sleep = time.monotonic, time.sleep
    return settle(genesys, before.queue_id, before, wanted, timeout_s=timeout_s, clock=clock, sleep=sleep)


def _leave_younger_edits(plan: Plan, genesys: Contract, target: Target, before: Queue) -> None:
    """Genesys may have kept the run waiting for long: a repair overwrites no edit of that time."""
    if plan.is_repair:
        require_unedited(target, before, genesys.read_queue(plan.queue_id))
