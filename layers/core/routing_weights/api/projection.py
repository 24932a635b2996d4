"""What the API shows of a projection."""

from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from routing_weights.projection.checks import ALWAYS, GATES


class CheckView(BaseModel):
    """One check of a projection."""

    name: str = Field(description=f"One of {', '.join((*ALWAYS, *GATES))}.")
    verdict: str = Field(description="pass, blocked, needs_approval or inconclusive")
    required: bool = Field(description="False: the check is shown and decides nothing.")
    sentence: str
    value: float | None
    threshold: float | None
    low: float | None = Field(default=None, description="The lower bound of the 95 % interval of a simulated value.")
    high: float | None = None
    sample_size: int | None = Field(default=None, description="Simulated contacts; null for a closed form.")
    source: str = Field(description="Where the load comes from.")
    remedy: dict[str, float] = Field(
        default_factory=dict,
        description="What would pass: agents in one pool, contacts offered per interval, or overflow_threshold.",
    )


class SkillView(BaseModel):
    """How a required skill is covered by the active agents."""

    agents: float = Field(description="The share of agents who have the skill with the required proficiency.")
    weight: float = Field(description="The share of the weight that these agents have.")
    weight_without_skill: list[str] = Field(description="Members who have a weight and lack the skill.")
    below_proficiency: dict[str, float | None] = Field(
        default_factory=dict,
        description="Members who have the skill with too low a proficiency, and their proficiency; null if Genesys "
        "does not show it.",
    )


class ObservedView(BaseModel):
    """The queue at the moment of the projection. A dry run under `platform` asks Genesys; else the members count."""

    on_queue: dict[str, int] = Field(description="Agents by routing status; ON_QUEUE if the status is not known.")
    waiting: int | None = Field(description="Contacts; null if the source does not know.")
    interacting: int | None
    at: float = Field(description="Epoch seconds.")
    source: str = Field(description="observations or members")


class MemberDiff(BaseModel):
    """What would be written for one member, in the order of the writes."""

    member: str
    before: float | None = Field(description="The weight that the value before stands for; null if it stands for none.")
    after: float | None
    value_before: int | float | bool | None = Field(description="On the wire.")
    value_after: int | float | bool | None


class SettingDiff(BaseModel):
    setting: str
    before: float | str | None
    after: float | str | None


class DiffView(BaseModel):
    """What the plan would change. Known before the first write; `changes` has what was read back afterwards."""

    settings: list[SettingDiff]
    members: list[MemberDiff]


class ExpectedView(BaseModel):
    """What the distribution is expected to take, before its first write. Afterwards `effort` and `cost` are counted."""

    requests: int
    reads: int
    writes: int = Field(description="Exact if nobody else changes the queue.")
    seconds: float = Field(description="Without any rate limit.")
    seconds_at_the_budget: float = Field(description="At the rate that is granted once Genesys shows a limit.")
    transitions: int | None = Field(default=None, description="Of the state machine.")
    usd: float | None = Field(default=None, description="US dollars for AWS, at list prices.")
    prices_of: str | None = Field(default=None, description="The region and the date of the prices.")
    sentence: str | None = None


class StaffingView(BaseModel):
    """Which agents a projection counts."""

    staffing: Literal["now", "joined"] | int = Field(description="From the plan, or from the plan's door.")
    agents: int = Field(description="How many agents that is once the plan is applied.")
    sentence: str


class NeighbourView(BaseModel):
    """A queue of the same fleet that some of the agents serve too."""

    queue_id: str
    load: float = Field(description="Erlangs that the shared agents carry for it: of_load x shared_agents / agents.")
    of_load: float = Field(description="Erlangs of the whole queue.")
    shared_agents: int = Field(description="How many agents serve both queues, as the two plans say.")
    agents: int = Field(description="How many agents serve the other queue, as its plan says.")
    source: str = Field(description="Where its load comes from.")
    age_s: float | None = None
    stale: bool = False
    assumed: list[str] = Field(default=[], description="Inputs that nobody has given.")
    detail: str = ""
    media: list[str] = []
    notes: list[str] = Field(default=[], description="The forecast sources that had no forecast, each with the reason.")


class PooledView(BaseModel):
    """The contacts of all these queues that the agents take, as the models count them."""

    offered: float
    interval_s: float
    aht_s: float


class LeftOutView(BaseModel):
    """Further queues of the fleet that some of the agents serve. Their load is not counted."""

    queues: int
    agents: int = Field(description="How many agents serve one of them: they can take at most so many erlangs.")


class NotShownView(BaseModel):
    """Queues of the fleet that are not yours, as one load."""

    queues: int
    load: float = Field(description="Erlangs that the shared agents carry for them.")


class NeighboursView(BaseModel):
    """Other queues of the fleet that the same agents serve: projected together, so that their time counts once."""

    own_load: float = Field(description="Erlangs of the queue itself. projected_load is the sum.")
    queues: list[NeighbourView]
    pooled: PooledView | None = Field(default=None, description="Null if the queue's own volume is not known.")
    left_out: LeftOutView | None = None
    not_shown: NotShownView | None = Field(default=None, description="Null if all of these queues are yours.")


class ProjectionView(BaseModel):
    """What the plan will do, with the figures that decided."""

    verdict: str = Field(description="pass, blocked, needs_approval or inconclusive")
    reason: str
    active_agents: int = Field(description="How many agents count: see staffing.")
    staffing: StaffingView | None = None
    members_read: int
    absent: dict[str, int] = Field(
        default_factory=dict,
        description="How many members cannot take work and are not counted, by reason: a routing status such as "
        "NOT_RESPONDING, 'not joined', 'no routing status', 'user inactive', 'user deleted'.",
    )
    capacity: float = Field(description="Erlangs: active agents x utilization target.")
    projected_load: float = Field(
        description="Erlangs, those that the agents carry for other queues of the fleet included."
    )
    source: str = Field(description="Where the queue's own load comes from: docs/use/forecasts.md has the sources.")
    source_age_s: float | None = None
    source_detail: str = ""
    source_media: list[str] = Field(default=[], description="The media that were counted, if the source says.")
    saturation_ratio: float | None = Field(description="Load / capacity; null without capacity.")
    saturation_limit: float
    queue_threshold_ratio: float | None = Field(
        default=None,
        description="Load / (active agents x the queue's own threshold). It decides nothing.",
    )
    skill_coverage: dict[str, float] = Field(description="The share of active agents who have each required skill.")

    checks: list[CheckView] = Field(
        default_factory=list, description="The checks that decided, and those that are shown only."
    )
    neighbours: NeighboursView | None = Field(
        default=None, description="The load that the agents carry for other queues of the same fleet; null without any."
    )
    models: dict[str, Any] | None = Field(
        default=None,
        description="Service level, abandonment, wait and occupancy before and after, by Erlang C, Erlang A and a "
        "simulation of the ranking, with its inputs. Indicative if only a load is known. For actuator share, "
        "simulation.shares has what each member attains, the cost, and in a dry run the frontier of hold times.",
    )
    skills: dict[str, SkillView] = Field(default_factory=dict)
    expected: ExpectedView | None = None
    observed: ObservedView | None = None
    diff: DiffView | None = None
    notes: list[str] = Field(
        default_factory=list, description="The forecast sources that had no forecast, each with the reason."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_releases(cls, document: Any) -> Any:
        """Records of earlier releases have what was expected at `effort`."""
        if isinstance(document, dict) and "effort" in document:
            return {"expected": document["effort"], **document}
        return document
