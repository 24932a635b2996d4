"""The routes of distributions: one, a queue's audit trail, a projection's chart, and the end of a temporary plan."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, Field

from routing_weights.api.access import Owned, owned_by
from routing_weights.api.foreign import without_foreign
from routing_weights.api.problem import answers
from routing_weights.api.projection import ProjectionView
from routing_weights.api.realised import RealisedSharesView, realised_shares
from routing_weights.api.request import (
    After,
    DistributionId,
    Limit,
    QueueId,
    Since,
    Until,
    caller_of,
    new_router,
    person_of,
    span_of,
)
from routing_weights.bootstrap import plans as bootstrap
from routing_weights.domain.actuators import ACTUATORS
from routing_weights.domain.record import Records, RunSummary, Unreadable, timestamp
from routing_weights.domain.run import return_name
from routing_weights.domain.status import Status
from routing_weights.errors import DistributionNotFound
from routing_weights.settings import PlansSettings

router = new_router()


def owner(distribution_id: str) -> Owned | None:
    """The queue of a distribution. A refused plan that names no queue belongs to whoever sent it."""
    return owned_by(bootstrap.trail(PlansSettings.load()).find(distribution_id))


NOT_FOUND = {HTTPStatus.NOT_FOUND: "There is no such distribution"}


class MemberActuation(BaseModel):
    """One member's weight, as the actuator can carry it."""

    requested: float | None = Field(
        default=None,
        description="Null if a revert restores a value that stands for no weight, and for a member who loses its share "
        "because the plan does not name it.",
    )
    value: int | float | bool | None = Field(
        description="On the wire: a ring number, a proficiency, joined or not, a score, or a share."
    )
    represented: float | None = Field(
        default=None,
        description="The weight that the value stands for, on the scale of the plan; null if the queue ignores the "
        "value.",
    )
    error: float | None = Field(default=None, description="|requested - represented|")


class ActuationView(BaseModel):
    """How the weights are carried. Known before the first write."""

    actuator: str = Field(description=f"{', '.join(ACTUATORS[:-1])} or {ACTUATORS[-1]}")
    strategy: str
    skill: str | None = Field(default=None, description="The skill as the plan or the strategy names it.")
    overflow: str = Field(
        description="What overflow_threshold is: utilization_threshold (the queue's own field, contract score), "
        "conditional_group_routing (a service-level rule for the overflow groups), or gate (of this system only)."
    )
    without_effect: str | None = Field(
        default=None,
        description="Why the weights have no effect on this queue, or hardly any, and what would have one.",
    )
    largest_error: float | None = None
    mean_error: float | None = None
    members: dict[str, MemberActuation]
    notes: list[str] = Field(default_factory=list, description="What the values will not do on this queue.")


class RestoreView(BaseModel):
    """The outcome of the restoration after a failure."""

    outcome: str = Field(description="restored, partial, failed or not_needed (nothing of this run was applied)")
    restored: int = Field(description="How many members and settings were restored.")
    unrestored: list[str] = Field(description="Members and settings that still hold this run's value.")
    unconfirmed: list[str] = Field(
        default_factory=list,
        description="Members and settings that were restored and could not be read back.",
    )
    edited: list[str] = Field(description="Members and settings that somebody else has changed since: not restored.")


class PlannedSetting(BaseModel):
    """A setting of the queue that is to be written."""

    setting: str
    before: int | float | str | None = Field(description="What Genesys holds; null if it holds none.")
    after: int | float | str | None = Field(description="What is to be written; null removes it.")


class PlannedMember(BaseModel):
    """A member who is to be written."""

    user_id: str
    before: int | float | bool | None = Field(
        description="What Genesys holds: a ring number, a proficiency, joined or not, a score, or a share."
    )
    after: int | float | bool | None = Field(description="What is to be written; null removes the value.")
    weight_before: float | None = Field(description="The weight that `before` stands for; null if it stands for none.")
    weight_after: float | None


class BusyView(BaseModel):
    """The time of one function."""

    invocations: int = 0
    ms: int = 0
    gb_ms: float = Field(default=0.0, description="Milliseconds times the function's memory in GB.")


