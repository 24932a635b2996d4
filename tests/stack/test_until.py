"""Temporary plans: the queue is reverted at the end of the plan, by a clock that the test controls."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.stack.test_alarms import seen, state_since
from tests.stack.timed import timed_world
from tests.support.waiting import until as once
from tests.support.world import ROOT, WEIGHTS, a_plan

BEGUN = datetime.now(UTC).replace(microsecond=0)
DAYS = itertools.count(1, 2)
"""The clock never goes back, so each test has its own days."""
OTHER = {"agent-001": 0.1, "agent-002": 0.2, "agent-003": 0.3}


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    with timed_world(tmp_path_factory.mktemp("until"), BEGUN, FORECAST_SOURCES="plan,pushed") as world:
        yield world


@pytest.fixture
def then(timed):
    """Return the end of a test's plan. A plan of another queue shows that the clock has reached the day before."""
    timed.sim.clear_faults()
    return BEGUN + timedelta(days=next(DAYS))


def boxed(timed, queue, at, **changes):
    """Apply a temporary plan, and return the id of its distribution."""
    return timed.run(a_plan(queue, until=at.isoformat(), **changes)).start("api").ends("completed").distribution_id


def scheduled(timed):
    group = timed.client("scheduler").list_schedules(GroupName="OneTimeGroup")
    return [item["Name"] for item in group["Schedules"]]


def back(timed, queue, at, count=2):
    """Return the newest distribution of a queue, once the clock has passed an expiry."""
    timed.turn(at + timedelta(seconds=30))
    newest = timed.ended(queue, count)[0]
    return timed.distribution(newest["distribution_id"])


def test_a_temporary_plan_is_reverted_at_its_end(timed, then):
    queue = timed.queue()
    before = timed.held(queue)["scores"]
    first = boxed(timed, queue, then)
    assert timed.held(queue)["scores"] == WEIGHTS
    shown = timed.distribution(first)
    assert shown["until"] == shown["returns_at"] == f"{then:%Y-%m-%dT%H:%M:%SZ}"
    assert scheduled(timed) == [f"return.{first}"]
    assert timed.call("GET", "").json()["items"] == []

    record = back(timed, queue, then)
    assert record["status"] == "completed", record["errors"]
    assert timed.held(queue)["scores"] == before
    assert record["restores"] == {"distribution_id": first, "image": "before"}
    assert (record["door"], record["caller"]) == ("schedule", f"return of {first}")
    assert record["projection"]["verdict"] == "pass"
    assert once(lambda: scheduled(timed) == [])
    assert timed.distribution(first)["returns_at"] is None


def test_the_expiry_of_a_run_with_a_long_console_name_is_found(timed, then):
    queue, name = timed.queue(), "a-name-of-the-console-" + "x" * 58
    timed.client("stepfunctions").start_execution(
        stateMachineArn=timed.ready["state_machine_arn"],
        name=name,
        input=json.dumps(a_plan(queue, until=then.isoformat())),
    )
    timed.ended(queue, 1)
    assert timed.distribution(name)["returns_at"]
    record = back(timed, queue, then)
    assert (record["status"], record["caller"]) == ("completed", f"return of {name}")


def test_a_failed_plan_leaves_no_expiry(timed, then):
    queue = timed.queue()
    before = timed.held(queue)["scores"]
    run = timed.run(a_plan(queue, until=then.isoformat())).with_fault("status", "PATCH", "/members/", status=403)
    run.start("api").ends("member_update_failed").reaches("Schedule the expiry", "Restore", "Audit")
    assert timed.held(queue)["scores"] == before
    assert scheduled(timed) == []
    assert timed.distribution(run.distribution_id)["returns_at"] is None


def test_an_aborted_plan_leaves_no_expiry(timed, then):
    queue = timed.queue()
    with timed.holding(f"/{queue}", method="PATCH"):
        run = timed.run(a_plan(queue, until=then.isoformat())).start("api")
        once(lambda: scheduled(timed))
        run.abort()
    (item,) = timed.ended(queue, 1)
    assert item["status"] == "interrupted"
    once(lambda: scheduled(timed) == [])


