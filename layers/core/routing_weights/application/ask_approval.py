"""Asks for approval: puts the question of a run that waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing_weights.domain.approval import Approval, Ask, expires_at
from routing_weights.domain.events import AWAITING_APPROVAL, awaiting_approval
from routing_weights.domain.record import approval_asked, timestamp

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.ports import Approvals, Bus, Documents, RunAnswers, Trail
    from routing_weights.domain.run import Run


@dataclass(frozen=True)
class AskApproval:
    """Puts the question of a run that waits."""

    approvals: Approvals
    documents: Documents
    trail: Trail
    bus: Bus
    answers: RunAnswers

    def ask(self, run: Run, ask: Ask, token: str, now: datetime) -> bool:
        """Keep the token with which an answer ends the wait, and tell everybody. False if it was asked before.

        It can be repeated. An attempt after the answer gets a new token, which the old answer ends at once.
        """
        approval = Approval(
            distribution_id=run.distribution_id,
            number=ask.number,
            hash=ask.hash,
            reasons=ask.reasons,
            queue_id=run.queue_id,
            fleet_id=run.fleet_id,
            door=run.origin.door,
            asked_by=run.asked_by,
            asked_at=timestamp(now),
            expires_at=timestamp(expires_at(now, ask.timeout_s)),
            token=token,
        )
        stored = self.approvals.ask(approval)
        if stored.state != "waiting":  # an attempt before this one was answered: its token is not this one's
            self.answers.deliver(stored.model_copy(update={"token": token}))
            return False
        is_new = self.trail.append(approval_asked(stored))
        name = run.distribution_id
        event = awaiting_approval(stored, self.documents.work(name), self.documents.find_projection(name))
        self.bus.put(AWAITING_APPROVAL, event)
        return is_new
