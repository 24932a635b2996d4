"""What a valid schedule is, and when it runs. No AWS, no HTTP.

Expressions are those of Amazon EventBridge Scheduler, read from its user guide ("Schedule types"). Where the guide says
nothing, or leaves two readings, an expression is refused rather than guessed.
"""

import json
import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import groupby, islice, zip_longest
from operator import itemgetter
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, ValidationInfo, field_validator

from routing_weights.domain import strict_json
from routing_weights.domain.plan import LONGEST_WHILE, SHORTEST_WHILE, Plan, parse_plan
from routing_weights.domain.problems import Location, Problem, as_sentence, listed, problem, problems_of
from routing_weights.domain.types import GenesysId, Moment, Name, in_utc
from routing_weights.errors import PlanInvalid, ScheduleInvalid

MINUTE = timedelta(minutes=1)
FIRST_YEAR, LAST_YEAR = 1970, 2199
MOST_RUNS = 1_000
MONTHS = dict(
    zip(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], range(1, 13), strict=True)
)
DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
FIELDS = ("minutes", "hours", "day of month", "month", "day of week", "year")
_UNITS = {"minute": MINUTE, "hour": timedelta(hours=1), "day": timedelta(days=1)}
_FIRST, _LAST = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 2, tzinfo=UTC)
"""No expression has a run before or after."""
_NOT_ZONES = re.compile(r"(posix|right)/|(posixrules|localtime|Factory)$")
"""Files beside the zones that are none, or count leap seconds."""
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


# ---- expressions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Days:
    """Which days of a month; `of_week` counts Sunday as 1."""

    kind: Literal["of_month", "last", "near", "of_week", "last_of_week", "nth_of_week"]
    values: frozenset[int] = frozenset()
    nth: int = 0

    def of(self, year: int, month: int) -> list[int]:
        """The days of one month, in order; none where the month has no such day."""
        first, length = monthrange(year, month)  # first: the 1st, with Monday as 0
        days = range(1, length + 1)
        if self.kind == "of_month":
            return [day for day in days if day in self.values]
        if self.kind == "last":
            return [length]
        if self.kind == "near":
            (wanted,) = self.values
            return [_nearest_weekday(wanted, (first + wanted - 1) % 7, length)] if wanted <= length else []
        found = [day for day in days if (first + day) % 7 + 1 in self.values]
        if self.kind == "of_week":
            return found
        return found[-1:] if self.kind == "last_of_week" else found[self.nth - 1 : self.nth]


def _nearest_weekday(day: int, weekday: int, length: int) -> int:
    """The Monday to Friday that is closest to a day, within its month; `weekday` counts Monday as 0."""
    saturday, sunday = 5, 6
    if weekday == saturday:
        return day - 1 if day > 1 else day + 2
    if weekday == sunday:
        return day + 1 if day < length else day - 2
    return day


@dataclass(frozen=True)
class Cron:
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: tuple[int, ...]
    years: tuple[int, ...]

    def times(self, since: date) -> Iterator[datetime]:
        """Wall-clock times without a zone, in order, from the first moment of a day; ends with the last year."""
        for year in self.years:
            if year < since.year:
                continue
            for month in self.months:
                if (year, month) < (since.year, since.month):
                    continue
                for day in self.days.of(year, month):
                    on = date(year, month, day)
                    if on >= since:
                        yield from (datetime.combine(on, time(h, m)) for h in self.hours for m in self.minutes)


@dataclass(frozen=True)
class Rate:
    period: timedelta


@dataclass(frozen=True)
class At:
    time: datetime
    """Wall-clock time without a zone."""


class _Wrong(ValueError):
    """One thing that is wrong with an expression."""


def parse_expression(text: str) -> tuple[Cron | Rate | At | None, list[str]]:
    """The expression, or None and a sentence for everything that is wrong with it."""
    kind, _, inside = text.partition("(")
    if kind not in {"cron", "rate", "at"} or not inside.endswith(")"):
        return None, [
            "must be cron(minutes hours day-of-month month day-of-week year), rate(n hours) or at(2026-03-29T02:30:00)"
        ]
    inside = inside[:-1]
    try:
        if kind == "cron":
            return _cron(inside)
        return (_rate(inside) if kind == "rate" else _at(inside)), []
    except _Wrong as wrong:
        return None, [str(wrong)]


