"""The statuses of a distribution, and one table of everything that the rest of the system asks about a status."""

from enum import StrEnum
from typing import Literal, NamedTuple


class Status(StrEnum):
    """How far a distribution has come. Every status except `initiated` is terminal."""

    INITIATED = "initiated"
    VALIDATION_FAILED = "validation_failed"
    PROJECTION_FAILED = "projection_failed"
    SATURATION_BLOCKED = "saturation_blocked"
    APPROVAL_REQUIRED = "approval_required"
    PROJECTION_INCONCLUSIVE = "projection_inconclusive"
    QUEUE_UPDATE_FAILED = "queue_update_failed"
    MEMBER_UPDATE_FAILED = "member_update_failed"
    COMPLETED = "completed"
    DRY_RUN = "dry_run"
    QUEUE_BUSY = "queue_busy"
    VERIFICATION_FAILED = "verification_failed"
    INTERRUPTED = "interrupted"
    REJECTED = "rejected"
    APPROVAL_EXPIRED = "approval_expired"
    OUTDATED = "outdated"

    @property
    def terminal(self) -> bool:
        return self is not Status.INITIATED

    @property
    def green(self) -> bool:
        """True if the execution succeeds: it did what was asked for."""
        return FACTS[self].green

    @property
    def wrote(self) -> Literal["no", "perhaps", "yes"]:
        """The run came to its writes, under the lock of its queue; `perhaps` if no state saw how it ended."""
        return FACTS[self].wrote

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        return FACTS[self].sentence

    @property
    def failed_writing(self) -> bool:
        """True if the run failed and wrote, or may have written, so that the queue is restored."""
        return self.terminal and not self.green and self.wrote != "no"

    @property
    def metric(self) -> str:
        """The outcome's metric: `DistributionCompleted`, `DistributionSaturationBlocked`, ..."""
        return "Distribution" + self.value.title().replace("_", "")


class Facts(NamedTuple):
    """A row: see the properties of Status."""

    green: bool
    wrote: Literal["no", "perhaps", "yes"]
    sentence: str


FACTS = {
    Status.INITIATED: Facts(False, "perhaps", "The plan was accepted and is on its way."),
    Status.VALIDATION_FAILED: Facts(False, "no", "The plan is not valid, or does not fit the queue."),
    Status.PROJECTION_FAILED: Facts(False, "no", "The queue could not be read or projected."),
    Status.SATURATION_BLOCKED: Facts(False, "no", "The queue would not cope with the plan."),
    Status.APPROVAL_REQUIRED: Facts(False, "no", "The plan needs somebody's approval."),
    Status.PROJECTION_INCONCLUSIVE: Facts(False, "no", "The projection is too close to its limit."),
    Status.QUEUE_UPDATE_FAILED: Facts(False, "yes", "The queue's own settings could not be written."),
    Status.MEMBER_UPDATE_FAILED: Facts(False, "yes", "A member could not be written."),
    Status.COMPLETED: Facts(True, "yes", "The plan was applied and read back."),
    Status.DRY_RUN: Facts(True, "no", "The plan was validated and projected."),
    Status.QUEUE_BUSY: Facts(False, "no", "Another distribution was running on the queue."),
    Status.VERIFICATION_FAILED: Facts(False, "yes", "The queue does not hold what was written."),
    Status.INTERRUPTED: Facts(False, "perhaps", "The execution ended before its work did."),
    Status.REJECTED: Facts(False, "no", "Somebody rejected the distribution."),
    Status.APPROVAL_EXPIRED: Facts(False, "no", "Nobody approved the distribution in time."),
    Status.OUTDATED: Facts(False, "no", "Another distribution was applied since the plan was made."),
}
