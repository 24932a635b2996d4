"""Forecast files: `queue,start,volume,aht_s` with a heading, and the file that Calabrio WFM exports, without one.

Calabrio's columns: help.calabrio.com, "Forecast file formats" (skill, start, end, volume, task time, after-task time
and, with staffing, agents).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from routing_weights_cli.cells import Problem, Row, Table, heading, number, read_table
from routing_weights_cli.errors import CliError
from routing_weights_cli.times import in_zone, sent

Value = TypeVar("Value", float, datetime)
COLUMNS = ("queue", "start", "volume", "aht_s")
CALABRIO = ("skill", "start", "end", "volume", "task time", "after-task time", "agents")
INTERVALS = tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60))
LONGEST = timedelta(days=31)
"""The API keeps no forecast for longer."""
_ALIASES = {"queue_name": "queue", "queue_id": "queue", "skill": "queue", "offered": "volume", "aht": "aht_s"}
_OF_CALABRIO = re.compile(r"\d{8} \d{1,2}:\d{2}", re.ASCII)
_LARGEST, _LONGEST_S = 1e6, 86_400
"""The API takes no more contacts in an interval, and no longer handle time."""


class Interval(NamedTuple):
    """What one queue expects in one interval. Both instants are in UTC."""

    line: int
    queue: str
    """As the file names it."""
    start: datetime
    end: datetime
    volume: float
    aht_s: float

    @property
    def load(self) -> float:
        """Erlangs."""
        return self.volume * self.aht_s / (self.end - self.start).total_seconds()


@dataclass
class ForecastFile:
    """What a file says, by queue and in the order of time. If there are problems, use none of it."""

    queues: dict[str, list[Interval]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_forecasts(content: bytes, zone: ZoneInfo | None = None, length: timedelta | None = None) -> ForecastFile:
    """Read a file. `zone` is that of times without an offset, `length` that of an interval whose queue has only one."""
    table = read_table(content, {*COLUMNS, *_ALIASES})
    file, cells = ForecastFile(problems=list(table.problems)), _Cells(table.delimiter, zone)
    if not table.rows:
        file.problems = file.problems or [Problem(1, "", "", "the file is empty")]
        return file
    of_calabrio = len(table.rows[0].cells) > 1 and bool(_OF_CALABRIO.fullmatch(table.rows[0].cells[1]))
    parts = list(_calabrio(table.rows, cells) if of_calabrio else _simple(table, cells))
    file.problems += cells.problems
    of_queues: dict[str, list[_Part]] = {}
    for part in parts:
        of_queues.setdefault(part.queue, []).append(part)
    for queue, own in of_queues.items():
        file.queues[queue] = _closed(sorted(own, key=lambda part: part.start), length, file.problems)
    file.problems.sort(key=lambda problem: problem.line)
    return file


class _Part(NamedTuple):
    """An interval whose end may still be open."""

    line: int
    queue: str
    start: datetime
    end: datetime | None
    volume: float
    aht_s: float


@dataclass
class _Cells:
    delimiter: str
    zone: ZoneInfo | None
    problems: list[Problem] = field(default_factory=list)

    def note(self, line: int, column: str, value: str, message: str) -> None:
        self.problems.append(Problem.of(line, column, value, message))

    def of(self, row: Row, column: str, cell: str, read: Callable[[str], Value]) -> Value | None:
        """The value of a cell. None if it is wrong: its problem is noted."""
        try:
            return read(cell)
        except ValueError as error:
            self.note(row.line, column, cell, str(error) if cell else "is empty")
            return None

    def instant(self, cell: str) -> datetime:
        return instant(cell, self.zone)

    def amount(self, cell: str) -> float:
        return _within(number(cell, self.delimiter), _LARGEST)

    def seconds(self, cell: str) -> float:
        return _within(number(cell, self.delimiter), _LONGEST_S)


def _within(value: float, largest: float) -> float:
    if not 0 <= value <= largest:
        raise ValueError(f"must be from 0 to {largest:,.0f}")
    return value


def instant(text: str, zone: ZoneInfo | None) -> datetime:
    """A time of a file, in UTC: with an offset, or as clocks of the zone show it. Raises ValueError."""
    compact = re.fullmatch(r"(\d{4})(\d\d)(\d\d) (\d{1,2}:\d\d)", text, re.ASCII)
    written = "{}-{}-{} {:0>5}".format(*compact.groups()) if compact else text
    if not re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", written, re.ASCII):
        raise ValueError("is not a time such as 2026-01-31T08:00+01:00")
    try:
        at = datetime.fromisoformat(written)
        if at.tzinfo is None and zone is not None:
            at = in_zone(zone, at, text)
        at_utc = at.astimezone(UTC)
    except CliError as error:
        raise ValueError(f"{error.message} {error.remedy}") from None
    except (ValueError, OverflowError):
        raise ValueError("is not a time such as 2026-01-31T08:00+01:00") from None
    if at.tzinfo is None:
        raise ValueError("has no offset: write it as 2026-01-31T08:00+01:00, or name the clock with --zone")
    return at_utc


def _simple(table: Table, cells: _Cells) -> Iterable[_Part]:
    first, *rows = table.rows
    names = [_ALIASES.get(name, name) for name in heading(first)]
    missing = [column for column in COLUMNS if column not in names]
    twice = [column for column in COLUMNS if names.count(column) > 1]
    for column in missing:
        cells.note(first.line, column, "", f"the heading lacks it; needed are {', '.join(COLUMNS)}")
    for column in twice:
        cells.note(first.line, column, "", "the heading has it twice")
    if missing or twice:
        return
    where = {column: names.index(column) for column in COLUMNS}
    for row in rows:
        if len(row.cells) <= max(where.values()):
            hint = " A decimal comma needs columns separated by semicolons." * (cells.delimiter == ",")
            message = f"the line has {len(row.cells)} cells, the heading {len(names)}.{hint}"
            cells.note(row.line, "", cells.delimiter.join(row.cells), message)
            continue
        cell = {column: row.cells[place] for column, place in where.items()}
        start = cells.of(row, "start", cell["start"], cells.instant)
        volume = cells.of(row, "volume", cell["volume"], cells.amount)
        aht_s = 0.0 if volume == 0 and not cell["aht_s"] else cells.of(row, "aht_s", cell["aht_s"], cells.seconds)
        yield from _part(cells, row, cell["queue"], start, None, volume, aht_s)


def _calabrio(rows: Sequence[Row], cells: _Cells) -> Iterable[_Part]:
    for row in rows:
        if len(row.cells) not in {len(CALABRIO) - 1, len(CALABRIO)}:
            expected = f"{', '.join(CALABRIO[:-1])} and, optionally, {CALABRIO[-1]}"
            message = f"the line has {len(row.cells)} cells. Calabrio's file has {expected}"
            cells.note(row.line, "", cells.delimiter.join(row.cells), message)
            continue
        cell = dict(zip(CALABRIO, row.cells, strict=False))
        start, end = (cells.of(row, column, cell[column], cells.instant) for column in ("start", "end"))
        volume = cells.of(row, "volume", cell["volume"], cells.amount)
        task, after = (cells.of(row, name, cell[name], cells.seconds) for name in ("task time", "after-task time"))
        aht_s = None if task is None or after is None else task + after
        if end is not None:
            yield from _part(cells, row, cell["skill"], start, end, volume, aht_s)


def _part(
    cells: _Cells,
    row: Row,
    queue: str,
    start: datetime | None,
    end: datetime | None,
    volume: float | None,
    aht_s: float | None,
) -> Iterable[_Part]:
    """The part of a row, unless a cell of it is wrong."""
    if not queue:
        cells.note(row.line, "queue", "", "is empty")
    elif volume and aht_s == 0:
        cells.note(row.line, "aht_s", "0", "must be above 0 if contacts are expected")
    elif start is not None and volume is not None and aht_s is not None:
        yield _Part(row.line, queue, start, end, volume, aht_s)


def _closed(parts: Sequence[_Part], length: timedelta | None, problems: list[Problem]) -> list[Interval]:
    """The intervals of a queue. If the file has no ends, all are as long as the shortest step between two starts."""
    steps = [later.start - earlier.start for earlier, later in pairwise(parts)]
    length = length or min((step for step in steps if step), default=None)
    intervals = list[Interval]()
    for part in parts:
        end = part.end or (part.start + length if length else None)
        if end is None:
            message = f"{part.queue} has only this interval: say how long it is, with --interval"
            problems.append(Problem.of(part.line, "start", "", message))
            break
        if end - part.start not in INTERVALS:
            minutes = (end - part.start) / timedelta(minutes=1)
            message = f"the interval has {minutes:g} minutes: intervals have 15, 30 or 60"
            problems.append(Problem.of(part.line, "start", _shown(part.start), message))
            if part.end is None:
                break  # the same is true of every other
        elif intervals and end - part.start != intervals[0].end - intervals[0].start:
            message = f"is longer or shorter than the first interval of {part.queue}, in line {intervals[0].line}"
            problems.append(Problem.of(part.line, "end", _shown(end), message))
        elif intervals and part.start < intervals[-1].end:
            message = f"overlaps line {intervals[-1].line}, which is about {part.queue} too"
            problems.append(Problem.of(part.line, "start", _shown(part.start), message))
        else:
            intervals.append(Interval(part.line, part.queue, part.start, end, part.volume, part.aht_s))
    return intervals


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"


def ahead(intervals: Sequence[Interval], now: datetime) -> list[Interval]:
    """The intervals that can be pushed: not over yet, and at most 31 days ahead."""
    return [each for each in intervals if each.end > now and each.end <= now + LONGEST]


def pushed(intervals: Sequence[Interval], source: str) -> dict[str, object]:
    """The body of PUT /queues/{queue_id}/forecast for intervals that are as long as each other, at least one."""
    first, *rest = intervals
    later = [{"start": sent(each.start), "offered": each.volume, "aht_s": each.aht_s} for each in rest]
    return {
        "offered": first.volume,
        "aht_s": first.aht_s,
        "interval_s": int((first.end - first.start).total_seconds()),
        "source": source,
        "valid_from": sent(first.start),
        **({"later": later} if later else {"expires_at": sent(first.end)}),
    }
