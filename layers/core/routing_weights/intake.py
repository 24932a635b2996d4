"""How a plan comes in. Every door ends here: the API with a body, the state machine with its input."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from routing_weights import strict_json
from routing_weights.errors import PlanInvalid
from routing_weights.plan import Plan, parse_plan, plan_invalid
from routing_weights.record import opened, refused
from routing_weights.run import Origin, Run
from routing_weights.store.audit import AuditTrail
from routing_weights.store.documents import Documents
from routing_weights.strict_json import problem

_PLAN_REF = re.compile(r"plans/[0-9a-f]{64}\.json")
_QUEUE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def accept(run: Run, text: str | bytes, trail: AuditTrail) -> tuple[Run, Plan]:
    """A valid plan, or a refusal on record: PlanInvalid is raised after its audit record was written."""
    try:
        plan = parse_plan(text)
    except PlanInvalid as invalid:
        invalid.details["distribution_id"] = run.distribution_id
        for record in refused(run, _queue_id(text), invalid.details["errors"], datetime.now(UTC)):
            trail.append(record)
        raise
    return run.model_copy(update={"queue_id": plan.queue_id, "dry_run": plan.dry_run}), plan


def open_distribution(run: Run, plan: Plan, trail: AuditTrail) -> None:
    """Write the opening record, unless another door's hand was faster."""
    trail.append(opened(run, plan, datetime.now(UTC)))


def plan_text(execution_input: Any, documents: Documents) -> tuple[str, Origin]:
    """The plan's text from an execution's input: a bare plan, or `{plan_ref, origin}` as our own doors start it.

    Raises PlanInvalid where a reference is not one of ours.
    """
    if not (isinstance(execution_input, dict) and "plan_ref" in execution_input):
        return json.dumps(execution_input), Origin()
    reference = execution_input["plan_ref"]
    if not (isinstance(reference, str) and _PLAN_REF.fullmatch(reference)):
        raise plan_invalid(
            [
                problem(
                    "plan_ref",
                    "not a reference that this system made: send the plan itself",
                    "reference_invalid",
                )
            ]
        )
    try:
        origin = Origin.model_validate(execution_input.get("origin", {}))
    except ValidationError as error:
        raise plan_invalid([problem("origin", "not an origin that this system made", "origin_invalid")]) from error
    return documents.kept_plan(reference), origin


def _queue_id(text: str | bytes) -> str | None:
    """The queue that a refused plan names, if it can be told: the refusal belongs into that queue's trail."""
    document, _ = strict_json.load(text)
    queue_id = document.get("queue_id") if isinstance(document, dict) else None
    return queue_id if isinstance(queue_id, str) and _QUEUE_ID.fullmatch(queue_id) else None
