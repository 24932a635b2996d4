"""Verification by reading back. Genesys may show an accepted write only a second or two later."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from routing_weights.domain.actuators import stored_class
from routing_weights.domain.queue import WEIGHT_TOLERANCE, Member, Queue, SettingName, Value, holds, same
from routing_weights.domain.target import Answers, Target, settings_to_write, unsettled
from routing_weights.errors import RoutingWeightsError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 4.0
MOST_DECIMALS = 6
"""The most decimals of a value that a strategy may require."""


class Readable(Protocol):
    def read_queue(self, queue_id: str) -> Queue: ...

    def read_again(self, queue: Queue, user_ids: Collection[str]) -> Queue: ...


class Writable(Readable, Protocol):
    """The part of Genesys that a restore needs."""

    @property
    def raise_first(self) -> bool: ...

    def restore_settings(self, before: Queue, target: Target, names: Collection[SettingName], key: str) -> None: ...

    def write_members(
        self,
        before: Queue,
        members: Sequence[Member],
        target: Target,
        key: str,
        *,
        go_on: Callable[[], bool],
        stops_at: tuple[type[RoutingWeightsError], ...],
    ) -> Answers: ...


@dataclass(frozen=True)
class Settling:
    """How long an accepted write may take to become readable, in seconds, and the time that passes meanwhile."""

    timeout_s: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def settle(self, genesys: Readable, before: Queue, target: Target) -> Queue:
        """Read the queue. While it differs from the target and the time allows, read again what differs.

        The pauses double from 0.25 s to 4 s. The last reading is returned, settled or not. A value that is the
        target's, rounded, and `before`'s as well may only not be readable yet, so it is waited for, too.
        """
        return self._settle(genesys, before, target, lambda: genesys.read_queue(before.queue_id))

    def settle_members(self, genesys: Readable, before: Queue, target: Target) -> Queue:
        """As `settle`, for a target without settings: from `before` on, only the pages of its members are read."""
        return self._settle(genesys, before, target, lambda: genesys.read_again(before, target.values))

    def _settle(self, genesys: Readable, before: Queue, target: Target, read: Callable[[], Queue]) -> Queue:
        until, pause = self.clock() + self.timeout_s, FIRST_PAUSE_S
        queue = read()
        while _may_settle(before, target, queue) and self.clock() + pause <= until:
            self.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            if settings_to_write(target, queue):
                queue = genesys.read_queue(before.queue_id)
            else:
                queue = genesys.read_again(queue, unsettled(target, queue))
        return queue


def unverified(target: Target, queue: Queue) -> list[str]:
    """The members, by id, and the queue's own settings, by name, that do not hold the target.

    If Genesys has kept fewer decimals of all proficiencies alike, the members do hold it.
    """
    settings = sorted(settings_to_write(target, queue))
    members = unsettled(target, queue) if decimals_kept(target, queue) is None else []
    return [f"the queue's own {', '.join(settings)}"] * bool(settings) + members


def _may_settle(before: Queue, target: Target, queue: Queue) -> bool:
    """True if a later reading may hold more of the target."""
    if unverified(target, queue):
        return True
    unread, values = set(unsettled(target, queue)), {member.user_id: member.value for member in before.members}
    return any(m.user_id in unread and holds(m.value, values.get(m.user_id)) for m in queue.members)


def decimals_kept(target: Target, held: Queue) -> int | None:
    """Return how many decimals Genesys has kept, if it has kept fewer than were written, of all values alike.

    None if a member holds its value in full, or a value that is not its own with that many decimals, rounded or cut
    off.
    """
    values = {member.user_id: member.value for member in held.members}
    if not _is_rounded(target) or not unsettled(target, held):
        return None
    return next(
        (
            decimals
            for decimals in reversed(range(MOST_DECIMALS))
            for shortened in (_rounds_to, _cuts_to)
            if all(
                user in values
                and (holds(values[user], value) if value is None else shortened(values[user], value, decimals))
                for user, value in target.values.items()
            )
        ),
        None,
    )


def carried_out(target: Target, held: Queue, written: Collection[str] = ()) -> set[str]:
    """Return the members who hold the target's value in full, or as Genesys may have rounded it or cut it off.

    A member who holds a value in full shows how many decimals Genesys keeps at least. A value with fewer decimals is
    somebody else's. If `written` is given, only those members show it: the others' values may be from a time when
    Genesys kept more decimals.
    """
    values = {member.user_id: member.value for member in held.members}
    exact = {user for user, value in target.values.items() if user in values and holds(values[user], value)}
    if not _is_rounded(target):
        return exact
    kept = max((_decimals(target.values[user]) for user in exact if not written or user in written), default=0)
    return exact | {
        user
        for user, value in target.values.items()
        if any(
            shortened(values.get(user), value, decimals)
            for decimals in range(kept, MOST_DECIMALS)
            for shortened in (_rounds_to, _cuts_to)
        )
    }


def _is_rounded(target: Target) -> bool:
    actuator = stored_class(target.actuator)
    return actuator is not None and actuator.is_rounded


def _rounds_to(held: Value | None, value: Value | None, decimals: int) -> bool:
    """Return True if `held` is `value` rounded to this number of decimals, a half up or down."""
    if held is None or value is None:
        return False
    return abs(held - value) <= 0.5 / 10**decimals + WEIGHT_TOLERANCE and same(held, round(held, decimals))


def _cuts_to(held: Value | None, value: Value | None, decimals: int) -> bool:
    """Return True if `held` is `value`, which is at least 0, cut off after this number of decimals."""
    if held is None or value is None:
        return False
    left = value - held
    return -WEIGHT_TOLERANCE <= left < 10**-decimals - WEIGHT_TOLERANCE and same(held, round(held, decimals))


def _decimals(value: Value | None) -> int:
    shown = value or 0.0
    return next((n for n in range(MOST_DECIMALS) if same(shown, round(shown, n))), MOST_DECIMALS)
