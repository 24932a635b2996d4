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

from routing_weights.distribution import Queue, named
from routing_weights.drift import Difference, fingerprint
from routing_weights.drift_event import DETAIL_TYPE, Action, event_of
from routing_weights.errors import NotRestorable, PlanInvalid
from routing_weights.intake import restoring
from routing_weights.plan import Plan, parse_plan
from routing_weights.putting_back import can_be_put_back
from routing_weights.record import Record, timestamp
from routing_weights.run import Origin
from routing_weights.store.documents import Documents
from routing_weights.store.drift import DriftRecords
from routing_weights.store.executions import Executions
from routing_weights.store.outgoing import Bus
from routing_weights.webhook import WebhookEvent

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
        if record.get("action") not in {None, "repair_deferred"}:
            return
        if drift.plan.on_drift == "notify":
            done: Done | None = _done("notified", "It was told as an event on the bus.")
        else:
            done = self._repair(drift, now)
        if done is None:
            return
        self.bus.put(DETAIL_TYPE, event_of(record, done))
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
            plan = self._plan(drift)
        except (NotRestorable, PlanInvalid) as error:
            return _done("repair_refused", f"There is no plan that could put it back. {error.message}")
        if not self.records.claim_repair(record, self.most_per_hour, int(now.timestamp() * 1000)):
            why = f"The queue has had {self.most_per_hour} repairs within the hour, which is the most that "
            return _done("repair_refused", f"{why}MaxRepairsPerHour allows. Find out who changes it.")
        # The same record and plan lead to the same execution, whoever starts it, and however often.
        started = self.executions.start(
            self.documents.keep_plan(plan),
            Origin(door="drift", caller=record["record"]).model_dump(),
            f"drift {record['queue_id']} {record['record']}",
        )
        why = f"Distribution {record['distribution_id']} is put back.{_left(drift.found)}"
        return _done("repair_started", why, repair_id=started.distribution_id)

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
        said = {"wait_for_lock_s": WAIT_FOR_LOCK_S, "reason": f"Repairs the drift {drift.record['record']}"}
        return parse_plan(restoring(last, "after", said, self.documents, drift=fingerprint(last, back)))


def _done(action: Action, why: str, **more: str) -> Done:
    return {"action": action, "why": why, **more}


def edited_at(found: Sequence[Difference], held: Queue, events: Sequence[WebhookEvent], now: datetime) -> datetime:
    """When the newest of the changes was made, as far as Genesys tells of all of them; else now, when it is first seen.

    The queue's own stamp tells of its settings, an event of one change: which one is not asked, so where more differs
    than was told of, something may be as young as this reading.
    """
    settings = sum(difference.what == "setting" for difference in found)
    stamp = _moment((held.native.get("raw") or {}).get("dateModified")) if settings else None
    if stamp and settings == len(found):
        return min(stamp, now)
    told = [_moment(event.at) for event in events if not event.deferred] + [stamp] * bool(stamp)
    known = [moment for moment in told if moment]
    untold = len(found) - settings + 1 if stamp else len(found)
    if len(known) < max(len(told), untold):
        return now
    return min(max(known), now)


def _moment(text: Any) -> datetime | None:
    """None where there is no moment, or nobody knows in which time zone."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def _left(found: Sequence[Difference]) -> str:
    """What a repair leaves as it is, as a sentence with a space in front; empty where it leaves nothing."""
    gone = [difference.name for difference in found if difference.missing]
    unset = [difference.name for difference in found if not difference.missing and not can_be_put_back(difference)]
    left = [f"no longer in the queue: {named(gone)}"] * bool(gone)
    left += [f"cannot be unset: {named(unset)}"] * bool(unset)
    return f" Left as it is, {'; '.join(left)}." if left else ""
