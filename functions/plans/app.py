"""Plans: the operators' door. Plans come in, distributions and baselines are shown, and states are put back."""

import base64
import json
import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path, Query
from pydantic import BaseModel

from routing_weights.api import (
    Accepted,
    Baseline,
    Baselines,
    Distribution,
    DistributionPage,
    NewBaseline,
    ProblemDetails,
    RestoreOptions,
    distribution,
    moment,
    problem_of,
    summary,
)
from routing_weights.distribution import Status
from routing_weights.errors import (
    BaselineNotFound,
    DistributionNotFound,
    NotRestorable,
    RequestInvalid,
    RouteNotFound,
    RoutingWeightsError,
)
from routing_weights.fields import DISTRIBUTION_ID, GenesysId
from routing_weights.intake import accept, open_distribution
from routing_weights.record import CLOSED, timestamp
from routing_weights.run import Origin, Run
from routing_weights.settings import PlansSettings
from routing_weights.store.audit import AuditTrail
from routing_weights.store.baselines import BaselineStore
from routing_weights.store.documents import Documents
from routing_weights.store.executions import Executions
from routing_weights.strict_json import problem

logger = Logger()
app = APIGatewayHttpResolver(
    enable_validation=True, response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR
)

DistributionId = Annotated[str, Path(pattern=DISTRIBUTION_ID, description="An execution's name.")]
BaselineName = Annotated[GenesysId, Path(description="The baseline's name.")]
Options = Annotated[RestoreOptions | None, Body(description="May be left out.")]
QueueId = Annotated[GenesysId, Path(description="The queue's id.")]
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
    HTTPStatus.NOT_FOUND: "No distribution has this id, or no baseline this name",
    HTTPStatus.CONFLICT: "The Idempotency-Key has started another plan, or there is no state to put back",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The plan or a parameter breaks a rule; `errors` has each one with its path",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A defect of this system",
    HTTPStatus.SERVICE_UNAVAILABLE: "An AWS service did not answer; send the request again",
}


def _answers(code: HTTPStatus, model: type[BaseModel], *problems: HTTPStatus) -> dict[int, Any]:
    """For openapi.json: the good answer, the problems of this route, and those that every route has."""
    every = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
    problem_content = {"application/problem+json": {"model": ProblemDetails}}
    return {code.value: {"description": code.phrase, "content": {"application/json": {"model": model}}}} | {
        code.value: {"description": MEANINGS[code], "content": problem_content} for code in (*problems, *every)
    }


@app.post(
    "/plans",
    status_code=HTTPStatus.ACCEPTED,
    summary="Submit a plan",
    description="Starts a distribution. The plan is validated at once; its outcome is at `Location`.",
    responses=_answers(HTTPStatus.ACCEPTED, Accepted, HTTPStatus.CONFLICT),
)
def submit_plan(idempotency_key: IdempotencyKey = None) -> Response[Accepted]:
    event = app.current_event
    body = event.body or ""
    return _submit(base64.b64decode(body) if event.is_base64_encoded else body, idempotency_key)


def _submit(text: str | bytes, idempotency_key: str | None) -> Response[Accepted]:
    """Accept a plan and start its distribution; a refusal is on record too."""
    settings, event = PlansSettings.load(), app.current_event
    documents, trail = _trail(settings)
    identity = event.request_context.authorizer.get("iam") or {}
    origin = Origin(door="api", caller=str(identity.get("userArn") or ""))
    # A refused plan has no execution, so the id of its record is made here.
    run = Run(distribution_id=str(uuid.uuid4()), execution_arn="", started_at=datetime.now(UTC), origin=origin)
    run, plan = accept(run, text, trail)

    started = Executions(settings.state_machine_arn).start(
        documents.keep_plan(plan), origin.model_dump(), idempotency_key
    )
    run = run.model_copy(update={"distribution_id": started.distribution_id, "execution_arn": started.execution_arn})
    open_distribution(run.model_copy(update={"started_at": started.started_at}), plan, trail)
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
def restore_distribution(
    distribution_id: DistributionId, options: Options = None, idempotency_key: IdempotencyKey = None
) -> Response[Accepted]:
    return _restore(distribution_id, "before", options, idempotency_key)


