"""The patrol finds changes that no event reports, of rings and proficiencies for example, by reading the queues.

It queues an event for each queue that is due, so an event of the patrol leads to everything that any other event leads
to. It takes a share of the request budget, and its readings give way to those of distributions.
"""

from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools import Logger

from routing_weights.application.ports import ChangeQueue, Patrols
from routing_weights.domain.change_events import LONGEST_DELAY_S, ChangeEvent

logger = Logger(child=True)

SHARE = 0.25
"""The share of the request budget that the patrol may use."""
REQUESTS = 4
"""The requests of one reading: the queue, and a few pages of members."""
UNPACED_PER_MINUTE = 300.0
"""Genesys's own limit, where the deployment has no budget."""


@dataclass(frozen=True)
class Patrol:
    patrols: Patrols
    queue: ChangeQueue
    every_minutes: float
    requests_per_minute: float

    def patrol(self, now: datetime) -> int:
        """Queue an event for each queue that is due, spread over the time until the next patrol. Returns how many.

        A queue is due that was not read for half of the patrol's time, by an event either. Where more are due than the
        budget allows, those that were read the longest ago go first.
        """
        now_ms = int(now.timestamp() * 1000)
        due = self.patrols.due(now_ms - int(self.every_minutes * 30_000))
        budget = self.every_minutes * (self.requests_per_minute or UNPACED_PER_MINUTE) * SHARE
        chosen = due[: max(1, int(budget / REQUESTS))]
        if len(chosen) < len(due):
            logger.warning("The patrol has more queues than requests", due=len(due), looked_at=len(chosen))
        span_s = min(self.every_minutes * 60, LONGEST_DELAY_S) * 0.8
        for number, queue_id in enumerate(chosen):
            event = ChangeEvent(delivery_id=f"patrol-{now_ms}", queue_id=queue_id, kind="patrol")
            self.queue.send(event, span_s * number / len(chosen))
        return len(chosen)