def _rate(inside: str) -> Rate:
    match = re.fullmatch(r"([1-9][0-9]{0,4}) (minute|hour|day)s?", inside)
    if not match:
        raise _Wrong(f"rate({inside}) must be a whole number from 1 to 99999 and minutes, hours or days")
    return Rate(int(match[1]) * _UNITS[match[2]])


def _at(inside: str) -> At:
    try:
        if not re.fullmatch(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}", inside):
            raise _Wrong
        moment = datetime.fromisoformat(inside)
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise _Wrong
    except ValueError:
        raise _Wrong(f"at({inside}) is not a local time such as at(2026-03-29T02:30:00)") from None
    return At(moment)


def _cron(inside: str) -> tuple[Cron | None, list[str]]:
    fields = inside.split(" ")
    if len(fields) != len(FIELDS) or not all(fields):
        return None, [f"cron needs six fields with one space between them: {', '.join(FIELDS)}"]
    minutes, hours, of_month, months, of_week, years = fields
    wrong: list[str] = []

    def read(name: str, parse: Any, *arguments: Any) -> Any:
        try:
            return parse(*arguments)
        except _Wrong as problem_found:
            wrong.append(f"{name}: {problem_found}")
            return ()

    parsed = {
        "minutes": read("minutes", _values, minutes, 0, 59),
        "hours": read("hours", _values, hours, 0, 23),
        "months": read("month", _values, months, 1, 12, MONTHS),
        "years": read("year", _values, years, FIRST_YEAR, LAST_YEAR),
    }
    days: Days | None = None
    if (of_month == "?") == (of_week == "?"):
        wrong.append("exactly one of day of month and day of week must be ?")
    for name, parse, text in (("day of month", _of_month, of_month), ("day of week", _of_week, of_week)):
        if text != "?":
            days = read(name, parse, text) or days
    if wrong or days is None:
        return None, wrong
    return Cron(days=days, **{name: tuple(sorted(values)) for name, values in parsed.items()}), []


def _of_month(text: str) -> Days:
    if text == "L":
        return Days("last")
    if match := re.fullmatch(r"([0-9]{1,2})W", text):
        return Days("near", frozenset({_value(match[1], 1, 31, {})}))
    if set("LW") & set(text):
        raise _Wrong(f"{text} is not known: L and a day with W, such as 15W, stand alone")
    return Days("of_month", _values(text, 1, 31))


def _of_week(text: str) -> Days:
    if text == "L":
        return Days("of_week", frozenset({DAYS["SAT"]}))  # the last day of the week
    if match := re.fullmatch(r"(\w{1,3})L", text):
        return Days("last_of_week", frozenset({_value(match[1], 1, 7, DAYS)}))
    if match := re.fullmatch(r"(\w{1,3})#(.*)", text):
        return Days("nth_of_week", frozenset({_value(match[1], 1, 7, DAYS)}), _value(match[2], 1, 5, {}))
    if set("L#") & set(text):
        raise _Wrong(f"{text} is not known: L, a day with L such as 6L, and a day with # such as 6#3 stand alone")
    return Days("of_week", _values(text, 1, 7, DAYS))


def _values(text: str, low: int, high: int, names: Mapping[str, int] | None = None) -> frozenset[int]:
    """The values of a field: a list of `*`, `4`, `4-8`, each with a step or without one."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        begin, dash, end = span.partition("-")
        if span == "*":
            first, last = low, high
        else:
            first = _value(begin, low, high, names or {})
            last = _value(end, low, high, names or {}) if dash else (high if slash else first)
        if first > last:
            raise _Wrong(f"{span} ends before it begins: write two ranges with a comma between them")
        by = _value(step, 1, high - low + 1, {}, "step") if slash else 1
        found.update(range(first, last + 1, by))
    return frozenset(found)


def _value(text: str, low: int, high: int, names: Mapping[str, int], what: str = "value") -> int:
    if text in names:
        return names[text]
    if not re.fullmatch(r"[0-9]{1,4}", text) or not low <= int(text) <= high:
        named = f" or {next(iter(names))} to {list(names)[-1]}" if names else ""
        raise _Wrong(f"{text!r} is not a {what} from {low} to {high}{named}")
    return int(text)


# ---- the model -------------------------------------------------------------------------------------------------------


class BaselineName(BaseModel):
    """A named state of a queue."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    queue_id: GenesysId
    name: Name


