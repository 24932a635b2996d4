"""The checks of a projection, one file each. A gate is a check that a deployment may require.

Only check `effect` has no file: the actuator says why its weights have no effect (`Actuator.without_effect`), and
`projection.verdict` makes the check from that sentence.

A new gate is a file in this folder, its name in `GateName`, its limit in `Limits` and its case in `registry.gate`. The
limit comes from a parameter in template.yaml (in deploy.md too), set as an environment variable of each function that
judges, through a field and `limits` in settings.py. A new name also goes into `RequiredGates`. local/checks/chart.py
draws the example with every limit. `make openapi pictures` renews what is generated.
This module imports nothing heavy, since settings.py reads the names and limits from it.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, get_args

GateName = Literal["service_level", "abandonment", "occupancy", "shares"]
GATES: tuple[GateName, ...] = get_args(GateName)
"""The gates that a deployment may require. They decide where contacts and handle time are known."""
ALWAYS = ("saturation", "staffing", "effect", "stability")
"""The checks that no deployment can switch off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits that a deployment sets, and the gates that it requires."""

    saturation: float
    """The highest ratio of load to capacity, in (0, 1]."""
    max_abandonment: float
    """The highest share of abandoned contacts, in (0, 1]."""
    required: AbstractSet[GateName]
    """A gate that is not required is shown and decides nothing."""
