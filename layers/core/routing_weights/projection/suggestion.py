"""Weights to propose: those that an objective asks for, then wider ones in case the first do not pass the gates."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, get_args

from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Queue, deleted_users
from routing_weights.domain.weights import normalized

Objective = Literal["proportional", "skill_coverage", "equal_occupancy"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


def candidates(
    plan: Plan, queue: Queue, objective: Objective, *, joins: bool = False
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield a description and weights: first those of the objective, then others. No weights come twice.

    `proportional` keeps the ratios of the plan's weights and makes them sum to 1. `skill_coverage` shares them among
    the active members who have every required skill. `equal_occupancy` gives every active member the same, since
    members of equal rank are used equally. Later candidates give more members more weight, so that contacts reach more
    agents sooner.

    The active members are those who can take work now; all joined ones if the plan's `staffing` is for a later time;
    all who could be joined if the plan decides who is (`joins`).
    """
    later = plan.counts != "now"
    everywhere = [replace(member, joined=True) if joins else member for member in queue.members]
    active = [member for member in everywhere if (member.may_come if later else member.active)]
    skilled = [m.user_id for m in active if all(required.met_by(m.skills) for required in plan.requirements)]
    everybody = [member.user_id for member in active]
    present = set(everybody)
    named = {member: weight for member, weight in plan.member_weights.items() if member in present}
    scaled, equal = _scaled(named), _equal(skilled)
    of_objective = {
        "proportional": ("the plan's weights, scaled to sum to 1", scaled),
        "skill_coverage": ("equal weights for the active members with every required skill", equal),
        "equal_occupancy": ("equal weights for every active member", _equal(everybody)),
    }
    halfway = {m: (scaled.get(m, 0.0) + equal.get(m, 0.0)) / 2 for m in {*named, *skilled}}
    offered = [
        of_objective[objective],
        ("halfway between the plan's weights and equal ones", halfway if scaled else {}),
        of_objective["skill_coverage"],
        of_objective["equal_occupancy"],
    ]
    seen: list[dict[str, float]] = []
    for what, weights in offered:
        # Members of the plan who get no weight are named with 0.
        rest = dict.fromkeys(set(plan.member_weights) - weights.keys() - deleted_users(queue), 0.0)
        whole = normalized(dict(sorted((weights | rest).items())))
        if weights and whole not in seen:
            seen.append(whole)
            yield what, whole


def _equal(members: Sequence[str]) -> dict[str, float]:
    return {member: round(1 / len(members), 6) for member in members}


def _scaled(weights: dict[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {member: round(weight / total, 6) for member, weight in weights.items()} if total else {}