class Timing(BaseModel):
    """When a schedule runs."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    expression: Annotated[str, StringConstraints(min_length=1, max_length=256, strict=True)] = Field(
        description="cron(minutes hours day-of-month month day-of-week year), rate(n minutes|hours|days) or "
        "at(yyyy-mm-ddThh:mm:ss), as Amazon EventBridge Scheduler writes them."
    )
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=50, strict=True)] = Field(
        default="UTC", description="The IANA time zone of cron and at, such as Europe/Berlin."
    )
    window_minutes: Annotated[int, Field(ge=0, le=1440, strict=True)] = Field(
        default=0, description="A run starts within so many minutes after its time; 0: within its minute."
    )
    start: Moment | None = Field(
        default=None,
        validate_default=True,
        description="RFC 3339 with an offset: no run before it. A rate counts from it, and needs it.",
    )
    end: Moment | None = Field(default=None, description="RFC 3339 with an offset: no run after it.")
    until: Annotated[str, StringConstraints(max_length=40, strict=True)] | None = Field(
        default=None,
        description="When each run is over and what the queue held before it is put back: a time of day in time_zone, "
        "such as 17:00, which is the next one after the run; or, for at(...), an RFC 3339 instant.",
    )

    @field_validator("expression")
    @classmethod
    def _is_known(cls, text: str) -> str:
        _, wrong = parse_expression(text)
        if wrong:
            raise ValueError("; ".join(wrong))
        return text

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        if zone(name) is None:
            raise ValueError("is not an IANA time zone such as Europe/Berlin")
        return name

    @field_validator("start", "end")
    @classmethod
    def _fits_the_expression(cls, moment: datetime | None, info: ValidationInfo) -> datetime | None:
        kind = str(info.data.get("expression", "")).partition("(")[0]
        if moment is None:
            if kind == "rate" and info.field_name == "start":
                raise ValueError("a rate counts from start: send it")
        elif not FIRST_YEAR < moment.year < LAST_YEAR:
            raise ValueError(f"must be in the years {FIRST_YEAR + 1} to {LAST_YEAR - 1}")
        elif kind == "at":
            raise ValueError("at(...) is one time already: leave start and end out")
        elif info.field_name == "end" and (start := info.data.get("start")) and moment <= start:
            raise ValueError("must be after start")
        return moment

    @field_validator("until")
    @classmethod
    def _is_a_time(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is None or _TIME_OF_DAY.fullmatch(text):
            return text
        try:
            instant = in_utc(text)
        except ValueError:
            raise ValueError("must be a time of day such as 17:00, or, for at(...), an RFC 3339 instant") from None
        if not str(info.data.get("expression", "at(")).startswith("at("):
            raise ValueError("a schedule that runs again needs a time of day, such as 17:00, instead of an instant")
        return instant


class Schedule(Timing):
    """A plan, or the return to a baseline, at times that an expression names."""

    name: Name
    plan: Plan | None = Field(default=None, description="A whole plan. Send it or baseline.")
    baseline: BaselineName | None = Field(default=None, description="Which baseline to put back. Send it or plan.")


class Occasion(BaseModel):
    """One run of a schedule."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    timing: Timing
    scheduled_at: Moment

    def until(self) -> str | None:
        """When it is over, as a plan says it."""
        over = over_at(self.timing, self.scheduled_at)
        return in_utc(over.isoformat()) if over else None


@cache
def zone(name: str) -> ZoneInfo | None:
    """The IANA time zone of a name, None where there is none."""
    if not re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}", name) or _NOT_ZONES.match(name):
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # a folder of zones, such as Europe, is an OSError
        return None


def parse_schedule(name: str, raw: str | bytes) -> Schedule:
    """Read a schedule from JSON text.

    Raises:
        ScheduleInvalid: with every problem at once, those of its plan among them, each with its path.
    """
    document, problems = strict_json.load(raw)
    if any(found["type"] in {"json_invalid", "body_too_large"} for found in problems):
        raise _invalid(problems)
    if not isinstance(document, dict):
        raise _invalid([problem("", "the body must be an object", "dict_type")])
    timing = {key: value for key, value in document.items() if key != "plan"}
    if timing.setdefault("name", name) != name:
        problems.append(problem("name", "differs from the name in the path: leave it out", "name_mismatch"))
    plan, of_plan = _plan(document)
    problems += of_plan
    try:
        schedule = Schedule.model_validate(timing | {"name": name, "plan": plan})
    except ValidationError as error:
        problems += _each_of_the_expression(problems_of(error, _in_words), document.get("expression"))
    if problems:
        raise _invalid(problems)
    return schedule