class EffortView(BaseModel):
    """What the distribution asked of Genesys and of AWS, counted. docs/reference/cost.md names what is not counted."""

    requests: int = Field(default=0, description="Requests to Genesys, repeated and refused ones included.")
    limited: int = Field(default=0, description="Of them, those that Genesys answered with its rate limit.")
    transitions: int = Field(default=0, description="State transitions as AWS bills them, retries included.")
    functions: dict[str, BusyView] = Field(default_factory=dict, description="The time of each function, by its name.")
    dynamodb_reads: int = 0
    dynamodb_writes: int = 0
    read_units: float = Field(default=0.0, description="DynamoDB's request units.")
    write_units: float = 0.0
    s3_reads: int = 0
    s3_writes: int = 0
    unreported: int = Field(
        default=0, description="Invocations that were killed or timed out: what they did is not counted."
    )


class CostView(BaseModel):
    """The price of the effort, at AWS's list prices."""

    usd: float = Field(description="US dollars.")
    region: str = Field(
        description="The region whose prices apply. It is another one if there are no prices for the deployment's."
    )
    prices_of: str = Field(description="The date of the prices.")


class ApprovalOfDistribution(BaseModel):
    """What the distribution asks, or has asked last, and the answer."""

    state: Literal["waiting", "approved", "rejected", "expired", "over"] = Field(
        description="over: the distribution ended while it waited."
    )
    hash: str = Field(description="What the answer is bound to: plan, decision and before-image.")
    reasons: list[str] = Field(description="Why it waits.")
    number: int = Field(description="From 1; higher where the queue has changed since somebody approved.")
    asked_by: str | None = Field(default=None, description="The verified caller, who may not approve it.")
    asked_at: str
    expires_at: str
    answered_by: str | None = Field(default=None, description="Null in the console, which does not say it.")
    answered_at: str | None = None
    reason: str | None = Field(default=None, description="Why it was approved or rejected.")


class ProgressView(BaseModel):
    """How far a distribution under way has come."""

    state: str = Field(description="The state of the state machine that it entered last, as the console names it.")
    since: str = Field(description="When it entered the state.")


class DistributionSummary(BaseModel):
    """One line of a queue's audit trail."""

    distribution_id: str
    queue_id: str | None = None
    status: Status
    terminal: bool
    timestamp: str = Field(description="When the newest record was written: the closing one, once it exists.")
    started_at: str
    latency_ms: float | None = None
    balance_accuracy: float | None = None
    overflow_threshold: float | None = None
    caller_name: str | None = Field(default=None, description="The caller's name, if the caller signed in with one.")
    requested_by: str | None = None
    reason: str | None = None
    door: str | None = None
    dry_run: bool | None = Field(default=None, description="True: it wrote nothing, however it ended.")
    fleet_id: str | None = Field(default=None, description="The fleet that the plan belongs to.")
    errors: list[dict[str, Any]] = Field(default_factory=list)


