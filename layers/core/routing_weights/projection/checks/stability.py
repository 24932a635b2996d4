"""Check `stability`: some assignment of the agents can carry the load, that of the shared queues included.

The limit is the agents' own time: with more load the queue grows until callers give up. It decides for every plan whose
contacts and handle time are known.
"""

from routing_weights.projection.checks.base import Check, Drawn, Evidence
from routing_weights.projection.checks.saturation import agents

DRAWN = Drawn("number", "below", "stability")


def check(evidence: Evidence) -> Check:
    outlook, forecast = evidence.outlook, evidence.forecast
    active, stable = outlook.agents[1], outlook.shortfall == 0
    load = f"{outlook.volume.load:.4g} erlangs ({forecast.source}) on {agents(active)}"
    sentence = (
        f"Stable: {load}."
        if stable
        else f"Unstable: {load}, and no assignment of them can carry it, so the queue grows until callers give up. "
        f"{evidence.advice}"
    )
    return Check(
        name="stability",
        verdict="pass" if stable else "blocked",
        sentence=sentence,
        value=outlook.volume.load / active if active else None,
        threshold=1.0,
        required=forecast.volume is not None,
        source=forecast.source,
        remedy={} if stable else evidence.remedy,
    )
