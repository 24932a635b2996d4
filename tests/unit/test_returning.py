"""A plan for a while: how long that may be, and which later distributions its return gives way to."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from routing_weights.adapters.aws.baselines_table import BaselineStore
from routing_weights.api.views import RestoreOptions
from routing_weights.application.expire import require_still_applied, require_time_left, require_until
from routing_weights.application.validate import accept_input
from routing_weights.domain.actuators.joined import Joined
from routing_weights.domain.actuators.score import Score
from routing_weights.domain.images import images_of, target_of
from routing_weights.domain.queue import Member
from routing_weights.domain.record import Closing, Opening, expiry_cancelled, timestamp
from routing_weights.domain.run import Run, return_name
from routing_weights.domain.status import Status
from routing_weights.errors import NotRestorable, PlanInvalid, PlanNotApplicable, ReturnNotFound, Superseded
from tests.support.fakes import RING, SMALLEST_PLAN, PlainContract, function_module, member, plan, queue, target, work

START = datetime(2026, 1, 31, 8, tzinfo=UTC)
UNTIL = "2026-01-31T17:00:00Z"


# ---- how long --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [UNTIL, "2026-01-31T18:00:00+01:00", "2026-01-31t17:00:00.999Z", "2026-01-31 12:00:00-05:00"]
)
def test_the_same_instant_is_the_same_text_and_the_same_plan(text):
    assert plan(until=text).until == UNTIL
    assert plan(until=text).fingerprint() == plan(until=UNTIL).fingerprint() != plan().fingerprint()
    assert RestoreOptions(until=text).until == UNTIL


@pytest.mark.parametrize(
    "text",
    [
        "17:00",
        "2026-01-31",
        "2026-01-31T17:00:00",
        "",
        5,
        True,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00:00-14:00",
    ],
)
def test_what_is_no_instant_is_refused_at_its_path(text):
    with pytest.raises(PlanInvalid) as refusal:
        plan(until=text)
    (error,) = refusal.value.details["errors"]
    assert error["path"] == "until"
    assert "RFC 3339" in error["message"]


def test_an_end_is_after_the_start_and_within_a_year():
    require_until(None, START, START)
    require_until(UNTIL, START, START)
    require_until("2026-01-31T08:01:00Z", START, START)
    require_until(timestamp(START + timedelta(days=365)), START, START)
    for wrong in ("2026-01-31T08:00:59Z", timestamp(START + timedelta(days=366))):
        with pytest.raises(PlanInvalid):
            require_until(wrong, START, START)


def test_a_plan_that_has_waited_until_its_end_is_not_applied():
    require_time_left("", START)
    require_time_left(UNTIL, START)
    with pytest.raises(PlanNotApplicable, match="could not be applied before"):
        require_time_left(UNTIL, datetime.fromisoformat(UNTIL) - timedelta(seconds=59))


@pytest.mark.parametrize("distribution_id", ["a", "key-" + "0" * 64, "naïve", "x" * 80, "a.b", "a/b"])
def test_a_return_has_a_name_that_the_scheduler_takes_and_no_other_has(distribution_id):
    name = return_name(distribution_id)
    assert len(name) <= 64
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    assert name != return_name(distribution_id + "1")


# ---- what a return gives way to --------------------------------------------------------------------------------------


@pytest.fixture
def ran(trail, documents):
    """Put distributions on record as `(id, what it restores)`, one a minute; those of `failed` did not complete.

    `minutes` are, by id, when one was opened and when it ended.
    """
    clock = iter(range(1_000))

    def ran(*runs, failed=(), until=UNTIL, untils=None, image="before", actuators=None, minutes=None, **drift):
        for name, restores in runs:
            opened, ended = (
                timestamp(START + timedelta(minutes=at)) for at in (minutes or {}).get(name, (next(clock),) * 2)
            )
            record = {"distribution_id": name, "queue_id": "queue-001", "started_at": opened}
            first, *also = restores.split("+") if restores else [None]
            restored = first and {"distribution_id": first, "image": image} | ({"also": also} if also else {}) | drift
            held = queue(member("agent-1", 0.1))
            actuator = (actuators or {}).get(name, RING)
            documents.keep_work(name, work(plan(), target({"agent-1": 0.4}), held, actuator))
            status = Status.MEMBER_UPDATE_FAILED if name in failed else Status.COMPLETED
            record["until"] = (untils or {}).get(name, until)
            begun = {"opened_queue_id": "queue-001", "status": Status.INITIATED, "timestamp": opened}
            trail.append(Opening(**record, **begun))
            trail.append(Closing(**record, timestamp=ended, status=status, restores=restored))
        return trail

    return ran


def due(trail, name="boxed"):
    return require_still_applied(name, "queue-001", trail, trail.documents)


@pytest.mark.parametrize(
    "later",
    [
        [],
        [("lunch", None), ("back", "lunch")],
        [("lunch", None), ("tea", None), ("x", "tea"), ("y", "lunch")],
        [("lunch", None), ("back", "lunch"), ("again", "back"), ("z", "again")],
        # It was put back for a while itself, and that is over.
        [("pause", "boxed"), ("resume", "pause")],
        [("pause", "boxed"), ("resume", "pause"), ("lunch", None), ("back", "lunch")],
    ],
)
def test_what_was_put_back_itself_is_no_obstacle(ran, later):
    due(ran(("earlier", None), ("boxed", None), *later))


@pytest.mark.parametrize(
    ("later", "by"),
    [
        ([("other", None)], "other"),
        ([("lunch", None), ("other", None), ("back", "lunch")], "back"),
        ([("lunch", None), ("other", None), ("x", "lunch"), ("y", "other")], "y"),
        ([("by-hand", "boxed")], "put back already, by by-hand"),
        ([("by-hand", "boxed"), ("other", None)], "other"),
        ([("lunch", None), ("back", "lunch"), ("by-hand", "boxed")], "put back already, by by-hand"),
        ([("pause", "boxed"), ("other", None), ("resume", "pause")], "resume"),
        ([("pause", "boxed"), ("resume", "pause"), ("by-hand", "boxed")], "put back already, by by-hand"),
    ],
)
def test_a_later_distribution_is_not_overwritten(ran, later, by):
    with pytest.raises(Superseded, match=by):
        due(ran(("boxed", None), *later))


LATER = "2026-01-31T20:00:00Z"


@pytest.mark.parametrize(
    ("earlier", "untils", "also"),
    [
        ([("plain", None)], {"plain": None}, []),
        # The same run twice, as a scheduler may start it, or one that was made longer.
        ([("first", None)], {}, ["first"]),
        ([("plain", None), ("first", None), ("second", None)], {"plain": None}, ["second", "first"]),
        # One that lasts longer comes back by itself.
        ([("day", None)], {"day": LATER}, []),
        ([("first", None), ("day", None)], {"day": LATER}, []),
        # What came between and was put back does not count.
        ([("first", None), ("lunch", None), ("back", "lunch")], {"back": None}, ["first"]),
        ([("first", None), ("a", None), ("b", None), ("back", "b+a")], {"back": None}, ["first"]),
        ([("first", None), ("a", None), ("b", None), ("back", "a")], {"back": None}, []),
        ([("first", None), ("plain", None)], {"plain": None}, []),
    ],
)
def test_what_it_was_applied_on_top_of_and_is_over_too_is_put_back_with_it(ran, earlier, untils, also):
    assert due(ran(*earlier, ("boxed", None), untils=untils)) == also


def test_values_of_another_carrier_are_not_mixed(ran):
    assert due(ran(("first", None), ("boxed", None), actuators={"first": Joined(0.4)})) == []


def test_what_was_put_back_with_a_later_one_is_put_back_already(ran):
    trail = ran(("first", None), ("boxed", None), ("back", "boxed+first"))
    for name in ("first", "boxed"):
        with pytest.raises(Superseded, match="put back already, by back"):
            due(trail, name)


def test_putting_a_state_after_back_is_a_change_like_any_other(ran):
    trail = ran(("boxed", None))
    ran(("baseline", "boxed"), image="after")
    with pytest.raises(Superseded, match="baseline"):
        due(trail)


def test_a_repair_of_drift_in_the_meantime_is_no_obstacle(ran):
    ran(("earlier", None), ("boxed", None))
    trail = ran(("repair", "boxed"), ("another", "repair"), image="after", drift="0" * 64)
    assert due(trail) == ["earlier"]


def test_a_run_that_failed_is_no_obstacle(ran):
    due(ran(("boxed", None), ("broken", None), failed=("broken",)))


@pytest.mark.parametrize(("opened", "ended", "is_later"), [(-5, 15, True), (-160, 11, True), (5, 8, False)])
def test_it_is_the_end_that_counts_since_runs_wait_for_one_another(ran, opened, ended, is_later):
    trail = ran(("boxed", None), ("other", None), minutes={"boxed": (0, 10), "other": (opened, ended)})
    if is_later:
        with pytest.raises(Superseded, match="other"):
            due(trail)
    else:
        due(trail)


@pytest.mark.parametrize("apart", [1, 60])
def test_many_later_distributions_are_all_read(ran, apart):
    later = [(f"d-{number}", f"d-{number - 1}" if number % 2 else None) for number in range(120)]
    times = {name: (number * apart, number * apart) for number, (name, _) in enumerate(later, 1)}
    trail = ran(("boxed", None), *later, minutes={"boxed": (0, 0), **times})
    due(trail)
    ran(("last", None), minutes={"last": (121 * apart, 121 * apart)})
    with pytest.raises(Superseded, match="last"):
        due(trail)


@pytest.mark.parametrize("state", [{"failed": ("boxed",)}, {"until": None}])
def test_there_is_nothing_to_return_from_what_failed_or_is_for_good(ran, state):
    with pytest.raises(PlanNotApplicable, match="none that completed"):
        due(ran(("boxed", None), **state))


def test_a_return_that_was_cancelled_does_not_happen_with_another_one_either(ran):
    trail = ran(("first", None), ("second", None), ("boxed", None))
    assert due(trail) == ["second", "first"]
    trail.append(expiry_cancelled("first", "arn:me", START))
    assert due(trail) == ["second"]
    trail.append(expiry_cancelled("boxed", "arn:me", START))
    with pytest.raises(PlanNotApplicable, match="cancelled"):
        due(trail)


def test_a_distribution_that_nobody_knows_is_not_returned_from(trail):
    with pytest.raises(PlanNotApplicable):
        due(trail)


@pytest.fixture
def plans(monkeypatch, trail, documents, aws):
    """The function of the API."""
    module = function_module("plans")
    settings = SimpleNamespace(one_time_group="one-time")
    monkeypatch.setattr(module.PlansSettings, "load", classmethod(lambda _: settings))
    monkeypatch.setattr(module, "_trail", lambda _: (documents, trail))
    monkeypatch.setattr(module, "caller_of", lambda _: "arn:me")
    aws("scheduler").create_schedule_group(Name="one-time")
    return module


@pytest.mark.parametrize(("minutes", "kept_"), [(2, True), (-1, False)])
def test_a_return_whose_time_has_come_can_no_longer_be_cancelled(plans, ran, aws, trail, minutes, kept_):
    """EventBridge Scheduler deletes its schedule some time after it has started it."""
    until = timestamp(datetime.now(UTC) + timedelta(minutes=minutes))
    ran(("boxed", None), until=until)
    aws("scheduler").create_schedule(
        GroupName="one-time", Name=return_name("boxed"), ScheduleExpression="at(2026-01-31T17:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"}, Target={"Arn": "arn:aws:states:x", "RoleArn": "arn:aws:iam::1:role/x"},
    )  # fmt: skip
    if kept_:
        plans.cancel_return("boxed")
    else:
        with pytest.raises(ReturnNotFound):
            plans.cancel_return("boxed")
    assert (trail.find("boxed").expiry_cancelled is not None) is kept_


def test_the_newest_completed_distribution_is_the_one_that_ended_last_however_far_back(plans, ran, trail):
    times = {"waited": (0, 10), "overtook": (5, 8)}
    ran(("waited", None), ("overtook", None), *((f"failed-{n}", None) for n in range(120)),
        failed={f"failed-{n}" for n in range(120)},
        minutes=times | {f"failed-{n}": (11 + n, 11 + n) for n in range(120)})  # fmt: skip
    assert plans._newest_completed("queue-001", trail) == "waited"
    with pytest.raises(NotRestorable):
        plans._newest_completed("queue-002", trail)


# ---- the plan of a return, and of a schedule's run -------------------------------------------------------------------


@pytest.fixture
def baselines(aws):
    keys = ("queue_id", "name")
    aws("dynamodb").create_table(
        TableName="baselines",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": "queue_id", "KeyType": "HASH"}, {"AttributeName": "name", "KeyType": "RANGE"}],
    )
    return BaselineStore("baselines")


@pytest.fixture
def accepted(trail, documents, baselines):
    """Have an input accepted at `START`."""

    def accepted(given):
        return accept_input(
            Run(distribution_id="r-1", execution_arn="arn", started_at=START), given, trail, documents, baselines, START
        )

    return accepted


def test_a_return_has_the_plan_of_its_distribution_and_not_its_end(documents, accepted):
    sent = SMALLEST_PLAN | {"until": UNTIL, "requested_by": "Ada", "shared_with": [{"queue_id": "queue-002"}]}
    of_boxed = plan(**sent, on_drift="repair")
    documents.keep_work("boxed", work(of_boxed, target({"agent-1": 0.4}), queue(member("agent-1", 0.1))))
    run, back = accepted({"returns": "boxed"})
    assert (run.returns, run.until, run.wait_for_lock_s) == ("boxed", "", 3600)
    assert run.origin.model_dump() == {"door": "schedule", "caller": "return of boxed"}
    assert back.restores.model_dump(exclude_unset=True) == {"distribution_id": "boxed", "image": "before"}
    assert (back.until, back.shared_with, back.requested_by, back.on_drift) == (None, [], None, None)
    assert back.member_weights == SMALLEST_PLAN["member_weights"]


@pytest.fixture
def scheduled(documents):
    """The input of a schedule's run, with its `schedule` changed."""
    origin = {"door": "schedule", "caller": "early"}
    asked = {"expression": "cron(30 8 * * ? *)", "time_zone": "Europe/Berlin", "window_minutes": 0, "until": "18:00"}
    given = {"plan_ref": documents.keep_plan(plan()), "origin": origin, "scheduled_at": "2026-01-31T07:30:00Z"}

    def scheduled(scheduled_at="2026-01-31T07:30:00Z", **changes):
        return given | {"scheduled_at": scheduled_at, "schedule": {**asked, "set_at": "", "set_by": "", **changes}}

    return scheduled


