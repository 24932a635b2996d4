"""What travels between the states: who and which, never the plan itself (256 KiB is the limit of a state's payload)."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from routing_weights import errors
from routing_weights.domain.status import Status
from routing_weights.errors import RoutingWeightsError


class Origin(BaseModel):
    """Who started the distribution, as the door saw it; a console start says nothing of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    door: Literal["api", "schedule", "drift", "execution"] = "execution"
    caller: str = Field(default="", max_length=2048)


class Run(BaseModel):
    """One distribution, from Validate to Audit."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    distribution_id: str
    execution_arn: str
    started_at: datetime
    queue_id: str = ""
    dry_run: bool = False
    wait_for_lock_s: int = 0
    origin: Origin = Origin()
    until: str = ""
    """When the state before it is put back; empty for a run that is for good."""
    return_name: str = ""
    """The one-time schedule that does so."""
    returns: str = ""
    """The distribution whose time is over, and whose before-image this run puts back."""

    def latency_ms(self, now: datetime) -> int:
        """From the start of the execution, in whole milliseconds, at least 0."""
        return max(0, round((now - self.started_at.astimezone(UTC)).total_seconds() * 1000))


@dataclass(frozen=True)
class Started:
    """A distribution that a door has started."""

    distribution_id: str
    execution_arn: str
    started_at: datetime


def return_name(distribution_id: str) -> str:
    """What the return of a distribution is called in EventBridge Scheduler, which allows 64 letters and few signs."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,57}", distribution_id):
        return f"return.{distribution_id}"
    return f"return.{hashlib.sha256(distribution_id.encode()).hexdigest()[:57]}"


class Outcome(BaseModel):
    """How a run ended, as the state machine saw it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Status
    error: dict[str, Any] = Field(default_factory=dict)
    """What a Catch saw: `Error` and `Cause`."""

    def message(self) -> str:
        """One sentence for the execution."""
        return self._failure().message if self.error else self.status.sentence

    def errors(self) -> list[dict[str, Any]]:
        """For the record: type, message (a sentence) and details; empty when nothing went wrong."""
        if not self.error:
            return []
        name, error = str(self.error.get("Error", "")), self._failure()
        if "errors" in error.details:  # one sentence for the execution, one entry with a path for each problem
            return list(error.details["errors"])
        return [{"type": name, "message": error.message, **error.details}]

    def _failure(self) -> RoutingWeightsError:
        name, cause = str(self.error.get("Error", "")), str(self.error.get("Cause", ""))
        reported = _lambda_failure(cause)
        return errors.from_wire(reported.get("errorType", name), reported.get("errorMessage", cause))


def _lambda_failure(cause: str) -> dict[str, str]:
    try:
        parsed = json.loads(cause)
    except ValueError:
        return {}
    return (
        {k: str(v) for k, v in parsed.items() if k in {"errorType", "errorMessage"}} if isinstance(parsed, dict) else {}
    )
