"""The detection of drift: one reading answers all events of a queue, and values that our runs left are no drift."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from routing_weights.application.detect_drift import CompareQueue, DetectDrift
from routing_weights.application.messages import Message
from routing_weights.domain.actuators.joined import Joined
from routing_weights.domain.change_events import ChangeEvent
from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Member, Queue, QueueSettings
from routing_weights.domain.record import Restored, RunSummary
from routing_weights.domain.target import Target
from routing_weights.errors import Forbidden, GenesysUnavailable, QueueBusy, QueueNotFound, RateLimited
from tests.support.fakes import RING, FakeEntries, FakePatrols, FakeQueue, work

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 7, 11, 20, 0, tzinfo=UTC)


def a_queue(settings=None, **values):
    members = tuple(Member(user, weight=value) for user, value in values.items())
    return Queue("q-1", QueueSettings(**{"overflow_threshold": 0.8} | (settings or {})), members)


# ---- a look at a queue -----------------------------------------------------------------------------------------------


class Runs:
    """The audit trail of a queue, and the documents of its runs. After the first listing, `then` is listed."""

    def __init__(self, *runs, **plan):
        self.runs, self.asked, self.then = list(runs), 0, None
        self.plan, self.targets, self.actuators = PLAN | plan, {}, {}

    def newest(self, _queue_id):
        self.asked += 1
        return list(self.then if self.then and self.asked > 1 else self.runs)

    def work(self, distribution_id):
        wanted, held = Plan.model_validate(self.plan), a_queue(a=0.1, b=0.1)
        target, actuator = self.targets.get(distribution_id, TARGET), self.actuators.get(distribution_id, RING)
        return work(wanted, target, held, actuator)

    def after(self, _distribution_id):
        return a_queue(a=0.5, b=0.3)

    def may_have_written(self, _distribution_id):
        return True


PLAN = {
    "queue_id": "q-1",
    "member_weights": {"a": 0.5, "b": 0.3},
    "overflow_threshold": 0.8,
    "utilization_target": 0.8,
    "strategy_reference": "longest-available-agent",
}
TARGET = Target({"a": 0.5, "b": 0.3}, {"a": 0.5, "b": 0.3}, {"overflow_threshold": 0.8})
EVENTS = [ChangeEvent(delivery_id=f"d-{n}", queue_id="q-1", kind="members", about="members") for n in (1, 2)]


def a_run(distribution_id, status, minute):
    at = f"2026-07-11T19:{minute:02}:00.000Z"
    return RunSummary(distribution_id=distribution_id, status=status, timestamp=at, started_at=at)


@pytest.fixture
def entries():
    return FakeEntries()


@pytest.fixture
def compare(entries):
    """Compare a queue that holds `values`; `locks` are the holders of its lock, one for each time it is read."""

    def compare(runs, events=EVENTS, locks=(), later=0, gone=False, answer=lambda *_: None, **values):
        holders = iter(locks)

        def read_queue(_):
            if gone:
                raise QueueNotFound("gone")
            return a_queue(**values)

        genesys = SimpleNamespace(read_queue=read_queue)
        lock = SimpleNamespace(find=lambda _: next(holders, None))
        use_case = CompareQueue(runs, lock, entries, runs, lambda *_: genesys, answer)
        return use_case.compare("q-1", events, NOW + timedelta(seconds=later))

    return compare


def listed(entries):
    return entries.of_queue("q-1", since="0000", until="9999", limit=9, after=None)[0]


def action_of(entry):
    return entry.answer and entry.answer.action


def test_a_foreign_change_is_recorded_with_who_and_when_and_once(compare, entries):
    told = EVENTS[0].model_copy(update={"by": "someone", "at": "then"})
    runs = Runs(a_run("d-2", "dry_run", 9), a_run("d-1", "completed", 5))
    assert compare(runs, [told, EVENTS[1]], a=0.9, b=0.3)
    assert not compare(runs, later=1, a=0.9, b=0.3)
    (entry,) = listed(entries)
    assert entry.to_json() == {
        "queue_id": "q-1",
        "record": "2026-07-11T20:00:00.000Z-d-2",
        "at": "2026-07-11T20:00:00.000Z",
        "distribution_id": "d-1",
        "changed_by": "someone",
        "changed_at": "then",
        "edited_at": "2026-07-11T20:00:00.000Z",
        "on_drift": "record",
        "differences": [{"member": "a", "expected": 0.5, "held": 0.9}],
        "deliveries": ["d-1", "d-2"],
    }


SETTINGS, BOTH = {"overflow_threshold": 0.6}, {"a": 0.9, "overflow_threshold": 0.6}


@pytest.mark.parametrize(
    ("about", "user_ids", "held", "named"),
    [
        ("settings", None, {"a": 0.5, "b": 0.3, "settings": SETTINGS}, True),
        ("settings", None, {"a": 0.9, "b": 0.3}, False),
        ("settings", None, {"a": 0.9, "b": 0.3, "settings": SETTINGS}, False),
        ("members", None, {"a": 0.9, "b": 0.3}, True),
        ("members", None, {"a": 0.5, "b": 0.3, "settings": SETTINGS}, False),
        ("membership", None, {"a": 0.9, "b": 0.3}, False),
        ("membership", ("b",), {"a": 0.5}, True),
        ("membership", ("a",), {"a": 0.5}, False),
        ("membership", None, {"a": 0.9}, False),
        (None, None, {"a": 0.9, "b": 0.3}, False),
    ],
)
def test_an_events_user_is_named_only_where_the_event_covers_what_differs(
    compare, entries, about, user_ids, held, named
):
    """An event about membership does not say who changed a ring: unknown is null, and no guess."""
    told = EVENTS[0].model_copy(update={"by": "someone", "at": "then", "about": about, "user_ids": user_ids})
    assert compare(Runs(a_run("d-1", "completed", 5)), [told], **held)
    (entry,) = listed(entries)
    assert (entry.changed_by, entry.changed_at) == (("someone", "then") if named else (None, None))


def test_a_patrol_records_what_it_finds_and_names_nobody(compare, entries):
    patrol = [ChangeEvent(delivery_id="patrol-1", queue_id="q-1", kind="patrol")]
    assert compare(Runs(a_run("d-1", "completed", 5)), patrol, a=0.9, b=0.3)
    (entry,) = listed(entries)
    assert (entry.changed_by, entry.deliveries) == (None, ("patrol-1",))


def test_the_applied_state_is_no_drift(compare, entries):
    assert not compare(Runs(a_run("d-1", "completed", 5)), a=0.5, b=0.3)
    assert not compare(Runs(a_run("d-1", "member_update_failed", 5)), a=0.9, b=0.9)
    assert not compare(Runs(), a=0.9, b=0.9)
    assert listed(entries) == []


def test_the_last_completed_run_is_the_one_that_ended_last(compare, entries):
    runs = Runs(a_run("opened-last", "completed", 5), a_run("ended-last", "completed", 7))
    assert compare(runs, a=0.9, b=0.3)
    (entry,) = listed(entries)
    assert entry.distribution_id == "ended-last"


@pytest.mark.parametrize("locks", [("someone",), (None, "someone")])
def test_while_a_distribution_is_running_nothing_is_compared(compare, entries, locks):
    with pytest.raises(QueueBusy):
        compare(Runs(a_run("d-1", "completed", 5)), locks=locks, a=0.9, b=0.9)
    assert listed(entries) == []


def test_a_distribution_that_came_and_went_while_the_queue_was_read_is_noticed(compare, entries):
    runs = Runs(a_run("d-1", "completed", 5))
    runs.then = [a_run("d-2", "completed", 6), *runs.runs]
    with pytest.raises(QueueBusy):
        compare(runs, a=0.9, b=0.9)
    assert listed(entries) == []


def test_a_run_that_waits_for_the_lock_changes_nothing_yet(compare):
    assert compare(Runs(a_run("d-2", "initiated", 6), a_run("d-1", "completed", 5)), a=0.9, b=0.3)


def after_a_failed_run(**restore):
    """A queue's runs, the last of which failed; it was to give `a` 0.9."""
    failed = a_run("d-2", "member_update_failed", 6).model_copy(update=restore)
    runs = Runs(failed, a_run("d-1", "completed", 5))
    runs.targets["d-2"] = Target({"a": 0.9}, {"a": 0.9})
    return runs


