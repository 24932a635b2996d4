"""The effort of a distribution: what it asked of Genesys and of AWS, and its cost."""

import json
import math
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

KEY = "effort"
"""A state's function reports its effort under this key, in its answer or in the details of the error that it raises."""
PRICES = Path(__file__).with_name("prices.json")
DIGITS = 10
"""Decimals of a cost in dollars: a single read costs some ten-millionths."""


class Busy(BaseModel):
    """The time of one function."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    invocations: int = 0
    ms: int = 0
    """Of its handler, each invocation rounded up."""
    gb_ms: float = 0.0
    """The same, times its memory in GB."""

    def __add__(self, other: "Busy") -> "Busy":
        return Busy(
            invocations=self.invocations + other.invocations, ms=self.ms + other.ms, gb_ms=self.gb_ms + other.gb_ms
        )


class Effort(BaseModel):
    """What a run has asked of Genesys and of AWS. The sum of two efforts is the effort of both: `a + b`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    requests: int = 0
    """To Genesys, with those that were repeated or refused."""
    limited: int = 0
    """Of them, those that Genesys answered with its rate limit."""
    transitions: int = 0
    """Of the state machines, as AWS bills them: states entered, and each retry of a state."""
    functions: Mapping[str, Busy] = {}
    dynamodb_reads: int = 0
    dynamodb_writes: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    """Request units as DynamoDB reports them; 1 for a call that reports none."""
    s3_reads: int = 0
    s3_writes: int = 0
    unreported: int = 0
    """Invocations that left no report because they were killed or timed out: nothing of them is counted above."""

    def __add__(self, other: "Effort") -> "Effort":
        functions = {
            name: self.functions.get(name, Busy()) + other.functions.get(name, Busy())
            for name in (*self.functions, *(other.functions.keys() - self.functions.keys()))
        }
        sums = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        return Effort(functions=functions, **sums)

    @property
    def invocations(self) -> int:
        return sum(busy.invocations for busy in self.functions.values())

    @property
    def gb_ms(self) -> float:
        return sum(busy.gb_ms for busy in self.functions.values())


class Cost(BaseModel):
    """US dollars at AWS's list prices, and where the prices come from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    usd: float
    region: str
    """Whose prices: another region than the deployment's if the table of prices does not have that one."""
    prices_of: str
    """The date of the prices."""


class Meter:
    """Counts what one invocation of a function asks for. Threads may count at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._began_at = 0.0

    def begin(self, now: float) -> None:
        """An invocation begins at `now` on the monotonic clock: forget the last one."""
        with self._lock:
            self._counts.clear()
            self._began_at = now

    def count(self, **amounts: float) -> None:
        """Add to the counts of an Effort, by their names."""
        with self._lock:
            for name, amount in amounts.items():
                self._counts[name] += amount  # type: ignore[assignment]  # units may be halves

    def effort(self, function: str, memory_mb: int, now: float) -> Effort:
        """The effort of the invocation so far."""
        with self._lock:
            ms, counts = math.ceil(1000 * (now - self._began_at)), dict(self._counts)
        busy = Busy(invocations=1, ms=ms, gb_ms=ms * memory_mb / 1024)
        return Effort.model_validate({**counts, "functions": {function: busy}})


@dataclass(frozen=True)
class Spent:
    """What the distributions of a fleet have taken so far."""

    distributions: int = 0
    """How many have been counted."""
    requests: int = 0
    """To Genesys."""
    transitions: int = 0
    usd: float = 0.0
    """At AWS's list prices."""


COUNTS = tuple(name for name in Effort.model_fields if name != "functions")


def reported_in(document: Any) -> Effort | None:
    """The effort in a function's answer or in the details of its error; None if it reports none."""
    try:
        return Effort.model_validate(document[KEY])
    except (TypeError, LookupError, ValidationError):
        return None


class Prices(BaseModel):
    """The prices of a region in US dollars, each for one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: str
    region: str
    gb_second: Decimal
    invocation: Decimal
    transition: Decimal
    read_unit: Decimal
    write_unit: Decimal
    s3_read: Decimal
    s3_write: Decimal

    def cost(self, effort: Effort) -> Cost:
        """The cost of an effort. Genesys charges nothing for a request."""
        usd = (
            self.gb_second * Decimal(effort.gb_ms) / 1000
            + self.invocation * effort.invocations
            + self.transition * effort.transitions
            + self.read_unit * Decimal(effort.read_units)
            + self.write_unit * Decimal(effort.write_units)
            + self.s3_read * effort.s3_reads
            + self.s3_write * effort.s3_writes
        )
        return Cost(usd=round(float(usd), DIGITS), region=self.region, prices_of=self.date)


@cache
def prices(region: str) -> Prices:
    """The prices of a region; those of the table's fallback for a region that the table does not have."""
    table = json.loads(PRICES.read_text(encoding="utf-8"))
    known = region if region in table["regions"] else table["fallback"]
    return Prices(date=table["date"], region=known, **table["regions"][known])
