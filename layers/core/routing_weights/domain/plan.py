"""A plan: what is wanted for one queue, and what makes it valid."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from routing_weights.domain import strict_json
from routing_weights.domain.actuators import ActuatorName, stored_class
from routing_weights.domain.problems import Location, Problem, as_sentence, listed, problem, problems_of
from routing_weights.domain.strategies import OverflowGroup, strategies
from routing_weights.domain.types import (
    DISTRIBUTION_ID,
    LINE,
    MAX_PROFICIENCY,
    GenesysId,
    InstantText,
    Line,
    Share,
    ShareOptions,
    folded,
)
from routing_weights.domain.volume import MAX_LOAD, StatedVolume
from routing_weights.domain.weights import normalized, same_members, weight_sum
from routing_weights.errors import PlanInvalid

MAX_MEMBERS = 5_000
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=365)
"""The bounds of a temporary plan. EventBridge Scheduler is exact to the minute, and starts nothing in the past."""
MOST_RESTORED = 20
NO_DISTRIBUTION = "none"
"""Of `based_on`: no distribution has been applied to the queue."""
SAME_MEMBER, SUM = "duplicate_member", "weight_sum"
STRATEGY_NAME = r"^[A-Za-z0-9._-]{1,64}$"
NO_SKILL = "actuator proficiency writes a skill that is dedicated to the queue: name it, by id or name"

PATTERNS = {
    "queue_id": "an id is 1 to 64 letters, digits, '-' and '_'",
    "strategy_reference": "a strategy's name is 1 to 64 letters, digits, '.', '-' and '_'",
    "based_on": f"the id of a distribution, or {NO_DISTRIBUTION}",
    "overflow_groups": "an id is 1 to 64 letters, digits, '-' and '_'",
}
"""The pattern of each field, in words."""
NO_CONTROL_CHARACTERS = "line breaks and control characters are not allowed"

BasedOn = Annotated[str, StringConstraints(pattern=DISTRIBUTION_ID, strict=True)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=LINE, strict=True)]


class Restores(BaseModel):
    """The image that a plan restores, instead of applying its weights."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    distribution_id: Annotated[str, StringConstraints(pattern=DISTRIBUTION_ID, strict=True)]
    image: Literal["before", "after"] = "before"
    also: list[Annotated[str, StringConstraints(pattern=DISTRIBUTION_ID, strict=True)]] = Field(
        default_factory=list,
        max_length=MOST_RESTORED,
        description="Further distributions, each earlier than the last: their before-images are restored as well.",
    )
    drift: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", strict=True)] | None = Field(
        default=None,
        description="The drift that a repair was decided on: if anything else has changed since, nothing is written. "
        "The system sets this.",
    )
    unedited: bool = Field(
        default=False,
        description="Only if the queue still holds what that distribution has set: otherwise nothing is written. The "
        "system sets this.",
    )


class SharedQueue(BaseModel):
    """Another queue that some of the agents serve."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    queue_id: GenesysId
    forecast: StatedVolume | None = Field(
        default=None, description="When absent, the forecast that was pushed for that queue."
    )


class RequiredSkill(BaseModel):
    """A skill that an agent needs for the queue's contacts."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    skill: Line = Field(description="The skill, by id or name.")
    min_proficiency: Annotated[float, Field(ge=0, le=MAX_PROFICIENCY, allow_inf_nan=False, strict=True)] = Field(
        default=0.0, description="The lowest proficiency that is enough, on Genesys' scale of 0 to 5; 0: any."
    )

    def __str__(self) -> str:
        return f"{self.skill} >= {self.min_proficiency:g}" if self.min_proficiency else self.skill

    def met_by(self, held: Mapping[str, float | None]) -> bool:
        """True if these proficiencies, by skill, are enough. A proficiency that Genesys does not show counts as 0."""
        return self.key in held and (held[self.key] or 0.0) >= self.min_proficiency

    @property
    def key(self) -> str:
        """The skill as Member.skills has it."""
        return folded(self.skill)


def _form_of(required: Any) -> str | None:
    return "name" if isinstance(required, str) else "skill" if isinstance(required, dict | RequiredSkill) else None


