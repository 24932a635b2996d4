"""Answers drift: a plan's `on_drift` decides if drift is only recorded, sent as an event, or repaired.

A change is not repaired while it is too young, nor too often. Every change that is not ours counts as a person's,
because a change by another system looks the same. Every step may be repeated, by a second delivery or after a crash:
an entry has one repair.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from routing_weights.application.revert import revert_plan
from routing_weights.domain.drift import Answer, fingerprint
from routing_weights.domain.events import DRIFT_FOUND, drift_found
from routing_weights.domain.plan import parse_plan
from routing_weights.domain.queue import named
from routing_weights.domain.record import timestamp
from routing_weights.domain.revert import RevertOptions
from routing_weights.domain.run import Origin, distribution_of
from routing_weights.errors import NotRestorable, PlanInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from routing_weights.application.ports import Bus, ChangeQueue, Documents, DriftEntries
    from routing_weights.application.submit import Submit
    from routing_weights.domain.change_events import ChangeEvent
    from routing_weights.domain.drift import Difference, DriftEntry
    from routing_weights.domain.plan import Plan

logger = Logger(child=True)

WAIT_FOR_LOCK_S = 60
"""A dry run may have taken the queue's lock since it was read."""


@dataclass(frozen=True)
class Drift:
    """Drift that has an entry, and what it takes to repair it."""

    entry: DriftEntry
    plan: Plan
    """The plan of the distribution that the queue is compared with."""
    differences: Sequence[Difference]
    beside_ours: bool
    """A failed run of ours has left values in the queue as well, which are no drift."""
    events: Sequence[ChangeEvent]
    """The events that led to the reading."""


@dataclass(frozen=True)
class AnswerDrift:
    entries: DriftEntries
    documents: Documents
    submit: Submit
    queue: ChangeQueue
    bus: Bus
    most_per_hour: int
    after_s: float
    """The age in seconds that a change has to have before it is overwritten."""

    def answer(self, drift: Drift, now: datetime) -> None:
        """Do what the plan says, unless it was done. An event reports the answer, and the entry keeps it."""
        entry, earlier = drift.entry, drift.entry.answer
        is_open = earlier is None or earlier.action in {"repair_deferred", "repair_started"}
        if entry.repair_begun or not is_open:
            return
        broken_off = earlier if earlier and earlier.action == "repair_started" else None
        if drift.plan.drift_policy == "notify":
            answer: Answer | None = Answer("notified", "An event on the bus reports it.")
        else:
            answer = broken_off or self._repair(drift, now)
        if answer is None:
            return
        # A repair is noted before it begins: once it is over, no drift leads to its entry any more.
        begins = answer.action == "repair_started"
        if begins and not broken_off and not self.entries.note(entry.queue_id, entry.entry_id, answer, final=True):
            return  # another function was faster
        self.bus.put(DRIFT_FOUND, drift_found(entry, answer))
        if begins:
            self._begin(drift, now)
        else:
            final = answer.action != "repair_deferred"
            self.entries.note(entry.queue_id, entry.entry_id, answer, final=final)
        log = logger.warning if answer.action == "repair_refused" else logger.info
        log("Drift is answered", queue_id=entry.queue_id, entry=entry.entry_id, answer=answer.to_json())

    def _repair(self, drift: Drift, now: datetime) -> Answer | None:
        """The answer; None where nothing is new since the repair was deferred."""
        entry = drift.entry
        if refusal := self._refusal(drift):
            return Answer("repair_refused", refusal)
        due = datetime.fromisoformat(entry.edited_at) + timedelta(seconds=self.after_s)
        if now < due:
            return self._defer(drift, due, now)
        try:
            parse_plan(self._plan(drift))
        except (NotRestorable, PlanInvalid) as error:
            return Answer("repair_refused", f"There is no plan that could repair it. {error.message}")
        if not self.entries.claim_repair(
            entry.queue_id, entry.entry_id, self.most_per_hour, int(now.timestamp() * 1000)
        ):
            why = f"The queue has had {self.most_per_hour} repairs within the hour, which is the most that "
            return Answer("repair_refused", f"{why}MaxRepairsPerHour allows. Find out who changes it.")
        why = f"Distribution {entry.distribution_id} is applied again.{_left(drift.differences)}"
        return Answer("repair_started", why, repair_id=distribution_of(_key(entry)))

    def _begin(self, drift: Drift, now: datetime) -> None:
        """The same entry and plan lead to the same distribution, whoever submits it, and however often."""
        entry = drift.entry
        self.submit.submit(self._plan(drift), Origin(door="drift", caller=entry.entry_id), _key(entry), now)
        self.entries.note_begun(entry.queue_id, entry.entry_id)

    def _defer(self, drift: Drift, due: datetime, now: datetime) -> Answer | None:
        """Have the queue read again when the repair is due, or sooner if a message cannot wait that long."""
        entry, first = drift.entry, drift.entry.answer is None
        # Sent before it is noted: a crash between the two leads to a second message, which finds nothing to do.
        if first or any(event.deferred == entry.entry_id for event in drift.events):
            again = {"deferred": entry.entry_id, "by": None, "at": None}
            self.queue.send(drift.events[-1].model_copy(update=again), (due - now).total_seconds())
        why = f"The change is from {entry.edited_at}: unless it is taken back or changed again, it is repaired at "
        return Answer("repair_deferred", f"{why}{timestamp(due)}.") if first else None

    def _refusal(self, drift: Drift) -> str | None:
        """Why the drift is not repaired, now or later."""
        if not self.most_per_hour:
            return "Repairs are turned off: MaxRepairsPerHour is 0."
        if not any(difference.can_be_reverted for difference in drift.differences):
            return f"Nothing of it can be repaired.{_left(drift.differences)}"
        if drift.beside_ours:
            return "A distribution that failed has left values of its own in the queue: send a plan, which fixes both."
        return None

    def _plan(self, drift: Drift) -> str:
        """The text of a plan: the last completed distribution again, for the state that was found."""
        last = drift.entry.distribution_id
        repaired = [difference for difference in drift.differences if difference.can_be_reverted]
        options = RevertOptions(wait_for_lock_s=WAIT_FOR_LOCK_S, reason=f"Repairs the drift {drift.entry.entry_id}")
        return revert_plan(last, "after", self.documents, options, drift=fingerprint(last, repaired))


def _key(entry: DriftEntry) -> str:
    return f"drift {entry.queue_id} {entry.entry_id}"


def _left(differences: Sequence[Difference]) -> str:
    """What a repair leaves as it is, as a sentence with a space in front; empty where it leaves nothing."""
    gone = [difference.name for difference in differences if difference.missing]
    unset = [difference.name for difference in differences if not difference.missing and not difference.can_be_reverted]
    left = [f"no longer in the queue: {named(gone)}"] * bool(gone)
    left += [f"cannot be unset: {named(unset)}"] * bool(unset)
    return f" Left as it is, {'; '.join(left)}." if left else ""
