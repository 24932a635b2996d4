"""The routes that start a distribution of a plan."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response, content_types
from pydantic import BaseModel, Field

from routing_weights.api.problem import answers
from routing_weights.api.request import (
    DistributionId,
    IdempotencyKey,
    body_as,
    body_of,
    bounds_of,
    new_router,
    origin_of,
    own_key,
)
from routing_weights.bootstrap import plans as bootstrap
from routing_weights.domain.revert import RevertOptions
from routing_weights.domain.status import Status
from routing_weights.settings import PlansSettings

if TYPE_CHECKING:
    from routing_weights.application.submit import Submitted

router = new_router()

INVALID = {
    HTTPStatus.UNPROCESSABLE_ENTITY: "The plan or a parameter breaks a rule; `errors` has each one with its path"
}
NOT_YOURS = "The plan names a queue that is in no division of the caller's"
KEY_TAKEN = "The Idempotency-Key has started another plan"


class Accepted(BaseModel):
    """A plan was accepted. `Location` says where its distribution is."""

    distribution_id: str
    status: Status
    execution_arn: str
    requested_weights: dict[str, float] = Field(description="The weights that will be applied.")
    submitted_weights: dict[str, float] | None = Field(
        default=None, description="The weights as sent, when `normalize` changed them."
    )


class RestoreOptions(RevertOptions):
    """What a request to revert may say. All of it is optional."""


@router.post(
    "/plans",
    status_code=HTTPStatus.ACCEPTED,
    summary="Submit a plan",
    description="Starts a distribution. The plan is validated at once; its outcome is at `Location`.",
    responses=answers(
        HTTPStatus.ACCEPTED, Accepted, INVALID | {HTTPStatus.CONFLICT: KEY_TAKEN, HTTPStatus.NOT_FOUND: NOT_YOURS}
    ),
)
def submit_plan(idempotency_key: IdempotencyKey = None) -> Response[Accepted]:
    submit, event, now = bootstrap.submit(PlansSettings.load()), router.current_event, datetime.now(UTC)
    key = own_key(event, idempotency_key)
    return accepted(submit.submit(body_of(event), origin_of(event), key, now, bounds_of(event)))


@router.post(
    "/distributions/<distribution_id>/restore",
    status_code=HTTPStatus.ACCEPTED,
    summary="Revert a queue to what it held before a distribution",
    description="Starts a distribution like any other: projected, locked, read back and audited.",
    responses=answers(
        HTTPStatus.ACCEPTED,
        Accepted,
        {
            HTTPStatus.NOT_FOUND: "There is no such distribution",
            HTTPStatus.CONFLICT: f"{KEY_TAKEN}, or there is no state to revert to",
        },
    ),
)
def restore_distribution(distribution_id: DistributionId, idempotency_key: IdempotencyKey = None) -> Response[Accepted]:
    revert, event, now = bootstrap.revert_distribution(PlansSettings.load()), router.current_event, datetime.now(UTC)
    options = body_as(event, RestoreOptions)
    return accepted(revert.revert(distribution_id, options, origin_of(event), own_key(event, idempotency_key), now))


def accepted(submitted: "Submitted") -> Response[Accepted]:
    run, plan = submitted.run, submitted.plan
    body = Accepted(
        distribution_id=run.distribution_id,
        status=Status.INITIATED,
        execution_arn=run.execution_arn,
        requested_weights=plan.requested,
        submitted_weights=plan.submitted,
    )
    headers = {"Location": f"/distributions/{run.distribution_id}"}
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, body, headers)
