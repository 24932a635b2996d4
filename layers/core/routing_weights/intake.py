"""How a plan comes in. Every door ends here: the API with a body, the state machine with its input."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from routing_weights import strict_json
from routing_weights.errors import NotRestorable, PlanInvalid
from routing_weights.fields import DISTRIBUTION_ID
from routing_weights.plan import Plan, parse_plan, plan_invalid
from routing_weights.record import opened, refused
from routing_weights.returning import require_until
from routing_weights.run import Origin, Run, return_name
from routing_weights.store.audit import AuditTrail
from routing_weights.store.documents import Documents
from routing_weights.strict_json import problem

OF_ONE_RUN = {"dry_run", "wait_for_lock_s", "requested_by", "reason", "until"}
"""Fields of a plan that are not about its queue: who restores says them anew."""
RETURN_WAITS_S = 3600
"""How long a return waits for a distribution that is at work on its queue: as long as any plan may."""
_PLAN_REF = re.compile(r"plans/[0-9a-f]{64}\.json")
_QUEUE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def accept(run: Run, text: str | bytes, trail: AuditTrail) -> tuple[Run, Plan]:
    """A valid plan, or a refusal on record: PlanInvalid is raised after its audit record was written."""
    try:
        plan = parse_plan(text)
        require_until(plan.until, run.started_at, run.started_at)
    except PlanInvalid as invalid:
        _record_refusal(run, _queue_id(text), invalid, trail)
        raise
    known: dict[str, Any] = {name: getattr(plan, name) for name in ("queue_id", "dry_run", "wait_for_lock_s")}
    if plan.until:
        known |= {"until": plan.until, "return_name": return_name(run.distribution_id)}
    return run.model_copy(update=known), plan


def accept_input(run: Run, execution_input: Any, trail: AuditTrail, documents: Documents) -> tuple[Run, Plan]:
    """Like `accept`, for an execution's input.

    A bare plan; `{restore}`, the distribution whose image a person wants back; `{plan_ref, origin}`, as our own doors
    start it; `{returns}`, the distribution whose time is over.
    """
    of = {"restore": _restored, "plan_ref": _referenced, "returns": _returning}
    named = [name for name in of if isinstance(execution_input, dict) and name in execution_input]
    if not named:
        return accept(run, json.dumps(execution_input), trail)
    try:
        known, text = of[named[0]](execution_input, documents)
    except PlanInvalid as invalid:
        _record_refusal(run, None, invalid, trail)
        raise
    return accept(run.model_copy(update=known), text, trail)


def restoring(distribution_id: str, image: str, said: dict[str, Any], documents: Documents) -> str:
    """A distribution's plan again, as JSON text, as one that puts back the image before or after it.

    `said` takes the place of what the plan says of its own run. Raises NotRestorable where there is no such image.
    """
    plan = documents.find(distribution_id, "plan")
    if plan is None or documents.find(distribution_id, image) is None:
        raise NotRestorable(f"Distribution {distribution_id} read nothing of its queue, so it has no state {image} it.")
    kept = {name: value for name, value in plan.items() if name not in OF_ONE_RUN}
    return json.dumps(kept | said | {"restores": {"distribution_id": distribution_id, "image": image}})


def open_distribution(run: Run, plan: Plan, trail: AuditTrail) -> None:
    """Write the opening record, unless another door's hand was faster."""
    trail.append(opened(run, plan, datetime.now(UTC)))


def _restored(execution_input: dict[str, Any], documents: Documents) -> tuple[dict[str, Any], str]:
    """The text of a plan that puts back what the input names; PlanInvalid where there is nothing to put back."""
    said = {name: value for name, value in execution_input.items() if name not in {"restore", "image"}}
    problems = [problem(name[:80], "this field is unknown", "extra_forbidden") for name in said.keys() - OF_ONE_RUN]
    image = execution_input.get("image", "before")
    if image not in ("before", "after"):
        problems.append(problem("image", "not one of before, after", "image_unknown"))
    if problems:
        raise plan_invalid(problems)
    return {}, _plan_of("restore", execution_input["restore"], image, said, documents)


def _returning(execution_input: dict[str, Any], documents: Documents) -> tuple[dict[str, Any], str]:
    """What is known of a return, and its plan's text; PlanInvalid where there is nothing to put back."""
    distribution_id = execution_input["returns"]
    # Without the agents' other queues: what nobody forecasts any more for them must not keep this one from returning.
    said = {"wait_for_lock_s": RETURN_WAITS_S, "reason": "Its time is over.", "shared_with": []}
    text = _plan_of("returns", distribution_id, "before", said, documents)
    origin = Origin(door="schedule", caller=f"return of {distribution_id}")
    return {"origin": origin, "returns": distribution_id}, text


def _plan_of(field: str, distribution_id: Any, image: str, said: dict[str, Any], documents: Documents) -> str:
    """`restoring` for an input that names a distribution in `field`."""
    if not isinstance(distribution_id, str) or not re.fullmatch(DISTRIBUTION_ID, distribution_id):
        raise plan_invalid([problem(field, "not the id of a distribution", "reference_invalid")])
    try:
        return restoring(distribution_id, image, said, documents)
    except NotRestorable as error:
        raise plan_invalid([problem(field, error.message, "reference_invalid")]) from error


def _referenced(execution_input: dict[str, Any], documents: Documents) -> tuple[dict[str, Any], str]:
    """Who sent a plan, and its text, not trusted; PlanInvalid where the reference is not one of ours."""
    reference = execution_input["plan_ref"]
    text = None
    if isinstance(reference, str) and _PLAN_REF.fullmatch(reference):
        text = documents.kept_plan(reference)
    if text is None:
        message = "not a reference that this system made: send the plan itself"
        raise plan_invalid([problem("plan_ref", message, "reference_invalid")])
    try:
        return {"origin": Origin.model_validate(execution_input.get("origin", {}))}, text
    except ValidationError as error:
        message = "not an origin that this system made: send the plan itself"
        raise plan_invalid([problem("origin", message, "origin_invalid")]) from error


def _record_refusal(run: Run, queue_id: str | None, invalid: PlanInvalid, trail: AuditTrail) -> None:
    invalid.details["distribution_id"] = run.distribution_id
    for record in refused(run, queue_id, invalid.details["errors"], datetime.now(UTC)):
        trail.append(record)


def _queue_id(text: str | bytes) -> str | None:
    """The queue that a refused plan names, if it can be told: the refusal belongs into that queue's trail."""
    document, _ = strict_json.load(text)
    queue_id = document.get("queue_id") if isinstance(document, dict) else None
    return queue_id if isinstance(queue_id, str) and _QUEUE_ID.fullmatch(queue_id) else None
