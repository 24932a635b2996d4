"""What the operators' API answers: models for the answers and for openapi.json, and how records become answers."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from routing_weights.distribution import Status
from routing_weights.errors import RequestInvalid, RoutingWeightsError
from routing_weights.fields import DISTRIBUTION_ID, Line
from routing_weights.record import CLOSED, OPENED, Record, timestamp
from routing_weights.strict_json import problem


class Accepted(BaseModel):
    """A plan was accepted. `Location` says where its distribution is."""

    distribution_id: str
    status: Status
    execution_arn: str
    requested_weights: dict[str, float] = Field(description="The weights that will be applied.")
    submitted_weights: dict[str, float] | None = Field(
        default=None, description="The weights as sent, when `normalize` changed them."
    )


class ProjectionView(BaseModel):
    """What the plan will do, with the figures that decided."""

    verdict: str = Field(description="pass or blocked")
    reason: str
    active_agents: int
    members_read: int
    capacity: float = Field(description="Erlangs: active agents x utilization target.")
    projected_load: float = Field(description="Erlangs.")
    source: str = Field(description="Where the load comes from: plan, forecast_table or default_parameter.")
    source_age_s: float | None = None
    source_detail: str = ""
    saturation_ratio: float | None = Field(description="Load / capacity; null without capacity.")
    saturation_limit: float
    queue_threshold_ratio: float | None = Field(
        default=None,
        description="Load / (active agents x the queue's own threshold). Reported, gates nothing.",
    )
    skill_coverage: dict[str, float] = Field(description="By required skill, the share of active agents who have it.")


class MemberActuation(BaseModel):
    """One member's weight, as its actuator can carry it."""

    requested: float
    value: int | float | bool | None = Field(
        description="On the wire: a ring number, a proficiency, joined or not, or a score."
    )
    represented: float = Field(description="The weight that the value stands for, on the scale of the plan.")
    error: float = Field(description="|requested - represented|")


class ActuationView(BaseModel):
    """How the weights are carried, known before the first write."""

    actuator: str = Field(description="score, ring, proficiency or joined")
    strategy: str
    skill: str | None = Field(default=None, description="As the plan or the strategy names it.")
    overflow: str = Field(
        description="What overflow_threshold is: utilization_threshold (the queue's own field, contract score), "
        "conditional_group_routing (a service-level rule for the overflow groups), or gate (of this system only)."
    )
    largest_error: float
    mean_error: float
    members: dict[str, MemberActuation]
    notes: list[str] = Field(default_factory=list, description="What the values will not do on this queue.")


class RestoreView(BaseModel):
    """What became of the before-image after a failure."""

    outcome: str = Field(description="restored, partial, failed or not_needed (nothing of this run was applied)")
    restored: int = Field(description="How many members and settings were put back.")
    unrestored: list[str] = Field(description="Members and settings that still hold this run's value.")
    unconfirmed: list[str] = Field(
        default_factory=list,
        description="Members and settings that were put back, which could not be read back.",
    )
    edited: list[str] = Field(description="Those that somebody else has changed since: left as they are.")


class DistributionSummary(BaseModel):
    """One line of a queue's audit trail."""

    distribution_id: str
    queue_id: str | None = None
    status: Status
    terminal: bool
    timestamp: str = Field(description="When the record was written: the outcome's, once there is one.")
    started_at: str
    latency_ms: float | None = None
    balance_accuracy: float | None = None
    overflow_threshold: float | None = None
    requested_by: str | None = None
    reason: str | None = None
    door: str | None = None
    errors: list[dict[str, Any]] = Field(default_factory=list)


class Distribution(DistributionSummary):
    """One run that carries a plan out."""

    opened_at: str
    closed_at: str | None = None
    execution_arn: str | None = None
    caller: str | None = None
    requested_weights: dict[str, float] = Field(default_factory=dict)
    submitted_weights: dict[str, float] | None = None
    applied_weights: dict[str, float | None] = Field(
        default_factory=dict, description="What was read back after the writes; empty when nothing was."
    )
    applied_overflow_threshold: float | None = None
    restores: dict[str, str] | None = Field(
        default=None, description="The distribution and the image, before or after it, that this one puts back."
    )
    utilization_target: float | None = None
    strategy_reference: str | None = None
    wrap_up_timeout_s: int | None = None
    projection: ProjectionView | None = None
    actuation: ActuationView | None = None
    restore: RestoreView | None = None
    changes: list[dict[str, Any]] = Field(
        default_factory=list, description="What differs from the before-image, as read back."
    )
    before_image: str | None = Field(default=None, description="The key of the before-image in DocumentsBucket.")


class RestoreOptions(BaseModel):
    """What may be said of a restore; all of it optional."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dry_run: bool = False
    wait_for_lock_s: Annotated[int, Field(ge=0, le=3600)] = 0
    requested_by: Line | None = None
    reason: Line | None = None


class NewBaseline(BaseModel):
    """Which state a baseline is to be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    distribution_id: Annotated[str, Field(pattern=DISTRIBUTION_ID)] | None = Field(
        default=None, description="A completed distribution of the queue; without it the newest one."
    )


class Baseline(BaseModel):
    """A named state of a queue: what it held after a completed distribution."""

    queue_id: str
    name: str
    distribution_id: str
    set_at: str
    set_by: str | None = None


class Baselines(BaseModel):
    items: list[Baseline]


class DistributionPage(BaseModel):
    """The audit trail of a queue, newest first."""

    items: list[DistributionSummary]
    next: str | None = Field(default=None, description="Send it as `next` to read on; null on the last page.")


class FieldProblem(BaseModel):
    path: str = Field(description="Keys and indexes joined with dots; empty for the whole body.")
    message: str
    type: str


class ProblemDetails(BaseModel):
    """An error, after RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    distribution_id: str | None = Field(default=None, description="The audit record of a refused plan.")
    errors: Annotated[list[FieldProblem], Field(default_factory=list)]
    error_count: int | None = Field(default=None, description="All errors; at most 100 are listed.")


def summary(record: Record) -> DistributionSummary:
    return DistributionSummary.model_validate({**record, "terminal": Status(record["status"]).terminal})


def distribution(records: dict[str, Record]) -> Distribution:
    """The answer from the records of one distribution; at least one of the two is there."""
    opening, closing = records.get(OPENED, {}), records.get(CLOSED, {})
    merged = {**opening, **closing}
    return Distribution.model_validate(
        {
            **merged,
            "terminal": Status(merged["status"]).terminal,
            "opened_at": (opening or closing)["timestamp"],
            "closed_at": closing.get("timestamp"),
        }
    )


def problem_of(error: RoutingWeightsError) -> ProblemDetails:
    details = error.details
    return ProblemDetails(
        type=error.problem_type(),
        title=error.title,
        status=error.http_status,
        detail=error.message,
        distribution_id=details.get("distribution_id"),
        errors=[FieldProblem.model_validate(e) for e in details.get("errors", [])],
        error_count=details.get("error_count"),
    )


def moment(name: str, text: str, default: str) -> str:
    """A query parameter as a record's timestamp; RequestInvalid where it is no RFC 3339 date or time."""
    if not text:
        return default
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a + in a query string arrives as a space
        return timestamp(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        message = "not an RFC 3339 date or time such as 2026-01-31T08:00:00Z"
        raise RequestInvalid(f"{name}: {message}", errors=[problem(name, message, "time_invalid")]) from None
