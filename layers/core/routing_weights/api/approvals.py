"""The routes of approvals: what waits, and the answers."""

from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from typing import Annotated

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, ConfigDict, Field

from routing_weights.api.access import Owned
from routing_weights.api.problem import answers
from routing_weights.api.request import DistributionId, FleetId, body_as, caller_of, new_router, person_of
from routing_weights.bootstrap import approvals as bootstrap
from routing_weights.domain.access import Role
from routing_weights.domain.approval import Approval
from routing_weights.domain.plan import Reason
from routing_weights.domain.types import ApprovalAnswer, ContentHash, GenesysId
from routing_weights.settings import ApprovalsSettings

router = new_router()

MOST_LISTED = 200

OfQueue = Annotated[GenesysId | None, Query(alias="queue_id", description="Only of this queue.")]
OfDistribution = {
    HTTPStatus.NOT_FOUND: "The distribution has never waited for approval",
    HTTPStatus.FORBIDDEN: "The caller is unknown, or asked for the distribution",
    HTTPStatus.CONFLICT: "The distribution asks for something else now, or no longer waits; `detail` says which",
}
OfFleet = {
    HTTPStatus.NOT_FOUND: "No queue of the fleet waits",
    HTTPStatus.FORBIDDEN: "The caller is unknown, or asked for the fleet",
}


class Words(BaseModel):
    """Why somebody answers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    reason: Reason = Field(description="For the record.")


class WordsOnHash(Words):
    """Why somebody answers, and what they have seen."""

    hash: ContentHash | None = Field(
        default=None, description="The hash that the distribution showed. If it asks for something else now: 409."
    )


class ApprovalView(BaseModel):
    """A distribution that waits, or the answer that was given."""

    distribution_id: str
    state: str = Field(description="waiting, approved or rejected")
    queue_id: str
    fleet_id: str | None = None
    door: str
    hash: str = Field(description="What the answer is bound to: plan, decision and before-image.")
    number: int = Field(description="From 1; higher where the queue has changed since somebody approved.")
    reasons: list[str] = Field(description="Why it waits.")
    asked_by: str | None = Field(default=None, description="The verified caller, who may not approve it.")
    asked_at: str
    expires_at: str
    answered_by: str | None = None
    answered_at: str | None = None
    reason: str | None = None


class ApprovalList(BaseModel):
    """What waits for approval, the oldest first."""

    items: list[ApprovalView]
    more: bool = Field(description=f"True if more than {MOST_LISTED} wait: answer these first.")


class FleetAnswerView(BaseModel):
    """The queues of a fleet that were answered."""

    answered: list[str] = Field(description="Their distributions.")
    refused: dict[str, str] = Field(description="By distribution, why the answer did not reach it.")
    left: int = Field(description="How many still wait: send the answer again.")


def owner(distribution_id: str) -> Owned | None:
    """The queue of a distribution that waits, or has waited."""
    known = bootstrap.approvals(ApprovalsSettings.load()).find(distribution_id)
    return Owned(frozenset([known.queue_id])) if known else None


@router.get(
    "/approvals",
    summary="What waits for approval",
    description="The oldest first. A distribution and its answer show within seconds.",
    responses=answers(HTTPStatus.OK, ApprovalList, {}),
)
def list_approvals(queue_id: OfQueue = None) -> ApprovalList:
    person = person_of(router.current_event)
    waiting = bootstrap.approvals(ApprovalsSettings.load()).waiting(datetime.now(UTC))
    asked = (each for each in waiting if queue_id in {None, each.queue_id} and person.may(Role.VIEWER, [each.queue_id]))
    found = list(islice(asked, MOST_LISTED + 1))
    return ApprovalList(items=[view(each) for each in found[:MOST_LISTED]], more=len(found) > MOST_LISTED)


@router.post(
    "/distributions/<distribution_id>/approve",
    status_code=HTTPStatus.ACCEPTED,
    summary="Approve a distribution that waits",
    description="Its queue is read and projected anew before the first write. If plan, decision and before-image are "
    "no longer those that were approved, the distribution asks again.",
    responses=answers(HTTPStatus.ACCEPTED, ApprovalView, OfDistribution),
)
def approve_distribution(distribution_id: DistributionId) -> Response[ApprovalView]:
    return _answer(distribution_id, "approved")


@router.post(
    "/distributions/<distribution_id>/reject",
    status_code=HTTPStatus.ACCEPTED,
    summary="Reject a distribution that waits",
    description="It ends as `rejected`, and writes nothing. Whoever asked for it may withdraw it so.",
    responses=answers(HTTPStatus.ACCEPTED, ApprovalView, OfDistribution),
)
def reject_distribution(distribution_id: DistributionId) -> Response[ApprovalView]:
    return _answer(distribution_id, "rejected")


@router.post(
    "/fleets/<fleet_id>/approve",
    status_code=HTTPStatus.ACCEPTED,
    summary="Approve the queues of a fleet that wait",
    description="Those that wait at this moment. Queues of later waves ask by themselves.",
    responses=answers(HTTPStatus.ACCEPTED, FleetAnswerView, OfFleet),
)
def approve_fleet(fleet_id: FleetId) -> Response[FleetAnswerView]:
    return _answer_fleet(fleet_id, "approved")


@router.post(
    "/fleets/<fleet_id>/reject",
    status_code=HTTPStatus.ACCEPTED,
    summary="Reject the queues of a fleet that wait",
    description="Those that wait at this moment. To begin no further queue, cancel the fleet first.",
    responses=answers(HTTPStatus.ACCEPTED, FleetAnswerView, OfFleet),
)
def reject_fleet(fleet_id: FleetId) -> Response[FleetAnswerView]:
    return _answer_fleet(fleet_id, "rejected")


def view(approval: Approval) -> ApprovalView:
    fields = approval.model_dump(exclude={"reasons"})
    named = {name: value or None for name, value in fields.items() if name != "number"}
    return ApprovalView.model_validate(
        named | {"number": approval.number, "reasons": [reason.sentence for reason in approval.reasons]}
    )


def _answer(distribution_id: str, answer: ApprovalAnswer) -> Response[ApprovalView]:
    event = router.current_event
    words, use_case = body_as(event, WordsOnHash), bootstrap.answer_approval(ApprovalsSettings.load())
    answered = use_case.answer(
        distribution_id, answer, words.reason, caller_of(event), datetime.now(UTC), hash_=words.hash
    )
    headers = {"Location": f"/distributions/{distribution_id}"}
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, view(answered), headers)


def _answer_fleet(fleet_id: str, answer: ApprovalAnswer) -> Response[FleetAnswerView]:
    event = router.current_event
    words, use_case = body_as(event, Words), bootstrap.answer_fleet(ApprovalsSettings.load())
    person, now = person_of(event), datetime.now(UTC)
    done = use_case.answer(fleet_id, answer, words.reason, person.id, now, person.queues_for(Role.APPROVER))
    body = FleetAnswerView(answered=done.answered, refused=done.refused, left=done.left)
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, body, {"Location": f"/fleets/{fleet_id}"})
