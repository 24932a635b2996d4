"""What every check has in common, and the gates that compare a figure of the simulation with a limit."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol

from routing_weights.projection.checks import GateName
from routing_weights.projection.erlang import Performance, agents_needed, load_it_can_take
from routing_weights.projection.inputs import Forecast
from routing_weights.projection.outlook import Outlook, ServiceGoal
from routing_weights.projection.simulation import Interval

Verdict = Literal["pass", "blocked", "needs_approval", "inconclusive"]
Unit = Literal["number", "share", "seconds"]
Figure = Literal["service_level", "abandonment", "mean_wait_s", "occupancy"]
"""A figure that both the simulation and the closed forms report under this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A judged figure."""

    name: str
    verdict: Verdict
    sentence: str
    value: float | None = None
    threshold: float | None = None
    required: bool = True
    """False: the check is shown and decides nothing."""
    low: float | None = None
    """`low` and `high` are the 95 % interval of a simulated value."""
    high: float | None = None
    sample_size: int | None = None
    """Simulated contacts; None for a closed form."""
    source: str = ""
    """Where the load comes from."""
    remedy: dict[str, float] = field(default_factory=dict)
    """What would make it pass: `agents`, `offered` per interval or `load` in erlangs, `overflow_threshold`."""
    quoted: bool = False
    """True: the reason of a plan that passes quotes the sentence."""

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "quoted"}


def title_of(key: str) -> str:
    """A key in words.

    >>> title_of("mean_wait_s")
    'mean wait'
    """
    return key.removesuffix("_s").replace("_", " ")


@dataclass(frozen=True, slots=True)
class Drawn:
    """How the chart names a check, and how it writes the value and the threshold."""

    unit: Unit
    bound: Literal["at least", "at most", "below"]
    title: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the models say about the queue after the plan. Every gate judges from it."""

    outlook: Outlook
    forecast: Forecast
    accepted: bool
    """The plan accepts what needs approval."""
    gates: Sequence["SimulatedGate"]
    """The gates whose goals a remedy reaches. Without any, it makes the queue stable."""

    def requires(self, gate: GateName) -> bool:
        """A load without contacts and handle time makes the models indicative: then no gate decides."""
        return self.forecast.volume is not None and gate in self.outlook.goal.limits.required

    def goals_met(self, performance: Performance) -> bool:
        """True where the figures of a closed form reach the goals of the gates."""
        return all(gate.reached(performance, self.outlook.goal) for gate in self.gates)

    def with_gate(self, gate: "SimulatedGate") -> "Evidence":
        """The evidence of a gate whose own goal counts too, required or not."""
        return self if gate in self.gates else replace(self, gates=(*self.gates, gate))

    @cached_property
    def remedy(self) -> dict[str, float]:
        """The agents in one pool that reach the goals, and the volume that the present agents can take.

        By Erlang A. Where there is no goal to reach, by Erlang C, which knows when a queue is unstable.
        """
        outlook, volume, agents = self.outlook, self.outlook.volume, self.outlook.agents[1]
        patience_s, within_s = outlook.patience_s if self.gates else math.inf, outlook.goal.answer_within_s
        needed = agents_needed(
            volume.rate, aht_s=volume.aht_s, patience_s=patience_s, within_s=within_s, meets=self.goals_met
        )
        remedy: dict[str, float] = {} if needed is None else {"agents": needed}
        if agents:
            rate = load_it_can_take(
                agents, aht_s=volume.aht_s, patience_s=patience_s, within_s=within_s, meets=self.goals_met
            )
            remedy |= {
                "offered": math.floor(10 * rate * volume.interval_s) / 10,
                "overflow_threshold": min(1.0, math.floor(100 * rate * volume.aht_s / agents) / 100),
            }
        return remedy

    @cached_property
    def advice(self) -> str:
        """The remedy in a sentence."""
        remedy, agents = self.remedy, self.outlook.agents[1]
        needed = remedy.get("agents")
        if needed is not None and needed <= agents and not self.outlook.ranked:
            return f"{agents + 1} agents would make it clear."
        if needed is not None and needed <= agents and self.outlook.shares:
            return (
                f"In one pool {needed:g} agents would do: shorten hold_s and then, or let the deployment know who is "
                "free (StandingsReadSeconds, PartnerEventBus)."
            )
        if needed is not None and needed <= agents:
            return (
                f"In one pool {needed:g} agents would do: let callers reach more agents sooner (rings that open "
                "earlier, more equal weights, fewer required skills)."
            )
        does = "reach the goal" if self.gates else "carry the load"
        parts = [f"{needed:g} agents in one pool {does}"] if needed is not None else []
        if "offered" in remedy:
            whose = " of all these queues" if self.forecast.carried else ""
            parts.append(
                f"{agents} can take {remedy['offered']:g} contacts{whose} per {self.outlook.volume.interval_s:g} s, so "
                f"overflow at a utilization of {remedy['overflow_threshold']:g}"
            )
        return "; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + "." if parts else "Bring agents on queue."


