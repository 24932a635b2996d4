"""The arithmetic of a plan's weights."""

import math
from collections import Counter
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any


def same_members(weights: Any) -> list[str]:
    """The keys that name a member whom another key names in another case."""
    if not isinstance(weights, dict):
        return []
    names = [key for key in weights if isinstance(key, str)]
    counts = Counter(key.lower() for key in names)
    return sorted((key for key in names if counts[key.lower()] > 1), key=lambda key: (key.lower(), key))


def weight_sum(weights: Mapping[str, float]) -> float:
    """The sum, correctly rounded (`math.fsum`): the order does not matter, and ten times 0.1 is 1."""
    return math.fsum(weights.values())


def normalized(weights: Mapping[str, float]) -> dict[str, float]:
    """`weights`, scaled proportionally where their sum is above 1.

    The arithmetic is decimal and exact: each weight is divided by the decimal sum and rounded down at the 15th place.
    The result does not depend on the order, and its `weight_sum` is at most 1.
    """
    if weight_sum(weights) <= 1:
        return dict(weights)
    exact = Context(prec=400, rounding=ROUND_FLOOR)  # the sum of doubles in [0, 1] needs at most 341 digits
    decimals = {member: Decimal(repr(weight)) for member, weight in weights.items()}
    total = Decimal(0)
    for value in decimals.values():
        total = exact.add(total, value)
    place = Decimal("1e-15")
    return {
        member: float(exact.divide(value, total).quantize(place, context=exact)) for member, value in decimals.items()
    }
