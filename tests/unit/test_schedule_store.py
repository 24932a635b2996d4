"""Schedules in EventBridge Scheduler: the requests, and two writers at the same time."""

import json
from datetime import UTC, datetime

import pytest

from routing_weights.adapters.aws.scheduler import Schedules
from routing_weights.domain.schedule.schedule import parse_schedule
from routing_weights.errors import ScheduleNotFound, StoreUnavailable
from tests.support.fakes import SMALLEST_PLAN

PLAN_X, PLAN_Y = (f"plans/{letter * 64}.json" for letter in "ab")
NOW = datetime(2030, 5, 1, 8, 10, tzinfo=UTC)
MACHINE, ROLE, LETTERS = (f"arn:aws:x:eu-central-1:123456789012:{name}" for name in ("machine", "role", "letters"))


@pytest.fixture
def schedules(aws):
    for name in ("group", "one-time"):
        aws("scheduler").create_schedule_group(Name=name)
    return Schedules("group", "one-time", MACHINE, ROLE, LETTERS)


def schedule(**changes):
    body = {"expression": "cron(0 8 * * ? *)", "time_zone": "Europe/Berlin", "plan": SMALLEST_PLAN, **changes}
    return parse_schedule("early", json.dumps(body))


def kept(aws):
    return aws("scheduler").get_schedule(GroupName="group", Name="early")


