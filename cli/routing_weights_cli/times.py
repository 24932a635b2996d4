"""Local times that people type, and instants that people read. A local time is never guessed: its zone is named."""

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from routing_weights_cli.config import ZONE
from routing_weights_cli.errors import CliError

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_SPAN = re.compile(r"(?:(\d{1,3})h)?(?:(\d{1,4})m(?:in)?)?")
_EXAMPLES = "Write 18:00, 2026-03-31 18:00, 2026-03-31T18:00+02:00, or a span such as 90m or 2h30m."


def zone_of(name: str | None, environ: Mapping[str, str], localtime: Path = Path("/etc/localtime")) -> ZoneInfo:
    """The zone of local times: the named one, that of the environment, or that of this machine.

    Raises:
        CliError: there is no such zone, or this machine does not say which is its own.
    """
    given = name or environ.get(ZONE) or environ.get("TZ", "").removeprefix(":") or _zone_of_machine(localtime)
    if not given:
        raise CliError("This machine does not name its time zone.", f"Set --zone or {ZONE}, such as Europe/Berlin.")
    try:
        return ZoneInfo(given)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CliError(f"There is no time zone {given}.", "Zones have names such as Europe/Berlin or UTC.") from error


def _zone_of_machine(localtime: Path) -> str:
    _, found, name = str(localtime.resolve()).partition("zoneinfo/") if localtime.exists() else ("", "", "")
    return name if found else "UTC" if os.name != "nt" else ""


def instant(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """What somebody typed as an instant with an offset: a time of today, a date with a time, or a span from now.

    Raises:
        CliError: it is no time, it is over, or clocks show it twice or never on that day.
    """
    typed = text.strip()
    span = _SPAN.fullmatch(typed)
    if typed and span:
        return now.astimezone(zone) + timedelta(hours=int(span[1] or 0), minutes=int(span[2] or 0))
    today = now.astimezone(zone)
    clock = _CLOCK.fullmatch(typed)
    try:
        local = (
            datetime(today.year, today.month, today.day, int(clock[1]), int(clock[2]))  # noqa: DTZ001  `in_zone` adds it
            if clock
            else datetime.fromisoformat(typed)
        )
    except ValueError as error:
        raise CliError(f"{text} is not a time.", _EXAMPLES) from error
    if not clock and len(typed) <= len("2026-03-31"):
        raise CliError(f"{text} is a day without a time.", _EXAMPLES)
    at = local if local.tzinfo else in_zone(zone, local, text)
    if at <= now:
        tomorrow = (today + timedelta(days=1)).date()
        remedy = f"For tomorrow, write {tomorrow} {local:%H:%M}." if clock else "Write a time that is still to come."
        raise CliError(f"{shown(at, zone)} is over; it is {shown(now, zone)}.", remedy)
    return at


def bound(text: str | None, zone: ZoneInfo) -> str | None:
    """One end of a span as the API takes it: a day, which begins at midnight, or a day with a time.

    Raises:
        CliError: it is neither, or clocks show it twice or never.
    """
    if text is None:
        return None
    try:
        local = datetime.fromisoformat(text)
    except ValueError as error:
        raise CliError(f"{text} is neither a day nor a time.", "Write 2026-03-31, or '2026-03-31 18:00'.") from error
    return sent(local if local.tzinfo else in_zone(zone, local, text))


def in_zone(zone: ZoneInfo, local: datetime, text: str) -> datetime:
    """A local time in its zone. Raises CliError if clocks show it twice or never."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    is_skipped = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local
    sentence = "never: the clocks go forward over it" if is_skipped else "twice: the clocks go back over it"
    choices = (second, first) if is_skipped else (first, second)
    written = " or ".join(choice.astimezone(UTC).astimezone(zone).isoformat(timespec="minutes") for choice in choices)
    raise CliError(f"On that day, clocks of {zone.key} show {text} {sentence}.", f"Write {written}.")


def shown(at: datetime | str | None, zone: ZoneInfo) -> str:
    """An instant as people read it, in their zone and with its name: `2026-03-31 18:00 CEST`. Empty for None."""
    if not at:
        return ""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def brief(at: str | None, zone: ZoneInfo, now: datetime) -> str:
    """An instant in few letters, for a column: the time if it is today, or the day with the time."""
    if not at:
        return ""
    moment = datetime.fromisoformat(at).astimezone(zone)
    return f"{moment:%H:%M}" if moment.date() == now.astimezone(zone).date() else f"{moment:%Y-%m-%d %H:%M}"


def sent(at: datetime) -> str:
    """An instant as the API takes it: RFC 3339, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
