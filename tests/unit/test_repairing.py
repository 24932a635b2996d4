"""What is done about drift: put back once, not before its time, not too often, and never more than was seen."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from routing_weights.adapters.aws.webhook_inbox import look_again
from routing_weights.application.answer_drift import Drift, Repairs
from routing_weights.domain.change_events import ChangeEvent
from routing_weights.domain.decision import Image
from routing_weights.domain.drift import Answer, Difference, DriftEntry, differences, edited_at, fingerprint
from routing_weights.domain.events import DriftFound, drift_found
from routing_weights.domain.images import images_of, require_known_drift, require_unedited, target_of
from routing_weights.domain.plan import parse_plan
from routing_weights.domain.record import timestamp
from routing_weights.errors import PlanNotApplicable, QueueChanged, StoreUnavailable
from tests.support.fakes import SMALLEST_PLAN, PlainContract, member, plan, queue, target, work

PAGE = Path(__file__).parents[2] / "docs/use/drift.md"
NOW = datetime(2026, 7, 11, 20, 0, tzinfo=UTC)
AFTER_S = 900.0
APPLIED = target({"agent-1": 0.4, "agent-2": 0.35}, overflow_threshold=0.85)
EVENT = ChangeEvent(delivery_id="d-1", queue_id="queue-001", kind="members", by="somebody", at="then")


def held(settings=None, **values):
    members = [member(f"agent-{number[1:]}", value) for number, value in values.items()]
    return queue(*members, **(settings or {}))


FOREIGN = held(a1=0.9, a2=0.35)


@pytest.fixture
def repairs(records, documents, executions):
    """Repairs of what `last` applied; `sent` has what is looked at again and when."""
    wanted = plan(on_drift="repair", dry_run=False, requested_by="wfm")
    documents.keep_work("last", work(wanted, APPLIED, held(a1=0.1, a2=0.1)))
    documents.put("last", "after", held(a1=0.4, a2=0.35).to_json())
    sent, told = [], []
    bus = SimpleNamespace(put=lambda kind, event: told.append((kind, event)))
    made = Repairs(
        records, documents, executions, 2, AFTER_S, lambda event, after_s: sent.append((event, after_s)), bus
    )
    return SimpleNamespace(repairs=made, sent=sent, records=records, told=told, bus=bus)


@pytest.fixture
def answer(repairs):
    """Enter what a queue holds, answer it, and give the entry as it is then. The change is `age_s` old."""

    def seen(
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
        repairs.records.append(entry, state, int(now.timestamp() * 1000))
        known = repairs.records.of_state("queue-001", state)
        of_drift = Drift(known, plan(on_drift=on_drift), found, beside_ours, events)
        Repairs(**vars(repairs.repairs) | {"most_per_hour": most}).answer(of_drift, now)
        return repairs.records.of_state("queue-001", state)

    return seen


def on_record(records):
    return records.of_queue("queue-001", since="r-", until="r-9", limit=9, after=None)[0]


# ---- once ------------------------------------------------------------------------------------------------------------


def test_a_repair_is_the_last_distribution_again_for_as_long_as_the_queue_holds_what_was_found(
    answer, aws, executions, documents
):
    entry = answer()
    assert (entry.answer.action, entry.answer.why) == ("repair_started", "Distribution last is applied again.")
    (execution,) = aws("stepfunctions").list_executions(stateMachineArn=executions.state_machine_arn)["executions"]
    assert execution["name"] == entry.answer.repair_id
    given = json.loads(
        aws("stepfunctions").describe_execution(executionArn=execution["executionArn"])["input"],
    )
    assert given["origin"] == {"door": "drift", "caller": "r-1"}
    kept = parse_plan(documents.kept_plan(given["plan_ref"]))
    assert kept.restores.model_dump(exclude_defaults=True) == {
        "distribution_id": "last",
        "image": "after",
        "drift": fingerprint("last", differences(APPLIED, FOREIGN)),
    }
    assert (kept.on_drift, kept.member_weights) == ("repair", SMALLEST_PLAN["member_weights"])
    assert (kept.requested_by, kept.reason, kept.wait_for_lock_s) == (None, "Repairs the drift r-1", 60)


def test_what_was_answered_is_not_answered_again(answer, started, repairs):
    first = answer()
    assert answer(later_s=1) == answer(later_s=7200) == first
    assert started() == {first.answer.repair_id}
    assert repairs.sent == []


def test_a_crash_before_the_decision_is_on_record_starts_nothing(answer, started, aws_answers, records):
    aws_answers("dynamodb", "UpdateItem", "ThrottlingException", times=1)
    with pytest.raises(StoreUnavailable):
        answer()
    assert started() == set()
    assert on_record(records)[0].answer is None
    assert answer(later_s=5).answer.action == "repair_started"
    assert len(started()) == 1


def test_a_crash_between_the_record_and_the_start_ends_with_one_repair(answer, started, aws_answers, records):
    aws_answers("stepfunctions", "StartExecution", "ThrottlingException", times=1)
    with pytest.raises(StoreUnavailable):
        answer()
    assert started() == set()
    (broken_off,) = on_record(records)
    assert broken_off.answer.action == "repair_started"
    again = answer(later_s=5)
    assert (again.answer.repair_id, again.answer.why) == (broken_off.answer.repair_id, broken_off.answer.why)
    assert started() == {broken_off.answer.repair_id}


def test_a_repair_that_is_over_when_its_delivery_comes_again_is_on_record(answer, started, repairs, monkeypatch):
    """The queue holds what was applied by then, so nothing leads to the record any more."""
    with monkeypatch.context() as broken:
        broken.setattr(type(repairs.records), "note_begun", lambda *_: (_ for _ in ()).throw(StoreUnavailable("no")))
        with pytest.raises(StoreUnavailable):
            answer()
    (repair_id,) = started()
    dropped = Answer("repair_dropped", "it was gone")
    assert not repairs.records.note("queue-001", "r-1", dropped, final=True)
    (entry,) = on_record(repairs.records)
    assert (entry.answer.action, entry.answer.repair_id) == ("repair_started", repair_id)
    assert [event.repair_id for _, event in repairs.told] == [repair_id], "and it was told"


def test_of_two_functions_that_decide_at_once_one_begins(answer, started, repairs, records):
    other = Answer("repair_dropped", "another function has looked meanwhile")
    put = records.claim_repair

    class Slower(type(records)):
        def claim_repair(self, queue_id, entry_id, *limit):
            records.note(queue_id, entry_id, other, final=True)
            return put(queue_id, entry_id, *limit)

    repairs.repairs = Repairs(**vars(repairs.repairs) | {"entries": Slower(records.table)})
    assert answer().answer.action == "repair_dropped"
    assert (started(), repairs.told) == (set(), [])


def test_another_change_and_the_same_one_again_are_repaired_anew(answer, started, records):
    ids = [answer(name="r-1").answer.repair_id, answer(held(a1=0.8, a2=0.35), name="r-2", later_s=1).answer.repair_id]
    records.settled("queue-001", int((NOW.timestamp() + 3600) * 1000))
    ids.append(answer(name="r-3", later_s=3601).answer.repair_id)
    assert len(set(ids)) == 3
    assert started() == set(ids)


# ---- others are told -------------------------------------------------------------------------------------------------


def test_notify_tells_what_differs_and_starts_nothing(answer, started, repairs):
    assert answer(on_drift="notify", age_s=0).answer.action == "notified"
    assert answer(on_drift="notify", age_s=0, later_s=1).answer.action == "notified"
    ((kind, event),) = repairs.told
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
        "why": "It was told as an event on the bus.",
        "repair_id": None,
        "differences": [{"member": "agent-1", "expected": 0.4, "held": 0.9}],
        "difference_count": 1,
    }
    assert (started(), repairs.sent) == (set(), [])


def test_what_could_not_be_told_is_told_when_the_delivery_comes_again(answer, repairs, started):
    put = repairs.bus.put

    def fail(*_):
        raise StoreUnavailable("no bus")

    for on_drift, later_s in (("notify", 0), ("repair", 10)):
        repairs.bus.put = fail
        with pytest.raises(StoreUnavailable):
            answer(on_drift=on_drift, later_s=later_s, name=on_drift, holding=held(a1=0.5 + later_s / 100, a2=0.35))
        repairs.bus.put = put
        answer(on_drift=on_drift, later_s=later_s + 1, name=on_drift, holding=held(a1=0.5 + later_s / 100, a2=0.35))
    assert [event.action for _, event in repairs.told] == ["notified", "repair_started"]
    assert started() == {repairs.told[-1][1].repair_id}


def test_each_step_of_a_repair_is_told_once(answer, repairs):
    answer(age_s=60)
    (again, _), *_ = repairs.sent
    answer(age_s=60, later_s=100)
    answer(age_s=60, later_s=840, events=(again,))
    answer(held(a1=0.9), later_s=900, name="r-2", most=0)
    told = [event for _, event in repairs.told]
    assert [event.action for event in told] == ["repair_deferred", "repair_started", "repair_refused"]
    assert len({event.id for event in told}) == 3
    assert [bool(event.repair_id) for event in told] == [False, True, False]


def test_an_event_of_many_differences_says_the_first_and_how_many(answer):
    found = tuple(Difference("member", f"agent-{number}", 0.1, 0.2) for number in range(5_000))
    event = drift_found(replace(answer(), differences=found), Answer("notified", "because"))
    assert (len(event.differences), event.difference_count) == (20, 5_000)
    assert len(event.model_dump_json()) < 10_000


def test_the_sample_of_the_page_is_an_event():
    (text,) = re.findall(
        r"^```json\n(\{\n  \"type\": \"drift_found\".*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    sample = json.loads(text)
    assert DriftFound.model_validate(sample).model_dump(mode="json") == sample


# ---- not before its time ---------------------------------------------------------------------------------------------


def test_a_young_change_is_repaired_once_it_is_old_enough(answer, started, repairs):
    entry = answer(age_s=60)
    assert entry.answer.action == "repair_deferred"
    assert entry.answer.why == (
        "The change is from 2026-07-11T19:59:00+00:00: unless it is taken back or changed again, it is repaired at "
        "2026-07-11T20:14:00.000Z."
    )
    ((again, after_s),) = repairs.sent
    assert after_s == 840
    assert (again.queue_id, again.deferred, again.by, again.at) == ("queue-001", "r-1", None, None)

    assert answer(age_s=60, later_s=5).answer.action == "repair_deferred", "another event tells nothing new"
    assert len(repairs.sent) == 1
    assert answer(age_s=60, later_s=839.9, events=(again,)).answer.action == "repair_deferred", "it came early"
    assert [round(after_s, 3) for _, after_s in repairs.sent] == [840, 0.1]
    assert started() == set()

    assert answer(age_s=60, later_s=840, events=(again,)).answer.action == "repair_started"
    assert answer(age_s=60, later_s=841, events=(again,)).answer.action == "repair_started"
    assert (len(started()), len(repairs.sent)) == (1, 2)


def test_a_young_change_that_could_not_be_put_off_is_put_off_when_it_is_seen_again(answer, repairs, aws_answers):
    aws_answers("dynamodb", "UpdateItem", "ThrottlingException", times=1)
    with pytest.raises(StoreUnavailable):
        answer(age_s=60)
    assert answer(age_s=60, later_s=1).answer.action == "repair_deferred"
    assert len(repairs.sent) == 2, "at least one comes"


def test_a_newer_change_begins_its_own_time_and_the_older_ones_is_over(answer, started, repairs):
    answer(age_s=60)
    newer = held(a1=0.7, a2=0.35)
    assert answer(newer, age_s=-100, later_s=100, name="r-2").answer.action == "repair_deferred"
    (first, _), (second, after_s) = repairs.sent
    assert after_s == 900
    # What was put off for the first change comes, and finds another one.
    assert answer(newer, age_s=-100, later_s=840, name="r-2", events=(first,)).answer.action == "repair_deferred"
    assert (started(), len(repairs.sent)) == (set(), 2)
    assert answer(newer, age_s=-100, later_s=1000, name="r-2", events=(second,)).answer.action == "repair_started"


def test_what_is_put_off_for_longer_than_a_queue_can_comes_back_early(aws_answers):
    requests = aws_answers("sqs", "SendMessage", {})
    for after_s in (0.2, 20_000.0):
        look_again("https://sqs.example/q", EVENT.model_copy(update={"deferred": "r-1"}), after_s)
    bodies = [json.loads(request["body"]) for request in requests]
    assert [body["DelaySeconds"] for body in bodies] == [1, 900]
    assert ChangeEvent.model_validate_json(bodies[0]["MessageBody"]).deferred == "r-1"


MINUTE = timedelta(minutes=1)
STAMP = (NOW - 30 * MINUTE).isoformat()
SETTING = {"overflow_threshold": 0.1}


@pytest.mark.parametrize(
    ("members", "settings", "stamp", "minutes_ago"),
    [
        ({"agent-1": 0.1}, {}, None, 0),
        ({"agent-1": 0.1}, {}, STAMP, 0),
        ({}, SETTING, STAMP, 30),
        ({}, SETTING | {"wrap_up_timeout_s": 1.0}, STAMP, 30),
        ({}, SETTING, (NOW + MINUTE).isoformat(), 0),
        ({}, SETTING, None, 0),
        ({"agent-1": 0.1}, SETTING, STAMP, 0),
        *(
            ({}, SETTING, text, 0)
            for text in ("then", "2026-07-11", "2026-07-11T19:00:00", "", "0001-01-01T00:00:00+23:59")
        ),
    ],
)
def test_the_age_of_a_change_is_the_queues_date_or_zero(members, settings, stamp, minutes_ago):
    holding = replace(queue(*(member(user, value) for user, value in members.items()), **settings), modified_at=stamp)
    applied = target(dict.fromkeys(members, 0.4), **dict.fromkeys(settings, 0.85))
    assert edited_at(differences(applied, holding), holding, NOW) == NOW - minutes_ago * MINUTE


# ---- not too often ---------------------------------------------------------------------------------------------------


def test_beyond_the_limit_of_an_hour_drift_is_recorded_and_says_why(answer, started):
    actions = [
        answer(held(a1=number / 10, a2=0.35), name=f"r-{number}", later_s=later_s).answer.action
        for number, later_s in ((1, 0), (2, 1800), (3, 3599.999), (5, 3600), (6, 3601))
    ]
    assert actions == ["repair_started", "repair_started", "repair_refused", "repair_started", "repair_refused"]
    assert len(started()) == 3
    refused = answer(held(a1=0.6, a2=0.35), name="r-6", later_s=7200)
    assert (refused.answer.action, refused.answer.repair_id) == ("repair_refused", None), (
        "it stays refused while it lasts"
    )
    assert "2 repairs within the hour" in refused.answer.why


def test_where_repairs_are_turned_off_none_is_started_nor_put_off(answer, started, repairs):
    entry = answer(age_s=0, most=0)
    assert (entry.answer.action, entry.answer.why) == (
        "repair_refused",
        "Repairs are turned off: MaxRepairsPerHour is 0.",
    )
    assert (started(), repairs.sent) == (set(), [])


@pytest.mark.parametrize(("earlier", "rivals", "granted"), [(0, 1, True), (0, 2, False), (1, 0, True), (1, 1, False)])
def test_claims_at_the_same_moment_are_never_more_than_the_limit(records, aws, earlier, rivals, granted):
    """Between the reading of the claims and the writing of one, others' come in."""

    def claim(name, queue_id="queue-001"):
        return records.claim_repair(queue_id, name, 2, 1_000)

    coming = [f"rival-{number}" for number in range(rivals)]
    assert all(claim(f"earlier-{number}") for number in range(earlier))

    def intrude(**_):
        while coming:
            assert claim(coming.pop())

    aws("dynamodb").meta.events.register("before-call.dynamodb.PutItem", intrude)
    assert claim("r-1") is granted
    aws("dynamodb").meta.events.unregister("before-call.dynamodb.PutItem", intrude)
    assert coming == []
    assert not claim("r-2")
    assert claim("r-2", "queue-002"), "each queue has its own"