def test_a_dry_run_and_a_blocked_plan_schedule_no_expiry(timed, then):
    queue = timed.queue()
    for status, changes in {"dry_run": {"dry_run": True}, "saturation_blocked": {"projected_load": 500.0}}.items():
        run = timed.run(a_plan(queue, until=then.isoformat(), **changes)).ends(status).avoids("Schedule the expiry")
        assert run.record["until"] == f"{then:%Y-%m-%dT%H:%M:%SZ}"
    assert scheduled(timed) == []


def test_a_later_distribution_is_not_overwritten(timed, then):
    queue = timed.queue()
    first = boxed(timed, queue, then)
    later = timed.run(a_plan(queue, OTHER)).ends("completed").distribution_id
    record = back(timed, queue, then, 3)
    assert record["status"] == "validation_failed"
    (error,) = record["errors"]
    assert error["type"] == "Superseded"
    assert later in error["message"]
    assert first in error["message"]
    assert timed.held(queue)["scores"] == OTHER


def test_a_plan_reverted_by_hand_is_not_reverted_again(timed, then):
    queue = timed.queue()
    first = boxed(timed, queue, then)
    by_hand = timed.http.post(f"{timed.api_url}/distributions/{first}/restore", json={}, timeout=60).json()
    timed.ended(queue, 2)
    timed.sim.edit_member(queue, "agent-001", score=0.77)
    record = back(timed, queue, then, 3)
    assert record["status"] == "validation_failed"
    assert f"reverted already, by {by_hand['distribution_id']}" in record["errors"][0]["message"]
    assert timed.held(queue)["scores"]["agent-001"] == 0.77


def test_a_temporary_plan_within_another_leaves_the_outer_expiry_alone(timed, then):
    queue = timed.queue()
    before = timed.held(queue)["scores"]
    boxed(timed, queue, then)
    boxed(timed, queue, then - timedelta(hours=2), member_weights=OTHER)
    assert back(timed, queue, then - timedelta(hours=2), 3)["status"] == "completed"
    assert timed.held(queue)["scores"] == WEIGHTS
    assert back(timed, queue, then, 4)["status"] == "completed"
    assert timed.held(queue)["scores"] == before


def test_an_extended_temporary_plan_reverts_to_the_first_state(timed, then):
    queue = timed.queue()
    before = timed.held(queue)
    first = boxed(timed, queue, then - timedelta(hours=2))
    second = boxed(timed, queue, then, member_weights=OTHER | {"agent-003": WEIGHTS["agent-003"]}, wrap_up_timeout_s=50)
    assert back(timed, queue, then - timedelta(hours=2), 3)["errors"][0]["type"] == "Superseded"
    record = back(timed, queue, then, 4)
    assert record["status"] == "completed"
    assert record["restores"] == {"distribution_id": second, "image": "before", "also": [first]}
    after = timed.held(queue)
    assert after["scores"] == before["scores"]
    for setting in ("utilizationThreshold", "wrapUpTimeout"):
        assert after["queue"][setting] == before["queue"][setting]


def test_a_plan_that_would_expire_during_its_run_is_not_applied(timed):
    """Its expiry would be a schedule in the past, which EventBridge Scheduler never starts."""
    queue = timed.queue()
    until = datetime.now(UTC) + timedelta(seconds=65)
    run = timed.run(a_plan(queue, until=until.isoformat()))
    run.with_fault("delay", "GET", "/members$", delay_s=6).ends("validation_failed")
    assert [error["path"] for error in run.record["errors"]] == ["until"]
    assert (run.writes, timed.held(queue)["scores"]) == ([], dict.fromkeys(WEIGHTS, 0.0))
    assert scheduled(timed) == []


def test_a_run_that_the_scheduler_starts_twice_is_reverted_whole(timed, then):
    queue = timed.queue()
    before = timed.held(queue)["scores"]
    boxed(timed, queue, then)
    boxed(timed, queue, then)
    timed.turn(then + timedelta(seconds=30))
    newest = {item["status"] for item in timed.ended(queue, 4)[:2]}
    assert newest == {"completed", "validation_failed"}, "one reverts, and the other finds that it is not the last"
    assert timed.held(queue)["scores"] == before


