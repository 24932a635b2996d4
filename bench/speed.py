"""Distributions without a rate limit, next to the naive client: by latency, members and contract."""

from typing import Any

from bench import naive
from bench.distribution import distribute, held, plan, put_queue, values_of
from bench.outside import Genesys, Stack, genesys, stack

CONTRACTS = ("platform", "score")
NAIVE_S = 25.0
"""The naive client writes fewer members where all of them would take longer. Its time per member is constant."""


def measure(latencies_ms: tuple[float, ...], sizes: tuple[int, ...]) -> dict[str, Any]:
    rows = []
    for contract in CONTRACTS:
        with genesys(contract) as simulator, stack(simulator) as running:
            warm_up(running)
            for latency_ms in latencies_ms:
                simulator.changes(latency_ms=latency_ms)
                rows += [_row(running, latency_ms, members) for members in sizes]
    return {"rows": rows}


def warm_up(running: Stack) -> None:
    """Have every runtime imported, and a token stored."""
    put_queue(running.genesys, "bench-warm", 3)
    distribute(running, plan(running.genesys.contract, "bench-warm", 3))


def _row(running: Stack, latency_ms: float, members: int) -> dict[str, Any]:
    simulator, contract = running.genesys, running.genesys.contract
    queue_id = f"bench-{latency_ms:g}-{members}"
    put_queue(simulator, queue_id, members)
    sample = naive_sample(latency_ms, members)
    naive_s = naive_per_member(simulator, sample) * members
    ours = distribute(running, plan(contract, queue_id, members))
    same = held(simulator, queue_id) == values_of(contract, members)
    again = distribute(running, plan(contract, queue_id, members))
    writing_s = sum(ours.seconds_by_state.get(state, 0.0) for state in ("Patch queue", "Patch members", "Verify"))
    return ours.to_json() | {
        "contract": contract,
        "latency_ms": latency_ms,
        "naive_members": sample,
        "naive_s": naive_s,
        "ratio": naive_s / ours.seconds,
        "writing_s": writing_s,
        "writing_ratio": naive_s / writing_s,
        "same_end_state": same,
        "again_writes": again.writes,
        "again_s": again.seconds,
    }


def naive_sample(latency_ms: float, members: int) -> int:
    per_member_s = 0.003 + latency_ms / 1000
    return min(members, max(10, round(NAIVE_S / per_member_s / 10) * 10))


def naive_per_member(simulator: Genesys, members: int) -> float:
    put_queue(simulator, "bench-naive", members)
    return naive.write_all(simulator, "bench-naive", values_of(simulator.contract, members)) / members
