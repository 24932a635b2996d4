"""The state of the simulated organisation under every contract: queues, members, tokens, and delayed writes.

A stored document is replaced, never changed in place, so a document that a caller got is a snapshot.
Callers hold the simulator's lock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from local.genesys.names import agent_name, email_of
from local.genesys.settings import Settings
from local.genesys.tokens import Client, Clock, Tokens
from local.genesys.wire import ApiError, Change, Reply, Request, SkillChange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ABSENT = "absent"
"""In a specification: the listing of the member has no routing status."""
STATES = ("active", "inactive", "deleted")
"""The states of users, skills and assignments."""
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
    """Documents by id. Ids are GUIDs: comparisons ignore case, and a stored id keeps its own case."""

    def __init__(self, documents: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._stored: dict[str, str] = {}
        for item, document in (documents or {}).items():
            self[item] = document

    def stored(self, item: str) -> str:
        """Return an id in its stored case, or unchanged if it is not stored."""
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
    """The URL of this simulator."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock, self.tokens = settings, clock, Tokens(clock)
        self.queues = ById()
        self.replays = 0
        self.clients: dict[str, Client] = {}
        """The OAuth clients beside the one of the settings, by id."""
        self.tell: Callable[[str, Document], None] = lambda _url, _event: None
        """Sends an event, under a contract with webhooks. It must not wait for anything."""
        self.events: list[Document] = []
        """The events published on the partner bus, under a contract that has one."""
        self._members = ById()
        self._pending: list[tuple[float, Change | SkillChange]] = []
        self._moment, self._last_stamp_ms = clock.now(), 0

    def client(self, client_id: str) -> Client | None:
        """Return an OAuth client, None if there is none with this id."""
        if client_id == self.settings.client_id:
            return Client(client_id, self.settings.client_secret, self.settings.permissions)
        return self.clients.get(client_id)

    def put_client(self, client: Client) -> None:
        """Store an OAuth client. Our choice: the tokens of a client whose secret changes are revoked."""
        known = self.client(client.client_id)
        if known and known.secret != client.secret:
            self.tokens.revoke_all(client.client_id)
        if client.client_id == self.settings.client_id:
            self.settings = replace(self.settings, client_secret=client.secret, permissions=client.permissions)
        else:
            self.clients[client.client_id] = client

    @abstractmethod
    def put_queue(self, queue_id: str, spec: Document) -> None:
        """Create or replace a queue. A wrong specification raises ValueError and changes nothing."""

    @abstractmethod
    def check_edit(self, fields: Document) -> None:
        """Raise ValueError if people cannot change these fields of a queue."""

    @abstractmethod
    def edit_queue(self, queue_id: str, fields: Document) -> None: ...

    @abstractmethod
    def edit_member(self, queue_id: str, user_id: str, fields: Document) -> None: ...

    @abstractmethod
    def check_member(self, spec: Document) -> None:
        """Raise ValueError if this does not specify a member."""

    @abstractmethod
    def add_member(self, queue_id: str, spec: Document) -> None:
        """Add a member, or replace the member of that id."""

    def remove_member(self, queue_id: str, user_id: str) -> None:
        """Remove a member from a queue."""
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
    def state_of(self, queue_id: str) -> Document: ...

    @abstractmethod
    def apply(self, change: Change | SkillChange) -> None: ...

    def put_person(self, user_id: str, spec: Document) -> None:  # noqa: ARG002 - for a dialect to use
        """Create or replace a person who signs in. Raises ValueError if the contract has none."""
        raise ValueError("this contract has no people who sign in")

    def user_token(self, user_id: str) -> str:
        """Issue a token of a person. Raises ValueError if there is no such person."""
        raise ValueError(f"there is no person {user_id!r}")

    def put_analytics(self, spec: Document) -> None:  # noqa: ARG002 - for a dialect to use
        """Replace the analytics. Raises ValueError if they are wrong, or if the contract has no analytics."""
        raise ValueError("this contract has no analytics")

    def accepted(self, request: Request, reply: Reply, *, later: bool) -> Reply:  # noqa: ARG002 - for a dialect to use
        """Return the answer to a write whose changes are applied or delayed."""
        return replace(reply, changes=())

    def queue(self, queue_id: str) -> Document:
        if queue_id not in self.queues:
            raise no_such_queue(queue_id)
        document: Document = self.queues[queue_id]
        return document

    def members(self, queue_id: str) -> ById:
        """Return the members by user id, in the order of the specification."""
        if queue_id not in self._members:
            raise no_such_queue(queue_id)
        members: ById = self._members[queue_id]
        return members

    def member(self, queue_id: str, user_id: str) -> Document:
        member: Document | None = self.members(queue_id).get(user_id)
        if member is None:
            raise ApiError(404, "not.found", f"{user_id!r} is not a member of queue {queue_id!r}.")
        return member

    def apply_later(self, change: Change | SkillChange, delay_s: float) -> None:
        self._pending.append((self._moment + delay_s, change))

    def settle(self) -> None:
        """Apply the delayed writes that are due, in their order. No time passes here until the next call."""
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
        """Return the time for the next edit. No two edits have the same time."""
        wall = datetime.fromtimestamp(self._next_stamp_ms() / 1000, UTC)
        return wall.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _stamp(self) -> str:
        stamp = self._next_stamp()
        self._last_stamp_ms = self._next_stamp_ms()
        return stamp

    def _next_stamp_ms(self) -> int:
        return max(int(self.clock.wall(self._moment) * 1000), self._last_stamp_ms + 1)


