"""What the models say about a queue before and after a plan: closed forms of the pool, a simulation of the ranking.

The closed forms (projection.erlang) see a pool of equal agents. Only the simulation (projection.simulation) sees rings
that open late, proficiencies, skills, and agents who serve other queues too. Both are reported side by side.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, assert_never

from routing_weights.domain.actuators.base import Ranking, Rule
from routing_weights.domain.plan import RequiredSkill
from routing_weights.domain.queue import Queue, Value
from routing_weights.projection.checks import Limits
from routing_weights.projection.erlang import Performance, Unstable, erlang_a, erlang_c
from routing_weights.projection.inputs import ASSUMED_PATIENCE_S, Forecast, Volume
from routing_weights.projection.simulation import (
    REPLICATIONS,
    SHARED_AGENTS,
    Compared,
    Demand,
    Drawing,
    Interval,
    Place,
    QueueDifference,
    QueueOutcome,
    Scenario,
    Seat,
    Simulated,
    assumption,
    compare,
    is_pool,
)
from routing_weights.projection.stability import stability

if TYPE_CHECKING:
    from routing_weights.projection.attainable import Shares

SEED = 1
"""Constant, so that the same plan on the same queue has the same projection."""
CONTACTS = 30_000
"""Simulated on one side in all replications. There are more only where these do not decide."""
SHORTEST_S, LONGEST_S = 900.0, 4 * 3600.0
MOST_CONTACTS = 300_000
"""The bound of one side in all replications, warm-up included. Without it a million erlangs take many minutes."""


@dataclass(frozen=True, slots=True)
class State:
    """A queue as it is, or as a plan makes it."""

    ranking: Ranking
    queue: Queue
    """Its active members are those who count, before or after the plan."""
    values: Mapping[str, Value | None]
    """By user id, the actuator's value on the wire."""

    def seats(self) -> dict[str, Place]:
        """By active agent; who cannot get a contact has no place."""
        rings = len(self.ranking.ring_timeouts_s) + 1
        places = {}
        for member in self.queue.members:
            if not member.active:
                continue
            value = self.values.get(member.user_id, member.value)
            match self.ranking.rule:
                case "ring":  # a ring that the queue does not have is taken as its last one
                    places[member.user_id] = Place(min(float(value or 1), rings))
                case "joined":
                    places[member.user_id] = Place(1.0)
                case "score":
                    places[member.user_id] = Place(float(value or 0.0), weight=float(value or 0.0))
                case "proficiency" | "share":
                    places[member.user_id] = Place(float(value or 0.0))
                case unreachable:
                    assert_never(unreachable)
        return places

    def shares(self) -> dict[str, float]:
        """The shares that the draws see, by member, on queue or not. Empty if no contact is drawn."""
        if self.ranking.rule != "share":
            return {}
        held = {member.user_id: self.values.get(member.user_id, member.value) for member in self.queue.members}
        return {user_id: float(value) for user_id, value in held.items() if value}

    def meets(self, required: Sequence[RequiredSkill]) -> dict[str, frozenset[str]]:
        """By active agent, which of the required skills it has."""
        return {
            member.user_id: frozenset(str(one) for one in required if one.met_by(member.skills))
            for member in self.queue.members
            if member.active
        }


@dataclass(frozen=True, slots=True)
class Draws:
    """How this deployment draws the agents of contacts, for actuator `share`."""

    standings_s: float | None
    """How many seconds lie between two readings of agents' standings. 0: events say each change. None: never read."""
    limit: int
    """The largest number of preferred agents of a contact."""


@dataclass(frozen=True, slots=True)
class Other:
    """Another queue that some of the agents serve too. The plan does not change it."""

    queue_id: str
    forecast: Forecast
    """With a volume."""
    agents: Mapping[str, float]
    """By user id, the agents on queue there and how much they prefer it to their other queues. All 0: no preference."""

    @property
    def volume(self) -> Volume:
        assert self.forecast.volume is not None  # noqa: S101  the caller makes sure of it
        return self.forecast.volume


