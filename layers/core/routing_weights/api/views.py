"""What the operators' API answers: models for the answers and for openapi.json, and how records become answers."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from routing_weights.domain.drift import DriftEntry
from routing_weights.domain.inputs import RevertOptions
from routing_weights.domain.plan import Plan
from routing_weights.domain.problems import problem, request_invalid, sendable
from routing_weights.domain.record import Measurement, Records, RunSummary, timestamp
from routing_weights.domain.status import Status
from routing_weights.domain.strict_json import read
from routing_weights.domain.types import DISTRIBUTION_ID, Line, Moment
from routing_weights.domain.volume import StatedVolume
from routing_weights.errors import RoutingWeightsError
from routing_weights.projection.accuracy import (
    LOOK_BACK,
    SPAN,
    Blame,
    Comparison,
    Figure,
    Summary,
    compare,
    sentence,
    summarise,
)
from routing_weights.projection.checks import ALWAYS, GATES
from routing_weights.projection.inputs import PushedForecast, Volume

Model = TypeVar("Model", bound=BaseModel)

NOT_ALONE = "Another distribution was at work on the queue before the interval was over: its figures are of both."
CANNOT_TELL = "Contract score has no figures of what happens in a queue, so nothing can be compared."
DEFAULT_TTL_S, MAX_TTL_S = 86_400, 31 * 86_400


class Accepted(BaseModel):
    """A plan was accepted. `Location` says where its distribution is."""

    distribution_id: str
    status: Status
    execution_arn: str
    requested_weights: dict[str, float] = Field(description="The weights that will be applied.")
    submitted_weights: dict[str, float] | None = Field(
        default=None, description="The weights as sent, when `normalize` changed them."
    )


class CheckView(BaseModel):
    """One check of a projection."""

    name: str = Field(description=f"One of {', '.join((*ALWAYS, *GATES))}.")
    verdict: str = Field(description="pass, blocked, needs_approval or inconclusive")
    required: bool = Field(description="False: the check is shown and decides nothing.")
    sentence: str
    value: float | None
    threshold: float | None
    low: float | None = Field(default=None, description="The 95 % interval of a simulated value.")
    high: float | None = None
    sample_size: int | None = Field(default=None, description="Simulated contacts; null for a closed form.")
    source: str = Field(description="Where the load comes from.")
    remedy: dict[str, float] = Field(
        default_factory=dict,
        description="What it takes to pass: agents in one pool, contacts offered per interval, overflow_threshold.",
    )


class SkillView(BaseModel):
    """How a required skill is covered by the active agents."""

    agents: float = Field(description="The share of agents who have it, as proficiently as required.")
    weight: float = Field(description="The share of their weight.")
    weight_without_skill: list[str] = Field(description="Members with a weight and without the skill.")
    below_proficiency: dict[str, float | None] = Field(
        default_factory=dict,
        description="Who has the skill and is not proficient enough, with the proficiency; null: not told.",
    )


class ObservedView(BaseModel):
    """The queue at the moment of the projection: a dry run under `platform` asks Genesys, else it is the members."""

    on_queue: dict[str, int] = Field(description="Agents by routing status; ON_QUEUE where it is not known.")
    waiting: int | None = Field(description="Contacts; null where the source cannot tell.")
    interacting: int | None
    at: float = Field(description="Epoch seconds.")
    source: str = Field(description="observations or members")


class MemberDiff(BaseModel):
    """What would be written for one member, in the order of the writes."""

    member: str
    before: float | None = Field(description="The weight that the value before stands for; null where it is none.")
    after: float | None
    value_before: int | float | bool | None = Field(description="On the wire.")
    value_after: int | float | bool | None


class SettingDiff(BaseModel):
    setting: str
    before: float | str | None
    after: float | str | None


class DiffView(BaseModel):
    """What the plan changes, known before the first write; what was read back afterwards is in `changes`."""

    settings: list[SettingDiff]
    members: list[MemberDiff]


class EffortView(BaseModel):
    """What the distribution asks of Genesys, estimated before the first write."""

    requests: int
    reads: int
    writes: int
    seconds: float = Field(description="Unpaced.")
    seconds_at_the_budget: float = Field(description="At the granted rate, once Genesys shows a limit.")


class StaffingView(BaseModel):
    """Whose presence a projection counts."""

    staffing: Literal["now", "joined"] | int = Field(description="As the plan says, or its door where it does not.")
    agents: int = Field(description="How many that is, once the plan is applied.")
    sentence: str


class ProjectionView(BaseModel):
    """What the plan will do, with the figures that decided."""

    verdict: str = Field(description="pass, blocked, needs_approval or inconclusive")
    reason: str
    active_agents: int = Field(description="Whose presence counts: see staffing.")
    staffing: StaffingView | None = None
    members_read: int
    absent: dict[str, int] = Field(
        default_factory=dict,
        description="By reason, how many members cannot take work and are not counted: a routing status such as "
        "NOT_RESPONDING, 'not joined', 'no routing status', 'user inactive', 'user deleted'.",
    )
    capacity: float = Field(description="Erlangs: active agents x utilization target.")
    projected_load: float = Field(description="Erlangs.")
    source: str = Field(description="Where the load comes from: docs/use/forecasts.md has the sources.")
    source_age_s: float | None = None
    source_detail: str = ""
    source_media: list[str] = Field(default=[], description="The media that were counted, where the source says.")
    saturation_ratio: float | None = Field(description="Load / capacity; null without capacity.")
    saturation_limit: float
    queue_threshold_ratio: float | None = Field(
        default=None,
        description="Load / (active agents x the queue's own threshold). Reported, gates nothing.",
    )
    skill_coverage: dict[str, float] = Field(description="By required skill, the share of active agents who have it.")

    checks: list[CheckView] = Field(default_factory=list, description="What decided, and what is shown only.")
    models: dict[str, Any] | None = Field(
        default=None,
        description="Service level, abandonment, wait and occupancy before and after, by Erlang C, Erlang A and a "
        "simulation of the ranking, with its inputs. Indicative where only a load is known.",
    )
    skills: dict[str, SkillView] = Field(default_factory=dict)
    effort: EffortView | None = None
    observed: ObservedView | None = None
    diff: DiffView | None = None
    notes: list[str] = Field(default_factory=list, description="Which forecast sources were asked in vain, and why.")


class Tried(BaseModel):
    """Weights that were projected for a suggestion."""

    weights: str
    verdict: str
    reason: str


class Draft(Plan):
    """A plan whose weights are to be proposed."""

    member_weights: dict[str, float] = Field(  # for openapi.json: suggest.draft_of reads it
        default_factory=dict, description="May be left out; with `proportional` their ratios are kept."
    )
    objective: Literal["proportional", "skill_coverage", "equal_occupancy"] = "equal_occupancy"


class Suggestion(BaseModel):
    """Weights that were found, as a plan that can be posted as it is."""

    objective: str = Field(description="proportional, skill_coverage or equal_occupancy")
    passes: bool = Field(description="Whether the plan passes the gate; else it is the best that was tried.")
    plan: dict[str, Any]
    projection: ProjectionView = Field(description="Of that plan: before and after, and the checks.")
    tried: list[Tried]


class MemberActuation(BaseModel):
    """One member's weight, as its actuator can carry it."""

    requested: float | None = Field(default=None, description="None where what is put back stood for no weight.")
    value: int | float | bool | None = Field(
        description="On the wire: a ring number, a proficiency, joined or not, or a score."
    )
    represented: float | None = Field(
        default=None,
        description="The weight that the value stands for, on the scale of the plan; None where the queue does not "
        "look at it.",
    )
    error: float | None = Field(default=None, description="|requested - represented|")


