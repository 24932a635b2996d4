"""Whether a plan may be applied: each check with its value, its threshold, its sample, and what would make it pass.

The saturation ratio is always a gate. Where offered volume and handle time are known, so are service level,
abandonment and occupancy, as the deployment requires; what it does not require is shown, and decides nothing.
"""

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from routing_weights.domain.queue import named
from routing_weights.errors import ApprovalRequired, ProjectionInconclusive, ServiceLevelAtRisk
from routing_weights.projection import saturation as ratios
from routing_weights.projection.erlang import agents_needed, load_it_can_take
from routing_weights.projection.inputs import Forecast
from routing_weights.projection.outlook import Outlook
from routing_weights.projection.saturation import Projection
from routing_weights.projection.simulation import Interval
from routing_weights.projection.staffing import Staffed

Kind = Literal["pass", "blocked", "needs_approval", "inconclusive"]
GATES = ("service_level", "abandonment", "occupancy")
"""What a deployment may require beyond the saturation ratio and stability."""
OVERLOADED, STARVED = 0.88, 0.30
"""Share of an agent's time spent on contacts. Source: projection reference, section 3."""
WORST_FIRST: tuple[Kind, ...] = ("blocked", "inconclusive", "needs_approval", "pass")


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    verdict: Kind
    sentence: str
    value: float | None
    threshold: float | None
    required: bool = True
    """Whether it decides; else it is shown only."""
    low: float | None = None
    high: float | None = None
    """The 95 % interval of a simulated value."""
    sample_size: int | None = None
    """Simulated contacts; None for a closed form."""
    source: str = ""
    """Where the load comes from."""
    remedy: dict[str, float] = field(default_factory=dict)
    """What would make it pass: `agents`, `offered` per interval or `load` in erlangs, `overflow_threshold`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    verdict: Kind
    reason: str
    checks: tuple[Check, ...]

    def raise_unless_passed(self) -> None:
        """Raise ServiceLevelAtRisk, ProjectionInconclusive or ApprovalRequired, with the reason as the message."""
        match self.verdict:
            case "blocked":
                raise ServiceLevelAtRisk(self.reason)
            case "inconclusive":
                raise ProjectionInconclusive(self.reason)
            case "needs_approval":
                raise ApprovalRequired(self.reason)

    def to_json(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "reason": self.reason, "checks": [asdict(check) for check in self.checks]}


def judge(
    saturation: Projection,
    forecast: Forecast,
    found: Outlook | None,
    staff: Staffed,
    *,
    required: AbstractSet[str],
    accepted: bool,
    without_effect: str | None = None,
) -> Verdict:
    """The verdict of all checks together: the worst of those that are required.

    Args:
        saturation: the ratio, which always gates.
        forecast: the load, with what of it is stale or assumed.
        found: what the models say; None where volume and handle time are not known, or nobody is counted.
        staff: whose presence is counted, which needs approval where it is nobody's.
        required: which of GATES decide. None of them does where the forecast has no volume.
        accepted: whether the plan accepts what needs approval.
        without_effect: why the weights will do nothing on the queue, where they will not.
    """
    checks = [
        Check(
            "saturation",
            saturation.verdict,
            saturation.reason,
            saturation.saturation_ratio,
            saturation.saturation_limit,
            source=forecast.source,
            remedy=_unsaturated(saturation) if saturation.verdict == "blocked" else {},
        ),
        _staffing(staff, accepted=accepted),
    ]
    if without_effect:
        sentence = f"{without_effect}, or accept it with accept_uncertain."
        checks.append(Check("effect", "pass" if accepted else "needs_approval", sentence, None, None))
    if found:
        decides = required if forecast.volume else frozenset[str]()
        checks += [_stability(found, forecast, required=forecast.volume is not None)]
        if found.after:
            checks += [
                _service_level(found, forecast, required="service_level" in decides, accepted=accepted),
                _abandonment(found, forecast, required="abandonment" in decides, accepted=accepted),
                _occupancy(found, forecast, required="occupancy" in decides, accepted=accepted),
            ]
    deciding = [check for check in checks if check.required]
    worst = min((check.verdict for check in deciding), key=WORST_FIRST.index)
    telling = {check.name for check in deciding}
    if worst == "pass":
        telling = {"saturation", "service_level", "effect"} | ({"staffing"} if staff.doubt else set())
    reasons = [check.sentence for check in deciding if check.verdict == worst and check.name in telling]
    if worst in {"blocked", "inconclusive"} and saturation.absent and saturation.verdict == "pass":
        reasons.append(ratios.not_counted(saturation.absent, saturation.members_read))
    return Verdict(worst, _once(" ".join(reasons), found), tuple(checks))


def _staffing(staff: Staffed, *, accepted: bool) -> Check:
    sentence, verdict = staff.sentence, "pass"
    if staff.doubt:
        verdict = "pass" if accepted else "needs_approval"
        sentence = f"{staff.doubt}, or accept it with accept_uncertain."
    asked = staff.staffing if isinstance(staff.staffing, int) else None
    return Check("staffing", verdict, sentence, staff.agents, asked)  # type: ignore[arg-type]


def _once(reason: str, found: Outlook | None) -> str:
    """The reason with its advice at the end only, should several checks give the same."""
    if found is None:
        return reason
    advice = f" {_advice(found)}"
    return reason.replace(advice, "", max(0, reason.count(advice) - 1))


def undecided(found: Outlook, required: AbstractSet[str]) -> bool:
    """Whether an interval holds its threshold: more contacts might decide."""
    after = found.after
    if after is None:
        return False
    straddles = {
        "service_level": (after.service_level, found.target.service_level),
        "abandonment": (after.abandonment, found.target.max_abandonment),
    }
    return any(
        interval is not None and interval.low < threshold <= interval.high
        for name, (interval, threshold) in straddles.items()
        if name in required
    )


def _stability(found: Outlook, forecast: Forecast, *, required: bool) -> Check:
    agents = found.agents[1]
    load = f"{found.volume.load:.4g} erlangs ({forecast.source}) on {agents} active agents"
    stable = found.shortfall == 0
    sentence = (
        f"Stable: {load}."
        if stable
        else f"Unstable: {load}, and no assignment of them can carry it, so the queue grows until callers give up. "
        f"{_advice(found)}"
    )
    verdict: Kind = "pass" if stable else "blocked"
    remedy = {} if stable else _remedy(found)
    share = found.volume.load / agents if agents else None
    return Check("stability", verdict, sentence, share, 1.0, required, source=forecast.source, remedy=remedy)


def _service_level(found: Outlook, forecast: Forecast, *, required: bool, accepted: bool) -> Check:
    target = found.target
    aim = f"{target.service_level:.0%} within {target.answer_within_s:g} s ({target.source})"
    interval = found.after.service_level if found.after else None
    return _simulated(
        "service_level", found, forecast, interval, target.service_level, "a service level of", aim, required, accepted
    )


def _abandonment(found: Outlook, forecast: Forecast, *, required: bool, accepted: bool) -> Check:
    most = found.target.max_abandonment
    interval = found.after.abandonment if found.after else None
    return _simulated(
        "abandonment", found, forecast, interval, most, "an abandonment of", f"at most {most:.0%}", required, accepted
    )


def _simulated(
    name: str,
    found: Outlook,
    forecast: Forecast,
    interval: Interval | None,
    threshold: float,
    what: str,
    aim: str,
    required: bool,
    accepted: bool,
) -> Check:
    """One figure of the simulation: blocked where its whole interval misses, inconclusive where it holds the limit."""
    contacts = found.after.contacts if found.after else 0
    if interval is None:
        sentence = f"Nothing was offered in the simulation, so there is no {name.replace('_', ' ')}."
        return Check(name, "pass", sentence, None, threshold, required, sample_size=contacts, source=forecast.source)
    sign = -1 if name == "abandonment" else 1
    worst, best = sorted((sign * interval.low, sign * interval.high))
    said = f"{what} {interval.mean:.1%} (95 %: {max(0.0, interval.low):.1%} to {min(1.0, interval.high):.1%}), {aim}"
    basis = f"{contacts} simulated contacts, load from {forecast.source}"
    verdict: Kind
    if best < sign * threshold:
        verdict, sentence = "blocked", f"Projected: {said}; {basis}. {_advice(found)}"
    elif worst < sign * threshold:
        verdict = "pass" if accepted else "inconclusive"
        sentence = f"Too close to call: {said}; {basis}. {_advice(found)} Or accept it with accept_uncertain."
    else:
        verdict, sentence = "pass", f"Projected: {said}; {basis}."
        doubts = _doubts(found, forecast)
        if doubts and name == "service_level" and not accepted:
            verdict = "needs_approval"
            sentence += (
                f" But {', and '.join(doubts)}: say it in the plan's forecast, or accept it with accept_uncertain."
            )
    remedy = {} if verdict == "pass" else _remedy(found)
    return Check(
        name,
        verdict,
        sentence,
        interval.mean,
        threshold,
        required,
        interval.low,
        interval.high,
        contacts,
        forecast.source,
        remedy,
    )


def _doubts(found: Outlook, forecast: Forecast) -> Sequence[str]:
    """What nobody has measured, or not lately."""
    doubts, assumed = [], list(forecast.assumed)
    of = {"": forecast} | {f" of queue {other.queue_id}": other.forecast for other in found.others}
    for whose, one in of.items():
        if one.stale:
            age = f"{one.age_s / 3600:.1f} h old" if one.age_s is not None else "of unknown age"
            doubts.append(f"the forecast{whose} is {age}")
    assumed += [f"{what}{whose}" for whose, one in of.items() if whose for what in one.assumed]
    if found.target.source == "assumed":
        aim = f"the target of {found.target.service_level:.0%} within {found.target.answer_within_s:g} s"
        assumed.append(aim)
    if assumed:
        doubts.append(f"{', '.join(assumed)} {'is' if len(assumed) == 1 else 'are'} assumed")
    return doubts


def _occupancy(found: Outlook, forecast: Forecast, *, required: bool, accepted: bool) -> Check:
    assert found.compared is not None  # noqa: S101  only asked where there is a simulation
    busy = {agent: outcome.occupancy.mean for agent, outcome in found.compared.after.agents.items()}
    pooled = math.fsum(busy.values()) / len(busy) if busy else 0.0
    overloaded = sorted((a for a, share in busy.items() if share > OVERLOADED), key=lambda a: (-busy[a], a))
    # In a quiet hour everybody has little to do; starved is who gets little where others have enough.
    starved = sorted((a for a, share in busy.items() if share < STARVED <= pooled), key=lambda a: (busy[a], a))
    said = []
    if overloaded:
        said.append(f"Overloaded, busy for more than {OVERLOADED:.0%} of the time: {named(overloaded, 5)}.")
    if starved:
        said.append(f"Starved, busy for less than {STARVED:.0%} of the time: {named(starved, 5)}.")
    verdict: Kind = "needs_approval" if said and not accepted else "pass"
    highest = max(busy.values(), default=0.0)
    lowest = min(busy.values(), default=0.0)
    sentence = " ".join(said) or f"Agents are busy for {lowest:.0%} to {highest:.0%} of the time."
    if said:
        sentence += " Even the weights out, add agents, or accept it with accept_uncertain."
    return Check(
        "occupancy",
        verdict,
        sentence,
        highest,
        OVERLOADED,
        required,
        sample_size=found.compared.after.contacts,
        source=forecast.source,
    )


def _unsaturated(found: Projection) -> dict[str, float]:
    """By the ratio: how many agents the load needs, how many erlangs those who are there take, and when to overflow."""
    if not found.active_agents or found.saturation_ratio is None:
        return {}
    target = found.capacity / found.active_agents
    return {
        "agents": ratios.agents_needed(found.projected_load, target, found.saturation_limit),
        "load": round(found.saturation_limit * found.capacity, 6),
        "overflow_threshold": round(min(1.0, found.saturation_limit * target), 6),
    }


def _remedy(found: Outlook) -> dict[str, float]:
    """By Erlang A: how many agents in one pool reach the target, or how much those who are there can take."""
    volume, target, agents = found.volume, found.target, found.agents[1]
    aims: dict[str, float] = {
        "aht_s": volume.aht_s,
        "patience_s": found.patience_s,
        "target_s": target.answer_within_s,
        "service_level": target.service_level,
        "abandonment": target.max_abandonment,
    }
    needed = agents_needed(volume.rate, **aims)  # type: ignore[arg-type]
    remedy: dict[str, float] = {} if needed is None else {"agents": needed}
    if agents:
        rate = load_it_can_take(agents, **aims)
        remedy |= {
            "offered": math.floor(10 * rate * volume.interval_s) / 10,
            "overflow_threshold": min(1.0, math.floor(100 * rate * volume.aht_s / agents) / 100),
        }
    return remedy


def _advice(found: Outlook) -> str:
    remedy, agents = _remedy(found), found.agents[1]
    needed = remedy.get("agents")
    if needed is not None and needed <= agents and not found.ranked:
        return f"{agents + 1} agents would make it clear."
    if needed is not None and needed <= agents:
        return (
            f"In one pool {needed:g} agents would do: let callers reach more agents sooner (rings that open earlier, "
            "more equal weights, fewer required skills)."
        )
    parts = [f"{needed:g} agents in one pool reach the target"] if needed is not None else []
    if "offered" in remedy:
        parts.append(
            f"{agents} can take {remedy['offered']:g} contacts per {found.volume.interval_s:g} s, so overflow at a "
            f"utilization of {remedy['overflow_threshold']:g}"
        )
    return "; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + "." if parts else "Bring agents on queue."
