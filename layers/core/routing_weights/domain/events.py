"""The events that others receive: the outcome of a distribution, and drift that was found.

Under version 1 fields are only ever added, so a reader has to ignore fields that it does not know.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from routing_weights.domain.drift import Action, Answer, DriftEntry
from routing_weights.domain.record import Closing, MemberChange, Restored, SettingChange
from routing_weights.domain.status import Status

DISTRIBUTION_OUTCOME, DRIFT_FOUND = "Distribution Outcome", "Drift Found"
"""The detail types of the events."""
LISTED_ERRORS, LONGEST_TEXT = 5, 1000
"""With these the largest outcome has about 12 KB, however many members the plan had; EventBridge takes 256."""
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
        description="The caller's ARN, the schedule's name or the drift entry, where the door knows it."
    )
    requested_by: str | None = Field(description="Who wants it, as the plan says.")
    reason: str | None = Field(description="Why, as the plan says.")
    strategy_reference: str | None
    members: int = Field(ge=0, description="Members that the plan gives a weight.")
    balance_accuracy: float | None = Field(description="Percent; null where nothing was read back.")
    changes: Changes | None = Field(description="null where nothing was read back.")
    projection: Projection | None
    restore: Restore | None = Field(description="null where there was nothing to restore.")
    errors: list[OutcomeError] = Field(max_length=LISTED_ERRORS, description="The first ones.")
    error_count: int = Field(ge=0)


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
        **{name: _short(getattr(record, name)) for name in ("caller", "requested_by", "reason", "strategy_reference")},
        members=len(record.requested_weights),
        balance_accuracy=record.balance_accuracy,
        changes=None if record.changes is None else _changes(record.changes),
        projection=_projection(record.projection),
        restore=_restore(record.restore),
        errors=[
            OutcomeError(type=error.type, message=_short(error.message) or "", path=error.path)
            for error in record.errors[:LISTED_ERRORS]
        ],
        error_count=len(record.errors),
    )


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


def _projection(document: Mapping[str, Any] | None) -> Projection | None:
    return Projection(verdict=document["verdict"], reason=_short(document.get("reason"))) if document else None


def _restore(restored: Restored | None) -> Restore | None:
    if restored is None:
        return None
    counts = {name: len(getattr(restored, name)) for name in ("unrestored", "unconfirmed", "edited")}
    return Restore.model_validate({"outcome": restored.outcome, **counts})


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
