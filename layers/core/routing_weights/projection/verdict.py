"""The verdict on a plan: the worst verdict of the checks that decide, with its reason.

Saturation, staffing and effect always decide. Where contacts and handle time are known, stability does too, and so do
the gates that the deployment requires. Every other check is shown and decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from routing_weights.errors import ApprovalRequired, ProjectionInconclusive, ServiceLevelAtRisk
from routing_weights.projection.checks import registry, saturation, stability, staffing
from routing_weights.projection.checks.base import Check, Evidence, Verdict
from routing_weights.projection.checks.saturation import Saturation
from routing_weights.projection.checks.staffing import Staffed
from routing_weights.projection.inputs import Forecast
from routing_weights.projection.outlook import Outlook

UNMODELLED = frozenset({"saturation", "staffing", "effect"})
"""The checks that need no model."""
WORST_FIRST: tuple[Verdict, ...] = ("blocked", "inconclusive", "needs_approval", "pass")


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    reason: str
    checks: tuple[Check, ...]

    def raise_unless_passed(self) -> None:
        """Raise ServiceLevelAtRisk, ProjectionInconclusive or ApprovalRequired, with the reason as the message."""
        match self.verdict:
            case "blocked":
                raise ServiceLevelAtRisk(self.reason)
            case "inconclusive":
                raise ProjectionInconclusive(self.reason)
            case "needs_approval":
                raise ApprovalRequired(self.reason)
            case "pass":
                return
            case _:
                assert_never(self.verdict)

    def to_json(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "reason": self.reason, "checks": [check.to_json() for check in self.checks]}


def judge(
    ratio: Saturation,
    forecast: Forecast,
    outlook: Outlook | None,
    staffed: Staffed,
    *,
    accepted: bool,
    without_effect: str | None = None,
) -> Judgement:
    """Judge every check and join them.

    Args:
        ratio: the saturation ratio.
        forecast: the load, with what of it is stale or assumed.
        outlook: what the models say; None where volume and handle time are unknown, or nobody is counted.
        staffed: whose presence is counted.
        accepted: True: the plan accepts what needs approval.
        without_effect: why the weights will do nothing on the queue, where they will not.
    """
    checks = [saturation.check(ratio), staffing.check(staffed, accepted=accepted)]
    if without_effect:
        checks.append(_effect(without_effect, accepted=accepted))
    evidence = None
    if outlook:
        evidence = Evidence(
            outlook=outlook,
            forecast=forecast,
            accepted=accepted,
            gates=[gate for gate in registry.SIMULATED if gate.name in outlook.goal.limits.required],
        )
        checks.append(stability.check(evidence))
        if outlook.after:
            checks += filter(None, (gate.judge(evidence) for gate in registry.EVERY))
    deciding = [check for check in checks if check.required]
    worst = min((check.verdict for check in deciding), key=WORST_FIRST.index)
    reasons = [check.sentence for check in deciding if check.verdict == worst and (worst != "pass" or check.quoted)]
    if worst in {"blocked", "inconclusive"} and ratio.absent and ratio.verdict == "pass":
        reasons.append(saturation.not_counted(ratio.absent, ratio.members_read))
    modelled = any(check.verdict == worst and check.name not in UNMODELLED for check in deciding)
    if worst != "pass" and modelled and ratio.verdict == "pass":  # the sentence of a blocked ratio has it already
        reasons += filter(None, [saturation.carried(forecast)])
    return Judgement(worst, _reason(reasons, evidence), tuple(checks))


def undecided(outlook: Outlook) -> bool:
    """True where a required gate cannot decide: more simulated contacts might."""
    return any(gate.undecided(outlook) for gate in registry.EVERY if gate.name in outlook.goal.limits.required)


def _effect(without_effect: str, *, accepted: bool) -> Check:
    """The weights change nothing on this queue."""
    return Check(
        name="effect",
        verdict="pass" if accepted else "needs_approval",
        sentence=f"{without_effect}, or accept it with accept_uncertain.",
        quoted=True,
    )


def _reason(sentences: Sequence[str], evidence: Evidence | None) -> str:
    """The sentences, with the advice at the end only where several give the same."""
    reason = " ".join(sentences)
    if evidence is None or len(sentences) == 1:
        return reason
    advice = f" {evidence.advice}"
    return reason.replace(advice, "", max(0, reason.count(advice) - 1))
