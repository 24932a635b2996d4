"""EventBridge's clock. moto stores the schedules of EventBridge Scheduler but starts none, and ignores scheduled rules.

A schedule runs once at each time of its preview, without the delay of a flexible window. It does not run at times that
a clock change moves: EventBridge Scheduler skips them. Times before the start of the stack, or before the creation of
the schedule, are not made up for. A one-time schedule is deleted after its run if it asks for that. A function with
a scheduled rule is invoked once if several of its times have passed.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.stack.template import Regularly

Clock = Callable[[], datetime]
_Ends = tuple[datetime | None, datetime | None]

_LAYER = str(Path(__file__).resolve().parents[2] / "layers" / "core")
_PAUSE_S = 0.2
_MOST_AT_ONCE = 1_000
_NEVER = datetime.max.replace(tzinfo=UTC)
_SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""EventBridge Scheduler replaces this text in an input by the time of the run."""


def wall_clock() -> datetime:
    return datetime.now(UTC)


def clock_of(text: str) -> Clock:
    """Read SCHEDULE_CLOCK: empty for the wall clock, `x60` for a clock 60 times as fast, or a file with the time.

    The file contains an RFC 3339 time with an offset, and may change at any time. Raises StackError.
    """
    if not text:
        return wall_clock
    begun = wall_clock()
    if match := re.fullmatch(r"x([1-9][0-9]{0,4})", text):
        factor = int(match[1])
        return lambda: begun + factor * (wall_clock() - begun)
    path = Path(text)

    def written() -> datetime:
        moment = datetime.fromisoformat(path.read_text(encoding="utf-8").strip())
        if moment.tzinfo is None:
            raise ValueError("no offset")
        return moment.astimezone(UTC)

    try:
        written()
    except (OSError, ValueError) as error:
        raise StackError("SCHEDULE_CLOCK must be x and a factor, or a file with an RFC 3339 time") from error
    return written


class Ticker:
    """Starts schedules at their times.

    `schedules` returns them as GetSchedule would. `start` takes a target and its input, `delete` takes a schedule, and
    `invoke` takes a function and the time.
    """

    def __init__(
        self,
        schedules: Callable[[], list[dict[str, Any]]],
        start: Callable[[dict[str, Any], str], None],
        delete: Callable[[dict[str, Any]], None],
        invoke: Callable[[str, str], None],
        clock: Clock,
    ) -> None:
        if _LAYER not in sys.path:
            sys.path.append(_LAYER)  # the previews compute the times, too
        self._schedules, self._start, self._delete, self._invoke = schedules, start, delete, invoke
        self._regular: tuple[Regularly, ...] = ()
        self._next: dict[tuple[str, str, _Ends], datetime] = {}
        """The next run of a timing, as of a tick before: five times a second, none is computed anew."""
        self._clock = clock
        self._begun = self._reached = clock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def begin(self, regular: tuple[Regularly, ...]) -> None:
        self._regular = regular
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def tick(self) -> None:
        """Start everything that is due since the last tick. A clock that goes back starts nothing twice."""
        try:
            now = self._clock()
        except (OSError, ValueError):  # the file is being written
            return
        if now <= self._reached:
            return
        since, self._reached = self._reached, now
        for schedule in self._schedules():
            due = self._due(schedule, since, now)
            for at in due:
                self._start(schedule["Target"], schedule["Target"]["Input"].replace(_SCHEDULED_TIME, at))
            if due and schedule["ActionAfterCompletion"] == "DELETE":
                self._delete(schedule)
        for each in self._regular:
            if due := self._times(each.expression, "UTC", (self._begun, None), since, now):
                self._invoke(each.function, due[-1])

    def _run(self) -> None:
        while not self._closing.wait(_PAUSE_S):
            self.tick()

    def _due(self, schedule: Mapping[str, Any], since: datetime, now: datetime) -> list[str]:
        """Return the times after `since`, up to `now`, at which a schedule must run."""
        ends = (_moment(schedule["StartDate"]), _moment(schedule["EndDate"]))
        return self._times(schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"], ends, since, now)

    def _times(self, expression: str, zone: str, ends: _Ends, since: datetime, now: datetime) -> list[str]:
        from routing_weights.domain.schedule.calendar import next_runs  # noqa: PLC0415 - only now on the path
        from routing_weights.domain.schedule.schedule import Timing  # noqa: PLC0415

        if self._next.get((expression, zone, ends), now) > now:
            return []
        try:
            timing = Timing(expression=expression, time_zone=zone, start=ends[0], end=ends[1])
        except ValueError:  # a schedule that was not made by the API
            return []
        following = next_runs(timing, since, 1)
        if not following or following[0].at > now:  # the usual case: listing a thousand runs takes long
            self._next[expression, zone, ends] = following[0].at if following else _NEVER
            return []
        due = [run for run in next_runs(timing, since, _MOST_AT_ONCE) if run.at <= now and not run.skipped]
        return [f"{run.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for run in due]


def _moment(epoch_s: float | None) -> datetime | None:
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC)
