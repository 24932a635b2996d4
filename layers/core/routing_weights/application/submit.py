"""How a plan comes in. Every door accepts it with the same code; a refusal is on record before it is raised."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routing_weights.application.expire import require_until
from routing_weights.domain import strict_json
from routing_weights.domain.effort import Effort
from routing_weights.domain.inputs import FromPlanRef
from routing_weights.domain.plan import Plan, parse_plan
from routing_weights.domain.record import opened, refused
from routing_weights.domain.run import Origin, Run, return_name
from routing_weights.errors import DistributionNotFound, PlanInvalid

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.account import Account
    from routing_weights.application.ports import Executions, Plans, Trail
    from routing_weights.domain.access import Bounds
    from routing_weights.domain.schedule.occasion import Occasion

AFTER_REFUSAL = Effort(transitions=1)
"""The end of an execution whose plan is refused: Failed."""
_QUEUE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Submitted:
    run: Run
    plan: Plan


@dataclass(frozen=True)
class Submit:
    plans: Plans
    trail: Trail
    executions: Executions

    def submit(
        self, text: str | bytes, origin: Origin, key: str | None, now: datetime, bounds: Bounds | None = None
    ) -> Submitted:
        """Start a distribution of the plan, or find the one that the same `key` and plan started.

        Raises:
            QueueNotFound, DistributionNotFound: the plan names a queue, or a distribution of a queue, that is out of
                bounds. Nothing is on record: the trail is that of the others.
            PlanInvalid: the refusal is on record, under the `distribution_id` of the error's details.
            IdempotencyConflict: the key was used for another plan.
        """
        # A refused plan has no execution, so the id of its record is made here.
        run = Run(distribution_id=str(uuid.uuid4()), execution_arn="", started_at=now, origin=origin)
        if bounds and (queue_id := queue_named_in(text)):
            bounds.require([queue_id])
        run, plan = accept(run, text, self.trail, now, bounds=bounds)
        given = FromPlanRef(plan_ref=self.plans.keep_plan(plan), origin=origin.repeatable if key else origin)
        started = self.executions.start(given, key)
        of_execution = {
            "distribution_id": started.distribution_id,
            "execution_arn": started.execution_arn,
            "started_at": started.started_at,
        }
        run = with_plan(run.model_copy(update=of_execution), plan)
        self.trail.append(opened(run, plan, now))  # Validate of the execution may have been faster
        return Submitted(run, plan)


def accept(
    run: Run,
    text: str | bytes,
    trail: Trail,
    now: datetime,
    occasion: Occasion | None = None,
    account: Account | None = None,
    bounds: Bounds | None = None,
) -> tuple[Run, Plan]:
    """The plan, and the run with what later states ask of it. `occasion` is the run of a schedule.

    `account` counts the effort of an execution whose plan is refused. A door has no execution.

    Raises:
        PlanInvalid: its details have the `distribution_id` of the record of the refusal.
    """
    try:
        plan = parse_plan(text)
        if bounds:
            require_bounds(plan, bounds, trail)
        if plan.staffing is None:
            # A schedule runs before the shift that it is for. A person who sends a plan means the queue of this moment.
            plan = plan.model_copy(update={"staffing": "joined" if run.origin.door == "schedule" else "now"})
        if occasion:
            plan = plan.model_copy(update={"until": occasion.until})
        require_until(plan.until, occasion.scheduled_at if occasion else run.started_at, run.started_at)
    except PlanInvalid as invalid:
        record_refusal(run, queue_named_in(text), invalid, trail, now, account)
        raise
    return with_plan(run, plan), plan


def require_bounds(plan: Plan, bounds: Bounds, trail: Trail) -> None:
    """Raise QueueNotFound or DistributionNotFound if a plan names what is out of bounds."""
    bounds.require(plan.queues_named)
    if plan.restores and bounds.queues is not None:
        named = [plan.restores.distribution_id, *plan.restores.also]
        known = trail.summaries(named)
        for distribution_id in named:
            queue_id = known[distribution_id].queue_id if distribution_id in known else None
            if not queue_id or not bounds.allow([queue_id]):
                raise DistributionNotFound(f"No distribution of your queues has the id {distribution_id}.")


def with_plan(run: Run, plan: Plan) -> Run:
    """The run with what its later states ask of its plan."""
    known: dict[str, Any] = {name: getattr(plan, name) for name in ("queue_id", "dry_run", "wait_for_lock_s")}
    if plan.until:
        known |= {"until": plan.until, "return_name": return_name(run.distribution_id)}
    return run.model_copy(update=known)


def record_refusal(
    run: Run, queue_id: str | None, invalid: PlanInvalid, trail: Trail, now: datetime, account: Account | None = None
) -> None:
    invalid.details["distribution_id"] = run.distribution_id
    opening, closing = refused(run, queue_id, invalid.details["errors"], now)
    trail.append(opening)
    trail.append(account.settled(closing, AFTER_REFUSAL) if account else closing)


def queue_named_in(text: str | bytes) -> str | None:
    """The queue that a refused plan names, if it names one: the refusal belongs into that queue's trail."""
    document, _ = strict_json.load(text)
    queue_id = document.get("queue_id") if isinstance(document, dict) else None
    return queue_id.lower() if isinstance(queue_id, str) and _QUEUE_ID.fullmatch(queue_id) else None