def test_the_same_record_claims_the_same_repair_again(records):
    assert all(records.claim_repair("queue-001", "r-1", 1, now_ms) for now_ms in (1_000, 2_000))
    assert not records.claim_repair("queue-001", "r-2", 1, 3_000)
    assert on_record(records) == []


def test_a_claim_that_never_gets_through_fails_and_is_tried_again_later(records, aws_answers):
    aws_answers("dynamodb", "PutItem", "ConditionalCheckFailedException")
    with pytest.raises(StoreUnavailable):
        records.claim_repair("queue-001", "r-1", 1, 1_000)


# ---- never more than was seen ----------------------------------------------------------------------------------------


def test_a_member_who_left_cannot_be_repaired_and_is_named(answer, started, aws, executions, documents):
    entry = answer(held(a2=0.35))
    assert entry.answer.action == "repair_refused"
    assert entry.answer.why == "Nothing of it can be repaired. Left as it is, no longer in the queue: agent-1."
    partly = answer(held(a2=0.9), name="r-2")
    assert partly.answer.why == "Distribution last is applied again. Left as it is, no longer in the queue: agent-1."
    assert started() == {partly.answer.repair_id}
    arn = f"{executions.state_machine_arn.replace('stateMachine', 'execution')}:{partly.answer.repair_id}"
    given = json.loads(aws("stepfunctions").describe_execution(executionArn=arn)["input"])
    found = differences(target({"agent-2": 0.35}), held(a2=0.9))
    assert parse_plan(documents.kept_plan(given["plan_ref"])).restores.drift == fingerprint("last", found)


