"""Stores a schedule, and says what each of its runs submits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing_weights.application.revert import baseline_plan
from routing_weights.application.submit import queue_named_in
from routing_weights.domain.revert import RevertOptions
from routing_weights.domain.schedule.schedule import require_runs

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.ports import Baselines, Documents, Schedules
    from routing_weights.domain.schedule.schedule import Schedule, StoredSchedule


@dataclass(frozen=True)
class PutSchedule:
    schedules: Schedules
    documents: Documents
    baselines: Baselines

    def put(self, schedule: Schedule, set_by: str, now: datetime) -> StoredSchedule:
        """Create a schedule, or replace the one of its name.

        Raises:
            ScheduleInvalid: it has no run from now on, or a run would not be over before the next one.
            BaselineNotFound, NotRestorable: its baseline has no state now.
        """
        require_runs(schedule, now)
        reference = None
        if schedule.baseline:
            baseline_plan(schedule.baseline, self.baselines, self.documents, RevertOptions())
        elif schedule.plan:
            reference = self.documents.keep_plan(schedule.plan)
        return self.schedules.put(schedule, reference, set_by, now)


@dataclass(frozen=True)
class SchedulePlan:
    documents: Documents
    baselines: Baselines

    def queue_of(self, stored: StoredSchedule) -> str | None:
        """The queue of a schedule, in lower case; None if its plan is no longer kept."""
        if stored.baseline:
            return stored.baseline.queue_id
        text = self.documents.kept_plan(stored.plan_ref) if stored.plan_ref else None
        return queue_named_in(text) if text else None

    def text_of(self, stored: StoredSchedule) -> str | None:
        """The plan of a run that would start now, as JSON text; None if the plan is no longer kept.

        Raises:
            BaselineNotFound, NotRestorable: the baseline has no state now.
        """
        if stored.baseline:
            return baseline_plan(stored.baseline, self.baselines, self.documents, RevertOptions())
        return self.documents.kept_plan(stored.plan_ref) if stored.plan_ref else None
