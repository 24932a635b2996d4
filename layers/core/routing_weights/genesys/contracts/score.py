"""Contract `score`: the dialect of the source document. The real platform does not speak it (README)."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from routing_weights.distribution import Member, Queue, same
from routing_weights.errors import GenesysAnswerInvalid, GenesysRefused, QueueNotFound
from routing_weights.genesys.client import GenesysClient

PAGE_SIZE = 100
LARGEST = 1e9
SCOPES = ("routing:queue:read", "routing:queue:write", "webhooks:write", "analytics:queue:read")
SCOPE_BY_METHOD = {"GET": "routing:queue:read", "PATCH": "routing:queue:write"}
WORKING_TYPES = {"Automatic", "Manual"}

_NOT_FOUND = 404


def token_request(login_url: str, client_id: str, client_secret: str) -> tuple[str, dict[str, Any]]:
    """URL and arguments of the POST that issues a token."""
    body = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
        "scope": " ".join(SCOPES),
    }
    return f"{login_url}/oauth/token", {"json": body}


class ScoreContract:
    """Weights are the members' `score`, the overflow threshold is the queue's `utilizationThreshold`."""

    def __init__(self, client: GenesysClient) -> None:
        self._client = client

    def read_queue(self, queue_id: str) -> Queue:
        try:
            queue = self._client.get(_queue_path(queue_id))
        except GenesysRefused as error:
            if error.details.get("http_status") != _NOT_FOUND:
                raise
            raise QueueNotFound(
                f"Genesys knows no queue {queue_id}, or does not show it to this OAuth client. Check queue_id.",
                **error.details,
            ) from error
        if not isinstance(queue, dict):
            raise GenesysAnswerInvalid(f"Genesys answered queue {queue_id} with something that is not an object.")
        return Queue(
            queue_id=queue_id,
            overflow_threshold=_number(queue, "utilizationThreshold"),
            wrap_up_timeout_s=_number(queue, "wrapUpTimeout"),
            members=tuple(self._members(queue_id)),
        )

    def read_again(self, queue: Queue, user_ids: Collection[str]) -> Queue:
        pages = sorted({member.native["page"] for member in queue.members if member.user_id in user_ids})
        fresh = {member.user_id: member for page in pages for member in self._page(queue.queue_id, page)[0]}
        if not set(user_ids) <= fresh.keys():  # the pages have shifted: somebody joined or left
            return self.read_queue(queue.queue_id)
        return replace(queue, members=tuple(fresh.get(member.user_id, member) for member in queue.members))

    def write_queue(self, queue: Queue, *, overflow_threshold: float, wrap_up_timeout_s: int | None, key: str) -> bool:
        body: dict[str, float] = {}
        if not same(queue.overflow_threshold, overflow_threshold):
            body["utilizationThreshold"] = overflow_threshold
        if wrap_up_timeout_s is not None and not same(queue.wrap_up_timeout_s, wrap_up_timeout_s):
            body["wrapUpTimeout"] = wrap_up_timeout_s
        if body:
            self._client.patch(_queue_path(queue.queue_id), body, idempotency_key=key)
        return bool(body)

    def write_member(self, queue: Queue, member: Member, weight: float, key: str) -> None:
        body = {"user_id": member.user_id, "routing_type": member.native["routing_type"], "score": weight}
        self._client.patch(f"{_queue_path(queue.queue_id)}/members/{member.user_id}", body, idempotency_key=key)

    def _members(self, queue_id: str) -> Iterator[Member]:
        known: set[str] = set()
        number, pages = 1, 1
        while number <= pages:
            members, pages = self._page(queue_id, number)
            repeated = {member.user_id for member in members} & known
            if repeated:
                raise GenesysAnswerInvalid(
                    f"Genesys lists member {min(repeated)} of queue {queue_id} again on page {number}, so the listing "
                    "cannot be trusted: nothing was counted or written. Try again; if it stays, report it to Genesys."
                )
            known |= {member.user_id for member in members}
            yield from members
            if not members:
                return
            number += 1

    def _page(self, queue_id: str, number: int) -> tuple[list[Member], int]:
        """The members on one page, and the number of pages."""
        path = f"{_queue_path(queue_id)}/members"
        # The document pages with `page`, the real listing with `pageNumber`: both are sent, with the same value.
        listing = self._client.get(path, pageSize=PAGE_SIZE, page=number, pageNumber=number)
        entities = listing.get("entities") if isinstance(listing, dict) else None
        if not isinstance(entities, list):
            raise GenesysAnswerInvalid(f"Genesys answered GET {path} without a list of entities.")
        count = listing.get("pageCount")
        if not isinstance(count, int):  # without it, a full page may have a successor
            count = number + 1 if len(entities) >= PAGE_SIZE else number
        members = [_member(entity, number) for entity in entities]
        if len({member.user_id for member in members}) != len(members):
            raise GenesysAnswerInvalid(f"Genesys lists a member of queue {queue_id} twice on page {number}.")
        return members, count


def _queue_path(queue_id: str) -> str:
    return f"/api/v2/routing/queues/{queue_id}"


def _member(entity: Any, page: int) -> Member:
    user = entity.get("user") if isinstance(entity, dict) else None
    user_id = (user.get("id") if isinstance(user, dict) else None) or (
        entity.get("id") if isinstance(entity, dict) else None
    )
    if not isinstance(user_id, str) or not user_id:
        raise GenesysAnswerInvalid("Genesys lists a member without a user id.")
    routing_type = entity.get("routingType") or "Automatic"
    if not isinstance(routing_type, str):
        raise GenesysAnswerInvalid("Genesys lists a member whose routingType is not text.")
    status = entity.get("routingStatus")
    status = status.get("status") if isinstance(status, dict) else status
    return Member(
        user_id=user_id,
        weight=_number(entity, "score"),
        # What a member does not say is taken as able to work: the document's listing has neither of the two.
        active=entity.get("joined") is not False and status != "OFF_QUEUE" and routing_type in WORKING_TYPES,
        skills=tuple(_skills(entity.get("skills"))),
        native={"page": page, "routing_type": routing_type},
    )


def _skills(skills: Any) -> Iterator[str]:
    for skill in skills if isinstance(skills, list) else []:
        if isinstance(skill, str):
            yield skill
        elif isinstance(skill, dict):
            yield from (skill[key] for key in ("id", "name") if isinstance(skill.get(key), str))


def _number(holder: dict[str, Any], key: str) -> float | None:
    value = holder.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:  # NaN is not
        raise GenesysAnswerInvalid(f"Genesys holds {key} as something that is not a number.")
    return float(value)
