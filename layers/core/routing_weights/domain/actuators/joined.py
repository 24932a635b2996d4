"""Actuator `joined`: on or off.

Genesys ranks all joined members the same, so being joined stands for the mean of the weights above 0.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self, final

from routing_weights.domain.actuators.base import Actuator, Carrier, ContractName, Listed, MemberField, Ranking
from routing_weights.domain.queue import QueueSettings, Value

MAX_BULK = 100
"""Members that one bulk PATCH takes."""


@final
@dataclass(frozen=True)
class Joined(Actuator):
    mean: float
    name: ClassVar[str] = "joined"
    contract: ClassVar[ContractName] = "platform"
    carrier: ClassVar[Carrier] = MemberField("joined", MAX_BULK)
    joins: ClassVar[bool] = True
    does_not: ClassVar[str] = "All joined members rank the same: weights above 0 make no difference among them."

    @classmethod
    def for_weights(cls, weights: Collection[float], digits: int) -> Self:  # noqa: ARG003 - on or off
        positive = [weight for weight in weights if weight > 0]
        return cls(math.fsum(positive) / len(positive) if positive else 1.0)

    def value(self, weight: float, share: Fraction) -> bool:  # noqa: ARG002 - only the share counts
        return share > 0

    def weight(self, value: Value) -> float:
        return self.mean if value else 0.0

    def read(self, member: Listed) -> bool:
        return member.joined

    def ranking(self, settings: QueueSettings, ring_timeouts_s: tuple[float, ...]) -> Ranking:  # noqa: ARG002
        return Ranking("joined")
