"""What is done about drift: a plan's `on_drift` says whether others are told, and whether it is put back.

It is not put back while it is too young, nor too often. Every change that is not ours counts as a person's: an
automation's cannot be told from it. All of this may be repeated at any point, by a delivery that comes twice or after a
crash: a record has one repair.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.drift_table import DriftRecords
from routing_weights.adapters.aws.event_bus import Bus
from routing_weights.adapters.aws.state_machine import Executions, name_of
from routing_weights.application.revert_plans import revert_plan
from routing_weights.domain.drift import Difference, fingerprint
from routing_weights.domain.drift_event import DETAIL_TYPE, Action, event_of
from routing_weights.domain.images import can_be_put_back
from routing_weights.domain.inputs import FromPlanRef, RevertOptions
from routing_weights.domain.plan import Plan, parse_plan
from routing_weights.domain.queue import Queue, named
from routing_weights.domain.record import Record, timestamp
from routing_weights.domain.run import Origin
from routing_weights.domain.webhook import WebhookEvent
from routing_weights.errors import NotRestorable, PlanInvalid

logger = Logger(child=True)

Done = dict[str, str]
"""What was done about a drift record: `action`, `why` as a sentence, and the `repair_id` of what was started."""
WAIT_FOR_LOCK_S = 60
"""A dry run may have taken the queue's lock since it was read."""


@dataclass(frozen=True)
class Drift:
    """Drift that is on record, and what it takes to put it back."""

    record: Record
    plan: Plan
    """Of the distribution that it is compared with."""
    found: Sequence[Difference]
    beside_ours: bool
    """Whether a failed run of ours has left values in the queue, too, which are no drift."""
    events: Sequence[WebhookEvent]
    """What made us look."""


@dataclass(frozen=True)
class Repairs:
    records: DriftRecords
    documents: Documents
    executions: Executions
    most_per_hour: int
    after_s: float
    """The age in seconds that a change has to have before it is overwritten."""
    look_again: Callable[[WebhookEvent, float], None]
    bus: Bus

    def answer(self, drift: Drift, now: datetime) -> None:
        """Do what the plan says, unless it was done; what was decided is told, and noted beside the record."""
        record = drift.record
        if record.get("action") not in {None, "repair_deferred", "repair_started"} or record.get("begun"):
            return
        broken_off = record.get("action") == "repair_started"
        if drift.plan.drift_policy == "notify":
            done: Done | None = _done("notified", "It was told as an event on the bus.")
        elif broken_off:
            done = _done("repair_started", record["why"], repair_id=record["repair_id"])
        else:
            done = self._repair(drift, now)
        if done is None:
            return
        # A repair is noted before it begins: when it is over, there is no drift any more that would lead to its record.
        begins = done["action"] == "repair_started"
        if begins and not broken_off and not self.records.note(record, done, final=True):
            return  # another function was faster
        self.bus.put(DETAIL_TYPE, event_of(record, done))
        if begins:
            self._begin(drift)
        else:
            self.records.note(record, done, final=done["action"] != "repair_deferred")
        log = logger.warning if done["action"] == "repair_refused" else logger.info
        log("Drift is answered", queue_id=record["queue_id"], record=record["record"], done=done)

    def _repair(self, drift: Drift, now: datetime) -> Done | None:
        """What is done; None where nothing is new since it was put off."""
        record = drift.record
        if refusal := self._refusal(drift):
            return _done("repair_refused", refusal)
        due = datetime.fromisoformat(record["edited_at"]) + timedelta(seconds=self.after_s)
        if now < due:
            return self._put_off(drift, due, now)
        try:
            self._plan(drift)
        except (NotRestorable, PlanInvalid) as error:
            return _done("repair_refused", f"There is no plan that could put it back. {error.message}")
        if not self.records.claim_repair(record, self.most_per_hour, int(now.timestamp() * 1000)):
            why = f"The queue has had {self.most_per_hour} repairs within the hour, which is the most that "
            return _done("repair_refused", f"{why}MaxRepairsPerHour allows. Find out who changes it.")
        why = f"Distribution {record['distribution_id']} is put back.{_left(drift.found)}"
        return _done("repair_started", why, repair_id=name_of(_key(record)))

    def _begin(self, drift: Drift) -> None:
        """The same record and plan lead to the same execution, whoever starts it, and however often."""
        record = drift.record
        origin = Origin(door="drift", caller=record["record"])
        reference = self.documents.keep_plan(self._plan(drift))
        self.executions.start(FromPlanRef(plan_ref=reference, origin=origin), _key(record))
        self.records.note_begun(record)

    def _put_off(self, drift: Drift, due: datetime, now: datetime) -> Done | None:
        """Have the queue looked at when it is due, or sooner where a message cannot wait for so long."""
        record, first = drift.record, "action" not in drift.record
        # Sent before it is noted: a crash between the two leads to a second message, which finds nothing to do.
        if first or any(event.deferred == record["record"] for event in drift.events):
            again = {"deferred": record["record"], "by": None, "at": None}
            self.look_again(drift.events[-1].model_copy(update=again), (due - now).total_seconds())
        why = f"The change is from {record['edited_at']}: unless it is taken back or changed again, it is put back at "
        return _done("repair_deferred", f"{why}{timestamp(due)}.") if first else None

    def _refusal(self, drift: Drift) -> str | None:
        """Why it is not repaired, now or later."""
        if not self.most_per_hour:
            return "Repairs are turned off: MaxRepairsPerHour is 0."
        if not any(map(can_be_put_back, drift.found)):
            return f"Nothing of it can be put back.{_left(drift.found)}"
        if drift.beside_ours:
            return "A distribution that failed has left values of its own in the queue: send a plan, which mends both."
        return None

    def _plan(self, drift: Drift) -> Plan:
        """The last completed distribution again, for as long as the queue holds what was found."""
        last = drift.record["distribution_id"]
        back = [difference for difference in drift.found if can_be_put_back(difference)]
        options = RevertOptions(wait_for_lock_s=WAIT_FOR_LOCK_S, reason=f"Repairs the drift {drift.record['record']}")
        return parse_plan(revert_plan(last, "after", self.documents, options, drift=fingerprint(last, back)))


def _key(record: Record) -> str:
    return f"drift {record['queue_id']} {record['record']}"


def _done(action: Action, why: str, **more: str) -> Done:
    return {"action": action, "why": why, **more}


def edited_at(found: Sequence[Difference], held: Queue, now: datetime) -> datetime:
    """The latest moment at which the newest of the changes was made.

    The queue's `dateModified` dates its settings. Nothing dates a member's value: an event says when one change was
    made, and a later change may follow whose event is still on its way. Such a change counts from now, when it is
    first seen.
    """
    stamp = _moment((held.native.get("raw") or {}).get("dateModified"))
    return min(stamp, now) if stamp and all(difference.what == "setting" for difference in found) else now


def _moment(text: Any) -> datetime | None:
    """None where there is no moment, or nobody knows in which time zone."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):  # the last: one that no calendar holds once its offset is taken off
        return None


def _left(found: Sequence[Difference]) -> str:
    """What a repair leaves as it is, as a sentence with a space in front; empty where it leaves nothing."""
    gone = [difference.name for difference in found if difference.missing]
    unset = [difference.name for difference in found if not difference.missing and not can_be_put_back(difference)]
    left = [f"no longer in the queue: {named(gone)}"] * bool(gone)
    left += [f"cannot be unset: {named(unset)}"] * bool(unset)
    return f" Left as it is, {'; '.join(left)}." if left else ""
