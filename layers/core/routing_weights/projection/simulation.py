"""A seeded discrete-event simulation of the ranking that an actuator causes, with intervals of confidence.

Contacts arrive in a Poisson stream per queue, are handled for an exponential time, and hang up after an exponential
patience. Each of the three has a random stream of its own and is drawn for every contact, whatever happens to it. So
two policies meet the same contacts (common random numbers), and so does every run of the same seed.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate
from random import Random
from typing import ClassVar, assert_never

from routing_weights.domain.actuators.base import Rule
from routing_weights.domain.types import ShareOptions

SHARED_AGENTS = (
    "An agent who becomes free takes the longest waiting contact of one queue; of several queues with waiting contacts "
    "one is drawn with a probability proportional to the agent's weights there, and where those are all 0 the contact "
    "that has waited longest is taken. This is an assumption about the routing engine, not documented behaviour."
)
"""The sentence that a report owes its reader where agents serve several queues."""


def assumption(rule: Rule) -> str:
    """The sentence that a report owes its reader."""
    match rule:
        case "ring":
            return (
                "A contact can reach the agents of ring 1 at once and those of each next ring when the time-outs "
                "before it have passed; of the idle agents it reaches, the longest idle of the ring that opened first "
                "takes it."
            )
        case "proficiency":
            return (
                "The idle agent with the highest proficiency takes a contact; the longest idle of equals. Genesys "
                "looks only at the 100 agents who have been idle longest, which is not simulated."
            )
        case "joined":
            return "The longest idle of the joined agents takes a contact."
        case "score":
            return (
                "The idle agent with the highest score takes a contact; the longest idle of equals. This is an "
                "assumption about the routing engine of the source document, which says no more than that scores are "
                "preferences."
            )
        case "share":
            return (
                "A contact waits for its drawn agent alone, then for the other preferred agents by score, then for "
                "anyone in the queue; the longest idle of the agents it reaches takes it. A contact without preferred "
                "agents reaches everybody at once. An agent who becomes free takes the longest waiting contact that "
                "reaches the agent."
            )
        case unreachable:
            assert_never(unreachable)


def is_pool(rule: Rule) -> bool:
    """True if every contact can reach every agent at once."""
    match rule:
        case "ring" | "share":
            return False
        case "proficiency" | "joined" | "score":
            return True
        case unreachable:
            assert_never(unreachable)


REPLICATIONS = 10
HORIZON_S = 7200.0
"""Measured with 60 agents at a load of 0.94: intervals of 95 % cover 91 % over one hour, and 94 % over two."""
WARM_UP_S = 1800.0


@dataclass(frozen=True, slots=True)
class Drawing:
    """How the contacts of a queue are drawn."""

    options: ShareOptions
    standings_s: float | None
    """How many seconds lie between two readings of the agents' standings, as far as there are draws. 0: each change is
    known at once. None: no standing is ever known, so that busy and absent agents are drawn too."""
    limit: int
    """The largest number of preferred agents of a contact, at least 1."""
    absent: tuple[float, ...] = ()
    """The shares of members who are not on queue, each above 0."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The contacts that a queue is offered, and how it chooses an agent."""

    queue_id: str
    offered_per_s: float
    """Contacts per second, at least 0."""
    aht_s: float
    """Mean handling time, above 0."""
    patience_s: float
    """Mean patience, above 0; infinite: nobody hangs up."""
    within_s: float
    """Seconds: the service level counts the contacts that are answered within them."""
    rule: Rule = "joined"
    skills: frozenset[str] = frozenset()
    """An agent needs all of them, for as long as the contact waits."""
    ring_timeouts_s: tuple[float, ...] = ()
    """For `ring`: after how long the next ring opens to a contact, from ring 1 on. The last ring has no time-out."""
    drawing: Drawing | None = None
    """For `share`."""


