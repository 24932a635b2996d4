"""A draw: whom one contact should reach first, so that each member has its share of a queue's contacts."""

import json
import math
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Generic, Literal, TypeVar

from routing_weights.domain.deficit import Deficits
from routing_weights.domain.shares import SCORES, SharesInForce
from routing_weights.domain.standings import VOICE, Standings
from routing_weights.domain.types import LONGEST_S

Name = TypeVar("Name")
Reason = Literal["drawn", "nobody", "none_free", "no_shares", "uncounted", "failed"]
"""Why an answer is as it is.

- drawn: there are agents.
- nobody: the contact belongs to the part of all contacts that has no agent.
- none_free: no member is free, and nobody waits for one.
- no_shares: the queue has no shares in force.
- uncounted: there are agents, but too many draws came at once to count this one. The correction counts the contact.
- failed: a store did not answer, or the request cannot be read. The log has the cause.
"""

BUCKET_S, BUCKETS = 900, 8
"""Draws are counted by quarters of an hour, so that they can be compared with what Genesys counted: two hours."""
RINGS_S = 10.0
"""While a contact rings, Genesys still shows its agent as idle. A call rings for 8 s, unless the queue says more."""
_FIRST = ord("0")
"""The first character of a list of agents, as a tally stores it."""
RECENT, RECENT_S = 128, 600.0
"""How many conversations get the same answer again, and for how long after the first one."""


@dataclass(frozen=True, slots=True)
class Draw:
    """The answer for one contact. Without agents, it goes to the whole queue at once."""

    agents: tuple[str, ...] = ()
    """User ids. The drawn one is the first."""
    hold_s: int = 0
    """How long the contact should wait for the drawn agent alone."""
    distribution_id: str = ""
    reason: Reason = "drawn"

    @property
    def scores(self) -> tuple[int, ...]:
        """The agents' scores, as Genesys's preferred agent routing takes them."""
        return tuple(SCORES[min(place, len(SCORES) - 1)] for place in range(len(self.agents)))


