"""Check `saturation`: the load fits the active agents, and somebody has each required skill.

capacity [erlangs] = active agents x the plan's utilization target
saturation ratio   = projected load [erlangs] / capacity

The load is that of the queue, and what its agents carry for other queues of the same fleet (inputs.Forecast.total).
Active agents are those whose presence the plan counts (checks.staffing). The deployment sets the limit
(SaturationLimit). It decides for every plan.

The source document multiplies by the queue's own overflow threshold instead, which the same run then overwrites, so
that an accepted plan would block its own repetition. That figure is reported as `queue_threshold_ratio` and gates
nothing (ADR 4).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Queue
from routing_weights.errors import QueueSaturated, SkillNotCovered
from routing_weights.projection.checks.base import Check, Drawn
from routing_weights.projection.inputs import Forecast

RATIO_TOLERANCE = 1e-9
"""45.6 erlangs on 48 is 0.95, not 0.9500000000000001."""
MIN_CAPACITY = 1e-9
"""Erlangs. With less there is no capacity at all, and a ratio would mean nothing."""
DRAWN = Drawn("number", "at most", "saturation")
NAMED_QUEUES = 3
"""Other queues of the fleet that a sentence names; the rest is a sum."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The coverage of one required skill."""

    agents: float
    """The share of active agents who are proficient enough in it, in [0, 1]."""
    weight: float
    """Their share of the active agents' weight, in [0, 1]."""
    weight_without_skill: list[str]
    """The active members who have a weight and not the skill."""
    below_proficiency: dict[str, float | None]
    """The active members who have the skill and are not proficient enough, with their proficiency; None: unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """The ratio with the figures that it is made of."""

    verdict: Literal["pass", "blocked"]
    reason: str
    active_agents: int
    members_read: int
    absent: dict[str, int]
    """By reason, such as NOT_RESPONDING, how many members are not among the active agents."""
    capacity: float
    projected_load: float
    """Of the queue, and of what its agents carry for other queues of the fleet."""
    saturation_ratio: float | None
    """None without capacity."""
    saturation_limit: float
    queue_threshold_ratio: float | None
    source: str
    source_age_s: float | None
    source_detail: str
    source_media: list[str]
    """The media that were counted; empty where the source does not say."""
    skills: Mapping[str, Coverage]
    """By required skill."""

    @property
    def uncovered(self) -> list[str]:
        """The required skills that no active agent has."""
        return [skill for skill, covered in self.skills.items() if not covered.agents]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"skill_coverage": {skill: covered.agents for skill, covered in self.skills.items()}}

    def raise_if_blocked(self) -> None:
        """Raise QueueSaturated or SkillNotCovered where the verdict is `blocked`, with the reason as its message."""
        if self.verdict == "blocked":
            ratio, limit = self.saturation_ratio, self.saturation_limit
            fits = self.active_agents > 0 and ratio is not None and ratio <= limit + RATIO_TOLERANCE
            raise (SkillNotCovered if self.uncovered and fits else QueueSaturated)(self.reason)


def saturation(
    plan: Plan,
    queue: Queue,
    forecast: Forecast,
    *,
    limit: float,
    overflow_gate: bool = False,
    unstaffed: bool = False,
) -> Saturation:
    """Compare the load of `plan` with the capacity of `queue`.

    Args:
        plan: a valid plan.
        queue: the queue once the plan is applied, with those active whose presence the plan counts.
        forecast: the load to expect, in erlangs.
        limit: the saturation ratio above which a plan is blocked, in (0, 1].
        overflow_gate: True: nothing in Genesys carries the plan's overflow threshold, so a load above it blocks.
        unstaffed: True: nobody counts with or without the plan, so there is no ratio, and the check of staffing
            decides.
    """
    active, absent = sum(member.active for member in queue.members), queue.absent()
    capacity = active * plan.utilization_target
    ratio, skills = _ratio(forecast.total, capacity), coverage(plan, queue)
    reasons: Sequence[str] = ()
    if not unstaffed:
        reasons = _blocks(plan, queue, forecast, active_agents=active, ratio=ratio, limit=limit, skills=skills)
        if overflow_gate and not reasons:
            reasons = _overflows(plan, queue, forecast, active_agents=active)
    if reasons and absent:
        reasons = [*reasons, not_counted(absent, len(queue.members))]
    if reasons and (more := carried(forecast)):
        reasons = [*reasons, more]
    passed = (
        f"There is nobody to measure {_erlangs(forecast)} against."
        if ratio is None
        else f"{_erlangs(forecast)} on {agents(active)} x {plan.utilization_target:g} is {ratio:.3f}, "
        f"at most the limit of {limit:g}. {carried(forecast)}".rstrip()
    )
    return Saturation(
        verdict="blocked" if reasons else "pass",
        reason=" ".join(reasons) or passed,
        active_agents=active,
        members_read=len(queue.members),
        absent=absent,
        capacity=capacity,
        projected_load=forecast.total,
        saturation_ratio=ratio,
        saturation_limit=limit,
        queue_threshold_ratio=_ratio(forecast.total, active * (queue.overflow_threshold or 0.0)),
        source=forecast.source,
        source_age_s=forecast.age_s,
        source_detail=forecast.detail,
        source_media=list(forecast.media),
        skills=skills,
    )


def coverage(plan: Plan, after: Queue) -> Mapping[str, Coverage]:
    """By required skill. `after` is the queue once the plan is applied."""
    active = [member for member in after.members if member.active]
    weight = {member.user_id: plan.weights.get(member.user_id, member.weight or 0.0) for member in active}
    total = sum(weight.values())
    by_skill = {}
    for required in plan.requirements:
        skilled = [member for member in active if required.met_by(member.skills)]
        others = [member for member in active if not required.met_by(member.skills)]
        by_skill[str(required)] = Coverage(
            agents=len(skilled) / len(active) if active else 0.0,
            weight=sum(weight[member.user_id] for member in skilled) / total if total else 0.0,
            weight_without_skill=sorted(m.user_id for m in others if plan.weights.get(m.user_id, 0.0) > 0),
            below_proficiency={
                member.user_id: member.skills[required.key]
                for member in sorted(others, key=lambda member: member.user_id)
                if required.key in member.skills
            },
        )
    return by_skill


def check(ratio: Saturation) -> Check:
    return Check(
        name="saturation",
        verdict=ratio.verdict,
        sentence=ratio.reason,
        value=ratio.saturation_ratio,
        threshold=ratio.saturation_limit,
        source=ratio.source,
        remedy=_remedy(ratio) if ratio.verdict == "blocked" else {},
        quoted=True,
    )


def fewest_agents(load: float, utilization_target: float, limit: float) -> int:
    """The fewest active agents at which the ratio is at most `limit`; `utilization_target` is above 0."""
    return math.ceil(load / (utilization_target * limit) - RATIO_TOLERANCE)


def not_counted(absent: Mapping[str, int], members: int) -> str:
    """The sentence that explains why a queue has fewer active agents than members."""
    by_reason = ", ".join(f"{count} {reason}" for reason, count in absent.items())
    return f"Not counted: {sum(absent.values())} of the {members} members ({by_reason})."


def _remedy(ratio: Saturation) -> dict[str, float]:
    """The agents that the load needs, the erlangs that the present agents can take, and when to overflow."""
    if not ratio.active_agents or ratio.saturation_ratio is None:
        return {}
    utilization_target, limit = ratio.capacity / ratio.active_agents, ratio.saturation_limit
    return {
        "agents": fewest_agents(ratio.projected_load, utilization_target, limit),
        "load": round(limit * ratio.capacity, 6),
        "overflow_threshold": round(min(1.0, limit * utilization_target), 6),
    }


def agents(active: int) -> str:
    return "1 active agent" if active == 1 else f"{active} active agents"


def _people(count: int) -> str:
    return "1 agent" if count == 1 else f"{count} agents"


def erlangs(load: float) -> str:
    return "1 erlang" if load == 1 else f"{load:g} erlangs"


def carried(forecast: Forecast) -> str:
    """The sentence about the load of other queues of the fleet; empty if there is none."""
    queues = [each for each in forecast.carried if each.load]
    parts = [f"{erlangs(each.load)} of queue {each.queue_id}, {_share(each.part)} of its load" for each in queues]
    if len(parts) > NAMED_QUEUES:
        rest = queues[NAMED_QUEUES:]
        load = erlangs(math.fsum(each.load for each in rest))
        parts[NAMED_QUEUES:] = [f"and {load} of {len(rest)} more queue{'s' * (len(rest) > 1)}"]
    sentence = "The load includes what the same agents carry for other queues of the fleet: "
    return f"{sentence}{'; '.join(parts)}." if parts else ""


def _share(part: float) -> str:
    return f"{part:.0%}" if part >= 0.01 else "less than 1%"  # noqa: PLR2004 - what is shown as 1 %


def _erlangs(forecast: Forecast) -> str:
    media = () if forecast.carried else forecast.media  # those of the queue's own contacts
    return f"{erlangs(forecast.total)}{' of ' if media else ''}{' and '.join(media)}"


def _source(forecast: Forecast) -> str:
    return ", ".join((forecast.source, *forecast.media))


def _ratio(load: float, capacity: float) -> float | None:
    return load / capacity if capacity >= MIN_CAPACITY else None


def _blocks(
    plan: Plan,
    queue: Queue,
    forecast: Forecast,
    *,
    active_agents: int,
    ratio: float | None,
    limit: float,
    skills: Mapping[str, Coverage],
) -> Sequence[str]:
    """The sentences that block the plan; empty: none does."""
    where = f"Queue {queue.queue_id}"
    reasons = []
    if active_agents == 0:
        reasons.append(
            f"{where} would have no active agents: the plan leaves none of those who can take work now in the queue. "
            "Give agents who are there a weight, or bring others on queue, then send the plan again."
        )
    elif ratio is None:
        reasons.append(
            f"{where} has no capacity: {agents(active_agents)} x a utilization target of "
            f"{plan.utilization_target:g} is none. "
            "Raise utilization_target."
        )
    elif ratio > limit + RATIO_TOLERANCE:
        reasons.append(
            f"{where} has {agents(active_agents)} x {plan.utilization_target:g} = "
            f"{erlangs(active_agents * plan.utilization_target)} of capacity; the projected load is {forecast.total:g} "
            f"({_source(forecast)}), a saturation ratio of {ratio:.3f}, above {limit:g}: lower the load to "
            f"{limit * active_agents * plan.utilization_target:.4g} erlangs, have "
            f"{_people(fewest_agents(forecast.total, plan.utilization_target, limit))} on queue, or raise "
            "utilization_target."
        )
    uncovered = [required for required in plan.requirements if not skills[str(required)].agents]
    if uncovered and active_agents:
        graded = any(required.min_proficiency for required in uncovered)
        reasons.append(
            f"No active agent of queue {queue.queue_id} has the required "
            f"skill{'s' if len(uncovered) > 1 else ''} {', '.join(map(str, uncovered))}: "
            f"assign it to an agent, {'lower min_proficiency, ' if graded else ''}or take it out of required_skills."
        )
    return reasons


def _overflows(plan: Plan, queue: Queue, forecast: Forecast, *, active_agents: int) -> Sequence[str]:
    """The sentence that blocks a load that would overflow where no group takes the overflow; empty: none does."""
    utilization = forecast.total / active_agents
    if utilization <= plan.overflow_threshold + RATIO_TOLERANCE:
        return []
    sentence = (
        f"Queue {queue.queue_id} has {agents(active_agents)} for a projected load of {erlangs(forecast.total)} "
        f"({_source(forecast)}), a utilization of {utilization:.3f}, above the overflow threshold of "
        f"{plan.overflow_threshold:g}, and no group to overflow to: name overflow_groups, lower the load, add agents, "
        "or raise overflow_threshold."
    )
    return [sentence]