def agents(count: int, *, off_queue: int | None = None, unjoined: int | None = None) -> list[Document]:
    """Make the members agent-001 and up, without the fields that a contract adds.

    Contract score leaves their e-mail addresses out. The last `unjoined` members have not joined, and the `off_queue`
    members before them are OFF_QUEUE. The members with low numbers are active.
    """
    off_queue = count // 12 if off_queue is None else off_queue
    unjoined = count // 20 if unjoined is None else unjoined
    if off_queue + unjoined > count:
        raise ValueError(f"{off_queue} off queue and {unjoined} not joined are more than {count} agents")
    on_queue = count - off_queue - unjoined
    return [
        {
            "user": {"id": f"agent-{number + 1:03}", "name": (name := agent_name(number)), "email": email_of(name)},
            "joined": number < count - unjoined,
            "routingStatus": {
                "status": "OFF_QUEUE" if on_queue <= number < count - unjoined else _ON_QUEUE[number % len(_ON_QUEUE)]
            },
        }
        for number in range(count)
    ]


def members_of(spec: Document, mix: tuple[str, ...]) -> list[Document]:
    """Return the members that the specification of a queue lists, or as many agents as it counts."""
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
    """Raise ValueError if a specification of a member does not name its user."""
    user = member.get("user") if isinstance(member, dict) else None
    if not isinstance(user, dict) or not isinstance(user.get("id"), str) or not user["id"]:
        raise ValueError('a member is an object with at least {"user": {"id": "…"}}')
    are_texts = all(isinstance(user.get(name, ""), str) for name in ("name", "email"))
    if not are_texts or user.get("state", "active") not in STATES:
        raise ValueError(f"a user's name and email are strings, its state one of {', '.join(STATES)}")


def check_fields(fields: Document, kinds: Mapping[str, Callable[[Any], bool]]) -> Document:
    """Return the fields of a member, each checked by its kind. Raises ValueError, which names a wrong field."""
    for name, value in fields.items():
        if name not in kinds:
            raise ValueError(f"not a field of a member: {name}")
        if not kinds[name](value):
            raise ValueError(f"not a value for a member's {name}: {value!r}")
    return fields


def without_absent(member: Document) -> Document:
    """Return a member without its routing status if that is `absent`."""
    return {name: value for name, value in member.items() if (name, value) != ("routingStatus", ABSENT)}


def no_such_queue(queue_id: str) -> ApiError:
    return ApiError(404, "not.found", f"There is no queue {queue_id!r}.")


def check_keys(spec: Document, known: set[str]) -> None:
    if unknown := sorted(spec.keys() - known):
        raise ValueError(f"unknown key: {', '.join(unknown)}")


def is_status(value: Any) -> bool:
    """Return True if a specification may have this routing status: an object, null, or `absent`.

    The object may contain anything, so that tests can try new and missing statuses.
    """
    return value is None or value == ABSENT or isinstance(value, dict)
