"""How a plan is carried out: which actuator carries its weights, what the queue will hold, and with which error.

Actuator `share` gives agents shares of the contacts. Each other one ranks them, so a weight keeps its order, in as many
levels as its actuator has (DESIGN section 5).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NotRequired, TypedDict

from routing_weights.domain.actuators import ActuatorName, actuator_class
from routing_weights.domain.actuators.base import Actuator
from routing_weights.domain.plan import NO_SKILL, Plan, only_shares
from routing_weights.domain.problems import not_applicable
from routing_weights.domain.queue import Queue, Settings, Value
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
            values=values,
            settings=settings,
            joins=actuator.joins,
            together=actuator.together,
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
    if plan.share and not kind.takes_share:
        raise not_applicable("share", only_shares(name), "share_unused")
    return Actuation(
        actuator=kind.for_weights(plan.weights.values(), strategy.proficiency_digits).with_share(
            plan.share or strategy.share
        ),
        strategy=strategy,
        skill=skill if kind.takes_skill else None,
        overflow_groups=tuple(plan.overflow_groups) or strategy.overflow_groups,
    )


class StatedMember(TypedDict):
    """One member of a statement. Weights and errors are None if nothing is held, or if a value stands for no weight."""

    requested: float | None
    value: Value | None
    """On the wire."""
    represented: float | None
    """The weight that the value stands for."""
    error: float | None
    """How far that weight is from the requested one."""


class Statement(TypedDict):
    """What an actuator can represent of a plan, as it is recorded and shown."""

    actuator: str
    strategy: str
    skill: str | None
    overflow: str
    """What carries the overflow threshold, or `gate`."""
    without_effect: NotRequired[str | None]
    """Why the values will do nothing on the queue. Earlier releases did not state it."""
    largest_error: float | None
    mean_error: float | None
    members: Mapping[str, StatedMember]
    notes: list[str]


def statement(
    plan: Plan,
    target: Target,
    actuation: Actuation,
    *,
    overflow: str,
    notes: list[str],
    without_effect: str | None = None,
) -> Statement:
    """For the dry run and the audit. `without_effect` says why the values will do nothing on the queue, if so."""
    others = dict.fromkeys(user for user in target.values if user not in plan.weights)  # they lose their value
    # The weights of a revert's target are exact.
    requested: Mapping[str, float | None] = target.weights if plan.restores else {**plan.weights, **others}
    errors = {
        member: None if weight is None or represented is None else round(abs(weight - represented), 12)
        for member, weight in requested.items()
        for represented in [target.weights[member]]
    }
    largest, mean = _largest_and_mean(errors.values())
    return {
        "actuator": actuation.actuator.name,
        "strategy": plan.strategy_reference,
        "skill": actuation.skill,
        "overflow": overflow,
        "without_effect": without_effect,
        "largest_error": largest,
        "mean_error": mean,
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


def _largest_and_mean(errors: Iterable[float | None]) -> tuple[float | None, float | None]:
    """The errors of the members whose values stand for weights; None if there are none."""
    known = [error for error in errors if error is not None]
    return max(known, default=None), round(math.fsum(known) / len(known), 12) if known else None


def as_kept(statement: Statement, held: Queue, decimals: int) -> Statement:
    """The statement with what was read back, if Genesys has kept only so many decimals of the proficiencies."""
    read, members = {member.user_id: member for member in held.members}, dict[str, StatedMember]()
    for user, line in statement["members"].items():
        value, represented, requested = read[user].value, read[user].weight, line["requested"]
        error = None if requested is None or represented is None else round(abs(requested - represented), 12)
        members[user] = {**line, "value": value, "represented": represented, "error": error}
    largest, mean = _largest_and_mean(line["error"] for line in members.values())
    note = (
        f"Genesys has kept {decimals} decimal{'s' * (decimals != 1)} of the proficiencies: values, weights and errors "
        f"are those that were read back. To plan with them, set proficiency_digits = {decimals} in the strategies file."
    )
    return {
        **statement,
        "largest_error": largest,
        "mean_error": mean,
        "members": members,
        "notes": [*statement["notes"], note],
    }


def actuator_from_json(document: Mapping[str, Any]) -> Actuator:
    """The actuator whose `to_json` was stored."""
    scale = {field: value for field, value in document.items() if field != "name"}
    return actuator_class(document["name"])(**scale)


def _shares(sent: Mapping[str, float]) -> dict[str, Fraction]:
    """Return each weight as a share of the largest one, exactly as the plan writes both. 0 if every weight is 0.

    0.4 of 0.6 is two thirds, which is ring 3; binary fractions would give ring 2. Scaling does not change the shares.
    Scaled weights are rounded, so they would.
    """
    exact = {member: Fraction(repr(weight)) for member, weight in sent.items()}
    largest = max(exact.values())
    return {member: weight / largest if largest else Fraction(0) for member, weight in exact.items()}
