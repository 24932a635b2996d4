"""Prints the chart in the docs, from the code: `python -m local.checks.chart > docs/projection.svg`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "core"))

from routing_weights.charts.projection import chart
from routing_weights.domain.actuation import resolve
from routing_weights.domain.actuators.base import Ranking
from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Member, Queue, QueueSettings
from routing_weights.domain.volume import StatedVolume
from routing_weights.projection.checks import GATES, Limits
from routing_weights.projection.inputs import Forecast, Volume
from routing_weights.projection.project import project

AGENTS = 12


def example() -> str:
    """Twelve agents of one pool get ranked in rings. The chart shows whom it keeps busy, and what it costs callers."""
    users = [f"agent-{number:03}" for number in range(1, AGENTS + 1)]
    weights = {user: round(0.14 - 0.01 * (number // 2), 2) for number, user in enumerate(users)}
    forecast = StatedVolume(offered=85.0, aht_s=180.0, patience_s=120.0)
    plan = Plan(
        queue_id="queue-001",
        member_weights=weights,
        overflow_threshold=0.95,
        utilization_target=1.0,
        strategy_reference="ring-by-weight",
        actuator="ring",
        normalize=True,
        forecast=forecast,
    )
    members = tuple(Member(user, max(weights.values()), carried=1) for user in users)
    before = Queue(plan.queue_id, QueueSettings(), members)
    volume = Volume.of(forecast)
    projection = project(
        plan,
        before,
        resolve(plan, deployed="ring").target(plan, {}),
        Forecast(volume.load, "plan", volume=volume),
        rankings=(Ranking("joined"), Ranking("ring", (10.0,) * 5)),
        own_goal=(0.8, 20.0),
        limits=Limits(saturation=0.95, max_abandonment=0.1, required=frozenset(GATES)),
        overflow_gate=False,
    )
    return chart(projection.document, queue_id=plan.queue_id)


if __name__ == "__main__":
    sys.stdout.write(example())
