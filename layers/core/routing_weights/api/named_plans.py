"""The routes of named plans: plans that a queue keeps under names."""

import re
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Header, Path
from pydantic import BaseModel, Field

from routing_weights.api.problem import answers
from routing_weights.api.request import (
    IdempotencyKey,
    QueueId,
    body_as,
    body_of,
    bounds_of,
    new_router,
    origin_of,
    own_key,
    person_of,
)
from routing_weights.api.submissions import INVALID, KEY_TAKEN, NOT_YOURS, Accepted, accepted
from routing_weights.bootstrap import plans as bootstrap
from routing_weights.domain.named_plan import ApplyOptions, NamedPlan
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.domain.types import Name
from routing_weights.settings import PlansSettings

router = new_router()

PlanName = Annotated[Name, Path(description="The plan's name.")]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=100, description='The version that you have seen: `"<version>"`, as in ETag.'),
]

NOT_FOUND = {HTTPStatus.NOT_FOUND: "The queue has no plan of this name"}
CHANGED = {HTTPStatus.PRECONDITION_FAILED: "Another version is kept, and stays; `detail` says who saved it, and when"}


class SavedPlanLine(BaseModel):
    """A named plan, without its contents."""

    queue_id: str
    name: str
    version: str = Field(description="Another one after each change.")
    members: int = Field(description="How many members the plan gives a weight.")
    saved_at: str
    saved_by: str | None = Field(default=None, description="The caller, as the gateway verified it.")
    saved_by_name: str | None = Field(default=None, description="The caller's name, if the caller signed in with one.")


class SavedPlan(SavedPlanLine):
    """A named plan."""

    plan: dict[str, Any] = Field(description="As for POST /plans, without `queue_id` and what is about one run.")


class SavedPlans(BaseModel):
    """The named plans of a queue, by name."""

    items: list[SavedPlanLine]


class ApplyRequest(ApplyOptions):
    """What a request to apply a named plan may say. All of it is optional."""


@router.get(
    "/queues/<queue_id>/plans",
    summary="The named plans of a queue",
    responses=answers(HTTPStatus.OK, SavedPlans, {}),
)
def list_plans(queue_id: QueueId) -> SavedPlans:
    kept = bootstrap.named_plans(PlansSettings.load()).of_queue(queue_id)
    return SavedPlans(items=[SavedPlanLine(**_shown(plan)) for plan in kept])


@router.get(
    "/queues/<queue_id>/plans/<name>",
    summary="A named plan",
    description="`ETag` has its version.",
    responses=answers(HTTPStatus.OK, SavedPlan, NOT_FOUND),
)
def get_plan(queue_id: QueueId, name: PlanName) -> Response[SavedPlan]:
    keep = bootstrap.keep_plans(PlansSettings.load())
    return _answer(keep.find(queue_id, name))


@router.put(
    "/queues/<queue_id>/plans/<name>",
    summary="Keep a plan under a name",
    description="With `If-Match` it replaces that version. Without it, there must be none of this name yet.",
    responses=answers(HTTPStatus.OK, SavedPlan, INVALID | CHANGED | {HTTPStatus.NOT_FOUND: NOT_YOURS}),
)
def save_plan(queue_id: QueueId, name: PlanName, if_match: IfMatch = None) -> Response[SavedPlan]:
    event, keep = router.current_event, bootstrap.keep_plans(PlansSettings.load())
    replaces, person, now = version_in(if_match), person_of(event), datetime.now(UTC)
    return _answer(keep.save(queue_id, name, body_of(event), replaces, person, now, bounds_of(event)))


@router.delete(
    "/queues/<queue_id>/plans/<name>",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Delete a named plan",
    description="With `If-Match`, only that version. What the plan has applied stays.",
    responses=answers(HTTPStatus.NO_CONTENT, None, NOT_FOUND | CHANGED),
)
def delete_plan(queue_id: QueueId, name: PlanName, if_match: IfMatch = None) -> Response[None]:
    bootstrap.keep_plans(PlansSettings.load()).delete(queue_id, name, version_in(if_match))
    return Response(HTTPStatus.NO_CONTENT)


@router.post(
    "/queues/<queue_id>/plans/<name>/apply",
    status_code=HTTPStatus.ACCEPTED,
    summary="Apply a named plan",
    description="Starts a distribution like any other. With `If-Match`, only of that version.",
    responses=answers(HTTPStatus.ACCEPTED, Accepted, INVALID | NOT_FOUND | CHANGED | {HTTPStatus.CONFLICT: KEY_TAKEN}),
)
def apply_plan(
    queue_id: QueueId, name: PlanName, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None
) -> Response[Accepted]:
    apply, event, now = bootstrap.apply_plan(PlansSettings.load()), router.current_event, datetime.now(UTC)
    options, key = body_as(event, ApplyRequest), own_key(event, idempotency_key)
    version = version_in(if_match)
    return accepted(apply.apply(queue_id, name, version, options, origin_of(event), key, now, bounds_of(event)))


def version_in(if_match: str | None) -> str | None:
    """The version that a header names. Raises RequestInvalid for any other header, `*` among them."""
    if if_match is None:
        return None
    if found := re.fullmatch(r'"([0-9a-f]{32})"', if_match):
        return found[1]
    message = 'send the one version that you have seen, as ETag has it: "<version>"'
    raise request_invalid(problem("If-Match", message, "version_invalid"))


def _answer(named: NamedPlan) -> Response[SavedPlan]:
    plan = bootstrap.keep_plans(PlansSettings.load()).content(named)
    body = SavedPlan(**_shown(named), plan=plan)
    return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, body, {"ETag": f'"{named.version}"'})


def _shown(named: NamedPlan) -> dict[str, Any]:
    return {name: value for name, value in asdict(named).items() if name in SavedPlanLine.model_fields}
