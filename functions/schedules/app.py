"""Schedules: plans, and reverts to baselines, that EventBridge Scheduler submits at their times."""

import json
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from routing_weights.adapters.aws.baselines_table import BaselineStore
from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.scheduler import Schedules, Stored
from routing_weights.api.app import answers, body_of, caller_of, new_app
from routing_weights.api.schedules import PreviewView, SchedulePage, ScheduleSummary, ScheduleView, run_view
from routing_weights.api.views import moment
from routing_weights.application.revert_plans import baseline_plan
from routing_weights.domain.inputs import RevertOptions
from routing_weights.domain.record import timestamp
from routing_weights.domain.schedule.calendar import next_runs
from routing_weights.domain.schedule.schedule import parse_schedule, require_runs
from routing_weights.domain.schedule.timing import BaselineName
from routing_weights.domain.types import Name as NameInPath
from routing_weights.errors import ScheduleNotFound
from routing_weights.settings import SchedulesSettings

logger = Logger()
app = new_app(logger)

Name = Annotated[NameInPath, Path(description="The schedule's name.")]
Count = Annotated[int, Query(ge=1, le=100, description="How many runs.")]
Since = Annotated[str, Query(alias="from", max_length=40, description="RFC 3339, UTC without an offset; now if empty.")]
Limit = Annotated[int, Query(ge=1, le=50)]
After = Annotated[str, Query(alias="next", max_length=2048, description="The `next` of the previous page.")]

MEANINGS = {
    HTTPStatus.NOT_FOUND: "There is no schedule, or no baseline, of this name",
    HTTPStatus.CONFLICT: "The baseline has no state to put back",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The schedule, its plan or a parameter breaks a rule; `errors` has each one",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A defect of this system",
    HTTPStatus.SERVICE_UNAVAILABLE: "An AWS service did not answer; send the request again",
}


@app.put(
    "/schedules/<name>",
    summary="Create a schedule, or replace it",
    description="The plan is validated at once, and again at every run. A baseline is put back as it is at each run.",
    responses=answers(HTTPStatus.OK, ScheduleView, MEANINGS, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def put_schedule(name: Name) -> ScheduleView:
    settings, now = SchedulesSettings.load(), datetime.now(UTC)
    schedule = parse_schedule(name, body_of(app))
    require_runs(schedule, now)
    reference = None
    if schedule.baseline:
        _restoring(schedule.baseline, settings)
    elif schedule.plan:
        reference = Documents(settings.documents_bucket).keep_plan(schedule.plan)
    return _view(_schedules(settings).put(schedule, reference, caller_of(app), now), settings)


@app.get(
    "/schedules",
    summary="The schedules of this deployment",
    responses=answers(HTTPStatus.OK, SchedulePage, MEANINGS),
)
def list_schedules(limit: Limit = 20, after: After = "") -> SchedulePage:
    schedules = _schedules(SchedulesSettings.load())
    names, token = schedules.page(limit, after or None)
    items = []
    for name in names:
        with suppress(ScheduleNotFound):  # deleted meanwhile, or put by hand
            items.append(ScheduleSummary(**_said(schedules.get(name))))
    return SchedulePage(items=items, next=token)


@app.get(
    "/schedules/<name>",
    summary="One schedule",
    responses=answers(HTTPStatus.OK, ScheduleView, MEANINGS, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def get_schedule(name: Name) -> ScheduleView:
    settings = SchedulesSettings.load()
    return _view(_schedules(settings).get(name), settings)


@app.delete(
    "/schedules/<name>",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Delete a schedule",
    description="A distribution that it has started goes on.",
    responses=answers(HTTPStatus.NO_CONTENT, None, MEANINGS, HTTPStatus.NOT_FOUND),
)
def delete_schedule(name: Name) -> Response[None]:
    _schedules(SchedulesSettings.load()).delete(name)
    return Response(HTTPStatus.NO_CONTENT)


@app.get(
    "/schedules/<name>/preview",
    summary="The next runs of a schedule",
    description="In local time and UTC; says where a change of the clock moves a run, or makes one of several.",
    responses=answers(HTTPStatus.OK, PreviewView, MEANINGS, HTTPStatus.NOT_FOUND),
)
def preview_schedule(name: Name, count: Count = 10, since: Since = "") -> PreviewView:
    stored = _schedules(SchedulesSettings.load()).get(name)
    after = datetime.fromisoformat(moment("from", since, timestamp(datetime.now(UTC))))
    return PreviewView(
        name=name,
        **stored.timing.model_dump(include={"expression", "time_zone", "window_minutes"}),
        runs=[run_view(stored.timing, run) for run in next_runs(stored.timing, after, count)],
    )


def _schedules(settings: SchedulesSettings) -> Schedules:
    return Schedules(
        settings.schedule_group,
        settings.one_time_group,
        settings.state_machine_arn,
        settings.schedule_role_arn,
        settings.schedule_dead_letters_arn,
    )


def _restoring(baseline: BaselineName, settings: SchedulesSettings) -> str:
    """The plan that puts a baseline back as it is now."""
    baselines, documents = BaselineStore(settings.baselines_table), Documents(settings.documents_bucket)
    return baseline_plan(baseline, baselines, documents, RevertOptions())


def _view(stored: Stored, settings: SchedulesSettings) -> ScheduleView:
    if stored.baseline:
        text: str | None = _restoring(BaselineName.model_validate(stored.baseline), settings)
    else:
        text = Documents(settings.documents_bucket).kept_plan(stored.plan_ref) if stored.plan_ref else None
    return ScheduleView(**_said(stored), plan=json.loads(text) if text else None)


def _said(stored: Stored) -> dict[str, Any]:
    said = asdict(stored) | stored.timing.model_dump(mode="json")
    following = [run_view(stored.timing, run) for run in next_runs(stored.timing, datetime.now(UTC), 1)]
    if following:
        said |= {"next_run": following[0].local, "next_return": following[0].returns}
    return said


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