@pytest.mark.parametrize("restore", [{}, {"restore": None}, {"restore": Restored(outcome="partial")}])
def test_a_later_run_that_failed_leaves_values_of_ours(compare, restore):
    runs = after_a_failed_run(**restore)
    assert not compare(runs, a=0.9, b=0.3)
    assert compare(runs, a=0.9, b=0.9)


def test_a_ring_is_not_taken_for_a_value_of_a_failed_run_with_another_actuator(compare):
    """A run that joined `a` wrote True, which equals ring 1 in Python."""
    runs = after_a_failed_run()
    runs.targets["d-2"], runs.actuators["d-2"] = Target({"a": 1.0}, {"a": True}), Joined(1.0)
    assert compare(runs, a=1, b=0.3)


def test_a_setting_that_a_failed_run_with_another_actuator_wrote_is_no_drift(compare):
    runs = after_a_failed_run()
    settings = {"overflow_threshold": 0.6}
    runs.targets["d-2"], runs.actuators["d-2"] = Target({"a": 1.0}, {"a": True}, settings), Joined(1.0)
    assert not compare(runs, a=0.5, b=0.3, settings=settings)


@pytest.mark.parametrize("outcome", ["restored", "not_needed"])
def test_a_restored_run_leaves_nothing_of_ours(compare, outcome):
    assert compare(after_a_failed_run(restore=Restored(outcome=outcome)), a=0.9, b=0.3)


