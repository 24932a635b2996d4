"""The answer to drift: one repair, not before its time, not too often, and never more than was seen."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from routing_weights.application.answer_drift import AnswerDrift, Drift
from routing_weights.application.submit import Submit
from routing_weights.domain.change_events import ChangeEvent
from routing_weights.domain.decision import Work
from routing_weights.domain.drift import Answer, Difference, DriftEntry, differences, fingerprint
from routing_weights.domain.events import DriftFound, drift_found
from routing_weights.domain.plan import parse_plan
from routing_weights.domain.record import timestamp
from routing_weights.errors import StoreUnavailable
from tests.support.fakes import (
    SMALLEST_PLAN,
    FakeBus,
    FakeDocuments,
    FakeEntries,
    FakeExecutions,
    FakeQueue,
    FakeTrail,
    member,
    plan,
    queue,
    target,
    work,
)

PAGE = Path(__file__).parents[2] / "docs" / "use" / "drift.md"
NOW = datetime(2026, 7, 11, 20, 0, tzinfo=UTC)
AFTER_S = 900.0
APPLIED = target({"agent-1": 0.4, "agent-2": 0.35}, overflow_threshold=0.85)
EVENT = ChangeEvent(delivery_id="d-1", queue_id="queue-001", kind="members", by="somebody", at="then")


def held(settings=None, **values):
    members = [member(f"agent-{number[1:]}", value) for number, value in values.items()]
    return queue(*members, **(settings or {}))


FOREIGN = held(a1=0.9, a2=0.35)


class Answering:
    """The use case with fakes. The last distribution of the queue is `last`."""

    def __init__(self):
        self.entries, self.documents, self.trail = FakeEntries(), FakeDocuments(), FakeTrail()
        self.executions, self.queue, self.bus = FakeExecutions(), FakeQueue(), FakeBus()
        wanted = plan(on_drift="repair", dry_run=False, requested_by="wfm")
        self.documents.keep_work("last", work(wanted, APPLIED, held(a1=0.1, a2=0.1)))
        self.documents.save_after("last", held(a1=0.4, a2=0.35))

    def answer(
        self,
        holding=FOREIGN,
        *,
        age_s=AFTER_S,
        later_s=0.0,
        name="r-1",
        events=(EVENT,),
        beside_ours=False,
        most=2,
        on_drift="repair",
    ):
        """Enter what a queue holds, answer it, and give the entry as it is then. The change is `age_s` old."""
        now = NOW + timedelta(seconds=later_s)
        found = differences(APPLIED, holding)
        state = fingerprint("last", found)
        entry = DriftEntry(
            queue_id="queue-001",
            entry_id=name,
            at=timestamp(now),
            distribution_id="last",
            differences=found,
            changed_by="somebody",
            changed_at="then",
            edited_at=(NOW - timedelta(seconds=age_s)).isoformat(),
            on_drift=on_drift,
        )
        self.entries.append(entry, state, int(now.timestamp() * 1000))
        drift = Drift(self.entries.of_state("queue-001", state), plan(on_drift=on_drift), found, beside_ours, events)
        submit = Submit(self.documents, self.trail, self.executions)
        AnswerDrift(self.entries, self.documents, submit, self.queue, self.bus, most, AFTER_S).answer(drift, now)
        return self.entries.of_state("queue-001", state)

    def stored(self):
        return self.entries.of_queue("queue-001", since="r-", until="r-9", limit=9, after=None)[0]

    def started(self):
        return set(self.executions.started)

    def plan_of(self, distribution_id):
        return parse_plan(self.documents.kept_plan(self.executions.started[distribution_id].plan_ref))

    def events(self):
        return [event for _, event in self.bus.events]


@pytest.fixture
def drift():
    return Answering()


# ---- once ------------------------------------------------------------------------------------------------------------


def test_a_repair_reverts_to_the_last_distribution(drift):
    entry = drift.answer()
    assert (entry.answer.action, entry.answer.why) == ("repair_started", "Distribution last is applied again.")
    ((name, given),) = drift.executions.started.items()
    assert (name, given.origin.model_dump(exclude_none=True)) == (
        entry.answer.repair_id,
        {"door": "drift", "caller": "r-1"},
    )
    kept = drift.plan_of(name)
    assert kept.restores.model_dump(exclude_defaults=True) == {
        "distribution_id": "last",
        "image": "after",
        "drift": fingerprint("last", differences(APPLIED, FOREIGN)),
    }
    assert (kept.on_drift, kept.member_weights) == ("repair", SMALLEST_PLAN["member_weights"])
    assert (kept.requested_by, kept.reason, kept.wait_for_lock_s) == (None, "Repairs the drift r-1", 60)


def test_a_repair_has_an_opening_record_like_every_other_distribution(drift):
    repair_id = drift.answer().answer.repair_id
    opening = drift.trail.find(repair_id).opening
    assert (opening.door, opening.caller, opening.opened_queue_id) == ("drift", "r-1", "queue-001")
    assert opening.restores.drift == fingerprint("last", differences(APPLIED, FOREIGN))


def test_a_repair_that_is_submitted_again_after_a_crash_is_opened_once(drift):
    drift.entries.failing = ["note_begun"]
    with pytest.raises(StoreUnavailable):
        drift.answer()
    (first,) = drift.trail.records.values()
    again = drift.answer(later_s=60)
    assert list(drift.trail.records) == [again.answer.repair_id]
    assert list(drift.trail.records.values()) == [first]


def test_what_was_answered_is_not_answered_again(drift):
    first = drift.answer()
    assert drift.answer(later_s=1) == drift.answer(later_s=7200) == first
    assert drift.started() == {first.answer.repair_id}
    assert drift.queue.sent == []


def test_a_crash_before_the_answer_is_noted_starts_nothing(drift):
    drift.entries.failing = ["note"]
    with pytest.raises(StoreUnavailable):
        drift.answer()
    assert drift.started() == set()
    assert drift.stored()[0].answer is None
    assert drift.answer(later_s=5).answer.action == "repair_started"
    assert len(drift.started()) == 1


def test_a_crash_between_the_note_and_the_start_ends_with_one_repair(drift):
    drift.executions.failures = 1
    with pytest.raises(StoreUnavailable):
        drift.answer()
    assert drift.started() == set()
    (broken_off,) = drift.stored()
    assert broken_off.answer.action == "repair_started"
    again = drift.answer(later_s=5)
    assert (again.answer.repair_id, again.answer.why) == (broken_off.answer.repair_id, broken_off.answer.why)
    assert drift.started() == {broken_off.answer.repair_id}


def test_a_repair_that_is_over_when_its_delivery_comes_again_has_its_entry(drift):
    """The queue holds what was applied by then, so nothing leads to the entry any more."""
    drift.entries.failing = ["note_begun"]
    with pytest.raises(StoreUnavailable):
        drift.answer()
    (repair_id,) = drift.started()
    assert not drift.entries.note("queue-001", "r-1", Answer("repair_dropped", "it was gone"), final=True)
    (entry,) = drift.stored()
    assert (entry.answer.action, entry.answer.repair_id) == ("repair_started", repair_id)
    assert [event.repair_id for event in drift.events()] == [repair_id], "and it was told"


def test_of_two_functions_that_decide_at_once_one_begins(drift):
    claim = drift.entries.claim_repair

    def slowly(queue_id, entry_id, *limit):
        other = Answer("repair_dropped", "another function has looked meanwhile")
        drift.entries.note(queue_id, entry_id, other, final=True)
        return claim(queue_id, entry_id, *limit)

    drift.entries.claim_repair = slowly
    assert drift.answer().answer.action == "repair_dropped"
    assert (drift.started(), drift.events()) == (set(), [])


def test_another_change_and_the_same_one_again_are_repaired_anew(drift):
    ids = [
        drift.answer(name="r-1").answer.repair_id,
        drift.answer(held(a1=0.8, a2=0.35), name="r-2", later_s=1).answer.repair_id,
    ]
    drift.entries.settled("queue-001", int((NOW.timestamp() + 3600) * 1000))
    ids.append(drift.answer(name="r-3", later_s=3601).answer.repair_id)
    assert len(set(ids)) == 3
    assert drift.started() == set(ids)


# ---- others are told -------------------------------------------------------------------------------------------------


def test_notify_tells_what_differs_and_starts_nothing(drift):
    assert drift.answer(on_drift="notify", age_s=0).answer.action == "notified"
    assert drift.answer(on_drift="notify", age_s=0, later_s=1).answer.action == "notified"
    ((kind, event),) = drift.bus.events
    assert kind == "Drift Found"
    assert event.model_dump(mode="json") == {
        "type": "drift_found",
        "version": "1",
        "id": "queue-001:r-1:notified",
        "queue_id": "queue-001",
        "at": "2026-07-11T20:00:00.000Z",
        "record": "/queues/queue-001/drift?from=2026-07-11T20:00:00.000Z&to=2026-07-11T20:00:00.000Z",
        "distribution_id": "last",
        "changed_by": "somebody",
        "changed_at": "then",
        "on_drift": "notify",
        "action": "notified",
        "why": "An event on the bus reports it.",
        "repair_id": None,
        "differences": [{"member": "agent-1", "expected": 0.4, "held": 0.9}],
        "difference_count": 1,
    }
    assert (drift.started(), drift.queue.sent) == (set(), [])


def test_what_could_not_be_told_is_told_when_the_delivery_comes_again(drift):
    for on_drift, later_s in (("notify", 0), ("repair", 10)):
        changed = {"on_drift": on_drift, "name": on_drift, "holding": held(a1=0.5 + later_s / 100, a2=0.35)}
        drift.bus.is_down = True
        with pytest.raises(StoreUnavailable):
            drift.answer(later_s=later_s, **changed)
        drift.bus.is_down = False
        drift.answer(later_s=later_s + 1, **changed)
    assert [event.action for event in drift.events()] == ["notified", "repair_started"]
    assert drift.started() == {drift.events()[-1].repair_id}


def test_each_step_of_a_repair_is_told_once(drift):
    drift.answer(age_s=60)
    (again, _), *_ = drift.queue.sent
    drift.answer(age_s=60, later_s=100)
    drift.answer(age_s=60, later_s=840, events=(again,))
    drift.answer(held(a1=0.9), later_s=900, name="r-2", most=0)
    told = [event for _, event in drift.bus.events]
    assert [event.action for event in told] == ["repair_deferred", "repair_started", "repair_refused"]
    assert len({event.id for event in told}) == 3
    assert [bool(event.repair_id) for event in told] == [False, True, False]


def test_an_event_of_many_differences_says_the_first_and_how_many(drift):
    found = tuple(Difference("member", f"agent-{number}", 0.1, 0.2) for number in range(5_000))
    event = drift_found(replace(drift.answer(), differences=found), Answer("notified", "because"))
    assert (len(event.differences), event.difference_count) == (20, 5_000)
    assert len(event.model_dump_json()) < 10_000


def test_the_sample_of_the_page_is_an_event():
    (text,) = re.findall(
        r"^```json\n(\{\n  \"type\": \"drift_found\".*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    sample = json.loads(text)
    assert DriftFound.model_validate(sample).model_dump(mode="json") == sample


# ---- not before its time ---------------------------------------------------------------------------------------------


def test_a_young_change_is_repaired_once_it_is_old_enough(drift):
    entry = drift.answer(age_s=60)
    assert entry.answer.action == "repair_deferred"
    assert entry.answer.why == (
        "The change is from 2026-07-11T19:59:00+00:00: unless it is taken back or changed again, it is repaired at "
        "2026-07-11T20:14:00.000Z."
    )
    ((again, after_s),) = drift.queue.sent
    assert after_s == 840
    assert (again.queue_id, again.deferred, again.by, again.at) == ("queue-001", "r-1", None, None)

    assert drift.answer(age_s=60, later_s=5).answer.action == "repair_deferred", "another event tells nothing new"
    assert len(drift.queue.sent) == 1
    assert drift.answer(age_s=60, later_s=839.9, events=(again,)).answer.action == "repair_deferred", "it came early"
    assert [round(after_s, 3) for _, after_s in drift.queue.sent] == [840, 0.1]
    assert drift.started() == set()

    assert drift.answer(age_s=60, later_s=840, events=(again,)).answer.action == "repair_started"
    assert drift.answer(age_s=60, later_s=841, events=(again,)).answer.action == "repair_started"
    assert (len(drift.started()), len(drift.queue.sent)) == (1, 2)


def test_a_change_that_could_not_be_deferred_is_deferred_later(drift):
    drift.entries.failing = ["note"]
    with pytest.raises(StoreUnavailable):
        drift.answer(age_s=60)
    assert drift.answer(age_s=60, later_s=1).answer.action == "repair_deferred"
    assert len(drift.queue.sent) == 2, "at least one comes"


def test_a_newer_change_begins_its_own_time_and_the_older_ones_is_over(drift):
    drift.answer(age_s=60)
    newer = held(a1=0.7, a2=0.35)
    assert drift.answer(newer, age_s=-100, later_s=100, name="r-2").answer.action == "repair_deferred"
    (first, _), (second, after_s) = drift.queue.sent
    assert after_s == 900
    # The repair that was deferred for the first change comes, and finds another one.
    assert drift.answer(newer, age_s=-100, later_s=840, name="r-2", events=(first,)).answer.action == "repair_deferred"
    assert (drift.started(), len(drift.queue.sent)) == (set(), 2)
    assert drift.answer(newer, age_s=-100, later_s=1000, name="r-2", events=(second,)).answer.action == "repair_started"


# ---- not too often ---------------------------------------------------------------------------------------------------


def test_drift_beyond_the_limit_of_an_hour_has_an_entry_that_says_why(drift):
    actions = [
        drift.answer(held(a1=number / 10, a2=0.35), name=f"r-{number}", later_s=later_s).answer.action
        for number, later_s in ((1, 0), (2, 1800), (3, 3599.999), (5, 3600), (6, 3601))
    ]
    assert actions == ["repair_started", "repair_started", "repair_refused", "repair_started", "repair_refused"]
    assert len(drift.started()) == 3
    refused = drift.answer(held(a1=0.6, a2=0.35), name="r-6", later_s=7200)
    assert (refused.answer.action, refused.answer.repair_id) == ("repair_refused", None), (
        "it stays refused while it lasts"
    )
    assert "2 repairs within the hour" in refused.answer.why


def test_where_repairs_are_turned_off_none_is_started_or_deferred(drift):
    entry = drift.answer(age_s=0, most=0)
    assert (entry.answer.action, entry.answer.why) == (
        "repair_refused",
        "Repairs are turned off: MaxRepairsPerHour is 0.",
    )
    assert (drift.started(), drift.queue.sent) == (set(), [])


# ---- never more than was seen ----------------------------------------------------------------------------------------


def test_a_member_who_left_cannot_be_repaired_and_is_named(drift):
    entry = drift.answer(held(a2=0.35))
    assert entry.answer.action == "repair_refused"
    assert entry.answer.why == "Nothing of it can be repaired. Left as it is, no longer in the queue: agent-1."
    partly = drift.answer(held(a2=0.9), name="r-2")
    assert partly.answer.why == "Distribution last is applied again. Left as it is, no longer in the queue: agent-1."
    assert drift.started() == {partly.answer.repair_id}
    found = differences(target({"agent-2": 0.35}), held(a2=0.9))
    assert drift.plan_of(partly.answer.repair_id).restores.drift == fingerprint("last", found)


def test_beside_values_that_a_failed_run_has_left_nothing_is_repaired(drift):
    entry = drift.answer(beside_ours=True)
    assert entry.answer.action == "repair_refused"
    assert "failed" in entry.answer.why
    assert drift.started() == set()


def test_a_plan_that_is_no_longer_valid_is_not_sent_again(drift):
    of_earlier = work(plan(), APPLIED, held(a1=0.1, a2=0.1)).to_json()
    document = of_earlier | {"plan": SMALLEST_PLAN | {"overflow_threshold": 85}}
    drift.documents.find_work = lambda _: Work.from_json(document)
    entry = drift.answer()
    assert entry.answer.action == "repair_refused"
    assert "The plan of distribution last is no longer valid." in entry.answer.why
    assert drift.started() == set()


def test_a_repair_needs_no_strategy_since_everything_was_decided_then(drift):
    wanted = plan().model_copy(update={"strategy_reference": "abolished"})
    drift.documents.keep_work("last", work(wanted, APPLIED, held(a1=0.1, a2=0.1)))
    entry = drift.answer()
    assert drift.started() == {entry.answer.repair_id}
