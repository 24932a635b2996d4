"""How a plan is carried out: which actuator carries its weights, what the queue will hold, and with which error.

No actuator so far gives agents shares of the work: each one ranks them, so a weight keeps its order, in as many levels
as its actuator has (DESIGN section 5).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from routing_weights.domain.actuators import ActuatorName, actuator_class
from routing_weights.domain.actuators.base import Actuator
from routing_weights.domain.plan import NO_SKILL, Plan
from routing_weights.domain.problems import not_applicable
from routing_weights.domain.queue import Queue, Settings
from routing_weights.domain.strategies import OverflowGroup, Strategy, strategies
from routing_weights.domain.target import Target


@dataclass(frozen=True)
class Actuation:
    """How one plan is carried out, by the plan, its strategy and the deployment together."""

    actuator: Actuator
    strategy: Strategy
    skill: str | None
    """By id or name; None for an actuator that takes none."""
    overflow_groups: tuple[OverflowGroup, ...]
    found: tuple[str | None, str | None] | None = None
    """Id and name of that skill in Genesys, both None for an actuator that takes none; None before the look-up."""

    def target(self, plan: Plan, settings: Settings) -> Target:
        """What the queue will hold, given the settings that the contract can set."""
        actuator, shares = self.actuator, _shares(plan.member_weights)
        values = {member: actuator.value(weight, shares[member]) for member, weight in plan.weights.items()}
        represented = {member: actuator.weight(value) for member, value in values.items()}
        return Target(
            weights=represented,
            values=values if actuator.carrier else {},
            settings=settings,
            joins=actuator.joins,
            actuator=actuator.name,
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
    kind = actuator_class(name)
    if kind.takes_skill and skill is None:
        raise not_applicable("skill", NO_SKILL, "skill_missing")
    return Actuation(
        actuator=kind.for_weights(plan.weights.values(), strategy.proficiency_digits),
        strategy=strategy,
        skill=skill if kind.takes_skill else None,
        overflow_groups=tuple(plan.overflow_groups) or strategy.overflow_groups,
    )


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
                "value": target.values.get(member),
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


def actuator_from_json(document: Mapping[str, Any]) -> Actuator:
    """The actuator whose `to_json` was stored."""
    scale = {field: value for field, value in document.items() if field != "name"}
    return actuator_class(document["name"])(**scale)


def _shares(sent: Mapping[str, float]) -> dict[str, Fraction]:
    """What each weight is of the largest one, exactly as the plan writes them; 0 where every weight is 0.

    0.4 of 0.6 is two thirds and ring 3, where binary fractions would say 2. Scaling leaves the shares as they are, and
    scaled weights do not: they are rounded.
    """
    exact = {member: Fraction(repr(weight)) for member, weight in sent.items()}
    largest = max(exact.values())
    return {member: weight / largest if largest else Fraction(0) for member, weight in exact.items()}
