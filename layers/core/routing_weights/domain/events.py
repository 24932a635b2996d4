"""The events that others receive: the outcome of a distribution, and drift that was found.

Under version 1 fields are only ever added, so a reader has to ignore fields that it does not know.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from routing_weights.domain.drift import Action, Answer, DriftEntry
from routing_weights.domain.record import (
    MOST_VALUES,
    ApprovalAnswered,
    Closing,
    Measurement,
    MemberChange,
    MemberCounts,
    Restored,
    SettingChange,
)
from routing_weights.domain.run import EXPIRY_OF
from routing_weights.domain.status import Status

if TYPE_CHECKING:
    from routing_weights.domain.approval import Approval
    from routing_weights.domain.decision import Work

DISTRIBUTION_OUTCOME, DRIFT_FOUND = "Distribution Outcome", "Drift Found"
DISTRIBUTION_MEASURED = "Distribution Measured"
AWAITING_APPROVAL, APPROVAL_ANSWERED = "Distribution Awaiting Approval", "Distribution Approval Answered"
"""The detail types of the events."""
LISTED_ERRORS, LONGEST_TEXT = 5, 1000
"""With these the largest outcome has about 12 KB, however many members the plan had; EventBridge takes 256."""
Purpose = Literal["plan", "revert", "expiry", "repair"]
LISTED_DIFFERENCES = 20
"""With these the largest drift event has about 10 KB."""


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Changes(_Event):
    """How much of the queue differs from the before-image, as read back."""

    settings: int = Field(ge=0)
    members: int = Field(ge=0)


class Projection(_Event):
    verdict: str
    reason: str | None
    service_level: float | None = Field(
        default=None, description="The projected share of contacts that are answered in time; null without a model."
    )


class HeldBy(_Event):
    value: float | bool | None = Field(description="A ring, a proficiency, joined or not, a score or a share.")
    members: int = Field(ge=1)


class Counts(_Event):
    """How many members the queue has, and how many hold each value."""

    members: int = Field(ge=0)
    values: list[HeldBy] = Field(max_length=MOST_VALUES, description="The values that most members hold.")


class Restore(_Event):
    """The result of the restore. The last three fields count members and settings."""

    outcome: Literal["restored", "partial", "failed", "not_needed"]
    unrestored: int = Field(ge=0)
    unconfirmed: int = Field(ge=0)
    edited: int = Field(ge=0)


class OutcomeError(_Event):
    type: str
    message: str
    path: str | None


class DistributionOutcome(_Event):
    """`detail` of the event. Fields are only ever added under version 1: a reader has to ignore new ones."""

    model_config = ConfigDict(title="OutcomeEvent")

    type: Literal["distribution_outcome"] = "distribution_outcome"
    version: Literal["1"] = "1"
    id: str = Field(description="The same for every copy of the same outcome: remember it to drop the copies.")
    distribution_id: str
    record: str = Field(description="Path of the whole record, below the API's address.")
    queue_id: str | None = Field(description="null where a refused plan names none.")
    status: Status
    started_at: str = Field(description="RFC 3339, UTC.")
    ended_at: str = Field(description="RFC 3339, UTC.")
    latency_ms: int = Field(ge=0)
    door: str = Field(description="api, schedule, drift, fleet or execution.")
    fleet_id: str | None = Field(description="The fleet that the plan belongs to; null for a plan without a fleet.")
    caller: str | None = Field(
        description="The caller's ARN, `genesys:` and a user id, `jwt:` and issuer and subject, the schedule's name or "
        "the drift entry, where the door knows it."
    )
    caller_name: str | None = Field(default=None, description="The caller's name, if the caller signed in with one.")
    requested_by: str | None = Field(description="Who wants it, as the plan says.")
    reason: str | None = Field(description="Why, as the plan says.")
    strategy_reference: str | None
    members: int = Field(ge=0, description="Members that the plan gives a weight.")
    balance_accuracy: float | None = Field(description="Percent; null where nothing was read back.")
    changes: Changes | None = Field(description="null where nothing was read back.")
    queue_name: str | None = Field(default=None, description="null where the queue was not read.")
    actuator: str | None = Field(default=None, description="What carries the weights; null where nothing was decided.")
    before: Counts | None = Field(default=None, description="null where the queue was not read.")
    after: Counts | None = Field(default=None, description="null where nothing was read back.")
    until: str | None = Field(default=None, description="When the plan expires; null for a permanent plan.")
    purpose: Purpose = Field(
        default="plan",
        description="revert: the plan re-applies an earlier image; expiry: it is the end of a temporary plan; repair: "
        "it answers drift.",
    )
    reverts: str | None = Field(default=None, description="The distribution that a revert, expiry or repair is about.")
    projection: Projection | None
    restore: Restore | None = Field(description="null where there was nothing to restore.")
    errors: list[OutcomeError] = Field(max_length=LISTED_ERRORS, description="The first ones.")
    error_count: int = Field(ge=0)


class Service(_Event):
    """How a queue served its contacts in the measured hour; null where it is not known."""

    service_level: float | None
    abandonment: float | None
    mean_wait_s: float | None


class DistributionMeasured(_Event):
    """`detail` of the event: what happened in the queue after a completed distribution, beside its projection."""

    type: Literal["distribution_measured"] = "distribution_measured"
    version: Literal["1"] = "1"
    id: str = Field(description="The same for every copy: remember it to drop the copies.")
    distribution_id: str
    record: str = Field(description="Path of the whole record, below the API's address.")
    queue_id: str
    at: str = Field(description="RFC 3339, UTC.")
    start: str = Field(description="Of what was measured; RFC 3339, UTC.")
    end: str = Field(description="RFC 3339, UTC.")
    contacts: float = Field(ge=0, description="The contacts that were offered to the queue.")
    projected: Service
    realised: Service
    alone: bool = Field(description="No other distribution was at work on the queue.")


class DriftFound(_Event):
    """`detail` of the event: what differs, who changed it, and how it is answered."""

    type: Literal["drift_found"] = "drift_found"
    version: Literal["1"] = "1"
    id: str = Field(description="The same for every copy: remember it to drop the copies.")
    queue_id: str
    at: str = Field(description="When the queue was read; RFC 3339, UTC.")
    record: str = Field(description="Path of the whole entry, below the API's address.")
    distribution_id: str = Field(description="The last completed distribution: what it applied is expected.")
    changed_by: str | None
    changed_at: str | None
    on_drift: str
    action: Action
    why: str
    repair_id: str | None
    differences: list[dict[str, Any]] = Field(max_length=LISTED_DIFFERENCES, description="The first ones.")
    difference_count: int = Field(ge=1)


class AwaitingApproval(_Event):
    """`detail` of the event: a distribution waits for somebody's approval. Nothing is written before it."""

    type: Literal["awaiting_approval"] = "awaiting_approval"
    version: Literal["1"] = "1"
    id: str = Field(description="The same for every copy: remember it to drop the copies.")
    distribution_id: str
    record: str = Field(description="Path of the whole record, below the API's address.")
    queue_id: str
    queue_name: str | None = None
    at: str = Field(description="When it began to wait; RFC 3339, UTC.")
    expires_at: str = Field(description="When it ends without an approval; RFC 3339, UTC.")
    hash: str = Field(description="What is asked: an approval can name it.")
    reasons: list[str] = Field(max_length=LISTED_ERRORS, description="Why it needs an approval. The first ones.")
    door: str
    fleet_id: str | None
    caller: str | None
    requested_by: str | None
    reason: str | None
    members: int = Field(ge=0, description="Members that the plan gives a weight.")
    until: str | None = None
    projection: Projection | None


