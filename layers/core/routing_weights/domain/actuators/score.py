"""Actuator `score`: the weight itself, in the dialect of the source document. The real platform has no scores."""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self, final

from routing_weights.domain.actuators.base import Actuator, Carrier, ContractName, Listed, MemberField, Ranking
from routing_weights.domain.queue import QueueSettings, Value


@final
@dataclass(frozen=True)
class Score(Actuator):
    name: ClassVar[str] = "score"
    contract: ClassVar[ContractName] = "score"
    carrier: ClassVar[Carrier] = MemberField("score")
    orders_queues: ClassVar[bool] = True
    does_not: ClassVar[str] = (
        "A score is a preference. The engine behind the gateway decides which share of the contacts it comes to."
    )

    @classmethod
    def for_weights(cls, weights: Collection[float], digits: int) -> Self:  # noqa: ARG003 - there is no scale
        return cls()

    def value(self, weight: float, share: Fraction) -> float:  # noqa: ARG002 - only the weight counts
        return weight

    def weight(self, value: Value) -> float:
        return value

    def read(self, member: Listed) -> float | None:
        return member.number("score")

    def ranking(self, settings: QueueSettings, ring_timeouts_s: tuple[float, ...]) -> Ranking:  # noqa: ARG002
        return Ranking("score")
