"""What the API answers about schedules."""

from datetime import UTC
from typing import Any

from pydantic import BaseModel, Field

from routing_weights.domain.record import timestamp
from routing_weights.domain.schedule.calendar import NextRun
from routing_weights.domain.schedule.clock import expiry_of
from routing_weights.domain.schedule.schedule import Timing


class ScheduleSummary(BaseModel):
    """One schedule of the list."""

    name: str
    expression: str
    time_zone: str
    window_minutes: int
    start: str | None = None
    end: str | None = None
    baseline: dict[str, str] | None = Field(default=None, description="What it puts back, when it has no plan.")
    until: str | None = Field(default=None, description="As it was asked for; null where what a run applies stays.")
    next_run: str | None = Field(default=None, description="Local time with its offset; null when none is to come.")
    next_return: str | None = Field(default=None, description="When that run is over, likewise.")
    set_at: str
    set_by: str | None = Field(default=None, description="The caller's ARN.")


class ScheduleView(ScheduleSummary):
    """A schedule."""

    plan: dict[str, Any] | None = Field(
        default=None, description="What each run submits; of a baseline, what restores it as it is now."
    )


class SchedulePage(BaseModel):
    items: list[ScheduleSummary]
    next: str | None = Field(default=None, description="Send it as `next` to read on; null on the last page.")


class RunView(BaseModel):
    """One run to come."""

    local: str = Field(description="In the schedule's zone, with the offset of that moment.")
    utc: str
    moved_from: list[str] = Field(
        default_factory=list, description="Local times that a change of the clock skips, whose run this is."
    )
    merged: bool = Field(default=False, description="One run for several times of the expression.")
    returns: str | None = Field(
        default=None, description="When the run is over, in local time: what the queue held before it is put back."
    )
    clock_change: str | None = Field(default=None, description="What a change of the clock does to this run.")


class PreviewView(BaseModel):
    """When a schedule runs next."""

    name: str
    expression: str
    time_zone: str
    window_minutes: int
    runs: list[RunView] = Field(description="Fewer than asked for where the schedule ends before.")


def run_view(schedule: Timing, run: NextRun) -> RunView:
    expiry = expiry_of(schedule, run.at)
    return RunView(
        local=run.at.isoformat(),
        utc=timestamp(run.at.astimezone(UTC)),
        moved_from=[time.isoformat() for time in run.moved_from],
        merged=run.merged,
        returns=expiry.isoformat() if expiry else None,
        clock_change=_clock_change(run),
    )


def _clock_change(run: NextRun) -> str | None:
    if run.moved_from:
        skipped = ", ".join(time.strftime("%H:%M") for time in run.moved_from[:3])
        skipped += f" and {len(run.moved_from) - 3} more" if len(run.moved_from) > 3 else ""  # noqa: PLR2004 - three are named
        once = ", as one run" if run.merged else ""
        return f"The clock skips {skipped}: it is run at the next valid minute{once}."
    if run.repeated:
        return "The clock shows this time twice: it is run once, at the first."
    return None
