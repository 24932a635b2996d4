"""Actuator `ring`: one of six bullseye rings, `1 + min(5, floor(6 (1 - w / max w)))`.

A ring stands for the largest weight that falls into it.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, final

from routing_weights.domain.actuators.bullseye import RINGS, Bullseye
from routing_weights.domain.queue import Value


@final
@dataclass(frozen=True)
class Ring(Bullseye):
    name: ClassVar[str] = "ring"
    strategy: ClassVar[str] = "ring-by-weight"
    does_not: ClassVar[str] = (
        "Rings rank agents: a call is offered to ring 1 first. Rings do not give an agent a share of the calls."
    )

    def value(self, weight: float, share: Fraction) -> int:  # noqa: ARG002 - only the share counts
        return 1 + min(RINGS - 1, math.floor(RINGS * (1 - share)))

    def weight(self, value: Value) -> float:
        return max(0.0, self.largest * (1 - (value - 1) / RINGS))