@dataclass(frozen=True, slots=True)
class Place:
    """An agent's place in a queue. An agent who is not joined to a queue has no place there."""

    value: float = 1.0
    """The actuator's value: ring number (1 to 6), proficiency or score (higher is better), joined (0: not joined), or
    the share."""
    weight: float = 0.0
    """For an agent of several queues: how much this queue is preferred when the agent becomes free; >= 0."""


@dataclass(frozen=True, slots=True)
class Seat:
    """An agent who is on queue for the whole time."""

    agent_id: str
    places: Mapping[str, Place]
    """By queue id."""
    skills: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Scenario:
    """Queues and agents, as a policy arranges them. The order of the seats decides only who is the first to be idle."""

    demands: tuple[Demand, ...]
    seats: tuple[Seat, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over replications with its 95 % interval of confidence (Student's t). It is not cut off at 0 or 1."""

    mean: float
    half_width: float

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width


@dataclass(frozen=True, slots=True)
class QueueOutcome:
    """Figures of the contacts that arrived after the warm-up. An interval is None without such contacts."""

    contacts: int
    """In all replications: the size of the sample."""
    service_level: Interval | None
    """Answered in time / offered."""
    abandonment: Interval | None
    mean_wait_s: Interval | None
    """Over everything offered, answered or not."""
    occupancy: Interval | None
    """Of the agents who can get its contacts, whatever queue keeps them busy; None: there are no such agents."""
    shares: Mapping[str, Interval]
    """By agent who can get its contacts: the share of the queue's answered contacts. A weight can attain this share."""
    share_error: Interval | None
    """For `share`: the mean over all members with a share of |share - what it attains|, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class AgentOutcome:
    occupancy: Interval
    """Busy time / time."""
    share: Interval | None
    """Of all answered contacts of all queues."""


@dataclass(frozen=True, slots=True)
class Simulated:
    queues: Mapping[str, QueueOutcome]
    agents: Mapping[str, AgentOutcome]
    contacts: int
    """In all queues and replications, after the warm-up."""
    replications: int
    horizon_s: float
    warm_up_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class QueueDifference:
    """After minus before, over the same contacts. An interval that holds 0 shows no change."""

    service_level: Interval | None
    abandonment: Interval | None
    mean_wait_s: Interval | None
    occupancy: Interval | None


@dataclass(frozen=True, slots=True)
class Compared:
    before: Simulated
    after: Simulated
    queues: Mapping[str, QueueDifference]
    """By queue that is in both scenarios."""
    occupancy: Mapping[str, Interval]
    """By agent who is in both scenarios: the difference of the occupancy."""


def simulate(
    scenario: Scenario,
    *,
    seed: int,
    replications: int = REPLICATIONS,
    horizon_s: float = HORIZON_S,
    warm_up_s: float = WARM_UP_S,
    events: "type[Replication] | None" = None,
) -> Simulated:
    """Simulate `replications` independent stretches of `warm_up_s` and then `horizon_s` seconds, from an empty start.

    Contacts that arrive in the warm-up are not counted. Contacts that arrive in the horizon count, however long they
    wait.

    Args:
        scenario: with unique ids. A queue has a ring for each of its ring numbers.
        seed: equal seeds give equal results.
        replications: at least 2. One replication gives no interval.
        horizon_s: above 0. The figures of short stretches are skewed, so below a few thousand contacts the intervals
            are too narrow. A contact costs about 4 microseconds of CPU, a drawn one 8 to 40.
        warm_up_s: at least 0; a few mean handling times.
        events: `drawn.DrawnReplication` for queues whose contacts are drawn.

    Raises:
        ValueError: an argument out of its bounds.
    """
    return _Study(scenario, seed, replications, horizon_s, warm_up_s, events or Replication).simulated()


def compare(
    before: Scenario,
    after: Scenario,
    *,
    seed: int,
    replications: int = REPLICATIONS,
    horizon_s: float = HORIZON_S,
    warm_up_s: float = WARM_UP_S,
    events: "type[Replication] | None" = None,
) -> Compared:
    """Simulate both scenarios with the same contacts. Only the policy differs, and intervals are those of the pairs.

    Arguments and errors are those of `simulate`. If a demand differs, its stream is stretched and not drawn anew.
    """
    first = _Study(before, seed, replications, horizon_s, warm_up_s, events or Replication)
    second = _Study(after, seed, replications, horizon_s, warm_up_s, events or Replication)
    old, new = first.figures(), second.figures()
    differences = {key: _difference(old[key], new[key]) for key in old if key in new}
    return Compared(
        before=first.simulated(),
        after=second.simulated(),
        queues={
            demand.queue_id: QueueDifference(*(differences["queue", demand.queue_id, name] for name in _FIGURES))
            for demand in before.demands
            if ("queue", demand.queue_id, "occupancy") in differences
        },
        occupancy={
            identity: difference
            for (kind, identity, name), difference in differences.items()
            if kind == "agent" and name == "occupancy" and difference is not None
        },
    )


# ---- the events ------------------------------------------------------------------------------------------------------

Contact = tuple[float, int, float, float]
"""Its arrival, the index of its queue, its handling time, and when it hangs up."""


@dataclass(frozen=True, slots=True)
class DrawnQueue:
    """A queue with shares, by numbers of agents."""

    drawing: Drawing
    weights: Mapping[int, float]
    """By agent who has a share."""
    absent: tuple[float, ...]
    """The shares of those who are drawn in vain."""
    anyone: frozenset[int]
    """The agents who can take a contact without being preferred: preferred ones need no skill."""


@dataclass(frozen=True, slots=True)
class Floor:
    """A scenario as numbers: queues and agents by index."""

    within_s: list[float]
    delays: list[list[float]]
    """By queue and level, best first: after how long a contact can reach the level."""
    serves: list[list[tuple[int, int, float, float]]]
    """By agent: queue, level there, delay of the level, weight."""
    eligible: list[list[int]]
    """By queue: its agents."""
    drawn: list[DrawnQueue | None]
    """By queue: its shares; None without any."""


def floor_of(scenario: Scenario) -> Floor:
    delays, eligible, drawn = [], [], []
    serves: list[list[tuple[int, int, float, float]]] = [[] for _ in scenario.seats]
    for queue, demand in enumerate(scenario.demands):
        opens_s = [0.0, *accumulate(demand.ring_timeouts_s)]
        ranks = {
            agent: rank
            for agent, seat in enumerate(scenario.seats)
            if (place := seat.places.get(demand.queue_id)) is not None
            and (demand.skills <= seat.skills or (demand.drawing and place.value))
            and (rank := _rank(demand, place.value, opens_s)) is not None
        }
        levels = sorted(set(ranks.values()))
        level_of = {rank: level for level, rank in enumerate(levels)}
        for agent, rank in ranks.items():
            weight = scenario.seats[agent].places[demand.queue_id].weight
            serves[agent].append((queue, level_of[rank], rank[0], weight))
        delays.append([delay for delay, _ in levels])
        eligible.append(list(ranks))
        drawn.append(_drawn(demand, scenario.seats, eligible[-1]))
    return Floor([demand.within_s for demand in scenario.demands], delays, serves, eligible, drawn)


def _drawn(demand: Demand, seats: Sequence[Seat], eligible: Sequence[int]) -> DrawnQueue | None:
    if demand.rule != "share" or demand.drawing is None:
        return None
    values = {agent: seats[agent].places[demand.queue_id].value for agent in eligible}
    weights = {agent: value for agent, value in values.items() if value}
    if not weights:
        return None
    absent = demand.drawing.absent if demand.drawing.standings_s is None else ()
    anyone = frozenset(agent for agent in eligible if demand.skills <= seats[agent].skills)
    return DrawnQueue(demand.drawing, weights, absent, anyone)


def _rank(demand: Demand, value: float, opens_s: Sequence[float]) -> tuple[float, float] | None:
    """After how long a contact can reach an agent, and the agent's rank within; lower is better. None: it never can."""
    match demand.rule:
        case "joined":
            return (0.0, 0.0) if value else None
        case "share":
            return 0.0, 0.0
        case "proficiency" | "score":
            return 0.0, -value
        case "ring":
            ring = int(value)
            if ring != value or not 1 <= ring <= len(opens_s):
                raise ValueError(
                    f"queue {demand.queue_id} has {len(opens_s)} rings by its time-outs, and an agent in ring "
                    f"{value:g}: give one time-out fewer than there are rings"
                )
            return opens_s[ring - 1], 0.0
        case unreachable:
            assert_never(unreachable)


def contacts_of(demands: Sequence[Demand], *, seed: int, replication: int, until_s: float) -> list[Contact]:
    contacts: list[Contact] = []
    log = math.log
    for queue, demand in enumerate(demands):
        if not demand.offered_per_s:
            continue
        arrivals, handling, patience = (
            Random(f"{seed}/{replication}/{demand.queue_id}/{stream}").random  # noqa: S311
            for stream in ("arrivals", "handling", "patience")
        )
        gap_s, aht_s, patience_s = 1 / demand.offered_per_s, demand.aht_s, demand.patience_s
        stays = math.isinf(patience_s)
        t = -gap_s * log(1 - arrivals())
        while t < until_s:
            hangs_up = math.inf if stays else t - patience_s * log(1 - patience())
            contacts.append((t, queue, -aht_s * log(1 - handling()), hangs_up))
            t -= gap_s * log(1 - arrivals())
    contacts.sort()
    return contacts


class Replication:
    """One stretch of time. A contact costs O(log agents), since nothing scans the agents.

    A queue keeps its idle agents in a heap, by level and by how long they have been idle. An agent whom another queue
    has taken meanwhile has a stamp that is no longer valid. A contact that hung up is found at the head of the line.
    Neither needs an event. Contacts may wait while agents are idle in rings that are not open yet. The first to meet
    are the head of the line and the top of the heap, so one timer per queue is enough.
    """

    __slots__ = (
        "abandoned", "answered", "busy_s", "choose", "end_s", "events", "floor", "idle", "idle_since", "in_time",
        "offered", "stamp", "timers", "waited_s", "waiting", "warm_up_s",
    )  # fmt: skip
    draws_contacts: ClassVar[bool] = False

    def __init__(self, floor: Floor, choose: Random, *, warm_up_s: float, end_s: float) -> None:
        queues, agents = len(floor.within_s), len(floor.serves)
        if any(floor.drawn) and not self.draws_contacts:
            raise ValueError("the contacts of a queue are drawn: simulate them with drawn.DrawnReplication")
        self.floor, self.choose, self.warm_up_s, self.end_s = floor, choose, warm_up_s, end_s
        self.offered, self.in_time, self.abandoned = [0] * queues, [0] * queues, [0] * queues
        self.waited_s, self.busy_s = [0.0] * queues, [0.0] * agents
        self.answered = [[0] * agents for _ in range(queues)]
        self.waiting: list[deque[Contact]] = [deque() for _ in range(queues)]
        self.idle: list[list[tuple[int, int, int]]] = [[] for _ in range(queues)]
        """By queue, a heap: level, stamp, agent."""
        self.stamp = 0
        self.idle_since = [-1] * agents
        """By agent, the stamp of becoming idle; -1 while busy."""
        self.timers = [math.inf] * queues
        self.events: list[tuple[float, int]] = []
        """A heap of times, each with the agent who becomes free, or with ~queue whose next ring opens."""
        for agent in range(agents):
            self._rest(agent)

    def run(self, contacts: Sequence[Contact]) -> None:
        events, waiting = self.events, self.waiting
        for contact in contacts:
            now, queue = contact[0], contact[1]
            while events and events[0][0] <= now:
                self._next()
            if now >= self.warm_up_s:
                self.offered[queue] += 1
            self._arrive(contact, queue, now)
        while events and any(waiting):
            self._next()
        self._close()

    def _close(self) -> None:
        """Count the contacts that no agent can ever get: they hang up, or wait to the end."""
        for queue, line in enumerate(self.waiting):
            for arrival, _, _, hangs_up in line:
                if arrival >= self.warm_up_s:
                    self.abandoned[queue] += hangs_up < math.inf
                    self.waited_s[queue] += (hangs_up if hangs_up < math.inf else self.end_s) - arrival

    def _arrive(self, contact: Contact, queue: int, now: float) -> None:
        ready, idle_since = self.idle[queue], self.idle_since
        while ready and idle_since[ready[0][2]] != ready[0][1]:
            heappop(ready)
        if ready and not self.floor.delays[queue][ready[0][0]]:
            self._begin(heappop(ready)[2], contact, now)
        else:
            self.waiting[queue].append(contact)
            if ready:
                self._watch(queue, now)

    def _next(self) -> None:
        now, who = heappop(self.events)
        if who >= 0:
            self._free(who, now)
        elif self.timers[~who] == now:
            self._open(~who, now)

    def _begin(self, agent: int, contact: Contact, now: float) -> None:
        arrival, queue, handling, _ = contact
        self.idle_since[agent] = -1
        done = now + handling
        heappush(self.events, (done, agent))
        warm_up_s, end_s = self.warm_up_s, self.end_s
        if done > warm_up_s and now < end_s:
            self.busy_s[agent] += min(done, end_s) - max(now, warm_up_s)
        if arrival >= warm_up_s:
            self.answered[queue][agent] += 1
            self.waited_s[queue] += now - arrival
            if now <= arrival + self.floor.within_s[queue]:  # the sum: a ring that opens at the last moment is in time
                self.in_time[queue] += 1

    def _free(self, agent: int, now: float) -> None:
        waiting = self.waiting
        candidates = [
            (contact, weight)
            for queue, _, delay, weight in self.floor.serves[agent]
            if waiting[queue] and (contact := self._first(queue, agent, delay, now)) is not None
        ]
        if not candidates:
            self._rest(agent)
            for queue, *_ in self.floor.serves[agent]:
                if waiting[queue]:
                    self._watch(queue, now)
            return
        contact = candidates[0][0] if len(candidates) == 1 else self._choice(candidates)
        waiting[contact[1]].remove(contact)  # it is the first, or among the first
        self._begin(agent, contact, now)

    def _first(self, queue: int, agent: int, delay: float, now: float) -> Contact | None:  # noqa: ARG002 - not here
        """The contact of a queue that has waited longest of those that the agent can take."""
        head = self._head(queue, now)
        return head if head is not None and head[0] + delay <= now else None

    def _choice(self, candidates: list[tuple[Contact, float]]) -> Contact:
        left = self.choose.random() * math.fsum(weight for _, weight in candidates)
        for contact, weight in candidates:
            left -= weight
            if left < 0:
                return contact
        return min(candidates)[0]

    def _rest(self, agent: int) -> None:
        self.stamp += 1
        self.idle_since[agent] = self.stamp
        for queue, level, _, _ in self.floor.serves[agent]:
            heappush(self.idle[queue], (level, self.stamp, agent))

    def _open(self, queue: int, now: float) -> None:
        self.timers[queue] = math.inf
        while (due := self._due(queue, now)) <= now:
            self._begin(heappop(self.idle[queue])[2], self.waiting[queue].popleft(), now)
        self._set(queue, due)

    def _watch(self, queue: int, now: float) -> None:
        self._set(queue, self._due(queue, now))

    def _set(self, queue: int, due: float) -> None:
        if due < self.timers[queue]:
            self.timers[queue] = due
            heappush(self.events, (due, ~queue))

    def _due(self, queue: int, now: float) -> float:
        """When the head of the line can reach the best idle agent; infinite without a contact or an agent."""
        head, ready = self._head(queue, now), self.idle[queue]
        while ready and self.idle_since[ready[0][2]] != ready[0][1]:
            heappop(ready)
        return math.inf if head is None or not ready else head[0] + self.floor.delays[queue][ready[0][0]]

    def _head(self, queue: int, now: float) -> Contact | None:
        """The contact that has waited longest and not hung up. Counts those that have."""
        line = self.waiting[queue]
        while line and line[0][3] <= now:
            arrival, _, _, hung_up = line.popleft()
            if arrival >= self.warm_up_s:
                self.abandoned[queue] += 1
                self.waited_s[queue] += hung_up - arrival
        return line[0] if line else None


# ---- the figures -----------------------------------------------------------------------------------------------------

_FIGURES = ("service_level", "abandonment", "mean_wait_s", "occupancy")
_Series = list[float] | None
"""One value per replication; None: there is nothing to divide by."""


class _Study:
    """The replications of one scenario."""

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        replications: int,
        horizon_s: float,
        warm_up_s: float,
        events: type[Replication],
    ) -> None:
        _check(scenario, replications, horizon_s, warm_up_s)
        self.scenario, self.seed, self.horizon_s, self.warm_up_s = scenario, seed, horizon_s, warm_up_s
        self.floor = floor_of(scenario)
        self.runs = []
        end_s = warm_up_s + horizon_s
        for number in range(replications):
            choose = Random(f"{seed}/{number}/choice")  # noqa: S311
            run = events(self.floor, choose, warm_up_s=warm_up_s, end_s=end_s)
            run.run(contacts_of(scenario.demands, seed=seed, replication=number, until_s=end_s))
            self.runs.append(run)

    def figures(self) -> dict[tuple[str, str, str], _Series]:
        """By kind, id, and name of the figure."""
        runs, horizon_s = self.runs, self.horizon_s
        figures: dict[tuple[str, str, str], _Series] = {}
        for queue, demand in enumerate(self.scenario.demands):
            identity, eligible = demand.queue_id, self.floor.eligible[queue]
            offered = [run.offered[queue] for run in runs]
            figures["queue", identity, "service_level"] = _ratios([run.in_time[queue] for run in runs], offered)
            figures["queue", identity, "abandonment"] = _ratios([run.abandoned[queue] for run in runs], offered)
            figures["queue", identity, "mean_wait_s"] = _ratios([run.waited_s[queue] for run in runs], offered)
            busy_s = [math.fsum(run.busy_s[agent] for agent in eligible) for run in runs]
            figures["queue", identity, "occupancy"] = _ratios(busy_s, [len(eligible) * horizon_s] * len(runs))
            answered = [sum(run.answered[queue]) for run in runs]
            for agent in eligible:
                key = ("share", identity, self.scenario.seats[agent].agent_id)
                figures[key] = _ratios([run.answered[queue][agent] for run in runs], answered)
            figures["queue", identity, "share_error"] = self._share_error(demand, figures)
        answered = [sum(map(sum, run.answered)) for run in runs]
        for agent, seat in enumerate(self.scenario.seats):
            figures["agent", seat.agent_id, "occupancy"] = [run.busy_s[agent] / horizon_s for run in runs]
            own = [sum(by_agent[agent] for by_agent in run.answered) for run in runs]
            figures["agent", seat.agent_id, "share"] = _ratios(own, answered)
        return figures

    def _share_error(self, demand: Demand, figures: Mapping[tuple[str, str, str], _Series]) -> _Series:
        """The mean deviation of all, by replication: the sign of each is that of its mean, so that chance adds none."""
        if demand.drawing is None:
            return None
        deviations = []
        for seat in self.scenario.seats:
            share = seat.places[demand.queue_id].value if demand.queue_id in seat.places else 0.0
            if share and (series := figures.get(("share", demand.queue_id, seat.agent_id))):
                sign = math.copysign(1.0, math.fsum(series) - share * len(series))
                deviations.append([sign * (value - share) for value in series])
        count = len(deviations) + len(demand.drawing.absent)
        lost = math.fsum(demand.drawing.absent)
        return [(math.fsum(each) + lost) / count for each in zip(*deviations, strict=True)] if deviations else None

    def simulated(self) -> Simulated:
        figures = {key: None if series is None else _interval(series) for key, series in self.figures().items()}
        offered = [sum(run.offered[queue] for run in self.runs) for queue in range(len(self.scenario.demands))]
        return Simulated(
            queues={
                demand.queue_id: QueueOutcome(
                    offered[queue],
                    figures["queue", demand.queue_id, "service_level"],
                    figures["queue", demand.queue_id, "abandonment"],
                    figures["queue", demand.queue_id, "mean_wait_s"],
                    figures["queue", demand.queue_id, "occupancy"],
                    {
                        name: share
                        for (kind, identity, name), share in figures.items()
                        if kind == "share" and identity == demand.queue_id and share is not None
                    },
                    figures["queue", demand.queue_id, "share_error"],
                )
                for queue, demand in enumerate(self.scenario.demands)
            },
            agents={
                seat.agent_id: AgentOutcome(
                    _interval([run.busy_s[agent] / self.horizon_s for run in self.runs]),
                    figures["agent", seat.agent_id, "share"],
                )
                for agent, seat in enumerate(self.scenario.seats)
            },
            contacts=sum(offered),
            replications=len(self.runs),
            horizon_s=self.horizon_s,
            warm_up_s=self.warm_up_s,
            seed=self.seed,
        )


def _check(scenario: Scenario, replications: int, horizon_s: float, warm_up_s: float) -> None:
    if replications < 2:  # noqa: PLR2004
        raise ValueError(f"{replications} replications give no interval: ask for at least 2")
    if not (0 < horizon_s < math.inf and 0 <= warm_up_s < math.inf):
        raise ValueError(f"a horizon of {horizon_s:g} s after a warm-up of {warm_up_s:g} s is not a stretch of time")
    for ids in ([demand.queue_id for demand in scenario.demands], [seat.agent_id for seat in scenario.seats]):
        if len(set(ids)) != len(ids):
            raise ValueError("a queue or an agent is named twice in the scenario")
    for demand in scenario.demands:
        finite = (demand.offered_per_s, demand.aht_s, demand.within_s, *demand.ring_timeouts_s)
        positive = demand.aht_s > 0 and demand.patience_s > 0
        if not (positive and all(0 <= number < math.inf for number in finite)):
            raise ValueError(f"the demand on queue {demand.queue_id} has a figure that is negative or not finite")
    for seat in scenario.seats:
        if not all(0 <= place.weight < math.inf and math.isfinite(place.value) for place in seat.places.values()):
            raise ValueError(f"agent {seat.agent_id} has a weight or a value that is negative or not finite")


def _ratios(parts: Sequence[float], wholes: Sequence[float]) -> _Series:
    """Values whose mean is the ratio of the sums, and whose spread is that of the ratio, by linearisation.

    The mean of the ratios would be biased, since a stretch with more contacts has the worse service level.
    """
    whole = math.fsum(wholes)
    if not whole:
        return None
    ratio, scale = math.fsum(parts) / whole, len(wholes) / whole
    return [ratio + (part - ratio * own) * scale for part, own in zip(parts, wholes, strict=True)]


def _difference(before: _Series, after: _Series) -> Interval | None:
    if before is None or after is None:
        return None
    return _interval([new - old for old, new in zip(before, after, strict=True)])


def _interval(values: Sequence[float]) -> Interval:
    count = len(values)
    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return Interval(mean, student(count - 1) * math.sqrt(variance / count))


_STUDENT = (12.7062047, 4.3026527, 3.1824463, 2.7764451, 2.5705818, 2.4469118, 2.3646243, 2.3060041, 2.2621572)


def student(freedom: int) -> float:
    """The quantile 0.975 of Student's t: from a table, then by the expansion of Cornish and Fisher, within 2e-5."""
    if freedom <= len(_STUDENT):
        return _STUDENT[freedom - 1]
    z = 1.959963985
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + (first + (second + (third + fourth / freedom) / freedom) / freedom) / freedom
