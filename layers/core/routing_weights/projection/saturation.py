"""Projection v1: the saturation ratio and the coverage of required skills.

capacity [erlangs] = active agents x the plan's utilization target
saturation ratio   = projected load [erlangs] / capacity

Active agents are those whose presence the plan counts (projection.staffing).

The source document multiplies by the queue's own overflow threshold instead, which the same run then overwrites, so
that an accepted plan would block its own repetition; that figure is reported as `queue_threshold_ratio` and gates
nothing (ADR 4).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Queue
from routing_weights.errors import QueueSaturated, SkillNotCovered
from routing_weights.projection.inputs import Forecast

RATIO_TOLERANCE = 1e-9
"""45.6 erlangs on 48 is 0.95, not 0.9500000000000001."""
MIN_CAPACITY = 1e-9
"""Erlangs. Less is no capacity at all: a ratio would be a number without a meaning."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What the plan will do, with the figures that decided."""

    verdict: Literal["pass", "blocked"]
    reason: str
    active_agents: int
    members_read: int
    absent: dict[str, int]
    """By reason, such as NOT_RESPONDING, how many members are not among the active agents."""
    capacity: float
    projected_load: float
    saturation_ratio: float | None
    """None where there is no capacity to divide by."""
    saturation_limit: float
    queue_threshold_ratio: float | None
    source: str
    source_age_s: float | None
    source_detail: str
    source_media: list[str]
    """The media that were counted; empty where the source does not say."""
    skill_coverage: dict[str, float]
    """By required skill: the share of active agents who are proficient enough in it, in [0, 1]."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def raise_if_blocked(self) -> None:
        """Raise QueueSaturated or SkillNotCovered where the verdict is `blocked`, with the reason as its message."""
        if self.verdict == "blocked":
            uncovered = any(share == 0 for share in self.skill_coverage.values()) and self.active_agents > 0
            within = (
                self.saturation_ratio is not None and self.saturation_ratio <= self.saturation_limit + RATIO_TOLERANCE
            )
            raise (SkillNotCovered if uncovered and within else QueueSaturated)(self.reason)


def project(
    plan: Plan,
    queue: Queue,
    forecast: Forecast,
    *,
    limit: float,
    overflow_gate: bool = False,
    unstaffed: bool = False,
) -> Projection:
    """Project `plan` on `queue`.

    Args:
        plan: a valid plan.
        queue: the queue once the plan is applied, with those active whose presence the plan counts.
        forecast: the load to expect, in erlangs.
        limit: the saturation ratio above which a plan is blocked, in (0, 1].
        overflow_gate: whether the plan's overflow threshold is a gate of ours, since nothing in Genesys carries it.
        unstaffed: nobody counts with or without the plan, so there is no ratio, and the check of staffing decides.
    """
    active, absent = [member for member in queue.members if member.active], queue.absent()
    capacity = len(active) * plan.utilization_target
    ratio = _ratio(forecast.load, capacity)
    coverage = {
        str(required): sum(required.met_by(member.skills) for member in active) / len(active) if active else 0.0
        for required in plan.requirements
    }
    reasons: Sequence[str] = ()
    if not unstaffed:
        reasons = _blocks(plan, queue, forecast, active_agents=len(active), ratio=ratio, limit=limit, coverage=coverage)
        if overflow_gate and not reasons:
            reasons = _overflows(plan, queue, forecast, active_agents=len(active))
    if reasons and absent:
        reasons = [*reasons, not_counted(absent, len(queue.members))]
    passed = (
        f"There is nobody to measure {_erlangs(forecast)} against."
        if ratio is None
        else f"{_erlangs(forecast)} on {len(active)} active agents x {plan.utilization_target:g} is {ratio:.3f}, "
        f"at most the limit of {limit:g}."
    )
    return Projection(
        verdict="blocked" if reasons else "pass",
        reason=" ".join(reasons) or passed,
        active_agents=len(active),
        members_read=len(queue.members),
        absent=absent,
        capacity=capacity,
        projected_load=forecast.load,
        saturation_ratio=ratio,
        saturation_limit=limit,
        queue_threshold_ratio=_ratio(forecast.load, len(active) * (queue.overflow_threshold or 0.0)),
        source=forecast.source,
        source_age_s=forecast.age_s,
        source_detail=forecast.detail,
        source_media=list(forecast.media),
        skill_coverage=coverage,
    )


def agents_needed(load: float, utilization_target: float, limit: float) -> int:
    """The fewest active agents at which the ratio is at most `limit`; `utilization_target` is above 0."""
    return math.ceil(load / (utilization_target * limit) - RATIO_TOLERANCE)


def _erlangs(forecast: Forecast) -> str:
    return f"{forecast.load:g} erlangs{' of ' if forecast.media else ''}{' and '.join(forecast.media)}"


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
    coverage: dict[str, float],
) -> Sequence[str]:
    where = f"Queue {queue.queue_id}"
    reasons = []
    if active_agents == 0:
        reasons.append(
            f"{where} would have no active agents: the plan leaves none of those who can take work now in the queue. "
            "Give agents who are there a weight, or bring others on queue, then send the plan again."
        )
    elif ratio is None:
        reasons.append(
            f"{where} has no capacity: {active_agents} active agents x a utilization target of "
            f"{plan.utilization_target:g} is none. "
            "Raise utilization_target."
        )
    elif ratio > limit + RATIO_TOLERANCE:
        reasons.append(
            f"{where} has {active_agents} active agents x {plan.utilization_target:g} = "
            f"{active_agents * plan.utilization_target:g} erlangs of capacity; the projected load is {forecast.load:g} "
            f"({_source(forecast)}), a saturation ratio of {ratio:.3f}, above {limit:g}: lower the load to "
            f"{limit * active_agents * plan.utilization_target:.4g} erlangs, have "
            f"{agents_needed(forecast.load, plan.utilization_target, limit)} agents on queue, or raise "
            "utilization_target."
        )
    uncovered = [skill for skill, share in coverage.items() if share == 0]
    if uncovered and active_agents:
        graded = any(one.min_proficiency for one in plan.requirements if str(one) in uncovered)
        reasons.append(
            f"No active agent of queue {queue.queue_id} has the required "
            f"skill{'s' if len(uncovered) > 1 else ''} {', '.join(uncovered)}: "
            f"assign it to an agent, {'lower min_proficiency, ' if graded else ''}or take it out of required_skills."
        )
    return reasons


def not_counted(absent: Mapping[str, int], members: int) -> str:
    """The sentence that explains why a queue has fewer active agents than members."""
    by_reason = ", ".join(f"{count} {reason}" for reason, count in absent.items())
    return f"Not counted: {sum(absent.values())} of the {members} members ({by_reason})."


def _overflows(plan: Plan, queue: Queue, forecast: Forecast, *, active_agents: int) -> Sequence[str]:
    """Whether the load would overflow, where there is nobody to overflow to."""
    utilization = forecast.load / active_agents
    if utilization <= plan.overflow_threshold + RATIO_TOLERANCE:
        return []
    sentence = (
        f"Queue {queue.queue_id} has {active_agents} active agents for a projected load of {forecast.load:g} erlangs "
        f"({_source(forecast)}), a utilization of {utilization:.3f}, above the overflow threshold of "
        f"{plan.overflow_threshold:g}, and no group to overflow to: name overflow_groups, lower the load, add agents, "
        "or raise overflow_threshold."
    )
    return [sentence]
