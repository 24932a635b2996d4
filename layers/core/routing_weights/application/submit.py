"""How a plan comes in. Every door ends here: the API with a body, the state machine with its input."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from routing_weights.application.expire import require_until
from routing_weights.domain import strict_json
from routing_weights.domain.plan import Plan, parse_plan, plan_invalid
from routing_weights.domain.problems import problem
from routing_weights.domain.record import opened, refused
from routing_weights.domain.run import Origin, Run, return_name
from routing_weights.domain.schedule import BaselineName, Occasion, Timing
from routing_weights.domain.types import DISTRIBUTION_ID
from routing_weights.errors import BaselineNotFound, NotRestorable, PlanInvalid

if TYPE_CHECKING:
    from routing_weights.application.ports import Baselines, Documents, Trail

Model = TypeVar("Model", bound=BaseModel)

OF_ONE_RUN = {"dry_run", "wait_for_lock_s", "requested_by", "reason", "until"}
"""Fields of a plan that are not about its queue: who restores says them anew."""
RETURN_WAITS_S = 3600
"""How long a return waits for a distribution that is at work on its queue: as long as any plan may."""
_PLAN_REF = re.compile(r"plans/[0-9a-f]{64}\.json")
_NO_PLANS = {"restore", "plan_ref", "baseline", "returns"}
"""What no plan has: the first is a person's, the others are inputs of our own doors."""
_QUEUE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def accept(run: Run, text: str | bytes, trail: Trail, occasion: Occasion | None = None) -> tuple[Run, Plan]:
    """A valid plan, or a refusal on record: PlanInvalid is raised after its audit record was written."""
    try:
        plan = parse_plan(text)
        if plan.staffing is None:
            # A schedule runs before the shift that it is for; a person who sends a plan means the queue of this moment.
            staffing = "joined" if run.origin.door == "schedule" else "now"
            plan = plan.model_copy(update={"staffing": staffing})
        if occasion:
            plan = plan.model_copy(update={"until": occasion.until()})
        require_until(plan.until, occasion.scheduled_at if occasion else run.started_at, run.started_at)
    except PlanInvalid as invalid:
        _record_refusal(run, _queue_id(text), invalid, trail)
        raise
    known: dict[str, Any] = {name: getattr(plan, name) for name in ("queue_id", "dry_run", "wait_for_lock_s")}
    if plan.until:
        known |= {"until": plan.until, "return_name": return_name(run.distribution_id)}
    return run.model_copy(update=known), plan


def accept_input(
    run: Run, execution_input: Any, trail: Trail, documents: Documents, baselines: Baselines
) -> tuple[Run, Plan]:
    """Like `accept`, for an execution's input.

    A bare plan; `{restore}`, the distribution whose image a person wants back; `{plan_ref, origin}` or
    `{baseline, origin}`, as our own doors start it, from a schedule with `{schedule, scheduled_at}` too; or
    `{returns}`, the distribution whose time is over.
    """
    if not isinstance(execution_input, dict) or not _NO_PLANS & execution_input.keys():
        return accept(run, json.dumps(execution_input), trail)
    try:
        run = run.model_copy(update=_known(execution_input))
        text, occasion = _text(execution_input, documents, baselines), _occasion(execution_input)
    except PlanInvalid as invalid:
        _record_refusal(run, _queue_id(json.dumps(execution_input.get("baseline"))), invalid, trail)
        raise
    return accept(run, text, trail, occasion)


def restoring(
    distribution_id: str, image: str, said: dict[str, Any], documents: Documents, *, drift: str | None = None
) -> str:
    """A distribution's plan again, as JSON text, as one that puts back the image before or after it.

    `said` takes the place of what the plan says of its own run, `drift` is a repair's: see plan.Restores. Raises
    NotRestorable where there is no such image.
    """
    try:
        work = documents.find_work(distribution_id)
    except ValidationError as error:
        raise NotRestorable(f"The plan of distribution {distribution_id} is no longer valid.") from error
    if work is None or (image == "after" and documents.find_after(distribution_id) is None):
        raise NotRestorable(f"Distribution {distribution_id} read nothing of its queue, so it has no state {image} it.")
    plan = work.plan.model_dump(exclude_defaults=True)
    # Without the agents' other queues: a forecast that is gone there must not keep this one from being reverted.
    kept = {name: value for name, value in plan.items() if name not in OF_ONE_RUN | {"shared_with"}}
    restores = {"distribution_id": distribution_id, "image": image} | ({"drift": drift} if drift else {})
    return json.dumps(kept | said | {"restores": restores})


