"""The input of an execution of the state machine: one of seven forms of a plan, or an answer.

A person writes the first two and the answer into the console. Our own doors start the other five.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from routing_weights.domain.plan import NO_CONTROL_CHARACTERS, Reason, plan_invalid
from routing_weights.domain.problems import Location, problem, problems_of
from routing_weights.domain.record import timestamp
from routing_weights.domain.revert import BaselineName, RevertOptions
from routing_weights.domain.run import EXPIRY_OF, Origin
from routing_weights.domain.schedule.timing import TimingFields
from routing_weights.domain.types import DISTRIBUTION_ID, ApprovalAnswer, ContentHash, FleetId
from routing_weights.errors import AnswerNotPlan

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.domain.schedule.schedule import Schedule
    from routing_weights.errors import PlanInvalid

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""EventBridge Scheduler replaces this by the time of the run, in UTC: not when the run began, which may be later."""

LONGEST_LINE = 4_194_304
"""In bytes: a plan of 1 MiB, and the places of its neighbours."""

DistributionId = Annotated[str, StringConstraints(pattern=DISTRIBUTION_ID, strict=True)]


class BarePlan(BaseModel):
    """A plan as a person writes it, or anything else: it is not validated yet."""

    model_config = ConfigDict(frozen=True)
    KEY: ClassVar[str] = ""

    document: Any

    def to_json(self) -> Any:
        return self.document


class Revert(RevertOptions):
    """A person reverts a queue to the image of a distribution."""

    KEY: ClassVar[str] = "restore"

    restore: DistributionId
    image: Literal["before", "after"] = "before"

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(exclude_defaults=True)

    @property
    def options(self) -> RevertOptions:
        return RevertOptions.model_construct(**self.model_dump(include=set(RevertOptions.model_fields)))


class Asked(TimingFields):
    """A schedule as somebody asked for it. Each of its runs carries it."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    set_at: str
    set_by: str

    @property
    def timing(self) -> TimingFields:
        return TimingFields.model_construct(**{name: getattr(self, name) for name in TimingFields.model_fields})


class _OurDoors(BaseModel):
    """What one of our own doors starts, a schedule among them."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    origin: Origin = Origin()
    schedule: Asked | None = None
    scheduled_at: str | None = None
    """The time of the run in RFC 3339, or SCHEDULED_TIME."""

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class FromPlanRef(_OurDoors):
    """A plan that one of our doors accepted and kept."""

    KEY: ClassVar[str] = "plan_ref"

    plan_ref: Annotated[str, StringConstraints(pattern=r"^plans/[0-9a-f]{64}\.json$", strict=True)]


class FromBaseline(_OurDoors):
    """A schedule reverts a queue to a baseline, as the baseline is at that moment."""

    KEY: ClassVar[str] = "baseline"

    baseline: BaselineName


class Expiry(BaseModel):
    """A temporary plan ends: the queue is reverted to what it held before."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    KEY: ClassVar[str] = "returns"

    returns: DistributionId

    def to_json(self) -> dict[str, str]:
        return self.model_dump()

    @property
    def origin(self) -> Origin:
        return Origin(door="schedule", caller=f"{EXPIRY_OF}{self.returns}")


class FromFleet(BaseModel):
    """A plan of a fleet: its line in the fleet's plans.jsonl, as a range of bytes."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    KEY: ClassVar[str] = "fleet"

    fleet: FleetId
    number: int = Field(ge=0)
    start: int = Field(ge=0)
    length: int = Field(ge=2, le=LONGEST_LINE)
    origin: Origin = Origin(door="fleet")

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class FleetRevert(BaseModel):
    """A fleet is reverted: one of its queues gets what it held before, unless somebody has changed it since."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    KEY: ClassVar[str] = "reverts"

    reverts: DistributionId
    fleet_id: FleetId
    origin: Origin = Origin(door="fleet")

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class ConsoleAnswer(BaseModel):
    """A person approves or rejects a distribution that waits."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    KEYS: ClassVar[frozenset[str]] = frozenset({"approves", "rejects"})

    approves: DistributionId | None = None
    rejects: DistributionId | None = None
    reason: Reason
    hash: ContentHash | None = None

    @property
    def answer(self) -> ApprovalAnswer:
        return "rejected" if self.approves is None else "approved"

    @property
    def path(self) -> str:
        return "rejects" if self.approves is None else "approves"

    @property
    def distribution_id(self) -> str:
        return self.approves or self.rejects or ""


