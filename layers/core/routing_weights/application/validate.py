"""Validate: accepts an execution's input as a plan, whatever door it came through, and opens the audit record."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from routing_weights.application.accept import accept_input
from routing_weights.application.ports import Baselines, Documents, Trail
from routing_weights.domain.record import opened
from routing_weights.domain.run import Run


@dataclass(frozen=True)
class Validate:
    documents: Documents
    trail: Trail
    baselines: Baselines

    def validate(self, run: Run, execution_input: Any, now: datetime) -> Run:
        """Keep the plan and return the run with what later states ask of it.

        Raises:
            PlanInvalid: the input is no valid plan. The refusal is on record.
        """
        run, plan = accept_input(run, execution_input, self.trail, self.documents, self.baselines, now)
        self.documents.save_plan(run.distribution_id, plan)
        self.trail.append(opened(run, plan, now))
        return run
