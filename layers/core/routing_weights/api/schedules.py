"""The routes of schedules: plans, and reverts to baselines, that EventBridge Scheduler submits at their times."""

import json
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import BaseModel, Field

from routing_weights.api.access import Owned
from routing_weights.api.problem import answers
from routing_weights.api.request import Limit, body_of, bounds_of, caller_of, instant, new_router, person_of
from routing_weights.bootstrap import schedules as bootstrap
from routing_weights.domain.access import Role
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.domain.record import timestamp
from routing_weights.domain.schedule.calendar import NextRun, next_runs
from routing_weights.domain.schedule.clock import expiry_of
from routing_weights.domain.schedule.schedule import Timing, parse_schedule
from routing_weights.domain.types import Name as NameInPath
from routing_weights.errors import ScheduleNotFound
from routing_weights.settings import SchedulesSettings

if TYPE_CHECKING:
    from routing_weights.domain.schedule.schedule import StoredSchedule

router = new_router()

Name = Annotated[NameInPath, Path(description="The schedule's name.")]
Count = Annotated[int, Query(ge=1, le=100, description="How many runs.")]
Since = Annotated[str, Query(alias="from", max_length=40, description="RFC 3339, UTC without an offset; now if empty.")]
After = Annotated[str, Query(alias="next", max_length=2048, description="The `next` of the previous page.")]

INVALID = {
    HTTPStatus.UNPROCESSABLE_ENTITY: "The schedule, its plan or a parameter breaks a rule; `errors` has each one"
}
NOT_FOUND = INVALID | {HTTPStatus.NOT_FOUND: "There is no schedule, or no baseline, of this name"}
NO_STATE = NOT_FOUND | {HTTPStatus.CONFLICT: "The baseline has no state to revert to"}


class ScheduleSummary(BaseModel):
    """One schedule of the list."""

    name: str
    expression: str
    time_zone: str
    window_minutes: int
    start: str | None = None
    end: str | None = None
    baseline: dict[str, str] | None = Field(
        default=None, description="The baseline that each run reverts to, if the schedule has no plan."
    )
    until: str | None = Field(default=None, description="As requested; null if what a run applies stays.")
    next_run: str | None = Field(default=None, description="Local time with its offset; null when none is to come.")
    next_return: str | None = Field(default=None, description="When that run expires, likewise.")
    set_at: str
    set_by: str | None = Field(default=None, description="The caller's ARN.")


class ScheduleView(ScheduleSummary):
    """A schedule."""

    plan: dict[str, Any] | None = Field(
        default=None,
        description="The plan that each run submits. For a baseline: the plan that reverts to it now.",
    )


class SchedulePage(BaseModel):
    items: list[ScheduleSummary]
    next: str | None = Field(default=None, description="Send it as `next` to read on; null on the last page.")


class RunView(BaseModel):
    """One run to come."""

    local: str = Field(description="In the schedule's zone, with the offset of that moment.")
    utc: str
    moved_from: list[str] = Field(
        default_factory=list, description="Local times that a change of the clock skips. This run takes their place."
    )
    merged: bool = Field(default=False, description="One run for several times of the expression.")
    returns: str | None = Field(
        default=None, description="When the run expires, in local time: the queue is reverted to what it held before."
    )
    clock_change: str | None = Field(default=None, description="What a change of the clock does to this run.")


class PreviewView(BaseModel):
    """When a schedule runs next."""

    name: str
    expression: str
    time_zone: str
    window_minutes: int
    runs: list[RunView] = Field(description="Fewer than requested if the schedule ends earlier.")


def owner(name: str) -> Owned | None:
    """The queue of a schedule; None if there is no schedule of this name."""
    settings = SchedulesSettings.load()
    try:
        stored = bootstrap.schedules(settings).get(name)
    except ScheduleNotFound:
        return None
    queue_id = bootstrap.schedule_plan(settings).queue_of(stored)
    return Owned(frozenset([queue_id] if queue_id else []), stored.set_by or "")


