"""Reading back: Genesys may show an accepted write only a second or two later."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from routing_weights.domain.queue import (
    Member,
    Queue,
    SettingName,
    Target,
    decimals_kept,
    holds,
    settings_to_write,
    unsettled,
)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 4.0


class Readable(Protocol):
    def read_queue(self, queue_id: str) -> Queue: ...

    def read_again(self, queue: Queue, user_ids: Collection[str]) -> Queue: ...


class Writable(Readable, Protocol):
    """What a restoration needs of Genesys."""

    @property
    def per_write(self) -> int: ...

    @property
    def raise_first(self) -> bool: ...

    def put_back_queue(self, before: Queue, target: Target, names: Collection[SettingName], key: str) -> None: ...

    def write_members(self, before: Queue, members: Sequence[Member], target: Target, key: str) -> None: ...


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
        until, pause = self.clock() + self.timeout_s, FIRST_PAUSE_S
        queue = genesys.read_queue(before.queue_id)
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