class Distribution(DistributionSummary):
    """One run that carries a plan out."""

    opened_at: str
    closed_at: str | None = None
    progress: ProgressView | None = Field(default=None, description="Null once the distribution is over.")
    execution_arn: str | None = None
    request_id: str | None = Field(
        default=None, description="API Gateway's id of the request that started it, as in the access log."
    )
    caller: str | None = Field(
        default=None,
        description="Whoever started it, as the gateway verified: an ARN, `genesys:` and a user id, or `jwt:` with "
        "issuer and subject. For other doors the schedule's name or the drift entry.",
    )
    requested_weights: dict[str, float] = Field(default_factory=dict)
    submitted_weights: dict[str, float] | None = None
    applied_weights: dict[str, float | None] = Field(
        default_factory=dict,
        description="The weights that were read back after the writes; empty if none were.",
    )
    applied_overflow_threshold: float | None = None
    realised_accuracy: float | None = Field(
        default=None,
        description="As balance_accuracy, of the contacts that the members received in the hours after it. Its sample "
        "size is `realised_shares.contacts`. Null before they are measured, and below 100 contacts.",
    )
    realised_shares: RealisedSharesView | None = None
    restores: dict[str, Any] | None = Field(
        default=None,
        description="The distribution and its image (before or after it) that this one restores.",
    )
    until: str | None = Field(default=None, description="The end of the temporary plan, as requested.")
    returns_at: str | None = Field(
        default=None,
        description="The same while the expiry is still to come; null once it has begun, or is cancelled.",
    )
    return_cancelled: dict[str, str | None] | None = Field(
        default=None, description="If the expiry was cancelled: when (at), and by whom."
    )
    utilization_target: float | None = None
    staffing: Literal["now", "joined"] | int | None = Field(default=None, description="Which agents were counted.")
    strategy_reference: str | None = None
    wrap_up_timeout_s: int | None = None
    on_drift: str | None = Field(default=None, description="The plan's policy: record, notify or repair.")
    accept_uncertain: bool | None = Field(
        default=None, description="The plan itself accepts what is in doubt; null if not."
    )
    based_on: str | None = Field(
        default=None,
        description="The distribution that the plan was made from, or none. Null if that does not matter.",
    )
    require_approval: bool | None = Field(default=None, description="The plan itself asks for approval; null if not.")
    projection: ProjectionView | None = None
    approval: ApprovalOfDistribution | None = Field(
        default=None, description="Null for a distribution that asked for no approval."
    )
    actuation: ActuationView | None = None
    restore: RestoreView | None = None
    effort: EffortView | None = Field(
        default=None, description="Null until the distribution is over, or if the effort could not be counted."
    )
    cost: CostView | None = None
    planned: list[PlannedSetting | PlannedMember] | None = Field(
        default=None,
        description="What the distribution is to write, or a dry run would write: settings, then members in the order "
        "of the writes. Empty if the queue holds all of it. Known once the distribution waits for approval or is over; "
        "null where nothing was decided.",
    )
    changes: list[dict[str, Any]] = Field(
        default_factory=list, description="What was read back and differs from the before-image."
    )
    before_image: str | None = Field(
        default=None, description="The key of the document in DocumentsBucket that has the before-image, at `before`."
    )


class UnreadableView(BaseModel):
    """A record that cannot be read."""

    distribution_id: str
    record: str = Field(description="The kind of the record, as in an export.")
    why: str


class DistributionPage(BaseModel):
    """The audit trail of a queue, newest first."""

    items: list[DistributionSummary]
    next: str | None = Field(default=None, description="Send it as `next` to read on; null on the last page.")
    unreadable: list[UnreadableView] = Field(
        default_factory=list,
        description="Distributions of this page with a record that no release of this system writes. "
        "GET /audit/verification says what happened to it.",
    )


@router.get(
    "/distributions/<distribution_id>",
    summary="One distribution",
    description="Its status, what was asked, what was read back, and why it ended as it did.",
    responses=answers(HTTPStatus.OK, Distribution, NOT_FOUND),
)
def get_distribution(distribution_id: DistributionId) -> Distribution:
    settings = PlansSettings.load()
    records = bootstrap.trail(settings).find(distribution_id)
    if not records:
        raise DistributionNotFound(
            f"No distribution has the id {distribution_id}. Look it up with GET /queues/{{queue_id}}/distributions."
        )
    shown = distribution(records)
    if shown.planned is None and (records.asked or records.closing):  # it waits, or it is a revert without a forecast
        work = bootstrap.documents(settings).find_work(distribution_id)
        shown = shown.model_copy(update={"planned": planned(work.diff()) if work else None})
    if not shown.terminal and (entered := bootstrap.executions(settings).entered(distribution_id)):
        progress = ProgressView(state=entered.state, since=timestamp(entered.at))
        shown = shown.model_copy(update={"progress": progress})
    schedules = bootstrap.one_time_schedules(settings)
    if not shown.until or not schedules.exists(return_name(distribution_id)):
        return shown
    return shown.model_copy(update={"returns_at": shown.until})


@router.delete(
    "/distributions/<distribution_id>/return",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Cancel the expiry of a temporary plan",
    description="What the plan has applied stays.",
    responses=answers(
        HTTPStatus.NO_CONTENT,
        None,
        {
            HTTPStatus.NOT_FOUND: "The distribution has no expiry to come, or there is none",
            HTTPStatus.CONFLICT: "The plan was approved as a temporary one: send it again without `until`",
        },
    ),
)
def cancel_return(distribution_id: DistributionId) -> Response[None]:
    cancel = bootstrap.cancel_expiry(PlansSettings.load())
    cancel.cancel(distribution_id, caller_of(router.current_event), datetime.now(UTC))
    return Response(HTTPStatus.NO_CONTENT)