def test_an_expiry_reverts_edits_by_people_too(timed, then):
    """As with POST /distributions/{id}/restore: the target is the state before, whoever changed the queue since."""
    queue = timed.queue()
    before = timed.held(queue)["scores"]
    boxed(timed, queue, then)
    timed.sim.edit_member(queue, "agent-002", score=0.05)
    assert back(timed, queue, then)["status"] == "completed"
    assert timed.held(queue)["scores"] == before


def test_an_expiry_that_fails_is_not_repeated_and_leaves_a_record_and_an_alarm(timed, then):
    """The person then does what the runbook says."""
    queue = timed.queue()
    before = timed.held(queue)["scores"]
    first = boxed(timed, queue, then)
    earlier = seen(timed)[1]
    assert state_since(timed, "DistributionsFail", earlier) == "OK"
    timed.sim.add_faults(
        {"method": "PATCH", "path": f"{queue}/members", "action": "status", "status": 403, "times": None}
    )
    record = back(timed, queue, then)
    assert (record["status"], record["caller"]) == ("member_update_failed", f"return of {first}")
    assert record["errors"]
    assert record["restore"]["unrestored"] == []
    assert timed.held(queue)["scores"] == WEIGHTS, "the plan that has expired is still applied"
    assert once(lambda: state_since(timed, "DistributionsFail", earlier) == "ALARM")
    assert once(lambda: scheduled(timed) == []), "and nothing will try it again"
    assert timed.distribution(first)["returns_at"] is None

    timed.sim.clear_faults()
    assert timed.http.post(f"{timed.api_url}/distributions/{first}/restore", json={}, timeout=60).ok
    assert timed.ended(queue, 3)[0]["status"] == "completed"
    assert timed.held(queue)["scores"] == before


def test_an_expiry_does_not_need_agents_on_queue(timed, then):
    queue = timed.queue()
    before = timed.held(queue)["scores"]
    boxed(timed, queue, then)
    for agent in WEIGHTS:
        timed.sim.edit_member(queue, agent, joined=False)
    record = back(timed, queue, then)
    assert (record["status"], record["projection"]["verdict"]) == ("completed", "needs_approval")
    assert timed.held(queue)["scores"] == before


def test_an_expiry_does_not_need_a_forecast(timed, then):
    queue = timed.queue()
    before = timed.held(queue)["scores"]
    forecast = f"{timed.api_url}/queues/{queue}/forecast"
    pushed = timed.http.put(forecast, json={"offered": 1.0, "aht_s": 60.0, "ttl_s": 3600}, timeout=60)
    assert pushed.status_code == 200, pushed.text
    boxed(timed, queue, then, projected_load=None, accept_uncertain=True)
    assert timed.http.delete(forecast, timeout=60).status_code == 204
    record = back(timed, queue, then)
    assert (record["status"], record["projection"]) == ("completed", None)
    assert timed.held(queue)["scores"] == before


def test_an_expiry_that_is_scheduled_already_belongs_to_the_run(timed, then):
    """The schedule of a first attempt whose answer was lost."""
    queue, name = timed.queue(), f"twice-{next(DAYS)}"
    timed.client("scheduler").create_schedule(
        GroupName="OneTimeGroup",
        Name=f"return.{name}",
        ScheduleExpression=f"at({then:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": timed.ready["state_machine_arn"], "RoleArn": "arn:aws:iam::1:role/x", "Input": "{}"},
    )
    timed.client("stepfunctions").start_execution(
        stateMachineArn=timed.ready["state_machine_arn"],
        name=name,
        input=json.dumps(a_plan(queue, until=then.isoformat())),
    )
    assert timed.ended(queue, 1)[0]["status"] == "completed"
    assert timed.http.delete(f"{timed.api_url}/distributions/{name}/return", timeout=60).status_code == 204


def test_a_cancelled_expiry_does_not_happen(timed, then):
    queue = timed.queue()
    first = boxed(timed, queue, then)
    path = f"{timed.api_url}/distributions/{first}/return"
    assert timed.http.delete(path, timeout=60).status_code == 204
    shown = timed.distribution(first)
    assert (shown["until"] is not None, shown["returns_at"]) == (True, None)
    assert shown["return_cancelled"].keys() == {"at", "by"}
    gone = timed.http.delete(path, timeout=60)
    assert (gone.status_code, gone.json()["type"]) == (404, "/problems/return-not-found")
    probe = timed.queue()
    boxed(timed, probe, then)
    back(timed, probe, then)
    assert len(timed.distributions(queue)) == 1
    assert timed.held(queue)["scores"] == WEIGHTS


