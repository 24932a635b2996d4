"""The events of queues whose contacts are drawn (actuator `share`): each contact has preferred agents of its own.

What `domain.draw` does with users and stored counters happens here with indices, once per simulated contact. A call is
simulated, since an agent takes one at a time.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from random import Random
from typing import ClassVar

from routing_weights.domain.deficit import BOUND, EXACT, Deficits
from routing_weights.domain.draw import BUCKET_S, RINGS_S
from routing_weights.domain.shares import openings
from routing_weights.domain.standings import KNOWN_S
from routing_weights.projection.simulation import Contact, DrawnQueue, Floor, Replication

CORRECTED_AFTER_S = 600.0
"""How long after the end of a quarter of an hour its draws are replaced by what happened."""
ABSENT = -1
"""Stands for a member who has a share and is not on queue."""

_Opens = Mapping[int, float] | None
"""By preferred agent, after how long a contact reaches the agent. None: the contact has no preferred agents."""


class DrawnReplication(Replication):
    """A stretch of time with drawn contacts, beside contacts of queues that choose otherwise.

    Other than elsewhere, a contact may reach an agent whom an older one does not reach yet. So an agent who becomes
    free searches the line, but no further than the first contact that is open to anyone. A contact that waits has one
    event at a time: its next opening.
    """

    __slots__ = ("draws", "freed_s", "openings", "opens", "resting")
    draws_contacts: ClassVar[bool] = True

    def __init__(self, floor: Floor, choose: Random, *, warm_up_s: float, end_s: float) -> None:
        self.draws = [None if queue is None else _Draws(queue) for queue in floor.drawn]
        self.resting: list[dict[int, None]] = [{} for _ in floor.drawn]
        """By queue, its idle agents, the longest idle first."""
        self.freed_s = [-math.inf] * len(floor.serves)
        """By agent, when its last contact ended."""
        self.opens: dict[Contact, _Opens] = {}
        """The waiting contacts of the drawn queues."""
        self.openings: list[list[tuple[float, float, Contact]]] = [[] for _ in floor.drawn]
        """By queue, a heap of the contacts that wait for their next opening: when, after how long, and who."""
        super().__init__(floor, choose, warm_up_s=warm_up_s, end_s=end_s)

    def _arrive(self, contact: Contact, queue: int, now: float) -> None:
        draws, resting = self.draws[queue], self.resting[queue]
        if draws is None:
            super()._arrive(contact, queue, now)
            return
        opens = draws.opens(now, resting, self.freed_s)
        if opens is None:
            agent = next((agent for agent in resting if agent in draws.anyone), None)
        else:  # only the drawn agent is reached at once
            agent = next((agent for agent in opens if agent in resting and not opens[agent]), None)
        if agent is None:
            self.waiting[queue].append(contact)
            self.opens[contact] = opens
            if opens is not None:
                self._wait(contact, draws.steps[0])
        else:
            self._begin(agent, contact, now)
        draws.read(now, resting)

    def _begin(self, agent: int, contact: Contact, now: float) -> None:
        for queue, *_ in self.floor.serves[agent]:
            self.resting[queue].pop(agent, None)
        if (draws := self.draws[contact[1]]) is not None:
            self.opens.pop(contact, None)
            draws.count(agent, now)
        super()._begin(agent, contact, now)

    def _free(self, agent: int, now: float) -> None:
        self.freed_s[agent] = now
        super()._free(agent, now)

    def _rest(self, agent: int) -> None:
        self.stamp += 1
        self.idle_since[agent] = self.stamp
        for queue, level, _, _ in self.floor.serves[agent]:
            if self.draws[queue] is None:
                heappush(self.idle[queue], (level, self.stamp, agent))
            else:
                self.resting[queue][agent] = None

    def _first(self, queue: int, agent: int, delay: float, now: float) -> Contact | None:
        if (draws := self.draws[queue]) is None:
            return super()._first(queue, agent, delay, now)
        self._head(queue, now)  # drops those at the head that hung up
        for contact in self.waiting[queue]:
            if contact[3] > now and contact[0] + draws.after_s(self.opens[contact], agent) <= now:
                return contact
        return None

    def _next(self) -> None:
        now, who = self.events[0]
        if who < 0 and (draws := self.draws[~who]) is not None:
            heappop(self.events)
            self._reach(~who, draws, now)
        else:
            super()._next()

    def _watch(self, queue: int, now: float) -> None:
        if self.draws[queue] is None:
            super()._watch(queue, now)

    def _wait(self, contact: Contact, step_s: float) -> None:
        queue, due = contact[1], contact[0] + step_s
        if due < contact[3]:
            heappush(self.openings[queue], (due, step_s, contact))
            heappush(self.events, (due, ~queue))

    def _reach(self, queue: int, draws: "_Draws", now: float) -> None:
        """A contact reaches more agents: the longest idle of them takes it."""
        _, step_s, contact = heappop(self.openings[queue])
        if not (opens := self.opens.get(contact)):  # an agent has taken it
            return
        resting, since = self.resting[queue], self.idle_since
        more = [agent for agent, after_s in opens.items() if after_s == step_s and agent in resting]
        if step_s == draws.anyone_s:
            more += [agent for agent in resting if agent in draws.anyone]
        if more:
            self.waiting[queue].remove(contact)
            self._begin(min(more, key=since.__getitem__), contact, now)
        elif step_s < draws.anyone_s:
            self._wait(contact, next(later for later in draws.steps if later > step_s))


class _Draws:
    """The draws of one queue."""

    def __init__(self, queue: DrawnQueue) -> None:
        self.drawing, self.anyone = queue.drawing, queue.anyone
        options = queue.drawing.options
        self.levels_s, self.anyone_s = openings(options), float(options.anyone_s)
        self.steps = sorted({*self.levels_s, self.anyone_s} - {0.0})
        self.agents = [*queue.weights, *[ABSENT] * len(queue.absent)]
        """By place, the member's agent."""
        self.place = {agent: place for place, agent in enumerate(queue.weights)}
        weights = [*queue.weights.values(), *queue.absent]
        self.counters = Counters(weights, max(0.0, 1 - math.fsum(weights)))
        self.drawn_at = [-math.inf] * len(weights)
        self.known: tuple[int, ...] | None = None
        """The agents whom the last reading has found free; None: there was no reading."""
        self.read_at = -math.inf
        self.buckets: deque[tuple[float, dict[int | None, int], dict[int | None, int]]] = deque()
        """When each is corrected; and by place, what was drawn and what happened. None: nobody, and all others."""

    def opens(self, now: float, resting: Mapping[int, None], freed_s: Sequence[float]) -> _Opens:
        """Draw the agents of one contact."""
        while self.buckets and self.buckets[0][0] <= now:
            self.counters.correct(*self.buckets.popleft()[1:])
        free = self._free(now, resting, freed_s)
        if not free:
            return None
        drawn = self.counters.draw(free)
        counts = self._bucket(now)[1]
        counts[drawn] = counts.get(drawn, 0) + 1
        if drawn is None:
            return None
        self.drawn_at[drawn] = now
        agents, limit = self.agents, self.drawing.limit
        if agents[drawn] in resting:  # who takes it at once: the others do not matter
            return {agents[drawn]: 0.0}
        order = [drawn, *self.counters.ordered(free, drawn)]
        if len(order) < min(limit, len(agents)):
            able = set(free)
            order += self.counters.ordered([place for place in range(len(agents)) if place not in able], drawn)
        levels_s, last = self.levels_s, len(self.levels_s) - 1
        return {agents[place]: levels_s[min(level, last)] for level, place in enumerate(order[:limit])}

    def after_s(self, opens: _Opens, agent: int) -> float:
        """After how long a contact reaches an agent."""
        if opens is None:
            return 0.0 if agent in self.anyone else math.inf
        preferred = opens.get(agent)
        return preferred if preferred is not None else self.anyone_s if agent in self.anyone else math.inf

    def count(self, agent: int, now: float) -> None:
        """An agent has taken a contact."""
        counts, place = self._bucket(now)[2], self.place.get(agent)
        counts[place] = counts.get(place, 0) + 1

    def read(self, now: float, resting: Mapping[int, None]) -> None:
        """A draw has a reading made if the last one is old."""
        every_s = self.drawing.standings_s
        if every_s and now - self.read_at >= every_s:
            self.known, self.read_at = tuple(resting), now

    def _free(self, now: float, resting: Mapping[int, None], freed_s: Sequence[float]) -> Sequence[int]:
        """The places of whoever may be drawn: not who is known to be busy, or may be expecting a call."""
        agents, place, drawn_at, known = self.agents, self.place, self.drawn_at, self.known
        lately = now - self.drawing.options.hold_s
        if self.drawing.standings_s == 0:
            places: Sequence[int] = [place[agent] for agent in resting if agent in place]
            return [p for p in places if drawn_at[p] <= lately or drawn_at[p] + RINGS_S <= freed_s[agents[p]]]
        seen_at = self.read_at - RINGS_S
        if known is None or now - self.read_at > KNOWN_S:
            places = range(len(agents))
        else:
            places = [place[agent] for agent in known if agent in place]
        return [p for p in places if drawn_at[p] <= lately or drawn_at[p] <= seen_at]

    def _bucket(self, now: float) -> tuple[float, dict[int | None, int], dict[int | None, int]]:
        due = (now // BUCKET_S + 1) * BUCKET_S + CORRECTED_AFTER_S
        if not self.buckets or self.buckets[-1][0] < due:
            self.buckets.append((due, {}, {}))
        return self.buckets[-1]


class Counters:
    """`domain.deficit.Deficits` of members who are all present, in a form that draws in O(free members).

    A draw gives each member its weight. So on a clock that goes on by 1 with each draw, every member has a fixed
    deadline: the time at which it will be a whole contact behind. Only being drawn moves it. A deficit is
    1 - weight x (deadline - clock). What happens at the bounds is left to `Deficits`.
    """

    __slots__ = ("clock", "deadlines", "full", "full_at", "last", "spans", "total", "weights")

    def __init__(self, weights: Sequence[float], nobody: float) -> None:
        self.weights = [*weights, nobody if nobody > EXACT else 0.0]
        self.last = len(weights)
        self.spans = [(1 + EXACT) / weight if weight else 0.0 for weight in self.weights]
        """How long before its deadline a member has had exactly its share."""
        self._load([0.0] * len(self.weights))

    def deficit(self, place: int) -> float:
        weight = self.weights[place]
        return 1 - weight * (self.deadlines[place] - self.clock) if weight else 0.0

    def draw(self, free: Sequence[int]) -> int | None:
        """Count one contact, and return the place that is drawn; None: nobody. At least one place is free."""
        if self.clock > self.full_at:
            self._fill()
        if self.total <= EXACT or not self.full.isdisjoint(free) or self.last in self.full:
            return self._draw_exactly(free)  # whoever is free gains, even at the bound
        deadlines, weights, step = self.deadlines, self.weights, 1 / self.total
        for place in self.full:  # their deficits stay
            deadlines[place] += step
        self.clock += step
        drawn = self._first([*free, self.last] if weights[self.last] else free)
        if self.deficit(drawn) < 1 - BOUND:
            self.clock -= step
            for place in self.full:
                deadlines[place] -= step
            return self._draw_exactly(free)
        deadlines[drawn] += 1 / weights[drawn]
        if drawn in self.full:
            self._fill()
        return None if drawn == self.last else drawn

    def ordered(self, places: Sequence[int], drawn: int) -> list[int]:
        """The places, without the drawn, in the order in which they would be drawn."""
        due, ahead = self._split([place for place in places if place != drawn])
        return sorted(due, key=self.deadlines.__getitem__) + sorted(ahead, key=self.deficit, reverse=True)

    def correct(self, drawn: Mapping[int | None, int], realised: Mapping[int | None, int]) -> None:
        exact = self._exact()
        exact.correct(drawn, realised, range(self.last))
        self._load([*exact.members, exact.nobody])

    def _first(self, candidates: Sequence[int]) -> int:
        due, ahead = self._split(candidates)
        return min(due, key=self.deadlines.__getitem__) if due else max(ahead, key=self.deficit)

    def _split(self, places: Sequence[int]) -> tuple[list[int], list[int]]:
        """Those who are not ahead of their shares, and those who are."""
        deadlines, spans, now = self.deadlines, self.spans, self.clock
        due = [place for place in places if deadlines[place] - spans[place] <= now]
        if len(due) == len(places):
            return due, []
        return due, [place for place in places if deadlines[place] - spans[place] > now]

    def _exact(self) -> Deficits:
        deficits = [self.deficit(place) for place in range(len(self.weights))]
        return Deficits(self.weights[:-1], self.weights[-1], deficits[:-1], deficits[-1])

    def _draw_exactly(self, free: Sequence[int]) -> int | None:
        exact = self._exact()
        drawn = exact.draw(range(self.last), free)
        self._load([*exact.members, exact.nobody])
        return drawn

    def _load(self, deficits: Sequence[float]) -> None:
        self.clock = 0.0
        self.deadlines = [(1 - d) / w if w else math.inf for d, w in zip(deficits, self.weights, strict=True)]
        self._fill()

    def _fill(self) -> None:
        """Find who is as far behind as it can be and gains no more, and when the next one will be."""
        self.full_at, full, gaining = math.inf, set(), []
        for place, weight in enumerate(self.weights):
            if weight:
                at = self.deadlines[place] + (BOUND - 2 + EXACT) / weight  # its deficit is BOUND - 1 then
                if self.clock > at:
                    full.add(place)
                else:
                    gaining.append(weight)
                    self.full_at = min(self.full_at, at)
        self.full, self.total = frozenset(full), math.fsum(gaining)
