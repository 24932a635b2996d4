"""Every gate by its name, and how the chart draws each check."""

from collections.abc import Mapping
from typing import assert_never

from routing_weights.projection.checks import GATES, GateName, saturation, stability, staffing
from routing_weights.projection.checks.abandonment import ABANDONMENT
from routing_weights.projection.checks.base import Drawn, Gate, SimulatedGate
from routing_weights.projection.checks.occupancy import OCCUPANCY
from routing_weights.projection.checks.service_level import SERVICE_LEVEL
from routing_weights.projection.checks.shares import SHARES


def gate(name: GateName) -> Gate:
    match name:
        case "service_level":
            return SERVICE_LEVEL
        case "abandonment":
            return ABANDONMENT
        case "occupancy":
            return OCCUPANCY
        case "shares":
            return SHARES
        case _:
            assert_never(name)


EVERY = tuple(map(gate, GATES))
SIMULATED = tuple(gate for gate in EVERY if isinstance(gate, SimulatedGate))
DRAWN: Mapping[str, Drawn] = {
    "saturation": saturation.DRAWN,
    "staffing": staffing.DRAWN,
    "stability": stability.DRAWN,
    **{gate.name: gate.drawn for gate in EVERY},
}
"""By the name of a check."""
