"""Detects drift: reads a queue, and compares it with what the queue's last completed distribution applied.

Who made a change does not matter. Our own writes differ in nothing from what we applied, and neither does a change that
was taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from aws_lambda_powertools import Logger

from routing_weights.application.answer_drift import Drift
from routing_weights.domain.change_events import ChangeEvent, event_in
from routing_weights.domain.drift import Answer, DriftEntry, differences, edited_at, fingerprint
from routing_weights.domain.record import last_completed, timestamp
from routing_weights.domain.run import Run
from routing_weights.domain.target import image
from routing_weights.errors import QueueBusy, QueueNotFound, RoutingWeightsError, WebhookInvalid

if TYPE_CHECKING:
    from routing_weights.application.messages import Message
    from routing_weights.application.ports import Documents, DriftEntries, Genesys, Locks, Patrols, Postpone, Trail
    from routing_weights.domain.decision import Decision, Work
    from routing_weights.domain.drift import Difference
    from routing_weights.domain.plan import Plan
    from routing_weights.domain.queue import Queue
    from routing_weights.domain.record import RunSummary
    from routing_weights.domain.target import Target

logger = Logger(child=True)

PATROL_PATIENCE_S = 1.0
"""How long a reading of the patrol waits for a slot of the budget. If distributions take them all, it gives way."""
RESTORED = {"restored", "not_needed"}
"""Outcomes of a restoration after which a failed run has left no value of its own: see restore.Restoration."""
Compare = Callable[[str, Sequence[ChangeEvent], datetime], bool]
"""CompareQueue.compare."""


class Detected(NamedTuple):
    """The ids of the messages that have to come back, and how many queues have drift that is new."""

    failed: list[str]
    drifts: int


@dataclass(frozen=True)
class DetectDrift:
    """Answers a batch of change events: each queue is read once, for all of its events."""

    compare: Compare
    compare_on_patrol: Compare
    """The same with little patience: a reading of the patrol gives way to distributions."""
    patrols: Patrols
    queue: Postpone
    readings_ms: dict[str, int]
    """By queue, when the process began its last complete reading: a burst of events needs only one."""
    has_time: Callable[[], bool]
    clock: Callable[[], datetime]

    def detect(self, messages: Sequence[Message]) -> Detected:
        failed: list[Message] = []
        drifts = 0
        for queue_id, waiting in self._by_queue(messages, failed).items():
            answered, is_new = self._answered(queue_id, waiting) if self.has_time() else (False, False)
            drifts += is_new
            if not answered:
                failed += [message for message, _ in waiting]
        for message in failed:
            self.queue.postpone(message.receipt, message.pause_s())
        return Detected([message.message_id for message in failed], drifts)

    def _by_queue(
        self, messages: Iterable[Message], failed: list[Message]
    ) -> dict[str, list[tuple[Message, ChangeEvent]]]:
        waiting: dict[str, list[tuple[Message, ChangeEvent]]] = {}
        for message in messages:
            try:
                event = event_in(message.body)
            except WebhookInvalid:  # the webhook function queues no such message, nor does the rule of the partner bus
                logger.exception("A message is no change event", message_id=message.message_id)
                failed.append(message)
            else:
                waiting.setdefault(event.queue_id, []).append((message, event))
        return waiting

    def _answered(self, queue_id: str, waiting: Sequence[tuple[Message, ChangeEvent]]) -> tuple[bool, bool]:
        """Return False where the events of a queue have to come back, and True where its drift is new."""
        events, reading_ms = [event for _, event in waiting], self.readings_ms.get(queue_id, 0)
        # A deferred repair is not answered by an earlier reading.
        if all(not event.deferred and message.is_answered_by(reading_ms) for message, event in waiting):
            return True, False
        on_patrol, now = all(event.kind == "patrol" for event in events), self.clock()
        now_ms, is_new = int(now.timestamp() * 1000), False
        try:
            is_new = (self.compare_on_patrol if on_patrol else self.compare)(queue_id, events, now)
            self.patrols.looked(queue_id, now_ms)
            self.readings_ms[queue_id] = now_ms
        except QueueNotFound:
            logger.info("Genesys no longer has the queue", queue_id=queue_id)
        except RoutingWeightsError as error:
            is_busy = isinstance(error, QueueBusy)
            gives_way = (is_busy or error.retryable) and on_patrol
            (logger.info if is_busy or gives_way else logger.warning)(
                "The next patrol reads the queue first" if gives_way else "The queue could not be compared",
                queue_id=queue_id,
                error_type=type(error).__name__,
                reason=error.message,
            )
            return gives_way, False
        except Exception:  # a defect of ours: logged, tried again, and at last a dead letter, with an alarm
            logger.exception("Unexpected error", queue_id=queue_id)
            return False, is_new
        return True, is_new


@dataclass(frozen=True)
class CompareQueue:
    trail: Trail
    locks: Locks
    entries: DriftEntries
    documents: Documents
    connect: Callable[[Run, Decision], Genesys]
    """Opens Genesys for what a run decided."""
    answer: Callable[[Drift, datetime], None]
    """Answers drift, each time that it is seen."""

    def compare(self, queue_id: str, events: Sequence[ChangeEvent], now: datetime) -> bool:
        """Read a queue once for all of its `events`. True where drift is new.

        Raises:
            QueueBusy: a distribution is running on the queue, or ran while it was read. Compare again later.
            QueueNotFound: Genesys no longer has the queue.
        """
        runs = self._ended_runs(queue_id)
        last = last_completed(runs)
        if last is None:
            self._drop_repairs(queue_id, events)
            return False
        work = self.documents.work(last)
        try:
            applied, ours, queue = self._read(work, last, runs, now)
        except QueueNotFound:
            self._drop_repairs(queue_id, events)
            raise
        if self._ended_runs(queue_id) != runs:
            raise _busy(queue_id)
        drift = differences(applied, queue, ours)
        seen_at_ms = int(now.timestamp() * 1000)
        if not drift:
            self.entries.settled(queue_id, seen_at_ms)
            self._drop_repairs(queue_id, events)
            return False
        state = fingerprint(last, drift)
        is_new = self.entries.append(_entry(work.plan, last, drift, queue, events, now), state, seen_at_ms)
        if is_new:
            logger.warning("Drift", queue_id=queue_id, last_distribution=last, differences=len(drift))
        # A state that was seen before may still wait for its answer.
        entry = None if work.plan.drift_policy == "record" else self.entries.of_state(queue_id, state)
        if entry is not None:
            beside_ours = drift != differences(applied, queue)
            self.answer(Drift(entry, work.plan, drift, beside_ours, events), now)
        self._drop_repairs(queue_id, events, entry)
        return is_new

    def _drop_repairs(self, queue_id: str, events: Sequence[ChangeEvent], entry: DriftEntry | None = None) -> None:
        """Close the entries whose repair was deferred until now, where the queue is no longer in their state."""
        why = "When its time came it was gone: taken back, changed again, or overtaken by a distribution."
        for entry_id in {event.deferred for event in events if event.deferred} - {entry and entry.entry_id}:
            self.entries.note(queue_id, entry_id, Answer("repair_dropped", why), final=True)

    def _ended_runs(self, queue_id: str) -> list[RunSummary]:
        """The newest distributions of a queue that no distribution is running on: asked before and after a reading."""
        if self.locks.find(queue_id) is not None:
            raise _busy(queue_id)
        # A run that waits for the lock changes nothing yet.
        return [run for run in self.trail.newest(queue_id) if run.status.terminal]

    def _read(
        self, work: Work, last: str, runs: Sequence[RunSummary], now: datetime
    ) -> tuple[Target, list[Target], Queue]:
        """What was applied, what later runs of ours tried to apply, and what the queue holds."""
        run = Run(distribution_id=last, execution_arn="", started_at=now, queue_id=work.plan.queue_id)
        applied = image(self.documents.after(last), work.decision.target)
        later = [self.documents.work(run_id).decision for run_id in self._left_behind(runs, last)]
        ours = [_comparable(decision, work.decision) for decision in later]
        return applied, ours, self.connect(run, work.decision).read_queue(work.plan.queue_id)

    def _left_behind(self, runs: Sequence[RunSummary], last: str) -> Iterator[str]:
        """The runs that failed after the last completed one had ended, and may have left values of theirs."""
        ended = next(run.timestamp for run in runs if run.distribution_id == last)
        for run in runs:
            is_restored = run.restore is not None and run.restore.outcome in RESTORED
            is_later = run.status.failed_writing and run.timestamp >= ended
            if is_later and not is_restored and self.documents.may_have_written(run.distribution_id):
                yield run.distribution_id


def _comparable(later: Decision, last: Decision) -> Target:
    """The target of a later run, without values that another mechanism carried: True would equal ring 1."""
    if (later.actuation.actuator.name, later.skill_id) == (last.actuation.actuator.name, last.skill_id):
        return later.target
    return replace(later.target, weights={}, values={})


def _entry(
    plan: Plan,
    last: str,
    drift: Sequence[Difference],
    queue: Queue,
    events: Sequence[ChangeEvent],
    now: datetime,
) -> DriftEntry:
    at = timestamp(now)
    # The newest event that says who made the change, and that covers every difference.
    author = next((event for event in reversed(events) if (event.by or event.at) and _covers(event, drift)), None)
    settings_only = all(difference.is_of_queue for difference in drift)
    stamp = (queue.modified_by, queue.modified_at) if settings_only else (None, None)
    changed_by, changed_at = (author.by, author.at) if author else stamp
    return DriftEntry(
        queue_id=plan.queue_id,
        entry_id=f"{at}-{events[-1].delivery_id}",
        at=at,
        distribution_id=last,
        changed_by=changed_by,
        changed_at=changed_at,
        edited_at=timestamp(edited_at(drift, queue, now)),
        on_drift=plan.drift_policy,
        differences=tuple(drift),
        deliveries=tuple(sorted({event.delivery_id for event in events if not event.deferred})),
    )


def _covers(event: ChangeEvent, drift: Sequence[Difference]) -> bool:
    """True where the change of an event can be all that differs. Otherwise its user did not make the whole change."""
    if event.about == "settings":
        return all(difference.is_of_queue for difference in drift)
    if event.about == "members":
        return all(difference.what == "member" for difference in drift)
    return event.about == "membership" and all(
        difference.what == "member"
        and (difference.missing or isinstance(difference.expected, bool))
        and (event.user_ids is None or difference.name.lower() in event.user_ids)
        for difference in drift
    )


def _busy(queue_id: str) -> QueueBusy:
    return QueueBusy(f"A distribution is running on queue {queue_id}, so what the queue holds says nothing yet.")
