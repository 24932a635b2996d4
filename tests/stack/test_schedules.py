"""The schedules' door: a schedule runs once at its time, by a clock that the test sets."""

import itertools
import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from local.stack import StackError
from local.stack.ticker import Ticker, clock_of
from tests.stack.timed import timed_world
from tests.support.waiting import until
from tests.support.world import ROOT, WEIGHTS, a_plan

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2030, 3, 28, 12, tzinfo=BERLIN)
YEARS = itertools.count(2030)
DAILY = "cron(30 2 * * ? *)"


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    with timed_world(tmp_path_factory.mktemp("timed"), NOON - timedelta(days=1)) as world:
        yield world


def noon_before_a_change(year):
    """Three days before clocks go forward in Berlin, on the last Sunday of March."""
    end = datetime(year, 3, 31, 12, tzinfo=BERLIN)
    return end - timedelta(days=end.isoweekday() % 7 + 3)


@pytest.fixture
def daily(timed):
    """A queue, and a schedule of a plan for it at half past two in Berlin.

    The clock is at `timed.noon`, in a year of the test's own, since it only goes on; a run shows that it is there.
    """
    timed.noon = noon_before_a_change(next(YEARS))
    probe = timed.queue()
    at = f"at({timed.noon - timedelta(minutes=1):%Y-%m-%dT%H:%M:%S})"
    plan = a_plan(probe, dry_run=True)
    answer = timed.call("PUT", "/probe", {"expression": at, "time_zone": "Europe/Berlin", "plan": plan})
    assert answer.status_code == 200, answer.text
    timed.turn(timed.noon)
    assert timed.ended(probe, 1)[0]["status"] == "dry_run"
    assert timed.call("DELETE", "/probe").status_code == 204
    queue = timed.queue()
    yield queue, {"expression": DAILY, "time_zone": "Europe/Berlin", "plan": a_plan(queue)}
    for item in timed.call("GET", "").json()["items"]:
        assert timed.call("DELETE", f"/{item['name']}").status_code == 204