def test_a_revert_may_be_temporary_too(timed, then):
    queue = timed.queue()
    first = timed.run(a_plan(queue)).ends("completed").distribution_id
    asked = timed.http.post(
        f"{timed.api_url}/distributions/{first}/restore", json={"until": then.isoformat()}, timeout=60
    )
    assert asked.status_code == 202, asked.text
    timed.ended(queue, 2)
    assert back(timed, queue, then, 3)["status"] == "completed"
    assert timed.held(queue)["scores"] == WEIGHTS


@pytest.mark.parametrize(
    ("until", "says"),
    [
        ("2020-01-01T00:00:00Z", "is over"),
        ("2999-01-01T00:00:00Z", "more than 365 days away"),
        ("17:00", "not an RFC 3339"),
        ("2027-01-01T00:00:00", "not an RFC 3339"),
        (5, "not an RFC 3339"),
    ],
)
def test_an_invalid_until_is_refused_at_every_door(timed, until, says):
    queue = timed.queue()
    answer = timed.post(a_plan(queue, until=until))
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["path"] == "until"
    assert says in error["message"]
    run = timed.run(a_plan(queue, until=until)).ends("validation_failed")
    assert [error["path"] for error in run.record["errors"]] == ["until"]


def test_a_plan_that_expires_before_its_queue_is_free_is_not_applied(timed, then):
    """The wall clock decides what has expired: the first plan's expiry is far away, the second's is not."""
    queue, other = timed.queue(), timed.queue()
    with timed.holding(f"/{other}"):
        holder = timed.run(a_plan(other, until=then.isoformat())).start("api").arn
        taken_at = {"N": f"{datetime.now(UTC).timestamp():.0f}"}
        lock = {"queue_id": {"S": queue}, "holder": {"S": holder}, "taken_at": taken_at}
        timed.client("dynamodb").put_item(TableName=timed.ready["locks_table"], Item=lock)
        soon = datetime.now(UTC) + timedelta(seconds=64)
        run = timed.run(a_plan(queue, until=soon.isoformat(), wait_for_lock_s=60)).start("api")
        once(lambda: datetime.now(UTC) > soon - timedelta(seconds=59))
        timed.client("dynamodb").delete_item(TableName=timed.ready["locks_table"], Key={"queue_id": {"S": queue}})
    run.ends("validation_failed").avoids("Schedule the expiry")
    assert run.record["errors"][0]["type"] == "time_invalid"
    assert run.writes == []


@pytest.mark.parametrize("returns", [5, "nowhere", "a b", ""])
def test_an_unknown_distribution_is_not_reverted(timed, returns):
    started = timed.client("stepfunctions").start_execution(
        stateMachineArn=timed.ready["state_machine_arn"], input=json.dumps({"returns": returns})
    )["executionArn"]
    record = once(lambda: timed.records(started.rpartition(":")[2]).get("9-closed"))
    assert record["status"] == "validation_failed"
    assert [error["path"] for error in record["errors"]] == ["returns"]


def test_a_permanent_distribution_is_not_reverted_without_the_gates(timed):
    queue = timed.queue()
    first = timed.run(a_plan(queue)).ends("completed").distribution_id
    timed.client("stepfunctions").start_execution(
        stateMachineArn=timed.ready["state_machine_arn"], input=json.dumps({"returns": first})
    )
    newest = timed.ended(queue, 2)[0]
    assert newest["status"] == "validation_failed"
    assert "no completed distribution of a temporary plan" in newest["errors"][0]["message"]


def test_the_sample_is_a_temporary_plan(timed, then):
    timed.sim.put_queue("queue-001", agents=3)
    plan = json.loads((ROOT / "events" / "plan-until.json").read_text())
    boxed(timed, "queue-001", then, **{key: value for key, value in plan.items() if key not in {"queue_id", "until"}})
    assert back(timed, "queue-001", then)["status"] == "completed"