def test_beside_values_that_a_failed_run_has_left_nothing_is_repaired(answer, started):
    entry = answer(beside_ours=True)
    assert entry.answer.action == "repair_refused"
    assert "failed" in entry.answer.why
    assert started() == set()


def test_a_plan_that_is_no_longer_valid_is_not_sent_again(answer, started, documents):
    of_earlier = work(plan(), APPLIED, held(a1=0.1, a2=0.1)).to_json()
    documents.put("last", "work", of_earlier | {"plan": SMALLEST_PLAN | {"overflow_threshold": 85}})
    entry = answer()
    assert entry.answer.action == "repair_refused"
    assert "The plan of distribution last is no longer valid." in entry.answer.why
    assert started() == set()


def test_a_repair_needs_no_strategy_since_everything_was_decided_then(answer, started, documents):
    wanted = plan().model_copy(update={"strategy_reference": "abolished"})
    documents.keep_work("last", work(wanted, APPLIED, held(a1=0.1, a2=0.1)))
    entry = answer()
    assert started() == {entry.answer.repair_id}


def test_a_final_answer_is_not_overwritten_by_a_slower_function(records, answer):
    entry = answer()
    records.note("queue-001", "r-1", Answer("repair_deferred", "late"), final=False)
    assert records.of_state("queue-001", fingerprint("last", differences(APPLIED, FOREIGN))) == entry
    assert records.of_state("queue-001", fingerprint("last", ())) is None, "another state has no answer yet"


