"""How a figure grows with a size: the exponent of the power law through its points, by least squares of logarithms."""

import math
from collections.abc import Sequence
from typing import NamedTuple

LINEAR, HARDLY = (0.85, 1.15), 0.1


class Growth(NamedTuple):
    """`figure ≈ c · size ** exponent`. `r2` is the share of the variance that the law explains."""

    exponent: float
    r2: float

    @property
    def word(self) -> str:
        low, high = LINEAR
        if abs(self.exponent) < HARDLY:
            return "hardly"
        if self.exponent > high:
            return "faster than its size"
        return "slower than its size" if self.exponent < low else "linearly"


def growth(points: Sequence[tuple[float, float]]) -> Growth:
    """Points are (size, figure), at least two sizes, all above 0."""
    logs = [(math.log(size), math.log(figure)) for size, figure in points]
    mean_x, mean_y = (math.fsum(values) / len(logs) for values in zip(*logs, strict=True))
    spread_x = math.fsum((x - mean_x) ** 2 for x, _ in logs)
    spread_y = math.fsum((y - mean_y) ** 2 for _, y in logs)
    together = math.fsum((x - mean_x) * (y - mean_y) for x, y in logs)
    return Growth(together / spread_x, 1.0 if spread_y == 0 else together**2 / (spread_x * spread_y))
