"""CloudWatch's metrics on this machine: what functions print, and what AWS's services would count.

Functions print their metrics in the embedded metric format, one JSON line each; the reader of the log finds them, as
CloudWatch Logs does on AWS. Like CloudWatch, the stack keeps each series by the minute. A metric that is not put here
does not exist here: an alarm on it never has data.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from local.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

MINUTE_S = 60
KEPT_MINUTES = 180  # the longest period of an alarm is an hour, and the page shows the last one
_MARK = b'"_aws"'
Values = Counter[float]
"""How often each value was put."""


class Series(NamedTuple):
    """A metric under its dimensions. CloudWatch compares all of them: a metric with one more is another metric."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    """Sorted by name."""

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> Series:
        return cls(namespace, name, tuple(sorted(dimensions.items())))

    def __str__(self) -> str:
        return f"{self.namespace} {self.name} {{{', '.join(f'{name}={value}' for name, value in self.dimensions)}}}"


class Metrics:
    """All series of a stack. Threads may put at the same time. `log` is the functions' log."""

    def __init__(self, log: Path, clock: Callable[[], float] = time.time) -> None:
        self._log, self._read, self._rest = log, 0, b""
        self._clock = clock
        self._lock = threading.Lock()
        self._series: defaultdict[Series, dict[int, Values]] = defaultdict(dict)
        self._gauges: list[Callable[[], Iterable[tuple[Series, float]]]] = []

    def put(
        self, namespace: str, name: str, dimensions: Mapping[str, str], value: float = 1, at: float | None = None
    ) -> None:
        """Put a value; `at` is in epoch seconds, by default now."""
        minute = int((self._clock() if at is None else at) // MINUTE_S)
        with self._lock:
            self._minute(Series.of(namespace, name, dimensions), minute)[value] += 1

    def watch(self, gauge: Callable[[], Iterable[tuple[Series, float]]]) -> None:
        """Have `gauge` asked at each collection. CloudWatch asks SQS for the depth of a queue each minute."""
        self._gauges.append(gauge)

    def collect(self) -> None:
        """Read what functions have printed since the last time, and ask the gauges."""
        for gauge in self._gauges:
            for series, value in gauge():
                self.put(series.namespace, series.name, dict(series.dimensions), value)
        with self._lock:
            for series, value, at in self._printed():
                self._minute(series, int(at // MINUTE_S))[value] += 1

    def minutes(self) -> dict[Series, dict[int, Values]]:
        """Return a copy of everything: by series, and by the minute since 1970."""
        with self._lock:
            return {
                series: {minute: Counter(values) for minute, values in by_minute.items()}
                for series, by_minute in self._series.items()
            }

    def between(self, series: Series, start: int, end: int) -> Values:
        """Return the values of the minutes from `start` on and before `end`."""
        with self._lock:
            by_minute = self._series.get(series, {})
            return sum((values for minute, values in by_minute.items() if start <= minute < end), Values())

    def _minute(self, series: Series, minute: int) -> Values:
        by_minute = self._series[series]
        if minute not in by_minute:
            by_minute[minute] = Values()
            for old in [known for known in by_minute if known <= minute - KEPT_MINUTES]:
                del by_minute[old]
        return by_minute[minute]

    def _printed(self) -> Iterator[tuple[Series, float, float]]:
        with self._log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        self._read += len(text)
        *lines, self._rest = (self._rest + text).split(b"\n")  # a line may be half written
        for line in lines:
            if _MARK in line:
                with suppress(ValueError, LookupError, TypeError):  # a line of the log that only quotes a metric
                    yield from embedded(json.loads(line))


def embedded(document: dict[str, Any]) -> Iterator[tuple[Series, float, float]]:
    """Yield series, value and epoch seconds of each metric of a document in the embedded metric format."""
    about = document["_aws"]
    for directive in about["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = {name: str(document[name]) for name in names}
            for metric in directive["Metrics"]:
                series = Series.of(directive["Namespace"], metric["Name"], dimensions)
                values = document[metric["Name"]]
                for value in values if isinstance(values, list) else [values]:
                    yield series, float(value), about["Timestamp"] / 1000


def statistic(name: str, values: Values) -> float:
    """Return a statistic of at least one value: Sum, Minimum, Maximum, Average, SampleCount, or a percentile (p99).

    Raises StackError for any other.
    """
    count = values.total()
    total = math.fsum(value * times for value, times in values.items())
    if name.startswith("p") and name[1:].replace(".", "", 1).isdecimal():
        wanted, seen = math.ceil(float(name[1:]) / 100 * count), 0
        for value in sorted(values):
            seen += values[value]
            if seen >= wanted:
                return value
    known: dict[str, Callable[[], float]] = {
        "Sum": lambda: total,
        "Minimum": lambda: min(values),
        "Maximum": lambda: max(values),
        "Average": lambda: total / count,
        "SampleCount": lambda: float(count),
    }
    if name not in known:
        raise StackError(f"the embedded stack does not know the statistic {name}")
    return known[name]()
