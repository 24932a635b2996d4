"""The base class of actuators whose values are bullseye rings. It has no formula: each of them has its own.

Genesys offers a contact to ring 1 and opens the next ring after a time-out.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from routing_weights.domain.actuators.base import Actuator, Carrier, ContractName, Listed, MemberField, Ranking
from routing_weights.domain.problems import members_not_applicable, not_applicable
from routing_weights.domain.queue import USER_DELETED, Queue, QueueSettings, SettingName, named, same
from routing_weights.domain.target import Target

RINGS = 6
"""The levels that a formula may use. The strategy of each ring actuator creates as many rings."""


@dataclass(frozen=True)
class Bullseye(Actuator):
    largest: float
    strategy: ClassVar[str]
    """The strategy that creates rings in a queue without them, and that a plan with this actuator may name."""
    contract: ClassVar[ContractName] = "platform"
    carrier: ClassVar[Carrier] = MemberField("ringNumber")
    uses: ClassVar[frozenset[SettingName]] = frozenset({"bullseye_rings"})
    group_note: ClassVar[str] = "Their group sets their ring."

    @classmethod
    def for_weights(cls, weights: Collection[float], digits: int) -> Self:  # noqa: ARG003 - six rings
        return cls(max(weights))

    def read(self, member: Listed) -> int:
        return int(member.number("ringNumber") or 1)

    def ranking(self, settings: QueueSettings, ring_timeouts_s: tuple[float, ...]) -> Ranking:  # noqa: ARG002
        """In a queue without rings the agent who is idle longest takes the call, whatever the ring numbers."""
        return Ranking("ring", ring_timeouts_s) if ring_timeouts_s else Ranking("joined")

    def without_effect(self, settings: QueueSettings) -> str | None:
        if (settings.bullseye_rings or 0) > 1:
            return None
        return (
            f"The weights have no effect: the bullseye rings of the queue are {shown(settings.bullseye_rings)}, so "
            f"nobody is ahead of anybody. Take strategy {self.strategy}, which makes six"
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
        """Raise if a value needs a ring that the queue will not have, or a ring that is to be removed is in use.

        Genesys refuses a ring that the queue does not have; a queue without rings has ring 1 only (TF PR #37). It is
        assumed to refuse the removal of a ring in use. Rings are removed after the members are written.
        """
        will = before.settings.changed(target.settings)
        now, then = before.settings.bullseye_rings or 0, will.bullseye_rings or 0
        others = [m for m in before.members if m.user_id not in target.values and m.away != USER_DELETED]
        outside = self.outside(will, replace(before, members=tuple(others))) if then < now else []
        if outside:
            message = (
                f"members whom it does not name are in rings that it removes: {named(outside)}. Give them ring 1 in "
                "the admin console, then send it again"
            )
            raise not_applicable("restores", message, "ring_in_use")
        rings = max(now, then)
        wrong = {user: value for user, value in target.values.items() if value is not None and value > max(1, rings)}
        if not wrong:
            return
        advice = (
            f"take strategy {self.strategy}, which makes six, or configure rings in the admin console"
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

    @classmethod
    def outside(cls, settings: QueueSettings, queue: Queue) -> list[str]:
        """Return the members in a ring that a queue with these settings lacks. Every queue has ring 1.

        Members through a group are not among them: they leave the ring with the group.
        """
        rings = max(1, settings.bullseye_rings or 0)
        return sorted(
            member.user_id
            for member in queue.members
            if not member.by_group and member.value is not None and member.value > rings
        )


def shown(rings: float | None) -> str:
    """Return the number of rings, with the number in the admin console, which shows the last ring as the queue."""
    count = int(rings or 0)
    return f"{count} (the admin console shows {max(0, count - 1)})"
