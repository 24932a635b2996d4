"""What a distribution asks of Genesys and of AWS: requests, time at the granted rate, and dollars."""

import math
from typing import Any

PAGE = 100
"""Members that one request lists."""
STATES = 12
"""State transitions of a distribution that is not interrupted."""
INVOCATIONS = 6
GB_S = 0.5 * 2.0
"""Memory and time of those invocations together but for the writes: half a gigabyte, two seconds."""
WRITE_S = 0.2
"""What a write takes where nothing is paced: a round trip to Genesys."""
PRICES = {
    "state_transition": 25e-6,
    "lambda_request": 0.2e-6,
    "gb_second": 13.3334e-6,
    "dynamodb_write": 0.625e-6,
    "s3_put": 5e-6,
}
"""Dollars in us-east-1 on arm64, of the published price lists in 2025, without free tiers."""


def effort(*, members: int, writes: int, sets_queue: int, requests_per_minute: float) -> dict[str, Any]:
    """Estimate before anything is written.

    Args:
        members: of the queue, all of them are read before and after.
        writes: requests that write members.
        sets_queue: how often the queue's own settings are written, which takes a reading and a write.
        requests_per_minute: what the deployment grants its distributions; 0 where nothing is paced.
    """
    reads = 2 * (1 + max(1, math.ceil(members / PAGE)))
    requests = reads + writes + 2 * sets_queue
    unpaced_s = WRITE_S * requests
    paced_s = 60 * requests / requests_per_minute if requests_per_minute else unpaced_s
    gb_s = GB_S + 0.5 * unpaced_s
    cost = (
        STATES * PRICES["state_transition"]
        + INVOCATIONS * PRICES["lambda_request"]
        + gb_s * PRICES["gb_second"]
        + (4 + requests) * PRICES["dynamodb_write"]
        + 6 * PRICES["s3_put"]
    )
    return {
        "requests": requests,
        "reads": reads,
        "writes": writes + sets_queue,
        "seconds": round(unpaced_s, 1),
        "seconds_at_the_budget": round(max(unpaced_s, paced_s), 1),
        "dollars": round(cost, 6),
    }
