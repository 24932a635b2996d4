"""Prints a chart of the docs, from the code: `python -m local.checks.chart > docs/projection.svg`, or with `shares`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "core"))

from routing_weights.charts.projection import chart
from routing_weights.domain.actuation import resolve
from routing_weights.domain.actuators.base import Ranking
from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Member, Queue, QueueSettings
from routing_weights.domain.types import ShareOptions
from routing_weights.domain.volume import StatedVolume
from routing_weights.projection.checks import GATES, Limits
from routing_weights.projection.inputs import Forecast, Volume
from routing_weights.projection.outlook import Draws
from routing_weights.projection.project import project

AGENTS, SHARING = 12, 20


def example() -> str:
    """Twelve agents of one pool get ranked in rings. The chart shows whom it keeps busy, and what it costs callers."""
    users = [f"agent-{number:03}" for number in range(1, AGENTS + 1)]
    weights = {user: round(0.14 - 0.01 * (number // 2), 2) for number, user in enumerate(users)}
    plan = Plan(
        queue_id="queue-001",
        member_weights=weights,
        overflow_threshold=0.95,
        utilization_target=1.0,
        strategy_reference="ring-by-weight",
        actuator="ring",
        normalize=True,
        forecast=StatedVolume(offered=85.0, aht_s=180.0, patience_s=120.0),
    )
    return _drawn(plan, Ranking("ring", (10.0,) * 5), before=max(weights.values()))


def shares() -> str:
    """Twenty agents get shares at 12 erlangs; their standings are read every 5 s. The chart shows the hold times."""
    users = [f"agent-{number:03}" for number in range(1, SHARING + 1)]
    weights = {user: round((30 - number) / 410, 4) for number, user in enumerate(users)}
    plan = Plan(
        queue_id="queue-001",
        member_weights=weights,
        overflow_threshold=0.95,
        utilization_target=1.0,
        strategy_reference="share-by-weight",
        actuator="share",
        forecast=StatedVolume(offered=120.0, aht_s=180.0, patience_s=180.0),
        dry_run=True,
    )
    return _drawn(plan, Ranking("share", share=ShareOptions()), before=0.0)


def _drawn(plan: Plan, ranking: Ranking, *, before: float) -> str:
    """The chart of the plan on a pool of its members, each with the weight `before`."""
    assert plan.forecast  # noqa: S101 - both have one
    members = tuple(Member(user, before, carried=1) for user in plan.weights)
    volume = Volume.of(plan.forecast)
    projection = project(
        plan,
        Queue(plan.queue_id, QueueSettings(), members),
        resolve(plan, deployed="ring").target(plan, {}),
        Forecast(volume.load, "plan", volume=volume),
        rankings=(Ranking("joined"), ranking),
        own_goal=(0.8, 20.0),
        limits=Limits(saturation=0.95, max_abandonment=0.1, required=frozenset(GATES)),
        overflow_gate=False,
        draws=Draws(5.0, 20),
    )
    return chart(projection.document, queue_id=plan.queue_id)


if __name__ == "__main__":
    sys.stdout.write(shares() if sys.argv[1:] == ["shares"] else example())