@dataclass(frozen=True, slots=True)
class ServiceGoal:
    """What the queue shall reach."""

    service_level: float
    """The share of offered contacts to answer within `answer_within_s`."""
    answer_within_s: float
    source: str
    """forecast, queue, or assumed: who asks for this level and time."""
    limits: Limits
    """What the deployment asks for."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Before and after, by every model. Figures of the queue itself; agents by user id."""

    volume: Volume
    goal: ServiceGoal
    patience_s: float
    required_skills: tuple[RequiredSkill, ...]
    agents: tuple[int, int]
    """Active before and after."""
    pooled_c: tuple[Performance | Unstable, Performance | Unstable]
    pooled_a: tuple[Performance | Unstable | None, Performance | Unstable | None]
    """Erlang A; None without agents."""
    shortfall: float
    """Erlangs that no assignment of the agents can carry after the plan; 0: an assignment can carry the load."""
    compared: Compared | None
    """None where nothing is offered."""
    queue_id: str
    rule: Rule
    shared: int
    """How many of the agents serve another queue too."""
    others: tuple[Other, ...]
    shares: "Shares | None"
    """What the shares attain; None if the plan has another actuator, or nothing is offered."""

    @property
    def ranked(self) -> bool:
        """True where some contacts cannot reach some agents, or not at once. Else the agents are one pool."""
        return not is_pool(self.rule) or bool(self.required_skills) or bool(self.shared)

    @property
    def after(self) -> QueueOutcome | None:
        return self.compared.after.queues[self.queue_id] if self.compared else None

    def to_json(self, weights: tuple[Mapping[str, float | None], Mapping[str, float | None]]) -> dict[str, Any]:
        """For the record and the chart. `weights` are by user id, before and after."""
        return {
            "patience_s": self.patience_s,
            "stable": self.shortfall == 0,
            "shortfall": self.shortfall,
            "erlang_c": _pair(self.pooled_c),
            "erlang_a": _pair(self.pooled_a),
            "simulation": self.compared and self._simulation(self.compared, weights),
        }

    def _simulation(
        self, compared: Compared, weights: tuple[Mapping[str, float | None], Mapping[str, float | None]]
    ) -> dict[str, Any]:
        before, after, queue_id = compared.before, compared.after, self.queue_id
        return {
            "rule": self.rule,
            "assumption": assumption(self.rule) + (f" {SHARED_AGENTS}" if self.shared else ""),
            "replications": after.replications,
            "horizon_s": after.horizon_s,
            "contacts": after.queues[queue_id].contacts,
            "seed": after.seed,
            "before": _figures(before.queues[queue_id]),
            "after": _figures(after.queues[queue_id]),
            "difference": _figures(compared.queues[queue_id]),
            "shares": self.shares and self.shares.to_json(),
            "agents": [
                {
                    "member": agent,
                    "weight_before": weights[0].get(agent),
                    "weight_after": weights[1].get(agent),
                    **{
                        f"{name}_{when}": figure(side, agent)
                        for when, side in (("before", before), ("after", after))
                        for name, figure in (("occupancy", _occupancy), ("share", self._share))
                    },
                }
                for agent in sorted({*before.agents, *after.agents})
            ],
        }

    def _share(self, side: Simulated, agent: str) -> float | None:
        share = side.queues[self.queue_id].shares.get(agent)
        return share.mean if share else None


def outlook(
    volume: Volume,
    before: State,
    after: State,
    goal: ServiceGoal,
    *,
    draws: Draws,
    required_skills: Sequence[RequiredSkill] = (),
    others: Sequence[Other] = (),
    effort: int = 1,
) -> Outlook:
    """Ask every model. `effort` multiplies the number of contacts to simulate."""
    patience_s = volume.patience_s or ASSUMED_PATIENCE_S
    queue_id = after.queue.queue_id
    counts = (len(before.seats()), len(after.seats()))

    def scenario(state: State) -> Scenario:
        demand = Demand(
            queue_id,
            volume.rate,
            volume.aht_s,
            patience_s,
            goal.answer_within_s,
            state.ranking.rule,
            frozenset(map(str, required_skills)),
            state.ranking.ring_timeouts_s,
            _drawing(state, draws),
        )
        return Scenario((demand, *map(_demand, others)), tuple(_shared_seats(state, required_skills, others)))

    sides = (scenario(before), scenario(after))
    per_s = sum(demand.offered_per_s for demand in sides[1].demands)
    compared = shares = None
    if volume.rate > 0:
        horizon_s, warm_up_s = spans(per_s, volume.aht_s)
        affordable = MOST_CONTACTS / REPLICATIONS / per_s / (horizon_s + warm_up_s)
        replications = int(REPLICATIONS * max(1.0, min(effort, affordable)))
        if any(side.demands[0].drawing for side in sides):
            from routing_weights.projection.attainable import Run, attained  # noqa: PLC0415 - for actuator share

            run = Run(SEED, replications, horizon_s, warm_up_s)
            compared = run.compare(*sides)
            shares = attained(run, *sides, after.shares(), compared)
        else:
            compared = compare(*sides, seed=SEED, replications=replications, horizon_s=horizon_s, warm_up_s=warm_up_s)
    return Outlook(
        volume=volume,
        goal=goal,
        patience_s=patience_s,
        required_skills=tuple(required_skills),
        agents=counts,
        pooled_c=(_pooled_c(volume, goal, counts[0]), _pooled_c(volume, goal, counts[1])),
        pooled_a=(_pooled_a(volume, goal, patience_s, counts[0]), _pooled_a(volume, goal, patience_s, counts[1])),
        shortfall=_shortfall(volume, sides[1], others),
        compared=compared,
        queue_id=queue_id,
        rule=after.ranking.rule,
        shared=sum(len(seat.places) > 1 for seat in sides[1].seats),
        others=tuple(others),
        shares=shares,
    )


