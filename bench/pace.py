"""Distributions that a rate limit binds: their time, divided by requests ÷ rate."""

from typing import Any

from bench.distribution import distribute, plan, put_queue
from bench.outside import genesys, stack
from bench.speed import warm_up

WINDOW_S = 6.0
"""Genesys counts requests by the minute. A window of a tenth shows the same pace in less time, and allows a burst of a
tenth of a minute's requests."""


def measure(rates: dict[int, int]) -> dict[str, Any]:
    """`rates` has the members of the queue by requests per minute."""
    return {"window_s": WINDOW_S, "rows": [at_rate(rate, members) for rate, members in rates.items()]}


def at_rate(per_minute: int, members: int, token_pool: int = 1, **limits: Any) -> dict[str, Any]:
    """One distribution of rings under a limit of `per_minute` requests for each token."""
    limits = {"rate_limit": round(per_minute * WINDOW_S / 60), "rate_window_s": WINDOW_S} | limits
    deployed: dict[str, Any] = {"REQUESTS_PER_MINUTE": per_minute, "TOKEN_POOL": token_pool}
    with genesys("platform") as simulator, stack(simulator, **deployed) as running:
        warm_up(running)
        simulator.changes(**limits)
        put_queue(simulator, "bench-pace", members)
        measured = distribute(running, plan("platform", "bench-pace", members))
    bound_s = measured.requests / (per_minute * token_pool / 60)
    return measured.to_json() | {
        "per_minute": per_minute,
        "token_pool": token_pool,
        "bound_s": bound_s,
        "ratio": measured.seconds / bound_s,
    }


def after_one_429(members: int) -> dict[str, Any]:
    """A distribution without a limit, and another one that meets a single 429 with a Retry-After of 1 s."""
    with genesys("platform") as simulator, stack(simulator, REQUESTS_PER_MINUTE=300) as running:
        warm_up(running)
        put_queue(simulator, "bench-free", members)
        put_queue(simulator, "bench-429", members)
        free = distribute(running, plan("platform", "bench-free", members))
        once = {"action": "status", "status": 429, "headers": {"Retry-After": "1"}, "method": "PATCH", "skip": 5}
        simulator.control("POST", "faults", once)
        after = distribute(running, plan("platform", "bench-429", members))
    assert after.refused == 1, after.refused
    return {"free": free.to_json(), "after": after.to_json(), "ratio": after.seconds / free.seconds}
