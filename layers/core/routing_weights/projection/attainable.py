"""What shares attain on a queue, what they cost, and what other hold times would bring (actuator `share`)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from routing_weights.domain.standings import KNOWN_S
from routing_weights.domain.types import ShareOptions
from routing_weights.projection.drawn import DrawnReplication
from routing_weights.projection.simulation import (
    REPLICATIONS,
    Compared,
    Drawing,
    Interval,
    QueueDifference,
    Scenario,
    compare,
    is_pool,
    simulate,
)

HOLDS_S = (2, 5, 10, 15, 20, 30, 45, 60)
"""The hold times of a frontier."""
CONTACTS, MOST_CONTACTS = 5000, 9000
"""Simulated for each hold time of a frontier, in all replications; and at most, with those of the warm-up."""
SHORTEST_S, FEWEST = 450.0, 3
"""How long a replication measures at least, and how many there are at least."""
SAME = 0.001
"""Share errors that differ by less count as equal: a tenth of a point is less than the intervals are wide."""


@dataclass(frozen=True, slots=True)
class Run:
    """How long a scenario is simulated, and with what seed. The arguments of `simulate`."""

    seed: int
    replications: int
    horizon_s: float
    warm_up_s: float

    def compare(self, before: Scenario, after: Scenario) -> Compared:
        return compare(
            before,
            after,
            seed=self.seed,
            replications=self.replications,
            horizon_s=self.horizon_s,
            warm_up_s=self.warm_up_s,
            events=DrawnReplication,
        )


@dataclass(frozen=True, slots=True)
class Member:
    """A member with a share. Shares are parts of the queue's contacts, in [0, 1]."""

    member: str
    requested: float
    needs: float
    """The part of the member's time that its share and its contacts of other queues take. Above 1: not attainable."""
    at_most: float
    """The largest share that the member's time allows, at most 1."""
    attainable: Interval | None
    """None: the member is not on queue, and gets nothing."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One point of the frontier."""

    hold_s: int
    share_error: Interval
    service_level: Interval


@dataclass(frozen=True, slots=True)
class Proposal:
    options: ShareOptions
    why: str


@dataclass(frozen=True, slots=True)
class Shares:
    drawing: Drawing
    members: tuple[Member, ...]
    share_error: Interval
    """The mean over the members of |requested - attainable|."""
    cost: QueueDifference
    """The queue with shares, less the same queue without: there each contact reaches everybody at once."""
    scenario: Scenario
    run: Run
    frontier: tuple[Hold, ...] = ()

    @property
    def load(self) -> float:
        """Erlangs."""
        return self.scenario.demands[0].offered_per_s * self.scenario.demands[0].aht_s

    @property
    def options(self) -> ShareOptions:
        return self.drawing.options

    def with_frontier(self) -> "Shares":
        """Simulate each hold time with the same contacts."""
        holds = sorted({*HOLDS_S, self.options.hold_s})
        points = tuple(filter(None, (self._hold(hold_s) for hold_s in holds)))
        return replace(self, frontier=points)

    def proposed(self, goal: float) -> Proposal | None:
        """The hold time of the frontier that keeps the service level `goal` with the smallest share error.

        Of those whose errors are within SAME of the smallest, it is the shortest. None without a frontier.
        """
        if not self.frontier:
            return None
        within_s = self.scenario.demands[0].within_s
        wanted, then = f"the goal of {goal:.0%} within {within_s:g} s", self.options.then
        kept = [hold for hold in self.frontier if hold.service_level.low >= goal]
        if not kept:
            best = max(self.frontier, key=lambda hold: hold.service_level.mean)
            why = (
                f"No hold time is sure to keep {wanted}. {best.hold_s} s comes nearest: {best.service_level.mean:.1%}."
            )
            return Proposal(ShareOptions(hold_s=best.hold_s, then=then), why)
        least = min(hold.share_error.mean for hold in kept)
        best = next(hold for hold in kept if hold.share_error.mean <= least + SAME)
        why = (
            f"{len(kept)} of {len(self.frontier)} hold times keep {wanted}. Of these {best.hold_s} s is the shortest "
            f"whose share error is within {100 * SAME:g} points of the smallest: "
            f"{100 * best.share_error.mean:.1f} points, with a service level of {best.service_level.mean:.1%}."
        )
        return Proposal(ShareOptions(hold_s=best.hold_s, then=then), why)

    def _hold(self, hold_s: int) -> Hold | None:
        own, *others = self.scenario.demands
        per_s = sum(each.offered_per_s for each in self.scenario.demands)
        options = ShareOptions(hold_s=hold_s, then=self.options.then)
        demand = replace(own, drawing=replace(self.drawing, options=options))
        warm_up_s, horizon_s = self.run.warm_up_s, max(SHORTEST_S, CONTACTS / REPLICATIONS / per_s)
        affordable = int(MOST_CONTACTS / per_s / (warm_up_s + horizon_s))
        found = simulate(
            replace(self.scenario, demands=(demand, *others)),
            seed=self.run.seed,
            replications=max(FEWEST, min(REPLICATIONS, affordable)),
            horizon_s=horizon_s,
            warm_up_s=warm_up_s,
            events=DrawnReplication,
        ).queues[own.queue_id]
        if found.share_error is None or found.service_level is None:  # in so short a time nobody was answered
            return None
        return Hold(hold_s, found.share_error, found.service_level)

    def to_json(self) -> dict[str, Any]:
        """For the record and the chart."""
        return {
            "hold_s": self.options.hold_s,
            "then": self.options.then,
            "standings_s": self.drawing.standings_s,
            "standings": _standings(self.drawing.standings_s),
            "share_error": _bounds(self.share_error),
            "cost": {
                name: _bounds(getattr(self.cost, name)) for name in ("service_level", "abandonment", "mean_wait_s")
            },
            "members": [
                {
                    "member": member.member,
                    "requested": member.requested,
                    "at_most": member.at_most,
                    "attainable": _bounds(member.attainable),
                }
                for member in self.members
            ],
            "frontier": [
                {
                    "hold_s": hold.hold_s,
                    "share_error": _bounds(hold.share_error),
                    "service_level": _bounds(hold.service_level),
                }
                for hold in self.frontier
            ],
        }


