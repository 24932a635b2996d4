"""What the simulated organisation holds, whatever the contract: queues, members, tokens, and writes on their way.

A stored document is replaced, never changed in place, so one that was handed out is a snapshot.
Callers hold the simulator's lock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from local.genesys.settings import Settings
from local.genesys.tokens import Clock, Tokens
from local.genesys.wire import ApiError, Change, Reply, Request, SkillChange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STATUSES = ("IDLE", "INTERACTING", "COMMUNICATING", "NOT_RESPONDING", "OFF_QUEUE")
SKILLS = (
    {"id": "skill-support", "name": "Support", "proficiency": 4.0},
    {"id": "skill-billing", "name": "Billing", "proficiency": 3.0},
)
MEDIA_SETTINGS = {
    "call": {"alertingTimeoutSeconds": 8, "serviceLevel": {"percentage": 0.8, "durationMs": 20_000}},
    "chat": {"alertingTimeoutSeconds": 30},
}
_ON_QUEUE = ("IDLE", "INTERACTING", "IDLE", "COMMUNICATING")

Document = dict[str, Any]


class Organisation(ABC):
    mix: ClassVar[tuple[str, ...]] = ("agents", "off_queue", "unjoined")
    url = ""
    """Where it is served."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock, self.tokens = settings, clock, Tokens(clock)
        self.queues: dict[str, Document] = {}
        self.replays = 0
        self.tell: Callable[[str, Document], None] = lambda _url, _event: None
        """Sends an event, of a dialect that has webhooks; it may not wait for anything."""
        self._members: dict[str, dict[str, Document]] = {}
        self._pending: list[tuple[float, Change | SkillChange]] = []
        self._moment, self._last_stamp_ms = clock.now(), 0

    @abstractmethod
    def put_queue(self, queue_id: str, spec: Document) -> None:
        """Create or replace a queue; ValueError when the specification is wrong, and then nothing is changed."""

    @abstractmethod
    def check_edit(self, fields: Document) -> None:
        """Raise ValueError when people cannot change these fields of a queue."""

    @abstractmethod
    def edit_queue(self, queue_id: str, fields: Document) -> None: ...

    @abstractmethod
    def edit_member(self, queue_id: str, user_id: str, fields: Document) -> None: ...

    @abstractmethod
    def edit_skill(self, user_id: str, skill_id: str, proficiency: float | None) -> None: ...

    @abstractmethod
    def state(self) -> Document: ...

    @abstractmethod
    def apply(self, change: Change | SkillChange) -> None: ...

    def put_analytics(self, spec: Document) -> None:  # noqa: ARG002 - for a dialect to use
        """Replace what is known of loads; ValueError where it is wrong, or the contract has nothing of the kind."""
        raise ValueError("this contract has no analytics")

    def accepted(self, request: Request, reply: Reply, *, later: bool) -> Reply:  # noqa: ARG002 - for a dialect to use
        """Return the answer to a write whose changes are taken care of."""
        return replace(reply, changes=())

    def queue(self, queue_id: str) -> Document:
        if queue_id not in self.queues:
            raise no_such_queue(queue_id)
        return self.queues[queue_id]

    def members(self, queue_id: str) -> dict[str, Document]:
        """Return the members by user id, in the order in which they were given."""
        if queue_id not in self._members:
            raise no_such_queue(queue_id)
        return self._members[queue_id]

    def member(self, queue_id: str, user_id: str) -> Document:
        member = self.members(queue_id).get(user_id)
        if member is None:
            raise ApiError(404, "not.found", f"{user_id!r} is not a member of queue {queue_id!r}.")
        return member

    def apply_later(self, change: Change | SkillChange, delay_s: float) -> None:
        self._pending.append((self._moment + delay_s, change))

    def settle(self) -> None:
        """Apply what is due, in the order in which it is due; until the next call no time passes in here."""
        now = self._moment = self.clock.now()
        due = sorted((item for item in self._pending if item[0] <= now), key=lambda item: item[0])
        self._pending = [item for item in self._pending if item[0] > now]
        for _, change in due:
            self.apply(change)

    def _forget_writes_to(self, queue_id: str) -> None:
        self._pending = [
            (at, change)
            for at, change in self._pending
            if isinstance(change, SkillChange) or change.queue_id != queue_id
        ]

    def _next_stamp(self) -> str:
        """Return the time of this moment's next edit: no two edits have the same."""
        wall = datetime.fromtimestamp(self._next_stamp_ms() / 1000, UTC)
        return wall.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _stamp(self) -> str:
        stamp = self._next_stamp()
        self._last_stamp_ms = self._next_stamp_ms()
        return stamp

    def _next_stamp_ms(self) -> int:
        return max(int(self.clock.wall(self._moment) * 1000), self._last_stamp_ms + 1)


def agents(count: int, *, off_queue: int | None = None, unjoined: int | None = None) -> list[Document]:
    """Make members agent-001 and up, without what a contract adds to them.

    The last `unjoined` have not joined and the `off_queue` before them are OFF_QUEUE: low numbers are usable.
    """
    off_queue = count // 12 if off_queue is None else off_queue
    unjoined = count // 20 if unjoined is None else unjoined
    if off_queue + unjoined > count:
        raise ValueError(f"{off_queue} off queue and {unjoined} not joined are more than {count} agents")
    on_queue = count - off_queue - unjoined
    return [
        {
            "user": {"id": f"agent-{number + 1:03}", "name": f"Agent {number + 1:03}"},
            "joined": number < count - unjoined,
            "routingStatus": {
                "status": "OFF_QUEUE" if on_queue <= number < count - unjoined else _ON_QUEUE[number % len(_ON_QUEUE)]
            },
        }
        for number in range(count)
    ]


def members_of(spec: Document, mix: tuple[str, ...]) -> list[Document]:
    """Return the members that a specification of a queue lists, or the agents that it counts."""
    given = [name for name in mix if name in spec]
    if "members" not in spec:
        settings = Settings(**{name: spec[name] for name in given})
        return agents(settings.agents, off_queue=settings.off_queue, unjoined=settings.unjoined)
    members = spec["members"]
    if given or not isinstance(members, list):
        raise ValueError("members must be a list, without agents and their mix")
    for member in members:
        user = member.get("user") if isinstance(member, dict) else None
        if not isinstance(user, dict) or not isinstance(user.get("id"), str) or not user["id"]:
            raise ValueError('a member is an object with at least {"user": {"id": "…"}}')
    if len({member["user"]["id"] for member in members}) < len(members):
        raise ValueError("two members have the same user id")
    return members


def check_fields(fields: Document, kinds: Mapping[str, Callable[[Any], bool]]) -> Document:
    """Return the fields of a member, each judged by its kind; ValueError names a bad one."""
    for name, value in fields.items():
        if name not in kinds:
            raise ValueError(f"not a field of a member: {name}")
        if not kinds[name](value):
            raise ValueError(f"not a value for a member's {name}: {value!r}")
    return fields


def no_such_queue(queue_id: str) -> ApiError:
    return ApiError(404, "not.found", f"There is no queue {queue_id!r}.")


def check_keys(spec: Document, known: set[str]) -> None:
    if unknown := sorted(spec.keys() - known):
        raise ValueError(f"unknown key: {', '.join(unknown)}")


def is_status(value: Any) -> bool:
    return isinstance(value, dict) and value.get("status") in STATUSES
