"""How a weight is carried: which value goes over the wire, and which weight that value can stand for. No AWS, no HTTP.

No mechanism of Genesys Cloud gives agents shares of the work: each one ranks them, so a weight keeps its order, in as
many levels as its actuator has (DESIGN section 5).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from routing_weights.domain.plan import NO_SKILL, Plan
from routing_weights.domain.problems import problem
from routing_weights.domain.queue import Queue, Settings, Target
from routing_weights.domain.strategies import ActuatorName, OverflowGroup, Strategy, strategies
from routing_weights.errors import PlanNotApplicable

RINGS = 6
MAX_PROFICIENCY = 5


@dataclass(frozen=True, slots=True)
class Ranking:
    """How a queue chooses among its agents."""

    rule: ActuatorName
    ring_timeouts_s: tuple[float, ...] = ()
    """Seconds that a contact stays in each ring but the last."""


@dataclass(frozen=True)
class Score:
    """The weight itself."""

    name: Literal["score"] = "score"

    def value(self, weight: float, share: Fraction) -> float:  # noqa: ARG002 - no ranking
        return weight

    def weight(self, value: float) -> float:
        return value


@dataclass(frozen=True)
class Ring:
    """Six levels: `1 + min(5, floor(6 (1 - w / max w)))`. A ring stands for the largest weight that falls into it."""

    largest: float
    name: Literal["ring"] = "ring"

    def value(self, weight: float, share: Fraction) -> int:  # noqa: ARG002 - only the share counts
        return 1 + min(RINGS - 1, math.floor(RINGS * (1 - share)))

    def weight(self, value: float) -> float:
        return max(0.0, self.largest * (1 - (value - 1) / RINGS))


@dataclass(frozen=True)
class Proficiency:
    """`5 w / max w`, rounded to `digits` decimals, a half to the even digit."""

    largest: float
    digits: int = 1
    name: Literal["proficiency"] = "proficiency"

    def value(self, weight: float, share: Fraction) -> float:  # noqa: ARG002 - only the share counts
        return float(round(MAX_PROFICIENCY * share, self.digits))

    def weight(self, value: float) -> float:
        return self.largest * value / MAX_PROFICIENCY


@dataclass(frozen=True)
class Joined:
    """On or off. All who are on rank the same, so being joined stands for the mean of the weights above 0."""

    mean: float
    name: Literal["joined"] = "joined"

    def value(self, weight: float, share: Fraction) -> bool:  # noqa: ARG002 - only the share counts
        return share > 0

    def weight(self, value: float) -> float:
        return self.mean if value else 0.0


Actuator = Score | Ring | Proficiency | Joined
"""Made for one plan: weights are on the scale of those that it applies.

