"""The target of a distribution: the state that a queue shall reach, and the order of its writes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from typing import Any, Literal

from routing_weights.domain.queue import (
    RING_GROUPS,
    RINGS,
    ROUTING_RULES,
    Member,
    Queue,
    Setting,
    SettingName,
    Settings,
    Value,
    holds,
)
from routing_weights.domain.types import folded
from routing_weights.errors import RoutingWeightsError

Part = Literal["first", "last"]
"""The time when a setting of the queue is written: before the members, or after them."""
PARTS: tuple[Part, ...] = ("first", "last")
Answers = Mapping[str, RoutingWeightsError | None]
"""By the id of each member whose write was begun: None if Genesys accepted the write, else the error."""


@dataclass(frozen=True, slots=True)
class Target:
    """The state that a queue shall reach: fixed before the first write, and compared with the state read back."""

    weights: Mapping[str, float | None]
    """By user id, the weight that the value on the wire stands for: as near to the plan's weight as possible.

    None if there is no value, or the queue does not use it.
    """
    values: Mapping[str, Value | None]
    """By user id, the value on the wire. None removes the value."""
    settings: Settings = field(default_factory=dict)
    joins: bool = False
    """True if the values decide who is joined to the queue."""
    together: bool = False
    """True if one write changes the values of all members."""
    actuator: str = ""
    """The name of the actuator. Empty in documents of earlier releases."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """For a revert: by setting, the field of the queue's own JSON that carried it, which is written unchanged."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Target":
        # An earlier release kept ids as they were written.
        ids = {name: {user.lower(): value for user, value in document[name].items()} for name in ("weights", "values")}
        return cls(**{**document, **ids})


def as_targeted(queue: Queue, target: Target) -> Queue:
    """Return the queue for a projection: with its joined members and their skills once `target` is reached."""
    carrier = [folded(skill) for skill in (queue.skill_id, queue.skill_name) if skill]

    def targeted(member: Member) -> Member:
        if member.user_id not in target.values:
            return member
        value = target.values[member.user_id]
        if target.joins:
            return replace(member, joined=bool(value))
        kept = {skill: held for skill, held in member.skills.items() if skill not in carrier}
        return replace(member, skills=kept if value is None else {**kept, **dict.fromkeys(carrier, float(value))})

    return replace(queue, members=tuple(map(targeted, queue.members))) if target.joins or carrier else queue


def with_others(target: Target, queue: Queue) -> Target:
    """Return the target in which members whom it does not name hold no value, if its actuator says so."""
    if not target.together:
        return target
    others = {m.user_id: 0.0 for m in queue.members if m.value and m.user_id not in target.values}
    return replace(target, weights={**target.weights, **others}, values={**target.values, **others})


def image(before: Queue, target: Target) -> Target:
    """Return the before-image as a target: the state that undoes everything that `target` changes.

    A setting or value that Genesys did not hold is None.
    """
    members = {member.user_id: member for member in before.members}
    known = [user_id for user_id in target.values if user_id in members]
    return Target(
        weights={user_id: members[user_id].weight for user_id in known},
        values={user_id: members[user_id].value for user_id in known},
        settings={name: before.settings.get(name) for name in target.settings},
        joins=target.joins,
        together=target.together,
        actuator=target.actuator,
    )


def settings_by_part(target: Target, before: Queue) -> dict[Part, dict[SettingName, Setting]]:
    """Return the queue's own settings that differ from the target, by the time when they are written.

    Rings are made before a member enters one, and removed once they are empty. Routing rules are made before a member
    has a share, and removed once nobody has one: a draw never meets a queue without its rules. A lower overflow
    threshold narrows the queue, so it comes last. Other settings go with either write, so that a queue is written
    twice only if necessary.
    """
    differing, late = settings_to_write(target, before), set[SettingName]()
    shares = target.together and any(target.values.values())
    fewer = RINGS in differing and _number(differing[RINGS]) < (before.settings.bullseye_rings or 0)
    early = differing.keys() & {RINGS} if not fewer else set[SettingName]()
    if shares:
        early |= differing.keys() & {ROUTING_RULES}
    else:
        late |= differing.keys() & {ROUTING_RULES}
    if fewer:
        late |= differing.keys() & {RINGS, RING_GROUPS}
    if "overflow_threshold" in differing and _tightens(differing["overflow_threshold"], before.overflow_threshold):
        late.add("overflow_threshold")
    rest = differing.keys() - early - late
    late |= rest if late and not early else set()
    return {
        "first": {name: value for name, value in differing.items() if name not in late},
        "last": {name: value for name, value in differing.items() if name in late},
    }


def _tightens(wanted: Setting, held: float | None) -> bool:
    return isinstance(wanted, float | int) and held is not None and wanted < held


def _number(setting: Setting) -> float:
    return setting if isinstance(setting, float | int) else 0.0


def settings_to_write(target: Target, held: Queue) -> dict[SettingName, Setting]:
    """Return the queue's own settings that differ from the target. None removes a setting."""
    return {name: value for name, value in target.settings.items() if not holds(held.settings.get(name), value)}


def members_to_write(target: Target, before: Queue, *, raise_first: bool) -> list[Member]:
    """Return the members whose weight differs from the target, in a safe order.

    If a sum above 1 is refused, weights are lowered before others are raised, so the sum never exceeds 1. Otherwise
    they are raised first, so the queue never has fewer reachable agents than before or after. Within each group, the
    order is that of the listing.
    """
    changed = [
        member
        for member in before.members
        if member.user_id in target.values and not holds(member.value, target.values[member.user_id])
    ]
    return sorted(changed, key=lambda member: goes_up(target, member) != raise_first)


def diff(target: Target, before: Queue, changed: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return what is to be written, with what Genesys holds: the settings, and the `changed` members in this order."""
    members = {member.user_id: member for member in before.members}
    return {
        "settings": [
            {"setting": name, "before": before.settings.get(name), "after": value}
            for name, value in settings_to_write(target, before).items()
        ],
        "members": [
            {
                "member": user_id,
                "before": members[user_id].weight,
                "after": target.weights[user_id],
                "value_before": members[user_id].value,
                "value_after": target.values[user_id],
            }
            for user_id in changed
        ],
    }


def goes_up(target: Target, member: Member) -> bool:
    """Return True if the member, as it was before, gets a higher weight. Under `joined`: if it is joined."""
    return (target.weights[member.user_id] or 0.0) > (member.weight or 0.0)


def in_groups(target: Target, members: Sequence[Member]) -> list[list[Member]]:
    """Split the members to write, in their order, into those that go up and those that do not.

    If one write changes all of them, they are one group. Writes of one group may be under way
    together. The next group begins once every write of this one is answered.
    """
    if members and target.together:
        return [list(members)]
    return [list(group) for _, group in groupby(members, lambda member: goes_up(target, member))]


def unsettled(target: Target, held: Queue) -> list[str]:
    """Return the members whose value, as read back, is not the target's, sorted. Members who left are among them."""
    values = {member.user_id: member.value for member in held.members}
    return sorted(
        user
        for user, value in target.values.items()
        if (not holds(values[user], value) if user in values else may_not_leave(target, user))
    )


def may_not_leave(target: Target, user_id: str) -> bool:
    """Return True if the target misses a member who has left. A member who only loses its share may leave."""
    return not target.together or bool(target.values[user_id])
