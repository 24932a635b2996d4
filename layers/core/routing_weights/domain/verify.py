"""Reading back: an accepted write may become readable a second or two later. No AWS, no HTTP."""

from collections.abc import Callable, Collection, Sequence
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
    """What a restoration needs of a contract."""

    @property
    def per_write(self) -> int: ...

    @property
    def raise_first(self) -> bool: ...

    def put_back_queue(self, before: Queue, target: Target, names: Collection[SettingName], key: str) -> None: ...

    def write_members(self, before: Queue, members: Sequence[Member], target: Target, key: str) -> None: ...


def settle(
    genesys: Readable,
    queue_id: str,
    before: Queue,
    target: Target,
    *,
    timeout_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Queue:
    """Read the queue; while it differs from the target and `timeout_s` allows, read again what differs.

    The pauses double from 0.25 s to 4 s. The last reading is returned whether it settled or not. A value that is the
    target's, rounded, and `before`'s as well may only not be readable yet, so that one is waited for, too.
    """
    until, pause = clock() + timeout_s, FIRST_PAUSE_S
    queue = genesys.read_queue(queue_id)
    while _may_settle(before, target, queue) and clock() + pause <= until:
        sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
        settled = not settings_to_write(target, queue)
        queue = genesys.read_again(queue, unsettled(target, queue)) if settled else genesys.read_queue(queue_id)
    return queue


def unverified(target: Target, queue: Queue) -> list[str]:
    """What does not hold the target: members by id, and the queue's own settings by name.

    Proficiencies of which Genesys has kept fewer decimals, of all members alike, do hold it.
    """
    settings = sorted(settings_to_write(target, queue))
    members = unsettled(target, queue) if decimals_kept(target, queue) is None else []
    return [f"the queue's own {', '.join(settings)}"] * bool(settings) + members


def _may_settle(before: Queue, target: Target, queue: Queue) -> bool:
    """Whether a later reading may hold more of the target."""
    if unverified(target, queue):
        return True
    unread, values = set(unsettled(target, queue)), {member.user_id: member.value for member in before.members}
    return any(m.user_id in unread and holds(m.value, values.get(m.user_id)) for m in queue.members)