def back(drift=None, **found):
    """A repair that was decided on when the queue held `found`."""
    state = fingerprint("last", differences(APPLIED, held(**found))) if found else drift
    return plan(restores={"distribution_id": "last", "image": "after", "drift": state})


@pytest.mark.parametrize("holding", [{"a1": 0.9, "a2": 0.35}, {"a1": 0.4, "a2": 0.35}])
def test_a_repair_goes_on_where_the_queue_holds_what_was_found_or_nothing_is_left_to_do(holding):
    require_known_drift(back(a1=0.9, a2=0.35).restores, APPLIED, held(**holding), "last")


@pytest.mark.parametrize("holding", [{"a1": 0.8, "a2": 0.35}, {"a1": 0.9, "a2": 0.1}, {"a1": 0.4, "a2": 0.1}])
def test_a_repair_stops_where_somebody_has_changed_more_since(holding):
    with pytest.raises(PlanNotApplicable) as refused:
        require_known_drift(back(a1=0.9, a2=0.35).restores, APPLIED, held(**holding), "last")
    assert [problem["path"] for problem in refused.value.details["errors"]] == ["restores.drift"]


@pytest.mark.parametrize("last", [None, "a newer one"])
def test_a_repair_stops_where_a_plan_has_been_completed_since(last):
    with pytest.raises(PlanNotApplicable, match="another distribution"):
        require_known_drift(back(a1=0.9, a2=0.35).restores, APPLIED, FOREIGN, last)