class DistributionAnswered(_Event):
    """`detail` of the event: somebody approved or rejected a distribution that waits."""

    type: Literal["approval_answered"] = "approval_answered"
    version: Literal["1"] = "1"
    id: str = Field(description="The same for every copy: remember it to drop the copies.")
    distribution_id: str
    record: str = Field(description="Path of the whole record, below the API's address.")
    queue_id: str
    at: str = Field(description="RFC 3339, UTC.")
    answer: Literal["approved", "rejected"]
    caller: str | None = Field(description="Who answered; null in the console.")
    reason: str | None
    hash: str = Field(description="What was answered.")


def answered(record: ApprovalAnswered) -> DistributionAnswered:
    return DistributionAnswered(
        id=f"{record.distribution_id}:{record.answer}:{record.number}",
        distribution_id=record.distribution_id,
        record=f"/distributions/{record.distribution_id}",
        queue_id=record.queue_id or "",
        at=record.timestamp,
        answer=record.answer,
        caller=_short(record.caller),
        reason=_short(record.reason),
        hash=record.hash,
    )


def awaiting_approval(approval: "Approval", work: "Work", projection: Mapping[str, Any] | None) -> AwaitingApproval:
    """The event of a question. `projection` is the document of what was projected."""
    plan = work.plan
    return AwaitingApproval(
        id=f"{approval.distribution_id}:awaiting_approval:{approval.number}",
        distribution_id=approval.distribution_id,
        record=f"/distributions/{approval.distribution_id}",
        queue_id=approval.queue_id,
        queue_name=work.before.name,
        at=approval.asked_at,
        expires_at=approval.expires_at,
        hash=approval.hash,
        reasons=[_short(reason.sentence) or "" for reason in approval.reasons[:LISTED_ERRORS]],
        door=approval.door,
        fleet_id=approval.fleet_id or None,
        caller=_short(approval.asked_by or None),
        requested_by=plan.requested_by,
        reason=plan.reason,
        members=len(plan.requested),
        until=plan.until,
        projection=_projection(projection),
    )