def test_the_run_of_a_schedule_for_a_while_knows_its_end_from_its_time(accepted, scheduled):
    run, wanted = accepted(scheduled())
    assert run.until == wanted.until == UNTIL
    assert run.return_name == "return.r-1"
    run, wanted = accepted(scheduled("2026-07-31T17:00:00Z"))  # the next day's, and an hour earlier in summer
    assert run.until == wanted.until == "2026-08-01T16:00:00Z"
    run, wanted = accepted(scheduled(until=None))
    assert (run.until, run.return_name, wanted.until) == ("", "", None)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"scheduled_at": "soon"}, "scheduled_at"),
        ({"scheduled_at": None}, "scheduled_at"),
        ({"until": "later"}, "schedule"),
        ({"time_zone": "Europe/Atlantis"}, "schedule"),
        ({"scheduled_at": "2026-01-30T07:30:00Z"}, "until"),
    ],
)
def test_what_no_schedule_of_ours_starts_and_what_comes_too_late_is_refused_and_on_record(
    accepted, scheduled, trail, changes, path
):
    with pytest.raises(PlanInvalid) as refusal:
        accepted(scheduled(**changes))
    assert [error["path"] for error in refusal.value.details["errors"]] == [path]
    assert trail.find("r-1").closing.caller == "early"


