"""The state of an organisation under contract `score`: a score per member, versions of queues, idempotency keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from local.genesys.organisation import (
    MEDIA_SETTINGS,
    SKILLS,
    ById,
    Document,
    Organisation,
    check_fields,
    check_keys,
    check_user,
    is_status,
    members_of,
    without_absent,
)
from local.genesys.settings import Settings
from local.genesys.webhooks import EVENTS, Webhooks
from local.genesys.wire import Change, Reply, Request, SkillChange, is_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.genesys.tokens import Clock

ROUTING_TYPES = ("Automatic", "Manual")
_MEMBER_FIELDS: dict[str, Callable[[Any], bool]] = {
    "score": lambda value: is_number(value) and 0 <= value <= 1,
    "routingType": lambda value: value in ROUTING_TYPES,
    "joined": lambda value: isinstance(value, bool),
    "routingStatus": is_status,
    "skills": lambda value: isinstance(value, list) and all(isinstance(skill, dict) for skill in value),
}


class ScoreOrganisation(Organisation):
    mix = (*Organisation.mix, "initial_score")

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._outcomes: dict[tuple[str, str], Reply] = {}
        self.webhooks = Webhooks()

    def put_queue(self, queue_id: str, spec: Document) -> None:
        """Create or replace a queue. Delayed writes to an earlier queue of that id are dropped."""
        check_keys(spec, {*self.mix, "members", "queue"})
        queue = spec.get("queue", {})
        if not isinstance(queue, dict) or "id" in queue or not isinstance(queue.get("version", 1), int):
            raise ValueError("queue must be an object of fields, without an id")
        members = self._members_of(spec)
        queue_id = self.queues.stored(queue_id)
        self._forget_writes_to(queue_id)
        self._members[queue_id] = ById({member["user"]["id"]: member for member in members})
        self.queues[queue_id] = {
            "id": queue_id,
            "name": f"Queue {queue_id}",
            "description": "Kept by people in the admin console",
            "version": 1,
            "dateModified": self._stamp(),
            "utilizationThreshold": 0.8,
            "wrapUpTimeout": 30,
            "division": {"id": "division-home", "name": "Home"},
            "mediaSettings": MEDIA_SETTINGS,
            "skillEvaluationMethod": "ALL",
            **queue,
        }

    def queue(self, queue_id: str) -> Document:
        """Return a queue with the current count of its members."""
        return super().queue(queue_id) | {"memberCount": len(self.members(queue_id))}

    def check_edit(self, fields: Document) -> None:
        if {"id", "version", "dateModified"} & fields.keys():
            raise ValueError("people cannot edit id, version and dateModified")

    def edit_queue(self, queue_id: str, fields: Document) -> None:
        self.check_edit(fields)
        self.apply(Change(queue_id, None, fields))

    def edit_member(self, queue_id: str, user_id: str, fields: Document) -> None:
        self.apply(Change(queue_id, user_id, check_fields(fields, _MEMBER_FIELDS)))

    def check_member(self, spec: Document) -> None:
        check_user(spec)
        _member(spec, 0.0, SKILLS[0])

    def add_member(self, queue_id: str, spec: Document) -> None:
        self.check_member(spec)
        self.members(queue_id)[spec["user"]["id"]] = _member(spec, 0.0, SKILLS[0])

    def edit_user(self, user_id: str, fields: Document) -> NoReturn:  # noqa: ARG002
        raise ValueError("only contract platform has users apart from members")

    def edit_skill(
        self,
        user_id: str,  # noqa: ARG002
        skill_id: str,  # noqa: ARG002
        proficiency: float | None,  # noqa: ARG002
        state: str | None = None,  # noqa: ARG002
    ) -> NoReturn:
        raise ValueError("only contract platform has skills of users")

    def edit_organisation_skill(self, skill_id: str, fields: Document) -> NoReturn:  # noqa: ARG002
        raise ValueError("only contract platform has skills of an organisation")

    def state(self) -> Document:
        queues = {queue_id: self.state_of(queue_id) for queue_id in self.queues}
        tokens_issued, webhooks = len(self.tokens), dict(self.webhooks)
        return {"queues": queues, "replays": self.replays, "tokens_issued": tokens_issued, "webhooks": webhooks}

    def state_of(self, queue_id: str) -> Document:
        return {"queue": self.queue(queue_id), "members": list(self.members(queue_id).values())}

    def stored(self, path: list[str]) -> list[str]:
        """Return a path with its ids in their stored case."""
        match path:
            case ["routing", "queues", queue_id, *rest] if queue_id in self.queues:
                members = self.members(queue_id)
                return ["routing", "queues", self.queues.stored(queue_id), *map(members.stored, rest)]
        return path

    def scores_after(self, change: Change) -> list[float]:
        """Return all scores of the queue, as they will be after every accepted write and this one."""
        scores = {user_id: member["score"] for user_id, member in self.members(change.queue_id).items()}
        for accepted in [*(item for _, item in self._pending), change]:
            if isinstance(accepted, Change) and accepted.queue_id == change.queue_id and accepted.user_id:
                scores[accepted.user_id] = accepted.fields["score"]
        return list(scores.values())

    def merged(self, change: Change) -> Document:
        """Return the document after this change."""
        if change.user_id:
            return without_absent({**self.member(change.queue_id, change.user_id), **change.fields})
        queue = self.queue(change.queue_id)
        stamp = {"version": queue["version"] + 1, "dateModified": self._next_stamp()}
        return {**queue, **stamp, **change.fields}

    def apply(self, change: Change | SkillChange) -> None:
        if isinstance(change, SkillChange):
            raise TypeError("this contract has no skills to change")
        if change.user_id:
            self._members[change.queue_id][change.user_id] = self.merged(change)
        else:
            self.queues[change.queue_id] = self.merged(change)
            self._stamp()
        kind, member = (EVENTS[1], {"userId": change.user_id}) if change.user_id else (EVENTS[0], {})
        for url in self.webhooks.wanting(kind):
            self.tell(url, {"eventType": kind, "queueId": change.queue_id, **member, "timestamp": self._next_stamp()})

    def accepted(self, request: Request, reply: Reply, *, later: bool) -> Reply:
        """Answer 202 if the write is delayed, and store the outcome under its idempotency key."""
        reply = Reply(202) if later else super().accepted(request, reply, later=later)
        if request.idempotency_key:
            self._outcomes[request.path, request.idempotency_key] = reply
        return reply

    def replay(self, path: str, idempotency_key: str | None) -> Reply | None:
        """Return the outcome stored for this key, and count the replay."""
        reply = self._outcomes.get((path, idempotency_key or ""))
        self.replays += reply is not None
        return reply

    def _members_of(self, spec: Document) -> list[Document]:
        members = members_of(spec, self.mix)
        listed = "members" in spec
        score = Settings(**{name: spec[name] for name in ("initial_score",) if name in spec}).initial_score
        return [_member(member, score, SKILLS[0 if listed else number % 2]) for number, member in enumerate(members)]


def _member(given: Document, score: float, skill: Document) -> Document:
    """Complete the specification of a member, which must have `user.id`. ValueError names a wrong field."""
    user = given["user"]
    usual = {
        "score": score,
        "routingType": "Automatic",
        "joined": True,
        "routingStatus": {"status": "IDLE"},
        "skills": [skill],
    }
    edited = check_fields({name: value for name, value in given.items() if name != "user"}, _MEMBER_FIELDS)
    user = {"name": user["id"], **{name: value for name, value in user.items() if name != "email"}}
    return {"user": user, **without_absent(usual | edited)}