`value` is what goes over the wire for a weight that is `share` of the plan's largest one, exactly; 0 of nothing.
`weight` is the weight that a value stands for, at least 0.
"""


@dataclass(frozen=True)
class Actuation:
    """How one plan is carried out: what the plan, its strategy and the deployment say of it together."""

    actuator: Actuator
    strategy: Strategy
    skill: str | None
    """By id or name; only for `proficiency`."""
    overflow_groups: tuple[OverflowGroup, ...]
    found: tuple[str | None, str | None] | None = None
    """Id and name of that skill in Genesys, both None for any other actuator; None before it was looked up."""

    def target(self, plan: Plan, settings: Settings) -> Target:
        """What the queue will hold, given the settings that the contract can set."""
        shares = _shares(plan.member_weights)
        values = {member: self.actuator.value(weight, shares[member]) for member, weight in plan.weights.items()}
        return Target(
            weights={member: self.actuator.weight(value) for member, value in values.items()},
            values=values,
            settings=settings,
            joins=self.actuator.name == "joined",
            actuator=self.actuator.name,
        )


def resolve(plan: Plan, *, deployed: ActuatorName) -> Actuation:
    """The plan's actuator, else its strategy's, else the deployment's.

    Raises:
        PlanNotApplicable: the actuator needs something that neither plan nor strategy names.
    """
    strategy = strategies().get(plan.strategy_reference)
    if strategy is None:  # it was there when the plan was validated: a deployment came before Project
        raise not_applicable("strategy_reference", f"no longer known: {plan.strategy_reference}", "strategy_unknown")
    name = plan.actuator or strategy.actuator or deployed
    skill = plan.skill or strategy.skill
    if name == "proficiency" and skill is None:
        raise not_applicable("skill", NO_SKILL, "skill_missing")
    return Actuation(
        actuator=actuator_of(name, plan.weights, strategy),
        strategy=strategy,
        skill=skill if name == "proficiency" else None,
        overflow_groups=tuple(plan.overflow_groups) or strategy.overflow_groups,
    )


def not_applicable(path: str, message: str, kind: str) -> PlanNotApplicable:
    """A refusal with one problem."""
    return PlanNotApplicable(f"{path}: {message}.", errors=[problem(path, message, kind)])


def statement(
    plan: Plan,
    target: Target,
    actuation: Actuation,
    *,
    overflow: str,
    notes: list[str],
    without_effect: str | None = None,
) -> dict[str, Any]:
    """For the dry run and the audit: requested weight, value on the wire, weight that it stands for, and the error.

    `without_effect` says why the values will do nothing on the queue, where they will not.
    """
    requested: Mapping[str, float | None] = target.weights if plan.restores else plan.weights  # the former are exact
    errors = {
        member: None if weight is None or represented is None else round(abs(weight - represented), 12)
        for member, weight in requested.items()
        for represented in [target.weights[member]]
    }
    return {
        "actuator": actuation.actuator.name,
        "strategy": plan.strategy_reference,
        "skill": actuation.skill,
        "overflow": overflow,
        "without_effect": without_effect,
        **_largest_and_mean(errors.values()),
        "members": {
            member: {
                "requested": weight,
                "value": target.values[member],
                "represented": target.weights[member],
                "error": errors[member],
            }
            for member, weight in requested.items()
        },
        "notes": notes,
    }


def _largest_and_mean(errors: Iterable[float | None]) -> dict[str, float | None]:
    """Of the members whose value stands for a weight; None where there is none of them."""
    known = [error for error in errors if error is not None]
    return {
        "largest_error": max(known, default=None),
        "mean_error": round(math.fsum(known) / len(known), 12) if known else None,
    }


def as_kept(statement: Mapping[str, Any], held: Queue, decimals: int) -> dict[str, Any]:
    """A statement of proficiencies of which Genesys has kept so many decimals only: with what was read back."""
    read, members = {member.user_id: member for member in held.members}, {}
    for user, line in statement["members"].items():
        value, represented, requested = read[user].value, read[user].weight, line["requested"]
        error = None if requested is None or represented is None else round(abs(requested - represented), 12)
        members[user] = {**line, "value": value, "represented": represented, "error": error}
    note = (
        f"Genesys has kept {decimals} decimal{'s' * (decimals != 1)} of the proficiencies: values, weights and errors "
        f"are those that were read back. To plan with them, set proficiency_digits = {decimals} in the strategies file."
    )
    return {
        **statement,
        **_largest_and_mean(line["error"] for line in members.values()),
        "members": members,
        "notes": [*statement["notes"], note],
    }


def actuator_of(name: ActuatorName, weights: Mapping[str, float], strategy: Strategy) -> Actuator:
    """The actuator on the scale of these weights."""
    match name:
        case "ring":
            return Ring(max(weights.values()))
        case "proficiency":
            return Proficiency(max(weights.values()), strategy.proficiency_digits)
        case "joined":
            positive = [weight for weight in weights.values() if weight > 0]
            return Joined(math.fsum(positive) / len(positive) if positive else 1.0)
        case "score":
            return Score()


def actuator_from_json(document: Mapping[str, Any]) -> Actuator:
    """The actuator whose `dataclasses.asdict` was stored."""
    makes: dict[str, type[Actuator]] = {
        "score": Score,
        "ring": Ring,
        "proficiency": Proficiency,
        "joined": Joined,
    }
    return makes[document["name"]](**document)


def _shares(sent: Mapping[str, float]) -> dict[str, Fraction]:
    """What each weight is of the largest one, exactly as the plan writes them; 0 where every weight is 0.

    0.4 of 0.6 is two thirds and ring 3, where binary fractions would say 2. Scaling leaves the shares as they are, and
    scaled weights do not: they are rounded.
    """
    exact = {member: Fraction(repr(weight)) for member, weight in sent.items()}
    largest = max(exact.values())
    return {member: weight / largest if largest else Fraction(0) for member, weight in exact.items()}
