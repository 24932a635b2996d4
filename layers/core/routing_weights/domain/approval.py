"""Approval: which distributions wait for somebody's answer, and what the answer is bound to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from routing_weights.domain.run import GRACE_S, MOST_ASKS, Door
from routing_weights.domain.types import ApprovalReason as Reason
from routing_weights.domain.types import GenesysId
from routing_weights.errors import ApprovalRequired, ConfigurationInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from routing_weights.domain.decision import Work
    from routing_weights.domain.run import Run

MOST_RULES = 50
PLAN = "plan"
"""The name of the reason of a plan that asks for approval itself."""

State = Literal["waiting", "approved", "rejected", "over"]
"""`over`: the run has ended, and no answer reaches it any more."""
Approvable = Literal["pass", "needs_approval", "inconclusive"]
"""The verdicts of a projection, without `blocked`: nobody can approve what a gate blocks."""


@dataclass(frozen=True)
class Intent:
    """What a run is about to do, as the policy judges it."""

    queue_id: str
    door: Door
    is_revert: bool
    """It puts an earlier state back."""
    is_wished: bool
    """The plan asks for approval itself."""
    verdict: Approvable
    doubts: tuple[Reason, ...]
    """The checks of the projection that are in doubt."""
    members: int
    """How many members are written."""
    shift: float
    """The largest change of a member's weight."""


class Rule(BaseModel):
    """What needs approval. Every condition that a rule names must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    queues: tuple[GenesysId, ...] | None = Field(default=None, min_length=1)
    doors: tuple[Door, ...] | None = Field(default=None, min_length=1)
    verdicts: tuple[Approvable, ...] | None = Field(default=None, min_length=1)
    members: Annotated[int, Field(ge=1)] | None = None
    """At least so many members are written."""
    shift: Annotated[float, Field(gt=0, le=1)] | None = None
    """The weight of a member changes by at least so much."""

    def holds(self, intent: Intent) -> bool:
        """A revert needs approval only where a rule names its door: an earlier state must stay within reach."""
        return (
            (self.queues is None or intent.queue_id in self.queues)
            and (not intent.is_revert if self.doors is None else intent.door in self.doors)
            and (self.verdicts is None or intent.verdict in self.verdicts)
            and (self.members is None or intent.members >= self.members)
            and (self.shift is None or intent.shift >= self.shift)
        )

    def shown(self, queue_id: str) -> str:
        """The rule, without the other queues that it names: whoever reads it may look at this one."""
        queues = {"queues": [queue_id]} if self.queues else {}
        return json.dumps(self.model_dump(exclude_none=True) | queues, separators=(", ", ": "))


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rules: tuple[Rule, ...] = Field(max_length=MOST_RULES)


@dataclass(frozen=True)
class Policy:
    """The rules of the deployment: a distribution for which one of them holds needs approval."""

    rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Read the parameter ApprovalPolicy: a JSON list of rules. Raises ConfigurationInvalid."""
        try:
            return cls(_Rules.model_validate_json(f'{{"rules": {text}}}').rules)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"][1:])) or "the text"
            raise ConfigurationInvalid(f"ApprovalPolicy is not a list of rules: {place}: {first['msg']}.") from None

    def reasons(self, intent: Intent) -> tuple[Reason, ...]:
        """Why the run needs approval. Empty if it needs none."""
        found = [Reason(name=PLAN, sentence="The plan asks for approval.")] if intent.is_wished else []
        rules = [rule for rule in self.rules if rule.holds(intent)]
        if found or rules:  # whoever approves has seen the doubts
            found += intent.doubts
        found += [
            Reason(name="policy", sentence=f"The policy of this deployment: {rule.shown(intent.queue_id)}.")
            for rule in rules
            if rule.verdicts is None or intent.verdict == "pass"
        ]
        return tuple(found)


@dataclass(frozen=True)
class Ask:
    """The question that a run asks. `wanted` is False if it asks none."""

    wanted: bool
    hash: str = ""
    number: int = 0
    """From 1: the run asks again if the queue has changed since somebody approved."""
    timeout_s: int = 0
    reasons: tuple[Reason, ...] = ()

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Ask:
        """Read what `to_json` has written."""
        reasons = tuple(map(Reason.model_validate, document["reasons"]))
        return cls(True, document["hash"], document["number"], document["timeout_s"], reasons)

    def to_json(self) -> dict[str, object]:
        if not self.wanted:
            return {"wanted": False}
        return {
            "wanted": True,
            "hash": self.hash,
            "number": self.number,
            "timeout_s": self.timeout_s,
            "reasons": [reason.model_dump() for reason in self.reasons],
            # The execution waits a little longer than people may answer, so that an answer in time still reaches it.
            "wait_s": self.timeout_s + GRACE_S,
        }