def attained(
    run: Run, before: Scenario, scenario: Scenario, requested: Mapping[str, float], compared: Compared
) -> Shares | None:
    """What shares attain on the first queue of `scenario`, the second side of `compared`, whose first is `before`.

    None if no contact was answered.
    """
    demand, *others = scenario.demands
    drawing, outcome = demand.drawing, compared.after.queues[demand.queue_id]
    if drawing is None or outcome.share_error is None or outcome.abandonment is None:
        return None
    load = demand.offered_per_s * demand.aht_s
    answered = load * (1 - outcome.abandonment.mean)
    members = []
    for user_id, share in sorted(requested.items()):
        attainable = outcome.shares.get(user_id)
        elsewhere = 0.0
        if attainable and others:
            elsewhere = max(0.0, compared.after.agents[user_id].occupancy.mean - answered * attainable.mean)
        at_most = min(1.0, max(0.0, 1 - elsewhere) / load)
        members.append(Member(user_id, share, share * load + elsewhere, at_most, attainable))
    if not _is_at_once(before, scenario):
        at_once = replace(scenario, demands=(replace(demand, drawing=None), *others))
        compared = run.compare(at_once, scenario)
    cost = compared.queues[demand.queue_id]
    return Shares(drawing, tuple(members), outcome.share_error, cost, scenario, run)


def _is_at_once(before: Scenario, scenario: Scenario) -> bool:
    """True if callers meet the same in `before` as without shares: each reached the same agents at once."""
    old, new = (
        (len(each.demands), [seat.agent_id for seat in each.seats if each.demands[0].queue_id in seat.places])
        for each in (before, scenario)
    )
    return is_pool(before.demands[0].rule) and old == new and len(scenario.demands) == 1


def _standings(every_s: float | None) -> str:
    if every_s is None:
        return (
            "Nothing says who is free, so busy and absent agents are drawn too, and contacts wait for them: set "
            "StandingsReadSeconds, or PartnerEventBus."
        )
    if not every_s:
        return "Events of the partner bus say at each draw who is free."
    return (
        f"The members are read after a draw if the last reading is {every_s:g} s old. A reading counts for "
        f"{KNOWN_S:g} s; after that busy agents are drawn too."
    )


def _bounds(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {"mean": interval.mean, "low": interval.low, "high": interval.high}
