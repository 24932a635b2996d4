"""Executions and locks, as a recovery sees them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

ExecutionStatus = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE", "UNKNOWN"]
"""Step Functions' own, and UNKNOWN for an execution that Step Functions does not know."""
FAILURES: tuple[ExecutionStatus, ...] = ("FAILED", "TIMED_OUT", "ABORTED")
SHOWS_WITHIN = timedelta(minutes=1)
"""DescribeExecution is eventually consistent: an execution that took its lock more recently may run and be unknown."""


@dataclass(frozen=True)
class Lock:
    """The execution that holds the lock of a queue, and since when."""

    queue_id: str
    holder: str
    taken_at: datetime


@dataclass(frozen=True)
class Execution:
    arn: str
    status: ExecutionStatus
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    error: str = ""
    cause: str = ""
    input: str = ""
    """The input as JSON text."""
    is_redriven: bool = False
    """The execution was over once, and was started again from where it had failed."""

    def is_over(self, lock: Lock | None, now: datetime) -> bool:
        """False while it runs, and while it is unknown but took `lock` so recently that it may not show yet."""
        if self.status == "UNKNOWN":
            return not (lock and lock.holder == self.arn and now - lock.taken_at <= SHOWS_WITHIN)
        return self.status == "SUCCEEDED" or self.status in FAILURES
