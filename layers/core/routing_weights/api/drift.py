"""The route of drift."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from routing_weights.api.problem import answers
from routing_weights.api.request import After, Limit, QueueId, Since, Until, new_router, span_of
from routing_weights.bootstrap import plans as bootstrap
from routing_weights.domain.status import Status
from routing_weights.settings import PlansSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from routing_weights.domain.drift import DriftEntry
    from routing_weights.domain.record import RunSummary

router = new_router()


class DifferenceView(BaseModel):
    """A member's value on the wire, or one of the queue's own settings."""

    member: str | None = Field(default=None, description="The user id, if it is a member's value.")
    setting: str | None = Field(default=None, description="The name, if it is a setting of the queue.")
    expected: int | float | bool | str | None = Field(description="As the distribution applied it.")
    held: int | float | bool | str | None = Field(description="As Genesys held it when it was read.")
    missing: bool = Field(default=False, description="True if the member was no longer in the queue.")


class DriftView(BaseModel):
    """A state of the queue that no distribution has written."""

    at: str = Field(description="When the queue was read.")
    distribution_id: str = Field(description="The last completed distribution. What it applied is expected.")
    changed_by: str | None = Field(default=None, description="Who changed the queue, if Genesys says.")
    changed_at: str | None = Field(default=None, description="When, in the form of Genesys.")
    differences: list[DifferenceView]
    deliveries: list[str] = Field(description="The ids of the webhooks that led to the reading.")
    on_drift: str = Field(
        default="record", description="The policy of that distribution's plan: record, notify or repair."
    )
    action: str = Field(
        default="recorded",
        description="What was done: recorded, notified, repair_deferred (the change is too young), repair_dropped (the "
        "drift was gone when the repair was due), repair_started or repair_refused.",
    )
    why: str | None = Field(default=None, description="The reason, as a sentence.")
    repair_id: str | None = Field(default=None, description="The distribution that repairs the drift.")
    repair_status: Status | None = Field(
        default=None, description="The status of that distribution; null until its record is opened."
    )


class DriftPage(BaseModel):
    """The drift of a queue, newest first."""

    items: list[DriftView]
    next: str | None = Field(default=None, description="Send it as `next` to read on; null on the last page.")


@router.get(
    "/queues/<queue_id>/drift",
    summary="What others have changed in a queue since its last distribution",
    description="Newest first. `from` and `to` are inclusive and refer to the time of the reading. An entry is a state "
    "of the queue, recorded once while it lasts, and what was done about it.",
    responses=answers(HTTPStatus.OK, DriftPage, {}),
)
def list_drift(
    queue_id: QueueId,
    since: Since = "",
    until: Until = "",
    limit: Limit = 20,
    after: After = "",
) -> DriftPage:
    settings, (begin, end) = PlansSettings.load(), span_of(since, until)
    entries, token = bootstrap.drift_entries(settings).of_queue(
        queue_id, since=begin, until=end, limit=limit, after=after or None
    )
    repairs = [entry.answer.repair_id for entry in entries if entry.answer and entry.answer.repair_id]
    summaries = bootstrap.trail(settings).summaries(repairs)
    return DriftPage(items=[drift_entry(entry, summaries) for entry in entries], next=token)


def drift_entry(entry: "DriftEntry", repairs: "Mapping[str, RunSummary]") -> DriftView:
    """`repairs` are the distributions that repair drift, by id."""
    answer = entry.answer.to_json() if entry.answer else {}
    repair = repairs.get(answer.get("repair_id", ""))
    return DriftView.model_validate({**entry.to_json(), **answer, "repair_status": repair and repair.status})
