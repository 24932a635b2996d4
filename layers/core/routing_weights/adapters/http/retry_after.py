"""The Retry-After header."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{0,400})?", re.ASCII)


def retry_after_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks to wait, at least 0. None without a readable header.

    The header has a number of seconds or an HTTP date (RFC 9110 section 10.2.3). A date has whole seconds, so it is
    compared with the answer's own Date, which is cut in the same way. Without a Date, a second is added.
    """
    value = headers.get("Retry-After", "").strip()
    if (seconds := seconds_of(value)) is not None:
        return seconds
    if (until := _date(value)) is None:
        return None
    answered = _date(headers.get("Date", ""))
    return max(0.0, until - (now - 1 if answered is None else answered))


def seconds_of(text: str) -> float | None:
    """Return a number of at least 0, or None for anything else."""
    if not _SECONDS.fullmatch(text.strip()):
        return None
    seconds = float(text)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _date(text: str) -> float | None:
    """Epoch seconds."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
