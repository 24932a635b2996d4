"""Drift: what differs from what was applied, recorded once, and never our own doing."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from routing_weights.adapters.aws import webhook_inbox
from routing_weights.adapters.aws.pages import token_of
from routing_weights.adapters.aws.webhook_inbox import put_off
from routing_weights.application import detect_drift
from routing_weights.application.detect_drift import Watch
from routing_weights.domain.change_events import ChangeEvent
from routing_weights.domain.drift import DriftEntry, differences, fingerprint
from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Member, Queue, QueueSettings
from routing_weights.domain.record import Restored, RunSummary
from routing_weights.domain.target import Target
from routing_weights.errors import QueueBusy, QueueNotFound, RequestInvalid
from tests.support.fakes import work

NOW = datetime(2026, 7, 11, 20, 0, tzinfo=UTC)


def a_queue(settings=None, **values):
    members = tuple(Member(user, weight=value) for user, value in values.items())
    return Queue("q-1", QueueSettings(**{"overflow_threshold": 0.8} | (settings or {})), members)


APPLIED = Target(weights={}, values={"a": 0.5, "b": 0.3, "c": None}, settings={"overflow_threshold": 0.8})


def test_what_holds_what_was_applied_is_no_drift_whatever_else_has_changed():
    held = a_queue({"wrap_up_timeout_s": 99.0}, a=0.5, b=0.3 + 1e-12, c=None, stranger=1.0)
    assert differences(APPLIED, held) == ()


def test_members_and_settings_that_differ_are_named_and_so_is_who_is_gone():
    found = differences(APPLIED, a_queue({"overflow_threshold": None}, b=0.9, c=0.1))
    assert [difference.to_json() for difference in found] == [
        {"setting": "overflow_threshold", "expected": 0.8, "held": None},
        {"member": "a", "expected": 0.5, "held": None, "missing": True},
        {"member": "b", "expected": 0.3, "held": 0.9},
        {"member": "c", "expected": None, "held": 0.1},
    ]


def test_a_deleted_user_is_gone_though_it_is_still_listed():
    held = a_queue(a=0.9, b=0.3, c=None)
    listed = [Member("a", 0.9, away="user deleted"), *held.members[1:]]
    (found,) = differences(APPLIED, Queue("q-1", held.settings, tuple(listed)))
    assert found.to_json() == {"member": "a", "expected": 0.5, "held": None, "missing": True}


def test_values_that_our_failed_run_left_behind_are_no_drift():
    ours = Target(weights={}, values={"a": 0.9}, settings={"overflow_threshold": 0.6})
    held = a_queue({"overflow_threshold": 0.6}, a=0.9, b=0.9, c=None)
    assert [difference.name for difference in differences(APPLIED, held, [ours])] == ["b"]
    gone = differences(APPLIED, a_queue(b=0.3, c=None), [ours])
    assert [(difference.name, difference.missing) for difference in gone] == [("a", True)]


def test_a_rounded_value_that_our_failed_run_left_behind_is_no_drift():
    ours = Target({}, {"a": 4.375, "b": 1.25}, actuator="proficiency")
    held = a_queue(a=4.4, b=3.0, c=None)
    assert [difference.name for difference in differences(APPLIED, held, [ours])] == ["b"]


def test_a_value_that_was_read_back_in_full_is_drift_when_somebody_rounds_it():
    applied = Target({}, {"a": 5.0, "b": 1.4}, actuator="proficiency")
    assert [difference.name for difference in differences(applied, a_queue(a=5.0, b=1.0))] == ["b"]


def test_a_fingerprint_is_of_the_state_and_of_the_distribution():
    one, two = (differences(APPLIED, a_queue(a=value, b=0.3, c=None)) for value in (0.6, 0.7))
    assert fingerprint("d", one) == fingerprint("d", one)
    assert len({fingerprint("d", one), fingerprint("d", two), fingerprint("e", one), fingerprint("d", ())}) == 4


# ---- on record -------------------------------------------------------------------------------------------------------


def listed(records, queue="q-1", **query):
    found, token = records.of_queue(queue, **{"since": "0000", "until": "9999", "limit": 20, "after": None} | query)
    return [entry.entry_id for entry in found], token


def on_record(records):
    return records.of_queue("q-1", since="0000", until="9999", limit=9, after=None)[0]


def action_of(entry):
    return entry.answer and entry.answer.action


def append(records, number, state, seen=None):
    at = f"2026-07-11T20:00:0{number}.000Z"
    return records.append(DriftEntry("q-1", f"{at}-d", at, "d-1", ()), state, number if seen is None else seen)


def test_a_state_is_recorded_once_until_another_one_or_none_was_seen(records):
    assert append(records, 1, "x")
    assert not append(records, 2, "x")
    assert append(records, 3, "y")
    assert append(records, 4, "x")
    records.settled("q-1", 5)
    records.settled("q-1", 6)
    assert append(records, 7, "x")
    assert [record[18] for record in listed(records)[0]] == ["7", "4", "3", "1"]


def test_a_reading_that_is_older_than_what_is_known_changes_nothing(records):
    assert append(records, 2, "x")
    assert not append(records, 3, "y", seen=1)
    records.settled("q-1", 1)
    assert not append(records, 4, "x")


def test_a_queue_that_never_had_drift_gets_no_item(records, aws):
    records.settled("q-1", 1)
    assert aws("dynamodb").scan(TableName="drift")["Items"] == []


def test_a_listing_ends_and_a_token_opens_no_other_queue(records):
    for number in range(5):
        append(records, number, str(number))
    first, token = listed(records, limit=3)
    rest, end = listed(records, limit=3, after=token)
    assert (len(first), len(rest), end) == (3, 2, None)
    assert listed(records, "q-2", after=token) == ([], None)
    moment = "2026-07-11T20:00:02.000Z"
    assert listed(records, since=moment, until=moment)[0] == [f"{moment}-d"]


@pytest.mark.parametrize(
    "token",
    ["garbage", "é", "c3RhdGU=", "%", "IA==", "MQA=", *map(token_of, ["state", " ", "1\0", "1é", "1" * 201, 1, ["1"]])],
)
def test_a_token_that_is_none_is_refused(records, token):
    with pytest.raises(RequestInvalid):
        listed(records, after=token)


# ---- a look at a queue -----------------------------------------------------------------------------------------------


class Trail:
    """Runs as the audit trail lists them, and their documents."""

    def __init__(self, *runs, **plan):
        self.runs, self.asked, self.then = list(runs), 0, None
        self.plan, self.documents, self.targets = PLAN | plan, self, {}

    def newest(self, _queue_id):
        self.asked += 1
        return list(self.then if self.then and self.asked > 1 else self.runs)

    def work(self, distribution_id):
        wanted, held = Plan.model_validate(self.plan), a_queue(a=0.1, b=0.1)
        return work(wanted, self.targets.get(distribution_id, TARGET), held)

    def get(self, _distribution_id, name):
        assert name == "after"
        return a_queue(a=0.5, b=0.3).to_json()

    def find(self, _distribution_id, name):
        assert name == "writing"
        return {}


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
def look(records, monkeypatch):
    """Look at a queue that holds `values`; `locks` are the holders of its lock, one for each time it is asked for."""

    def at(trail, events=EVENTS, locks=(), later=0, gone=False, answer=lambda *_: None, **values):
        holders = iter(locks)
        monkeypatch.setattr(detect_drift, "holder_of", lambda *_: next(holders, None))

        def read_queue(_):
            if gone:
                raise QueueNotFound("gone")
            return a_queue(**values)

        genesys = SimpleNamespace(read_queue=read_queue)
        watch = Watch(trail, "locks", records, lambda *_: genesys, answer)
        return watch.look("q-1", events, NOW + timedelta(seconds=later))

    return at


def test_a_foreign_change_is_recorded_with_who_and_when_and_once(look, records):
    told = EVENTS[0].model_copy(update={"by": "someone", "at": "then"})
    trail = Trail(a_run("d-2", "dry_run", 9), a_run("d-1", "completed", 5))
    assert look(trail, [told, EVENTS[1]], a=0.9, b=0.3)
    assert not look(trail, later=1, a=0.9, b=0.3)
    ((record,), _) = records.of_queue("q-1", since="0000", until="9999", limit=9, after=None)
    assert record.to_json() == {
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
def test_an_events_user_is_named_only_where_the_event_is_about_what_differs(
    look, records, about, user_ids, held, named
):
    """An event about membership does not say who changed a ring: unknown is null, and no guess."""
    told = EVENTS[0].model_copy(update={"by": "someone", "at": "then", "about": about, "user_ids": user_ids})
    assert look(Trail(a_run("d-1", "completed", 5)), [told], **held)
    ((record,), _) = records.of_queue("q-1", since="0000", until="9999", limit=9, after=None)
    assert (record.changed_by, record.changed_at) == (("someone", "then") if named else (None, None))


def test_a_patrol_records_what_it_finds_and_names_nobody(look, records):
    patrol = [ChangeEvent(delivery_id="patrol-1", queue_id="q-1", kind="patrol")]
    assert look(Trail(a_run("d-1", "completed", 5)), patrol, a=0.9, b=0.3)
    ((record,), _) = records.of_queue("q-1", since="0000", until="9999", limit=9, after=None)
    assert (record.changed_by, record.deliveries) == (None, ("patrol-1",))


def test_what_was_applied_is_no_drift_and_without_a_completed_run_nothing_is(look, records):
    assert not look(Trail(a_run("d-1", "completed", 5)), a=0.5, b=0.3)
    assert not look(Trail(a_run("d-1", "member_update_failed", 5)), a=0.9, b=0.9)
    assert not look(Trail(), a=0.9, b=0.9)
    assert listed(records) == ([], None)


def test_the_last_completed_run_is_the_one_that_ended_last(look, records):
    trail = Trail(a_run("opened-last", "completed", 5), a_run("ended-last", "completed", 7))
    assert look(trail, a=0.9, b=0.3)
    ((record,), _) = records.of_queue("q-1", since="0000", until="9999", limit=9, after=None)
    assert record.distribution_id == "ended-last"


@pytest.mark.parametrize("locks", [("someone",), (None, "someone")])
def test_while_a_distribution_is_at_work_nothing_is_compared(look, records, locks):
    with pytest.raises(QueueBusy):
        look(Trail(a_run("d-1", "completed", 5)), locks=locks, a=0.9, b=0.9)
    assert listed(records) == ([], None)


def test_a_distribution_that_came_and_went_while_the_queue_was_read_is_noticed(look, records):
    trail = Trail(a_run("d-1", "completed", 5))
    trail.then = [a_run("d-2", "completed", 6), *trail.runs]
    with pytest.raises(QueueBusy):
        look(trail, a=0.9, b=0.9)
    assert listed(records) == ([], None)


def test_a_run_that_waits_for_the_lock_changes_nothing_yet(look):
    assert look(Trail(a_run("d-2", "initiated", 6), a_run("d-1", "completed", 5)), a=0.9, b=0.3)


def after_a_failed_run(**restore):
    """A queue's runs, the last of which failed; it was to give `a` 0.9."""
    failed = a_run("d-2", "member_update_failed", 6).model_copy(update=restore)
    trail = Trail(failed, a_run("d-1", "completed", 5))
    trail.targets["d-2"] = Target({"a": 0.9}, {"a": 0.9})
    return trail