def test_a_baseline_is_what_it_is_when_the_run_starts(accepted, documents, baselines):
    origin = {"door": "schedule", "caller": "early"}
    given = {"baseline": {"queue_id": "queue-001", "name": "normal"}, "origin": origin}
    for name in ("first", "second"):
        held = queue(member("agent-1", 0.1))
        documents.keep_work(name, work(plan(), target({"agent-1": 0.4}), held))
        documents.put(name, "after", held.to_json())
        baselines.put({"queue_id": "queue-001", "name": "normal", "distribution_id": name})
        run, back = accepted(given)
        assert back.restores.model_dump(exclude_unset=True) == {"distribution_id": name, "image": "after"}
        assert run.origin.caller == "early"


def test_a_baseline_that_is_none_is_refused_on_the_record_of_its_queue(accepted, trail):
    for baseline, message in (
        ({"queue_id": "queue-001", "name": "normal"}, "no baseline normal"),
        ({"queue_id": "queue-001"}, "not one that this system made"),
    ):
        with pytest.raises(PlanInvalid, match=message):
            accepted({"baseline": baseline})
        assert trail.find("r-1").closing.queue_id == "queue-001"


# ---- what is put back ------------------------------------------------------------------------------------------------


class Fields(PlainContract):
    """A contract that says which queue the fields are of."""

    def fields_of(self, queue, names):
        return {name: f"{name} of {queue.queue_id}" for name in names}


