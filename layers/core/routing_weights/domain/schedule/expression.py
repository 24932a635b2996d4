"""The expressions of Amazon EventBridge Scheduler, as its user guide describes them ("Schedule types").

An expression that the guide does not describe, or describes in two ways, is refused.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

FIRST_YEAR, LAST_YEAR = 1970, 2199
MONTHS = dict(
    zip(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], range(1, 13), strict=True)
)
DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
FIELDS = ("minutes", "hours", "day of month", "month", "day of week", "year")
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


@dataclass(frozen=True)
class Days:
    """Days of a month. `of_week` counts Sunday as 1."""

    kind: Literal["of_month", "last", "near", "of_week", "last_of_week", "nth_of_week"]
    values: frozenset[int] = frozenset()
    nth: int = 0

    def of(self, year: int, month: int) -> list[int]:
        """The days of one month, in order; empty: the month has no such day."""
        first, length = monthrange(year, month)  # first: the 1st, with Monday as 0
        days = range(1, length + 1)
        if self.kind == "of_month":
            return [day for day in days if day in self.values]
        if self.kind == "last":
            return [length]
        if self.kind == "near":
            (wanted,) = self.values
            return [_nearest_weekday(wanted, (first + wanted - 1) % 7, length)] if wanted <= length else []
        of_week = [day for day in days if (first + day) % 7 + 1 in self.values]
        if self.kind == "of_week":
            return of_week
        return of_week[-1:] if self.kind == "last_of_week" else of_week[self.nth - 1 : self.nth]


def _nearest_weekday(day: int, weekday: int, length: int) -> int:
    """The Monday to Friday closest to a day, within its month. `weekday` counts Monday as 0."""
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
        """Times without a zone, in order, from the beginning of a day to the end of the last year."""
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
    """Without a zone."""


class _Wrong(ValueError):
    """One thing that is wrong with an expression."""


def parse_expression(text: str) -> tuple[Cron | Rate | At | None, list[str]]:
    """The expression, or None with a sentence for each thing that is wrong."""
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
        at = datetime.fromisoformat(inside)
        if not FIRST_YEAR <= at.year <= LAST_YEAR:
            raise _Wrong
    except ValueError:
        raise _Wrong(f"at({inside}) is not a local time such as at(2026-03-29T02:30:00)") from None
    return At(at)


def _cron(inside: str) -> tuple[Cron | None, list[str]]:
    fields = inside.split(" ")
    if len(fields) != len(FIELDS) or not all(fields):
        return None, [f"cron needs six fields with one space between them: {', '.join(FIELDS)}"]
    minutes, hours, of_month, months, of_week, years = fields
    wrong: list[str] = []

    def read(name: str, parse: Any, *arguments: Any) -> Any:
        try:
            return parse(*arguments)
        except _Wrong as reason:
            wrong.append(f"{name}: {reason}")
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
    """The values of a field: a list of `*`, `4`, `4-8`, each with or without a step."""
    values: set[int] = set()
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
        values.update(range(first, last + 1, by))
    return frozenset(values)


def _value(text: str, low: int, high: int, names: Mapping[str, int], what: str = "value") -> int:
    if text in names:
        return names[text]
    if not re.fullmatch(r"[0-9]{1,4}", text) or not low <= int(text) <= high:
        named = f" or {next(iter(names))} to {list(names)[-1]}" if names else ""
        raise _Wrong(f"{text!r} is not a {what} from {low} to {high}{named}")
    return int(text)
