"""Gate `abandonment`: the share of offered contacts that hang up. The deployment sets the limit (MaxAbandonment)."""

from routing_weights.projection.checks.base import SimulatedGate

ABANDONMENT = SimulatedGate(
    name="abandonment",
    figure="abandonment",
    unit="share",
    bound="at most",
    goal="max_abandonment",
    limit=lambda goal: goal.limits.max_abandonment,
    wanted=lambda goal: f"at most {goal.limits.max_abandonment:.0%}",
)
