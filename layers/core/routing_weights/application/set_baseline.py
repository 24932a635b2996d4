"""Names a state of a queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing_weights.domain.record import last_completed, timestamp
from routing_weights.domain.revert import Baseline
from routing_weights.domain.status import Status
from routing_weights.errors import NotRestorable

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.ports import Baselines, Trail


@dataclass(frozen=True)
class SetBaseline:
    trail: Trail
    baselines: Baselines

    def set(self, queue_id: str, name: str, distribution_id: str | None, set_by: str, now: datetime) -> Baseline:
        """Name what the queue held after a completed distribution: the newest one if none is given.

        Raises:
            NotRestorable: there is no such distribution.
        """
        distribution_id = distribution_id or last_completed(self.trail.newest(queue_id))
        if distribution_id is None:
            raise NotRestorable(f"No distribution of queue {queue_id} is completed, so there is no state to name.")
        closing = self.trail.find(distribution_id).closing
        if closing is None or closing.queue_id != queue_id or closing.status is not Status.COMPLETED:
            raise NotRestorable(
                f"Distribution {distribution_id} is not a completed one of queue {queue_id}. "
                f"Look it up with GET /queues/{queue_id}/distributions."
            )
        baseline = Baseline(queue_id, name, distribution_id, timestamp(now), set_by or None)
        self.baselines.put(baseline)
        return baseline
