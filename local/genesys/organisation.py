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

ABSENT = "absent"
"""A routing status that a listing does not have, in a specification."""
STATES = ("active", "inactive", "deleted")
"""Of users, of skills and of what is assigned."""
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


class ById(dict[str, Any]):
    """Documents by id. Ids are GUIDs: they compare without regard to case, and keep the one they were given in."""

    def __init__(self, documents: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._stored: dict[str, str] = {}
        for item, document in (documents or {}).items():
            self[item] = document

    def stored(self, item: str) -> str:
        """Return an id as it is stored, itself where nothing has it."""
        return self._stored.get(item.lower(), item)

    def __setitem__(self, item: str, document: Any) -> None:
        super().__setitem__(self._stored.setdefault(item.lower(), item), document)

    def __getitem__(self, item: str) -> Any:
        return super().__getitem__(self.stored(item))

    def __contains__(self, item: object) -> bool:
        return isinstance(item, str) and item.lower() in self._stored

    def get(self, item: str, default: Any = None) -> Any:
        return super().get(self.stored(item), default)

    def pop(self, item: str, *default: Any) -> Any:
        return super().pop(self._stored.pop(item.lower(), item), *default)


class Organisation(ABC):
    mix: ClassVar[tuple[str, ...]] = ("agents", "off_queue", "unjoined")
    url = ""
    """Where it is served."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock, self.tokens = settings, clock, Tokens(clock)
        self.queues = ById()
        self.replays = 0
        self.tell: Callable[[str, Document], None] = lambda _url, _event: None
        """Sends an event, of a dialect that has webhooks; it may not wait for anything."""
        self.events: list[Document] = []
        """What a dialect that has a partner bus has published there."""
        self._members = ById()
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
    def check_member(self, spec: Document) -> None:
        """Raise ValueError when no member can be made of this."""

    @abstractmethod
    def add_member(self, queue_id: str, spec: Document) -> None:
        """Add a member, or replace one of that id."""

    def remove_member(self, queue_id: str, user_id: str) -> None:
        """Take a member out of a queue."""
        self.member(queue_id, user_id)
        self._members[queue_id].pop(user_id)

    @abstractmethod
    def edit_user(self, user_id: str, fields: Document) -> None: ...

    @abstractmethod
    def edit_skill(self, user_id: str, skill_id: str, proficiency: float | None, state: str | None = None) -> None: ...

    @abstractmethod
    def edit_organisation_skill(self, skill_id: str, fields: Document) -> None: ...

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
        document: Document = self.queues[queue_id]
        return document

    def members(self, queue_id: str) -> ById:
        """Return the members by user id, in the order in which they were given."""
        if queue_id not in self._members:
            raise no_such_queue(queue_id)
        members: ById = self._members[queue_id]
        return members

    def member(self, queue_id: str, user_id: str) -> Document:
        member = self.members(queue_id).get(user_id)
        if member is None:
            raise ApiError(404, "not.found", f"{user_id!r} is not a member of queue {queue_id!r}.")
        found: Document = member
        return found

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
        check_user(member)
    if len({member["user"]["id"].lower() for member in members}) < len(members):
        raise ValueError("two members have the same user id")
    return members


def check_user(member: Any) -> None:
    """Raise ValueError when a specification does not say, as it must, which user is a member."""
    user = member.get("user") if isinstance(member, dict) else None
    if not isinstance(user, dict) or not isinstance(user.get("id"), str) or not user["id"]:
        raise ValueError('a member is an object with at least {"user": {"id": "…"}}')
    if not isinstance(user.get("name", ""), str) or user.get("state", "active") not in STATES:
        raise ValueError(f"a user's name is a string, its state one of {', '.join(STATES)}")


def check_fields(fields: Document, kinds: Mapping[str, Callable[[Any], bool]]) -> Document:
    """Return the fields of a member, each judged by its kind; ValueError names a bad one."""
    for name, value in fields.items():
        if name not in kinds:
            raise ValueError(f"not a field of a member: {name}")
        if not kinds[name](value):
            raise ValueError(f"not a value for a member's {name}: {value!r}")
    return fields


def without_absent(member: Document) -> Document:
    """Return a member without the routing status that is not to be there."""
    return {name: value for name, value in member.items() if (name, value) != ("routingStatus", ABSENT)}


def no_such_queue(queue_id: str) -> ApiError:
    return ApiError(404, "not.found", f"There is no queue {queue_id!r}.")


def check_keys(spec: Document, known: set[str]) -> None:
    if unknown := sorted(spec.keys() - known):
        raise ValueError(f"unknown key: {', '.join(unknown)}")


def is_status(value: Any) -> bool:
    """Tell whether a specification can give this routing status: an object, null, or the word for none at all.

    What the object says is free, since a status that is new, or missing, is one of the things to be tried.
    """
    return value is None or value == ABSENT or isinstance(value, dict)
