"""Drift: what Genesys holds differs from what the last completed distribution applied."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from routing_weights.domain.queue import (
    RING_GROUPS,
    ROUTING_RULES,
    SHARE_OPTIONS,
    Queue,
    Setting,
    SettingName,
    Value,
    deleted_users,
    holds,
)
from routing_weights.domain.target import Target, may_not_leave, with_others
from routing_weights.domain.verify import carried_out

Action = Literal["notified", "repair_deferred", "repair_started", "repair_refused", "repair_dropped"]
What = Literal["member", "setting"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One member's value, or one of the queue's own settings, as it was applied and as it is now."""

    what: What
    name: str
    """The user id, or our name for the setting."""
    expected: Setting | Value
    held: Setting | Value
    missing: bool = False
    """The member is no longer in the queue, or its user is deleted."""

    @property
    def is_of_queue(self) -> bool:
        """True if the value is the queue's own in Genesys, so that the queue's date and editor are about it."""
        return self.what == "setting" and self.name != SHARE_OPTIONS

    @property
    def can_be_reverted(self) -> bool:
        """True if a revert can set the expected value. A member who left the queue has no value."""
        return can_be_set(self.name, self.expected) if self.what == "setting" else not self.missing

    def to_json(self) -> dict[str, Any]:
        document = {self.what: self.name, "expected": self.expected, "held": self.held}
        return document | ({"missing": True} if self.missing else {})

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Difference":
        what: What = "member" if "member" in document else "setting"
        return cls(what, document[what], document["expected"], document["held"], document.get("missing", False))


@dataclass(frozen=True, slots=True)
class Answer:
    """How drift was answered: the action, why as a sentence, and the distribution that repairs it."""

    action: Action
    why: str
    repair_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        document = {"action": self.action, "why": self.why}
        return document | ({"repair_id": self.repair_id} if self.repair_id else {})

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Answer":
        return cls(document["action"], document["why"], document.get("repair_id"))


@dataclass(frozen=True, slots=True)
class DriftEntry:
    """A state of a queue that no distribution made. It is stored once, and its answer is noted beside it."""

    queue_id: str
    entry_id: str
    """When the queue was read, and the delivery that led to it: the entries of a queue sort by time."""
    at: str
    """When the queue was read: RFC 3339, UTC."""
    distribution_id: str
    """The last completed distribution: what it applied is expected."""
    differences: tuple[Difference, ...]
    changed_by: str | None = None
    changed_at: str | None = None
    """As Genesys writes it."""
    edited_at: str = ""
    """The latest moment at which the newest of the changes was made."""
    on_drift: str = "record"
    deliveries: tuple[str, ...] = ()
    """The ids of the deliveries that led to the reading."""
    answer: Answer | None = None
    repair_begun: bool = False
    """The execution of the repair was started."""

    def to_json(self) -> dict[str, Any]:
        """What is stored when drift is found."""
        return {
            "queue_id": self.queue_id,
            "record": self.entry_id,
            "at": self.at,
            "distribution_id": self.distribution_id,
            "changed_by": self.changed_by,
            "changed_at": self.changed_at,
            "edited_at": self.edited_at,
            "on_drift": self.on_drift,
            "differences": [difference.to_json() for difference in self.differences],
            "deliveries": list(self.deliveries),
        }

    @classmethod
    def parse(
        cls, document: Mapping[str, Any], answer: Mapping[str, Any] | None = None, *, repair_begun: bool = False
    ) -> "DriftEntry":
        """An entry as it was stored, by this release or an earlier one, with its answer."""
        return cls(
            queue_id=document["queue_id"],
            entry_id=document["record"],
            at=document["at"],
            distribution_id=document["distribution_id"],
            differences=tuple(map(Difference.parse, document["differences"])),
            changed_by=document.get("changed_by"),
            changed_at=document.get("changed_at"),
            edited_at=document.get("edited_at", document["at"]),
            on_drift=document.get("on_drift", "record"),
            deliveries=tuple(document.get("deliveries", ())),
            answer=Answer.parse(answer) if answer else None,
            repair_begun=repair_begun,
        )


def differences(applied: Target, queue: Queue, ours: Sequence[Target] = ()) -> tuple[Difference, ...]:
    """Return the differences between `applied` and what the queue holds: settings first, then members, by name.

    Only settings and members of the distribution count, except where nobody else may hold a value (`with_others`).
    `ours` are targets of later runs that failed and may have left values behind: a member or setting that holds one of
    these values is not drift.
    """
    applied = with_others(applied, queue)
    deleted = deleted_users(queue)  # Genesys may still list a deleted user, who cannot be written
    members = {member.user_id: member for member in queue.members if member.user_id not in deleted}
    left_behind = set[str]().union(*(carried_out(target, queue) for target in ours))
    settings = [
        Difference("setting", name, wanted, queue.settings.get(name))
        for name, wanted in sorted(applied.settings.items())
        if not any(holds(queue.settings.get(name), value) for value in (wanted, *_settings(ours, name)))
    ]
    values = [
        Difference("member", user_id, wanted, members[user_id].value if user_id in members else None,
                   missing=user_id not in members)
        for user_id, wanted in sorted(applied.values.items())
        if (
            not (holds(members[user_id].value, wanted) or user_id in left_behind)
            if user_id in members
            else may_not_leave(applied, user_id)
        )
    ]  # fmt: skip
    return (*settings, *values)


def can_be_set(name: str, value: Any) -> bool:
    """True if the setting can hold the value. Rules and the groups of rings can be removed; a time-out cannot."""
    return value is not None or name in {"overflow_threshold", RING_GROUPS, ROUTING_RULES, SHARE_OPTIONS}


def fingerprint(distribution_id: str, drift: Sequence[Difference]) -> str:
    """The same for the same state after the same distribution."""
    text = json.dumps([distribution_id, *(difference.to_json() for difference in drift)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def edited_at(drift: Sequence[Difference], queue: Queue, now: datetime) -> datetime:
    """The latest moment at which the newest of the changes was made.

    The queue's stamp dates its settings. Nothing dates a member's value: an event says when one change was made, and
    the event of a later change may still be on its way. Such a change counts from now, when it is first seen.
    """
    stamp = _moment(queue.modified_at)
    return min(stamp, now) if stamp and all(difference.is_of_queue for difference in drift) else now


def _moment(text: str | None) -> datetime | None:
    """None for a text that is no moment, or that names no time zone."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):  # the latter: in UTC it would be before the year 1
        return None


def _settings(targets: Sequence[Target], name: SettingName) -> list[Setting]:
    return [target.settings[name] for target in targets if name in target.settings]
