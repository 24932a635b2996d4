"""A simulated day of a queue whose contacts are drawn: the product's draw, reading and correction, on one clock.

The flow and the agents are the simulator's (`local/genesys/conversations.py`), and so are the figures by which draws
are corrected. The product's use cases run here as they do in their functions. Only the tables are in memory.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, assert_never

from local.genesys.conversations import Agent, Contact, Figures, Floor, Queue, figures
from local.genesys.platform_analytics import query_aggregates
from local.genesys.platform_organisation import PlatformOrganisation
from local.genesys.settings import Settings
from local.genesys.tokens import Clock
from local.genesys.wire import Request
from routing_weights.adapters.genesys.analytics import Analytics
from routing_weights.application.correct_shares import CorrectShares
from routing_weights.application.draw import DrawAgents
from routing_weights.application.read_standings import ReadStandings
from routing_weights.domain.actuators.bullseye import RINGS
from routing_weights.domain.actuators.proficiency import Proficiency
from routing_weights.domain.actuators.ring import Ring
from routing_weights.domain.draw import Stored, Tally
from routing_weights.domain.shares import SharesInForce, rules
from routing_weights.domain.standings import Membership, Standings, Status
from routing_weights.domain.types import ShareOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from routing_weights.domain.drawn import DrawnBucket

QUEUE = "queue-001"
START = datetime(2026, 11, 16, tzinfo=UTC)
"""Second 0 of the floor's clock."""
DAY_S = 86_400.0
CORRECTED_EVERY_S = 300
READ_EVERY_S = 5.0
LIMIT = 20
"""The largest number of agents of a contact: the deployment's default."""
READING_S = 0.5
"""How long a reading takes: the draw that asks for it does not know its answer."""
Knowledge = Literal["nothing", "readings", "events"]
"""What draws know of the agents: nothing, what a reading has shown after an earlier draw, or every change at once."""


Ranking = Literal["ring", "proficiency"]
RING_TIMEOUT_S = 10.0
SKILL = "skill-of-the-queue"


def routing_rules(options: ShareOptions) -> tuple[dict[str, Any], ...]:
    """Return the routing rules as the queue's document in Genesys holds them."""
    return tuple(
        {"operator": "ANY", "waitSeconds": float(rule.wait_s)}
        if rule.threshold is None
        else {"operator": "MEETS_THRESHOLD", "threshold": rule.threshold, "waitSeconds": float(rule.wait_s)}
        for rule in rules(options)
    )


class ShareDay:
    """A queue with one agent for each weight, and `others` without a share.

    Users are in lower case. A contact whose conversation is in `lost` gets no answer to its draw, which is counted.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        options: ShareOptions | None = None,
        knows: Knowledge = "readings",
        others: Sequence[str] = (),
        ranked: bool = False,
        rings_s: float = 0.0,
    ) -> None:
        self.options = options or ShareOptions()
        self.queue = Queue(QUEUE, rules=routing_rules(self.options), rings_s=rings_s)
        agents = [Agent(user_id, {QUEUE: 1}) for user_id in (*weights, *others)]
        self.floor = Floor([self.queue], agents, draw=self.ask, ranked=ranked)
        self.lost: set[str] = set()
        self.reasons: Counter[str] = Counter()
        self._knows = knows
        self.tables = Tables(SharesInForce(QUEUE, "d-1", weights, self.options, 1))
        every_s = READ_EVERY_S if knows == "readings" else 0.0
        self._draws = DrawAgents(
            store=self.tables,
            readings=_Asking(self._read_soon),
            limit=LIMIT,
            read_every_s=every_s,
            last_request_s=0.5,
            clock=lambda: 0.0,
            sleep=lambda _: None,
        )
        shares, self._standings = _Shares(self.tables), _AgentStandings(self.tables)
        self._reading = ReadStandings(shares, self._standings, lambda: _Statuses(self.floor), every_s)
        self.genesys = Analytics(_Genesys(self.floor), self._epoch_s)  # type: ignore[arg-type]  # only asks
        tallies, self.history = _Tallies(self.tables), _History(self.tables)
        correcting = CorrectShares(shares, tallies, self._standings, self.history, self.genesys, lambda: True)
        self.floor.every(CORRECTED_EVERY_S, lambda: correcting.correct(self.now))

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.floor.now)

    def run(self, contacts: Iterable[Contact], until_s: float = DAY_S) -> Figures:
        self.floor.receive(contacts)
        self.floor.run(until_s)
        return figures(self.floor, self.queue)

    def put_in_force(self, weights: Mapping[str, float]) -> None:
        """Change the plan, now."""
        known = self.tables.shares
        name = f"d-{known.version + 1}"
        self.tables.shares = replace(known, weights=weights, distribution_id=name, version=known.version + 1)

    def ask(self, conversation_id: str, queue_id: str, media: str, now: float) -> tuple[Sequence[str], Sequence[int]]:
        """The flow's question, as the data action asks it."""
        at = START.timestamp() + now
        if self._knows == "events":
            self._hear(queue_id, at)
        answer = self._draws.draw(queue_id, conversation_id, media, at)
        self.reasons[answer.reason] += 1
        return ((), ()) if conversation_id in self.lost else (answer.agents, answer.scores)

    def _hear(self, queue_id: str, now: float) -> None:
        """Note every change since the last draw, as the partner bus would have told it."""
        shown = _Statuses(self.floor).of_queue(queue_id, now)
        known, left = self.tables.standings, Membership(joined=False, since=now)
        for user_id in self.tables.shares.weights:
            fact = shown.get(user_id)
            if fact is None and user_id not in known.memberships:
                self._standings.note(queue_id, user_id, left, now)
            elif fact and (user_id not in known.statuses or known.statuses[user_id].status != fact.status):
                self._standings.note(queue_id, user_id, fact, now)

    def _epoch_s(self) -> float:
        return self.now.timestamp()

    def _read_soon(self, queue_id: str) -> None:
        began = self.now.timestamp()
        self.floor.at(self.floor.now + READING_S, lambda: self._reading.read(queue_id, began))


