"""What is known of the agents of a queue at a moment: who is free, busy or away.

Two sources know it, and both may be wrong for a time: a reading of the queue's members, and the events of Genesys's
partner bus. Times are epoch seconds. The routing status is kept, not the standing, because an agent who has a message
is free for another one, but not for a call.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, assert_never, get_args

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

RoutingStatus = Literal["IDLE", "INTERACTING", "COMMUNICATING", "NOT_RESPONDING", "OFF_QUEUE"]
STATUSES: tuple[RoutingStatus, ...] = get_args(RoutingStatus)
Standing = Literal["free", "busy", "away"]

KNOWN_S = 30.0
"""How long free and busy hold after they were seen, if no events come."""
AWAY_S = 600.0
"""How long away holds after it was seen, if no events come."""
ALIVE_S = 600.0
"""While the last event of a queue's agents is younger than this, each status holds until the next event."""
ALIVE_READ_S = 60.0
"""How old a reading must be, at least, before the next one, while events come."""
LAG_S = 5.0
"""An event may be this much older than the beginning of a reading that does not show it yet."""
VOICE = frozenset({"", "voice", "call", "callback"})
"""A contact of no named medium counts as a call."""
CLAIM_S = 20.0
"""How long nobody else reads the queue after one invocation began: the time-out of StandingsFunction."""


class Status(NamedTuple):
    status: RoutingStatus
    since: float


class Membership(NamedTuple):
    joined: bool
    since: float


@dataclass(frozen=True)
class Standings:
    """The agents of one queue, by user in lower case."""

    statuses: Mapping[str, Status] = field(default_factory=dict)
    memberships: Mapping[str, Membership] = field(default_factory=dict)
    """The users who left the queue or are not joined, and those who have joined since. Others count as members."""
    read_at: float = 0.0
    """When the last complete reading began. 0: never."""
    heard_at: float = 0.0
    """When the last event about the status of an agent of this queue came. 0: never."""
    claimed_until: float = 0.0
    """Until then somebody is reading the queue, or has given way to distributions."""
    version: int = 0
    """Grows with every write. 0: nothing is stored."""

    def of(self, user_id: str, media: str, now: float) -> Standing | None:
        """Return an agent's standing for a contact of this medium. None if it is unknown, or too old to count."""
        membership = self.memberships.get(user_id)
        if membership and not membership.joined:
            return "away"
        known = self.statuses.get(user_id)
        if known is None:
            return None
        standing = standing_of(known.status, media)
        holds_s = AWAY_S if standing == "away" else KNOWN_S
        return standing if self._is_alive(now) or now - self.seen_at(user_id) <= holds_s else None

    def seen_at(self, user_id: str) -> float:
        """Return when the agent's status was last known to be what it is here. 0: never."""
        known = self.statuses.get(user_id)
        return max(self.read_at, known.since) if known else 0.0

    def reading_is_due(self, now: float, every_s: float) -> bool:
        """Return True if the queue is to be read now. `every_s` 0: never. One invocation at a time reads it."""
        if not every_s or now < self.claimed_until:
            return False
        return now - self.read_at >= (max(every_s, ALIVE_READ_S) if self._is_alive(now) else every_s)

    def after_reading(self, listed: Mapping[str, Status | None], users: Collection[str], began: float) -> Standings:
        """Return what is known of `users` after a reading that began then. It releases the claim.

        `listed` has the users who are members, joined and active; None for one whose status is unknown. A younger event
        stays, and so does one that is only a little older than the reading, unless the reading shows that the status
        has changed since. A reading that began before the stored one changes nothing.
        """
        if began < self.read_at:
            return self
        statuses: dict[str, Status] = {}
        memberships: dict[str, Membership] = {}
        for user in users:
            shown, known, membership = listed.get(user), self.statuses.get(user), self.memberships.get(user)
            if membership and membership.since > began - LAG_S:
                memberships[user] = membership
            elif user not in listed:
                memberships[user] = Membership(joined=False, since=began)
            if known and known.since > began - LAG_S and (shown is None or known.since > shown.since):
                statuses[user] = known
            elif shown is not None:
                statuses[user] = shown
        return replace(self, statuses=statuses, memberships=memberships, read_at=began, claimed_until=0.0)

    def _is_alive(self, now: float) -> bool:
        return now - self.heard_at <= ALIVE_S


def standing_of(status: RoutingStatus, media: str) -> Standing:
    """Return the standing. An agent with a contact (INTERACTING) may get another one, unless that is a call."""
    match status:
        case "IDLE":
            return "free"
        case "INTERACTING":
            return "busy" if media.lower() in VOICE else "free"
        case "COMMUNICATING":
            return "busy"
        case "NOT_RESPONDING" | "OFF_QUEUE":
            return "away"
        case _:
            assert_never(status)
