"""Measures what each member received after a plan was applied, once for each completed distribution.

Nothing is kept between two readings: each one reads the whole time since the distribution again, until it has contacts
enough, another distribution has written to the queue, or the longest time is over. Then the record is written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.domain.drawn import drawn_between
from routing_weights.domain.realised import ENOUGH, accuracy_by_chance, realised_accuracy
from routing_weights.domain.record import Handled, MemberShare, RealisedAccuracy, RealisedShares, Requested, timestamp
from routing_weights.domain.run import LONGEST_RUN
from routing_weights.errors import RoutingWeightsError
from routing_weights.projection.accuracy import INTERVAL, SPAN, window_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from routing_weights.application.ports import Analytics, DrawnHistory, Trail
    from routing_weights.domain.record import RunSummary

logger = Logger(child=True)

SETTLED = timedelta(minutes=20)
"""How long after an interval's end its figures are read: until then contacts that came in it are still handled, and its
draws are corrected and in the history."""
LONGEST_SPAN = timedelta(hours=22)
"""A distribution is looked for within a day of its start; the last reading has to come before that is over."""


@dataclass(frozen=True)
class _Due:
    run: RunSummary
    queue_id: str
    start: datetime
    end: datetime
    ended_by: str | None
    last: bool
    """Nothing more will be read, so the record is written, however few the contacts are."""


@dataclass(frozen=True)
class MeasureShares:
    trail: Trail
    analytics: Analytics
    history: DrawnHistory
    has_time: Callable[[], bool]

    def measure(self, completed: Sequence[RunSummary], now: datetime) -> Counter[str]:
        """Measure the distributions whose shares are not on record. Returns how many were `shared`, and `failed`.

        One request for all queues with the same interval, up to 100. A reading that fails is logged and tried again by
        the next run.

        Raises:
            StoreUnavailable: the audit trail could not be read.
        """
        count = Counter(shared=0, failed=0)
        ids = [run.distribution_id for run in completed]
        known = self.trail.of_kind(RealisedAccuracy, ids)
        waiting = [run for run in completed if run.queue_id and run.distribution_id not in known]
        spans: dict[tuple[datetime, datetime], list[_Due]] = {}
        for run in waiting:
            if self.has_time() and (due := self._due(run, run.queue_id or "", now)):
                spans.setdefault((due.start, due.end), []).append(due)
        for (start, end), together in sorted(spans.items(), key=lambda item: item[0]):
            if not self.has_time():
                break
            queue_ids = sorted({due.queue_id for due in together})
            try:
                by_queue = self.analytics.realised_by_member(queue_ids, start, end) if start < end else {}
            except RoutingWeightsError as error:
                count["failed"] += not_measured([due.run.distribution_id for due in together], error)
                continue
            for due in together:
                self._record(due, by_queue.get(due.queue_id, {}), now, count)
        return count

    def _due(self, run: RunSummary, queue_id: str, now: datetime) -> _Due | None:
        """The time to read, in whole half-hours. None while it is too short, or while another run is under way."""
        start = window_after(run.timestamp)
        over = _half_hour(now - SETTLED)
        others = writers(self.trail, run.distribution_id, queue_id, run.timestamp, timestamp(now))
        if not all(other.status.terminal for other in others):
            return None
        # A run that waited for the lock while this one was at work wrote at once.
        begun = {other.distribution_id: max(other.started_at, run.timestamp) for other in others}
        ended_by = min(begun, key=lambda other: begun[other], default=None)
        end = min(over, start + LONGEST_SPAN)
        if ended_by is not None:
            end = min(end, max(start, _half_hour(datetime.fromisoformat(begun[ended_by]))))
        last = ended_by is not None or end == start + LONGEST_SPAN
        return _Due(run, queue_id, start, end, ended_by, last) if last or end >= start + SPAN else None

    def _record(self, due: _Due, users: Mapping[str, Handled], now: datetime, count: Counter[str]) -> None:
        """Write the record, if the contacts are enough or no more will come."""
        contacts = {user: handled.contacts for user, handled in users.items()}
        total = sum(contacts.values())
        if total < ENOUGH and not due.last:
            return
        distribution_id = due.run.distribution_id
        try:
            asked = self.trail.of_kind(Requested, [distribution_id]).get(distribution_id)
            requested = asked.requested_weights if asked else {}
            received = {member: users.get(member, Handled()) for member in requested}
            drawn: dict[str, int] | None = None
            if asked and asked.actuator == "share":
                drawn = drawn_between(self.history.of_queue(due.queue_id, due.start, due.end), due.start, due.end)
            accuracy = realised_accuracy(requested, contacts, total)
            record = RealisedShares(
                distribution_id=distribution_id,
                queue_id=due.queue_id,
                timestamp=timestamp(now),
                start=timestamp(due.start),
                end=timestamp(due.end),
                contacts=total,
                handle_s=_seconds(sum(handled.handle_s for handled in users.values())),
                shares={
                    member: MemberShare(
                        weight,
                        received[member].contacts,
                        _seconds(received[member].handle_s),
                        None if drawn is None else drawn.get(member, 0),
                    )
                    for member, weight in requested.items()
                },
                **_judged(accuracy, requested, total),
                ended_by=due.ended_by,
            )
            self.trail.append(record)
            count["shared"] += 1
        except RoutingWeightsError as error:
            count["failed"] += not_measured([distribution_id], error)


def writers(trail: Trail, distribution_id: str, queue_id: str, completed: str, until: str) -> list[RunSummary]:
    """The other distributions that wrote to the queue, or may have, and ended after `completed`; opened by `until`."""
    # A run that was opened earlier may have ended later, because it waited for the lock.
    since, after = timestamp(datetime.fromisoformat(completed) - LONGEST_RUN), None
    others: list[RunSummary] = []
    while True:
        runs, after = trail.of_queue(queue_id, since=since, until=until, limit=50, after=after)
        others += [
            run
            for run in runs
            if run.distribution_id != distribution_id and run.status.wrote != "no" and run.timestamp > completed
        ]
        if after is None:
            return others


def not_measured(ids: Sequence[str], error: RoutingWeightsError) -> int:
    """Log a failure. Returns how many distributions it concerns."""
    logger.warning(
        "Not measured; the next run tries again, for a day",
        distributions=ids,
        error_type=type(error).__name__,
        reason=error.message,
    )
    return len(ids)


def _judged(accuracy: float | str, requested: Mapping[str, float], total: int) -> dict[str, Any]:
    if isinstance(accuracy, str):
        return {"why": accuracy}
    by_chance = accuracy_by_chance(requested, total)
    return {"realised_accuracy": round(accuracy, 9), "accuracy_by_chance": round(by_chance, 9)}


def _seconds(seconds: float) -> float:
    return round(seconds, 3)


def _half_hour(at: datetime) -> datetime:
    """The beginning of the half-hour (UTC) that has this moment."""
    seconds = INTERVAL.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)