def test_drift_is_answered_while_it_lasts_where_the_plan_wants_more_than_an_entry(compare):
    answered = []
    asked = {"answer": lambda drift, _: answered.append(drift), "a": 0.9, "b": 0.3}
    compare(Runs(a_run("d-1", "completed", 5)), **asked)
    assert answered == [], "a plan says nothing: record"
    runs = Runs(a_run("d-2", "completed", 5), on_drift="repair")
    assert compare(runs, **asked)
    assert not compare(runs, later=1, **asked)
    first, second = answered
    assert first.entry == second.entry
    assert (first.entry.distribution_id, first.entry.on_drift, first.beside_ours) == ("d-2", "repair", False)
    assert [difference.name for difference in first.differences] == ["a"]


@pytest.mark.parametrize(
    ("values", "action"), [({"a": 0.9}, None), ({"a": 0.8}, "repair_dropped"), ({}, "repair_dropped")]
)
def test_a_deferred_repair_of_a_state_that_is_gone_is_dropped(compare, entries, values, action):
    runs = Runs(a_run("d-1", "completed", 5), on_drift="repair")
    compare(runs, a=0.9, b=0.3)
    first = listed(entries)[0]
    again = EVENTS[0].model_copy(update={"deferred": first.entry_id})
    compare(runs, [again], later=1, **({"a": 0.5, "b": 0.3} | values))
    assert action_of(listed(entries)[-1]) == action
    assert listed(entries)[0].deliveries == (("d-1", "d-2") if values != {"a": 0.8} else ())


def test_a_deferred_repair_of_a_queue_that_is_gone_is_dropped(compare, entries):
    runs = Runs(a_run("d-1", "completed", 5), on_drift="repair")
    compare(runs, a=0.9, b=0.3)
    again = EVENTS[0].model_copy(update={"deferred": listed(entries)[0].entry_id})
    with pytest.raises(QueueNotFound):
        compare(runs, [again], later=1, gone=True)
    assert action_of(listed(entries)[0]) == "repair_dropped"


def test_values_that_a_failed_run_left_beside_drift_are_reported(compare):
    answered = []
    runs = after_a_failed_run()
    runs.plan["on_drift"] = "repair"
    assert compare(runs, answer=lambda drift, _: answered.append(drift), a=0.9, b=0.9)
    assert [(drift.beside_ours, len(drift.differences)) for drift in answered] == [(True, 1)]


# ---- a batch ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def batch():
    """Detect drift from events; what happens to a queue's reading is what is raised for it, or nothing.

    Returns the readings so far, and the messages that have to come back.
    """
    readings, queue = [], FakeQueue()
    patrols, known = FakePatrols(), {}
    for name in "abcd":
        patrols.watch(name, 0)

    def detect(*bodies, has_time=True, sent_ms=0, new=(), **errors):
        def compare(queue_id, events, _now):
            readings.append((queue_id, [event.delivery_id for event in events]))
            if queue_id in errors:
                raise errors[queue_id]
            return queue_id in new

        queue.postponed.clear()
        use_case = DetectDrift(compare, compare, patrols, queue, known, lambda: has_time, lambda: NOW)
        failed, drifts = use_case.detect([Message(f"m{n}", body, f"m{n}", 1, sent_ms) for n, body in enumerate(bodies)])
        assert drifts == len(new)
        assert list(queue.postponed) == failed
        return readings, failed

    detect.looked = lambda: [name for name, at in patrols.queues.items() if at]
    return detect


def an_event(queue, delivery, **more):
    return json.dumps({"delivery_id": delivery, "queue_id": queue, "kind": "queue", **more})