UNEDITED = [{"a1": 0.9, "a2": 0.1}, {"a1": 0.4, "a2": 0.1}, {"a1": 0.4, "a2": 0.35}, {"a1": 0.9}]


@pytest.mark.parametrize("now", UNEDITED)
def test_a_repair_overwrites_what_it_has_read_and_its_own(now):
    require_unedited(APPLIED, held(a1=0.9, a2=0.1), held(**now))


@pytest.mark.parametrize(
    ("now", "fields"),
    [
        (held(a1=0.8, a2=0.35), ["agent-1"]),
        (held({"overflow_threshold": 0.5}, a1=0.9, a2=0.2), ["agent-2", "overflow_threshold"]),
    ],
)
def test_a_repair_overwrites_no_edit_that_is_younger_than_its_reading(now, fields):
    with pytest.raises(QueueChanged) as changed:
        require_unedited(APPLIED, held(a1=0.9, a2=0.1), now)
    assert changed.value.details["fields"] == fields


def test_the_target_of_a_repair_has_the_fingerprint_of_the_drift():
    """A member who is gone and a setting that cannot be unset are in neither."""
    then = held({"wrap_up_timeout_s": None}, a1=0.4, a2=0.35)
    decided = target({"agent-1": 0.4, "agent-2": 0.35}, wrap_up_timeout_s=None)
    holding = held({"wrap_up_timeout_s": 9.0}, a1=0.9)
    again = back(a1=0.9, a2=0.35)
    wanted = target_of(PlainContract(), [Image(work(plan(), decided, then).decision, then)], holding)
    assert (dict(wanted.values), dict(wanted.settings)) == ({"agent-1": 0.4}, {})
    require_known_drift(again.restores, wanted, holding, "last")


def test_the_image_of_a_revert_is_found_in_one_step():
    then, asked = held(a1=0.4, a2=0.35), []

    def find(run, which):
        asked.append((run, which))
        return Image(work(plan(), APPLIED, then).decision, then)

    images = images_of(back(a1=0.9, a2=0.35), find)
    assert target_of(PlainContract(), images, FOREIGN).values == APPLIED.values
    assert asked == [("last", "after")]