def _form_of_staffing(staffing: Any) -> str | None:
    return "word" if isinstance(staffing, str) else "number" if type(staffing) is int else None


STAFFING_FORMS = f"staffing is now, joined, or a number of agents from 1 to {MAX_MEMBERS}"
Staffing = Annotated[
    Annotated[Literal["now", "joined"], Tag("word")]
    | Annotated[int, Field(ge=1, le=MAX_MEMBERS, strict=True), Tag("number")],
    Discriminator(
        _form_of_staffing,
        custom_error_type="staffing_type",
        custom_error_message=STAFFING_FORMS,
    ),
]

SkillOrName = Annotated[
    Annotated[Line, Tag("name")] | Annotated[RequiredSkill, Tag("skill")],
    Discriminator(
        _form_of,
        custom_error_type="skill_type",
        custom_error_message='a skill is an id or name, or {"skill": its id or name, "min_proficiency": 0 to 5}',
    ),
]


class Plan(BaseModel):
    """What is wanted for one queue, the same for every door."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    queue_id: GenesysId = Field(description="The queue's id.")
    member_weights: dict[GenesysId, Share] = Field(
        min_length=1,
        max_length=MAX_MEMBERS,
        description="The preference for each member, by user id, in [0, 1]; they sum to at most 1.",
    )
    overflow_threshold: Share = Field(description="The utilization at which the queue overflows, in [0, 1].")
    utilization_target: Share = Field(
        description="The share of an agent's time that may be busy, in [0, 1]: capacity = active agents x target."
    )
    strategy_reference: Annotated[str, StringConstraints(pattern=STRATEGY_NAME, strict=True)] = Field(
        description="The entry of the strategies file that says how Genesys is to use the weights."
    )
    staffing: Staffing | None = Field(
        default=None,
        description="Which agents the projection counts: now, those who can take work at this moment; joined, every "
        "member who is joined to the queue; or a number of agents. When absent: joined from a schedule, else now.",
    )
    actuator: ActuatorName | None = Field(
        default=None,
        description="The Genesys mechanism that carries the weights. When absent, the strategy's or the deployment's.",
    )
    skill: Line | None = Field(
        default=None,
        description="For actuator proficiency: the skill, by id or name, that is dedicated to this queue.",
    )
    share: ShareOptions | None = Field(
        default=None, description="For actuator share: how strict the shares are. When absent, as the strategy says."
    )
    overflow_groups: list[OverflowGroup] = Field(
        default_factory=list,
        max_length=5,
        description="The groups that Genesys calls in while the queue's service level is below overflow_threshold. If "
        "neither the plan nor the strategy has any, the threshold is a gate of this system; under contract score it is "
        "a field of the queue.",
    )
    projected_load: Annotated[float, Field(ge=0, le=MAX_LOAD, allow_inf_nan=False, strict=True)] | None = Field(
        default=None,
        description="The load to project with, in erlangs. When both it and forecast are absent, the deployment's "
        "forecast sources are asked.",
    )
    forecast: StatedVolume | None = Field(
        default=None,
        description="The volume to project with, instead of projected_load. It gives service level, abandonment too.",
    )
    accept_uncertain: bool = Field(
        default=False,
        description="Accepts that the forecast is stale or assumed, or that the projection is uncertain.",
    )
    require_approval: bool = Field(
        default=False,
        description="Waits for somebody's approval before the first write, whatever the deployment's policy says.",
    )
    shared_with: list[SharedQueue] = Field(
        default_factory=list,
        max_length=3,
        description="Other queues that the same agents serve. They are projected together with this one, unchanged. "
        "They count only if this queue's offered volume and handle time are known.",
    )
    required_skills: list[SkillOrName] = Field(
        default_factory=list,
        max_length=20,
        description="Skills that active agents must cover, each by id or name, or with the lowest proficiency.",
    )
    wrap_up_timeout_s: Annotated[int, Field(ge=1, le=3600, strict=True)] | None = Field(
        default=None, description="The queue's wrap-up time-out in seconds. When absent it is not changed."
    )
    normalize: bool = Field(default=False, description="Scale weights proportionally when they sum to more than 1.")
    restores: Restores | None = Field(
        default=None,
        validate_default=True,
        description="Restore what the queue held before, or after, a distribution: the values of its members and the "
        "settings that it set. The rest of the plan is that distribution's. The API's restore routes set this.",
    )
    based_on: BasedOn | None = Field(
        default=None,
        description="The distribution that was applied last when this plan was made, or none: as in_force of GET "
        "/queues/{queue_id} has it. If another one has been applied since, nothing is written, and the status is "
        "outdated. When absent, that does not matter.",
    )
    until: InstantText | None = Field(
        default=None,
        description="The end of a temporary plan, in RFC 3339 with an offset, to the second: the queue is reverted to "
        "what it held before. From a minute to 365 days after the start.",
    )
    on_drift: Literal["record", "notify", "repair"] | None = Field(
        default=None,
        description="What to do when somebody else changes what this plan has set. record: put it on record. notify: "
        "also send an event on the bus. repair: also apply the plan again once the change is RepairAfterS old. With "
        "any of them the queue is read every DriftPatrolMinutes; when absent it is record, and the queue is read only "
        "after an event of Genesys.",
    )
    wait_for_lock_s: Annotated[int, Field(ge=0, le=3600, strict=True)] = Field(
        default=0, description="How long to wait, in seconds, for another distribution of the queue to end."
    )
    dry_run: bool = Field(default=False, description="Validate and project, write nothing to Genesys.")
    requested_by: Line | None = Field(default=None, description="The person who wants this, for the audit record.")
    reason: Reason | None = Field(default=None, description="Why, for the audit record.")

    @field_validator("member_weights", mode="before")
    @classmethod
    def _each_member_once(cls, weights: Any) -> Any:
        if twice := same_members(weights):
            raise PydanticCustomError(SAME_MEMBER, "{names} are one member: ids compare without regard to case",
                                      {"names": " and ".join(twice[:10])})  # fmt: skip
        return weights

    @field_validator("forecast")
    @classmethod
    def _is_the_only_load(cls, forecast: StatedVolume | None, info: ValidationInfo) -> StatedVolume | None:
        if forecast is not None and info.data.get("projected_load") is not None:
            raise ValueError("the plan has projected_load too, which could contradict it: send one of them")
        return forecast

    @field_validator("restores")
    @classmethod
    def _sum_is_at_most_one(cls, restores: Restores | None, info: ValidationInfo) -> Restores | None:
        """The rule on `member_weights`, at the last field that it depends on: other fields' problems do not hide it.

        A plan that restores an earlier image applies no weights.
        """
        total = weight_sum(info.data.get("member_weights", {}))
        if total > 1 and restores is None and not info.data.get("normalize"):
            message = "the weights sum to {total}, more than 1: lower them, or set normalize to true"
            raise PydanticCustomError(SUM, message, {"total": f"{total:.12g}"})
        return restores

    @property
    def drift_policy(self) -> Literal["record", "notify", "repair"]:
        return self.on_drift or "record"

    @property
    def queues_named(self) -> tuple[str, ...]:
        """The plan's queue, and those whose load it counts."""
        return (self.queue_id, *(shared.queue_id for shared in self.shared_with))

    @property
    def is_repair(self) -> bool:
        """True if the plan restores what drift has changed, and nothing else."""
        return self.restores is not None and self.restores.drift is not None

    @property
    def overwrites_no_edit(self) -> bool:
        """True if the plan was decided on for one state of the queue, and leaves every later edit."""
        return self.is_repair or (self.restores is not None and self.restores.unedited)

    @cached_property
    def weights(self) -> dict[str, float]:
        """The weights to apply. With `normalize`, weights that sum to more than 1 are scaled."""
        return normalized(self.member_weights) if self.normalize else self.member_weights

    def __copy__(self) -> Self:
        """`model_copy` changes fields of the copy, so its weights are computed again."""
        copied = super().__copy__()
        copied.__dict__.pop("weights", None)
        return copied

    @property
    def requested(self) -> dict[str, float]:
        """The weights that somebody asked for: none for a revert, whose weights are those of an image."""
        return {} if self.restores else self.weights

    @property
    def submitted(self) -> dict[str, float] | None:
        """The requested weights before they were scaled; None if they were not."""
        return None if self.restores or self.weights == self.member_weights else self.member_weights

    @property
    def counts(self) -> "Staffing":
        """Which agents count: `now` if neither the plan nor its door says."""
        return self.staffing or "now"

    @property
    def requirements(self) -> list[RequiredSkill]:
        return [RequiredSkill(skill=skill) if isinstance(skill, str) else skill for skill in self.required_skills]

    def canonical(self) -> str:
        """The plan as JSON text, with sorted keys and without defaults: equal plans have equal texts."""
        return json.dumps(
            self.model_dump(exclude_defaults=True), sort_keys=True, separators=(",", ":"), allow_nan=False
        )

    def fingerprint(self) -> str:
        """SHA-256 of the canonical text, hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()


def parse_plan(raw: str | bytes) -> Plan:
    """Read a plan from JSON text.

    Raises:
        PlanInvalid: with every problem at once, each with its path.
    """
    document, hidden = strict_json.load(raw)
    if document is None and hidden:
        raise plan_invalid(hidden)
    plan, problems = check_plan(document)
    if plan is None or hidden:
        raise plan_invalid(hidden + problems)
    return plan


def check_plan(document: Any) -> tuple[Plan | None, list[Problem]]:
    """The plan that a JSON document is, or None and every problem."""
    plan, problems = None, []
    try:
        plan = Plan.model_validate(document)
    except ValidationError as error:
        for found in problems_of(error, _in_words):
            if found["type"] == SAME_MEMBER:
                names = same_members(document["member_weights"])
                problems += [problem(f"{found['path']}.{name[:80]}", found["message"], SAME_MEMBER) for name in names]
            else:
                problems.append(found)
    if not (isinstance(document, dict) and document.get("restores")):  # a revert keeps the decision of its distribution
        problems.extend(_strategy_problems(document))
    return (None, problems) if problems else (plan, [])


def only_shares(actuator: str) -> str:
    return f"the plan's actuator is {actuator}, whose values are no shares: leave this out, or take actuator share"


def plan_invalid(problems: Sequence[Problem]) -> PlanInvalid:
    return PlanInvalid(as_sentence(problems, "plan"), **listed(problems))


def _in_words(location: Location, message: str, kind: str) -> tuple[Location, str, str]:
    """Where the value is in the plan as it was sent, and what its rule says."""
    field, *rest = location or ("",)
    if kind == SUM:
        return ("member_weights",), message, kind
    if field == "staffing":
        return (field,), STAFFING_FORMS, kind
    if field == "required_skills":
        location = (field, *rest[:1], *rest[2:])  # without the form of the skill: a name, or an object
    if location and location[-1] == "[key]":
        return location[:-1], PATTERNS["queue_id"], kind
    if kind == "string_pattern_mismatch":
        message = PATTERNS.get(str(field), NO_CONTROL_CHARACTERS)
    return location, message, kind


def _strategy_problems(document: Any) -> list[Problem]:
    """The problems that the strategies file finds. A field that is wrong in itself is a problem already."""
    if not isinstance(document, dict) or not isinstance(document.get("strategy_reference"), str):
        return []
    name, actuator = document["strategy_reference"], document.get("actuator")
    known = strategies()
    if name not in known:
        if not re.fullmatch(STRATEGY_NAME, name):
            return []
        message = f"there is no strategy {name}; there are {', '.join(sorted(known))}"
        return [problem("strategy_reference", message, "strategy_unknown")]
    wanted = known[name].actuator
    if actuator is not None and wanted is not None and actuator != wanted:
        message = f"strategy {name} is for actuator {wanted}: name that one, none, or another strategy"
        return [problem("actuator", message, "actuator_mismatch")]
    carrier, problems = stored_class(str(actuator or wanted)), list[Problem]()
    if carrier and carrier.takes_skill and document.get("skill") is None and known[name].skill is None:
        problems.append(problem("skill", NO_SKILL, "skill_missing"))
    if carrier and not carrier.takes_share and document.get("share") is not None:
        problems.append(problem("share", only_shares(carrier.name), "share_unused"))
    return problems
