"""Plans: the operators' door. Plans come in, distributions and baselines are shown, and states are put back."""

import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from pydantic import BaseModel

from routing_weights import bootstrap
from routing_weights.api.app import answers, body_as, body_of, caller_of, new_app
from routing_weights.api.views import (
    Accepted,
    Baseline,
    Baselines,
    CalibrationPage,
    Distribution,
    DistributionPage,
    DriftPage,
    ForecastView,
    NewBaseline,
    RestoreOptions,
    calibration_page,
    distribution,
    drift_entry,
    forecast_view,
    moment,
    new_forecast,
    summary,
)
from routing_weights.application.submit import Submitted
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.domain.record import (
    Measurement,
    RunSummary,
    expiry_cancelled,
    last_completed,
    timestamp,
)
from routing_weights.domain.run import Origin, return_name
from routing_weights.domain.schedule.timing import BaselineName as Named
from routing_weights.domain.status import Status
from routing_weights.domain.types import DISTRIBUTION_ID, GenesysId
from routing_weights.domain.types import Name as NameInPath
from routing_weights.errors import (
    DistributionNotFound,
    ForecastNotFound,
    NotRestorable,
    ReturnNotFound,
)
from routing_weights.settings import PlansSettings

if TYPE_CHECKING:
    from routing_weights.application.ports import Documents, Trail

logger = Logger()
app = new_app(logger)

DistributionId = Annotated[str, Path(pattern=DISTRIBUTION_ID, description="An execution's name.")]
BaselineName = Annotated[NameInPath, Path(description="The baseline's name.")]
QueueId = Annotated[GenesysId, Path(description="The queue's id.")]
Since = Annotated[str, Query(alias="from", max_length=40, description="RFC 3339; UTC without an offset.")]
Until = Annotated[str, Query(alias="to", max_length=40, description="RFC 3339; UTC without an offset.")]
Limit = Annotated[int, Query(ge=1, le=50)]
After = Annotated[str, Query(alias="next", max_length=2000, description="The `next` of the previous page.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Send the same key with a repeated request.",
    ),
]


MEANINGS = {
    HTTPStatus.NOT_FOUND: "There is no such distribution, return to come, baseline or stored forecast",
    HTTPStatus.CONFLICT: "The Idempotency-Key has started another plan, or there is no state to put back",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The plan or a parameter breaks a rule; `errors` has each one with its path",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A defect of this system",
    HTTPStatus.SERVICE_UNAVAILABLE: "An AWS service did not answer; send the request again",
}


def _answers(code: HTTPStatus, model: type[BaseModel] | None, *problems: HTTPStatus) -> dict[int, Any]:
    return answers(code, model, MEANINGS, *problems)


@app.post(
    "/plans",
    status_code=HTTPStatus.ACCEPTED,
    summary="Submit a plan",
    description="Starts a distribution. The plan is validated at once; its outcome is at `Location`.",
    responses=_answers(HTTPStatus.ACCEPTED, Accepted, HTTPStatus.CONFLICT),
)
def submit_plan(idempotency_key: IdempotencyKey = None) -> Response[Accepted]:
    submit, now = bootstrap.submit(PlansSettings.load()), datetime.now(UTC)
    return _accepted(submit.submit(body_of(app), _origin(), idempotency_key, now))


def _origin() -> Origin:
    return Origin(door="api", caller=caller_of(app))


def _accepted(submitted: Submitted) -> Response[Accepted]:
    run, plan = submitted.run, submitted.plan
    accepted = Accepted(
        distribution_id=run.distribution_id,
        status=Status.INITIATED,
        execution_arn=run.execution_arn,
        requested_weights={} if plan.restores else plan.weights,
        submitted_weights=plan.member_weights if plan.weights != plan.member_weights else None,
    )
    headers = {"Location": f"/distributions/{run.distribution_id}"}
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, accepted, headers)


