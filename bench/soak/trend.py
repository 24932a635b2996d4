"""How fast a figure grows: one slope for several processes, with its 95 % interval."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

LEAST = 5
"""A process with fewer samples says nothing of a trend."""


@dataclass(frozen=True)
class Trend:
    """A slope per hour and its 95 % interval. `flat` if the interval has 0."""

    per_hour: float
    low: float
    high: float
    samples: int

    @property
    def flat(self) -> bool:
        return self.low <= 0 <= self.high

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def trend(series: Iterable[Sequence[tuple[float, float]]]) -> Trend | None:
    """Fit one slope to (seconds, figure) of several processes, each with a level of its own. None: too few samples.

    So a process that starts or ends is no trend. Samples that follow each other are alike: the interval counts as many
    samples as are independent, by the correlation of neighbouring residuals.
    """
    groups = [group for group in series if len(group) >= LEAST]
    centred = [_centred(group) for group in groups]
    spread = math.fsum(x * x for group in centred for x, _ in group)
    count = sum(map(len, centred)) - len(centred) - 1
    if not spread or count < 1:
        return None
    slope = math.fsum(x * y for group in centred for x, y in group) / spread
    residuals = [[y - slope * x for x, y in group] for group in centred]
    squares = math.fsum(r * r for group in residuals for r in group)
    alike = math.fsum(a * b for group in residuals for a, b in pairwise(group))
    correlation = min(max(alike / squares, 0.0), 0.98) if squares > 0 else 0.0
    independent = max(1.0, count * (1 - correlation) / (1 + correlation))
    error = math.sqrt(squares / independent / spread)
    reach = _student(independent) * error
    return Trend(slope * 3600, (slope - reach) * 3600, (slope + reach) * 3600, sum(map(len, centred)))


def _centred(group: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    x_mean, y_mean = (math.fsum(values) / len(group) for values in zip(*group, strict=True))
    return [(x - x_mean, y - y_mean) for x, y in group]


def _student(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's distribution, within 2 % from 3 degrees of freedom on."""
    z = 1.959964
    g1, g2 = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + g1 / freedom + g2 / freedom**2 + g3 / freedom**3
