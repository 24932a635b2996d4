"""The restore of a failed run: the newest write first, only the run's own changes, and only while they still stand.

An edit by somebody else wins, and is named. Every step follows from a fresh reading, so an interrupted restore is
simply done again. Everything that can be restored is restored at once. Then the queue is watched for as long as an
accepted write may take to become readable, because a write of the run may still land.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from routing_weights.domain.actuators import stored_class
from routing_weights.domain.queue import (
    RINGS,
    ROUTING_RULES,
    SETTINGS,
    SHARE_OPTIONS,
    Member,
    Queue,
    SettingName,
    holds,
)
from routing_weights.domain.target import (
    Answers,
    Part,
    Target,
    goes_up,
    image,
    in_groups,
    members_to_write,
    settings_by_part,
)
from routing_weights.domain.verify import Writable, carried_out
from routing_weights.errors import (
    GenesysUnavailable,
    Interrupted,
    RateLimited,
    RoutingWeightsError,
    StoreUnavailable,
    WaitTooLong,
    first_error,
)

AGAIN = (RateLimited, WaitTooLong, GenesysUnavailable, StoreUnavailable, Interrupted)
"""Errors that end an attempt. Any other error concerns only the member or setting that was written."""
TRIES = 2
"""How often one attempt writes the same member or setting if the first write is refused, dropped or overtaken."""
SLICE_S = 10.0
"""How often a watch looks whether there is time left."""
FIRST_LOOK = 4
"""The first pause of the watch is this fraction of it. The pauses double."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """The result of a restore, for the record."""

    outcome: Literal["restored", "partial", "failed", "not_needed"]
    restored: int = 0
    """How many members and settings were restored, by this attempt or an earlier one, and read back."""
    unrestored: list[str] = field(default_factory=list)
    """Members by id and settings by name that still hold the run's value, or may hold it if nothing could be read."""
    unconfirmed: list[str] = field(default_factory=list)
    """Members and settings whose restore Genesys accepted, but that could not be read back."""
    edited: list[str] = field(default_factory=list)
    """Members and settings with neither the run's value nor the one before: somebody else's edit, which stays."""
    left: int = 0
    """How many members and settings there was no time for. If there are any, call again."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Restorer:
    """One attempt at the restore of one run."""

    genesys: Writable
    before: Queue
    target: Target
    key: str
    """Unique per attempt, because a write of an earlier attempt may have to be repeated."""
    has_time: Callable[[], bool]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    earlier: Restoration = Restoration("not_needed")
    """The result of the attempt before this one."""
    _touched: set[str] = field(default_factory=set, init=False)
    """Names that held the run's value in some reading, also in an earlier attempt."""
    _ours: list[str] = field(default_factory=list, init=False)
    """Names that hold the run's value by the last reading, or, before the first reading, that are assumed to."""
    _accepted: set[str] = field(default_factory=set, init=False)
    """Names whose restore Genesys accepted, and that have not been read back yet."""
    _sent: dict[str, float] = field(default_factory=dict, init=False)
    """The time of the last write of each name, refused or not."""
    _tried: Counter[str] = field(default_factory=Counter, init=False)
    _passes: int = field(default=0, init=False)
    _read_last: Queue | None = field(default=None, init=False)

    def run(
        self, *, accepted: int, watch_s: float, settings_accepted: Collection[Part] = ()
    ) -> tuple[Restoration, Queue]:
        """Restore as much as there is time for. Returns the result and the last reading of the queue.

        Args:
            accepted: how many member writes, in their order, Genesys has accepted for certain. There may be more.
            watch_s: how long an accepted write may take to become readable, in seconds.
            settings_accepted: the parts of the queue's own settings that Genesys has accepted.

        Raises:
            RateLimited, GenesysUnavailable, StoreUnavailable: try again later. Restored values stay restored.
            WaitTooLong: there is no time left to try again.
            Interrupted: another execution has the lock, and does the rest.
        """
        self._touched = {*self.earlier.unrestored, *self.earlier.unconfirmed}
        parts = settings_by_part(self.target, self.before)
        certain = [member.user_id for member in self._order()[:accepted]]
        certain += [name for part in settings_accepted for name in parts[part]]
        self._ours = sorted(self._touched) or ([] if self.earlier.restored else certain)
        until, pause = self.clock() + watch_s, watch_s / FIRST_LOOK
        while True:
            queue = self._read()
            now = self.clock()
            wrote = self._restore(queue, {n for n in self._ours if self._is_due(n, now - watch_s / 2)})
            if wrote:
                until = max(until, self.clock() + watch_s)
            left = until - self.clock()
            if not wrote and (left <= 0 or not self.has_time()):
                return self._outcome(queue), queue
            self._wait(min(pause, max(left, 0.0)))
            pause *= 2

    def _wait(self, seconds: float) -> None:
        """Sleep while there is time."""
        slices = math.ceil(seconds / SLICE_S)
        for _ in range(slices):
            if not self.has_time():
                return
            self.sleep(seconds / slices)

    def interrupted(self) -> Restoration:
        """Return the result of a `run` that was interrupted. A value that was not read back is not called restored."""
        edited = self._edited(self._read_last) if self._read_last else []
        confirmed = self._touched - {*self._ours, *edited}
        restored = self.earlier.restored + len(confirmed)
        return Restoration(
            "partial" if restored or self._accepted else "failed",
            restored,
            unrestored=sorted(set(self._ours) - self._accepted),
            unconfirmed=sorted(self._accepted),
            edited=edited,
        )

    def _read(self) -> Queue:
        queue = self._read_last = self.genesys.read_queue(self.before.queue_id)
        self._ours = self._holding(queue)
        self._touched |= set(self._ours)
        self._accepted &= set(self._ours)
        return queue

    def _is_due(self, name: str, last: float) -> bool:
        """Return True if a name is to be written (again). A write after `last` may only not be readable yet.

        A refused write waits as long: where the sum of scores is limited, another one may have to go first.
        """
        return self._tried[name] < TRIES and self._sent.get(name, last) <= last

    def _order(self) -> list[Member]:
        return members_to_write(self.target, self.before, raise_first=self.genesys.raise_first)

    def _holding(self, queue: Queue) -> list[str]:
        """Return the names that hold the run's value and held another one before, the newest write first."""
        now = {member.user_id: member.value for member in queue.members}
        ours = carried_out(self.target, queue)
        members = [
            member.user_id
            for member in reversed(self._order())
            if member.user_id in ours and not holds(now[member.user_id], member.value)
        ]
        first, last = (
            [name for name, value in settings.items() if holds(queue.settings.get(name), value)]
            for settings in settings_by_part(self.target, self.before).values()
        )
        return last + members + first

    def _restore(self, queue: Queue, names: Collection[str]) -> bool:
        """Write as many names as there is time for. Returns True if anything was written, refused or not."""
        self._passes += 1
        parts = settings_by_part(self.target, self.before)
        late = [name for name in SETTINGS if name in parts["last"] and name in names]
        early = [name for name in SETTINGS if name in parts["first"] and name in names]
        if RINGS in early and self._rings_in_use(queue):
            early.remove(RINGS)
        groups = in_groups(self.target, [member for member in reversed(self._order()) if member.user_id in names])
        if self.target.joins and self._some_are_unjoined():
            groups, early = [group for group in groups if not goes_up(self.target, group[0])], []
        answers = [self._restore_settings(late), *(self._restore_members(queue, group) for group in groups)]
        if self._shares_stay():
            early = [name for name in early if name not in {ROUTING_RULES, SHARE_OPTIONS}]
        return any([*answers, self._restore_settings(early)])

    def _restore_settings(self, names: list[SettingName]) -> Answers:
        if not names or not self.has_time():
            return {}
        try:
            self.genesys.restore_settings(self.before, self.target, names, key=f"{self.key}:{self._passes}:queue")
        except RoutingWeightsError as error:
            return self._note(dict.fromkeys(names, error))
        return self._note(dict.fromkeys(names))

    def _restore_members(self, queue: Queue, group: list[Member]) -> Answers:
        """Write the members of one group, several at a time."""
        current, then = {member.user_id: member for member in queue.members}, image(self.before, self.target)
        then = replace(then, settings={name: value for name, value in then.settings.items() if name in self._ours})
        answers = self.genesys.write_members(
            replace(queue, native=self.before.native, skill_id=self.before.skill_id),
            [current[member.user_id] for member in group],
            then,
            f"{self.key}:{self._passes}:member",
            go_on=self.has_time,
            stops_at=AGAIN,
        )
        return self._note(answers)

    def _note(self, answers: Answers) -> Answers:
        """Note what became of writes. Raises the error, if any, that ends this attempt."""
        self._tried.update(answers.keys())
        self._sent |= dict.fromkeys(answers, self.clock())
        self._accepted |= {name for name, error in answers.items() if error is None}
        self._accepted -= {name for name, error in answers.items() if error and not isinstance(error, AGAIN)}
        for kinds in ((Interrupted,), AGAIN):
            error = first_error(answers.values(), kinds)
            if error:
                raise error
        return answers

    def _some_are_unjoined(self) -> bool:
        """Return True if somebody whom the run un-joined is not joined again, so nobody else may be un-joined yet."""
        ours = set(self._ours)
        return any(member.user_id in ours and not goes_up(self.target, member) for member in self._order())

    def _rings_in_use(self, queue: Queue) -> bool:
        """Return True if a member is still in a ring that the run made. Perhaps our write is not applied yet."""
        then = {member.user_id: member.value for member in self.before.members}
        now = {member.user_id: member.value for member in queue.members}
        actuator = stored_class(self.target.actuator)
        outside = actuator.outside(self.before.settings, queue) if actuator else []
        return any(now[user] != then.get(user) for user in outside)

    def _shares_stay(self) -> bool:
        """Return True if shares of the run are still in force. A draw must not meet a queue without their rules."""
        return self.target.together and bool(({*self._ours} & self.target.values.keys()) - self._accepted)

    def _outcome(self, queue: Queue) -> Restoration:
        """Return the result. A name that still holds the run's value is not restored, whatever was accepted."""
        left, edited = sorted(self._ours, key=lambda name: (name in self.target.settings, name)), self._edited(queue)
        restored = self.earlier.restored + len(self._touched - set(left) - set(edited))
        outcome: Literal["restored", "partial", "failed", "not_needed"] = "restored"
        if left:
            outcome = "partial" if restored else "failed"
        elif not restored:
            outcome = "not_needed"
        again = 0 if self.has_time() else sum(self._tried[name] < TRIES for name in left)
        return Restoration(outcome, restored, left, [], edited, again)

    def _edited(self, queue: Queue) -> list[str]:
        """Return the names with neither of the two values, and members who are no longer in the queue."""
        then = image(self.before, self.target)
        known = carried_out(self.target, queue) | carried_out(then, queue, self._tried)
        members = [member.user_id for member in self._order() if member.user_id not in known]
        settings = [
            name
            for name, value in self.target.settings.items()
            if not (holds(queue.settings.get(name), value) or holds(queue.settings.get(name), then.settings[name]))
        ]
        return sorted(members) + sorted(settings)