@pytest.mark.parametrize("restore", [{}, {"restore": None}, {"restore": Restored(outcome="partial")}])
def test_a_failed_run_after_it_leaves_values_of_ours(look, restore):
    trail = after_a_failed_run(**restore)
    assert not look(trail, a=0.9, b=0.3)
    assert look(trail, a=0.9, b=0.9)


@pytest.mark.parametrize("outcome", ["restored", "not_needed"])
def test_a_restored_run_leaves_nothing_of_ours(look, outcome):
    assert look(after_a_failed_run(restore=Restored(outcome=outcome)), a=0.9, b=0.3)


def test_drift_is_answered_for_as_long_as_it_lasts_where_the_plan_wants_more_than_a_record(look):
    answered = []
    asked = {"answer": lambda drift, _: answered.append(drift), "a": 0.9, "b": 0.3}
    look(Trail(a_run("d-1", "completed", 5)), **asked)
    assert answered == [], "a plan says nothing: record"
    trail = Trail(a_run("d-2", "completed", 5), on_drift="repair")
    assert look(trail, **asked)
    assert not look(trail, later=1, **asked)
    first, second = answered
    assert first.entry == second.entry
    assert (first.entry.distribution_id, first.entry.on_drift, first.beside_ours) == ("d-2", "repair", False)
    assert [difference.name for difference in first.found] == ["a"]