def _plan(document: Mapping[str, Any]) -> tuple[Plan | None, list[Problem]]:
    """The plan of a schedule's document, None where it has a baseline or the plan is not valid."""
    plan = document.get("plan")
    if (plan is None) == (document.get("baseline") is None):
        return None, [problem("plan", "send either plan or baseline", "plan_or_baseline")]
    if plan is None:
        return None, []
    if isinstance(plan, dict) and plan.get("until") is not None:
        message = "belongs beside the plan, as until of the schedule: each run has an end of its own"
        return None, [problem("plan.until", message, "until_misplaced")]
    try:
        return parse_plan(json.dumps(plan)), []
    except PlanInvalid as invalid:
        found = invalid.details["errors"]
        return None, [entry | {"path": f"plan.{entry['path']}".rstrip(".")} for entry in found]


def _in_words(location: Location, message: str, kind: str) -> tuple[Location, str, str]:
    return location, "1 to 64 letters, digits, '-' and '_'" if kind == "string_pattern_mismatch" else message, kind


def _each_of_the_expression(problems: list[Problem], expression: Any) -> list[Problem]:
    """The problems; each thing that is wrong with the expression is a problem of its own."""
    each: list[Problem] = []
    for found in problems:
        if (found["path"], found["type"]) == ("expression", "value_error"):
            each += [problem("expression", wrong, "value_error") for wrong in parse_expression(expression)[1]]
        else:
            each.append(found)
    return each


def _invalid(problems: list[Problem]) -> ScheduleInvalid:
    return ScheduleInvalid(as_sentence(problems, "schedule"), **listed(problems))


def require_runs(schedule: Timing, now: datetime) -> None:
    """Raise ScheduleInvalid where no run is to come, or one of the next 1,000 is not over before the next begins."""
    runs = next_runs(schedule, now, MOST_RUNS if schedule.until else 1)
    if not runs:
        message = f"{schedule.expression} has no run from now on"
        raise _invalid([problem("expression", f"{message}: check the day, the year, and end", "never_runs")])
    for run, following in zip_longest(runs, runs[1:]):
        over = over_at(schedule, run.at)
        if over is None:
            return
        lasts, late = over.astimezone(UTC) - run.at.astimezone(UTC), schedule.window_minutes + 1
        said = f"the run of {run.at.isoformat()} would be over at {over.isoformat()}"
        if lasts <= timedelta(0):
            message = f"{said}, before it has begun: name a later time"
        elif lasts < late * MINUTE + SHORTEST_WHILE:
            message = f"{said}, and may begin {late} min late: name a later time, or a smaller window_minutes"
        elif lasts > LONGEST_WHILE:
            message = f"{said}, more than {LONGEST_WHILE.days} days later: name an earlier time"
        elif following is not None and over.astimezone(UTC) >= following.at.astimezone(UTC):
            message = (
                f"{said}, when that of {following.at.isoformat()} has begun: name an earlier time, or run less often"
            )
        else:
            continue
        raise _invalid([problem("until", message, "time_invalid")])


# ---- when it runs ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NextRun:
    """One run: its time in the schedule's zone."""

    at: datetime
    moved_from: tuple[datetime, ...] = ()
    """Times on a clock that skipped them, without a zone: their run is this one, at the next valid minute."""
    merged: bool = False
    """It stands for several times of the expression."""
    repeated: bool = False
    """The clock shows this time twice; the run is at the first."""
    named: bool = True
    """The expression names this time itself. EventBridge Scheduler leaves out a run whose times are all skipped."""

    @classmethod
    def of(cls, at: datetime, wanted: list[datetime]) -> Self:
        local = at.replace(tzinfo=None, fold=0)
        other = at.replace(fold=1)
        return cls(
            at=at,
            moved_from=tuple(time for time in wanted if time != local),
            merged=len(wanted) > 1,
            repeated=other.utcoffset() != at.utcoffset(),
            named=local in wanted,
        )