class ActuationView(BaseModel):
    """How the weights are carried, known before the first write."""

    actuator: str = Field(description="score, ring, proficiency or joined")
    strategy: str
    skill: str | None = Field(default=None, description="As the plan or the strategy names it.")
    overflow: str = Field(
        description="What overflow_threshold is: utilization_threshold (the queue's own field, contract score), "
        "conditional_group_routing (a service-level rule for the overflow groups), or gate (of this system only)."
    )
    without_effect: str | None = Field(
        default=None, description="Why the weights do nothing on this queue, where they do not, and what would."
    )
    largest_error: float | None = None
    mean_error: float | None = None
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
    restores: dict[str, Any] | None = Field(
        default=None, description="The distribution and the image, before or after it, that this one puts back."
    )
    until: str | None = Field(default=None, description="When what the queue held before is put back, as asked for.")
    returns_at: str | None = Field(
        default=None,
        description="The same for as long as that is still to come: null once it has begun, or is cancelled.",
    )
    return_cancelled: dict[str, str | None] | None = Field(
        default=None, description="When (at) and by whom, where a return was cancelled."
    )
    utilization_target: float | None = None
    staffing: Literal["now", "joined"] | int | None = Field(default=None, description="Whose presence was counted.")
    strategy_reference: str | None = None
    wrap_up_timeout_s: int | None = None
    on_drift: str | None = Field(default=None, description="What the plan says: record, notify or repair.")
    projection: ProjectionView | None = None
    actuation: ActuationView | None = None
    restore: RestoreView | None = None
    changes: list[dict[str, Any]] = Field(
        default_factory=list, description="What differs from the before-image, as read back."
    )
    before_image: str | None = Field(
        default=None, description="The key of the document in DocumentsBucket that has the before-image, at `before`."
    )


