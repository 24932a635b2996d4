"""The projection of one plan, whole: the ratio, what the models say, the checks, the skills, and the effort."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Any

from routing_weights.domain.actuation import Ranking
from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Queue, Target, Value, as_targeted
from routing_weights.projection.gate import Verdict, judge, undecided
from routing_weights.projection.inputs import Forecast, Volume
from routing_weights.projection.outlook import Other, Outlook, ServiceTarget, State, outlook
from routing_weights.projection.saturation import Projection, project
from routing_weights.projection.staffing import staffed

ASSUMED_TARGET = (0.8, 20.0)
"""80 % within 20 s, where neither the plan nor the queue says: the most common target, and reported as assumed."""
ASSUMED_AHT_S = 240.0
"""To show what a load alone would mean; such figures decide nothing."""
MORE = 4
"""How many times as many contacts are simulated where the first ones do not decide."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a deployment requires."""

    saturation: float
    max_abandonment: float
    required: AbstractSet[str]
    """Which of gate.GATES decide."""


@dataclass(frozen=True, slots=True)
class Report:
    saturation: Projection
    verdict: Verdict
    outlook: Outlook | None
    forecast: Forecast
    document: dict[str, Any]
    """As it is recorded."""

    def raise_unless_passed(self) -> None:
        """Raise the error that says why the plan may not be applied: a name for each status that it ends in."""
        self.saturation.raise_if_blocked()
        self.verdict.raise_unless_passed()


def report(
    plan: Plan,
    before: Queue,
    target: Target,
    forecast: Forecast,
    *,
    rankings: tuple[Ranking, Ranking],
    own_target: tuple[float, float] | None,
    limits: Limits,
    overflow_gate: bool,
    others: Sequence[Other] = (),
    without_effect: str | None = None,
) -> Report:
    """Project `plan` on the queue as it was read.

    Args:
        plan: a valid plan.
        before: the queue as Genesys holds it.
        target: what it will hold.
        forecast: the load to expect; with a volume, the models decide, and without one they are indicative.
        rankings: how the queue chooses among its agents, before and after.
        own_target: the queue's own service level and seconds, where it has one.
        limits: what the deployment requires.
        overflow_gate: whether the plan's overflow threshold is a gate of ours, since nothing in Genesys carries it.
        others: queues that share agents with this one.
        without_effect: why the weights will do nothing on the queue, where they will not.
    """
    staff = staffed(plan, before, as_targeted(before, target))
    before, after = staff.before, staff.after
    saturation = project(
        plan, after, forecast, limit=limits.saturation, overflow_gate=overflow_gate, unstaffed=staff.nobody
    )
    values: Mapping[str, Value | None] = {member.user_id: member.value for member in before.members}
    states = (State(rankings[0], before, values), State(rankings[1], after, {**values, **target.values}))
    # Models of a queue that nobody serves say nothing that staffing does not.
    found = None if staff.nobody else _outlook(plan, forecast, states, own_target, limits, others)
    verdict = judge(
        saturation,
        forecast,
        found,
        staff,
        required=limits.required,
        accepted=plan.accept_uncertain,
        without_effect=without_effect,
    )
    weights = (before.weights(), {**before.weights(), **target.weights})
    models = found and {
        "indicative": forecast.volume is None,
        "forecast": {**(asdict(found.volume)), "patience_s": found.patience_s, **_provenance(forecast)},
        "shared_with": [{"queue_id": o.queue_id, **asdict(o.volume), **_provenance(o.forecast)} for o in others],
        **found.to_json(weights),
    }
    document = saturation.to_json() | verdict.to_json() | {"models": models, "notes": list(forecast.notes)}
    document["skills"] = skills(plan, after)
    document["staffing"] = staff.to_json()
    return Report(saturation, verdict, found, forecast, document)


def _outlook(
    plan: Plan,
    forecast: Forecast,
    states: tuple[State, State],
    own_target: tuple[float, float] | None,
    limits: Limits,
    others: Sequence[Other],
) -> Outlook | None:
    volume = forecast.volume
    if volume is None:
        if not plan.dry_run:  # decides nothing, so only who wants the whole picture waits for it
            return None
        volume = Volume(offered=forecast.load * 1800 / ASSUMED_AHT_S, interval_s=1800, aht_s=ASSUMED_AHT_S)
    aim = service_target(volume, own_target, limits.max_abandonment)
    asked = {"required_skills": plan.requirements, "others": others}
    found = outlook(volume, *states, aim, **asked)  # type: ignore[arg-type]
    if forecast.volume and undecided(found, limits.required):
        found = outlook(volume, *states, aim, effort=MORE, **asked)  # type: ignore[arg-type]
    return found


def service_target(volume: Volume, own: tuple[float, float] | None, max_abandonment: float) -> ServiceTarget:
    """The plan's or the forecast's, else the queue's own, else the assumed one: together, or each by itself."""
    said = (volume.service_level_target, volume.answer_within_s)
    rest = own or ASSUMED_TARGET
    source = "forecast" if None not in said else "queue" if own else "assumed"
    level, within_s = (mine if mine is not None else other for mine, other in zip(said, rest, strict=True))
    return ServiceTarget(level, within_s, max_abandonment, source)


def skills(plan: Plan, after: Queue) -> dict[str, Any]:
    """By required skill: which share of the active agents and of their weight has it, and whom weight is lost on."""
    active = [member for member in after.members if member.active]
    weight = {member.user_id: plan.weights.get(member.user_id, member.weight or 0.0) for member in active}
    total = sum(weight.values())
    return {
        str(required): {
            "agents": sum(required.met_by(m.skills) for m in active) / len(active) if active else 0.0,
            "weight": sum(weight[m.user_id] for m in active if required.met_by(m.skills)) / total if total else 0.0,
            "weight_without_skill": sorted(
                m.user_id for m in active if not required.met_by(m.skills) and plan.weights.get(m.user_id, 0.0) > 0
            ),
            "below_proficiency": {
                m.user_id: m.skills[required.key]
                for m in sorted(active, key=lambda m: m.user_id)
                if required.key in m.skills and not required.met_by(m.skills)
            },
        }
        for required in plan.requirements
    }


def _provenance(forecast: Forecast) -> dict[str, Any]:
    return {
        "source": forecast.source,
        "age_s": forecast.age_s,
        "stale": forecast.stale,
        "assumed": list(forecast.assumed),
        "detail": forecast.detail,
        "media": list(forecast.media),
    }