def refused(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    return {error["path"]: error["message"] for error in answer.json()["errors"]}


def test_a_schedule_is_put_shown_previewed_and_run_once(timed, daily):
    queue, body = daily
    answer = timed.call("PUT", "/early", body | {"window_minutes": 5})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert {name: shown[name] for name in ("name", "expression", "time_zone", "window_minutes")} == {
        "name": "early", "expression": DAILY, "time_zone": "Europe/Berlin", "window_minutes": 5,
    }  # fmt: skip
    assert shown["plan"]["member_weights"] == WEIGHTS
    assert shown["next_run"]
    assert timed.call("GET", "/early").json() == shown
    assert [item["name"] for item in timed.call("GET", "").json()["items"]] == ["early"]

    days = [f"{timed.noon + timedelta(days=n):%Y-%m-%d}" for n in range(5)]
    preview = timed.call("GET", "/early/preview", count=4, **{"from": timed.noon.isoformat()}).json()
    assert [run["local"] for run in preview["runs"]] == [
        f"{days[1]}T02:30:00+01:00",
        f"{days[2]}T02:30:00+01:00",
        f"{days[3]}T03:00:00+02:00",
        f"{days[4]}T02:30:00+02:00",
    ]
    assert [run["moved_from"] for run in preview["runs"]] == [[], [], [f"{days[3]}T02:30:00"], []]
    assert "skips 02:30" in preview["runs"][2]["clock_change"]

    timed.turn(datetime.fromisoformat(f"{days[1]}T02:30:10+01:00"))
    (run,) = timed.ended(queue, 1)
    assert run["status"] == "completed"
    assert (run["door"], timed.distribution(run["distribution_id"])["caller"]) == ("schedule", "early")
    assert timed.held(queue)["scores"] == WEIGHTS
    timed.turn(datetime.fromisoformat(f"{days[1]}T02:30:50+01:00"))
    for count, moment in ((2, f"{days[2]}T12:00:00+01:00"), (3, f"{days[3]}T12:00:00+02:00")):  # moved out of the gap
        timed.turn(datetime.fromisoformat(moment))
        assert {run["status"] for run in timed.ended(queue, count)} == {"completed"}


def test_a_skipped_time_runs_once_at_the_next_valid_minute_and_expires(timed, daily):
    queue, body = daily
    before = timed.held(queue)["scores"]
    sunday = timed.noon + timedelta(days=3)
    assert timed.call("PUT", "/early", body | {"until": "17:00", "start": f"{sunday:%Y-%m-%d}T00:00:00+01:00"}).ok
    assert [item["name"] for item in timed.call("GET", "").json()["items"]] == ["early"]
    timed.turn(datetime.fromisoformat(f"{sunday:%Y-%m-%d}T01:59:50+01:00"))
    timed.turn(datetime.fromisoformat(f"{sunday:%Y-%m-%d}T03:00:20+02:00"))
    (run,) = timed.ended(queue, 1)
    shown = timed.distribution(run["distribution_id"])
    assert (shown["status"], shown["door"], shown["caller"]) == ("completed", "schedule", "early")
    assert shown["returns_at"] == f"{sunday:%Y-%m-%d}T15:00:00Z"
    timed.turn(datetime.fromisoformat(f"{sunday:%Y-%m-%d}T16:59:50+02:00"))
    assert len(timed.distributions(queue)) == 1
    timed.turn(datetime.fromisoformat(f"{sunday:%Y-%m-%d}T17:00:20+02:00"))
    assert (
        timed.distribution(timed.ended(queue, 2)[0]["distribution_id"])["caller"]
        == f"return of {run['distribution_id']}"
    )
    assert timed.held(queue)["scores"] == before


def test_the_embedded_scheduler_leaves_out_skipped_times(timed, daily):
    queue, body = daily
    sunday, probe = timed.noon + timedelta(days=3), timed.queue()
    start = {"start": f"{sunday:%Y-%m-%d}T00:00:00+01:00"}
    assert timed.call("PUT", "/early", body | start).ok
    for moved in timed.client("scheduler").list_schedules(NamePrefix="moved.")["Schedules"]:
        timed.client("scheduler").delete_schedule(GroupName=moved["GroupName"], Name=moved["Name"])
    sentinel = {"expression": "cron(0 4 * * ? *)", "plan": a_plan(probe, dry_run=True)}
    assert timed.call("PUT", "/probe", body | start | sentinel).ok
    timed.turn(datetime.fromisoformat(f"{sunday:%Y-%m-%d}T04:00:20+02:00"))
    timed.ended(probe, 1)
    assert timed.distributions(queue) == []


def test_a_second_put_replaces_and_a_delete_stops(timed, daily):
    queue, body = daily
    other, once = timed.queue(), f"at({timed.noon + timedelta(days=1):%Y-%m-%d}T02:30:00)"
    assert timed.call("PUT", "/shift", body).status_code == 200
    replaced = timed.call("PUT", "/shift", body | {"expression": once, "plan": a_plan(other)})
    assert replaced.status_code == 200
    assert replaced.json()["expression"] == once
    assert timed.call("PUT", "/gone", body | {"plan": a_plan(queue)}).status_code == 200
    assert timed.call("DELETE", "/gone").status_code == 204
    timed.turn(timed.noon + timedelta(days=2))
    assert len(timed.ended(other, 1)) == 1
    assert timed.distributions(queue) == []
    for method, path in (("GET", "/gone"), ("DELETE", "/gone"), ("GET", "/gone/preview")):
        assert timed.call(method, path).json()["type"] == "/problems/schedule-not-found"


def test_a_schedule_goes_to_a_target_with_retries_and_dead_letters(timed, daily):
    _, body = daily
    timed.call("PUT", "/early", body | {"end": "2131-01-01T00:00:00Z"})
    kept = timed.client("scheduler").get_schedule(GroupName="ScheduleGroup", Name="early")
    target = kept["Target"]
    assert target["Arn"] == timed.ready["state_machine_arn"]
    assert target["RoleArn"].endswith("ScheduleRole")
    assert target["DeadLetterConfig"]["Arn"].endswith("ScheduleDeadLetters")
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 900, "MaximumRetryAttempts": 10}
    assert kept["EndDate"].isoformat() == "2131-01-01T00:00:00+00:00"


