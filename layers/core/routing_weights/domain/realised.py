"""Realised shares: the part of a queue's contacts that each member received, against the share that a plan asks for.

A weight is a share of *all* contacts of the queue. What the weights leave of 1 is nobody's: any member may receive it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from routing_weights.domain.record import Handled

ENOUGH = 100
"""With fewer contacts than this, chance alone moves a share by five points and more."""
_Z = 1.959963984540054
"""Of the normal distribution, for 95 %."""
_SUM = 1 + 1e-6
"""The weights of a plan sum to at most 1."""


def realised_accuracy(requested: Mapping[str, float], contacts: Mapping[str, int], total: int) -> float | str:
    """Return 100 x (1 - mean |requested - realised|) over the requested members, or a sentence that says why not.

    `contacts` are by member, `total` are those of all members of the queue, requested or not.

    >>> realised_accuracy({"a": 0.5, "b": 0.5}, {"a": 75, "b": 25}, 100)
    75.0
    """
    if not requested:
        return "No share is requested."
    if math.fsum(requested.values()) > _SUM:
        return f"The weights sum to {math.fsum(requested.values()):.2f}: they rank members, and are no shares."
    if total < ENOUGH:
        return f"Too few contacts: {total} were answered, and a number takes {ENOUGH}."
    distances = [abs(weight - contacts.get(member, 0) / total) for member, weight in requested.items()]
    return 100.0 * (1.0 - math.fsum(distances) / len(requested))


def accuracy_by_chance(requested: Mapping[str, float], total: int) -> float:
    """The accuracy that `total` contacts have on average if each is given at random, with exactly these shares.

    The mean distance of a binomial share from its probability p is close to sqrt(2 p (1 - p) / (pi n)).

    >>> round(accuracy_by_chance({"a": 0.5, "b": 0.5}, 100), 2)
    96.01
    """
    distances = [math.sqrt(2 * weight * (1 - weight) / (math.pi * total)) for weight in requested.values()]
    return 100.0 * (1.0 - math.fsum(distances) / len(requested))


def interval(contacts: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `total` contacts, in [0, 1]. Without contacts: all of it.

    It takes each contact as given at random. Counted draws scatter less, so for them it is wide.

    >>> [round(bound, 3) for bound in interval(40, 100)]
    [0.309, 0.498]
    """
    if not total:
        return 0.0, 1.0
    share, square = contacts / total, _Z * _Z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = _Z * math.sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    # Rounding would miss the ends.
    return middle - half if contacts else 0.0, middle + half if contacts < total else 1.0


# ---- a span of time --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a span, in which one plan was in force."""

    start: datetime
    end: datetime
    distribution_id: str
    """Empty if no plan was in force."""
    actuator: str
    requested: Mapping[str, float]
    """The plan's weights by member."""
    handled: Mapping[str, Handled]
    """What each user received from the queue, in the plan or not."""

    @property
    def contacts(self) -> int:
        return sum(handled.contacts for handled in self.handled.values())


@dataclass(frozen=True, slots=True)
class Row:
    """One member, or one user who took contacts without being in a plan."""

    user_id: str
    requested: float | None
    """None for a user who is in no plan."""
    drawn: int | None
    """None where nothing draws."""
    handled: Handled
    share: float | None
    """Of the contacts of all users. None without contacts."""
    low: float
    high: float
    """Wilson's 95 % interval of the share."""


@dataclass(frozen=True, slots=True)
class SharesReport:
    """What was asked for, drawn and received in a queue, in one span."""

    queue_id: str
    parts: tuple[Part, ...]
    """At least one; each begins where the one before ends."""
    drawn: Mapping[str, int] | None
    """The draws by user, in whole quarters of an hour; "" is nobody. None where nothing draws."""
    notes: tuple[str, ...] = ()

    @property
    def start(self) -> datetime:
        return self.parts[0].start

    @property
    def end(self) -> datetime:
        return self.parts[-1].end

    @property
    def contacts(self) -> int:
        return sum(part.contacts for part in self.parts)

    @property
    def draws(self) -> int:
        return sum((self.drawn or {}).values())

    def handled(self) -> dict[str, Handled]:
        return added(part.handled for part in self.parts)

    def requested(self) -> dict[str, float]:
        return requested_in(self.parts)

    def accuracy(self) -> float | str:
        """The realised accuracy, or a sentence that says why there is none."""
        if len({bool(part.requested) for part in self.parts if part.contacts}) > 1:
            return "In a part of this time no shares were requested: ask for the time of the other plans alone."
        contacts = {user: handled.contacts for user, handled in self.handled().items()}
        return realised_accuracy(self.requested(), contacts, self.contacts)

    def sentence(self) -> str:
        """What the figures mean, in plain words."""
        accuracy, requested = self.accuracy(), self.requested()
        if isinstance(accuracy, str):
            return accuracy
        chance = _points(100 - accuracy_by_chance(requested, self.contacts))
        return (
            f"Of {self.contacts:,} contacts, the realised shares are {_points(100 - accuracy)} from the requested ones "
            f"on average. If each contact were given at random, it would be {chance}."
        )

    def rows(self) -> list[Row]:
        """The members of the plans, largest share first; then all others who took contacts or were drawn."""
        requested, handled, total = self.requested(), self.handled(), self.contacts
        others = {user for user in handled.keys() | (self.drawn or {}).keys() if user and user not in requested}
        first = sorted(requested, key=lambda user: (-requested[user], user))
        last = sorted(others, key=lambda user: (-handled.get(user, Handled()).contacts, user))
        rows = []
        for user in [*first, *last]:
            received = handled.get(user, Handled())
            low, high = interval(received.contacts, total)
            drawn = None if self.drawn is None else self.drawn.get(user, 0)
            share = received.contacts / total if total else None
            rows.append(Row(user, requested.get(user), drawn, received, share, low, high))
        return rows


def requested_in(parts: Sequence[Part]) -> dict[str, float]:
    """The shares that the plans of several parts ask for together, by member.

    Each plan counts by the contacts of its part, so that members who receive exactly what each plan asks for have
    exactly these shares. Without any contact, each plan counts by its time.
    """
    weights = [float(part.contacts) for part in parts]
    if not any(weights):
        weights = [(part.end - part.start).total_seconds() for part in parts]
    total = math.fsum(weights)
    requested: dict[str, float] = {}
    for part, weight in zip(parts, weights, strict=True):
        for member, share in part.requested.items():
            requested[member] = requested.get(member, 0.0) + share * weight / total
    return requested


def added(several: Iterable[Mapping[str, Handled]]) -> dict[str, Handled]:
    """The sum of what each user received."""
    total: dict[str, Handled] = {}
    for users in several:
        for user, handled in users.items():
            known = total.get(user, Handled())
            total[user] = replace(
                known, contacts=known.contacts + handled.contacts, handle_s=known.handle_s + handled.handle_s
            )
    return total


def _points(distance: float) -> str:
    return f"{distance:.{1 if distance >= 1 else 2}f} points"
