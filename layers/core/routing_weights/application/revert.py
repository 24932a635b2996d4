"""Reverts a queue: a new distribution applies an earlier image again, on request, to a baseline, or as a repair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing_weights.application.revert_plans import baseline_plan, revert_plan
from routing_weights.errors import DistributionNotFound

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.ports import Baselines, Documents, Trail
    from routing_weights.application.submit import Submit, Submitted
    from routing_weights.domain.inputs import RevertOptions
    from routing_weights.domain.run import Origin
    from routing_weights.domain.schedule.timing import BaselineName


@dataclass(frozen=True)
class RevertDistribution:
    trail: Trail
    documents: Documents
    submit: Submit

    def revert(
        self, distribution_id: str, options: RevertOptions, origin: Origin, key: str | None, now: datetime
    ) -> Submitted:
        """Submit the plan that restores what the queue held before a distribution.

        Raises:
            DistributionNotFound, NotRestorable, IdempotencyConflict.
        """
        if not self.trail.find(distribution_id):
            raise DistributionNotFound(
                f"No distribution has the id {distribution_id}. Look it up with GET /queues/{{queue_id}}/distributions."
            )
        text = revert_plan(distribution_id, "before", self.documents, options)
        return self.submit.submit(text, origin, key, now)


@dataclass(frozen=True)
class RevertToBaseline:
    baselines: Baselines
    documents: Documents
    submit: Submit

    def revert(
        self, baseline: BaselineName, options: RevertOptions, origin: Origin, key: str | None, now: datetime
    ) -> Submitted:
        """Submit the plan that restores a baseline as it is now.

        Raises:
            BaselineNotFound, NotRestorable, IdempotencyConflict.
        """
        text = baseline_plan(baseline, self.baselines, self.documents, options)
        return self.submit.submit(text, origin, key, now)
