"""Readings under every contract: pages, and answers whose shape is checked."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.domain.queue import Member, Queue, same
from routing_weights.domain.target import Target
from routing_weights.domain.types import folded
from routing_weights.errors import GenesysAnswerInvalid, GenesysRefused, QueueNotFound

PAGE_SIZE = 100
LARGEST = 1e9
ON_QUEUE = ("IDLE", "INTERACTING", "COMMUNICATING")
OFF = ("OFF_QUEUE", "NOT_RESPONDING", "EMPTY")
GONE = ("inactive", "deleted")

_NOT_FOUND = 404

Entity = dict[str, Any]

LISTINGS = 5
"""How often the members of a queue are read if the readings disagree."""
LISTING_PAUSE_S = 0.25
"""The first pause between two readings. The pauses double."""
MOST_EMPTY = 3
"""How many empty pages in a row are read if each names a next one."""

MOST_AHEAD = 100
"""How many pages are read because the queue shows so many members. The count may be wrong."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing."""

    entities: list[Entity]
    following: int | None
    """The number of the next page, if the listing names one."""
    more: bool
    """True if another page may follow, although the listing does not name it."""


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
    """Return the entities of a listing. Raises GenesysAnswerInvalid unless each is an object with an id."""
    listed = listing.get("entities") if isinstance(listing, dict) else None
    if not isinstance(listed, list):
        raise GenesysAnswerInvalid(f"Genesys answered GET {path} without a list of entities.")
    for entity in listed:
        user_id(entity)
    return listed


def page_of(listing: Any, path: str, number: int) -> Page:
    """Return page `number` of a listing.

    The real listing has neither a total nor a number of pages. A full page may have a successor, even without a
    `nextUri`.
    """
    listed = entities(listing, path)
    size, pages = listing.get("pageSize"), listing.get("pageCount")
    full = min(size, PAGE_SIZE) if isinstance(size, int) else PAGE_SIZE  # Genesys may grant less than requested
    more = number < pages if isinstance(pages, int) else len(listed) >= full
    return Page(listed, _named_by(listing.get("nextUri"), number), more=more)


def _named_by(uri: Any, number: int) -> int | None:
    """Return the number of the page that `nextUri` names, or None. Nothing else of the URI is used."""
    if not isinstance(uri, str) or not uri:
        return None
    try:
        query = parse_qs(urlsplit(uri).query)
    except ValueError:
        return number + 1
    (given,) = (query.get("pageNumber") or query.get("page") or [""])[:1]
    named = int(given) if re.fullmatch("[0-9]{1,9}", given, re.ASCII) else 0
    return named if named > number else number + 1


def read_listing(
    client: GenesysClient, queue_id: str, page: Callable[[int], Page]
) -> tuple[Entity, list[tuple[int, Entity]]]:
    """Return the queue and its members, each once, with the number of its page.

    Members join and leave while pages are read, so a member may slide to another page and be listed twice or never. A
    reading is trusted if no member is repeated and its count is the queue's `memberCount`. Otherwise a second reading
    must agree: the count may be wrong or missing. (A single page cannot slide.)

    Raises:
        GenesysAnswerInvalid: the last two readings still differ.
    """
    before: set[str] | None = None
    for attempt in range(1, LISTINGS + 1):
        queue = get_queue(client, queue_id)
        count = queue.get("memberCount")
        count = count if isinstance(count, int) and not isinstance(count, bool) else None
        listed = _pages(_ahead(client, page, count), count)
        members, repeated = _once(listed)
        ids = {user_id(entity) for _, entity in members}
        certain = all(number == 1 for number, _ in listed) if count is None else count == len(ids)
        if not repeated and (certain or ids == before):
            return queue, members
        flaw = f"member {repeated} is listed twice" if repeated else f"{len(ids)} are listed"
        before = None if repeated else ids
        if attempt == LISTINGS or not client.pause(LISTING_PAUSE_S * 2 ** (attempt - 1)):
            break
    raise GenesysAnswerInvalid(
        f"None of {attempt} readings of the members of queue {queue_id} can be relied on: at the last one "
        f"{flaw}, and the queue shows a count of {'none' if count is None else count}. Send the plan again when nobody "
        "joins or leaves the queue; if it stays, report it to Genesys."
    )


