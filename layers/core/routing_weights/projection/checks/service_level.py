"""Gate `service_level`: the share of offered contacts that is answered in time.

The limit is the goal of the plan's forecast, else the queue's own, else 80 % within 20 s, which counts as assumed.
A pass that rests on old or assumed inputs needs approval.
"""

from collections.abc import Sequence

from routing_weights.projection.checks.base import SimulatedGate
from routing_weights.projection.inputs import Forecast
from routing_weights.projection.outlook import Outlook


def _doubts(outlook: Outlook, forecast: Forecast) -> Sequence[str]:
    forecasts = {"": forecast} | {f" of queue {other.queue_id}": other.forecast for other in outlook.others}
    forecasts |= {f" of queue {each.queue_id}": each.forecast for each in forecast.carried}
    doubts = [
        f"the forecast{owner} is {'of unknown age' if each.age_s is None else f'{each.age_s / 3600:.1f} h old'}"
        for owner, each in forecasts.items()
        if each.stale
    ]
    assumed = [f"{assumption}{owner}" for owner, each in forecasts.items() for assumption in each.assumed]
    goal = outlook.goal
    if goal.source == "assumed":
        assumed.append(f"the goal of {goal.service_level:.0%} within {goal.answer_within_s:g} s")
    if assumed:
        doubts.append(f"{', '.join(assumed)} {'is' if len(assumed) == 1 else 'are'} assumed")
    if forecast.left_out:
        queues, agents = forecast.left_out
        doubts.append(f"the load of {queues} more queues of the fleet that {agents} of the agents serve is not counted")
    return doubts


SERVICE_LEVEL = SimulatedGate(
    name="service_level",
    figure="service_level",
    unit="share",
    bound="at least",
    goal="service_level",
    limit=lambda goal: goal.service_level,
    wanted=lambda goal: f"{goal.service_level:.0%} within {goal.answer_within_s:g} s ({goal.source})",
    doubts=_doubts,
    quoted=True,
)
