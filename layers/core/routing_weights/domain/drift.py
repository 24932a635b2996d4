"""Drift: what Genesys holds differs from what the last completed distribution applied. No AWS, no HTTP."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from routing_weights.domain.queue import Queue, Setting, SettingName, Target, Value, deleted_users, holds
from routing_weights.domain.verify import carried_out


@dataclass(frozen=True, slots=True)
class Difference:
    """One member's value, or one of the queue's own settings, as it was applied and as it is now."""

    what: str
    """`member` or `setting`."""
    name: str
    """The user id, or our name for the setting."""
    expected: Setting | Value
    held: Setting | Value
    missing: bool = False
    """Whether the member is no longer in the queue, or its user is deleted."""

    def to_json(self) -> dict[str, Any]:
        said = {self.what: self.name, "expected": self.expected, "held": self.held}
        return said | ({"missing": True} if self.missing else {})


def differences(applied: Target, held: Queue, ours: Sequence[Target] = ()) -> tuple[Difference, ...]:
    """What of `applied` is held differently; the settings first, each by name.

    Only what the distribution set is looked at: everything else is other people's business. `ours` are targets that
    later runs of ours were after, and perhaps could not put back: what holds one of their values is nobody else's work.
    """
    gone = deleted_users(held)  # a deleted user may stay listed, and cannot be written
    members = {member.user_id: member for member in held.members if member.user_id not in gone}
    left = set[str]().union(*(carried_out(target, held) for target in ours))
    settings = [
        Difference("setting", name, wanted, held.settings.get(name))
        for name, wanted in sorted(applied.settings.items())
        if not any(holds(held.settings.get(name), value) for value in (wanted, *_settings(ours, name)))
    ]
    values = [
        Difference("member", user_id, wanted, members[user_id].value if user_id in members else None,
                   missing=user_id not in members)
        for user_id, wanted in sorted(applied.values.items())
        if user_id not in members or not (holds(members[user_id].value, wanted) or user_id in left)
    ]  # fmt: skip
    return (*settings, *values)


def fingerprint(distribution_id: str, found: Sequence[Difference]) -> str:
    """The same for the same state after the same distribution."""
    text = json.dumps([distribution_id, *(difference.to_json() for difference in found)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _settings(targets: Sequence[Target], name: SettingName) -> list[Setting]:
    return [target.settings[name] for target in targets if name in target.settings]
