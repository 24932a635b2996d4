"""Gate `shares`, for actuator `share`: no member has a share that its time does not allow.

A contact takes its agent for the handle time, so at A erlangs an agent who does nothing else can have at most 1/A of
the contacts. A plan with a larger share needs approval: the other members will have the rest of it.
"""

from typing import TYPE_CHECKING

from routing_weights.projection.checks import GateName
from routing_weights.projection.checks.base import Check, Drawn, Evidence
from routing_weights.projection.outlook import Outlook

if TYPE_CHECKING:
    from routing_weights.projection.attainable import Member

NAMED = 5


class SharesGate:
    name: GateName = "shares"
    drawn = Drawn("share", "at most", "time for a share")

    def undecided(self, outlook: Outlook) -> bool:  # noqa: ARG002 - it judges means, not intervals
        return False

    def judge(self, evidence: Evidence) -> Check | None:
        shares = evidence.outlook.shares
        if shares is None:
            return None
        needs = {member.member: member.needs for member in shares.members}
        over = sorted((m for m in shares.members if m.needs > 1), key=lambda m: (-m.needs, m.member))
        error = shares.share_error
        projected = (
            f"The {len(needs)} shares are missed by {100 * error.mean:.1f} points on average (95 %: "
            f"{100 * max(0.0, error.low):.1f} to {100 * error.high:.1f})."
        )
        if over:
            more = f", and {len(over) - NAMED} more" if len(over) > NAMED else ""
            listed = "; ".join(map(_limited, over[:NAMED]))
            sentence = (
                f"Not attainable at {shares.load:.2f} erlangs, since an agent's time is limited: {listed}{more}. "
                f"{projected} Lower these shares, or accept it with accept_uncertain."
            )
        else:
            sentence = f"Each share takes at most {max(needs.values()):.0%} of its member's time. {projected}"
        return Check(
            name=self.name,
            verdict="needs_approval" if over and not evidence.accepted else "pass",
            sentence=sentence,
            value=max(needs.values()),
            threshold=1.0,
            required=evidence.requires(self.name),
            sample_size=evidence.outlook.after.contacts if evidence.outlook.after else 0,
            source=evidence.forecast.source,
        )


def _limited(member: "Member") -> str:
    """agent-001 asks for 40.0 % and can have at most 20.0 % (projected: 18.3 %)."""
    projected = f" (projected: {member.attainable.mean:.1%})" if member.attainable else " (not on queue)"
    return f"{member.member} asks for {member.requested:.1%} and can have at most {member.at_most:.1%}{projected}"


SHARES = SharesGate()
