"""Executions and locks, as a recovery sees them."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never

from pydantic import BaseModel, ConfigDict

from routing_weights.domain.run import Failure, Lock, Outcome, Text
from routing_weights.domain.status import Status
from routing_weights.errors import StoreUnavailable

ExecutionStatus = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE", "UNKNOWN"]
"""Step Functions' own, and UNKNOWN for an execution that Step Functions does not know."""
FAILURES: tuple[ExecutionStatus, ...] = ("FAILED", "TIMED_OUT", "ABORTED")
NOT_RECORDED = "audit_not_written"
"""How an execution fails whose outcome could not be recorded. Its cause is `{status, sentence}`, as JSON."""
SHOWS_WITHIN = timedelta(minutes=1)
"""DescribeExecution is eventually consistent: an execution that took its lock more recently may run and be unknown."""


class Report(BaseModel):
    """The content of the event about the end of an execution. Empty for a recovery that no event has started."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Text = ""
    error: Text = ""
    cause: Text = ""


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
    output: str = ""
    """As JSON text; empty unless it has succeeded."""
    is_redriven: bool = False
    """The execution was over once, and was started again from where it had failed."""

    def is_over(self, lock: Lock | None, now: datetime) -> bool:
        """False while it runs, and while it is unknown but took `lock` so recently that it may not show yet."""
        if self.status == "UNKNOWN":
            return not (lock and lock.holder == self.arn and now - lock.taken_at <= SHOWS_WITHIN)
        return self.status == "SUCCEEDED" or self.status in FAILURES

    def as_reported(self, report: Report) -> "Execution":
        """The execution as the event about its end has it, if this description is older than the event.

        Raises:
            StoreUnavailable: the execution is over, and neither description nor event says how it ended.
        """
        # A redriven execution was over, and runs again: the event is older than this description.
        if report.status not in FAILURES or self.status not in {"RUNNING", "UNKNOWN"} or self.is_redriven:
            return self
        # Without its cause, a run that completed and could not be recorded would be restored.
        if report.status == "FAILED" and not report.cause:
            raise StoreUnavailable("The execution is over, and Step Functions does not show yet how it ended.")
        return replace(self, status=report.status, error=report.error or self.error, cause=report.cause or self.cause)

    def outcome(self, now: datetime) -> Outcome:
        """How the run is recorded: as it ended if only its record is missing, and otherwise as interrupted."""
        if self.error == NOT_RECORDED:
            with suppress(ValueError, TypeError, KeyError):  # the input of a recovery may be a person's
                unrecorded = json.loads(self.cause)
                status, sentence = Status(unrecorded["status"]), unrecorded["sentence"]
                error = None if status.green else Failure(name="Interrupted", cause=sentence)
                return Outcome(status=status, error=error)
        match self.status:
            case "UNKNOWN":
                end = "is not known to Step Functions any more"
            case "ABORTED":
                end = f"was aborted {self._stopped(now)}"
            case "TIMED_OUT":
                end = f"ran out of time {self._stopped(now)}"
            case "FAILED" | "SUCCEEDED" | "RUNNING" | "PENDING_REDRIVE":
                end = f"broke off {self._stopped(now)}"
            case _:
                assert_never(self.status)
        reason = f": {self.error} {self.cause}".rstrip() if self.error else ""
        sentence = f"The execution {end}{reason}. See in the record what was restored."
        return Outcome(status=Status.INTERRUPTED, error=Failure(name="Interrupted", cause=sentence))

    def _stopped(self, now: datetime) -> str:
        return f"at {self.stopped_at or now:%Y-%m-%dT%H:%M:%SZ}"
