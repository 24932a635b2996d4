"""What the simulated organisation holds: queues, their members, tokens, and the writes on their way.

A stored document is replaced, never changed in place, so one that was handed out is a snapshot.
Callers hold the simulator's lock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.genesys.tokens import Clock, Tokens
from local.genesys.wire import ApiError, Change, Reply, is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.genesys.settings import Settings

ROUTING_TYPES = ("Automatic", "Manual")
STATUSES = ("IDLE", "INTERACTING", "COMMUNICATING", "NOT_RESPONDING", "OFF_QUEUE")
_ON_QUEUE = ("IDLE", "INTERACTING", "IDLE", "COMMUNICATING")
_SKILLS = (
    {"id": "skill-support", "name": "Support", "proficiency": 4.0},
    {"id": "skill-billing", "name": "Billing", "proficiency": 3.0},
)
_MEMBER_FIELDS: dict[str, Callable[[Any], bool]] = {
    "score": lambda value: is_number(value) and 0 <= value <= 1,
    "routingType": lambda value: value in ROUTING_TYPES,
    "joined": lambda value: isinstance(value, bool),
    "routingStatus": lambda value: isinstance(value, dict) and value.get("status") in STATUSES,
    "skills": lambda value: isinstance(value, list) and all(isinstance(skill, dict) for skill in value),
}

Document = dict[str, Any]


class Organisation:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock, self.tokens = settings, clock, Tokens(clock)
        self.queues: dict[str, Document] = {}
        self.replays = 0
        self._members: dict[str, dict[str, Document]] = {}
        self._pending: list[tuple[float, Change]] = []
        self._outcomes: dict[tuple[str, str], Reply] = {}

    def put_queue(self, queue_id: str, queue: Mapping[str, Any], members: list[Document]) -> None:
        """Create or replace a queue; writes on their way to an earlier one of that id are forgotten."""
        by_id = {member["user"]["id"]: member for member in members}
        if len(by_id) < len(members):
            raise ValueError("two members have the same user id")
        self._pending = [item for item in self._pending if item[1].queue_id != queue_id]
        self._members[queue_id] = by_id
        self.queues[queue_id] = {
            "id": queue_id,
            "name": f"Queue {queue_id}",
            "description": "Kept by people in the admin console",
            "version": 1,
            "dateModified": self._timestamp(),
            "utilizationThreshold": 0.8,
            "wrapUpTimeout": 30,
            "division": {"id": "division-home", "name": "Home"},
            "mediaSettings": {
                "call": {
                    "alertingTimeoutSeconds": 8,
                    "serviceLevel": {"percentage": 0.8, "durationMs": 20_000},
                },
                "chat": {"alertingTimeoutSeconds": 30},
            },
            "skillEvaluationMethod": "ALL",
            "memberCount": len(members),
            **queue,
        }

    def queue(self, queue_id: str) -> Document:
        if queue_id not in self.queues:
            raise ApiError(404, "not.found", f"There is no queue {queue_id!r}.")
        return self.queues[queue_id]

    def members(self, queue_id: str) -> dict[str, Document]:
        """Return the members by user id, in the order in which they were given."""
        self.queue(queue_id)
        return self._members[queue_id]

    def member(self, queue_id: str, user_id: str) -> Document:
        member = self.members(queue_id).get(user_id)
        if member is None:
            raise ApiError(404, "not.found", f"{user_id!r} is not a member of queue {queue_id!r}.")
        return member

    def scores_after(self, change: Change) -> list[float]:
        """Return all scores of the queue once every accepted write, and this one, is applied."""
        scores = {user_id: member["score"] for user_id, member in self.members(change.queue_id).items()}
        for accepted in [*(item for _, item in self._pending), change]:
            if accepted.queue_id == change.queue_id and accepted.user_id:
                scores[accepted.user_id] = accepted.fields["score"]
        return list(scores.values())

    def merged(self, change: Change) -> Document:
        """Return the document as this change will leave it."""
        if change.user_id:
            return {**self.member(change.queue_id, change.user_id), **change.fields}
        queue = self.queue(change.queue_id)
        stamp = {"version": queue["version"] + 1, "dateModified": self._timestamp()}
        return {**queue, **stamp, **change.fields}

    def apply(self, change: Change) -> None:
        if change.user_id:
            self._members[change.queue_id][change.user_id] = self.merged(change)
        else:
            self.queues[change.queue_id] = self.merged(change)

    def apply_later(self, change: Change, delay_s: float) -> None:
        self._pending.append((self.clock.now() + delay_s, change))

    def settle(self) -> None:
        """Apply what is due, in the order in which it is due."""
        now = self.clock.now()
        due = sorted((item for item in self._pending if item[0] <= now), key=lambda item: item[0])
        self._pending = [item for item in self._pending if item[0] > now]
        for _, change in due:
            self.apply(change)

    def remember(self, path: str, idempotency_key: str, reply: Reply) -> None:
        self._outcomes[path, idempotency_key] = reply

    def replay(self, path: str, idempotency_key: str | None) -> Reply | None:
        """Return the outcome stored for this key, and count the replay."""
        reply = self._outcomes.get((path, idempotency_key or ""))
        self.replays += reply is not None
        return reply

    def _timestamp(self) -> str:
        wall = self.clock.wall(self.clock.now())
        return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def agents(
    count: int, *, off_queue: int | None = None, unjoined: int | None = None, score: float = 0.0
) -> list[Document]:
    """Make members agent-001 and up.

    The last `unjoined` have not joined and the `off_queue` before them are OFF_QUEUE: low numbers are usable.
    """
    off_queue = count // 12 if off_queue is None else off_queue
    unjoined = count // 20 if unjoined is None else unjoined
    if off_queue + unjoined > count:
        raise ValueError(f"{off_queue} off queue and {unjoined} not joined are more than {count} agents")
    on_queue = count - off_queue - unjoined
    return [
        member(
            {
                "user": {"id": f"agent-{number + 1:03}", "name": f"Agent {number + 1:03}"},
                "score": score,
                "joined": number < count - unjoined,
                "routingStatus": {
                    "status": "OFF_QUEUE"
                    if on_queue <= number < count - unjoined
                    else _ON_QUEUE[number % len(_ON_QUEUE)]
                },
                "skills": [_SKILLS[number % 2]],
            }
        )
        for number in range(count)
    ]


def member(given: Any) -> Document:
    """Complete a member of which at least `user.id` is given; ValueError names a bad field."""
    user = given.get("user") if isinstance(given, dict) else None
    if not isinstance(user, dict) or not isinstance(user.get("id"), str) or not user["id"]:
        raise ValueError('a member is an object with at least {"user": {"id": "…"}}')
    usual = {
        "score": 0.0,
        "routingType": "Automatic",
        "joined": True,
        "routingStatus": {"status": "IDLE"},
        "skills": [_SKILLS[0]],
    }
    edited = check_member_fields({name: value for name, value in given.items() if name != "user"})
    return {"user": {"name": user["id"], **user}, **usual, **edited}


def check_member_fields(fields: Document) -> Document:
    for name, value in fields.items():
        if name not in _MEMBER_FIELDS:
            raise ValueError(f"not a field of a member: {name}")
        if not _MEMBER_FIELDS[name](value):
            raise ValueError(f"not a value for a member's {name}: {value!r}")
    return fields