Ours = FromPlanRef | FromBaseline | Expiry | FromFleet | FleetRevert
OURS: tuple[type[Ours], ...] = (Expiry, FromBaseline, FromPlanRef, FromFleet, FleetRevert)
ExecutionInput = BarePlan | Revert | FromPlanRef | FromBaseline | Expiry | FromFleet | FleetRevert


def parse(document: Any) -> ExecutionInput:
    """Read an execution's input, which is not trusted. Each form but the bare plan has a key that no plan has.

    Raises:
        AnswerNotPlan: the input has the key of an answer, see `console_answer`.
        PlanInvalid: the input has the key of a form and breaks a rule of it.
    """
    if not isinstance(document, dict):
        return BarePlan(document=document)
    if document.keys() & ConsoleAnswer.KEYS:
        raise AnswerNotPlan("The input answers a distribution that waits for approval.")
    if Revert.KEY in document:
        try:
            return Revert.model_validate(document)
        except ValidationError as error:
            raise plan_invalid(problems_of(error, _of_a_revert)) from error
    for form in OURS:
        if form.KEY in document:
            return _ours(form, document)
    return BarePlan(document=document)


def console_answer(document: Any) -> ConsoleAnswer:
    """Read the input of an execution that answers. Raises PlanInvalid, with every problem."""
    try:
        answer = ConsoleAnswer.model_validate(document)
    except ValidationError as error:
        raise plan_invalid(problems_of(error)) from error
    if (answer.approves is None) == (answer.rejects is None):
        raise plan_invalid([problem("approves", "name one distribution, in approves or in rejects", "answer_invalid")])
    return answer


def asker_in(document: Any, given: ExecutionInput) -> str:
    """Whoever wants the run, as a door of ours has verified it. Empty for a start in the console.

    The run of a schedule is wanted by the caller who put the schedule. Repairs and expiries are the system's own.
    """
    origin = origin_of(given)
    if origin.door != "schedule" or isinstance(given, Expiry):
        return origin.caller
    asked = document.get("schedule")
    set_by = asked.get("set_by") if isinstance(asked, dict) else None
    return set_by if isinstance(set_by, str) else ""


def scheduled(schedule: Schedule, plan_ref: str | None, set_by: str, now: datetime) -> FromPlanRef | FromBaseline:
    """What every run of a schedule is started with. `plan_ref` is that of its plan, None if it has a baseline."""
    timing = {name: getattr(schedule, name) for name in TimingFields.model_fields}
    asked = Asked.model_construct(**timing, set_at=timestamp(now), set_by=set_by)
    origin = Origin(door="schedule", caller=schedule.name)
    if schedule.baseline:
        return FromBaseline(baseline=schedule.baseline, origin=origin, schedule=asked, scheduled_at=SCHEDULED_TIME)
    return FromPlanRef(plan_ref=plan_ref or "", origin=origin, schedule=asked, scheduled_at=SCHEDULED_TIME)


def origin_of(given: ExecutionInput) -> Origin:
    match given:
        case FromPlanRef() | FromBaseline() | Expiry() | FromFleet() | FleetRevert():
            return given.origin
        case BarePlan() | Revert():
            return Origin()
        case _:
            assert_never(given)


def claimed_origin(document: Any) -> Origin:
    """The origin that an input claims, for the record of its refusal; the default if it claims none."""
    try:
        return Origin.model_validate(document["origin"])
    except (TypeError, LookupError, ValidationError):
        return Origin()


def _ours(form: type[Ours], document: dict[str, Any]) -> Ours:
    schedule = document.get("schedule")
    if not isinstance(schedule, dict) or schedule.get("until") is None:
        # Nothing of a schedule matters to its run, except the end of a temporary plan.
        document = {name: value for name, value in document.items() if name not in {"schedule", "scheduled_at"}}
    try:
        return form.model_validate(document)
    except ValidationError as error:
        paths = [str(entry["loc"][0]) if entry["loc"] else "" for entry in error.errors(include_input=False)]
        raise not_ours(*dict.fromkeys(paths)) from error


def not_ours(*paths: str) -> PlanInvalid:
    message = "not one that this system made: send the plan itself"
    return plan_invalid(
        [problem(path, message, "origin_invalid" if path == "origin" else "reference_invalid") for path in paths]
    )


def _of_a_revert(location: Location, message: str, kind: str) -> tuple[Location, str, str]:
    match location[0] if location else "", kind:  # a field whose name is no Unicode has no place
        case "restore", _:
            return location, "not the id of a distribution", "reference_invalid"
        case "image", _:
            return location, "neither before nor after", "image_unknown"
        case _, "string_pattern_mismatch":
            return location, NO_CONTROL_CHARACTERS, kind
    return location, message, kind