class RestoreOptions(RevertOptions):
    """What may be said of a restore; all of it optional."""


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


class NewForecast(StatedVolume):
    """What a WFM system pushes for a queue."""

    source: Line | None = Field(default=None, description="Who made it, such as the WFM system's name.")
    valid_from: Moment | None = Field(default=None, description="RFC 3339 with an offset; at once when absent.")
    expires_at: Moment | None = Field(default=None, description="RFC 3339 with an offset. Send it or ttl_s.")
    ttl_s: Annotated[int, Field(ge=60, le=MAX_TTL_S)] | None = Field(
        default=None,
        description="Seconds from valid_from, or from now. A day when neither this nor expires_at is sent.",
    )

    @field_validator("ttl_s")
    @classmethod
    def _is_the_only_end(cls, ttl_s: int | None, info: ValidationInfo) -> int | None:
        if ttl_s is not None and info.data.get("expires_at") is not None:
            raise ValueError("the forecast has expires_at too: send one of them")
        return ttl_s


class ForecastView(BaseModel):
    """What is stored about a queue's load."""

    queue_id: str
    state: str = Field(description="valid, not_yet_valid or expired: only a valid one is projected with.")
    load: float = Field(description="Erlangs.")
    forecast: StatedVolume | None = Field(
        default=None, description="Null for an item that was put into ForecastTable with projected_load alone."
    )
    source: str | None = None
    pushed_at: str | None = None
    pushed_by: str | None = Field(default=None, description="The caller's ARN.")
    age_s: float | None = None
    valid_from: str | None = None
    expires_at: str | None = None


class DistributionPage(BaseModel):
    """The audit trail of a queue, newest first."""

    items: list[DistributionSummary]
    next: str | None = Field(default=None, description="Send it as `next` to read on; null on the last page.")


class DifferenceView(BaseModel):
    """A member's value on the wire, or one of the queue's own settings."""

    member: str | None = Field(default=None, description="The user id, where it is a member's value.")
    setting: str | None = Field(default=None, description="The name, where it is a setting of the queue.")
    expected: int | float | bool | str | None = Field(description="As the distribution applied it.")
    held: int | float | bool | str | None = Field(description="As Genesys held it when it was read.")
    missing: bool = Field(default=False, description="Whether the member was no longer in the queue.")


