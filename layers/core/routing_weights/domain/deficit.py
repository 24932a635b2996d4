"""How far everybody is behind its share, in contacts: the arithmetic of a draw that counts instead of tossing a coin.

Each contact gives every member its weight and takes 1 from the drawn, so a deficit is the number of contacts that a
member should have had and did not have. The sum of all is 0. Nobody, who stands for 1 - (sum of the weights), is one
of them. Members are indices here. `projection/` simulates with this class what `domain/draw.py` does.

No deficit is beyond the bound. What would be beyond is forgotten: it is taken from all who are behind, or given to all
who are ahead, in proportion to their deficits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BOUND = 5.0
"""No deficit is beyond it, in contacts, on either side: so much is remembered of a member that was busy.

Lower, busy members lose: with 3, three members at 40 % occupancy miss their shares by 1.5 points, with 5 by 0.3.
Higher, a member that was busy for hours gets more contacts in a row when it is free again.
"""
EXACT = 1e-9
"""The error of floating-point sums that is not corrected, in contacts."""


class Deficits:
    """The deficits of the members and of nobody.

    Args:
        weights: the members' weights, each above 0.
        nobody: the weight of nobody, 0 to 1; 1 - (sum of the weights).
        deficits: the members' deficits in contacts. Absent: 0.
        of_nobody: the deficit of nobody.

    If members have left, the sum of the given deficits is not 0. Then those who are behind, or those who are ahead, are
    brought nearer to 0, in proportion.
    """

    __slots__ = ("_values", "_weights")

    def __init__(
        self, weights: Sequence[float], nobody: float, deficits: Sequence[float] | None = None, of_nobody: float = 0.0
    ) -> None:
        self._weights = [*weights, nobody if nobody > EXACT else 0.0]
        self._values = [0.0] * len(self._weights) if deficits is None else [*deficits, of_nobody]
        if deficits is not None:
            self._balance()

    @property
    def members(self) -> list[float]:
        """The members' deficits; above 0: behind."""
        return self._values[:-1]

    @property
    def nobody(self) -> float:
        return self._values[-1]

    def draw(self, present: Iterable[int], free: Sequence[int]) -> int | None:
        """Count one contact, and return the member that is drawn; None: nobody.

        Args:
            present: the members that take part. The others neither gain nor lose, except what is forgotten.
            free: those of `present` that may be drawn. If there are none, nothing is counted. The others of `present`
                gain until they are at the bound.

        Drawn is whoever is first a whole contact behind (earliest deadline first), except that nobody gets ahead of its
        share while others are not. If all members are always free, everybody's number of contacts stays within one of
        its share of all contacts (Tijdeman's chairman assignment; the most behind first would not keep that bound).
        """
        if not free:
            return None
        values, weights, nobody = self._values, self._weights, len(self._weights) - 1
        candidates = [*free, nobody] if weights[nobody] else free
        able = set(candidates)
        gaining = [*candidates, *[i for i in present if i not in able and values[i] <= BOUND - 1]]
        total = math.fsum([weights[i] for i in gaining])  # sum() adds up otherwise before Python 3.12
        after = values.copy()
        for i in gaining:
            after[i] += weights[i] / total
        drawn = min(candidates, key=lambda i: _rank(after[i], weights[i], i))
        after[drawn] -= 1
        self._values = after
        if after[drawn] < -BOUND or max(after) > BOUND:
            self._balance()
        return None if drawn == nobody else drawn

    def ordered(self, members: Iterable[int]) -> list[int]:
        """The members in the order in which they would be drawn."""
        return sorted(members, key=lambda i: _rank(self._values[i], self._weights[i], i))

    def correct(
        self, drawn: Mapping[int | None, int], realised: Mapping[int | None, int], present: Iterable[int]
    ) -> None:
        """Replace what was drawn by what happened.

        Args:
            drawn: the contacts for which each member was drawn, in some time; None: nobody.
            realised: the contacts of the same time that each member had. None: those of agents without a share.
            present: the members that get their share of the contacts that were not drawn.

        While nobody's weight is 0, contacts of agents without a share do not count. If no such agent had a contact, the
        queue may have none: then members had the contacts that were drawn for nobody, each in proportion to all of its
        contacts, and these do not count either. Otherwise nobody would fall behind for ever.
        """
        values, weights, last = self._values, self._weights, len(self._weights) - 1
        balance = {member: float(count) for member, count in drawn.items()}
        part = 1.0
        if not realised.get(None) and (total := sum(realised.values())):
            part -= min(balance.pop(None, 0.0), total) / total
        for member, count in realised.items():
            balance[member] = balance.get(member, 0.0) - part * count
        if not weights[last]:
            balance.pop(None, None)
        for member, missing in balance.items():
            values[last if member is None else member] += missing
        sharing = {*present, last}
        weight = math.fsum(weights[i] for i in sharing)
        more = -math.fsum(balance.values())
        for i in sharing if weight else ():
            values[i] += more * weights[i] / weight
        self._balance()

    def _balance(self) -> None:
        values = [_bounded(value) if weight else 0.0 for value, weight in zip(self._values, self._weights, strict=True)]
        rest = math.fsum(values)
        self._values = _forgotten(values, rest) if abs(rest) > EXACT else values


def _forgotten(values: list[float], rest: float) -> list[float]:
    """Take `rest` from those who are behind, or, if it is negative, from those who are ahead, in proportion."""
    part = 1 - rest / math.fsum(value for value in values if value * rest > 0)
    return [part * value if value * rest > 0 else value for value in values]


def _rank(deficit: float, weight: float, place: int) -> tuple[bool, float, float, int]:
    """The smallest is drawn first: of those who are not ahead, whoever is first a whole contact behind.

    If all are ahead, others are busy, and their contacts go to whoever is the least ahead: so nobody is drawn again and
    again who is at the bound.
    """
    is_ahead = deficit < -EXACT
    return is_ahead, -deficit if is_ahead else (1 - deficit) / weight, -weight, place


def _bounded(deficit: float) -> float:
    return max(-BOUND, min(BOUND, deficit))
