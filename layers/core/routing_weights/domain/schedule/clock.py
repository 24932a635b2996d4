"""Clocks: time zones, the instant at which a clock shows a time, and when a run expires.

A *time* is what a clock shows, without a zone. A datetime with a zone is an instant.
"""

import re
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from routing_weights.domain.schedule.timing import TimingFields
from routing_weights.domain.types import in_utc

MINUTE = timedelta(minutes=1)
TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_NOT_ZONES = re.compile(r"(posix|right)/|(posixrules|localtime|Factory)$")
"""Files beside the zones that are no zones, or that count leap seconds."""


@lru_cache(maxsize=1_024)  # a stranger may send any number of names
def zone(name: str) -> ZoneInfo | None:
    """The IANA time zone of that name; None: there is no such zone."""
    if not re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}", name) or _NOT_ZONES.match(name):
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # a folder of zones, such as Europe, is an OSError
        return None


def known_zone(name: str) -> str:
    """The name itself. Raises ValueError: there is no such zone."""
    if zone(name) is None:
        raise ValueError("is not an IANA time zone such as Europe/Berlin")
    return name


def known_expiry(text: str) -> str:
    """A time of day as it is, an instant in UTC. Raises ValueError: it is neither."""
    if TIME_OF_DAY.fullmatch(text):
        return text
    try:
        return in_utc(text)
    except ValueError:
        raise ValueError("must be a time of day such as 17:00, or, for at(...), an RFC 3339 instant") from None


def expiry_of(schedule: TimingFields, begun: datetime) -> datetime | None:
    """When the run that began at `begun` expires, in the schedule's zone; None: its plan is not temporary.

    A time of day is the next one after the run. As for runs, a time that the clock skips is the next valid minute, and
    a time that it shows twice is the first.
    """
    there = zone(schedule.time_zone)
    assert there is not None  # noqa: S101  the model has checked it
    if schedule.until is None:
        return None
    if not TIME_OF_DAY.fullmatch(schedule.until):
        return datetime.fromisoformat(schedule.until).astimezone(there)
    day, at = begun.astimezone(there).date(), time.fromisoformat(schedule.until)
    while (expiry := first_valid(datetime.combine(day, at), there)).astimezone(UTC) <= begun.astimezone(UTC):
        day += timedelta(days=1)
    return expiry


def first_valid(wanted: datetime, there: ZoneInfo) -> datetime:
    """The first instant at which a clock shows a time; if the clock skips it, the next valid minute."""
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
