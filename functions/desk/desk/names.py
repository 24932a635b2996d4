"""Names for ids: pages show queues and people by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from desk.web import Request

PER_PAGE, MOST_PAGES = "50", 20


def queues_of(request: Request) -> list[dict[str, Any]]:
    """Return the person's queues, the first thousand by name."""
    queues: list[dict[str, Any]] = []
    after = ""
    for _ in range(MOST_PAGES):
        listed = request.api.get("queues", query={"limit": PER_PAGE} | ({"next": after} if after else {}))
        queues += listed["items"]
        after = listed.get("next") or ""
        if not after:
            break
    return queues


def queue_names(request: Request) -> dict[str, str]:
    """Return the names of the person's queues by id."""
    return {queue["queue_id"]: queue["name"] for queue in queues_of(request)}


def member_names(request: Request, queue_id: str) -> dict[str, str]:
    """Return the names of a queue's members by id. Whoever has left the queue is not among them."""
    members = request.api.get("queues", queue_id, "members")["items"]
    return {member["user_id"]: member["name"] for member in members if member["name"]}