class Approval(BaseModel):
    """The last question of a distribution, and its answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    distribution_id: str
    number: int
    state: State = "waiting"
    hash: str
    reasons: tuple[Reason, ...]
    queue_id: str
    fleet_id: str = ""
    door: str
    asked_by: str = ""
    """The verified caller who wants the distribution; empty if nobody knows."""
    asked_at: str
    """RFC 3339 in UTC, like every time here."""
    expires_at: str
    answered_by: str = ""
    answered_at: str = ""
    reason: str = ""
    """Why it was approved or rejected."""
    token: str = Field(default="", exclude=True, repr=False)
    """A secret: whoever has it can end the wait. It is in no answer, record or log."""

    def allows(self, hash_: str, reasons: tuple[Reason, ...]) -> bool:
        """True if somebody has approved this content, and every doubt that there is now."""
        known = {reason.name for reason in self.reasons}
        return self.state == "approved" and self.hash == hash_ and known >= {reason.name for reason in reasons}

    def is_open(self, now: datetime) -> bool:
        return self.state == "waiting" and now < datetime.fromisoformat(self.expires_at)


def expires_at(now: datetime, timeout_s: int) -> datetime:
    return now + timedelta(seconds=timeout_s)


def content_hash(work: Work) -> str:
    """SHA-256 over canonical JSON of plan, decision and before-image, hexadecimal.

    Of the before-image, what a run writes or restores: settings, and each member's value. Who is on queue changes by
    the minute, and so do the notes for the reader; an approval that any break would void is worth nothing.
    """
    before, decision = work.before, work.decision.to_json()
    statement = {name: value for name, value in decision["statement"].items() if name != "notes"}
    document = {
        "plan": work.plan.model_dump(mode="json", exclude_defaults=True),
        "decision": decision | {"statement": statement, "order": sorted(decision["order"])},
        "before": {
            "queue_id": before.queue_id,
            "settings": before.settings.to_json(),
            "ranks": before.ranks,
            "skill_id": before.skill_id,
            "members": sorted(
                [member.user_id, member.joined, member.weight, member.value] for member in before.members
            ),
        },
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


NOT_ASKED = Ask(wanted=False)


class _Check(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def sentence(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def required(self) -> bool: ...


class _Judgement(Protocol):
    @property
    def verdict(self) -> str: ...
    @property
    def checks(self) -> Sequence[_Check]: ...


class Judged(Protocol):
    """A projection, as far as an approval depends on it."""

    @property
    def judgement(self) -> _Judgement: ...
    def raise_if_blocked(self) -> None: ...
    def raise_unless_passed(self) -> None: ...


@dataclass(frozen=True)
class Gate:
    """Decides whether a run that was projected goes on, waits for approval, or ends."""

    find: Callable[[str], Approval | None]
    """The last question of a distribution, with its answer. It is asked only if the run needs approval."""
    policy: Policy
    timeout_s: int
    """0: nobody can approve anything."""
    console_may_approve: bool

    def judge(self, run: Run, work: Work, projection: Judged | None) -> Ask:
        """The question to ask before the first write. Nothing is asked that somebody has approved already.

        The answer is read from the store, not from the state machine: a token that anybody sends approves nothing.

        Raises:
            SaturationBlocked, ServiceLevelAtRisk: nobody can approve what a gate blocks.
            ApprovalRequired, ProjectionInconclusive: nobody can approve the run.
        """
        is_revert = work.plan.restores is not None
        # The projection of a revert is shown, and decides nothing: the earlier state must stay within reach when the
        # agents have gone home, a forecast has risen, or a skill is gone.
        judged = None if is_revert else projection
        if judged:
            judged.raise_if_blocked()
        reasons = self.policy.reasons(_intent(run, work, judged))
        is_doubtful = judged is not None and judged.judgement.verdict != "pass"
        if run.dry_run or (is_doubtful and not reasons):
            if judged:
                judged.raise_unless_passed()
            return NOT_ASKED
        if not reasons:
            return NOT_ASKED
        self._require_somebody(run, judged, reasons)
        content, last = content_hash(work), self.find(run.distribution_id)
        if last and last.allows(content, reasons):
            return NOT_ASKED
        number = self._number(last, content)
        return Ask(wanted=True, hash=content, number=number, timeout_s=self.timeout_s, reasons=reasons)

    def _require_somebody(self, run: Run, projection: Judged | None, reasons: tuple[Reason, ...]) -> None:
        """Raise where nobody can approve: in the words of the projection, if a doubt is the reason."""
        if not run.can_wait:
            why = "Its execution began before the system could wait for approvals: send the plan again."
        elif not self.timeout_s:
            why = "In this deployment nobody can give it, because ApprovalTimeoutS is 0."
        elif not run.asked_by and not self.console_may_approve:
            why = (
                "Nobody knows who asks, so nobody can approve it: send it through the API, or deploy with "
                "ConsoleMayApprove."
            )
        else:
            return
        if projection:
            projection.raise_unless_passed()
        raise ApprovalRequired(f"The distribution needs approval. {' '.join(r.sentence for r in reasons)} {why}")

    @staticmethod
    def _number(last: Approval | None, content: str) -> int:
        if last is None:
            return 1
        if last.state == "waiting" and last.hash == content:  # Project runs again, its last answer was lost
            return last.number
        if last.number == MOST_ASKS:
            raise ApprovalRequired(
                f"The queue, or what is in doubt, changed after each of {MOST_ASKS} approvals. Nothing was written; "
                "send the plan again when nobody else changes the queue."
            )
        return last.number + 1


def _intent(run: Run, work: Work, projection: Judged | None) -> Intent:
    before, target = work.before.weights(), work.decision.target.weights
    shifts = (abs((target.get(user) or 0.0) - (before.get(user) or 0.0)) for user in work.decision.order)
    verdict = projection.judgement.verdict if projection else "pass"
    doubts = (
        Reason(name=check.name, sentence=check.sentence)
        for check in (projection.judgement.checks if projection else ())
        if check.required and check.verdict in {"needs_approval", "inconclusive"}
    )
    return Intent(
        queue_id=work.plan.queue_id,
        door=run.policy_door,
        is_revert=work.plan.restores is not None,
        is_wished=work.plan.require_approval,
        verdict=cast("Approvable", verdict),  # a blocked one has been raised
        doubts=tuple(doubts),
        members=len(work.decision.order),
        shift=round(max(shifts, default=0.0), 9),
    )
