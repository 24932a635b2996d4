"""The patrol finds changes that no event reports, of rings and proficiencies for example, by reading the queues.

It puts a message for each queue that is due beside the events of the others, so whatever an event leads to, the patrol
leads to as well. It takes a share of the request budget, and its readings give way to those of distributions.
"""

from collections.abc import Callable
from datetime import datetime

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.patrol_table import Patrol
from routing_weights.adapters.aws.webhook_inbox import LONGEST_DELAY_S
from routing_weights.domain.change_events import ChangeEvent

logger = Logger(child=True)

SHARE = 0.25
"""Of the request budget."""
REQUESTS = 4
"""Of one look: the queue, and a few pages of members."""
UNPACED_PER_MINUTE = 300.0
"""Genesys's own limit, where the deployment has no budget."""
PATIENCE_S = 1.0
"""How long a look waits for a free slot of the budget: where distributions take them all, it gives way."""


def send_out(
    patrol: Patrol,
    send: Callable[[ChangeEvent, float], None],
    now: datetime,
    *,
    every_minutes: float,
    requests_per_minute: float,
) -> int:
    """Have the queues looked at that are due, spread over the time until the next patrol; returns how many.

    `send` puts an event into the queue of events, to come after so many seconds. A queue is due that nobody has looked
    at for half of the patrol's time, be it for an event; where there are more than the budget allows, those that were
    looked at the longest ago go first.
    """
    now_ms = int(now.timestamp() * 1000)
    due = patrol.due(now_ms - int(every_minutes * 30_000))
    budget = every_minutes * (requests_per_minute or UNPACED_PER_MINUTE) * SHARE
    chosen = due[: max(1, int(budget / REQUESTS))]
    if len(chosen) < len(due):
        logger.warning("The patrol has more queues than requests", due=len(due), looked_at=len(chosen))
    span_s = min(every_minutes * 60, LONGEST_DELAY_S) * 0.8
    for number, queue_id in enumerate(chosen):
        event = ChangeEvent(delivery_id=f"patrol-{now_ms}", queue_id=queue_id, kind="patrol")
        send(event, span_s * number / len(chosen))
    return len(chosen)
