"""Temporary plans: how long they may last, which later distributions their expiry gives way to, what it reverts."""

from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.api.submissions import RestoreOptions
from routing_weights.application.expire import CancelExpiry, Expired, expired_with, require_time_left, require_until
from routing_weights.application.set_baseline import SetBaseline
from routing_weights.application.validate import accept_input
from routing_weights.domain.actuators.joined import Joined
from routing_weights.domain.actuators.score import Score
from routing_weights.domain.images import images_of, target_of
from routing_weights.domain.queue import Member
from routing_weights.domain.record import ApprovalAnswered, Closing, Opening, expiry_cancelled, timestamp
from routing_weights.domain.revert import Baseline
from routing_weights.domain.run import Run, return_name
from routing_weights.domain.status import Status
from routing_weights.errors import (
    ExpiryApproved,
    NotRestorable,
    PlanInvalid,
    PlanNotApplicable,
    ReturnNotFound,
    Superseded,
)
from tests.support.fakes import (
    RING,
    SMALLEST_PLAN,
    FakeBaselines,
    FakeDocuments,
    FakeSchedules,
    FakeTrail,
    PlainContract,
    member,
    plan,
    queue,
    target,
    work,
)

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
def test_an_until_that_is_no_instant_is_refused_at_its_path(text):
    with pytest.raises(PlanInvalid) as refusal:
        plan(until=text)
    (error,) = refusal.value.details["errors"]
    assert error["path"] == "until"
    assert "RFC 3339" in error["message"]


def test_until_is_after_the_start_and_within_a_year():
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
def test_an_expiry_has_a_name_of_its_own_that_the_scheduler_takes(distribution_id):
    name = return_name(distribution_id)
    assert len(name) <= 64
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    assert name != return_name(distribution_id + "1")


@pytest.fixture
def trail():
    return FakeTrail()


@pytest.fixture
def documents():
    return FakeDocuments()


# ---- what an expiry gives way to -------------------------------------------------------------------------------------


