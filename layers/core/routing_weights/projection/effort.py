"""The effort that a distribution is expected to take: requests, time, state transitions and dollars."""

import math
from dataclasses import dataclass

from routing_weights.domain.effort import Busy, Effort, Prices
from routing_weights.domain.record import MAX_INLINE_BYTES

PAGE = 100
"""Members that one request lists."""
REQUEST_S = 0.2
"""The time of a request if nothing is paced: a round trip to Genesys."""
TICK_S = 276.0
"""How long one invocation writes members: Patch's time-out, less the time that it reserves for its end."""
START_S = 0.2
"""The time that an invocation takes beside its requests to Genesys."""
MEMORY_GB = 0.5
"""The memory of the functions that send nearly all requests."""
SLOTS, SLOTS_S = 10, 1.0
"""The most slots that one write to the budget's table takes for writes of members, and the seconds that they last."""
LOCK_S = 1.0
"""How often a run that writes checks its lock."""
S3_READS, S3_WRITES = 9, 6
"""Of a distribution of any size."""
LINK_UNITS = 2
"""The items that are written with a record: its link, and the head of the chain."""
RECORD_KB, MEMBER_KB = 4.0, 0.5
"""The size of a closing record without its members, and what a changed member adds."""


@dataclass(frozen=True, slots=True)
class Expected:
    requests: int
    reads: int
    writes: int
    """Exact if nobody else changes the queue."""
    seconds: float
    """Without pacing."""
    seconds_at_the_budget: float
    """At the rate that the deployment grants."""
    transitions: int
    usd: float
    prices_of: str
    """Region and date of the prices."""
    sentence: str


def requests_of(members: int, writes: int, sets_queue: int) -> int:
    """The requests to Genesys of a distribution: see `expected`."""
    return _reads(members) + writes + 2 * sets_queue


def expected(
    *,
    members: int,
    changed: int,
    writes: int,
    sets_queue: int,
    settings_last: bool,
    reads_between: bool = False,
    concurrent_writes: int,
    requests_per_minute: float,
    prices: Prices,
) -> Expected:
    """What a distribution will take, before its first write.

    Args:
        members: of the queue. All of them are read before and after.
        changed: members whose value changes.
        writes: requests that write them.
        sets_queue: how often the queue's own settings are written. Each time takes one read and one write.
        settings_last: some settings are written after the members.
        reads_between: before anybody is un-joined, the pages of the members who are joined are read: at most all pages.
        concurrent_writes: how many of the members' writes are under way at the same time.
        requests_per_minute: what the deployment grants its distributions; 0: nothing is paced.
        prices: of the deployment's region.
    """
    reads = _reads(members) + (math.ceil(members / PAGE) if reads_between else 0)
    requests = reads + writes + 2 * sets_queue
    unpaced_s = REQUEST_S * (reads + 2 * sets_queue + math.ceil(writes / concurrent_writes))
    paced_s = 60 * requests / requests_per_minute if requests_per_minute else unpaced_s
    seconds = max(unpaced_s, paced_s)
    patches = 1 + settings_last + math.ceil(writes / max(requests, 1) * seconds / TICK_S)
    slots = max(1.0, min(SLOTS, requests_per_minute / 60 * SLOTS_S))
    draws = requests - writes + math.ceil(writes / slots) if requests_per_minute else 0
    cost = prices.cost(_of_aws(draws, changed, patches, seconds))
    return Expected(
        requests=requests,
        reads=reads,
        writes=writes + sets_queue,
        seconds=round(unpaced_s, 1),
        seconds_at_the_budget=round(seconds, 1),
        transitions=_transitions(patches),
        usd=cost.usd,
        prices_of=f"{cost.region}, {cost.prices_of}",
        sentence=f"Expected: {requests} requests to Genesys, {writes + sets_queue} of them writes, in {seconds:.0f} s "
        f"at the granted rate; {cost.usd:.4f} US dollars for AWS at list prices ({cost.region}, {cost.prices_of}).",
    )


def _reads(members: int) -> int:
    """The queue and its members, before and after."""
    return 2 * (1 + max(1, math.ceil(members / PAGE)))


def _transitions(patches: int) -> int:
    """Validate, Lock, Project and `May it write?`; each patch, and `What is left?` after it; the end."""
    return 4 + 2 * patches + len(("Verify", "Audit", "Unlock", "Completed?", "Completed"))


def _of_aws(draws: int, changed: int, patches: int, seconds: float) -> Effort:
    invocations = patches + len(("Validate", "Project", "Verify", "Audit"))
    ms = round(1000 * (seconds + START_S * invocations))
    busy = Busy(invocations=invocations, ms=ms, gb_ms=ms * MEMORY_GB)
    record_kb = min(RECORD_KB + MEMBER_KB * changed, MAX_INLINE_BYTES / 1024)
    record_units = 2 * (math.ceil(record_kb) + LINK_UNITS)  # it is written in a transaction, which costs twice
    return Effort(
        transitions=_transitions(patches),
        functions={"all": busy},
        read_units=math.ceil(seconds / LOCK_S),
        write_units=draws + record_units,
        s3_reads=S3_READS,
        s3_writes=S3_WRITES,
    )