def test_a_run_that_the_role_may_not_start_is_a_dead_letter(timed, daily):
    _, body = daily
    timed.call("PUT", "/early", body)
    scheduler, sqs = timed.client("scheduler"), timed.client("sqs")
    kept = scheduler.get_schedule(GroupName="ScheduleGroup", Name="early")
    recover = timed.ready["recover_state_machine"]
    scheduler.update_schedule(
        **{key: kept[key] for key in ("GroupName", "Name", "ScheduleExpression", "ScheduleExpressionTimezone")},
        FlexibleTimeWindow=kept["FlexibleTimeWindow"],
        Target=kept["Target"] | {"Arn": recover},
    )
    timed.turn(timed.noon + timedelta(days=1))
    url = timed.ready["schedule_dead_letters"]
    (letter,) = until(lambda: sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"))
    sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
    why = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert (why["ERROR_CODE"], why["TARGET_ARN"]) == ("AccessDeniedException", recover)
    assert "ScheduleRole/Schedule is not authorized to perform: states:StartExecution" in why["ERROR_MESSAGE"]
    assert json.loads(letter["Body"])["origin"] == {"door": "schedule", "caller": "early"}


def test_a_rate_with_a_past_start_keeps_its_step(timed, daily):
    queue, body = daily
    hourly = body | {"expression": "rate(1 hour)", "start": "2026-01-01T00:20:00Z"}
    shown = timed.call("PUT", "/hourly", hourly).json()
    assert (shown["start"], shown["next_run"][14:16]) == ("2026-01-01T00:20:00Z", "20")
    assert timed.call("PUT", "/hourly", hourly).status_code == 200
    timed.turn(timed.noon + timedelta(minutes=30))
    assert len(timed.ended(queue, 1)) == 1


def test_a_schedule_reverts_to_a_baseline(timed, daily):
    queue, body = daily
    first = timed.run(a_plan(queue)).start("api").ends("completed").distribution_id
    back = {"expression": DAILY, "baseline": {"queue_id": queue, "name": "normal"}}
    missing = timed.call("PUT", "/back", back)
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/baseline-not-found")
    set_to = timed.http.put(f"{timed.api_url}/queues/{queue}/baselines/normal", json={}, timeout=60)
    assert set_to.status_code == 200
    shown = timed.call("PUT", "/back", back).json()
    assert shown["baseline"] == back["baseline"]
    assert shown["plan"]["restores"] == {"distribution_id": first, "image": "after"}
    timed.run(body["plan"] | {"member_weights": {"agent-001": 0.1}}).start("api").ends("completed")
    timed.turn(timed.noon + timedelta(days=1))
    assert timed.ended(queue, 3)[0]["status"] == "completed"
    assert timed.held(queue)["scores"] == WEIGHTS

    # The baseline as it is at the run: set anew meanwhile, and the schedule left as it was.
    other = {"agent-001": 0.2, "agent-002": 0.2, "agent-003": 0.2}
    timed.run(body["plan"] | {"member_weights": other}).start("api").ends("completed")
    assert timed.http.put(f"{timed.api_url}/queues/{queue}/baselines/normal", json={}, timeout=60).status_code == 200
    timed.run(body["plan"]).start("api").ends("completed")
    timed.turn(timed.noon + timedelta(days=2))
    assert timed.ended(queue, 6)[0]["status"] == "completed"
    assert timed.held(queue)["scores"] == other


def test_each_run_of_a_temporary_plan_expires(timed, daily):
    queue, body = daily
    before = timed.held(queue)["scores"]
    shown = timed.call("PUT", "/box", body | {"expression": "cron(0 20 * * ? *)", "until": "02:30"})
    assert shown.status_code == 200, shown.text
    assert shown.json()["until"] == "02:30"
    assert shown.json()["next_return"][10:16] == "T02:30"
    runs = timed.call("GET", "/box/preview", count=3, **{"from": timed.noon.isoformat()}).json()["runs"]
    days = [f"{timed.noon + timedelta(days=n):%Y-%m-%d}" for n in range(4)]
    assert [(run["local"], run["returns"]) for run in runs] == [
        (f"{days[0]}T20:00:00+01:00", f"{days[1]}T02:30:00+01:00"),
        (f"{days[1]}T20:00:00+01:00", f"{days[2]}T02:30:00+01:00"),
        (f"{days[2]}T20:00:00+01:00", f"{days[3]}T03:00:00+02:00"),  # the clock skips 02:30
    ]
    for number, run in enumerate(runs):
        timed.turn(datetime.fromisoformat(run["local"]) + timedelta(seconds=10))
        applied = timed.distribution(timed.ended(queue, 2 * number + 1)[0]["distribution_id"])
        assert (applied["status"], applied["caller"]) == ("completed", "box")
        assert datetime.fromisoformat(applied["returns_at"]) == datetime.fromisoformat(run["returns"])
        assert timed.held(queue)["scores"] == WEIGHTS
        timed.turn(datetime.fromisoformat(run["returns"]) + timedelta(seconds=10))
        returned = timed.distribution(timed.ended(queue, 2 * number + 2)[0]["distribution_id"])
        assert (returned["status"], returned["restores"]["distribution_id"]) == (
            "completed",
            applied["distribution_id"],
        )
        assert timed.held(queue)["scores"] == before


def test_a_refused_schedule_is_not_stored(timed, daily):
    _, body = daily
    wrong = body | {"expression": "cron(60 25 * * * *)", "time_zone": "Europe/Atlantis", "until": "soon"}
    wrong["plan"] = body["plan"] | {"overflow_threshold": 2, "colour": "red"}
    answer = timed.call("PUT", "/wrong", wrong)
    assert answer.json()["error_count"] == 7
    assert refused(answer, 422).keys() == {
        *("expression", "time_zone", "until", "plan.overflow_threshold", "plan.colour"),
    }
    never = refused(timed.call("PUT", "/wrong", body | {"expression": "cron(0 0 31 2 ? *)"}), 422)
    assert "no run from now on" in never["expression"]
    assert refused(timed.call("PUT", "/a.b", body), 422).keys() == {"name"}
    assert refused(timed.call("PUT", "/wrong", b"{"), 422).keys() == {""}
    assert timed.call("GET", "").json() == {"items": [], "next": None}


def test_a_preview_asks_for_a_number_of_runs_and_a_time(timed, daily):
    _, body = daily
    timed.call("PUT", "/early", body)
    assert len(timed.call("GET", "/early/preview").json()["runs"]) == 10
    assert refused(timed.call("GET", "/early/preview", count=101), 422).keys() == {"count"}
    assert refused(timed.call("GET", "/early/preview", **{"from": "soon"}), 422).keys() == {"from"}


def test_the_list_is_read_page_by_page(timed, daily):
    _, body = daily
    for name in ("a", "b", "c"):
        timed.call("PUT", f"/{name}", body)
    first = timed.call("GET", "", limit=2).json()
    rest = timed.call("GET", "", limit=2, next=first["next"]).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    assert {item["name"] for item in first["items"] + rest["items"]} == {"a", "b", "c"}


@pytest.mark.usefixtures("daily")
@pytest.mark.parametrize("sample", ["schedule.json", "schedule-baseline.json", "schedule-until.json"])
def test_a_sample_is_a_schedule(timed, sample):
    timed.sim.put_queue("queue-001", agents=12)
    timed.run(a_plan("queue-001")).start("api").ends("completed")
    timed.http.put(f"{timed.api_url}/queues/queue-001/baselines/normal", json={}, timeout=60)
    answer = timed.call("PUT", "/sample", (ROOT / "events" / sample).read_bytes())
    assert answer.status_code == 200, answer.text
    assert answer.json()["plan"]["queue_id"] == "queue-001"


# ---- the clock -------------------------------------------------------------------------------------------------------


def test_a_clock_is_the_wall_a_factor_or_a_file(tmp_path):
    file = tmp_path / "clock"
    file.write_text("2030-03-28T12:00:00+01:00\n")
    assert clock_of(str(file))() == NOON
    fast, begun = clock_of("x1000"), clock_of("")()
    until(lambda: fast() - begun > timedelta(seconds=20))
    for wrong in ("x0", "60", str(tmp_path), str(tmp_path / "none")):
        with pytest.raises(StackError, match="SCHEDULE_CLOCK"):
            clock_of(wrong)
    file.write_text("2030-03-28T12:00:00")
    with pytest.raises(StackError, match="SCHEDULE_CLOCK"):
        clock_of(str(file))


def test_a_clock_that_goes_back_starts_nothing_twice():
    schedule = {
        "ScheduleExpression": "cron(* * * * ? *)", "ScheduleExpressionTimezone": "UTC", "StartDate": None,
        "EndDate": None, "ActionAfterCompletion": None, "Target": {"Arn": "machine", "Input": "{}"},
    }  # fmt: skip
    times, started, deleted = iter([0, 1, 0, 1, 3]), [], []
    ticker = Ticker(
        lambda: [schedule, schedule | {"ScheduleExpression": "cron(nonsense)"}],
        lambda arn, text: started.append((arn, text)),
        deleted.append,
        None,
        lambda: NOON + timedelta(minutes=next(times)),
    )
    counts = []
    for _ in range(4):
        ticker.tick()
        counts.append(len(started))
    assert counts == [1, 1, 1, 3]
    assert [(target["Arn"], text) for target, text in started] == [("machine", "{}")] * 3
    assert deleted == []
