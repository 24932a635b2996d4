"""Gate `occupancy`: no agent is overloaded, and none is starved while the others have enough to do.

Both limits are constants. A plan that misses one needs approval.
"""

import math

from routing_weights.domain.queue import named
from routing_weights.projection.checks import GateName
from routing_weights.projection.checks.base import Check, Drawn, Evidence
from routing_weights.projection.outlook import Outlook

OVERLOADED, STARVED = 0.88, 0.30
"""Shares of an agent's time spent on contacts. Source: projection reference, section 3."""


class Occupancy:
    name: GateName = "occupancy"
    drawn = Drawn("share", "at most", "occupancy")

    def undecided(self, outlook: Outlook) -> bool:  # noqa: ARG002 - it judges means, not intervals
        return False

    def judge(self, evidence: Evidence) -> Check:
        compared = evidence.outlook.compared
        agents = compared.after.agents if compared else {}
        busy = {agent: outcome.occupancy.mean for agent, outcome in agents.items()}
        pooled = math.fsum(busy.values()) / len(busy) if busy else 0.0
        overloaded = sorted((a for a, share in busy.items() if share > OVERLOADED), key=lambda a: (-busy[a], a))
        # In a quiet hour everybody has little to do. Starved are those who get little while others have enough.
        starved = sorted((a for a, share in busy.items() if share < STARVED <= pooled), key=lambda a: (busy[a], a))
        complaints = []
        if overloaded:
            complaints.append(f"Overloaded, busy for more than {OVERLOADED:.0%} of the time: {named(overloaded, 5)}.")
        if starved:
            complaints.append(f"Starved, busy for less than {STARVED:.0%} of the time: {named(starved, 5)}.")
        lowest, highest = min(busy.values(), default=0.0), max(busy.values(), default=0.0)
        sentence = f"Agents are busy for {lowest:.0%} to {highest:.0%} of the time."
        if complaints:
            advice = "Even the weights out, add agents, or accept it with accept_uncertain."
            sentence = " ".join([*complaints, advice])
        return Check(
            name=self.name,
            verdict="needs_approval" if complaints and not evidence.accepted else "pass",
            sentence=sentence,
            value=highest,
            threshold=OVERLOADED,
            required=evidence.requires(self.name),
            sample_size=compared.after.contacts if compared else 0,
            source=evidence.forecast.source,
        )


OCCUPANCY = Occupancy()