@router.get(
    "/distributions/<distribution_id>/projection.svg",
    summary="The chart of a projection",
    description="Service level, abandonment and occupancy per agent, before and after, as a picture (SVG).",
    responses=answers(
        HTTPStatus.OK, None, {HTTPStatus.NOT_FOUND: "There is no such distribution, or it has no projection"}
    )
    | {HTTPStatus.OK.value: {"description": "OK", "content": {"image/svg+xml": {"schema": {"type": "string"}}}}},
)
def show_chart(distribution_id: DistributionId) -> Response[str]:
    from routing_weights.charts.projection import chart  # noqa: PLC0415 - no other route draws

    closing = bootstrap.trail(PlansSettings.load()).find(distribution_id).closing
    if closing is None or not closing.projection:
        raise DistributionNotFound(
            f"There is no projection of distribution {distribution_id}: it is not over yet, or it failed before it was "
            "projected."
        )
    shown = without_foreign(closing.projection, person_of(router.current_event).queues)
    return Response(HTTPStatus.OK, "image/svg+xml", chart(shown, queue_id=str(closing.queue_id)))


@router.get(
    "/queues/<queue_id>/distributions",
    summary="The audit trail of a queue",
    description="Newest first. `from` and `to` are inclusive.",
    responses=answers(HTTPStatus.OK, DistributionPage, {}),
)
def list_distributions(
    queue_id: QueueId,
    since: Since = "",
    until: Until = "",
    limit: Limit = 20,
    after: After = "",
) -> DistributionPage:
    begin, end = span_of(since, until)
    trail = bootstrap.trail(PlansSettings.load())
    runs, token = trail.listed(queue_id, since=begin, until=end, limit=limit, after=after or None)
    return DistributionPage(
        items=[summary(run) for run in runs if isinstance(run, RunSummary)],
        next=token,
        unreadable=[UnreadableView(**asdict(run)) for run in runs if isinstance(run, Unreadable)],
    )


def summary(run: RunSummary) -> DistributionSummary:
    fields = run.model_dump(mode="json", exclude_unset=True)
    return DistributionSummary.model_validate({**fields, "terminal": run.status.terminal})


def approval(records: Records) -> ApprovalOfDistribution | None:
    """The last question in the records of a distribution, with its answer."""
    if not records.asked:
        return None
    asked = records.asked[-1]
    answer = next((each for each in records.answered if each.number == asked.number), None)
    if answer:
        state: str = answer.answer
    elif records.closing is None:
        state = "waiting"
    else:
        state = "expired" if records.closing.status is Status.APPROVAL_EXPIRED else "over"
    return ApprovalOfDistribution.model_validate(
        {
            "state": state,
            "hash": asked.hash,
            "reasons": [reason.sentence for reason in asked.reasons],
            "number": asked.number,
            "asked_by": asked.asked_by,
            "asked_at": asked.timestamp,
            "expires_at": asked.expires_at,
            "answered_by": answer and answer.caller,
            "answered_at": answer and answer.timestamp,
            "reason": answer and answer.reason,
        }
    )


def planned(diff: Mapping[str, Any]) -> list[PlannedSetting | PlannedMember]:
    """What is to be written, of the diff of a projection or of a run's work."""
    settings = [PlannedSetting.model_validate(setting) for setting in diff["settings"]]
    members = [
        PlannedMember(
            user_id=member["member"],
            before=member["value_before"],
            after=member["value_after"],
            weight_before=member["before"],
            weight_after=member["after"],
        )
        for member in diff["members"]
    ]
    return [*settings, *members]


def distribution(records: Records) -> Distribution:
    """The view of a distribution. At least one of its opening and its closing record is there."""
    documents = [record.to_json() for record in (records.opening, records.closing) if record]
    merged = {name: value for document in documents for name, value in document.items()}
    cancelled = records.expiry_cancelled
    diff = (merged.get("projection") or {}).get("diff")
    return Distribution.model_validate(
        {
            **merged,
            "terminal": Status(merged["status"]).terminal,
            "opened_at": documents[0]["timestamp"],
            "closed_at": records.closing and records.closing.timestamp,
            "realised_accuracy": records.shares and records.shares.realised_accuracy,
            "realised_shares": records.shares and realised_shares(records.shares),
            "approval": approval(records),
            "planned": planned(diff) if diff else None,
            "return_cancelled": cancelled and {"at": cancelled.timestamp, "by": cancelled.caller},
        }
    )
