"""What others are told about drift: what differs, who changed it, and what is done about it."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from routing_weights.domain.record import Record

DETAIL_TYPE = "Drift Found"
LISTED = 20
"""Differences; with these the largest event has about 10 KB, however many members the plan had."""

Action = Literal["notified", "repair_deferred", "repair_started", "repair_refused"]


class DriftEvent(BaseModel):
    """`detail` of the event. Fields are only ever added under version 1: whoever reads it has to ignore new ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["drift_found"] = "drift_found"
    version: Literal["1"] = "1"
    id: str = Field(description="The same for every copy: remember it to drop the copies.")
    queue_id: str
    at: str = Field(description="When the queue was read; RFC 3339, UTC.")
    record: str = Field(description="Path below the API's address: the whole record.")
    distribution_id: str = Field(description="The last completed distribution: what it applied is expected.")
    changed_by: str | None
    changed_at: str | None
    on_drift: str
    action: Action
    why: str
    repair_id: str | None
    differences: list[dict[str, Any]] = Field(max_length=LISTED, description="The first ones.")
    difference_count: int = Field(ge=1)


def event_of(record: Record, done: Mapping[str, Any]) -> DriftEvent:
    """The event of a drift record, and of what is done about it."""
    queue_id, at, found = record["queue_id"], record["at"], record["differences"]
    return DriftEvent(
        id=f"{queue_id}:{record['record']}:{done['action']}",
        queue_id=queue_id,
        at=at,
        record=f"/queues/{queue_id}/drift?from={at}&to={at}",
        **{name: record[name] for name in ("distribution_id", "changed_by", "changed_at", "on_drift")},
        action=done["action"],
        why=done["why"],
        repair_id=done.get("repair_id"),
        differences=found[:LISTED],
        difference_count=len(found),
    )
