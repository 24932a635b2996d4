"""The fields of a schedule's timing, which each of its runs carries.

This module does not load the calendar, so a function that only passes a timing on starts without it.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from routing_weights.domain.types import Instant


class TimingFields(BaseModel):
    """When a schedule runs. The fields have their types; `schedule.Timing` checks their content."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    expression: Annotated[str, StringConstraints(min_length=1, max_length=256, strict=True)] = Field(
        description="cron(minutes hours day-of-month month day-of-week year), rate(n minutes|hours|days) or "
        "at(yyyy-mm-ddThh:mm:ss), as Amazon EventBridge Scheduler writes them."
    )
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=50, strict=True)] = Field(
        default="UTC", description="The IANA time zone of cron and at, such as Europe/Berlin."
    )
    window_minutes: Annotated[int, Field(ge=0, le=1440, strict=True)] = Field(
        default=0, description="A run starts within this number of minutes after its time; 0: within its minute."
    )
    start: Instant | None = Field(
        default=None,
        validate_default=True,
        description="RFC 3339 with an offset: no run before it. A rate counts from it, and needs it.",
    )
    end: Instant | None = Field(default=None, description="RFC 3339 with an offset: no run after it.")
    until: Annotated[str, StringConstraints(max_length=40, strict=True)] | None = Field(
        default=None,
        description="When each run expires, and the queue is reverted to its state before the run: a time of day in "
        "time_zone, such as 17:00, the next one after the run; or, for at(...), an RFC 3339 instant.",
    )
