"""The effort of a distribution: its requests to Genesys, and the time that they take."""

import math
from dataclasses import dataclass

PAGE = 100
"""Members that one request lists."""
REQUEST_S = 0.2
"""The time of a request if nothing is paced: a round trip to Genesys."""


@dataclass(frozen=True, slots=True)
class Effort:
    requests: int
    reads: int
    writes: int
    seconds: float
    """Without pacing."""
    seconds_at_the_budget: float
    """At the rate that the deployment grants."""


def effort(*, members: int, writes: int, sets_queue: int, requests_per_minute: float) -> Effort:
    """Estimate before the first write.

    Args:
        members: of the queue. All of them are read before and after.
        writes: requests that write members.
        sets_queue: how often the queue's own settings are written. Each time takes one read and one write.
        requests_per_minute: what the deployment grants its distributions; 0: nothing is paced.
    """
    reads = 2 * (1 + max(1, math.ceil(members / PAGE)))
    requests = reads + writes + 2 * sets_queue
    unpaced_s = REQUEST_S * requests
    paced_s = 60 * requests / requests_per_minute if requests_per_minute else unpaced_s
    return Effort(
        requests=requests,
        reads=reads,
        writes=writes + sets_queue,
        seconds=round(unpaced_s, 1),
        seconds_at_the_budget=round(max(unpaced_s, paced_s), 1),
    )
