"""The data that travel between the states: ids and references, never the plan itself.

The payload of a state is limited to 256 KiB.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from routing_weights import errors
from routing_weights.domain.effort import KEY as EFFORT
from routing_weights.domain.status import Status
from routing_weights.errors import RoutingWeightsError

LONGEST_AT_WORK = timedelta(hours=3)
"""How long a run takes at most, without its waits for approval."""
MOST_ASKS = 3
"""How often a run asks for approval: again, if the queue has changed since somebody approved."""
LONGEST_APPROVAL = timedelta(days=1)
"""The bound of ApprovalTimeoutS."""
GRACE_S = 5
"""How many seconds longer than people may answer an execution waits."""
LONGEST_RUN = LONGEST_AT_WORK + MOST_ASKS * (LONGEST_APPROVAL + timedelta(seconds=GRACE_S))
"""The time-out of the state machine: no execution takes longer."""

Door = Literal["api", "schedule", "drift", "fleet", "execution", "expiry"]
"""How a run was started. The record of an expiry has `schedule`, as the end of a temporary plan is one."""


EXPIRY_OF = "return of "
"""The caller of an expiry is these words and the distribution that has expired."""


LONGEST_CALLER = 2048


class Origin(BaseModel):
    """The caller who started the distribution, as the gateway verified it. A start in the console has no caller."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    door: Literal["api", "schedule", "drift", "fleet", "execution"] = "execution"
    request_id: str | None = Field(default=None, max_length=128)
    """API Gateway's id of the request, as in its access log. No request that may come again has it in its execution."""
    caller: str = Field(default="", max_length=LONGEST_CALLER)
    caller_name: str | None = Field(default=None, max_length=200)
    """The caller's name for people, from Genesys or the JWT."""

    @property
    def repeatable(self) -> Self:
        """The same for every copy of a request: an execution must not begin twice under one name with two inputs."""
        return self.model_copy(update={"request_id": None})


class Run(BaseModel):
    """A distribution, from Validate to Audit."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    distribution_id: str
    execution_arn: str
    started_at: datetime
    queue_id: str = ""
    dry_run: bool = False
    wait_for_lock_s: int = 0
    origin: Origin = Origin()
    until: str = ""
    """When the plan expires; empty for a permanent plan."""
    return_name: str = ""
    """The one-time schedule that reverts the plan then."""
    returns: str = ""
    """The distribution that has expired, and that this run reverts."""
    fleet_id: str = ""
    """The fleet that the plan belongs to."""
    fleet_line: tuple[int, int] = (0, 0)
    """Where the plan is in the plans.jsonl of its fleet: start and length in bytes."""
    asked_by: str = ""
    """Whoever wants the run, if a door has verified it: nobody approves a run of their own. Empty if nobody knows."""
    can_wait: bool = False
    """The definition of its execution has the state that waits for approval: an older one would write at once."""
    approved_at: datetime | None = None
    """When its last wait for approval ended."""

    @property
    def since(self) -> datetime:
        """The time from which the limits of the run count: nobody is to answer in haste."""
        return self.approved_at or self.started_at

    @property
    def policy_door(self) -> Door:
        """The door, as the approval policy names it."""
        return "expiry" if self.returns else self.origin.door

    def latency_ms(self, now: datetime) -> int:
        """From the start of the execution, in whole milliseconds, at least 0."""
        return max(0, round((now - self.started_at.astimezone(UTC)).total_seconds() * 1000))


@dataclass(frozen=True)
class Lock:
    """The execution that holds the lock of a queue, and since when."""

    queue_id: str
    holder: str
    taken_at: datetime


@dataclass(frozen=True)
class Started:
    """A distribution that a door has started."""

    distribution_id: str
    execution_arn: str
    started_at: datetime


def distribution_of(idempotency_key: str) -> str:
    """The id of the distribution that a key leads to, which is also the name of its execution."""
    return f"key-{hashlib.sha256(idempotency_key.encode()).hexdigest()}"


def return_name(distribution_id: str) -> str:
    """The name of the schedule that ends a temporary plan. EventBridge Scheduler allows 64 letters and few signs."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,57}", distribution_id):
        return f"return.{distribution_id}"
    return f"return.{hashlib.sha256(distribution_id.encode()).hexdigest()[:57]}"


Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value))]
"""Empty for a missing text: AWS leaves out what it does not know, or sends null."""


class Failure(BaseModel):
    """An error as a Catch of Step Functions has it."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    name: Text = Field(default="", alias="Error")
    cause: Text = Field(default="", alias="Cause")
    """Of a function that raised: JSON with `errorType` and `errorMessage`. Otherwise a text for people."""

    @classmethod
    def of(cls, error: RoutingWeightsError) -> Self:
        """As if the function had raised it."""
        name = type(error).__name__
        return cls(name=name, cause=json.dumps({"errorType": name, "errorMessage": str(error)}))

    def error(self) -> RoutingWeightsError:
        try:
            wire = json.loads(self.cause)
        except ValueError:
            wire = None
        if not isinstance(wire, dict):
            wire = {}
        return errors.from_wire(str(wire.get("errorType", self.name)), str(wire.get("errorMessage", self.cause)))

    def to_json(self) -> dict[str, str]:
        return {"Error": self.name, "Cause": self.cause}


class Outcome(BaseModel):
    """How a run ended, as the state machine saw it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Status
    error: Annotated[Failure | None, BeforeValidator(lambda value: value or None)] = None

    def message(self) -> str:
        """A sentence for the execution."""
        return self.error.error().message if self.error else self.status.sentence

    def errors(self) -> list[dict[str, Any]]:
        """For the record: type, message (a sentence) and details; empty when nothing went wrong."""
        if not self.error:
            return []
        error = self.error.error()
        if "errors" in error.details:  # one sentence for the execution, one entry with a path for each problem
            return list(error.details["errors"])
        details = {name: value for name, value in error.details.items() if name != EFFORT}
        return [{"type": self.error.name, "message": error.message, **details}]

    def to_json(self) -> dict[str, Any]:
        return {"status": self.status.value, "error": self.error.to_json() if self.error else {}}
