"""CloudWatch Logs on this machine: what the functions have printed, by log group.

All functions print into one file. A line of Powertools names its function; a line that does not is not served here.
Lambda's own line about a failed invocation is made from its outcome, because it has no name.
"""

from __future__ import annotations

import json
import re
import time
from collections import deque
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_MOST_FAILURES = 10_000
_STAMP = "%Y-%m-%d %H:%M:%S,%f%z"


class Line(NamedTuple):
    at_ms: int
    message: str


def matches(pattern: str, message: str) -> bool:
    """Return True if a message matches a filter pattern: terms that must all be in it, or `?` terms of which one must.

    A term in quotes may have spaces. https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html.
    Raises ValueError for any other pattern.
    """
    terms = re.findall(r'(\??)(?:"([^"]+)"|(\w+))(?:\s+|$)', pattern)
    if "".join(re.sub(r"\s", "", text) for term in terms for text in term) != re.sub(r'[\s"]', "", pattern):
        raise ValueError(f"the embedded stack does not know the filter pattern {pattern}")
    found = [((quoted or word) in message, bool(optional)) for optional, quoted, word in terms]
    options = [is_in for is_in, is_optional in found if is_optional]
    return all(is_in for is_in, is_optional in found if not is_optional) and (not options or any(options))


class Logs:
    """`groups` maps each log group to its function."""

    def __init__(self, path: Path, groups: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._path, self._groups, self._clock = path, groups, clock
        self._failures: deque[tuple[str, Line]] = deque(maxlen=_MOST_FAILURES)

    def failed(self, function: str, payload: bytes) -> None:
        """Keep the first line of what Lambda prints about a failed invocation; `payload` is its answer."""
        error = json.loads(payload)
        text = f"[ERROR] {error.get('errorType')}: {error.get('errorMessage')}"
        self._failures.append((function, Line(int(1000 * self._clock()), text)))

    def lines(self, group: str) -> list[Line]:
        """Return the lines of a log group in their order. Raises KeyError if there is no such group."""
        function = self._groups[group]
        failures = [line for name, line in list(self._failures) if name == function]
        return sorted([*failures, *self._printed(function)])

    def _printed(self, function: str) -> Iterator[Line]:
        mark = f'"function_name":"{function}"'
        with self._path.open(encoding="utf-8", errors="replace") as log:
            for text in log:
                if mark in text:
                    with suppress(ValueError, LookupError):  # a line that another one was printed into
                        stamp = datetime.strptime(json.loads(text)["timestamp"], _STAMP)  # noqa: DTZ007  _STAMP has %z
                        yield Line(int(1000 * stamp.timestamp()), text.rstrip("\n"))
