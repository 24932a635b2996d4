"""How a plan comes in. Every door ends here: the API with a body, the state machine with its input."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from routing_weights import strict_json
from routing_weights.errors import NotRestorable, PlanInvalid
from routing_weights.plan import Plan, parse_plan, plan_invalid
from routing_weights.record import opened, refused
from routing_weights.run import Origin, Run
from routing_weights.store.audit import AuditTrail
from routing_weights.store.documents import Documents
from routing_weights.strict_json import problem

OF_ONE_RUN = {"dry_run", "wait_for_lock_s", "requested_by", "reason"}
"""Fields of a plan that are not about its queue: who restores says them anew."""
_PLAN_REF = re.compile(r"plans/[0-9a-f]{64}\.json")
_QUEUE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def accept(run: Run, text: str | bytes, trail: AuditTrail) -> tuple[Run, Plan]:
    """A valid plan, or a refusal on record: PlanInvalid is raised after its audit record was written."""
    try:
        plan = parse_plan(text)
    except PlanInvalid as invalid:
        _record_refusal(run, _queue_id(text), invalid, trail)
        raise
    known = {"queue_id": plan.queue_id, "dry_run": plan.dry_run, "wait_for_lock_s": plan.wait_for_lock_s}
    return run.model_copy(update=known), plan


def accept_input(run: Run, execution_input: Any, trail: AuditTrail, documents: Documents) -> tuple[Run, Plan]:
    """Like `accept`, for an execution's input: a bare plan, or `{plan_ref, origin}` as our own doors start it."""
    if not (isinstance(execution_input, dict) and "plan_ref" in execution_input):
        return accept(run, json.dumps(execution_input), trail)
    try:
        text, origin = _referenced(execution_input, documents)
    except PlanInvalid as invalid:
        _record_refusal(run, None, invalid, trail)
        raise
    return accept(run.model_copy(update={"origin": origin}), text, trail)


def restoring(
    distribution_id: str, image: str, said: dict[str, Any], documents: Documents, *, drift: str | None = None
) -> str:
    """A distribution's plan again, as JSON text, as one that puts back the image before or after it.

    `said` takes the place of what the plan says of its own run, `drift` is a repair's: see plan.Restores. Raises
    NotRestorable where there is no such image.
    """
    plan, target, then = (documents.find(distribution_id, name) for name in ("plan", "target", image))
    if plan is None or target is None or then is None:
        raise NotRestorable(f"Distribution {distribution_id} read nothing of its queue, so it has no state {image} it.")
    kept = {name: value for name, value in plan.items() if name not in OF_ONE_RUN}
    restores = {"distribution_id": distribution_id, "image": image} | ({"drift": drift} if drift else {})
    return json.dumps(kept | said | {"restores": restores})


def open_distribution(run: Run, plan: Plan, trail: AuditTrail) -> None:
    """Write the opening record, unless another door's hand was faster."""
    trail.append(opened(run, plan, datetime.now(UTC)))


def _referenced(execution_input: dict[str, Any], documents: Documents) -> tuple[str, Origin]:
    """The plan's text, not trusted, and who sent it; PlanInvalid where the reference is not one of ours."""
    reference = execution_input["plan_ref"]
    text = None
    if isinstance(reference, str) and _PLAN_REF.fullmatch(reference):
        text = documents.kept_plan(reference)
    if text is None:
        message = "not a reference that this system made: send the plan itself"
        raise plan_invalid([problem("plan_ref", message, "reference_invalid")])
    try:
        return text, Origin.model_validate(execution_input.get("origin", {}))
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