def restoring_baseline(
    queue_id: str, name: str, said: dict[str, Any], baselines: Baselines, documents: Documents
) -> str:
    """Like `restoring`, for a baseline as it is now. Raises BaselineNotFound, too."""
    found = baselines.find(queue_id, name)
    if found is None:
        raise BaselineNotFound(
            f"Queue {queue_id} has no baseline {name}. Set it with PUT /queues/{queue_id}/baselines/{name}."
        )
    return restoring(found["distribution_id"], "after", said, documents)


def open_distribution(run: Run, plan: Plan, trail: Trail) -> None:
    """Write the opening record, unless another door's hand was faster."""
    trail.append(opened(run, plan, datetime.now(UTC)))


def _known(execution_input: dict[str, Any]) -> dict[str, Any]:
    """What an input of our own says of its run."""
    returns = execution_input.get("returns")
    if returns is None:
        return {"origin": _read(Origin, "origin", execution_input.get("origin", {}))}
    if not isinstance(returns, str) or not re.fullmatch(DISTRIBUTION_ID, returns):
        raise _not_ours("returns")
    return {"origin": Origin(door="schedule", caller=f"return of {returns}"), "returns": returns}


def _text(execution_input: dict[str, Any], documents: Documents, baselines: Baselines) -> str:
    """The text of the plan that an input of our own stands for, not trusted; PlanInvalid where there is none."""
    try:
        if "restore" in execution_input:
            return _restored(execution_input, documents)
        if "returns" in execution_input:
            # Without its on_drift: it was to guard the plan, not what was there before it.
            said = {"wait_for_lock_s": RETURN_WAITS_S, "reason": "Its time is over.", "on_drift": None}
            return restoring(execution_input["returns"], "before", said, documents)
        if "baseline" in execution_input:
            baseline = _read(BaselineName, "baseline", execution_input["baseline"])
            return restoring_baseline(baseline.queue_id, baseline.name, {}, baselines, documents)
    except (NotRestorable, BaselineNotFound) as error:
        path = next(name for name in ("restore", "returns", "baseline") if name in execution_input)
        raise plan_invalid([problem(path, error.message, "reference_invalid")]) from error
    reference = execution_input["plan_ref"]
    if isinstance(reference, str) and _PLAN_REF.fullmatch(reference):
        text = documents.kept_plan(reference)
        if text is not None:
            return text
    raise _not_ours("plan_ref")


def _restored(execution_input: dict[str, Any], documents: Documents) -> str:
    """`restoring` as a person asks for it: with what a plan may say of its own run, and nothing else."""
    said = {name: value for name, value in execution_input.items() if name not in {"restore", "image"}}
    distribution_id, image = execution_input["restore"], execution_input.get("image", "before")
    problems = [problem(name[:80], "this field is unknown", "extra_forbidden") for name in said.keys() - OF_ONE_RUN]
    if not isinstance(distribution_id, str) or not re.fullmatch(DISTRIBUTION_ID, distribution_id):
        problems.append(problem("restore", "not the id of a distribution", "reference_invalid"))
    if image not in ("before", "after"):
        problems.append(problem("image", "neither before nor after", "image_unknown"))
    if problems:
        raise plan_invalid(problems)
    return restoring(distribution_id, image, said, documents)


def _occasion(execution_input: dict[str, Any]) -> Occasion | None:
    """Which run of a schedule for a while it is; None for any other."""
    schedule = execution_input.get("schedule")
    if not isinstance(schedule, dict) or schedule.get("until") is None:
        return None
    timing = _read(Timing, "schedule", {name: schedule[name] for name in Timing.model_fields.keys() & schedule.keys()})
    return _read(Occasion, "scheduled_at", {"timing": timing, "scheduled_at": execution_input.get("scheduled_at")})


def _read(model: type[Model], path: str, value: Any) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _not_ours(path) from error


def _not_ours(path: str) -> PlanInvalid:
    kind = "origin_invalid" if path == "origin" else "reference_invalid"
    return plan_invalid([problem(path, "not one that this system made: send the plan itself", kind)])


def _record_refusal(run: Run, queue_id: str | None, invalid: PlanInvalid, trail: Trail) -> None:
    invalid.details["distribution_id"] = run.distribution_id
    for record in refused(run, queue_id, invalid.details["errors"], datetime.now(UTC)):
        trail.append(record)


def _queue_id(text: str | bytes) -> str | None:
    """The queue that a refused plan names, if it can be told: the refusal belongs into that queue's trail."""
    document, _ = strict_json.load(text)
    queue_id = document.get("queue_id") if isinstance(document, dict) else None
    return queue_id.lower() if isinstance(queue_id, str) and _QUEUE_ID.fullmatch(queue_id) else None