def _ahead(client: GenesysClient, page: Callable[[int], Page], count: int | None) -> Callable[[int], Page]:
    """Read the pages that `count` members fill, several at once, and return a `page` that knows them.

    The count is a hint: no page is begun after one that is the last, and `_pages` reads on if it needs more.
    """
    ended = False

    def read(number: int) -> Page:
        nonlocal ended
        current = page(number)
        ended = ended or not (current.more or current.following)
        return current

    pages = min(-(-count // PAGE_SIZE), MOST_AHEAD) if count else 0
    known = client.get_in_lanes(read, range(1, pages + 1), lambda: not ended)
    return lambda number: known[number - 1] if number <= len(known) else page(number)


def _pages(page: Callable[[int], Page], count: int | None) -> list[tuple[int, Entity]]:
    """Read page after page. A short page is the last one, unless members are missing, or it names another page."""
    listed: list[tuple[int, Entity]] = []
    known: set[str] = set()
    number, empty = 1, 0
    while True:
        current = page(number)
        new = {user_id(entity) for entity in current.entities} - known
        known |= new
        if not new and len(known) == count:  # no member is missing: this page is empty, or repeats an earlier one
            return listed
        listed += [(number, entity) for entity in current.entities]
        empty = 0 if current.entities else empty + 1
        if not new and (current.entities or current.following is None or empty > MOST_EMPTY):
            return listed  # the end, or a listing that repeats itself
        if current.following is None and not current.more and (count is None or len(known) >= count):
            return listed
        number = current.following or number + 1


def _once(listed: list[tuple[int, Entity]]) -> tuple[list[tuple[int, Entity]], str | None]:
    """Return the members, each once, and one that is repeated, if any.

    A user who is a member directly and through groups may be listed several times. It is one member, and the direct
    membership counts. A member who slid to another page looks the same, but then the number of members shows that
    somebody is missing.
    """
    members: dict[str, tuple[int, Entity]] = {}
    repeated = None
    for number, entity in listed:
        user = user_id(entity)
        if user not in members:
            members[user] = number, entity
            continue
        kinds = [members[user][1].get("memberBy"), entity.get("memberBy")]
        if "group" not in kinds:
            repeated = repeated or user
        elif kinds[1] == "user":
            members[user] = number, entity
    return list(members.values()), repeated


def with_pages_anew(
    client: GenesysClient, queue: Queue, user_ids: Collection[str], page: Callable[[int], Iterable[Member]]
) -> Queue | None:
    """Return `queue` with the given members' pages read again. None if the pages have shifted since."""
    numbers = sorted({member.native["page"] for member in queue.members if member.user_id in user_ids})
    by_group = {member.user_id: member.by_group for member in queue.members}  # a user may be listed as both
    fresh: dict[str, Member] = {}
    for members in client.get_in_lanes(lambda number: list(page(number)), numbers):
        fresh |= {m.user_id: m for m in members if m.by_group == by_group.get(m.user_id)}
    if not set(user_ids) <= fresh.keys():  # somebody joined or left
        return None
    return replace(queue, members=tuple(fresh.get(member.user_id, member) for member in queue.members))


def members_hold(now: Queue, members: Iterable[Member], target: Target) -> bool:
    """Return True if each of these members holds its value of `target`."""
    values = {member.user_id: member.value for member in now.members}
    return all(same(values.get(member.user_id), target.values[member.user_id]) for member in members)


def user_id(entity: Any) -> str:
    """Return the id of the member's user, in lower case. See types.GenesysId."""
    return shown_id(entity).lower()


def wire_id(member: Member) -> str:
    """Return the member's id as Genesys shows it."""
    return str(member.native.get("shown_id", member.user_id))


def as_shown(entity: Entity) -> dict[str, str]:
    """Return the id as Genesys shows it, for Member.native, if it is not in lower case."""
    shown = shown_id(entity)
    return {} if shown == shown.lower() else {"shown_id": shown}


def shown_id(entity: Any) -> str:
    user = entity.get("user") if isinstance(entity, dict) else None
    shown = (user.get("id") if isinstance(user, dict) else None) or (
        entity.get("id") if isinstance(entity, dict) else None
    )
    if not isinstance(shown, str) or not shown:
        raise GenesysAnswerInvalid("Genesys lists a member without a user id.")
    return shown


def name_of(entity: Entity) -> str | None:
    """Return the name of the member's user, for people."""
    user = entity.get("user")
    return text(entity, "name") or (text(user, "name") if isinstance(user, dict) else None)


def away(entity: Entity, *, asked: bool = True) -> str | None:
    """Return the reason why this user could not take work even when joined, or None.

    `asked`: the listing shows routing statuses, so a member without one cannot take work. The status stands beside the
    member or in its user. Comparisons ignore case.
    """
    user = entity.get("user")
    user = user if isinstance(user, dict) else {}
    state = user.get("state")
    if not is_active(user):
        gone = state.lower() if isinstance(state, str) else ""
        return f"user {gone}" if gone in GONE else "user of an unknown state"
    status, _ = routing_status(entity)
    if status is None:
        return "no routing status" if asked else None
    status = status.upper() if isinstance(status, str) else ""
    if status in ON_QUEUE:
        return None
    return status if status in OFF else "unknown routing status"


def routing_status(entity: Entity) -> tuple[Any, Any]:
    """Return the status and when it began, as Genesys writes them. None if missing."""
    for holder in (entity, entity.get("user")):
        shown = holder.get("routingStatus") if isinstance(holder, dict) else None
        status, since = (shown.get("status"), shown.get("startTime")) if isinstance(shown, dict) else (shown, None)
        if status is not None:
            return status, since
    return None, None


def proficiencies(skills: Any) -> dict[str, float | None]:
    """Return proficiencies by id and by name, folded. None if a listing has only the skill, or no valid proficiency.

    An inactive assignment does not count. Of two skills with one name, the higher proficiency counts for the name.
    """
    by_key: dict[str, float | None] = {}
    for skill in skills if isinstance(skills, list) else []:
        if isinstance(skill, str):
            by_key.setdefault(folded(skill), None)
        elif isinstance(skill, dict) and is_active(skill):
            proficiency = skill.get("proficiency")
            known = (
                float(proficiency)
                if isinstance(proficiency, int | float) and not isinstance(proficiency, bool)
                else None
            )
            for key in {folded(skill[key]) for key in ("name", "id") if isinstance(skill.get(key), str)}:
                by_key[key] = max(filter(None, (by_key.get(key), known)), default=known)
    return by_key


def is_active(holder: Entity) -> bool:
    """Return True for an active user, skill or assignment. Without a state, it is active."""
    state = holder.get("state")
    return state is None or (isinstance(state, str) and state.lower() == "active")


def text(holder: Entity, key: str) -> str | None:
    value = holder.get(key)
    return value if isinstance(value, str) else None


def number(holder: Entity, key: str) -> float | None:
    """Return a finite number of a sane size. None if the key is absent or null."""
    value = holder.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:  # NaN is not
        raise GenesysAnswerInvalid(f"Genesys holds {key} as something that is not a number.")
    return float(value)


def child(holder: Entity, key: str) -> Entity:
    """Return the object at `key`, or an empty one."""
    value = holder.get(key)
    if value is not None and not isinstance(value, dict):
        raise GenesysAnswerInvalid(f"Genesys holds {key} as something that is not an object.")
    return value or {}


def children(holder: Entity, key: str) -> list[Entity]:
    """Return the objects in the list at `key`. Empty if there is no list."""
    value = holder.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise GenesysAnswerInvalid(f"Genesys holds {key} as something that is not a list of objects.")
    return value