def ranked_day(by: Ranking, weights: Mapping[str, float], contacts: Iterable[Contact]) -> Figures:
    """Return the figures of a day on which rings or proficiencies carry the weights. Each ring opens after 10 s."""
    largest = max(weights.values())
    shares = {user_id: Fraction(weight) / Fraction(largest) for user_id, weight in weights.items()}
    rings = dict.fromkeys(weights, 1)
    skills = dict.fromkeys(weights, 1.0)
    queue = Queue(QUEUE)
    match by:
        case "ring":
            ring = Ring.for_weights(weights.values(), 1)
            rings = {user_id: ring.value(weights[user_id], share) for user_id, share in shares.items()}
            queue = replace(queue, ring_timeouts_s=(RING_TIMEOUT_S,) * RINGS)
        case "proficiency":
            proficiency = Proficiency.for_weights(weights.values(), 1)
            skills = {user_id: proficiency.value(weights[user_id], share) for user_id, share in shares.items()}
            queue = replace(queue, evaluation="BEST")
        case _:
            assert_never(by)
    agents = [Agent(user_id, {QUEUE: rings[user_id]}, {SKILL: skills[user_id]}) for user_id in weights]
    floor = Floor([queue], agents)
    floor.receive(replace(contact, skills=(SKILL,)) for contact in contacts)
    floor.run(DAY_S)
    return figures(floor, queue)


# ---- the tables, in memory -------------------------------------------------------------------------------------------


@dataclass
class Tables:
    """The items of the queue. Writes are conditional, as those of the product's tables."""

    shares: SharesInForce
    tally: Tally = field(default_factory=Tally)
    standings: Standings = field(default_factory=Standings)
    buckets: list[DrawnBucket] = field(default_factory=list)
    """The history of draws, the oldest first."""
    before_write: Callable[[], None] = lambda: None
    """What others do between the reading and the writing of a tally."""

    def read(self, queue_id: str) -> Stored:  # noqa: ARG002 - there is one queue
        return Stored(self.shares, self.tally, self.standings)

    def count(self, queue_id: str, tally: Tally) -> Tally | None:  # noqa: ARG002
        self.before_write()
        if tally.version != self.tally.version + 1:
            return self.tally
        self.tally = tally
        return None


@dataclass(frozen=True)
class _Shares:
    tables: Tables

    def find(self, queue_id: str) -> SharesInForce | None:  # noqa: ARG002
        return self.tables.shares

    def in_force(self) -> Iterator[SharesInForce]:
        yield self.tables.shares


@dataclass(frozen=True)
class _Tallies:
    tables: Tables

    def find(self, queue_id: str) -> Tally | None:  # noqa: ARG002
        return self.tables.tally if self.tables.tally.version else None

    def put(self, queue_id: str, tally: Tally) -> bool:
        return self.tables.count(queue_id, tally) is None


@dataclass(frozen=True)
class _AgentStandings:
    tables: Tables

    def find(self, queue_id: str) -> Standings:  # noqa: ARG002
        return self.tables.standings

    def claim(self, queue_id: str, known: Standings, until: float) -> bool:  # noqa: ARG002
        self.tables.standings = replace(known, claimed_until=until)
        return True

    def replace(self, queue_id: str, standings: Standings) -> bool:  # noqa: ARG002
        self.tables.standings = standings
        return True

    def note(self, queue_id: str, user_id: str, fact: Status | Membership, now: float) -> bool:  # noqa: ARG002
        known = self.tables.standings
        if isinstance(fact, Status):
            self.tables.standings = replace(known, statuses={**known.statuses, user_id: fact}, heard_at=now)
        else:
            self.tables.standings = replace(known, memberships={**known.memberships, user_id: fact}, heard_at=now)
        return True


@dataclass(frozen=True)
class _History:
    tables: Tables

    def put(self, queue_id: str, bucket: DrawnBucket) -> None:  # noqa: ARG002
        self.tables.buckets.append(bucket)

    def of_queue(self, queue_id: str, since: datetime, until: datetime) -> Iterator[DrawnBucket]:  # noqa: ARG002
        return (bucket for bucket in self.tables.buckets if since <= bucket.start < until)


# ---- Genesys ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Statuses:
    """The listing of the queue's members."""

    floor: Floor

    def of_queue(self, queue_id: str, now: float) -> Mapping[str, Status | None]:
        return {user_id: Status(self.floor.status(user_id), now) for user_id in self.floor.members(queue_id)}


@dataclass(frozen=True)
class _Asking:
    """The function that reads the agents, invoked asynchronously."""

    read_soon: Callable[[str], None]

    def ask(self, queue_id: str) -> None:
        self.read_soon(queue_id)


class _Genesys:
    """The simulator's analytics of what has happened on the floor, without a connection."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._organisation = PlatformOrganisation(Settings(), Clock(lambda: floor.now, START.timestamp()))

    def query(self, path: str, body: dict[str, Any]) -> Any:
        start = datetime.fromisoformat(body["interval"].partition("/")[0])
        self._organisation.put_analytics(self._floor.analytics(START, from_s=(start - START).total_seconds()))
        return query_aggregates(self._organisation, Request("POST", path, body=json.dumps(body).encode())).body