@app.put(
    "/queues/<queue_id>/baselines/<name>",
    summary="Name what a queue holds after a completed distribution",
    description="Replaces an earlier baseline of that name.",
    responses=_answers(HTTPStatus.OK, Baseline, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def set_baseline(queue_id: QueueId, name: BaselineName, new: Annotated[NewBaseline | None, Body()] = None) -> Baseline:
    settings = PlansSettings.load()
    _, trail = _trail(settings)
    distribution_id = (new.distribution_id if new else None) or _newest_completed(queue_id, trail)
    record = trail.find(distribution_id).get(CLOSED)
    if record is None or record.get("queue_id") != queue_id or record["status"] != Status.COMPLETED:
        raise NotRestorable(
            f"Distribution {distribution_id} is not a completed one of queue {queue_id}. "
            f"Look it up with GET /queues/{queue_id}/distributions."
        )
    identity = app.current_event.request_context.authorizer.get("iam") or {}
    baseline = Baseline(
        queue_id=queue_id,
        name=name,
        distribution_id=distribution_id,
        set_at=timestamp(datetime.now(UTC)),
        set_by=identity.get("userArn"),
    )
    BaselineStore(settings.baselines_table).put(baseline.model_dump())
    return baseline


@app.get(
    "/queues/<queue_id>/baselines",
    summary="The baselines of a queue",
    responses=_answers(HTTPStatus.OK, Baselines),
)
def list_baselines(queue_id: QueueId) -> Baselines:
    found = BaselineStore(PlansSettings.load().baselines_table).of_queue(queue_id)
    return Baselines(items=[Baseline.model_validate(item) for item in found])


@app.post(
    "/queues/<queue_id>/baselines/<name>/restore",
    status_code=HTTPStatus.ACCEPTED,
    summary="Put a baseline back",
    description="Starts a distribution like any other: projected, locked, read back and audited.",
    responses=_answers(HTTPStatus.ACCEPTED, Accepted, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def restore_baseline(
    queue_id: QueueId, name: BaselineName, options: Options = None, idempotency_key: IdempotencyKey = None
) -> Response[Accepted]:
    baseline = BaselineStore(PlansSettings.load().baselines_table).find(queue_id, name)
    if baseline is None:
        raise BaselineNotFound(
            f"Queue {queue_id} has no baseline {name}. Set it with PUT /queues/{queue_id}/baselines/{name}."
        )
    return _restore(baseline["distribution_id"], "after", options, idempotency_key)


def _restore(
    distribution_id: str, image: str, options: RestoreOptions | None, idempotency_key: str | None
) -> Response[Accepted]:
    """Submit a distribution's plan again, as one that puts back the image before or after it."""
    documents, trail = _trail(PlansSettings.load())
    if not trail.find(distribution_id):
        raise _no_such_distribution(distribution_id)
    plan = documents.find(distribution_id, "plan")
    if plan is None or documents.find(distribution_id, image) is None:
        raise NotRestorable(f"Distribution {distribution_id} read nothing of its queue, so it has no state {image} it.")
    said = (options or RestoreOptions()).model_dump(exclude_defaults=True)
    kept = {name: value for name, value in plan.items() if name not in RestoreOptions.model_fields}
    return _submit(
        json.dumps(kept | said | {"restores": {"distribution_id": distribution_id, "image": image}}), idempotency_key
    )


def _newest_completed(queue_id: str, trail: AuditTrail) -> str:
    records, _ = trail.of_queue(queue_id, since="0000", until="9999", limit=50, after=None)
    for record in records:
        if record["status"] == Status.COMPLETED:
            return str(record["distribution_id"])
    raise NotRestorable(f"None of the newest 50 distributions of queue {queue_id} is completed. Name one.")


def _no_such_distribution(distribution_id: str) -> DistributionNotFound:
    return DistributionNotFound(
        f"No distribution has the id {distribution_id}. Look it up with GET /queues/{{queue_id}}/distributions."
    )


@app.get(
    "/distributions/<distribution_id>",
    summary="One distribution",
    description="Its status, what was asked, what was read back, and why it ended as it did.",
    responses=_answers(HTTPStatus.OK, Distribution, HTTPStatus.NOT_FOUND),
)
def get_distribution(distribution_id: DistributionId) -> Distribution:
    _, trail = _trail(PlansSettings.load())
    records = trail.find(distribution_id)
    if not records:
        raise _no_such_distribution(distribution_id)
    return distribution(records)


@app.get(
    "/queues/<queue_id>/distributions",
    summary="The audit trail of a queue",
    description="Newest first. `from` and `to` are inclusive.",
    responses=_answers(HTTPStatus.OK, DistributionPage),
)
def list_distributions(
    queue_id: QueueId,
    since: Annotated[str, Query(alias="from", max_length=40, description="RFC 3339; UTC without an offset.")] = "",
    until: Annotated[str, Query(alias="to", max_length=40, description="RFC 3339; UTC without an offset.")] = "",
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
    after: Annotated[str, Query(alias="next", max_length=2000, description="The `next` of the previous page.")] = "",
) -> DistributionPage:
    _, trail = _trail(PlansSettings.load())
    begin, end = moment("from", since, "0000"), moment("to", until, "9999")
    if begin > end:
        message = "later than `to`: swap the two"
        raise RequestInvalid(f"from: {message}", errors=[problem("from", message, "range_invalid")])
    records, token = trail.of_queue(queue_id, since=begin, until=end, limit=limit, after=after or None)
    return DistributionPage(items=[summary(record) for record in records], next=token)


# Powertools does not type this decorator.
@app.exception_handler(RoutingWeightsError)  # type: ignore[untyped-decorator]
def explain(error: RoutingWeightsError) -> Response[str]:
    return _answer(error)


@app.exception_handler(RequestValidationError)  # type: ignore[untyped-decorator]
def explain_parameters(error: RequestValidationError) -> Response[str]:
    problems = [problem(str(e["loc"][-1]), str(e["msg"]), str(e["type"])) for e in error.errors()]
    return _answer(RequestInvalid("; ".join(f"{p['path']}: {p['message']}" for p in problems), errors=problems))


@app.not_found
def explain_route(_error: NotFoundError) -> Response[str]:
    return _answer(RouteNotFound(f"There is no {app.current_event.http_method} {app.current_event.path}."))


@app.exception_handler(Exception)  # type: ignore[untyped-decorator]
def explain_bug(error: Exception) -> Response[str]:
    logger.error("Unexpected error", exc_info=error)
    return _answer(
        RoutingWeightsError("Something unexpected went wrong; it is in the log. Nothing was written to Genesys.")
    )


def _answer(error: RoutingWeightsError) -> Response[str]:
    if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("Request failed", error_type=type(error).__name__, reason=error.message)
    answer = problem_of(error)
    return Response(answer.status, "application/problem+json", answer.model_dump_json(exclude_none=True))


def _trail(settings: PlansSettings) -> tuple[Documents, AuditTrail]:
    documents = Documents(settings.documents_bucket)
    return documents, AuditTrail(settings.audit_table, documents)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
