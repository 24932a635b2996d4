"""The progress of a fleet: its queues by status, its waves, and what is left to do."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from routing_weights.domain.effort import Spent
from routing_weights.domain.fleet import Fleet, FleetStatus, QueueItem, QueueOutcome, Verdict, WaveOutcome
from routing_weights.domain.status import Status

QueueStatus = Status | Literal["waiting", "skipped"]
"""The status of a queue's distribution. A queue without one waits for it, or is skipped once the fleet has ended."""


@dataclass(frozen=True)
class QueueProgress:
    """One queue of a fleet."""

    number: int
    queue_id: str
    wave: int
    status: QueueStatus
    outcome: QueueOutcome | None = None


@dataclass(frozen=True)
class WaveProgress:
    wave: int
    queues: int
    ended: int
    failed: int
    verdict: Verdict | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Progress:
    fleet: Fleet
    status: FleetStatus
    queues: dict[str, int]
    """How many queues have each status."""
    reverted: int
    """How many of them were reverted since."""
    waves: tuple[WaveProgress, ...]
    requests_left: int
    """Requests to Genesys for the queues that wait, if every member of theirs changes."""
    spent: Spent
    seconds_left: float | None
    """At the granted rate. None if requests are not paced."""


def queues_of(
    status: FleetStatus, items: Sequence[QueueItem], outcomes: Sequence[QueueOutcome]
) -> Iterator[QueueProgress]:
    """Every queue in the order of the submission. `status` is the fleet's."""
    by_number = {outcome.number: outcome for outcome in outcomes}
    for item in items:
        outcome = by_number.get(item.number)
        unknown: QueueStatus = "skipped" if status.terminal and status is not FleetStatus.INTERRUPTED else "waiting"
        yield QueueProgress(
            item.number, item.queue_id, item.wave, outcome.status if outcome else unknown, outcome=outcome
        )


def progress(
    fleet: Fleet,
    status: FleetStatus,
    queues: Sequence[QueueProgress],
    waves: Sequence[WaveOutcome],
    spent: Spent,
    requests_left: int,
    requests_per_minute: float,
) -> Progress:
    """How far a fleet has come. `requests_per_minute` is what the deployment grants; 0: requests are not paced."""
    outcomes = [queue.outcome for queue in queues if queue.outcome]
    ended = Counter(outcome.wave for outcome in outcomes)
    failed = Counter(outcome.wave for outcome in outcomes if not outcome.status.green)
    known = {outcome.wave: outcome for outcome in waves}
    return Progress(
        fleet=fleet,
        status=status,
        queues=dict(Counter(str(queue.status) for queue in queues)),
        reverted=sum(outcome.revert_status is not None and outcome.revert_status.green for outcome in outcomes),
        waves=tuple(
            WaveProgress(
                wave=number,
                queues=wave.count or 0,
                ended=ended[number],
                failed=failed[number],
                verdict=known[number].verdict if number in known else None,
                reasons=known[number].reasons if number in known else (),
            )
            for number, wave in enumerate(fleet.waves)
        ),
        requests_left=requests_left,
        spent=spent,
        seconds_left=round(60 * requests_left / requests_per_minute, 1) if requests_per_minute else None,
    )
