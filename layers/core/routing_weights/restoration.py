"""Putting the before-image back: newest first, only what a run changed, and only where it still holds the run's value.

What somebody else wrote in the meantime wins, and is named. Every step is decided by a fresh reading, so a restoration
that was interrupted is simply done again. No AWS, no HTTP.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from routing_weights.distribution import Member, Queue, Setting, Target, holds, image, members_to_write, tightens
from routing_weights.errors import (
    GenesysUnavailable,
    Interrupted,
    RateLimited,
    RoutingWeightsError,
    StoreUnavailable,
)
from routing_weights.verification import FIRST_PAUSE_S, LONGEST_PAUSE_S, Writable

DEFINITE = {
    *("Forbidden", "GenesysRefused", "PlanNotApplicable", "QueueChanged", "QueueNotFound", "Unauthorized"),
    "VerificationFailed",
}
"""Errors after which no write is under way any more whose fate is unknown."""
AGAIN = (RateLimited, GenesysUnavailable, StoreUnavailable, Interrupted)
"""Errors that end an attempt; any other one is of the member or the setting that it befell."""
SETTLING_S = 2.0
"""How long writes whose fate is unknown are given to become readable."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """What a restoration came to, for the record."""

    outcome: Literal["restored", "partial", "failed", "not_needed"]
    restored: int = 0
    """How many members and settings were put back, by this attempt or an earlier one."""
    unrestored: list[str] = field(default_factory=list)
    """Members by id and settings by name that still hold the run's value."""
    edited: list[str] = field(default_factory=list)
    """Those that hold neither the run's value nor the one before: somebody else's, which stays."""
    left: int = 0
    """What there was no time for: call again."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Restorer:
    """One attempt at putting one run back."""

    genesys: Writable
    before: Queue
    target: Target
    key: str
    has_time: Callable[[], bool]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    earlier: Restoration = Restoration("not_needed")
    """What the attempt before this one came to."""
    _failed: set[str] = field(default_factory=set)
    _touched: set[str] = field(default_factory=set)

    def run(
        self, *, accepted: int, uncertain: bool, timeout_s: float, settings_accepted: bool = False
    ) -> tuple[Restoration, Queue]:
        """Put back what there is time for, and say what Genesys holds then.

        Args:
            accepted: how many member writes, in their order, Genesys has accepted for certain.
            uncertain: whether there may be others, whose fate is unknown.
            timeout_s: how long accepted writes may take to become readable.
            settings_accepted: whether Genesys has accepted the write of the queue's own settings.

        Raises:
            RateLimited, GenesysUnavailable, StoreUnavailable: try again later; what was done stays done.
            Interrupted: the lock is another's, and so is the rest.
        """
        self._touched = set(self.earlier.unrestored)
        certain = [member.user_id for member in self._order()[:accepted]]
        if settings_accepted:
            certain += [
                name for name, value in self.target.settings.items() if not holds(self.before.settings.get(name), value)
            ]
        queue = self._settled(certain, timeout_s, uncertain=uncertain)
        ours, settings = self._ours(queue)
        self._touched |= {member.user_id for member in ours} | set(settings)
        last = tightens(self.target, self.before)
        if last:  # the newest write of all
            self._put_settings(settings)
        self._put_members(queue, ours)
        if not last:
            self._put_settings(settings)
        return self._outcome(queue, timeout_s, wrote=bool(ours or settings))

    def interrupted(self) -> Restoration:
        """What is known when `run` could not end: all that it found to do counts as not done."""
        return Restoration("failed", self.earlier.restored, sorted(self._touched))

    def _settled(self, certain: Sequence[str], timeout_s: float, *, uncertain: bool) -> Queue:
        """The queue, once what was accepted is readable or `timeout_s` is over."""
        if uncertain:
            self.sleep(min(SETTLING_S, timeout_s))
        until, pause = self.clock() + timeout_s, FIRST_PAUSE_S
        queue = self.genesys.read_queue(self.before.queue_id)
        while self._unchanged(queue, certain) and self.clock() + pause <= until:
            self.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            queue = self.genesys.read_queue(self.before.queue_id)
        return queue

    def _order(self) -> list[Member]:
        return members_to_write(self.target, self.before, raise_first=self.genesys.raise_first)

    def _unchanged(self, queue: Queue, names: Sequence[str]) -> bool:
        """Whether one of these members and settings still is as before."""
        then = image(self.before, self.target)
        held: dict[str, Setting] = {member.user_id: member.value for member in queue.members}
        return any(
            holds(queue.settings.get(name), then.settings[name])
            if name in then.settings
            else name in held and holds(held[name], then.values[name])
            for name in names
        )

    def _ours(self, queue: Queue) -> tuple[list[Member], list[str]]:
        """The members, newest write first, and the settings that hold the run's value and held another one before."""
        now = {member.user_id: member for member in queue.members}
        members = [
            now[member.user_id]
            for member in reversed(self._order())
            if member.user_id in now and holds(now[member.user_id].value, self.target.values[member.user_id])
        ]
        settings = [
            name
            for name, value in self.target.settings.items()
            if holds(queue.settings.get(name), value) and not holds(self.before.settings.get(name), value)
        ]
        return members, settings

    def _put_settings(self, names: list[str]) -> None:
        if not names or not self.has_time():
            return
        try:
            self.genesys.put_back_queue(self.before, self.target, names, key=f"{self.key}:queue")
        except AGAIN:
            raise
        except RoutingWeightsError:
            self._failed |= set(names)

    def _put_members(self, queue: Queue, members: list[Member]) -> None:
        then, size = image(self.before, self.target), self.genesys.per_write
        current = Queue(queue.queue_id, queue.settings, queue.members, self.before.native)
        for start in range(0, len(members), size):
            if not self.has_time():
                return
            chunk = members[start : start + size]
            try:
                self.genesys.write_members(current, chunk, then, key=f"{self.key}:member:{chunk[0].user_id}")
            except AGAIN:
                raise
            except RoutingWeightsError:
                self._failed |= {member.user_id for member in chunk}

    def _outcome(self, queue: Queue, timeout_s: float, *, wrote: bool) -> tuple[Restoration, Queue]:
        """Read back until what was put back is readable; what still holds the run's value is not restored."""
        until, pause = self.clock() + timeout_s, FIRST_PAUSE_S
        if wrote:
            queue = self.genesys.read_queue(self.before.queue_id)
            while set(self._left(queue)) - self._failed and self.has_time() and self.clock() + pause <= until:
                self.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
                queue = self.genesys.read_queue(self.before.queue_id)
        left, edited = self._left(queue), self._edited(queue)
        restored = self.earlier.restored + len(self._touched - set(left) - set(edited))
        outcome: Literal["restored", "partial", "failed", "not_needed"] = "restored"
        if left:
            outcome = "partial" if restored else "failed"
        elif not restored:
            outcome = "not_needed"
        unfinished = 0 if self.has_time() else len(set(left) - self._failed)
        return Restoration(outcome, restored, left, edited, unfinished), queue

    def _left(self, queue: Queue) -> list[str]:
        members, settings = self._ours(queue)
        return sorted(member.user_id for member in members) + sorted(settings)

    def _edited(self, queue: Queue) -> list[str]:
        """What holds neither of the two values, or is no longer in the queue."""
        then = image(self.before, self.target)
        held: dict[str, Setting] = {member.user_id: member.value for member in queue.members}
        members = [
            member.user_id
            for member in self._order()
            if member.user_id not in held
            or not (
                holds(held[member.user_id], self.target.values[member.user_id])
                or holds(held[member.user_id], then.values[member.user_id])
            )
        ]
        settings = [
            name
            for name, value in self.target.settings.items()
            if not (holds(queue.settings.get(name), value) or holds(queue.settings.get(name), then.settings[name]))
        ]
        return sorted(members) + sorted(settings)
