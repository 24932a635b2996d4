"""What others are told when a distribution is over: a summary of its closing record, and where the whole of it is."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from routing_weights.domain.record import Record
from routing_weights.domain.status import Status

DETAIL_TYPE = "Distribution Outcome"
LISTED_ERRORS, LONGEST_TEXT = 5, 1000
"""With these the largest event has about 12 KB, however many members the plan had; EventBridge takes 256."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Changes(_Told):
    """How much of the queue differs from what it held before, as read back."""

    settings: int = Field(ge=0)
    members: int = Field(ge=0)


class Projection(_Told):
    verdict: str
    reason: str | None


class Restore(_Told):
    """What came of putting the before-image back; the last three are numbers of members and settings."""

    outcome: Literal["restored", "partial", "failed", "not_needed"]
    unrestored: int = Field(ge=0)
    unconfirmed: int = Field(ge=0)
    edited: int = Field(ge=0)


class OutcomeError(_Told):
    type: str
    message: str
    path: str | None


class OutcomeEvent(_Told):
    """`detail` of the event. Fields are only ever added under version 1: whoever reads it has to ignore new ones."""

    type: Literal["distribution_outcome"] = "distribution_outcome"
    version: Literal["1"] = "1"
    id: str = Field(description="The same for every copy of the same outcome: remember it to drop the copies.")
    distribution_id: str
    record: str = Field(description="Path below the API's address: the whole record.")
    queue_id: str | None = Field(description="null where a refused plan names none.")
    status: Status
    started_at: str = Field(description="RFC 3339, UTC.")
    ended_at: str = Field(description="RFC 3339, UTC.")
    latency_ms: int = Field(ge=0)
    door: str = Field(description="api, schedule, drift or execution.")
    caller: str | None = Field(
        description="The caller's ARN, the schedule's name or the drift record, where the door knows it."
    )
    requested_by: str | None = Field(description="What the plan says of who wants it.")
    reason: str | None = Field(description="What the plan says of why.")
    strategy_reference: str | None
    members: int = Field(ge=0, description="Members that the plan gives a weight.")
    balance_accuracy: float | None = Field(description="Percent; null where nothing was read back.")
    changes: Changes | None = Field(description="null where nothing was read back.")
    projection: Projection | None
    restore: Restore | None = Field(description="null where there was nothing to put back.")
    errors: list[OutcomeError] = Field(max_length=LISTED_ERRORS, description="The first ones.")
    error_count: int = Field(ge=0)


def outcome_of(record: Record) -> OutcomeEvent:
    """The event of a whole closing record. Weights and members stay in the record."""
    changes, projection, restore = (record.get(name) for name in ("changes", "projection", "restore"))
    errors = record.get("errors") or []
    distribution_id = record["distribution_id"]
    return OutcomeEvent(
        id=f"{distribution_id}:{record['status']}",
        distribution_id=distribution_id,
        record=f"/distributions/{distribution_id}",
        queue_id=record.get("queue_id") or None,
        status=Status(record["status"]),
        started_at=record["started_at"],
        ended_at=record["timestamp"],
        latency_ms=record["latency_ms"],
        door=record["door"],
        **{name: _short(record.get(name)) for name in ("caller", "requested_by", "reason", "strategy_reference")},
        members=len(record.get("requested_weights") or {}),
        balance_accuracy=record.get("balance_accuracy"),
        changes=None if changes is None else _changes(changes),
        projection=Projection(verdict=projection["verdict"], reason=_short(projection.get("reason")))
        if projection
        else None,
        restore=Restore(
            outcome=restore["outcome"],
            **{name: len(restore.get(name) or []) for name in ("unrestored", "unconfirmed", "edited")},
        )
        if restore
        else None,
        errors=[
            OutcomeError(type=error["type"], message=_short(error["message"]) or "", path=error.get("path"))
            for error in errors[:LISTED_ERRORS]
        ],
        error_count=len(errors),
    )


def _changes(changes: list[dict[str, Any]]) -> Changes:
    settings = sum("setting" in change for change in changes)
    return Changes(settings=settings, members=len(changes) - settings)


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