@dataclass(frozen=True, slots=True)
class Tally:
    """What a queue's draws have counted. Users are ids of Genesys, in lower case."""

    version: int = 0
    """Grows by 1 with every write. 0: nothing is stored yet."""
    deficits: Mapping[str, float] = field(default_factory=dict)
    """In contacts, by user. A plan that changes keeps those of the members who stay, see `Deficits`."""
    nobody: float = 0.0
    """The deficit of the part of the contacts that has no agent."""
    drawn_at: Mapping[str, float] = field(default_factory=dict)
    """The time of each user's last draw, in epoch seconds, while it matters."""
    drawn: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """The number of draws by bucket and user; "": nobody. A bucket has the name of its start, in epoch seconds.

    A draw that found nobody free is not counted.
    """
    corrected_until: int = 0
    """The start of the next bucket to correct, in epoch seconds. 0: none was corrected yet."""
    recent: Mapping[str, tuple[float, Draw]] = field(default_factory=dict)
    """The answers of the last conversations and their times, by the key of the conversation; oldest first."""
    members_since: int = 0
    """The bucket of the first draw since the set of the members with a share changed. Later buckets are all theirs."""

    def answer_to(self, conversation: str, now: float) -> Draw | None:
        """The answer that this conversation has had already."""
        at, known = self.recent.get(_key(conversation), (-RECENT_S, None))
        return known if now - at < RECENT_S else None

    def deficits_under(self, shares: SharesInForce) -> Deficits:
        """The deficits of the members that have a share now: of whoever has joined 0, without those who have left."""
        own = [self.deficits.get(user, 0.0) for user in shares.weights]
        return Deficits(list(shares.weights.values()), shares.nobody, own, self.nobody)

    def with_deficits(self, shares: SharesInForce, deficits: Deficits) -> "Tally":
        by_user = dict(zip(shares.weights, deficits.members, strict=True))
        return replace(self, version=self.version + 1, deficits=by_user, nobody=deficits.nobody)

    def corrected(
        self, shares: SharesInForce, bucket: int, realised: Mapping[str, int], away: Iterable[str] = ()
    ) -> "Tally":
        """Replace the draws of an ended bucket by the contacts that each user had in it.

        Users without a share, and "", are all other agents. Members who are `away` gain nothing.
        """
        place, absent = {user: index for index, user in enumerate(shares.weights)}, set(away)
        deficits = self.deficits_under(shares)
        deficits.correct(
            _by_place(self.drawn.get(bucket, {}), place),
            _by_place(realised, place),
            [index for user, index in place.items() if user not in absent],
        )
        later = {start: counts for start, counts in self.drawn.items() if start > bucket}
        return replace(self.with_deficits(shares, deficits), drawn=later, corrected_until=bucket + BUCKET_S)

    def to_json(self) -> str:
        """The stored form, without the version. DynamoDB bills by the kilobyte, so each name is written once.

        A list of agents is a text with one character for each.
        """
        users, kinds = _Names(self.deficits), _Names[tuple[int, str, Reason]](())
        document = {
            # 12 decimals: the error of a million draws is still far below a contact
            "deficits": [round(deficit, 12) for deficit in self.deficits.values()],
            "nobody": round(self.nobody, 12),
            "drawn_at": {users.place(user): round(at, 3) for user, at in self.drawn_at.items()},
            "drawn": {
                start: {users.place(user): count for user, count in counts.items()}
                for start, counts in self.drawn.items()
            },
            "corrected_until": self.corrected_until,
            "members_since": self.members_since,
            "recent": [
                [
                    *(key, round(at, 3), "".join([chr(_FIRST + users.place(user)) for user in draw.agents])),
                    kinds.place((draw.hold_s, draw.distribution_id, draw.reason)),
                ]
                for key, (at, draw) in self.recent.items()
            ],
            "users": list(users.places),
            "kinds": list(kinds.places),
        }
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, version: int) -> "Tally":
        """Raises an error of Python, such as ValueError or AttributeError, if somebody has stored something else."""
        document: dict[str, Any] = json.loads(text)
        users, kinds = document["users"], document["kinds"]
        deficits, nobody = [float(deficit) for deficit in document["deficits"]], float(document["nobody"])
        if not math.isfinite(math.fsum([*deficits, nobody])):
            raise ValueError("a deficit is a finite number")
        return cls(
            version,
            dict(zip(users, deficits, strict=False)),
            nobody,
            {users[int(place)]: float(at) for place, at in document["drawn_at"].items()},
            {
                int(start): {users[int(place)]: int(count) for place, count in counts.items()}
                for start, counts in document["drawn"].items()
            },
            int(document["corrected_until"]),
            {
                key: (float(at), Draw(tuple([users[ord(letter) - _FIRST] for letter in agents]), *kinds[kind]))
                for key, at, agents, kind in document["recent"]
            },
            document["members_since"],
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a queue that draws."""

    shares: SharesInForce | None
    """None: no shares are in force."""
    tally: Tally
    standings: Standings


def draw(
    shares: SharesInForce,
    tally: Tally,
    standings: Standings,
    conversation: str,
    media: str,
    now: float,
    limit: int,
) -> tuple[Draw, Tally]:
    """Draw the agents of one contact. The tally comes back as it was if nothing is to be counted.

    Args:
        shares: the shares in force.
        tally: what the draws before have counted.
        standings: how the members stand. Whoever is unknown may be drawn.
        conversation: the contact. If it was drawn lately, it gets the same answer, and is not counted again.
        media: a type of media of Genesys, such as voice or message.
        now: epoch seconds.
        limit: the largest number of agents, at least 1.
    """
    if known := tally.answer_to(conversation, now):
        return known, tally
    users, hold_s = list(shares.weights), shares.options.hold_s
    present, free = [], []
    for place, user in enumerate(users):
        standing = standings.of(user, media, now)
        if standing == "away":
            continue
        present.append(place)
        if standing != "busy" and not (media.lower() in VOICE and _is_expecting(user, hold_s, tally, standings, now)):
            free.append(place)
    if not free:
        return Draw((), hold_s, shares.distribution_id, "none_free"), tally
    deficits = tally.deficits_under(shares)
    drawn = deficits.draw(present, free)
    order: list[int] = []
    if drawn is not None:
        others, busy = (place for place in free if place != drawn), set(present) - set(free)
        order = [drawn, *deficits.ordered(others), *deficits.ordered(busy)]
    answer = Draw(
        tuple(users[place] for place in order[:limit]),
        hold_s,
        shares.distribution_id,
        "nobody" if drawn is None else "drawn",
    )
    counted = tally.with_deficits(shares, deficits)
    if tally.deficits.keys() != shares.weights.keys():
        counted = replace(counted, members_since=_bucket(now))
    return answer, _noted(counted, "" if drawn is None else users[drawn], conversation, answer, now)


def _is_expecting(user: str, hold_s: int, tally: Tally, standings: Standings, now: float) -> bool:
    """True while the last contact for which this member was drawn may wait for it, and nothing newer is known."""
    drawn_at = tally.drawn_at.get(user, -math.inf)
    return now - drawn_at < hold_s and standings.seen_at(user) < drawn_at + RINGS_S


def _noted(tally: Tally, user: str, conversation: str, answer: Draw, now: float) -> Tally:
    """Note who was drawn, "" for nobody, and forget what is too old."""
    bucket = _bucket(now)
    drawn = {start: counts for start, counts in tally.drawn.items() if start > bucket - BUCKETS * BUCKET_S}
    drawn[bucket] = {**drawn.get(bucket, {}), user: drawn.get(bucket, {}).get(user, 0) + 1}
    drawn_at = {known: at for known, at in tally.drawn_at.items() if now - at < LONGEST_S}
    recent = {key: known for key, known in tally.recent.items() if now - known[0] < RECENT_S}
    newest = list(recent.items())[1 - RECENT :]
    return replace(
        tally,
        drawn=drawn,
        drawn_at=drawn_at | {user: now} if user else drawn_at,
        recent={**dict(newest), _key(conversation): (now, answer)},
    )


def _bucket(now: float) -> int:
    return int(now // BUCKET_S) * BUCKET_S


def _key(conversation: str) -> str:
    """48 bits of a hash: two of 128 conversations have the same with a probability of 3e-11."""
    return urlsafe_b64encode(blake2b(conversation.encode(), digest_size=6).digest()).decode()


def _by_place(counts: Mapping[str, int], place: Mapping[str, int]) -> dict[int | None, int]:
    found: dict[int | None, int] = {}
    for user, count in counts.items():
        index = place.get(user)
        found[index] = found.get(index, 0) + count
    return found


class _Names(Generic[Name]):
    """Numbers names in the order in which they are first asked for."""

    def __init__(self, names: Iterable[Name]) -> None:
        self.places = {name: place for place, name in enumerate(names)}

    def place(self, name: Name) -> int:
        return self.places.setdefault(name, len(self.places))
