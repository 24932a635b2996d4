"""The interface of an actuator. It states facts, and the contracts (adapters/genesys) turn them into requests."""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal, Protocol, Self

from routing_weights.domain.queue import Queue, QueueSettings, SettingName, Value
from routing_weights.domain.target import Target
from routing_weights.domain.types import ShareOptions

ContractName = Literal["platform", "score"]
Rule = Literal["ring", "proficiency", "joined", "score", "share"]
"""The ways to choose among idle agents that the simulation knows (projection.simulation)."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How a queue chooses among its agents."""

    rule: Rule
    ring_timeouts_s: tuple[float, ...] = ()
    """Seconds that a contact stays in each ring, without the last."""
    share: ShareOptions | None = None
    """How strict the shares are, for rule `share`."""


class Listed(Protocol):
    """A member of a queue as a contract lists it."""

    @property
    def joined(self) -> bool: ...

    @property
    def proficiency(self) -> float | None:
        """The proficiency in the skill that carries the weights. None without an active assignment."""
        ...

    @property
    def share(self) -> float:
        """The member's share of the queue's contacts that is in force. 0 if it has none."""
        ...

    def number(self, field: str) -> float | None:
        """Return a numeric field of the member. None if it is absent or null."""
        ...


@dataclass(frozen=True, slots=True)
class MemberField:
    """The value is a field of the queue's member."""

    name: str
    per_write: int = 1
    """How many members one request writes."""


@dataclass(frozen=True, slots=True)
class SkillProficiency:
    """The value is the user's proficiency of a skill that is dedicated to the queue."""

    per_write: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class SharesItem:
    """The value is in this system's own table: one item has those of all members of a queue (domain.shares)."""

    per_write: ClassVar[float] = math.inf
    """Genesys gets no request."""


Carrier = MemberField | SkillProficiency | SharesItem
"""Where the value of a member is kept."""


@dataclass(frozen=True)
class Actuator(ABC):
    """A mechanism that carries weights, made for one plan: it is on the scale of the plan's weights."""

    name: ClassVar[str]
    contract: ClassVar[ContractName]
    """The only contract that has this actuator."""
    carrier: ClassVar[Carrier]
    does_not: ClassVar[str]
    """The sentence in every dry run about what the values will not do."""
    uses: ClassVar[frozenset[SettingName]] = frozenset()
    """The queue's own settings on which the effect of the values depends."""
    takes_skill: ClassVar[bool] = False
    """True if plan or strategy has to name a skill."""
    takes_share: ClassVar[bool] = False
    """True if plan and strategy may say how strict the shares are."""
    together: ClassVar[bool] = False
    """True if one write changes the values of all members. Members whom a plan does not name lose theirs: 0."""
    joins: ClassVar[bool] = False
    """True if the values say who is joined to the queue."""
    is_rounded: ClassVar[bool] = False
    """True if Genesys may keep fewer decimals of a value than were written."""
    orders_queues: ClassVar[bool] = False
    """True if the weights of an agent of several queues say which queue goes first."""
    group_note: ClassVar[str] = ""
    """The sentence about members who are in the queue through a group, if the actuator treats them differently."""

    @classmethod
    @abstractmethod
    def for_weights(cls, weights: Collection[float], digits: int) -> Self:
        """Return the actuator on the scale of these weights. A strategy asks for `digits` decimals."""

    def with_share(self, options: ShareOptions | None) -> Self:  # noqa: ARG002 - most take none
        """Return the actuator with these options. None: the defaults."""
        return self

    @property
    def share(self) -> ShareOptions | None:
        """How strict the shares are. None if the values are no shares."""
        return None

    @abstractmethod
    def value(self, weight: float, share: Fraction) -> Value:
        """Return the value on the wire for a weight. `share` is its exact share of the largest one, 0 if all are 0."""

    @abstractmethod
    def weight(self, value: Value) -> float:
        """Return the weight, at least 0, that a value stands for."""

    @abstractmethod
    def read(self, member: Listed) -> Value | None:
        """Return the value that Genesys holds for a member. None if it holds none."""

    @abstractmethod
    def ranking(self, settings: QueueSettings, ring_timeouts_s: tuple[float, ...]) -> Ranking:
        """Return how a queue with these settings chooses among agents who hold this actuator's values."""

    def without_effect(self, settings: QueueSettings) -> str | None:  # noqa: ARG002 - most have an effect everywhere
        """Return why the values do nothing on a queue with these settings, and the remedy. None if they have effect."""
        return None

    def require_members(self, before: Queue, target: Target, skill: str | None) -> None:  # noqa: B027 - most need none
        """Raise PlanNotApplicable if a member that the plan names cannot get its value."""

    def require_queue(self, before: Queue, target: Target) -> None:  # noqa: B027 - most need none
        """Raise PlanNotApplicable if the queue cannot hold the target."""

    @classmethod
    def outside(cls, settings: QueueSettings, queue: Queue) -> list[str]:  # noqa: ARG003 - most values fit every queue
        """Return the ids of the members whose values a queue with these settings cannot hold."""
        return []

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "name": self.name}
