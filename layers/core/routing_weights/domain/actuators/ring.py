"""Actuator `ring`: one of six bullseye rings, `1 + min(5, floor(6 (1 - w / max w)))`.

Genesys offers a contact to ring 1 and opens the next ring after a time-out. A ring stands for the largest weight that
falls into it.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar, Self, final

from routing_weights.domain.actuators.base import Actuator, Carrier, ContractName, Listed, MemberField, Ranking
from routing_weights.domain.problems import members_not_applicable
from routing_weights.domain.queue import Queue, QueueSettings, SettingName, Target, Value, named, same

RINGS = 6


@final
@dataclass(frozen=True)
class Ring(Actuator):
    largest: float
    name: ClassVar[str] = "ring"
    contract: ClassVar[ContractName] = "platform"
    carrier: ClassVar[Carrier] = MemberField("ringNumber")
    uses: ClassVar[frozenset[SettingName]] = frozenset({"bullseye_rings"})
    group_note: ClassVar[str] = "Their group sets their ring."

    @classmethod
    def for_weights(cls, weights: Collection[float], digits: int) -> Self:  # noqa: ARG003 - six rings
        return cls(max(weights))

    def value(self, weight: float, share: Fraction) -> int:  # noqa: ARG002 - only the share counts
        return 1 + min(RINGS - 1, math.floor(RINGS * (1 - share)))

    def weight(self, value: Value) -> float:
        return max(0.0, self.largest * (1 - (value - 1) / RINGS))

    def read(self, member: Listed) -> int:
        return int(member.number("ringNumber") or 1)

    def ranking(self, settings: QueueSettings, ring_timeouts_s: tuple[float, ...]) -> Ranking:  # noqa: ARG002
        """Without rings, the agent who is idle longest takes the call, whatever ring numbers there are."""
        return Ranking("ring", ring_timeouts_s) if ring_timeouts_s else Ranking("joined")

    def without_effect(self, settings: QueueSettings) -> str | None:
        if (settings.bullseye_rings or 0) > 1:
            return None
        return (
            f"The weights have no effect: the bullseye rings of the queue are {shown(settings.bullseye_rings)}, so "
            "nobody is ahead of anybody. Take strategy ring-by-weight, which makes six"
        )

    def require_members(self, before: Queue, target: Target, skill: str | None) -> None:  # noqa: ARG002 - none
        """A member who is in the queue through a group gets its ring from the group."""
        owned = [
            member.user_id
            for member in before.members
            if member.by_group
            and member.user_id in target.values
            and not same(member.value, target.values[member.user_id])
        ]
        if owned:
            raise members_not_applicable(
                f"In queue {before.queue_id} through a group, whose ring they have: {named(owned)}. Take them out of "
                "the plan, or add the users themselves.",
                owned,
                "a member through a group: its ring is the group's. Take it out of the plan, or add the user itself",
                "member_by_group",
            )

    def require_queue(self, before: Queue, target: Target) -> None:
        """Genesys refuses a ring that the queue does not have. A queue without rings knows ring 1 alone (TF PR #37).

        Rings that go are removed after the members are written.
        """
        rings = max(before.settings.bullseye_rings or 0, before.settings.changed(target.settings).bullseye_rings or 0)
        wrong = {user: value for user, value in target.values.items() if value is not None and value > max(1, rings)}
        if not wrong:
            return
        advice = (
            "take strategy ring-by-weight, which makes six, or configure rings in the admin console"
            if rings <= 1
            else "add the missing rings in the admin console, or send weights that are closer together"
        )
        message = f"the bullseye rings of the queue are {shown(rings)}: {advice}"
        raise members_not_applicable(
            f"The plan uses ring {max(wrong.values()):g}, and {message}. Nothing was written.",
            list(wrong),
            lambda user: f"this weight is ring {wrong[user]:g}, and {message}",
            "ring_unknown",
        )

    def notes(self, before: Queue, target: Target) -> list[str]:
        will = before.settings.changed(target.settings)
        others = tuple(member for member in before.members if member.user_id not in target.values)
        outside = self.outside(will, replace(before, members=others))
        if not outside or (will.bullseye_rings or 0) >= (before.settings.bullseye_rings or 0):
            return []
        note = (
            f"Members whom the plan does not name are in rings that it removes: {named(outside)}. Genesys may "
            "refuse to remove a ring that somebody is in: give them ring 1 in the admin console first."
        )
        return [note]

    @classmethod
    def outside(cls, settings: QueueSettings, queue: Queue) -> list[str]:
        """The members in a ring that is not there; ring 1 always is. A group takes its members out of a ring."""
        rings = max(1, settings.bullseye_rings or 0)
        return sorted(
            member.user_id
            for member in queue.members
            if not member.by_group and member.value is not None and member.value > rings
        )


def shown(rings: float | None) -> str:
    """How many rings, in words that do not contradict the admin console, which shows the last one as the queue."""
    count = int(rings or 0)
    return f"{count} (the admin console shows {max(0, count - 1)})"
