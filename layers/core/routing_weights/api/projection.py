"""What the API shows of a projection."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from routing_weights.projection.checks import ALWAYS, GATES


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
