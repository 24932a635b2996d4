"""What a distribution is: its statuses, what it has to write, in which order, and how exact the result is.

No AWS, no HTTP.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from routing_weights.errors import MemberNotInQueue
from routing_weights.strict_json import MAX_PROBLEMS_LISTED, problem

WEIGHT_TOLERANCE = 1e-9
"""Two weights closer than this are the same: it forgives a decimal round trip and nothing a person would notice."""


class Status(StrEnum):
    """Where a distribution is; all but `initiated` are terminal."""

    INITIATED = "initiated"
    VALIDATION_FAILED = "validation_failed"
    PROJECTION_FAILED = "projection_failed"
    SATURATION_BLOCKED = "saturation_blocked"
    QUEUE_UPDATE_FAILED = "queue_update_failed"
    MEMBER_UPDATE_FAILED = "member_update_failed"
    COMPLETED = "completed"
    DRY_RUN = "dry_run"
    QUEUE_BUSY = "queue_busy"
    VERIFICATION_FAILED = "verification_failed"
    INTERRUPTED = "interrupted"

    @property
    def terminal(self) -> bool:
        return self is not Status.INITIATED

    @property
    def metric(self) -> str:
        """The outcome's metric: `DistributionCompleted`, `DistributionSaturationBlocked`, ..."""
        return "Distribution" + self.value.title().replace("_", "")


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a queue, as Genesys holds it."""

    user_id: str
    weight: float | None
    """None when Genesys holds none."""
    active: bool
    """Able to take work: joined to the queue and not off queue."""
    skills: tuple[str, ...] = ()
    """Names and ids."""
    native: dict[str, Any] = field(default_factory=dict)
    """What the contract needs to write this member without changing anything else."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue with its members, as Genesys holds it: before the first write it is the before-image."""

    queue_id: str
    overflow_threshold: float | None
    wrap_up_timeout_s: float | None
    members: tuple[Member, ...]

    def weights(self) -> dict[str, float | None]:
        return {member.user_id: member.weight for member in self.members}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Queue":
        members = tuple(Member(**{**m, "skills": tuple(m["skills"])}) for m in document["members"])
        return cls(**{**document, "members": members})


def same(a: float | None, b: float | None) -> bool:
    """Equal within the tolerance; nothing equals what Genesys does not hold."""
    return a is not None and b is not None and math.isclose(a, b, rel_tol=0, abs_tol=WEIGHT_TOLERANCE)


def require_members(requested: Mapping[str, float], queue: Queue) -> None:
    """Raise MemberNotInQueue, with a problem for each, where the plan gives weight to someone outside the queue."""
    missing = sorted(set(requested) - {member.user_id for member in queue.members})
    if missing:
        advice = "add it to the queue, or take it out of member_weights"
        raise MemberNotInQueue(
            f"Not in queue {queue.queue_id}: {named(missing)}. For each, {advice}. Nothing was written.",
            errors=[
                problem(f"member_weights.{member}", f"not a member of the queue: {advice}", "member_not_in_queue")
                for member in missing[:MAX_PROBLEMS_LISTED]
            ],
            error_count=len(missing),
        )


def named(members: list[str], most: int = 10) -> str:
    """The members for a sentence: the first ones by id, the others by number."""
    return ", ".join(members[:most]) + (f" and {len(members) - most} more" if len(members) > most else "")


def writes(requested: Mapping[str, float], before: Queue) -> list[tuple[Member, float]]:
    """The members to write, with their new weight: only those that differ, in a safe order.

    Lowering goes before raising, and each in the order of the queue's listing: Genesys refuses a sum above 1, so
    no moment of the run may hold one.
    """
    changed = [
        (member, requested[member.user_id])
        for member in before.members
        if member.user_id in requested and not same(member.weight, requested[member.user_id])
    ]
    return sorted(changed, key=lambda change: change[1] > (change[0].weight or 0.0))


def unsettled(requested: Mapping[str, float], held: Mapping[str, float | None]) -> list[str]:
    """The requested members whose weight, as read back, is not the requested one, sorted."""
    return sorted(member for member, weight in requested.items() if not same(held.get(member), weight))


def balance_accuracy(requested: Mapping[str, float], held: Mapping[str, float | None]) -> float:
    """100 x (1 - mean |requested - read back|) over the requested members, in [0, 100].

    A member without a read-back counts as wholly wrong (distance 1). Source: DESIGN section 2.

    >>> balance_accuracy({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.25})
    87.5
    """
    distances = []
    for member, weight in requested.items():
        back = held.get(member)
        distances.append(1.0 if back is None else min(1.0, abs(weight - back)))
    return 100.0 * (1.0 - math.fsum(distances) / len(requested))