@app.post(
    "/distributions/<distribution_id>/restore",
    status_code=HTTPStatus.ACCEPTED,
    summary="Put back what the queue held before a distribution",
    description="Starts a distribution like any other: projected, locked, read back and audited.",
    responses=_answers(HTTPStatus.ACCEPTED, Accepted, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def restore_distribution(distribution_id: DistributionId, idempotency_key: IdempotencyKey = None) -> Response[Accepted]:
    revert, now = bootstrap.revert_distribution(PlansSettings.load()), datetime.now(UTC)
    options = body_as(app, RestoreOptions)
    return _accepted(revert.revert(distribution_id, options, _origin(), idempotency_key, now))


@app.put(
    "/queues/<queue_id>/baselines/<name>",
    summary="Name what a queue holds after a completed distribution",
    description="Replaces an earlier baseline of that name.",
    responses=_answers(HTTPStatus.OK, Baseline, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def set_baseline(queue_id: QueueId, name: BaselineName) -> Baseline:
    settings, new = PlansSettings.load(), body_as(app, NewBaseline)
    _, trail = _trail(settings)
    distribution_id = new.distribution_id or _newest_completed(queue_id, trail)
    record = trail.find(distribution_id).closing
    if record is None or record.queue_id != queue_id or record.status is not Status.COMPLETED:
        raise NotRestorable(
            f"Distribution {distribution_id} is not a completed one of queue {queue_id}. "
            f"Look it up with GET /queues/{queue_id}/distributions."
        )
    baseline = Baseline(
        queue_id=queue_id,
        name=name,
        distribution_id=distribution_id,
        set_at=timestamp(datetime.now(UTC)),
        set_by=caller_of(app) or None,
    )
    bootstrap.baselines(settings.baselines_table).put(baseline.model_dump())
    return baseline


@app.get(
    "/queues/<queue_id>/baselines",
    summary="The baselines of a queue",
    responses=_answers(HTTPStatus.OK, Baselines),
)
def list_baselines(queue_id: QueueId) -> Baselines:
    found = bootstrap.baselines(PlansSettings.load().baselines_table).of_queue(queue_id)
    return Baselines(items=[Baseline.model_validate(item) for item in found])


@app.post(
    "/queues/<queue_id>/baselines/<name>/restore",
    status_code=HTTPStatus.ACCEPTED,
    summary="Put a baseline back",
    description="Starts a distribution like any other: projected, locked, read back and audited.",
    responses=_answers(HTTPStatus.ACCEPTED, Accepted, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def restore_baseline(
    queue_id: QueueId, name: BaselineName, idempotency_key: IdempotencyKey = None
) -> Response[Accepted]:
    revert, now = bootstrap.revert_to_baseline(PlansSettings.load()), datetime.now(UTC)
    baseline, options = Named(queue_id=queue_id, name=name), body_as(app, RestoreOptions)
    return _accepted(revert.revert(baseline, options, _origin(), idempotency_key, now))


def _newest_completed(queue_id: str, trail: "Trail") -> str:
    last = last_completed(trail.newest(queue_id))
    if last is None:
        raise NotRestorable(f"No distribution of queue {queue_id} is completed, so there is no state to name.")
    return last


def _no_such_distribution(distribution_id: str) -> DistributionNotFound:
    return DistributionNotFound(
        f"No distribution has the id {distribution_id}. Look it up with GET /queues/{{queue_id}}/distributions."
    )


@app.put(
    "/queues/<queue_id>/forecast",
    summary="Push a queue's forecast",
    description="Replaces an earlier one. Plans without a load of their own are projected with it until it expires.",
    responses=_answers(HTTPStatus.OK, ForecastView),
)
def push_forecast(queue_id: QueueId) -> ForecastView:
    now = time.time()
    stored = new_forecast(body_of(app), caller_of(app) or None, now)
    bootstrap.forecasts(PlansSettings.load().forecast_table).put(queue_id, stored)
    return forecast_view(queue_id, stored, now)


@app.get(
    "/queues/<queue_id>/forecast",
    summary="What is stored about a queue's load",
    responses=_answers(HTTPStatus.OK, ForecastView, HTTPStatus.NOT_FOUND),
)
def get_forecast(queue_id: QueueId) -> ForecastView:
    stored = bootstrap.forecasts(PlansSettings.load().forecast_table).find(queue_id)
    if stored is None:
        raise _no_forecast(queue_id)
    return forecast_view(queue_id, stored, time.time())


@app.delete(
    "/queues/<queue_id>/forecast",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Forget a queue's forecast",
    responses=_answers(HTTPStatus.NO_CONTENT, None, HTTPStatus.NOT_FOUND),
)
def delete_forecast(queue_id: QueueId) -> Response[None]:
    if not bootstrap.forecasts(PlansSettings.load().forecast_table).delete(queue_id):
        raise _no_forecast(queue_id)
    return Response(HTTPStatus.NO_CONTENT)


def _no_forecast(queue_id: str) -> ForecastNotFound:
    return ForecastNotFound(f"Queue {queue_id} has no stored forecast. Push one with PUT /queues/{queue_id}/forecast.")


@app.get(
    "/distributions/<distribution_id>",
    summary="One distribution",
    description="Its status, what was asked, what was read back, and why it ended as it did.",
    responses=_answers(HTTPStatus.OK, Distribution, HTTPStatus.NOT_FOUND),
)
def get_distribution(distribution_id: DistributionId) -> Distribution:
    settings = PlansSettings.load()
    _, trail = _trail(settings)
    records = trail.find(distribution_id)
    if not records:
        raise _no_such_distribution(distribution_id)
    found = distribution(records)
    if not found.until or not bootstrap.one_time_schedules(settings.one_time_group).find(return_name(distribution_id)):
        return found
    return found.model_copy(update={"returns_at": found.until})


@app.delete(
    "/distributions/<distribution_id>/return",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Cancel the return of a plan for a while",
    description="What it has applied stays.",
    responses=_answers(HTTPStatus.NO_CONTENT, None, HTTPStatus.NOT_FOUND),
)
def cancel_return(distribution_id: DistributionId) -> Response[None]:
    settings = PlansSettings.load()
    group, name, (_, trail) = (
        bootstrap.one_time_schedules(settings.one_time_group),
        return_name(distribution_id),
        _trail(settings),
    )
    opening = trail.find(distribution_id).opening
    until = opening and opening.until
    # Scheduler deletes a schedule some time after it has started it: one whose time has come may be at work.
    if not group.find(name) or not until or datetime.fromisoformat(until) <= datetime.now(UTC):
        raise ReturnNotFound(
            f"Distribution {distribution_id} has no return to come. GET /distributions/{distribution_id} shows one as "
            "returns_at."
        )
    trail.append(expiry_cancelled(distribution_id, caller_of(app), datetime.now(UTC)))
    group.delete(name)
    return Response(HTTPStatus.NO_CONTENT)


@app.get(
    "/distributions/<distribution_id>/projection.svg",
    summary="The chart of a projection",
    description="Service level, abandonment and occupancy per agent, before and after, as a picture (SVG).",
    responses=_answers(HTTPStatus.OK, Distribution, HTTPStatus.NOT_FOUND)
    | {HTTPStatus.OK.value: {"description": "OK", "content": {"image/svg+xml": {"schema": {"type": "string"}}}}},
)
def show_chart(distribution_id: DistributionId) -> Response[str]:
    from routing_weights.charts.projection import chart  # noqa: PLC0415 - every other route does without

    _, trail = _trail(PlansSettings.load())
    record = trail.find(distribution_id).closing
    if record is None or not record.projection:
        raise DistributionNotFound(
            f"There is no projection of distribution {distribution_id}: it is not over yet, or never came so far."
        )
    return Response(HTTPStatus.OK, "image/svg+xml", chart(record.projection, queue_id=str(record.queue_id)))


@app.get(
    "/queues/<queue_id>/distributions",
    summary="The audit trail of a queue",
    description="Newest first. `from` and `to` are inclusive.",
    responses=_answers(HTTPStatus.OK, DistributionPage),
)
def list_distributions(
    queue_id: QueueId,
    since: Since = "",
    until: Until = "",
    limit: Limit = 20,
    after: After = "",
) -> DistributionPage:
    _, trail = _trail(PlansSettings.load())
    records, token = _listed(trail, queue_id, since, until, limit, after)
    return DistributionPage(items=[summary(record) for record in records], next=token)


@app.get(
    "/queues/<queue_id>/calibration",
    summary="What was projected for a queue, and what then happened",
    description="For its completed distributions, newest first; `from` and `to` are inclusive, and of their opening. "
    "`summary` and `sentence` are of this page.",
    responses=_answers(HTTPStatus.OK, CalibrationPage),
)
def get_calibration(
    queue_id: QueueId,
    since: Since = "",
    until: Until = "",
    limit: Limit = 20,
    after: After = "",
) -> CalibrationPage:
    settings = PlansSettings.load()
    _, trail = _trail(settings)
    records, token = _listed(trail, queue_id, since, until, limit, after)
    completed = [record for record in records if record.status is Status.COMPLETED]
    measured = trail.of_kind(Measurement, [record.distribution_id for record in completed])
    can_tell = settings.genesys_contract == "platform"
    return calibration_page(queue_id, completed, measured, token, datetime.now(UTC), can_tell=can_tell)


@app.get(
    "/queues/<queue_id>/drift",
    summary="What others have changed in a queue since its last distribution",
    description="Newest first; `from` and `to` are inclusive, and of the reading. An entry is a state of the queue, "
    "which is recorded once for as long as it lasts, with what was done about it.",
    responses=_answers(HTTPStatus.OK, DriftPage),
)
def list_drift(
    queue_id: QueueId,
    since: Since = "",
    until: Until = "",
    limit: Limit = 20,
    after: After = "",
) -> DriftPage:
    settings = PlansSettings.load()
    begin, end = _range(since, until)
    entries, token = bootstrap.drift_entries(settings.drift_table).of_queue(
        queue_id, since=begin, until=end, limit=limit, after=after or None
    )
    _, trail = _trail(settings)
    repairs = trail.summaries([entry.answer.repair_id for entry in entries if entry.answer and entry.answer.repair_id])
    return DriftPage(items=[drift_entry(entry, repairs) for entry in entries], next=token)


def _listed(
    trail: "Trail", queue_id: str, since: str, until: str, limit: int, after: str
) -> tuple[list[RunSummary], str | None]:
    begin, end = _range(since, until)
    records, token = trail.of_queue(queue_id, since=begin, until=end, limit=limit, after=after or None)
    return records, token


def _range(since: str, until: str) -> tuple[str, str]:
    begin, end = moment("from", since, "0000"), moment("to", until, "9999")
    if begin > end:
        message = "later than `to`: swap the two"
        raise request_invalid(problem("from", message, "range_invalid"))
    return begin, end


def _trail(settings: PlansSettings) -> "tuple[Documents, Trail]":
    return bootstrap.documents(settings), bootstrap.trail(settings)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