def _drawing(state: State, draws: Draws) -> Drawing | None:
    """None if no contact of the queue is drawn."""
    shares, seats = state.shares(), state.seats()
    if state.ranking.share is None or not shares:
        return None
    absent = tuple(share for user_id, share in sorted(shares.items()) if user_id not in seats)
    return Drawing(state.ranking.share, draws.standings_s, draws.limit, absent)


def spans(per_s: float, aht_s: float) -> tuple[float, float]:
    """How long each replication measures, and how long it warms up before that, in seconds.

    `per_s` is the contacts of all queues per second, above 0. A load that 5,000 agents can carry still warms up for
    four handling times.
    """
    horizon_s = min(LONGEST_S, max(SHORTEST_S, CONTACTS / REPLICATIONS / per_s))
    warm_up_s = min(1800.0, max(600.0, 4 * aht_s))
    most_s = MOST_CONTACTS / REPLICATIONS / per_s
    if horizon_s + warm_up_s > most_s:
        warm_up_s = min(warm_up_s, 4 * aht_s, most_s * 2 / 3)
        horizon_s = most_s - warm_up_s
    return horizon_s, warm_up_s


def _demand(other: Other) -> Demand:
    within_s = other.volume.answer_within_s or 20.0
    patience_s = other.volume.patience_s or ASSUMED_PATIENCE_S
    return Demand(other.queue_id, other.volume.rate, other.volume.aht_s, patience_s, within_s)


def _shared_seats(state: State, required: Sequence[RequiredSkill], others: Sequence[Other]) -> list[Seat]:
    """The agents who can take a contact of one of the queues."""
    queue_id, own, skills = state.queue.queue_id, state.seats(), state.meets(required)
    everybody = sorted({*own, *(agent for other in others for agent in other.agents)})
    return [
        Seat(
            agent,
            ({queue_id: own[agent]} if agent in own else {})
            | {other.queue_id: Place(weight=other.agents[agent]) for other in others if agent in other.agents},
            skills.get(agent, frozenset()),
        )
        for agent in everybody
    ]


def _shortfall(volume: Volume, scenario: Scenario, others: Sequence[Other]) -> float:
    """The erlangs that no assignment can carry, among the queues that are connected to this one by shared agents."""
    own = scenario.demands[0]
    loads = {own.queue_id: volume.load} | {other.queue_id: other.volume.load for other in others}
    reachable = {
        seat.agent_id: {q for q in seat.places if q != own.queue_id or own.skills <= seat.skills}
        for seat in scenario.seats
    }
    # A load of exactly what the agents can carry also leaves a queue that grows without end.
    components = stability(loads, reachable, margin=1 + 1e-9)
    return math.fsum(c.shortfall for c in components if own.queue_id in c.deficient_queues)


def _pooled_c(volume: Volume, goal: ServiceGoal, agents: int) -> Performance | Unstable:
    if agents == 0:
        return Unstable(volume.load, 0)
    return erlang_c(volume.rate, aht_s=volume.aht_s, agents=agents, within_s=goal.answer_within_s)


def _pooled_a(volume: Volume, goal: ServiceGoal, patience_s: float, agents: int) -> Performance | Unstable | None:
    if agents == 0:
        return None
    within_s = goal.answer_within_s
    return erlang_a(volume.rate, aht_s=volume.aht_s, agents=agents, patience_s=patience_s, within_s=within_s)


def _pair(sides: tuple[Performance | Unstable | None, Performance | Unstable | None]) -> dict[str, Any]:
    shown = [{"unstable": True} if isinstance(side, Unstable) else side and asdict(side) for side in sides]
    return {"before": shown[0], "after": shown[1]}


def _figures(side: QueueOutcome | QueueDifference) -> dict[str, Any]:
    return {name: _bounds(getattr(side, name)) for name in ("service_level", "abandonment", "mean_wait_s", "occupancy")}


def _bounds(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {"mean": interval.mean, "low": interval.low, "high": interval.high}


def _occupancy(side: Simulated, agent: str) -> float | None:
    return side.agents[agent].occupancy.mean if agent in side.agents else None
