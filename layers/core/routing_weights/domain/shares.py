"""Shares in force: the weights that the draws of a queue use, and the routing rules that let a drawn agent come first.

A draw gives a contact a list of preferred agents with scores. The queue's routing rules say how long the contact waits
for each level of scores: first for the drawn agent alone, then for more and more of the others. After the last rule the
contact goes to the whole queue.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from routing_weights.domain.types import SHORTEST_WAIT_S, ShareOptions

SCORES = (100, 80, 60, 40, 20)
"""The scores of preferred agents: the drawn one, the next three by deficit, and everybody else."""
_RULE = re.compile(r"(any|\d+) for (\d+) s")


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """A routing rule of a queue: whom a contact waits for, and for how many whole seconds."""

    threshold: int | None
    """The lowest score of the preferred agents. None: all preferred agents, whatever their score."""
    wait_s: int

    def __str__(self) -> str:
        return f"{'any' if self.threshold is None else self.threshold} for {self.wait_s} s"


def rules(options: ShareOptions) -> tuple[RoutingRule, ...]:
    """Return the routing rules for these options, at most 5. Genesys takes at most 6.

    `then` is divided into at most four levels, each of at least 2 s. The last level gets the rest.
    """
    levels = min(len(SCORES) - 1, options.then // SHORTEST_WAIT_S)
    first = RoutingRule(SCORES[0], options.hold_s)
    if not levels:
        return (first,)
    wait_s = options.then // levels
    between = [RoutingRule(score, wait_s) for score in SCORES[1:levels]]
    return (first, *between, RoutingRule(None, options.then - wait_s * (levels - 1)))


def openings(options: ShareOptions) -> tuple[float, ...]:
    """Return for each score of SCORES the second from which a contact reaches agents with this score."""
    begins = [0.0, *(float(second) for second in accumulate(rule.wait_s for rule in rules(options)))]
    last = max(1, len(begins) - 2)  # of ANY; without it, the whole queue
    return tuple(begins[min(level, last)] for level in range(len(SCORES)))


def as_text(of: Sequence[RoutingRule]) -> str:
    """Return rules as text: `100 for 10 s; 80 for 5 s; any for 5 s`."""
    return "; ".join(map(str, of))


def from_text(text: str) -> tuple[RoutingRule, ...]:
    """Return the rules of a text that `as_text` has written. Raises ValueError for any other text."""
    parsed = [_RULE.fullmatch(part) for part in text.split("; ")]
    return tuple(
        RoutingRule(None if found[1] == "any" else int(found[1]), int(found[2])) for found in map(_found, parsed)
    )


def _found(match: re.Match[str] | None) -> re.Match[str]:
    if match is None:
        raise ValueError("no routing rule")
    return match


@dataclass(frozen=True, slots=True)
class SharesInForce:
    """The shares of a queue's members, as its draws use them."""

    queue_id: str
    """In lower case."""
    distribution_id: str
    """The distribution that put the shares in force."""
    weights: Mapping[str, float]
    """By user id, above 0. They sum to at most 1; the rest is the part of the contacts without a drawn agent."""
    options: ShareOptions
    version: int
    """Grows by 1 with every write, from 1."""

    @property
    def nobody(self) -> float:
        """The part of the contacts that has no drawn agent, in [0, 1]."""
        return max(0.0, 1 - math.fsum(self.weights.values()))

    def to_json(self) -> str:
        """Return the stored form. The queue and the version stand beside it."""
        document = {
            "distribution_id": self.distribution_id,
            "weights": dict(sorted(self.weights.items())),
            "share": self.options.model_dump(),
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_json(cls, queue_id: str, text: str, version: int) -> "SharesInForce":
        """Ignore fields of a newer release. Raises ValueError, or KeyError, if somebody has stored something else."""
        document: dict[str, Any] = json.loads(text)
        weights = {user: float(weight) for user, weight in document["weights"].items()}
        if not all(0 < weight <= 1 for weight in weights.values()):
            raise ValueError("a share is above 0, and at most 1")
        known = {name: value for name, value in document["share"].items() if name in ShareOptions.model_fields}
        options = ShareOptions.model_validate(known)
        return cls(queue_id, document["distribution_id"], weights, options, version)
