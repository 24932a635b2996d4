"""What must be true of a queue after each of its distributions. Genesys itself is asked, not the system."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import rfc8785

RINGS = 6
WRAP_UP = "wrap_up_timeout_s"
GREEN = {"completed", "dry_run"}
Values = Mapping[str, float]
"""What a queue holds: a ring by user, and its wrap-up time-out."""


def rings(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the ring of each weight, by the formula of docs/use/weights.md."""
    exact = {user: Fraction(repr(weight)) for user, weight in weights.items()}
    largest = max(exact.values())
    return {user: 1.0 + min(RINGS - 1, math.floor(RINGS * (1 - weight / largest))) for user, weight in exact.items()}


@dataclass
class Model:
    """What a queue should hold, by its own records and the edits of people."""

    held: dict[str, float]
    images: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """What the queue held before and after each completed distribution."""

    def edit(self, name: str, value: float) -> None:
        self.held[name] = value

    def judge(self, record: Mapping[str, Any], plan: Values, now: Values) -> list[str]:
        """Return what is wrong with a closed record, given what Genesys holds `now`; then follow Genesys.

        `plan` is what the distribution would set. It is empty for one that sets nothing.
        """
        if restores := record.get("restores"):
            oldest = [restores["distribution_id"], *restores.get("also", ())][-1]
            plan = self.images.get(oldest, {}).get(restores.get("image", "before"), {})
        completed, status = record["status"] == "completed", record["status"]
        wanted = self.held | dict(plan) if completed else dict(self.held)
        named = set((record.get("restore") or {}).get("unrestored") or ())
        differing = {name for name, value in wanted.items() if now.get(name) != value}
        wrong = []
        if lies := differing - named:
            wrong.append(f"{status}: {_shown(lies, wanted, now)}, and the record does not say so")
        if unfounded := named - differing:
            wrong.append(f"{status}: the record says that {sorted(unfounded)} could not be restored, but it was")
        if (status in GREEN) == bool(record.get("errors")):
            wrong.append(f"{status}: the errors of the record are {record.get('errors')}")
        before, self.held = self.held, {name: now.get(name, math.nan) for name in self.held}
        if completed:
            self.images[record["distribution_id"]] = {"before": before, "after": dict(self.held)}
        return wrong


def misheld(model: Model, now: Values) -> set[str]:
    """Return what a queue holds differently from what its last record and the edits say."""
    return {name for name, value in model.held.items() if now.get(name) != value}


def _shown(names: Iterable[str], wanted: Values, now: Values) -> str:
    return "; ".join(f"{name} is {now.get(name)} instead of {wanted[name]}" for name in sorted(names))


def broken_chains(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with the chains of the audit table's items, as the page on evidence describes them."""
    chains: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        if "chain_hash" in item:
            record = _plain(item)
            chains[record["chain_queue"]].append(record)
    wrong = []
    for chain, records in chains.items():
        before = ""
        for number, record in enumerate(sorted(records, key=lambda each: each["chain_number"]), 1):
            name = f"{record['distribution_id']} {record['record']}"
            if (record["chain_number"], record["chain_before"]) != (number, before):
                wrong.append(
                    f"chain {chain}: {name} is number {record['chain_number']} instead of {number}, or after another"
                )
            hashed = {field: value for field, value in record.items() if field != "chain_hash"}
            before = record["chain_hash"]
            if hashlib.sha256(rfc8785.dumps(hashed)).hexdigest() != before:
                wrong.append(f"chain {chain}: {name} is not what was hashed")
    return wrong


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def miscounted(answers: Mapping[str, int], unsure: int, counted: int) -> str | None:
    """Return what is wrong with the counters of draws, or None.

    Args:
        answers: how many conversations had each reason, each conversation once.
        unsure: draws that failed, or whose answer was lost. Each may be counted or not.
        counted: the draws that are stored.
    """
    least = answers.get("drawn", 0) + answers.get("nobody", 0)
    if least <= counted <= least + unsure:
        return None
    return f"{counted} draws are counted; {least} were answered, and {unsure} have no known answer"