@pytest.mark.parametrize(
    ("values", "action"), [({"a": 0.9}, None), ({"a": 0.8}, "repair_dropped"), ({}, "repair_dropped")]
)
def test_a_repair_that_was_put_off_for_a_state_that_is_gone_is_dropped(look, records, values, action):
    trail = Trail(a_run("d-1", "completed", 5), on_drift="repair")
    look(trail, a=0.9, b=0.3)
    first = on_record(records)[0]
    again = EVENTS[0].model_copy(update={"deferred": first.entry_id})
    look(trail, [again], later=1, **({"a": 0.5, "b": 0.3} | values))
    assert action_of(on_record(records)[-1]) == action
    assert on_record(records)[0].deliveries == (("d-1", "d-2") if values != {"a": 0.8} else ())


def test_a_repair_that_was_put_off_for_a_queue_that_is_gone_is_dropped(look, records):
    trail = Trail(a_run("d-1", "completed", 5), on_drift="repair")
    look(trail, a=0.9, b=0.3)
    again = EVENTS[0].model_copy(update={"deferred": on_record(records)[0].entry_id})
    with pytest.raises(QueueNotFound):
        look(trail, [again], later=1, gone=True)
    assert action_of(on_record(records)[0]) == "repair_dropped"


def test_values_that_a_failed_run_has_left_beside_drift_are_told(look):
    answered = []
    trail = after_a_failed_run()
    trail.plan["on_drift"] = "repair"
    assert look(trail, answer=lambda drift, _: answered.append(drift), a=0.9, b=0.9)
    assert [(drift.beside_ours, len(drift.found)) for drift in answered] == [(True, 1)]


# ---- later -----------------------------------------------------------------------------------------------------------


def test_what_comes_back_waits_longer_each_time(aws_answers):
    requests = aws_answers("sqs", "ChangeMessageVisibility", {})
    received = (1, 2, 3, 7, 25)
    put_off(
        "https://sqs.example/q",
        [{"receiptHandle": "r", "attributes": {"ApproximateReceiveCount": str(count)}} for count in received],
    )
    waits = [
        int(str(request["body"]).partition('"VisibilityTimeout":')[2].split("}")[0].split(",")[0])
        for request in requests
    ]
    assert waits == [5, 10, 20, 300, 300]


def test_what_cannot_be_put_off_comes_back_all_the_same(aws_answers):
    aws_answers("sqs", "ChangeMessageVisibility", "ServiceUnavailable")
    put_off("https://sqs.example/q", [{"receiptHandle": "r", "attributes": {"ApproximateReceiveCount": "1"}}])
    assert webhook_inbox.FIRST_PAUSE_S < webhook_inbox.LONGEST_PAUSE_S