def next_runs(schedule: Timing, after: datetime, count: int) -> list[NextRun]:
    """The first `count` (at most 1,000) runs later than `after`, in order; fewer where the schedule ends before.

    A time that a change of the clock skips runs at the next valid minute, together with what is due then anyway. A time
    that the clock shows twice runs once, at the first. A rate counts hours that pass, whatever the clock shows.
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
        # A day earlier, since a time that is skipped runs later than the clock would have shown it.
        since = (after.astimezone(there) - timedelta(days=2)).date()
        times = parsed.times(since) if isinstance(parsed, Cron) else iter([parsed.time])
        resolved = ((_first_valid(time, there), time) for time in times)
        runs = (
            NextRun.of(at, [time for _, time in same])
            for at, same in groupby(resolved, key=itemgetter(0))
            if at.astimezone(UTC) > after
        )
    end = schedule.end
    within = (run for run in _until(runs, end)) if end else runs
    return list(islice(within, min(count, MOST_RUNS)))


def left_out(schedule: Timing, after: datetime, end: datetime) -> Iterator[NextRun]:
    """The runs of a cron schedule, later than `after` and up to `end`, that EventBridge Scheduler leaves out.

    Its guide: an invocation is skipped when its cron expression falls on a date and time that does not exist.
    """
    there = zone(schedule.time_zone)
    assert there is not None  # noqa: S101  the model has checked it
    if schedule.expression.startswith("cron("):
        for gap in _gaps(there, after.astimezone(UTC), end.astimezone(UTC)):
            for run in next_runs(schedule, gap - timedelta(microseconds=1), 1):
                if run.at.astimezone(UTC) < gap + MINUTE and not run.named:
                    yield run


def _gaps(there: ZoneInfo, after: datetime, end: datetime) -> Iterator[datetime]:
    """The moments, in UTC, at which a clock jumps forward, later than `after` and up to `end`."""

    def offset(moment: datetime) -> timedelta:
        return moment.astimezone(there).utcoffset() or timedelta()

    while after < end:
        low, high = after, min(after + timedelta(days=1), end)
        before, after = offset(low), high
        if offset(high) <= before:
            continue
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) // 2
            low, high = (middle, high) if offset(middle) <= before else (low, middle)
        yield high.replace(microsecond=0)


def over_at(schedule: Timing, begun: datetime) -> datetime | None:
    """When a run of that time is over, in the schedule's zone; None for one that is for good.

    A time of day is the next one after the run, by the rule of the runs: the next valid minute where the clock skips
    it, the first where it shows it twice.
    """
    there = zone(schedule.time_zone)
    assert there is not None  # noqa: S101  the model has checked it
    if schedule.until is None:
        return None
    if not _TIME_OF_DAY.fullmatch(schedule.until):
        return datetime.fromisoformat(schedule.until).astimezone(there)
    day, at = begun.astimezone(there).date(), time.fromisoformat(schedule.until)
    while (over := _first_valid(datetime.combine(day, at), there)).astimezone(UTC) <= begun.astimezone(UTC):
        day += timedelta(days=1)
    return over


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


def _first_valid(wanted: datetime, there: ZoneInfo) -> datetime:
    """The first moment at which a clock shows a time, or the next valid minute where it skips it."""
    if _is_shown(wanted, there):
        return wanted.replace(tzinfo=there)
    gap = _offset(wanted, there, fold=1) - _offset(wanted, there, fold=0)
    low, high = 0, -(-gap // MINUTE)  # the first is skipped, the last is not
    begin = wanted.replace(second=0)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_shown(begin + middle * MINUTE, there) else (middle, high)
    return (begin + high * MINUTE).replace(tzinfo=there)


def _is_shown(wanted: datetime, there: ZoneInfo) -> bool:
    return wanted.replace(tzinfo=there).astimezone(UTC).astimezone(there).replace(tzinfo=None, fold=0) == wanted


def _offset(wanted: datetime, there: ZoneInfo, fold: int) -> timedelta:
    offset = wanted.replace(tzinfo=there, fold=fold).utcoffset()
    assert offset is not None  # noqa: S101  a ZoneInfo always has one
    return offset