class Gate(Protocol):
    """A check that a deployment may require."""

    @property
    def name(self) -> GateName: ...

    @property
    def drawn(self) -> Drawn: ...

    def judge(self, evidence: Evidence) -> Check | None:
        """None if there is nothing to judge, because the plan has another actuator."""
        ...

    def undecided(self, outlook: Outlook) -> bool:
        """True where more simulated contacts might decide."""
        ...


def _no_doubts(_outlook: Outlook, _forecast: Forecast) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedGate:
    """A gate on a simulated figure of the queue.

    The whole 95 % interval misses the limit: blocked. The interval holds the limit: inconclusive. Else it passes, and
    needs approval where its inputs are in doubt.
    """

    name: GateName
    figure: Figure
    unit: Literal["share", "seconds"]
    bound: Literal["at least", "at most"]
    goal: str
    """The key of the limit in the projection's `models.target`."""
    limit: Callable[[ServiceGoal], float]
    wanted: Callable[[ServiceGoal], str]
    """The limit in words, with where it comes from unless the deployment sets it."""
    doubts: Callable[[Outlook, Forecast], Sequence[str]] = _no_doubts
    """Inputs that nobody has measured, or not lately."""
    quoted: bool = False
    """True: the reason of a plan that passes quotes the sentence."""

    @property
    def title(self) -> str:
        """The name of the figure, as people read it in the sentence and in the chart."""
        return title_of(self.figure)

    @property
    def drawn(self) -> Drawn:
        return Drawn(self.unit, self.bound, self.title)

    def reached(self, performance: Performance, goal: ServiceGoal) -> bool:
        """True where the figure of a closed form reaches the limit."""
        value, limit = getattr(performance, self.figure), self.limit(goal)
        return bool(value >= limit if self.bound == "at least" else value <= limit)

    def undecided(self, outlook: Outlook) -> bool:
        interval = self._interval(outlook)
        return interval is not None and self._standing(interval, outlook.goal) == "straddles"

    def judge(self, evidence: Evidence) -> Check:
        evidence = evidence.with_gate(self)
        outlook, forecast = evidence.outlook, evidence.forecast
        interval, goal = self._interval(outlook), outlook.goal
        contacts = outlook.after.contacts if outlook.after else 0
        verdict: Verdict = "pass"
        if interval is None:
            sentence = "Nothing was offered in the simulation, so there is nothing to judge."
        else:
            article = "an" if self.title[0] in "aeio" else "a"
            mean, low, high = map(self._spelled, (interval.mean, interval.low, interval.high))
            figure = f"{article} {self.title} of {mean} (95 %: {low} to {high}), {self.wanted(goal)}"
            basis = f"{contacts} simulated contacts, load from {forecast.source}"
            match self._standing(interval, goal):
                case "missed":
                    verdict, sentence = "blocked", f"Projected: {figure}; {basis}. {evidence.advice}"
                case "straddles":
                    verdict = "pass" if evidence.accepted else "inconclusive"
                    sentence = f"Too close to call: {figure}; {basis}. {evidence.advice} "
                    sentence += "Or accept it with accept_uncertain."
                case "reached":
                    sentence = f"Projected: {figure}; {basis}."
                    doubts = () if evidence.accepted else self.doubts(outlook, forecast)
                    if doubts:
                        verdict = "needs_approval"
                        sentence += f" But {', and '.join(doubts)}: say it in the plan's forecast, or accept it with "
                        sentence += "accept_uncertain."
        return Check(
            name=self.name,
            verdict=verdict,
            sentence=sentence,
            value=interval.mean if interval else None,
            threshold=self.limit(goal),
            required=evidence.requires(self.name),
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            sample_size=contacts,
            source=forecast.source,
            remedy={} if verdict == "pass" else evidence.remedy,
            quoted=self.quoted,
        )

    def _interval(self, outlook: Outlook) -> Interval | None:
        interval: Interval | None = getattr(outlook.after, self.figure) if outlook.after else None
        return interval

    def _standing(self, interval: Interval, goal: ServiceGoal) -> Literal["missed", "straddles", "reached"]:
        sign = 1 if self.bound == "at least" else -1
        worst, best = sorted((sign * interval.low, sign * interval.high))
        limit = sign * self.limit(goal)
        return "missed" if best < limit else "straddles" if worst < limit else "reached"

    def _spelled(self, value: float) -> str:
        """An interval is not cut off at 0 or 1, a share that people read is."""
        match self.unit:
            case "share":
                return f"{min(1.0, max(0.0, value)):.1%}"
            case "seconds":
                return f"{max(0.0, value):.1f} s"
