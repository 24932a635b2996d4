"""When a schedule runs, across changes of the clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from operator import itemgetter
from typing import Self
from zoneinfo import ZoneInfo

from routing_weights.domain.schedule.clock import MINUTE, first_valid, zone
from routing_weights.domain.schedule.expression import FIRST_YEAR, LAST_YEAR, Cron, Rate, parse_expression
from routing_weights.domain.schedule.timing import TimingFields

MOST_RUNS = 1_000
_FIRST, _LAST = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 2, tzinfo=UTC)
"""No expression has a run before the first or after the last."""


@dataclass(frozen=True)
class NextRun:
    """One run."""

    at: datetime
    """The instant, in the schedule's zone."""
    moved_from: tuple[datetime, ...] = ()
    """Times of the expression that the clock skips: this run, at the next valid minute, stands for them."""
    merged: bool = False
    """True: it stands for several times of the expression."""
    repeated: bool = False
    """True: the clock shows its time twice. The run is at the first."""
    skipped: bool = False
    """True: the clock skips every time that it stands for. EventBridge Scheduler leaves such a run out."""

    @classmethod
    def of(cls, at: datetime, times: list[datetime]) -> Self:
        """The run at `at`, which stands for `times` of the expression."""
        shown = at.replace(tzinfo=None, fold=0)
        return cls(
            at=at,
            moved_from=tuple(time for time in times if time != shown),
            merged=len(times) > 1,
            repeated=at.replace(fold=1).utcoffset() != at.utcoffset(),
            skipped=shown not in times,
        )


def next_runs(schedule: TimingFields, after: datetime, count: int) -> list[NextRun]:
    """The first `count` (at most 1,000) runs later than `after`, in order; fewer if the schedule ends before.

    A time that the clock skips runs at the next valid minute. If another run is due then, the two are one. A time that
    the clock shows twice runs once, at the first. A rate counts hours that pass, whatever the clock shows.
    """
    parsed, _ = parse_expression(schedule.expression)
    there = zone(schedule.time_zone)
    assert parsed is not None  # noqa: S101  the model has checked both
    assert there is not None  # noqa: S101
    after = min(max(after.replace(tzinfo=UTC) if after.year in {1, 9999} else after.astimezone(UTC), _FIRST), _LAST)
    if schedule.start is not None:
        after = max(after, schedule.start.astimezone(UTC) - timedelta(microseconds=1))
    if isinstance(parsed, Rate):
        runs = (NextRun(at.astimezone(there)) for at in _regular(parsed, schedule.start, after))
    else:
        # Two days earlier, since a skipped time runs later than the clock would have shown it, up to a whole day.
        since = (after.astimezone(there) - timedelta(days=2)).date()
        times = parsed.times(since) if isinstance(parsed, Cron) else iter([parsed.time])
        resolved = ((first_valid(time, there), time) for time in times)
        runs = (
            NextRun.of(at, [time for _, time in pairs])
            for at, pairs in groupby(resolved, key=itemgetter(0))
            if at.astimezone(UTC) > after
        )
    end = schedule.end
    within = (run for run in _until(runs, end)) if end else runs
    return list(islice(within, min(count, MOST_RUNS)))


def skipped_runs(schedule: TimingFields, after: datetime, end: datetime) -> Iterator[NextRun]:
    """The runs of a cron schedule, later than `after` and up to `end`, that EventBridge Scheduler leaves out.

    Its guide ("Schedule types") says that it skips an invocation when the cron expression falls on a date and time that
    does not exist.
    """
    there = zone(schedule.time_zone)
    assert there is not None  # noqa: S101  the model has checked it
    if schedule.expression.startswith("cron("):
        for gap in _gaps(there, after.astimezone(UTC), end.astimezone(UTC)):
            for run in next_runs(schedule, gap - timedelta(microseconds=1), 1):
                if run.at.astimezone(UTC) < gap + MINUTE and run.skipped:
                    yield run


def _gaps(there: ZoneInfo, after: datetime, end: datetime) -> Iterator[datetime]:
    """The instants, in UTC, at which a clock jumps forward, later than `after` and up to `end`."""

    def offset(instant: datetime) -> timedelta:
        return instant.astimezone(there).utcoffset() or timedelta()

    while after < end:
        low, high = after, min(after + timedelta(days=1), end)
        before, after = offset(low), high
        if offset(high) <= before:
            continue
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) // 2
            low, high = (middle, high) if offset(middle) <= before else (low, middle)
        yield high.replace(microsecond=0)


def _until(runs: Iterator[NextRun], end: datetime) -> Iterator[NextRun]:
    for run in runs:
        if run.at.astimezone(UTC) > end:
            return
        yield run


def _regular(rate: Rate, start: datetime | None, after: datetime) -> Iterator[datetime]:
    assert start is not None  # noqa: S101  the model has checked it
    begin = start.astimezone(UTC)
    number = max(0, (after - begin) // rate.period + 1)
    while (at := begin + number * rate.period).year <= LAST_YEAR:
        yield at
        number += 1
