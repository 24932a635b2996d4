"""The decision of a run: Project makes it once, and one document carries it to the later states.

Patch, Verify, Restore, drift and reverts take everything from here. A deployment in mid-run changes the strategies file
and the parameters. It must not change what a run under way restores, or what a revert writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from routing_weights.domain.actuation import Actuation, Statement, actuator_from_json
from routing_weights.domain.actuators import ActuatorName, actuator_class
from routing_weights.domain.actuators.base import ContractName
from routing_weights.domain.plan import Plan
from routing_weights.domain.problems import not_applicable
from routing_weights.domain.queue import Member, Queue, Setting, SettingName
from routing_weights.domain.strategies import OverflowGroup, Strategy, strategies
from routing_weights.domain.target import PARTS, Part, Target, diff, members_to_write, settings_by_part


@dataclass(frozen=True)
class Decision:
    contract: ContractName
    actuation: Actuation
    """With the skill that was found in Genesys, if one carries the weights."""
    target: Target
    order: tuple[str, ...]
    """The members to write, by id, in the order of the writes."""
    parts: Mapping[Part, tuple[SettingName, ...]]
    """The names of the queue's own settings to write, before the members and after them."""
    statement: Statement
    """What the record says about the decision: see `actuation.statement`."""

    @classmethod
    def of(
        cls,
        contract: ContractName,
        actuation: Actuation,
        target: Target,
        before: Queue,
        statement: Statement,
        *,
        raise_first: bool,
    ) -> "Decision":
        parts = settings_by_part(target, before)
        return cls(
            contract=contract,
            actuation=replace(actuation, found=(before.skill_id, before.skill_name)),
            target=target,
            order=tuple(member.user_id for member in members_to_write(target, before, raise_first=raise_first)),
            parts={part: tuple(parts[part]) for part in PARTS},
            statement=statement,
        )

    @property
    def skill_id(self) -> str | None:
        return self.actuation.found[0] if self.actuation.found else None

    @property
    def carrier(self) -> tuple[Any, ...]:
        """Equal for two decisions if one mechanism can write the values of both."""
        groups = frozenset((group.id, group.type) for group in self.actuation.overflow_groups)
        return self.contract, self.actuation.actuator.name, self.skill_id, groups

    def for_revert(self) -> Actuation:
        """The same mechanism again. Its skill is found by id, since its name may have changed."""
        return replace(self.actuation, skill=self.skill_id or self.actuation.skill, found=None)

    def require_contract(self, deployed: ContractName) -> None:
        """Raise PlanNotApplicable if the deployment speaks another contract by now: no value fits both."""
        if self.contract != deployed:
            message = (
                f"the distribution was decided under contract {self.contract}, and GenesysContract is {deployed} now: "
                "send a plan, or deploy the earlier contract again"
            )
            raise not_applicable("restores", message, "contract_changed")

    def settings(self, part: Part) -> dict[SettingName, Setting]:
        return {name: self.target.settings[name] for name in self.parts[part]}

    def members(self, before: Queue) -> list[Member]:
        """The members to write, as `before` has them, in the order of the writes."""
        known = {member.user_id: member for member in before.members}
        return [known[user_id] for user_id in self.order]

    def to_json(self) -> dict[str, Any]:
        how = self.actuation
        skill_id, skill_name = how.found or (None, None)
        return {
            "contract": self.contract,
            "actuator": how.actuator.to_json(),
            "strategy": how.strategy.model_dump(mode="json"),
            "skill": how.skill,
            "skill_id": skill_id,
            "skill_name": skill_name,
            "overflow_groups": [group.model_dump() for group in how.overflow_groups],
            "target": self.target.to_json(),
            "order": list(self.order),
            "parts": {part: list(names) for part, names in self.parts.items()},
            "statement": self.statement,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Decision":
        strategy = {name: value for name, value in document["strategy"].items() if name in Strategy.model_fields}
        return cls(
            contract=document["contract"],
            actuation=Actuation(
                actuator=actuator_from_json(document["actuator"]),
                strategy=Strategy.model_validate(strategy),
                skill=document["skill"],
                overflow_groups=tuple(map(OverflowGroup.model_validate, document["overflow_groups"])),
                found=(document["skill_id"], document["skill_name"]),
            ),
            target=Target.from_json(document["target"]),
            order=tuple(document["order"]),
            parts={part: tuple(document["parts"][part]) for part in PARTS},
            statement=document["statement"],
        )


@dataclass(frozen=True)
class Work:
    """The document of a run: its plan, its decision, and its before-image."""

    plan: Plan
    decision: Decision
    before: Queue

    def diff(self) -> dict[str, list[dict[str, Any]]]:
        """What the run is to write, as the document of a projection has it."""
        return diff(self.decision.target, self.before, self.decision.order)

    def to_json(self) -> dict[str, Any]:
        return {
            "plan": self.plan.model_dump(exclude_defaults=True),
            "decision": self.decision.to_json(),
            "before": self.before.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Work":
        return cls(
            Plan.model_validate(document["plan"]),
            Decision.from_json(document["decision"]),
            Queue.from_json(document["before"]),
        )

    @classmethod
    def of_earlier(
        cls, plan: Mapping[str, Any], before: Mapping[str, Any], target: Mapping[str, Any], statement: Statement
    ) -> "Work":
        """The work of a run that an earlier release, without decisions, stored as four documents.

        The documents name the actuator and its skill. Everything else comes from the strategies file as it is now.
        """
        wanted, queue = Plan.model_validate(plan), Queue.from_json(before)
        kind = actuator_class(cast("ActuatorName", statement["actuator"]))
        strategy = strategies().get(wanted.strategy_reference) or Strategy(description="no longer known")
        how = Actuation(
            actuator=kind.for_weights(wanted.weights.values(), strategy.proficiency_digits),
            strategy=strategy,
            skill=statement.get("skill"),
            overflow_groups=tuple(wanted.overflow_groups) or strategy.overflow_groups,
        )
        reached = Target.from_json({**target, "actuator": kind.name})
        return cls(
            wanted,
            Decision.of(kind.contract, how, reached, queue, statement, raise_first=kind.contract == "platform"),
            queue,
        )


@dataclass(frozen=True)
class Image:
    """What a queue held before or after a distribution, and what was decided for that distribution."""

    decision: Decision
    held: Queue