def test_the_events_of_a_queue_are_answered_by_one_reading(batch):
    readings, failed = batch(an_event("a", "1"), an_event("b", "2"), an_event("a", "3"))
    assert (readings, failed) == ([("a", ["1", "3"]), ("b", ["2"])], [])


def test_new_drift_is_counted_by_queue(batch):
    batch(an_event("a", "1"), an_event("b", "2"), an_event("a", "3"), new="ab")


def test_an_event_that_an_earlier_reading_has_answered_needs_none(batch):
    now_ms = int(NOW.timestamp() * 1000)
    batch(an_event("a", "1"), sent_ms=now_ms - 5_000)
    assert batch(an_event("a", "2"), sent_ms=now_ms - 3_000) == ([("a", ["1"])], [])
    readings, _ = batch(an_event("a", "3"), sent_ms=now_ms)
    assert readings == [("a", ["1"]), ("a", ["3"])], "a change may be too fresh to show"


def test_a_deferred_repair_is_read_for_whatever_was_seen_before(batch):
    now_ms = int(NOW.timestamp() * 1000)
    batch(an_event("a", "1"), sent_ms=now_ms)
    readings, _ = batch(an_event("a", "2", deferred="a record"), sent_ms=now_ms - 900_000)
    assert readings == [("a", ["1"]), ("a", ["2"])]


def test_a_reading_that_failed_has_answered_nothing(batch):
    batch(an_event("a", "1"), a=QueueBusy("busy"))
    readings, _ = batch(an_event("a", "2"))
    assert [deliveries for _, deliveries in readings] == [["1"], ["2"]]


@pytest.mark.parametrize("error", [QueueBusy("busy"), GenesysUnavailable("down"), KeyError("a defect")])
def test_what_fails_comes_back_and_the_rest_does_not(batch, error):
    readings, failed = batch(an_event("a", "1"), an_event("b", "2"), an_event("a", "3"), a=error)
    assert [queue for queue, _ in readings] == ["a", "b"]
    assert failed == ["m0", "m2"]


def test_the_events_of_a_queue_that_genesys_no_longer_has_do_not_come_back(batch):
    assert batch(an_event("a", "1"), a=QueueNotFound("gone"))[1] == []


@pytest.mark.parametrize("body", ["garbage", "{}", '{"delivery_id": "1", "queue_id": "../x", "kind": "queue"}'])
def test_a_message_that_is_no_event_fails_alone(batch, body):
    readings, failed = batch(body, an_event("b", "2"))
    assert (readings, failed) == ([("b", ["2"])], ["m0"])


def test_an_event_of_the_partner_bus_is_one_of_its_queues(batch):
    sample = (ROOT / "events" / "partner-audit.json").read_text(encoding="utf-8")
    readings, failed = batch(an_event("queue-001", "1"), sample)
    assert (readings, failed) == ([("queue-001", ["1", json.loads(sample)["id"]])], [])


def on_patrol(queue, delivery="patrol-1"):
    return json.dumps({"delivery_id": delivery, "queue_id": queue, "kind": "patrol"})


@pytest.mark.parametrize(
    "error", [QueueBusy("busy"), GenesysUnavailable("down"), RateLimited("No room.", retry_after_s=2)], ids=repr
)
def test_a_patrol_gives_way_and_does_not_come_back(batch, error):
    readings, failed = batch(on_patrol("a"), on_patrol("b"), a=error)
    assert ([queue for queue, _ in readings], failed) == (["a", "b"], [])


@pytest.mark.parametrize("error", [Forbidden("No."), KeyError("a defect")], ids=repr)
def test_a_patrol_that_finds_a_lasting_fault_comes_back_until_it_is_a_dead_letter(batch, error):
    assert batch(on_patrol("a"), a=error)[1] == ["m0"]


def test_a_patrol_beside_an_event_is_an_event(batch):
    assert batch(on_patrol("a"), an_event("a", "1"), a=QueueBusy("busy"))[1] == ["m0", "m1"]


def test_every_reading_counts_as_one_of_the_patrol_and_a_failed_one_does_not(batch):
    batch(
        on_patrol("a"), an_event("b", "1"), on_patrol("c"), an_event("d", "2"), c=QueueBusy("busy"), d=Forbidden("No.")
    )
    assert batch.looked() == ["a", "b"]


def test_when_the_time_is_up_the_rest_comes_back(batch):
    assert batch(an_event("a", "1"), an_event("b", "2"), has_time=False) == ([], ["m0", "m1"])