def outcome_of(record: Closing) -> DistributionOutcome:
    """The event of a closing record. Weights and members stay in the record."""
    return DistributionOutcome(
        id=f"{record.distribution_id}:{record.status.value}",
        distribution_id=record.distribution_id,
        record=f"/distributions/{record.distribution_id}",
        queue_id=record.queue_id or None,
        status=record.status,
        started_at=record.started_at,
        ended_at=record.timestamp,
        latency_ms=record.latency_ms or 0,
        door=record.door,
        fleet_id=record.fleet_id,
        **{
            name: _short(getattr(record, name))
            for name in ("caller", "caller_name", "requested_by", "reason", "strategy_reference")
        },
        members=len(record.requested_weights),
        balance_accuracy=record.balance_accuracy,
        changes=None if record.changes is None else _changes(record.changes),
        queue_name=_short(record.queue_name),
        actuator=(record.actuation or {}).get("actuator"),
        before=_counts(record.counts_before),
        after=_counts(record.counts_after),
        until=record.until,
        **_purpose(record),
        projection=_projection(record.projection),
        restore=_restore(record.restore),
        errors=[
            OutcomeError(type=error.type, message=_short(error.message) or "", path=error.path)
            for error in record.errors[:LISTED_ERRORS]
        ],
        error_count=len(record.errors),
    )


def measured(record: Measurement) -> DistributionMeasured | None:
    """The event of a measurement; None where there is nothing to compare."""
    predicted, realised = record.predicted, record.realised
    if not (predicted and realised and record.start and record.end):
        return None
    figures = (predicted.service_level, predicted.abandonment, predicted.mean_wait_s)
    level, abandonment, wait_s = (None if figure is None else figure.mean for figure in figures)
    return DistributionMeasured(
        id=f"{record.distribution_id}:measured",
        distribution_id=record.distribution_id,
        record=f"/distributions/{record.distribution_id}",
        queue_id=record.queue_id or "",
        at=record.timestamp,
        start=record.start,
        end=record.end,
        contacts=realised.offered,
        projected=Service(service_level=level, abandonment=abandonment, mean_wait_s=wait_s),
        realised=Service(
            service_level=_ratio(realised.in_time, realised.counted),
            abandonment=_ratio(realised.abandoned, realised.offered),
            mean_wait_s=_ratio(realised.wait_s, realised.waited),
        ),
        alone=record.alone,
    )


def _ratio(part: float, of: float) -> float | None:
    return part / of if of else None


def drift_found(entry: DriftEntry, answer: Answer) -> DriftFound:
    """The event of a drift entry, and of how it is answered."""
    return DriftFound(
        id=f"{entry.queue_id}:{entry.entry_id}:{answer.action}",
        queue_id=entry.queue_id,
        at=entry.at,
        record=f"/queues/{entry.queue_id}/drift?from={entry.at}&to={entry.at}",
        distribution_id=entry.distribution_id,
        changed_by=entry.changed_by,
        changed_at=entry.changed_at,
        on_drift=entry.on_drift,
        action=answer.action,
        why=answer.why,
        repair_id=answer.repair_id,
        differences=[difference.to_json() for difference in entry.differences[:LISTED_DIFFERENCES]],
        difference_count=len(entry.differences),
    )


def _changes(changes: Sequence[SettingChange | MemberChange]) -> Changes:
    settings = sum(isinstance(change, SettingChange) for change in changes)
    return Changes(settings=settings, members=len(changes) - settings)


def _counts(counts: MemberCounts | None) -> Counts | None:
    return Counts.model_validate(counts.model_dump()) if counts else None


def _purpose(record: Closing) -> dict[str, Any]:
    """An expiry that failed early has no plan on record, but a caller that names what has expired."""
    expired = (record.caller or "").removeprefix(EXPIRY_OF) if record.door == "schedule" else record.caller
    if expired and expired != record.caller:
        return {"purpose": "expiry", "reverts": expired}
    if record.restores is None:
        return {}
    return {"purpose": "repair" if record.restores.drift else "revert", "reverts": record.restores.distribution_id}


def _projection(document: Mapping[str, Any] | None) -> Projection | None:
    if not document:
        return None
    simulation = (document.get("models") or {}).get("simulation") or {}
    level = (simulation.get("after") or {}).get("service_level") or {}
    return Projection(
        verdict=document["verdict"], reason=_short(document.get("reason")), service_level=level.get("mean")
    )


def _restore(restored: Restored | None) -> Restore | None:
    if restored is None:
        return None
    counts = {name: len(getattr(restored, name)) for name in ("unrestored", "unconfirmed", "edited")}
    return Restore.model_validate({"outcome": restored.outcome, **counts})


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
