"""What every dialect has to do when it reads: page, and trust no answer's shape."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from routing_weights.distribution import Member, Queue, Target, same
from routing_weights.errors import GenesysAnswerInvalid, GenesysRefused, QueueNotFound
from routing_weights.genesys.client import GenesysClient

PAGE_SIZE = 100
LARGEST = 1e9
ON_QUEUE = ("IDLE", "INTERACTING", "COMMUNICATING")
OFF = ("OFF_QUEUE", "NOT_RESPONDING", "EMPTY")
GONE = ("inactive", "deleted")

_NOT_FOUND = 404

Entity = dict[str, Any]
Page = tuple[list[Entity], bool]
"""What a page lists, and whether another one follows."""


def queue_path(queue_id: str) -> str:
    return f"/api/v2/routing/queues/{queue_id}"


def get_queue(client: GenesysClient, queue_id: str) -> Entity:
    try:
        queue = client.get(queue_path(queue_id))
    except GenesysRefused as error:
        if not not_found(error):
            raise
        raise QueueNotFound(
            f"Genesys knows no queue {queue_id}, or does not show it to this OAuth client. Check queue_id.",
            **error.details,
        ) from error
    if not isinstance(queue, dict):
        raise GenesysAnswerInvalid(f"Genesys answered queue {queue_id} with something that is not an object.")
    return queue


def not_found(error: GenesysRefused) -> bool:
    return error.details.get("http_status") == _NOT_FOUND


def entities(listing: Any, path: str) -> list[Entity]:
    """The members of a listing; raises GenesysAnswerInvalid where it is none, or one is not an object with an id."""
    found = listing.get("entities") if isinstance(listing, dict) else None
    if not isinstance(found, list):
        raise GenesysAnswerInvalid(f"Genesys answered GET {path} without a list of entities.")
    for entity in found:
        user_id(entity)
    return found


def all_pages(queue_id: str, page: Callable[[int], Page]) -> Iterator[tuple[int, Entity]]:
    """Page after page of a queue's members, each with the number of its page.

    A page that repeats a member ends the reading with an error, never with a double count.
    """
    known: set[str] = set()
    number, more = 1, True
    while more:
        listed, more = page(number)
        ids = [user_id(entity) for entity in listed]
        repeated = set(ids) & known
        if repeated:
            raise GenesysAnswerInvalid(
                f"Genesys lists member {min(repeated)} of queue {queue_id} again on page {number}, so the listing "
                "cannot be trusted: nothing was counted or written. Try again; if it stays, report it to Genesys."
            )
        if len(set(ids)) < len(ids):
            raise GenesysAnswerInvalid(f"Genesys lists a member of queue {queue_id} twice on page {number}.")
        known |= set(ids)
        yield from ((number, entity) for entity in listed)
        more = more and bool(listed)
        number += 1


def with_pages_anew(queue: Queue, user_ids: Collection[str], page: Callable[[int], Iterable[Member]]) -> Queue | None:
    """`queue` with the pages that hold the given members read anew; None where the pages have shifted since."""
    numbers = sorted({member.native["page"] for member in queue.members if member.user_id in user_ids})
    fresh = {member.user_id: member for number in numbers for member in page(number)}
    if not set(user_ids) <= fresh.keys():  # somebody joined or left
        return None
    return replace(queue, members=tuple(fresh.get(member.user_id, member) for member in queue.members))


def members_hold(now: Queue, members: Iterable[Member], target: Target) -> bool:
    """Whether each of these members holds what `target` gives it."""
    held = {member.user_id: member.value for member in now.members}
    return all(same(held.get(member.user_id), target.values[member.user_id]) for member in members)


def user_id(entity: Any) -> str:
    user = entity.get("user") if isinstance(entity, dict) else None
    found = (user.get("id") if isinstance(user, dict) else None) or (
        entity.get("id") if isinstance(entity, dict) else None
    )
    if not isinstance(found, str) or not found:
        raise GenesysAnswerInvalid("Genesys lists a member without a user id.")
    return found


def away(entity: Entity, *, asked: bool = True) -> str | None:
    """Why this user could not take work even when joined; None for one that could.

    `asked` is whether the listing shows routing statuses: then a member without one does not count. It stands beside
    the member or in its user.
    """
    user = entity.get("user")
    user = user if isinstance(user, dict) else {}
    state = user.get("state")
    if state not in (None, "active"):
        return f"user {state}" if state in GONE else "user of an unknown state"
    held = next((holder["routingStatus"] for holder in (entity, user) if holder.get("routingStatus")), None)
    status = held.get("status") if isinstance(held, dict) else held
    if status in ON_QUEUE or (status is None and not asked):
        return None
    if status is None:
        return "no routing status"
    return status if status in OFF else "unknown routing status"


def proficiencies(skills: Any) -> dict[str, float | None]:
    """By id and by name; None where a listing has the skill alone, or something that is no proficiency."""
    found: dict[str, float | None] = {}
    for skill in skills if isinstance(skills, list) else []:
        if isinstance(skill, str):
            found[skill] = None
        elif isinstance(skill, dict):
            held = skill.get("proficiency")
            known = float(held) if isinstance(held, int | float) and not isinstance(held, bool) else None
            found |= {skill[key]: known for key in ("name", "id") if isinstance(skill.get(key), str)}
    return found


def number(holder: Entity, key: str) -> float | None:
    """A finite number of a sane size, None where the key is absent or null."""
    value = holder.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:  # NaN is not
        raise GenesysAnswerInvalid(f"Genesys holds {key} as something that is not a number.")
    return float(value)
