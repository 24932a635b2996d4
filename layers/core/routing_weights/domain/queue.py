"""A queue with its members and settings, as Genesys holds it."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, cast, get_args

from routing_weights.domain.problems import listed, members_not_applicable, problem
from routing_weights.errors import MemberNotInQueue

NOT_JOINED, USER_INACTIVE, USER_DELETED = "not joined", "user inactive", "user deleted"
"""Some of the reasons why a member cannot take work. See Member.absent."""
CANNOT_COME = ("user ", "routing type ")
"""The beginnings of the reasons that no routing status changes."""
WEIGHT_TOLERANCE = 1e-9
"""Two weights closer than this are the same. The tolerance covers a decimal round trip, but no visible difference."""


Value = float | bool
"""The value that carries a weight on the wire: a score, a proficiency, a ring number, or joined."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a queue, as Genesys holds it."""

    user_id: str
    weight: float | None
    """The weight that the value on the wire stands for, on the scale of the plan's weights. None without a value."""
    joined: bool = True
    away: str | None = None
    """The reason why the user cannot take work even when joined, such as "NOT_RESPONDING" or "user deleted"."""
    skills: Mapping[str, float | None] = field(default_factory=dict)
    """Proficiencies of the active skills, under the id and the name of each, folded (`types.folded`). None if Genesys
    does not show it."""
    native: Mapping[str, Any] = field(default_factory=dict)
    """The contract's own notes for writing this member. Nothing outside adapters/genesys reads them."""
    carried: Value | None = None
    """The value on the wire if it is not the weight itself."""
    by_group: bool = False
    """True if the user is a member through a group."""
    assignment_inactive: bool = False
    """True if the user has the skill that carries the weights, but the assignment is inactive."""
    name: str | None = field(default=None, compare=False)
    email: str | None = field(default=None, compare=False)
    """For people. None if Genesys does not show it. Neither is stored."""

    @property
    def absent(self) -> str | None:
        """The reason why the member cannot take work now, or None."""
        return self.away if self.joined else NOT_JOINED

    @property
    def active(self) -> bool:
        """Able to take work now: joined, and the user is active and on queue."""
        return self.absent is None

    @property
    def may_come(self) -> bool:
        """Joined, and able to take work as soon as the user logs in, whatever the routing status is now."""
        return self.joined and not (self.away or "").startswith(CANNOT_COME)

    @property
    def value(self) -> Value | None:
        """The value on the wire that carries the weight. None if Genesys holds none."""
        return self.weight if self.carried is None else self.carried

    def to_json(self) -> dict[str, Any]:
        """Return the stored form, which is older than some fields and has them in `native`."""
        kept = {"value": self.carried, "by_group": self.by_group or None, "inactive": self.assignment_inactive or None}
        return {
            "user_id": self.user_id,
            "weight": self.weight,
            "joined": self.joined,
            "away": self.away,
            "skills": dict(self.skills),
            "native": {**self.native, **_present(kept)},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Member":
        native = dict(document["native"])
        joined, away = document.get("joined", True), document.get("away")
        if "active" in document:  # an earlier release stored `active`, and whether the member is on queue in `native`
            off_queue = native.get("on_queue") is False
            joined, away = document["active"] or off_queue, "OFF_QUEUE" if off_queue else None
        return cls(
            user_id=document["user_id"].lower(),  # an earlier release kept the id as it was written
            weight=document["weight"],
            joined=joined,
            away=away,
            skills=document.get("skills", {}),
            carried=native.pop("value", None),
            by_group=native.pop("by_group", False),
            assignment_inactive=native.pop("inactive", False),
            native=native,
        )


Setting = float | str | None
"""The value of one of a queue's own settings. None if Genesys holds none."""
SettingName = Literal[
    "overflow_threshold",
    "wrap_up_timeout_s",
    "skill_evaluation_method",
    "bullseye_rings",
    "ring_groups",
    "routing_rules",
    "share_options",
]
SETTINGS: tuple[SettingName, ...] = get_args(SettingName)
RINGS: Final = "bullseye_rings"
RING_GROUPS: Final = "ring_groups"
"""Two settings: the number of bullseye rings of a queue, and the groups in them, as text."""
ROUTING_RULES: Final = "routing_rules"
SHARE_OPTIONS: Final = "share_options"
"""Two settings, as text (domain.shares): the rules for preferred agents, and how strict the shares in force are."""
Settings = Mapping[SettingName, Setting]
"""Some of a queue's own settings, to be set. None removes a setting. Other settings are left alone."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The queue's own settings that a plan can change. None if Genesys holds none, or the contract has none."""

    overflow_threshold: float | None = None
    """Set only if the plan has overflow groups that carry it, or the contract has a threshold of the queue."""
    wrap_up_timeout_s: float | None = None
    skill_evaluation_method: str | None = None
    bullseye_rings: int | None = None
    """As the API counts them, one more than the admin console shows."""
    ring_groups: str | None = None
    """The groups in each ring, as text."""
    routing_rules: str | None = None
    share_options: str | None = None
    """Beside the shares in force, in this system's own table. None if no member has a share."""

    def get(self, name: SettingName) -> Setting:
        setting: Setting = getattr(self, name)
        return setting

    def changed(self, changes: Settings) -> "QueueSettings":
        """Return these settings with `changes` applied."""
        return replace(self, **cast("dict[str, Any]", dict(changes)))

    def to_json(self) -> dict[str, Setting]:
        return {name: value for name in SETTINGS if (value := self.get(name)) is not None}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "QueueSettings":
        return cls(**{name: document.get(name) for name in SETTINGS})


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue with its members, as Genesys holds it. Read before the first write, it is the before-image."""

    queue_id: str
    settings: QueueSettings
    members: tuple[Member, ...]
    native: Mapping[str, Any] = field(default_factory=dict)
    """The contract's own notes for writing the queue. Nothing outside adapters/genesys reads them."""
    ranks: bool = True
    """True if the queue uses the values that carry the weights. Otherwise no member has a weight."""
    skill_id: str | None = None
    """The skill whose proficiencies carry the weights, if any."""
    skill_name: str | None = None
    name: str | None = field(default=None, compare=False)
    """For people. None if Genesys shows none, or an earlier release stored the queue."""
    modified_by: str | None = field(default=None, compare=False)
    modified_at: str | None = field(default=None, compare=False)
    """The last editor of the queue's own settings, and the time as Genesys writes it. Neither is stored."""

    @property
    def overflow_threshold(self) -> float | None:
        return self.settings.overflow_threshold

    def absent(self) -> dict[str, int]:
        """Return how many members cannot take work now, by reason, the most frequent first."""
        counts = Counter(member.absent for member in self.members if member.absent)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def weights(self) -> dict[str, float | None]:
        return {member.user_id: member.weight for member in self.members}

    def to_json(self) -> dict[str, Any]:
        """Return the stored form, which is older than the fields of the skill and has them in `native`."""
        skill = _present({"skill_id": self.skill_id, "skill_name": self.skill_name})
        return {
            "queue_id": self.queue_id,
            **_present({"name": self.name}),
            "settings": self.settings.to_json(),
            "members": [member.to_json() for member in self.members],
            "native": {**self.native, **skill},
            "ranks": self.ranks,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Queue":
        native = dict(document["native"])
        return cls(
            queue_id=document["queue_id"],
            name=document.get("name"),
            settings=QueueSettings.from_json(document["settings"]),
            members=tuple(map(Member.from_json, document["members"])),
            ranks=document.get("ranks", True),
            skill_id=native.pop("skill_id", None),
            skill_name=native.pop("skill_name", None),
            native=native,
        )


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def same(a: Setting | Value, b: Setting | Value) -> bool:
    """Compare two values within the tolerance. None, a missing value, equals nothing."""
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return a is not None and b is not None and math.isclose(a, b, rel_tol=0, abs_tol=WEIGHT_TOLERANCE)


def holds(held: Setting | Value, wanted: Setting | Value) -> bool:
    """Compare a held value with the wanted one, which may be None: no value."""
    return held == wanted or same(held, wanted)


def require_members(requested: Mapping[str, float], queue: Queue) -> None:
    """Raise an error if the plan names users who cannot be written, with a problem for each.

    Raises:
        MemberNotInQueue: a user is not a member of the queue.
        PlanNotApplicable: a user is deleted, although the queue still lists the user.
    """
    missing = sorted(set(requested) - {member.user_id for member in queue.members})
    if missing:
        advice = "add it to the queue, or take it out of member_weights"
        raise MemberNotInQueue(
            f"Not in queue {queue.queue_id}: {named(missing)}. For each, {advice}.",
            **listed(
                [
                    problem(f"member_weights.{member}", f"not a member of the queue: {advice}", "member_not_in_queue")
                    for member in missing
                ]
            ),
        )
    deleted = sorted(set(requested) & deleted_users(queue))
    if deleted:
        raise members_not_applicable(
            f"Deleted in Genesys: {named(deleted)}. Take them out of member_weights.",
            deleted,
            "the user is deleted in Genesys: take it out of member_weights",
            "member_deleted",
        )


def deleted_users(queue: Queue) -> set[str]:
    return {member.user_id for member in queue.members if member.away == USER_DELETED}


def notes_on_users(requested: Iterable[str], queue: Queue) -> list[str]:
    """Return notes for the reader of a dry run about the users that a plan names."""
    idle = {member.user_id for member in queue.members if member.away == USER_INACTIVE}
    inactive = sorted(idle & set(requested))
    if not inactive:
        return []
    note = f"Inactive in Genesys: {named(inactive)}. An inactive user takes no contacts, whatever the weight. "
    return [note + "Activate the user, or take it out of the plan."]


def named(members: list[str], most: int = 10) -> str:
    """Return the members for a sentence: the first ones by id, and the number of the others."""
    return ", ".join(members[:most]) + (f" and {len(members) - most} more" if len(members) > most else "")
