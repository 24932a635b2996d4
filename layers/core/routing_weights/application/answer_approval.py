"""Answers distributions that wait for approval, through the API or in the console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from routing_weights.application.submit import record_refusal
from routing_weights.domain.access import same_caller
from routing_weights.domain.inputs import console_answer
from routing_weights.domain.plan import plan_invalid
from routing_weights.domain.problems import problem
from routing_weights.domain.record import approval_answered
from routing_weights.errors import ApprovalConflict, ApprovalForbidden, ApprovalNotFound, PlanInvalid

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.ports import Approvals, RunAnswers, Trail
    from routing_weights.domain.access import Queues
    from routing_weights.domain.approval import Approval
    from routing_weights.domain.run import Run
    from routing_weights.domain.types import ApprovalAnswer as Answer

MOST_ANSWERED = 200
"""How many queues of a fleet one request answers: the API waits for 30 s."""


@dataclass(frozen=True)
class AnswerApproval:
    approvals: Approvals
    trail: Trail
    answers: RunAnswers

    def answer(
        self,
        distribution_id: str,
        answer: Answer,
        reason: str,
        caller: str,
        now: datetime,
        *,
        hash_: str | None = None,
        is_trusted: bool = False,
    ) -> Approval:
        """Approve or reject what a distribution asks now. The same answer of the same caller can be repeated.

        The answer is stored first, then it is on record, then it ends the wait: a run never goes on without a record
        of who approved. An answer that got lost after it was stored is delivered by the next attempt of anybody.
        `hash_` is what the caller has seen, None for whatever is asked. With `is_trusted` the deployment trusts its
        console, which does not say who the caller is.

        Raises:
            ApprovalNotFound: the distribution has never asked.
            ApprovalForbidden: the caller is unknown, or approves a distribution of their own.
            ApprovalConflict: it asks for something else, no longer waits, or has another answer.
        """
        asked = self.approvals.find(distribution_id)
        if asked is None:
            raise ApprovalNotFound(f"Distribution {distribution_id} has never waited for approval. See GET /approvals.")
        if asked.state in {"approved", "rejected"}:  # whoever answered may not know that the answer got lost
            self._deliver(asked)
        if not is_trusted:
            _require_another(caller, asked, answer)
        if hash_ is not None and hash_ != asked.hash:
            raise ApprovalConflict(
                f"The distribution asks for something else now: its hash is {asked.hash}. Look at it again with "
                f"GET /distributions/{distribution_id}."
            )
        if (asked.state, asked.answered_by) == (answer, caller):
            return asked
        if asked.state != "waiting":
            ended = (
                "It is over" if asked.state == "over" else f"It was {asked.state} by {asked.answered_by or 'somebody'}"
            )
            raise ApprovalConflict(f"The distribution no longer waits. {ended}.")
        if not asked.is_open(now):
            raise ApprovalConflict(f"The time to answer ended at {asked.expires_at}. Nothing was written.")
        answered = self.approvals.answer(asked, answer, caller, reason, now)
        if answered is None:
            raise ApprovalConflict("Somebody else has just answered, or the distribution asks anew. Look at it again.")
        if not self._deliver(answered):
            raise ApprovalConflict(
                "The answer is on record, but the execution no longer waits for it. "
                f"GET /distributions/{distribution_id} shows how it ended."
            )
        return answered

    def _deliver(self, answered: Approval) -> bool:
        """Put an answer on record, and end the wait with it. It can be repeated."""
        self.trail.append(approval_answered(answered))
        return self.answers.deliver(answered)


def _require_another(caller: str, asked: Approval, answer: Answer) -> None:
    """Whoever asked may reject, which withdraws the distribution, and not approve."""
    if not caller:
        raise ApprovalForbidden("Nobody knows who you are, so the answer does not count. Sign the request.")
    if answer == "approved" and same_caller(caller, asked.asked_by):
        raise ApprovalForbidden("You asked for this distribution yourself. Somebody else has to approve it.")


class FleetAnswer(NamedTuple):
    answered: list[str]
    """The distributions."""
    refused: dict[str, str]
    """By distribution, why the answer did not reach it."""
    left: int
    """How many still wait: send the answer again."""


@dataclass(frozen=True)
class AnswerFleet:
    approvals: Approvals
    one: AnswerApproval

    def answer(
        self, fleet_id: str, answer: Answer, reason: str, caller: str, now: datetime, queues: Queues = None
    ) -> FleetAnswer:
        """Answer all queues of a fleet that wait at this moment, or those of them that are among `queues`.

        Raises:
            ApprovalNotFound: none of them waits.
            ApprovalForbidden: see AnswerApproval. The caller who asked for the fleet asked for all of its queues.
        """
        of_fleet = (each for each in self.approvals.waiting(now) if each.fleet_id == fleet_id)
        waiting = [each for each in of_fleet if queues is None or each.queue_id in queues]
        if not waiting:
            raise ApprovalNotFound(f"No queue of fleet {fleet_id} waits for approval.")
        answered, refused = list[str](), dict[str, str]()
        for each in waiting[:MOST_ANSWERED]:
            name = each.distribution_id
            try:
                self.one.answer(name, answer, reason, caller, now, hash_=each.hash)
                answered.append(name)
            except ApprovalConflict as conflict:
                refused[name] = conflict.message
        return FleetAnswer(answered, refused, max(0, len(waiting) - MOST_ANSWERED))


@dataclass(frozen=True)
class AnswerInConsole:
    answer_approval: AnswerApproval
    trail: Trail
    console_may_approve: bool

    def answer(self, run: Run, document: Any, now: datetime) -> Approval:
        """The answer that somebody started an execution with.

        Raises:
            PlanInvalid: the refusal is on record under the execution's own id, like that of a plan.
        """
        try:
            given = console_answer(document)
            if not self.console_may_approve:
                message = "the console does not say who you are: use the API, or deploy with ConsoleMayApprove"
                raise plan_invalid([problem(given.path, message, "console_may_not_approve")])
            try:
                return self.answer_approval.answer(
                    given.distribution_id, given.answer, given.reason, "", now, hash_=given.hash, is_trusted=True
                )
            except (ApprovalNotFound, ApprovalConflict) as refusal:
                raise plan_invalid([problem(given.path, refusal.message, "approval_refused")]) from refusal
        except PlanInvalid as invalid:
            record_refusal(run, None, invalid, self.trail, now)
            raise
