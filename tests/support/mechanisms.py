"""The actuators as the tests know them, one class each: formulas, requests and sample values.

Everything is stated here, by the formulas of docs/use/weights.md. Nothing is asked of the system under test.
"""

from abc import ABC, abstractmethod
from fractions import Fraction
from math import floor
from typing import Any, ClassVar


class Mechanism(ABC):
    """One actuator."""

    name: ClassVar[str]
    weights: ClassVar[tuple[float, ...]]
    """A plan's weights for four members."""
    held: ClassVar[tuple[Any, ...]]
    """Their values before the plan: some go up and some go down, so the writes have another order than the listing."""
    wanted: ClassVar[tuple[Any, ...]]
    """Their values once the plan is applied."""
    member_write: ClassVar[dict[str, str]]
    """The rule of the simulator for a write of any member."""
    settings_write: ClassVar[str] = "PUT"
    per_write: ClassVar[int] = 1
    is_named: ClassVar[bool] = True
    """True if a plan names the actuator; under contract `score` there is only one."""

    @abstractmethod
    def value(self, weight: float, largest: float) -> Any:
        """The value on the wire."""

    @abstractmethod
    def weight(self, value: Any, weights: tuple[float, ...]) -> float:
        """The weight that a value stands for, on the scale of a plan's weights."""

    @abstractmethod
    def others(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """For many members, values that most of them do not have once the plan is applied."""

    @abstractmethod
    def write_of(self, queue_id: str, user: str) -> dict[str, str]:
        """The rule of the simulator for the write of one member."""

    @abstractmethod
    def fields(self, value: Any, skill: str) -> dict[str, Any]:
        """The fields of a member with this value."""

    @abstractmethod
    def read(self, member: dict[str, Any], skill: str) -> Any:
        """The value that a member holds; None if it holds none."""

    @abstractmethod
    def rest(self, member: dict[str, Any], skill: str) -> dict[str, Any]:
        """A member without its value."""


class _Field(Mechanism):
    """The value is a field of the member."""

    field: ClassVar[str]

    def write_of(self, queue_id, user):  # noqa: ARG002 - users of the tests are in one queue
        return {"method": "PATCH", "path": f"/members/{user}$"}

    def fields(self, value, skill):  # noqa: ARG002 - no skill
        return {self.field: value}

    def read(self, member, skill):  # noqa: ARG002 - no skill
        return member[self.field]

    def rest(self, member, skill):  # noqa: ARG002 - no skill
        return {name: value for name, value in member.items() if name != self.field}


class Score(_Field):
    name, field = "score", "score"
    weights = wanted = (0.1, 0.4, 0.2, 0.3)
    held = (0.35, 0.05, 0.3, 0.1)
    member_write: ClassVar = {"method": "PATCH", "path": "/members/"}
    settings_write = "PATCH"
    is_named = False

    def value(self, weight, largest):  # noqa: ARG002 - no scale
        return weight

    def weight(self, value, weights):  # noqa: ARG002 - no scale
        return value

    def others(self, values):
        return tuple(0.0 if number % 2 else round(0.9 / len(values), 6) for number in range(len(values)))


class Ring(_Field):
    name, field = "ring", "ringNumber"
    weights = (0.1, 0.4, 0.2, 0.3)
    held = (2, 6, 1, 3)
    wanted = (5, 1, 4, 2)
    member_write: ClassVar = {"method": "PATCH", "path": "/members/"}

    def value(self, weight, largest):
        return 1 + min(5, floor(6 * (1 - _share(weight, largest))))

    def weight(self, value, weights):
        return max(0.0, max(weights) * (1 - (value - 1) / 6))

    def others(self, values):
        return tuple(6 if ring < 4 else 1 for ring in values)


class Share(Mechanism):
    """The value is not in Genesys: a snapshot of a test has it in the member's field `share`."""

    name = "share"
    weights = (0.1, 0.4, 0.2, 0.3)
    held = (0.3, 0.1, 0.25, 0.0)
    wanted = (0.1, 0.4, 0.2, 0.3)
    member_write: ClassVar = {"method": "none", "path": "^$"}

    def value(self, weight, largest):  # noqa: ARG002 - no scale
        return weight

    def weight(self, value, weights):  # noqa: ARG002 - no scale
        return value

    def others(self, values):
        return tuple(0.0 if number % 2 else round(0.9 / len(values), 6) for number in range(len(values)))

    def write_of(self, queue_id, user):  # noqa: ARG002 - Genesys gets no write of a member
        return self.member_write

    def fields(self, value, skill):  # noqa: ARG002 - nothing of a member
        return {}

    def read(self, member, skill):  # noqa: ARG002 - no skill
        return member.get("share", 0.0)

    def rest(self, member, skill):  # noqa: ARG002 - no skill
        return {name: value for name, value in member.items() if name != "share"}


class Proficiency(Mechanism):
    name = "proficiency"
    weights = (0.1, 0.4, 0.2, 0.3)
    held = (4.0, 1.0, 3.0, 2.0)
    wanted = (1.2, 5.0, 2.5, 3.8)
    member_write: ClassVar = {"method": "PATCH", "before": "/routingskills/bulk$|/", "path": "$"}

    def value(self, weight, largest):
        return float(round(5 * _share(weight, largest), 1))

    def weight(self, value, weights):
        return max(weights) * value / 5

    def others(self, values):
        return tuple(4.9 if value < 2.5 else 0.5 for value in values)

    def write_of(self, queue_id, user):  # noqa: ARG002 - a user's skill
        return {"method": "PATCH", "path": f"/users/{user}/routingskills/bulk"}

    def fields(self, value, skill):
        return {"skills": [{"id": skill, "proficiency": value}]}

    def read(self, member, skill):
        return next((held["proficiency"] for held in member["skills"] if held["id"] == skill), None)

    def rest(self, member, skill):
        return member | {"skills": [held for held in member["skills"] if held["id"] != skill]}


class Joined(_Field):
    name, field = "joined", "joined"
    weights = (0.0, 0.4, 0.0, 0.3)
    held = (True, False, True, False)
    wanted = (False, True, False, True)
    member_write: ClassVar = {"method": "PATCH", "path": "/members$"}
    per_write = 100

    def value(self, weight, largest):  # noqa: ARG002 - on or off
        return weight > 0

    def weight(self, value, weights):
        positive = [weight for weight in weights if weight > 0]
        return sum(positive) / len(positive) if value else 0.0

    def others(self, values):
        return tuple(bool(number % 2) for number in range(len(values)))

    def write_of(self, queue_id, user):  # noqa: ARG002 - one write is all members'
        return {"method": "PATCH", "path": f"/queues/{queue_id}/members$"}


MECHANISMS: dict[str, Mechanism] = {made.name: made for made in (Score(), Share(), Ring(), Proficiency(), Joined())}


def _share(weight: float, largest: float) -> Fraction:
    """Exactly, as the plan writes both."""
    return Fraction(repr(weight)) / Fraction(repr(largest))