def test_a_schedule_is_shown_as_it_was_put(aws, schedules):
    asked = schedule(start="2031-01-01T00:00:00+01:00", end="2032-01-01T00:00:00+01:00", window_minutes=15)
    stored = schedules.put(asked, PLAN_X, "arn:me", NOW)
    assert stored == schedules.get("early")
    assert stored.timing.model_dump() == asked.model_dump(exclude={"name", "plan", "baseline"})
    assert (stored.plan_ref, stored.set_by, stored.set_at) == (PLAN_X, "arn:me", "2030-05-01T08:10:00.000Z")
    there = kept(aws)
    given = json.loads(there["Target"]["Input"])
    assert given["plan_ref"] == PLAN_X
    assert given["origin"] == {"door": "schedule", "caller": "early"}
    assert there["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    assert (there["ScheduleExpressionTimezone"], there["State"]) == ("Europe/Berlin", "ENABLED")
    assert there["StartDate"].astimezone(UTC) == asked.start
    assert there["EndDate"].astimezone(UTC) == asked.end


def test_a_past_start_is_not_sent_and_a_rate_keeps_its_step(aws, schedules):
    schedules.put(schedule(start="2030-01-01T00:00:00Z"), PLAN_X, "", NOW)
    assert kept(aws).get("StartDate") is None
    schedules.put(schedule(expression="rate(2 hours)", start="2030-01-01T00:30:00Z"), PLAN_X, "", NOW)
    assert kept(aws)["StartDate"].astimezone(UTC) == datetime(2030, 5, 1, 8, 30, tzinfo=UTC)
    assert schedules.get("early").timing.start == datetime(2030, 1, 1, 0, 30, tzinfo=UTC)


def test_a_put_replaces_the_whole_schedule(aws, schedules):
    schedules.put(schedule(end="2032-01-01T00:00:00Z", window_minutes=5), PLAN_X, "", NOW)
    schedules.put(schedule(expression="cron(0 9 * * ? *)"), PLAN_Y, "", NOW)
    there = kept(aws)
    assert there["ScheduleExpression"] == "cron(0 9 * * ? *)"
    assert (there.get("EndDate"), there["FlexibleTimeWindow"]) == (None, {"Mode": "OFF"})
    assert schedules.page(10, None) == (["early"], None)


@pytest.mark.usefixtures("schedules")
def test_a_schedule_created_meanwhile_is_replaced(aws_answers):
    schedules = Schedules("group", "one-time", MACHINE, ROLE, LETTERS)
    created = aws_answers("scheduler", "CreateSchedule", "ConflictException")
    with pytest.raises(StoreUnavailable, match="ResourceNotFoundException"):  # and deleted again
        schedules.put(schedule(), PLAN_X, "", NOW)
    assert len(created) == 1


@pytest.mark.parametrize("operation", ["UpdateSchedule", "GetSchedule", "DeleteSchedule", "ListSchedules"])
def test_a_failing_service_is_named(schedules, aws_answers, operation):
    aws_answers("scheduler", operation, "ThrottlingException")
    calls = {
        "UpdateSchedule": lambda: schedules.put(schedule(), PLAN_X, "", NOW),
        "GetSchedule": lambda: schedules.get("early"),
        "DeleteSchedule": lambda: schedules.delete("early"),
        "ListSchedules": lambda: schedules.page(10, None),
    }
    with pytest.raises(StoreUnavailable, match="ThrottlingException"):
        calls[operation]()


@pytest.mark.parametrize("text", ["", "5", "{}", "not JSON", '{"schedule": {"expression": "cron(x)"}}'])
def test_a_schedule_made_by_hand_is_not_shown(aws, schedules, text):
    target = {"Arn": MACHINE, "RoleArn": ROLE} | ({"Input": text} if text else {})
    aws("scheduler").create_schedule(
        GroupName="group",
        Name="early",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )
    with pytest.raises(ScheduleNotFound):
        schedules.get("early")
    schedules.put(schedule(), PLAN_X, "", NOW)
    assert schedules.get("early").plan_ref == PLAN_X
    schedules.delete("early")
    with pytest.raises(ScheduleNotFound):
        schedules.delete("early")


# ---- runs that a change of the clock moves ---------------------------------------------------------------------------

GAP = datetime(2031, 3, 30, 1, tzinfo=UTC)


def moved(aws):
    """By the time of the run, the schedules of one time."""
    client = aws("scheduler")
    found = client.list_schedules(GroupName="one-time")["Schedules"]
    kept = [client.get_schedule(GroupName="one-time", Name=item["Name"]) for item in found]
    return {datetime.fromisoformat(one["ScheduleExpression"][3:-1] + "Z"): one for one in kept}


def nightly(**changes):
    """At half past two, until there was one change of the clock."""
    return schedule(**{"expression": "cron(30 2 * * ? *)", "end": "2031-12-31T00:00:00Z"} | changes)


def test_a_moved_run_has_a_schedule_of_its_own(aws, schedules):
    schedules.put(nightly(window_minutes=15), PLAN_X, "", NOW)
    ((at, one),) = moved(aws).items()
    assert (at, one["ScheduleExpressionTimezone"], one["ActionAfterCompletion"]) == (GAP, "UTC", "DELETE")
    assert (one["Target"], one["FlexibleTimeWindow"]) == (kept(aws)["Target"], kept(aws)["FlexibleTimeWindow"])
    assert "<aws.scheduler.scheduled-time>" in one["Target"]["Input"]
    assert schedules.page(10, None) == (["early"], None)


def test_a_moved_run_is_replaced_and_deleted_with_its_schedule(aws, schedules):
    schedules.put(nightly(), PLAN_X, "", NOW)
    schedules.put(nightly(time_zone="America/New_York"), PLAN_Y, "", NOW)
    ((at, one),) = moved(aws).items()
    assert at == datetime(2031, 3, 9, 7, tzinfo=UTC)
    assert PLAN_Y in one["Target"]["Input"]
    schedules.put(schedule(), PLAN_X, "", NOW)
    assert moved(aws) == {}
    schedules.put(nightly(), PLAN_X, "", NOW)
    schedules.delete("early")
    assert moved(aws) == {}


def test_a_moved_run_of_another_schedule_stays(aws, schedules):
    for name in ("early", "earl"):
        schedules.put(nightly().model_copy(update={"name": name}), PLAN_X, "", NOW)
    schedules.delete("earl")
    assert moved(aws).keys() == {GAP}


def test_a_put_makes_the_moved_runs_of_ten_years(aws, schedules):
    schedules.put(nightly(end=None), PLAN_X, "", NOW)
    assert [at.year for at in sorted(moved(aws))] == list(range(2031, 2041))
    assert all(at.month == 3 and at.isoweekday() == 7 for at in moved(aws))


def test_a_put_makes_a_lost_run_again_and_keeps_expiries(aws, schedules):
    schedules.put(nightly(), PLAN_X, "", NOW)
    client = aws("scheduler")
    (one,) = client.list_schedules(GroupName="one-time")["Schedules"]
    client.delete_schedule(GroupName="one-time", Name=one["Name"])
    expiry = {"ScheduleExpression": "at(2031-05-05T01:00:00)", "FlexibleTimeWindow": {"Mode": "OFF"}}
    client.create_schedule(GroupName="one-time", Name="return.abc", **expiry, Target={"Arn": MACHINE, "RoleArn": ROLE})
    schedules.put(nightly(), PLAN_X, "", NOW)
    names = {item["Name"] for item in client.list_schedules(GroupName="one-time")["Schedules"]}
    assert names == {one["Name"], "return.abc"}


@pytest.mark.parametrize(
    ("at", "sent"),
    [
        ("at(2031-03-30T02:30:00)", "at(2031-03-30T01:00:00)"),  # skipped
        ("at(2030-10-27T02:30:00)", "at(2030-10-27T00:30:00)"),  # twice
        ("at(2030-12-24T14:00:00)", "at(2030-12-24T13:00:00)"),
    ],
)
def test_a_single_time_is_sent_as_its_instant(aws, schedules, at, sent):
    stored = schedules.put(schedule(expression=at), PLAN_X, "", NOW)
    assert (stored.timing.expression, stored.timing.time_zone) == (at, "Europe/Berlin")
    assert (kept(aws)["ScheduleExpression"], kept(aws)["ScheduleExpressionTimezone"]) == (sent, "UTC")


def test_a_baseline_is_kept_by_its_name(aws, schedules):
    baseline = {"queue_id": "queue-001", "name": "normal"}
    stored = schedules.put(schedule(plan=None, baseline=baseline), None, "", NOW)
    assert (stored.baseline.model_dump(), stored.plan_ref) == (baseline, None)
    assert json.loads(kept(aws)["Target"]["Input"])["baseline"] == baseline