@pytest.fixture
def ran(trail, documents):
    """Put distributions on record as `(id, what it reverts)`, one a minute. Those of `failed` did not complete.

    `minutes` are, by id, when a distribution was opened and when it ended.
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


@pytest.fixture
def due(trail, documents):
    """What an expiry at this moment reverts beside its own distribution, and what it leaves."""
    return lambda name="boxed": expired_with(name, "queue-001", trail, documents)


@pytest.mark.parametrize(
    "later",
    [
        [],
        [("lunch", None), ("back", "lunch")],
        [("lunch", None), ("tea", None), ("x", "tea"), ("y", "lunch")],
        [("lunch", None), ("back", "lunch"), ("again", "back"), ("z", "again")],
        # It was reverted temporarily, and that has expired.
        [("pause", "boxed"), ("resume", "pause")],
        [("pause", "boxed"), ("resume", "pause"), ("lunch", None), ("back", "lunch")],
    ],
)
def test_a_later_distribution_that_was_reverted_does_not_keep_a_plan_from_expiring(due, ran, later):
    ran(("earlier", None), ("boxed", None), *later)
    due()


@pytest.mark.parametrize(
    ("later", "by"),
    [
        ([("other", None)], "other"),
        ([("lunch", None), ("other", None), ("back", "lunch")], "back"),
        ([("lunch", None), ("other", None), ("x", "lunch"), ("y", "other")], "y"),
        ([("by-hand", "boxed")], "reverted already, by by-hand"),
        ([("by-hand", "boxed"), ("other", None)], "other"),
        ([("lunch", None), ("back", "lunch"), ("by-hand", "boxed")], "reverted already, by by-hand"),
        ([("pause", "boxed"), ("other", None), ("resume", "pause")], "resume"),
        ([("pause", "boxed"), ("resume", "pause"), ("by-hand", "boxed")], "reverted already, by by-hand"),
    ],
)
def test_a_later_distribution_is_not_overwritten(due, ran, later, by):
    ran(("boxed", None), *later)
    with pytest.raises(Superseded, match=by):
        due()


LATER = "2026-01-31T20:00:00Z"


@pytest.mark.parametrize(
    ("earlier", "untils", "also"),
    [
        ([("plain", None)], {"plain": None}, []),
        # The same run twice, as EventBridge Scheduler may start it, or a plan that was extended.
        ([("first", None)], {}, ["first"]),
        ([("plain", None), ("first", None), ("second", None)], {"plain": None}, ["second", "first"]),
        # A plan that lasts longer expires by itself.
        ([("day", None)], {"day": LATER}, []),
        ([("first", None), ("day", None)], {"day": LATER}, []),
        # A distribution in between that was reverted does not count.
        ([("first", None), ("lunch", None), ("back", "lunch")], {"back": None}, ["first"]),
        ([("first", None), ("a", None), ("b", None), ("back", "b+a")], {"back": None}, ["first"]),
        ([("first", None), ("a", None), ("b", None), ("back", "a")], {"back": None}, []),
        ([("first", None), ("plain", None)], {"plain": None}, []),
    ],
)
def test_an_expiry_reverts_what_expired_beneath_its_distribution(due, ran, earlier, untils, also):
    ran(*earlier, ("boxed", None), untils=untils)
    assert due() == Expired(also)


def test_an_expiry_leaves_what_another_mechanism_carried_and_names_it(due, ran):
    ran(("first", None), ("boxed", None), actuators={"first": Joined(0.4)})
    assert due() == Expired([], left="first")


def test_a_distribution_that_was_reverted_with_a_later_one_is_reverted_already(due, ran):
    ran(("first", None), ("boxed", None), ("back", "boxed+first"))
    for name in ("first", "boxed"):
        with pytest.raises(Superseded, match="reverted already, by back"):
            due(name)


def test_a_revert_to_a_state_after_is_a_change_like_any_other(due, ran):
    ran(("boxed", None))
    ran(("baseline", "boxed"), image="after")
    with pytest.raises(Superseded, match="baseline"):
        due()


def test_a_repair_of_drift_does_not_keep_a_plan_from_expiring(due, ran):
    ran(("earlier", None), ("boxed", None))
    ran(("repair", "boxed"), ("another", "repair"), image="after", drift="0" * 64)
    assert due() == Expired(["earlier"])


def test_a_later_run_that_failed_does_not_keep_a_plan_from_expiring(due, ran):
    ran(("boxed", None), ("broken", None), failed=("broken",))
    due()


@pytest.mark.parametrize(("opened", "ended", "is_later"), [(-5, 15, True), (-160, 11, True), (5, 8, False)])
def test_the_end_of_a_run_counts_since_runs_wait_for_one_another(due, ran, opened, ended, is_later):
    ran(("boxed", None), ("other", None), minutes={"boxed": (0, 10), "other": (opened, ended)})
    if is_later:
        with pytest.raises(Superseded, match="other"):
            due()
    else:
        due()


@pytest.mark.parametrize("apart", [1, 60])
def test_many_later_distributions_are_all_read(due, ran, apart):
    later = [(f"d-{number}", f"d-{number - 1}" if number % 2 else None) for number in range(120)]
    times = {name: (number * apart, number * apart) for number, (name, _) in enumerate(later, 1)}
    ran(("boxed", None), *later, minutes={"boxed": (0, 0), **times})
    due()
    ran(("last", None), minutes={"last": (121 * apart, 121 * apart)})
    with pytest.raises(Superseded, match="last"):
        due()


@pytest.mark.parametrize("state", [{"failed": ("boxed",)}, {"until": None}])
def test_a_plan_that_failed_or_is_permanent_does_not_expire(due, ran, state):
    ran(("boxed", None), **state)
    with pytest.raises(PlanNotApplicable, match="no completed distribution"):
        due()


def test_an_expiry_that_was_cancelled_does_not_happen_with_another_one_either(due, ran):
    trail = ran(("first", None), ("second", None), ("boxed", None))
    assert due() == Expired(["second", "first"])
    trail.append(expiry_cancelled("first", "arn:me", START))
    assert due() == Expired(["second"])
    trail.append(expiry_cancelled("boxed", "arn:me", START))
    with pytest.raises(PlanNotApplicable, match="cancelled"):
        due()


def test_a_distribution_that_nobody_knows_does_not_expire(due):
    with pytest.raises(PlanNotApplicable):
        due()


@pytest.mark.parametrize(("minutes", "is_cancelled"), [(2, True), (-1, False)])
def test_an_expiry_whose_time_has_come_can_no_longer_be_cancelled(ran, trail, minutes, is_cancelled):
    """EventBridge Scheduler deletes its schedule some time after it has started it."""
    ran(("boxed", None), until=timestamp(START + timedelta(minutes=minutes)))
    schedules = FakeSchedules(return_name("boxed"))
    cancel = CancelExpiry(trail, schedules)
    if is_cancelled:
        cancel.cancel("boxed", "arn:me", START)
    else:
        with pytest.raises(ReturnNotFound):
            cancel.cancel("boxed", "arn:me", START)
    assert (trail.find("boxed").expiry_cancelled is not None) is is_cancelled
    assert schedules.names == (set() if is_cancelled else {return_name("boxed")})


def test_a_temporary_plan_that_somebody_approved_does_not_become_permanent(ran, trail):
    ran(("boxed", None), until=timestamp(START + timedelta(minutes=10)))
    common = {"distribution_id": "boxed", "timestamp": timestamp(START), "number": 1, "hash": "0" * 64}
    trail.append(ApprovalAnswered(**common, answer="approved", caller="arn:boss"))
    schedules = FakeSchedules(return_name("boxed"))
    with pytest.raises(ExpiryApproved, match="without `until`"):
        CancelExpiry(trail, schedules).cancel("boxed", "arn:me", START)
    assert trail.find("boxed").expiry_cancelled is None
    assert schedules.names == {return_name("boxed")}


def test_the_newest_completed_distribution_is_the_one_that_ended_last(ran, trail):
    times = {"waited": (0, 10), "overtook": (5, 8)}
    ran(("waited", None), ("overtook", None), *((f"failed-{n}", None) for n in range(120)),
        failed={f"failed-{n}" for n in range(120)},
        minutes=times | {f"failed-{n}": (11 + n, 11 + n) for n in range(120)})  # fmt: skip
    use_case = SetBaseline(trail, FakeBaselines())
    assert use_case.set("queue-001", "normal", None, "arn:me", START).distribution_id == "waited"
    assert use_case.baselines.find("queue-001", "normal").distribution_id == "waited"
    with pytest.raises(NotRestorable):
        use_case.set("queue-002", "normal", None, "arn:me", START)


@pytest.mark.parametrize(("queue_id", "distribution_id"), [("queue-002", "boxed"), ("queue-001", "nobody")])
def test_a_baseline_is_a_completed_distribution_of_its_own_queue(ran, trail, queue_id, distribution_id):
    ran(("boxed", None))
    with pytest.raises(NotRestorable, match=distribution_id):
        SetBaseline(trail, FakeBaselines()).set(queue_id, "normal", distribution_id, "", START)


# ---- the plan of an expiry, and of a schedule's run ------------------------------------------------------------------


@pytest.fixture
def baselines():
    return FakeBaselines()


@pytest.fixture
def accepted(trail, documents, baselines):
    """Have an input accepted at `START`."""

    def accepted(given):
        return accept_input(
            Run(distribution_id="r-1", execution_arn="arn", started_at=START), given, trail, documents, baselines, START
        )

    return accepted


def test_an_expiry_has_the_plan_of_its_distribution_without_until(documents, accepted):
    sent = SMALLEST_PLAN | {"until": UNTIL, "requested_by": "Ada", "shared_with": [{"queue_id": "queue-002"}]}
    of_boxed = plan(**sent, on_drift="repair")
    documents.keep_work("boxed", work(of_boxed, target({"agent-1": 0.4}), queue(member("agent-1", 0.1))))
    run, back = accepted({"returns": "boxed"})
    assert (run.returns, run.until, run.wait_for_lock_s) == ("boxed", "", 3600)
    assert run.origin.model_dump(exclude_none=True) == {"door": "schedule", "caller": "return of boxed"}
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


def test_the_run_of_a_temporary_schedule_knows_its_end_from_its_time(accepted, scheduled):
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
        ({"scheduled_at": "9999-12-31T23:30:00Z"}, "scheduled_at"),
        ({"until": "later"}, "schedule"),
        ({"time_zone": "Europe/Atlantis"}, "schedule"),
        ({"scheduled_at": "2026-01-30T07:30:00Z"}, "until"),
    ],
)
def test_a_foreign_or_late_expiry_is_refused_on_record(accepted, scheduled, trail, changes, path):
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
        documents.save_after(name, held)
        baselines.put(Baseline("queue-001", "normal", name, "2026-01-31T08:00:00.000Z"))
        run, back = accepted(given)
        assert back.restores.model_dump(exclude_unset=True) == {"distribution_id": name, "image": "after"}
        assert run.origin.caller == "early"


def test_an_unknown_baseline_is_refused_on_the_record_of_its_queue(accepted, trail):
    for baseline, message in (
        ({"queue_id": "queue-001", "name": "normal"}, "no baseline normal"),
        ({"queue_id": "queue-001"}, "not one that this system made"),
    ):
        with pytest.raises(PlanInvalid, match=message):
            accepted({"baseline": baseline})
        assert trail.find("r-1").closing.queue_id == "queue-001"


# ---- what is reverted ------------------------------------------------------------------------------------------------


class Fields(PlainContract):
    """A contract whose fields name their queue."""

    def fields_of(self, queue, names):
        return {name: f"{name} of {queue.queue_id}" for name in names}


def test_the_older_before_image_wins_where_two_are_reverted_together(documents):
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