class DriftView(BaseModel):
    """A state of the queue that no distribution has made."""

    at: str = Field(description="When the queue was read.")
    distribution_id: str = Field(description="The last completed distribution: what it applied is expected.")
    changed_by: str | None = Field(default=None, description="Who changed it, where Genesys tells.")
    changed_at: str | None = Field(default=None, description="When, as Genesys writes it.")
    differences: list[DifferenceView]
    deliveries: list[str] = Field(description="The ids of the webhooks that led to it.")
    on_drift: str = Field(
        default="record", description="What the plan of that distribution says: record, notify or repair."
    )
    action: str = Field(
        default="recorded",
        description="What was done: recorded, notified, repair_deferred (the change is too young), repair_dropped (it "
        "was gone when its time came), repair_started or repair_refused.",
    )
    why: str | None = Field(default=None, description="A sentence; null where there is nothing to say.")
    repair_id: str | None = Field(default=None, description="The distribution that puts it back.")
    repair_status: Status | None = Field(
        default=None, description="How far that one is; null until it has come to validate its plan."
    )


class DriftPage(BaseModel):
    """What was changed in a queue by others than its distributions, newest first."""

    items: list[DriftView]
    next: str | None = Field(default=None, description="Send it as `next` to read on; null on the last page.")


class MeasurementView(BaseModel):
    """What was projected for one completed distribution, and what then happened."""

    distribution_id: str
    state: str = Field(
        description="measured; not_alone (another distribution was at work meanwhile, so it does not count); "
        "not_comparable, pending or missed (no figures); cannot_tell (contract score)"
    )
    why: str | None = Field(default=None, description="A sentence for every state but measured.")
    completed_at: str
    start: str | None = Field(default=None, description="The interval that was measured.")
    end: str | None = None
    others: list[str] = Field(default_factory=list, description="The other distributions.")
    source: str | None = Field(default=None, description="Where the forecast came from.")
    media: list[str] = Field(default_factory=list)
    figures: dict[str, Figure] = Field(
        default_factory=dict,
        description="offered (per interval of the forecast), aht_s, service_level, abandonment and mean_wait_s. error "
        "is realised - predicted, low to high the projected 95 % interval of the mean; within_chance is inside, with "
        "the interval widened by what as many independent contacts scatter by.",
    )
    blame: Blame | None = Field(
        default=None,
        description="The error of the service level in two parts: by_forecast is the difference that Erlang A makes "
        "between the forecast and the volume that came, by_model is the rest.",
    )


class CalibrationPage(BaseModel):
    """Predicted against realised, for the completed distributions of a queue, newest first."""

    queue_id: str
    measured: int = Field(description="How many of the items are in `summary` and `sentence`.")
    sentence: str
    summary: dict[str, Summary] = Field(description="By figure; mean_error is the bias, inside a share of count.")
    items: list[MeasurementView]
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


def summary(run: RunSummary) -> DistributionSummary:
    fields = run.model_dump(mode="json", exclude_unset=True)
    return DistributionSummary.model_validate({**fields, "terminal": run.status.terminal})


def distribution(records: Records) -> Distribution:
    """The answer from the records of one distribution, which has an opening or a closing one."""
    documents = [record.to_json() for record in (records.opening, records.closing) if record]
    merged = {name: value for document in documents for name, value in document.items()}
    cancelled = records.expiry_cancelled
    return Distribution.model_validate(
        {
            **merged,
            "terminal": Status(merged["status"]).terminal,
            "opened_at": documents[0]["timestamp"],
            "closed_at": records.closing and records.closing.timestamp,
            "return_cancelled": cancelled and {"at": cancelled.timestamp, "by": cancelled.caller},
        }
    )


def drift_entry(entry: DriftEntry, repairs: Mapping[str, RunSummary]) -> DriftView:
    """`repairs` are the distributions that repair drift, by id."""
    answer = entry.answer.to_json() if entry.answer else {}
    repair = repairs.get(answer.get("repair_id", ""))
    return DriftView.model_validate({**entry.to_json(), **answer, "repair_status": repair and repair.status})


