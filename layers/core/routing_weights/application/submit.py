"""Submits a plan: it is accepted, kept, started, and its audit record is opened. The same for every door of ours."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing_weights.application.accept import accept, with_plan
from routing_weights.domain.inputs import FromPlanRef
from routing_weights.domain.record import opened
from routing_weights.domain.run import Origin, Run

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.ports import Executions, Plans, Trail
    from routing_weights.domain.plan import Plan


@dataclass(frozen=True)
class Submitted:
    run: Run
    plan: Plan


@dataclass(frozen=True)
class Submit:
    plans: Plans
    trail: Trail
    executions: Executions

    def submit(self, text: str | bytes, origin: Origin, key: str | None, now: datetime) -> Submitted:
        """Start a distribution of the plan, or find the one that the same `key` and plan started.

        Raises:
            PlanInvalid: the refusal is on record, under the `distribution_id` of the error's details.
            IdempotencyConflict: the key was used for another plan.
        """
        # A refused plan has no execution, so the id of its record is made here.
        run = Run(distribution_id=str(uuid.uuid4()), execution_arn="", started_at=now, origin=origin)
        run, plan = accept(run, text, self.trail, now)
        started = self.executions.start(FromPlanRef(plan_ref=self.plans.keep_plan(plan), origin=origin), key)
        of_execution = {
            "distribution_id": started.distribution_id,
            "execution_arn": started.execution_arn,
            "started_at": started.started_at,
        }
        run = with_plan(run.model_copy(update=of_execution), plan)
        self.trail.append(opened(run, plan, now))  # Validate of the execution may have been faster
        return Submitted(run, plan)
