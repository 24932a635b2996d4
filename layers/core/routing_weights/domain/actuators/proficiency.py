"""Actuator `proficiency`: `5 w / max w` of a skill dedicated to the queue, rounded; a half goes to the even digit.

A queue that evaluates skills by BEST offers a contact to the best free agent. The call flow has to request the skill,
which nobody can read from the queue.
"""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self, final

from routing_weights.domain.actuators.base import (
    Actuator,
    Carrier,
    ContractName,
    Listed,
    Ranking,
    SkillProficiency,
)
from routing_weights.domain.problems import members_not_applicable
from routing_weights.domain.queue import Queue, QueueSettings, SettingName, Value, named
from routing_weights.domain.target import Target
from routing_weights.domain.types import MAX_PROFICIENCY


@final
@dataclass(frozen=True)
class Proficiency(Actuator):
    largest: float
    digits: int = 1
    name: ClassVar[str] = "proficiency"
    strategy: ClassVar[str] = "proficiency-by-weight"
    contract: ClassVar[ContractName] = "platform"
    carrier: ClassVar[Carrier] = SkillProficiency()
    uses: ClassVar[frozenset[SettingName]] = frozenset({"skill_evaluation_method"})
    takes_skill: ClassVar[bool] = True
    is_rounded: ClassVar[bool] = True
    does_not: ClassVar[str] = (
        "Proficiencies rank agents: the best free agent gets the next contact. They do not give an agent a share of "
        "the contacts."
    )

    @classmethod
    def for_weights(cls, weights: Collection[float], digits: int) -> Self:
        return cls(max(weights), digits)

    def value(self, weight: float, share: Fraction) -> float:  # noqa: ARG002 - only the share counts
        return float(round(MAX_PROFICIENCY * share, self.digits))

    def weight(self, value: Value) -> float:
        return self.largest * value / MAX_PROFICIENCY

    def read(self, member: Listed) -> float | None:
        return member.proficiency

    def ranking(self, settings: QueueSettings, ring_timeouts_s: tuple[float, ...]) -> Ranking:  # noqa: ARG002
        return Ranking("joined" if self.without_effect(settings) else "proficiency")

    def without_effect(self, settings: QueueSettings) -> str | None:
        if settings.skill_evaluation_method == "BEST":
            return None
        return (
            f"The weights have no effect: the queue evaluates skills by {settings.skill_evaluation_method}, and only "
            f"BEST looks at proficiencies. Take strategy {self.strategy}, which sets that"
        )

    def require_members(self, before: Queue, target: Target, skill: str | None) -> None:
        """An inactive assignment carries no weight, and a write of the proficiency may leave it inactive."""
        inactive = [m.user_id for m in before.members if m.assignment_inactive and m.user_id in target.values]
        if inactive:
            raise members_not_applicable(
                f"Inactive assignments of skill {skill}: {named(inactive)}. Activate them, or take the members out of "
                "member_weights.",
                inactive,
                f"its skill {skill} is not active: activate it for the user, or take the user out",
                "skill_assignment_inactive",
            )
