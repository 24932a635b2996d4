"""The routes of the directory: queues by name, what is in force in them, and their members."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, Field

from routing_weights.api.problem import answers
from routing_weights.api.request import After, Limit, QueueId, new_router, person_of
from routing_weights.bootstrap import directory as bootstrap
from routing_weights.domain.access import Role
from routing_weights.domain.pages import key_in, token_invalid, token_of
from routing_weights.domain.status import Status
from routing_weights.settings import DirectorySettings

if TYPE_CHECKING:
    from routing_weights.domain.directory import MemberInForce, QueueState
    from routing_weights.domain.record import Applied

router = new_router()

NamePart = Annotated[str, Query(max_length=256, description="A part of the queue's name, in any case.")]
OF_GENESYS = {
    HTTPStatus.INTERNAL_SERVER_ERROR: "A defect of this system, or a parameter or a secret that is wrong",
    HTTPStatus.BAD_GATEWAY: "Genesys refuses the request or the OAuth client",
    HTTPStatus.SERVICE_UNAVAILABLE: "Genesys or an AWS service did not answer, or asks to wait; send it again",
}
OF_QUEUE = OF_GENESYS | {HTTPStatus.NOT_FOUND: "There is no such queue, or it is in no division of the caller's"}
NOT_LISTED = {HTTPStatus.CONFLICT: "The deployment speaks contract score, which has no listing of queues"}


class LastView(BaseModel):
    """How the newest distribution of a queue has ended."""

    distribution_id: str
    status: Status
    timestamp: str = Field(description="When it ended.")
    requested_by: str | None = Field(description="As the plan names the person.")
    reason: str | None = Field(description="As the plan gives it.")


class QueueLine(BaseModel):
    """A queue, and how it is doing."""

    queue_id: str
    name: str
    division: str | None = Field(description="The name of the queue's division. Null if Genesys does not show it.")
    members: int | None = Field(description="How many members it has. Null if Genesys does not show it.")
    last: LastView | None = Field(
        description="The newest distribution that has ended. Neither dry runs count nor what ended before the "
        "distribution in force."
    )
    running: str | None = Field(
        description="The newest distribution that has not ended: at work, or waiting. Dry runs do not count."
    )
    drift: int = Field(description="1 if Genesys held something else than what is in force when it was last read.")
    returns_at: str | None = Field(description="When the plan in force expires. Null for a permanent plan.")
    waiting: bool = Field(description="True if a distribution waits for approval.")


class QueuePage(BaseModel):
    """The queues that the caller may see, by name."""

    items: list[QueueLine]
    next: str | None = Field(default=None, description="Send it as `next` to read on; null on the last page.")


class InForceView(BaseModel):
    """What the newest completed distribution has applied. A revert and a repair count."""

    distribution_id: str = Field(description="`based_on` of a plan that was made from this.")
    applied_at: str
    by: str | None = Field(description="The name of the caller who signed in, or `requested_by` of the plan.")
    actuator: str | None = Field(description="Null if the record does not say it.")
    skill: str | None = Field(description="The skill that carries the weights, as the plan or the strategy names it.")
    member_weights: dict[str, float] = Field(
        description="The weights by member. Of a revert: the weights that the restored values stand for; they may sum "
        "to more than 1."
    )
    overflow_threshold: float | None
    utilization_target: float | None
    strategy_reference: str | None
    until: str | None = Field(description="The end of the temporary plan, also if its expiry was cancelled.")


class QueueView(QueueLine):
    """A queue, how it chooses among its agents, and what is in force."""

    evaluation: str = Field(description="How the queue chooses among agents, such as `6 bullseye rings`.")
    in_force: InForceView | None = Field(description="Null if no distribution of this queue has completed.")


class MemberView(BaseModel):
    """A member of a queue, with the weight in force and the value that Genesys holds."""

    user_id: str
    name: str | None = Field(description="Null if Genesys does not show it.")
    email: str | None = Field(description="Null if Genesys does not show it. Contract score does not.")
    joined: bool
    on_queue: bool | None = Field(description="Null if Genesys does not show it.")
    active: bool = Field(description="False for a user who is inactive or deleted in Genesys.")
    ring: int | None = Field(description="With actuator ring.")
    proficiency: float | None = Field(description="In the skill that carries the weights, with actuator proficiency.")
    share: float | None = Field(description="The share of the contacts, with actuator share.")
    weight: float | None = Field(description="The weight in force. Null for a member whom that plan does not name.")
    holds: str = Field(description="The value that is held for the member, as a sentence: `ring 3`.")


class MemberList(BaseModel):
    """All members of a queue, by name."""

    items: list[MemberView]


@router.get(
    "/queues",
    summary="Queues by name, and how they are doing",
    description="The queues that the caller may see, by name. Names, divisions and numbers of members may be 15 "
    "seconds old.",
    responses=answers(HTTPStatus.OK, QueuePage, OF_GENESYS | NOT_LISTED),
)
def list_queues(name: NamePart = "", limit: Limit = 50, after: After = "") -> QueuePage:
    use_case = bootstrap.list_queues(DirectorySettings.load(), router.lambda_context)
    seen = person_of(router.current_event).queues_for(Role.VIEWER)
    states, last = use_case.list(seen, name, limit, _place(after), datetime.now(UTC))
    return QueuePage(items=[QueueLine(**_line(state)) for state in states], next=token_of(last) if last else None)


@router.get(
    "/queues/<queue_id>",
    summary="A queue, and what is in force in it",
    description="In one request to Genesys.",
    responses=answers(HTTPStatus.OK, QueueView, OF_QUEUE),
)
def get_queue(queue_id: QueueId) -> QueueView:
    shown = bootstrap.show_queue(DirectorySettings.load(), router.lambda_context).show(queue_id, datetime.now(UTC))
    in_force = shown.in_force and _in_force(shown.in_force)
    return QueueView(**_line(shown.state), evaluation=shown.evaluation, in_force=in_force)


@router.get(
    "/queues/<queue_id>/members",
    summary="The members of a queue, and what Genesys holds for them",
    description="All of them, by name, as Genesys holds them at this moment: one request to Genesys for each 100 "
    "members, and one for the queue.",
    responses=answers(HTTPStatus.OK, MemberList, OF_QUEUE),
)
def list_members(queue_id: QueueId) -> MemberList:
    now = datetime.now(UTC)
    use_case = bootstrap.show_members(DirectorySettings.load(), router.lambda_context, queue_id, now)
    return MemberList(items=[_member(each) for each in use_case.show(queue_id)])


def _line(state: "QueueState") -> dict[str, object]:
    queue, last = state.queue, state.last
    return {
        "queue_id": queue.queue_id,
        "name": queue.name,
        "division": queue.division,
        "members": queue.members,
        "last": LastView.model_validate(last, from_attributes=True) if last else None,
        "running": state.running,
        "drift": state.drift,
        "returns_at": state.returns_at,
        "waiting": state.waiting,
    }


def _in_force(applied: "Applied") -> InForceView:
    return InForceView(
        distribution_id=applied.distribution_id,
        applied_at=applied.timestamp,
        by=applied.caller_name or applied.requested_by,
        actuator=applied.actuator or None,
        skill=applied.skill,
        member_weights=applied.requested_weights,
        overflow_threshold=applied.overflow_threshold,
        utilization_target=applied.utilization_target,
        strategy_reference=applied.strategy_reference,
        until=applied.until,
    )


def _member(each: "MemberInForce") -> MemberView:
    return MemberView(
        user_id=each.member.user_id,
        name=each.member.name,
        email=each.member.email,
        joined=each.member.joined,
        on_queue=each.on_queue,
        active=each.is_active,
        ring=each.value_if("ring"),
        proficiency=each.value_if("proficiency"),
        share=each.value_if("share"),
        weight=each.weight,
        holds=each.holds,
    )


def _place(token: str) -> tuple[str, str] | None:
    """The place that a page token names. It is a name and an id, and opens no queue."""
    if not token:
        return None
    match key_in(token):
        case [str(name), str(queue_id)]:
            return name, queue_id
        case _:
            raise token_invalid()