def test_what_the_earlier_one_found_is_older_and_what_only_the_later_one_changed_is_its_own(documents):
    held = [{"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.0}, {"a": 0.5, "b": 0.4, "c": 0.3, "d": 0.0}]
    plans = [
        plan(member_weights={"a": 0.5, "b": 0.4}),
        plan(member_weights={"b": 0.1, "c": 0.2}, overflow_threshold=0.5),
    ]
    for name, scores, one, threshold in zip(("first", "boxed"), held, plans, (0.7, 0.85), strict=True):
        before = queue(*(member(user, score) for user, score in scores.items()), overflow_threshold=threshold)
        reached = target(one.weights, overflow_threshold=one.overflow_threshold)
        documents.keep_work(name, work(one, reached, before, Score()))
    gone = Member("c", 0.05, away="user deleted")  # cannot be written, and may stay listed
    for now in (queue(*(member(user, 0.05) for user in "abd")), queue(*map(member, "abd"), gone)):
        for also, values, threshold in (([], {"b": 0.4}, 0.85), (["first"], {"a": 0.1, "b": 0.2}, 0.7)):
            back = plan(restores={"distribution_id": "boxed", "image": "before", "also": also})
            found = target_of(Fields(), images_of(back, documents.find_image), now)
            assert (found.values, found.weights) == (values, values)
            assert found.settings == {"overflow_threshold": threshold}
            assert found.fields == {"overflow_threshold": "overflow_threshold of queue-001"}