@router.put(
    "/schedules/<name>",
    summary="Create a schedule, or replace it",
    description="The plan is validated at once, and again at every run. A run reverts to the baseline as it is then.",
    responses=answers(HTTPStatus.OK, ScheduleView, NO_STATE),
)
def put_schedule(name: Name) -> ScheduleView:
    settings, event, now = SchedulesSettings.load(), router.current_event, datetime.now(UTC)
    schedule = parse_schedule(name, body_of(event))
    bounds = bounds_of(event)
    bounds.require(schedule.queues_named)
    if bounds.queues is not None and schedule.plan and schedule.plan.restores:
        message = "name a baseline of the queue instead: a schedule of yours cannot name distributions"
        raise request_invalid(problem("plan.restores", message, "restores_alone"))
    return _view(bootstrap.put_schedule(settings).put(schedule, caller_of(event), now), settings)


@router.get(
    "/schedules",
    summary="The schedules of this deployment",
    description="Whoever may see some queues only gets the schedules of these. A page may have fewer than `limit`.",
    responses=answers(HTTPStatus.OK, SchedulePage, INVALID),
)
def list_schedules(limit: Limit = 20, after: After = "") -> SchedulePage:
    schedules, person = bootstrap.schedules(SchedulesSettings.load()), person_of(router.current_event)
    names, token = schedules.page(limit, after or None)
    items = []
    for name in names:
        owned = None if person.queues is None else owner(name)
        if owned and not owned.is_for(person, Role.VIEWER):
            continue
        with suppress(ScheduleNotFound):  # deleted since, or created by hand
            items.append(ScheduleSummary(**_summary(schedules.get(name))))
    return SchedulePage(items=items, next=token)


@router.get(
    "/schedules/<name>",
    summary="One schedule",
    responses=answers(HTTPStatus.OK, ScheduleView, NO_STATE),
)
def get_schedule(name: Name) -> ScheduleView:
    settings = SchedulesSettings.load()
    return _view(bootstrap.schedules(settings).get(name), settings)


@router.delete(
    "/schedules/<name>",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Delete a schedule",
    description="A distribution that it has started goes on.",
    responses=answers(HTTPStatus.NO_CONTENT, None, NOT_FOUND),
)
def delete_schedule(name: Name) -> Response[None]:
    bootstrap.schedules(SchedulesSettings.load()).delete(name)
    return Response(HTTPStatus.NO_CONTENT)


@router.get(
    "/schedules/<name>/preview",
    summary="The next runs of a schedule",
    description="In local time and UTC. Says if a change of the clock moves a run, or merges several into one.",
    responses=answers(HTTPStatus.OK, PreviewView, NOT_FOUND),
)
def preview_schedule(name: Name, count: Count = 10, since: Since = "") -> PreviewView:
    stored = bootstrap.schedules(SchedulesSettings.load()).get(name)
    after = datetime.fromisoformat(instant("from", since, timestamp(datetime.now(UTC))))
    return PreviewView(
        name=name,
        **stored.timing.model_dump(include={"expression", "time_zone", "window_minutes"}),
        runs=[run_view(stored.timing, run) for run in next_runs(stored.timing, after, count)],
    )


def _view(stored: "StoredSchedule", settings: SchedulesSettings) -> ScheduleView:
    text = bootstrap.schedule_plan(settings).text_of(stored)
    return ScheduleView(**_summary(stored), plan=json.loads(text) if text else None)


def _summary(stored: "StoredSchedule") -> dict[str, Any]:
    fields = asdict(stored) | stored.timing.model_dump(mode="json")
    fields["baseline"] = stored.baseline.model_dump() if stored.baseline else None
    for run in next_runs(stored.timing, datetime.now(UTC), 1):
        view = run_view(stored.timing, run)
        fields |= {"next_run": view.local, "next_return": view.returns}
    return fields


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
