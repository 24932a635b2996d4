"""A plan that somebody edits: from what is in force, a named plan, a distribution or a form, and for the API."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from desk import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from desk.web import Request

WEIGHT = "w:"
OPTIONS = {"overflow_threshold": "0.85", "utilization_target": "0.8", "strategy_reference": "by-weight"}
"""What a plan needs beside its weights, where nothing is in force yet."""
TURN_S = 60
"""How long a distribution from the desk waits for its turn: every preview has the queue for some seconds."""
_RATIOS = ("overflow_threshold", "utilization_target")
_KEPT = ("actuator", "skill")
_LABELS = {
    "overflow_threshold": "Overflow threshold",
    "utilization_target": "Utilization target",
    "projected_load": "Load",
    "until": "Until",
}


@dataclass(frozen=True)
class Draft:
    """The fields of the form as text. Weights, thresholds and targets are percentages there."""

    weights: Mapping[str, str]
    options: Mapping[str, str]
    based_on: str
    key: str = field(default_factory=lambda: str(uuid4()))
    """The Idempotency-Key. A form that is sent twice starts one distribution."""
    reason: str = ""
    until: str = ""
    zone: str = ""
    name: str = ""

    @classmethod
    def of_plan(cls, plan: Mapping[str, Any], in_force: Mapping[str, Any] | None, decimal_mark: str) -> Draft:
        """A draft with the weights and options of a plan. It is made from what is in force now."""

        def percent(value: Any) -> str:
            return numbers.shown(None if value is None else Decimal(str(value)) * 100, decimal_mark)

        options = {name: str(plan.get(name) or default) for name, default in OPTIONS.items()}
        options |= {name: percent(options[name]) for name in _RATIOS}
        options["projected_load"] = numbers.shown(plan.get("projected_load"), decimal_mark)
        options |= {name: str(plan[name]) for name in _KEPT if isinstance(plan.get(name), str)}
        weights = {user_id: percent(weight) for user_id, weight in plan.get("member_weights", {}).items()}
        return cls(weights, options, in_force["distribution_id"] if in_force else "none")

    @classmethod
    def of_form(cls, request: Request) -> Draft:
        form = request.form
        return cls(
            {name.removeprefix(WEIGHT): value for name, value in form.items() if name.startswith(WEIGHT)},
            {name: form.get(name, "").strip() for name in (*OPTIONS, "projected_load", *_KEPT)},
            form.get("based_on", "none"),
            form.get("key") or str(uuid4()),
            form.get("reason", "").strip(),
            form.get("until", ""),
            form.get("zone", ""),
            form.get("name", "").strip(),
        )

    def on_top_of(self, in_force: Mapping[str, Any] | None) -> Draft:
        """The same values for what is in force by now, as a form that was not sent yet."""
        return replace(self, based_on=in_force["distribution_id"] if in_force else "none", key=str(uuid4()))

    def plan(self, names: Mapping[str, str]) -> tuple[dict[str, Any], list[dict[str, str]]]:
        """The plan without its queue, and what cannot be read. Members without a weight are left out."""
        problems: list[dict[str, str]] = []
        plan: dict[str, Any] = {name: value for name, value in self.options.items() if value}

        def number(text: str, label: str, unit: int) -> float | None:
            try:
                value = numbers.read(text)
            except ValueError as error:
                problems.append({"path": label, "message": f"“{text}” {error}"})
                return None
            return None if value is None else float(value / unit)

        given = {user_id: number(text, names.get(user_id, user_id), 100) for user_id, text in self.weights.items()}
        plan["member_weights"] = {user_id: weight for user_id, weight in given.items() if weight is not None}
        for name in _RATIOS:
            plan[name] = number(self.options[name], _LABELS[name], 100)
        plan["projected_load"] = number(self.options["projected_load"], _LABELS["projected_load"], 1)
        if not plan["member_weights"] and not problems:
            problems.append({"path": "", "message": "No member has a weight yet."})
        return {name: value for name, value in plan.items() if value is not None}, problems

    def ends_at(self) -> tuple[str | None, list[dict[str, str]]]:
        """`until` in UTC, and why it cannot be one moment: a clock change skips it, or shows it twice."""
        if not self.until:
            return None, []
        try:
            local = datetime.fromisoformat(self.until).replace(tzinfo=ZoneInfo(self.zone or "UTC"))
            at = local.astimezone(UTC)
        except (ValueError, OSError, KeyError, OverflowError):  # no time, no such zone, or no year
            return None, [{"path": _LABELS["until"], "message": "is no time of your time zone"}]
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            message = f"the clock changes in this hour in {self.zone}: choose another one"
            return None, [{"path": _LABELS["until"], "message": message}]
        return at.isoformat().replace("+00:00", "Z"), []
