"""The projection of one plan: the ratio, what the models say, the checks, the skills and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from routing_weights.domain.actuators.base import Ranking
from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Queue, Value
from routing_weights.domain.target import Target, as_targeted
from routing_weights.projection.checks import Limits
from routing_weights.projection.checks.registry import SIMULATED
from routing_weights.projection.checks.saturation import Saturation, saturation
from routing_weights.projection.checks.staffing import staffed
from routing_weights.projection.inputs import Forecast, Volume
from routing_weights.projection.outlook import Draws, Other, Outlook, ServiceGoal, State, outlook
from routing_weights.projection.verdict import Judgement, judge, undecided

ASSUMED_GOAL = (0.8, 20.0)
"""80 % within 20 s, where neither the plan nor the queue says: the most common goal, and reported as assumed."""
ASSUMED_AHT_S = 240.0
"""Shows what a load alone would mean. Such figures decide nothing."""
MORE = 4
"""How many times as many contacts are simulated where the first ones do not decide."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What a plan will do to its queue."""

    saturation: Saturation
    judgement: Judgement
    outlook: Outlook | None
    forecast: Forecast
    document: dict[str, Any]
    """As it is recorded."""

    def raise_if_blocked(self) -> None:
        """Raise the error of a gate that nobody can approve."""
        self.saturation.raise_if_blocked()
        if self.judgement.verdict == "blocked":
            self.judgement.raise_unless_passed()

    def raise_unless_passed(self) -> None:
        """Raise the error that says why the plan may not be applied. Its class names the status of the run."""
        self.saturation.raise_if_blocked()
        self.judgement.raise_unless_passed()


def project(
    plan: Plan,
    before: Queue,
    target: Target,
    forecast: Forecast,
    *,
    rankings: tuple[Ranking, Ranking],
    own_goal: tuple[float, float] | None,
    limits: Limits,
    overflow_gate: bool,
    draws: Draws,
    frontier: bool = True,
    others: Sequence[Other] = (),
    without_effect: str | None = None,
) -> Projection:
    """Project `plan` on the queue as it was read.

    Args:
        plan: a valid plan.
        before: the queue as Genesys holds it.
        target: what it will hold.
        forecast: the load to expect. With a volume the models decide, without one they are indicative.
        rankings: how the queue chooses among its agents, before and after.
        own_goal: the queue's own service level and seconds, where it has them.
        limits: what the deployment requires.
        overflow_gate: True: nothing in Genesys carries the plan's overflow threshold, so a load above it blocks.
        draws: how the deployment draws agents, for actuator share.
        frontier: False: even a dry run does not simulate other hold times.
        others: queues that share agents with this one.
        without_effect: why the weights will do nothing on the queue, where they will not.
    """
    staff = staffed(plan, before, as_targeted(before, target))
    before, after = staff.before, staff.after
    ratio = saturation(
        plan, after, forecast, limit=limits.saturation, overflow_gate=overflow_gate, unstaffed=staff.nobody
    )
    values: Mapping[str, Value | None] = {member.user_id: member.value for member in before.members}
    states = (State(rankings[0], before, values), State(rankings[1], after, {**values, **target.values}))
    # Models of a queue that nobody serves say nothing that staffing does not.
    modelled = None if staff.nobody else _outlook(plan, forecast, states, own_goal, limits, draws, others)
    if (
        frontier and plan.dry_run and modelled and modelled.shares
    ):  # a dozen further simulations, for which no distribution waits
        modelled = replace(modelled, shares=modelled.shares.with_frontier())
    judgement = judge(ratio, forecast, modelled, staff, accepted=plan.accept_uncertain, without_effect=without_effect)
    weights = (before.weights(), {**before.weights(), **target.weights})
    document = ratio.to_json() | judgement.to_json()
    document["models"] = modelled and _models(modelled, forecast, weights)
    document["neighbours"] = _neighbours(forecast)
    document["notes"] = list(forecast.notes)
    document["staffing"] = staff.to_json()
    return Projection(ratio, judgement, modelled, forecast, document)


def service_goal(volume: Volume, own: tuple[float, float] | None, limits: Limits) -> ServiceGoal:
    """The forecast's goal, else the queue's own, else the assumed one: level and seconds each by itself."""
    given = (volume.service_level_target, volume.answer_within_s)
    fallback = own or ASSUMED_GOAL
    source = "forecast" if None not in given else "queue" if own else "assumed"
    level, within_s = (figure if figure is not None else other for figure, other in zip(given, fallback, strict=True))
    return ServiceGoal(level, within_s, source, limits)


def _outlook(
    plan: Plan,
    forecast: Forecast,
    states: tuple[State, State],
    own_goal: tuple[float, float] | None,
    limits: Limits,
    draws: Draws,
    others: Sequence[Other],
) -> Outlook | None:
    volume = forecast.pooled
    if volume is None:
        if not plan.dry_run:  # the models would decide nothing, so only a dry run waits for them
            return None
        volume = Volume(offered=forecast.total * 1800 / ASSUMED_AHT_S, interval_s=1800, aht_s=ASSUMED_AHT_S)
    goal = service_goal(volume, own_goal, limits)
    ask = partial(outlook, volume, *states, goal, draws=draws, required_skills=plan.requirements, others=others)
    modelled = ask()
    return ask(effort=MORE) if forecast.volume and undecided(modelled) else modelled


def _models(
    outlook: Outlook, forecast: Forecast, weights: tuple[Mapping[str, float | None], Mapping[str, float | None]]
) -> dict[str, Any]:
    """The models for the record and the chart. `target` is the API's name of the goal."""
    goal = outlook.goal
    return {
        "indicative": forecast.volume is None,
        "forecast": {
            **asdict(forecast.volume or outlook.volume),
            "patience_s": outlook.patience_s,
            **_provenance(forecast),
        },
        "shared_with": [
            {"queue_id": other.queue_id, **asdict(other.volume), **_provenance(other.forecast)}
            for other in outlook.others
        ],
        "target": {
            **{gate.goal: gate.limit(goal) for gate in SIMULATED},
            "answer_within_s": goal.answer_within_s,
            "source": goal.source,
        },
        **outlook.to_json(weights),
    }


def _neighbours(forecast: Forecast) -> dict[str, Any] | None:
    """The load of the other queues of the fleet, for the record and the chart; None if there is none."""
    if not forecast.carried and not forecast.left_out:
        return None
    pooled = forecast.pooled
    return {
        "own_load": forecast.load,
        "queues": [
            {
                "queue_id": each.queue_id,
                "load": each.load,
                "of_load": each.forecast.load,
                "shared_agents": each.shared,
                "agents": each.agents,
                **_provenance(each.forecast),
                "notes": list(each.forecast.notes),
            }
            for each in forecast.carried
        ],
        "pooled": pooled and {name: getattr(pooled, name) for name in ("offered", "interval_s", "aht_s")},
        "left_out": forecast.left_out and forecast.left_out._asdict(),
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