def calibration_page(
    queue_id: str,
    completed: list[RunSummary],
    measured: dict[str, Measurement],
    token: str | None,
    now: datetime,
    *,
    can_tell: bool,
) -> CalibrationPage:
    """From the summaries of completed distributions, and by id the measurements of what happened after them.

    `can_tell` is whether the deployment's contract knows what happens in a queue.
    """
    items, counted = [], list[Comparison]()
    for run in completed:
        item = {"distribution_id": run.distribution_id, "completed_at": run.timestamp}
        after = measured.get(run.distribution_id)
        if after is None or after.predicted is None or after.realised is None:
            items.append(MeasurementView(**item, **_not_measured(after, run.timestamp, now, can_tell=can_tell)))
            continue
        compared = compare(after.predicted, after.realised, SPAN.total_seconds())
        if after.alone:
            counted.append(compared)
        items.append(
            MeasurementView(
                **item,
                state="measured" if after.alone else "not_alone",
                why=None if after.alone else NOT_ALONE,
                start=after.start,
                end=after.end,
                others=list(after.others),
                source=after.predicted.source,
                media=list(after.realised.media),
                figures=compared.figures,
                blame=compared.blame,
            )
        )
    return CalibrationPage(
        queue_id=queue_id,
        measured=len(counted),
        sentence=sentence(counted) if can_tell or counted else CANNOT_TELL,
        summary=summarise(counted),
        items=items,
        next=token,
    )


def _not_measured(after: Measurement | None, completed: str, now: datetime, *, can_tell: bool) -> dict[str, Any]:
    if after:
        return {"state": "not_comparable", "why": after.why}
    if not can_tell:
        return {"state": "cannot_tell", "why": CANNOT_TELL}
    if completed < timestamp(now - LOOK_BACK):
        return {"state": "missed", "why": "It was not measured within a day: see the log group of CalibrateFunction."}
    return {"state": "pending", "why": "The two whole half-hours after it are not over, or have not been read yet."}


def new_forecast(raw: str | bytes, pushed_by: str | None, now: float) -> PushedForecast:
    """Read a pushed forecast from JSON text; `now` in epoch seconds. Raises RequestInvalid with every problem."""
    new, problems = read(raw, NewForecast)
    if new is not None:
        begins = max(now, new.valid_from.timestamp()) if new.valid_from else now
        expires = new.expires_at.timestamp() if new.expires_at else begins + (new.ttl_s or DEFAULT_TTL_S)
        if new.valid_from and begins > now + MAX_TTL_S:
            problems.append(problem("valid_from", "must be within 31 days from now", "time_invalid"))
        elif not begins < expires <= begins + MAX_TTL_S:
            message = "must be after now and after valid_from, by at most 31 days"
            problems.append(problem("expires_at", message, "time_invalid"))
    if problems or new is None:
        raise request_invalid(*problems)
    volume = StatedVolume.model_validate(new.model_dump(include=set(StatedVolume.model_fields)))
    return PushedForecast(
        Volume.of(volume).load,
        volume,
        detail=new.source or "",
        updated_at=now,
        pushed_by=pushed_by,
        valid_from=new.valid_from.timestamp() if new.valid_from else None,
        expires_at=math.ceil(expires),
    )


def forecast_view(queue_id: str, stored: PushedForecast, now: float) -> ForecastView:
    return ForecastView(
        queue_id=queue_id,
        state=stored.state(now),
        load=stored.load,
        forecast=stored.volume,
        source=stored.detail or None,
        pushed_at=_shown(stored.updated_at),
        pushed_by=stored.pushed_by,
        age_s=stored.age_s(now),
        valid_from=_shown(stored.valid_from),
        expires_at=_shown(stored.expires_at),
    )


def _shown(at: float | None) -> str | None:
    return None if at is None else timestamp(datetime.fromtimestamp(at, UTC))


def problem_of(error: RoutingWeightsError) -> ProblemDetails:
    details = error.details
    return ProblemDetails(
        type=error.problem_type(),
        title=error.title,
        status=error.http_status,
        detail=sendable(error.message),  # it may quote a path, or an id in it
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
        raise request_invalid(problem(name, message, "time_invalid")) from None
