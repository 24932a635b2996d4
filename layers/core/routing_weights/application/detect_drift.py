"""Compares a queue with what the last completed distribution applied, and records what somebody else has changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.drift_table import DriftEntries
from routing_weights.adapters.aws.locks_table import holder_of
from routing_weights.application.answer_drift import Drift
from routing_weights.domain.change_events import ChangeEvent
from routing_weights.domain.decision import Decision, Work
from routing_weights.domain.drift import Answer, Difference, DriftEntry, differences, edited_at, fingerprint
from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Queue
from routing_weights.domain.record import RunSummary, last_completed, timestamp
from routing_weights.domain.run import Run
from routing_weights.domain.target import Target, image
from routing_weights.errors import QueueBusy, QueueNotFound

if TYPE_CHECKING:
    from routing_weights.application.ports import Genesys

logger = Logger(child=True)

PUT_BACK = {"restored", "not_needed"}
"""What the restoration of a run came to that has left nothing of its own (restoration.Restoration)."""


@dataclass(frozen=True)
class Watch:
    trail: AuditTrail
    locks_table: str
    entries: DriftEntries
    contract: "Callable[[Run, Decision], Genesys]"
    """The contract that reads what a decision has written."""
    answer: Callable[[Drift, datetime], None]
    """What is done about drift, called each time that it is seen."""

    def look(self, queue_id: str, events: Sequence[ChangeEvent], now: datetime) -> bool:
        """Read the queue once for all of its `events`; whether there is drift that was not on record before.

        Whose change an event tells of is not asked: what we applied is what we expect, so our own writes differ in
        nothing, and neither does somebody's change that is gone again.

        Raises:
            QueueBusy: a distribution is at work on it, or was while the queue was read. Look again when it is over.
            QueueNotFound: Genesys no longer has it.
        """
        runs = self._runs(queue_id)
        last = last_completed(runs)
        if last is None:
            self._drop(queue_id, events)
            return False
        work = self.trail.documents.work(last)
        plan = work.plan
        try:
            applied, ours, held = self._read(work, last, runs, now)
        except QueueNotFound:
            self._drop(queue_id, events)
            raise
        if self._runs(queue_id) != runs:
            raise _busy(queue_id)
        found = differences(applied, held, ours)
        seen_at_ms = int(now.timestamp() * 1000)
        if not found:
            self.entries.settled(queue_id, seen_at_ms)
            self._drop(queue_id, events)
            return False
        state = fingerprint(last, found)
        is_new = self.entries.append(_entry(plan, last, found, held, events, now), state, seen_at_ms)
        if is_new:
            logger.warning("Drift", queue_id=queue_id, last_distribution=last, differences=len(found))
        # A state that was seen before may still be waiting for its answer.
        known = None if plan.drift_policy == "record" else self.entries.of_state(queue_id, state)
        if known is not None:
            beside_ours = found != differences(applied, held)
            self.answer(Drift(known, plan, found, beside_ours, events), now)
        self._drop(queue_id, events, known)
        return is_new

    def _drop(self, queue_id: str, events: Sequence[ChangeEvent], known: DriftEntry | None = None) -> None:
        """Close the records whose repair was put off until now, where the queue is no longer in their state."""
        why = "When its time came it was gone: taken back, changed again, or overtaken by a distribution."
        for entry_id in {event.deferred for event in events if event.deferred} - {known and known.entry_id}:
            self.entries.note(queue_id, entry_id, Answer("repair_dropped", why), final=True)

    def _runs(self, queue_id: str) -> list[RunSummary]:
        """The newest distributions of the queue, when none is at work on it: asked before and after it is read."""
        if holder_of(self.locks_table, queue_id) is not None:
            raise _busy(queue_id)
        # Runs that wait for the lock change nothing yet, so only those that are over are compared.
        return [run for run in self.trail.newest(queue_id) if run.status.terminal]

    def _read(self, work: Work, last: str, runs: list[RunSummary], now: datetime) -> tuple[Target, list[Target], Queue]:
        """What was applied, what later runs of ours tried to apply, and what is held."""
        documents, queue_id = self.trail.documents, work.plan.queue_id
        run = Run(distribution_id=last, execution_arn="", started_at=now, queue_id=queue_id)
        applied = image(Queue.from_json(documents.get(last, "after")), work.decision.target)
        ours = [
            documents.work(one).decision.target
            for one in _later(runs, last)
            if documents.find(one, "writing") is not None
        ]
        return applied, ours, self.contract(run, work.decision).read_queue(queue_id)


def _later(runs: list[RunSummary], last: str) -> list[str]:
    """The runs that failed after the last completed one had ended, and may have left values of theirs."""
    ended = next(run.timestamp for run in runs if run.distribution_id == last)
    return [
        run.distribution_id
        for run in runs
        if run.status.failed_writing
        and run.timestamp >= ended
        and not (run.restore and run.restore.outcome in PUT_BACK)
    ]


def _entry(
    plan: Plan,
    last: str,
    found: Sequence[Difference],
    held: Queue,
    events: Sequence[ChangeEvent],
    now: datetime,
) -> DriftEntry:
    at = timestamp(now)
    # The newest delivery that says who, and that is about all of this; a queue's own stamp is of its settings only.
    told = next((event for event in reversed(events) if (event.by or event.at) and _is_about(event, found)), None)
    by_stamp = all(difference.what == "setting" for difference in found)
    return DriftEntry(
        queue_id=plan.queue_id,
        entry_id=f"{at}-{events[-1].delivery_id}",
        at=at,
        distribution_id=last,
        changed_by=told.by if told else held.modified_by if by_stamp else None,
        changed_at=told.at if told else held.modified_at if by_stamp else None,
        edited_at=timestamp(edited_at(found, held, now)),
        on_drift=plan.drift_policy,
        differences=tuple(found),
        deliveries=tuple(sorted({event.delivery_id for event in events if not event.deferred})),
    )


def _is_about(event: ChangeEvent, found: Sequence[Difference]) -> bool:
    """Whether the change that an event is about can be all that differs: else its user is not who changed it."""
    if event.about == "settings":
        return all(difference.what == "setting" for difference in found)
    if event.about == "members":
        return all(difference.what == "member" for difference in found)
    return event.about == "membership" and all(
        difference.what == "member"
        and (difference.missing or isinstance(difference.expected, bool))
        and (event.user_ids is None or difference.name.lower() in event.user_ids)
        for difference in found
    )


def _busy(queue_id: str) -> QueueBusy:
    return QueueBusy(f"A distribution is at work on queue {queue_id}, so what it holds says nothing yet.")
