"""The operators' HTTP door, and that the console's door opens the same way."""

import base64
import json
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from local.checks.fuzz import fuzz
from tests.support.waiting import until
from tests.support.world import ROOT, WEBHOOK_SECRET, WEIGHTS, a_plan, assert_is_a_sentence

EVENTS = {
    "console-dry-run.json": "dry_run",
    "console-mistakes.json": "validation_failed",
    "plan-on-drift.json": "completed",
    "console-plan.json": "completed",
    "plan.json": "completed",
    "plan-dry-run.json": "dry_run",
    "plan-normalize.json": "completed",
    "plan-refused.json": "validation_failed",
    "plan-saturated.json": "saturation_blocked",
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def ended(world, distribution_id):
    def terminal():
        answer = world.distribution(distribution_id)
        return answer if answer["terminal"] else None

    return until(terminal)


def problem_of(answer, status):
    """Check what every refusal has in common, and return its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert re.fullmatch(r"/problems/[a-z-]+", body["type"])
    assert body["title"]
    assert body["detail"]
    return body


# ---- POST /plans -----------------------------------------------------------------------------------------------------


def test_an_accepted_plan_says_where_its_distribution_is(world, queue):
    answer = world.post(a_plan(queue))
    assert answer.status_code == 202
    body = answer.json()
    assert body.keys() >= {"distribution_id", "status", "execution_arn"}
    assert answer.headers["Location"] == f"/distributions/{body['distribution_id']}"
    assert body["status"] == "initiated"
    assert body["execution_arn"].endswith(f":{body['distribution_id']}")
    assert body["requested_weights"] == WEIGHTS
    there = world.get(answer.headers["Location"])
    assert there.status_code == 200
    assert ended(world, body["distribution_id"])["status"] == "completed"


def test_without_a_key_every_request_is_a_new_intent(world, queue):
    plans = [a_plan(queue), a_plan(queue, {"agent-001": 0.1}), a_plan(queue)]
    ids = []
    for plan in plans:
        ids.append(world.post(plan).json()["distribution_id"])
        assert ended(world, ids[-1])["status"] == "completed"
    assert len(set(ids)) == 3
    assert world.held(queue)["scores"] == WEIGHTS


def test_a_key_and_its_plan_are_one_distribution_even_after_it_has_ended(world, queue):
    plan, key = a_plan(queue), f"shift-of-{queue}"
    answers = [world.post(plan, key), world.post(dict(reversed(plan.items())), key)]
    distribution_id = answers[0].json()["distribution_id"]
    assert ended(world, distribution_id)["status"] == "completed"
    writes = len(world.requests_about(queue))
    world.sim.edit_member(queue, "agent-001", score=0.0)  # a second run would put it right
    answers.append(world.post(plan, key))
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert {answer.json()["distribution_id"] for answer in answers} == {distribution_id}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    page = world.get(f"/queues/{queue}/distributions").json()
    assert [item["distribution_id"] for item in page["items"]] == [distribution_id]
    assert len(world.requests_about(queue)) == writes


def test_requests_with_one_key_at_once_are_one_distribution(world, queue):
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda _: world.post(a_plan(queue), f"at-once-{queue}"), range(4)))
    assert {answer.status_code for answer in answers} == {202}
    (distribution_id,) = {answer.json()["distribution_id"] for answer in answers}
    assert ended(world, distribution_id)["status"] == "completed"


def test_a_key_with_another_plan_is_a_conflict_that_names_the_first(world, queue):
    key = f"conflict-{queue}"
    first = world.post(a_plan(queue, dry_run=True), key).json()["distribution_id"]
    body = problem_of(world.post(a_plan(queue, {"agent-001": 0.1}), key), 409)
    assert body["distribution_id"] == first
    assert "new key" in body["detail"]
    assert ended(world, first)["status"] == "dry_run"
    other = world.post(a_plan(queue, dry_run=True), f"{key}-2")
    assert ended(world, other.json()["distribution_id"])["distribution_id"] != first


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_that_is_empty_or_too_long_is_refused(world, queue, key):
    body = problem_of(world.post(a_plan(queue), key), 422)
    assert [error["path"].lower() for error in body["errors"]] == ["idempotency-key"]


def test_normalize_shows_both_sets_of_weights(world, queue):
    sent = {"agent-001": 0.8, "agent-002": 0.7, "agent-003": 0.5}
    scaled = pytest.approx({"agent-001": 0.4, "agent-002": 0.35, "agent-003": 0.25})
    body = world.post(a_plan(queue, sent, normalize=True)).json()
    assert (body["submitted_weights"], body["requested_weights"]) == (sent, scaled)
    record = ended(world, body["distribution_id"])
    assert record["status"] == "completed"
    assert (record["submitted_weights"], record["requested_weights"]) == (sent, scaled)
    assert record["applied_weights"] == record["requested_weights"] == world.held(queue)["scores"]
    assert record["balance_accuracy"] == 100


def test_nothing_is_changed_that_the_plan_does_not_name(world, queue):
    own = {"wrapUpTimeout": 47, "description": "Ours", "mediaSettings": {"call": {"alertingTimeoutSeconds": 11}}}
    world.sim.edit_queue(queue, **own)
    world.sim.edit_member(queue, "agent-002", routingType="Manual", joined=False)
    before = world.held(queue)
    weights = {"agent-001": 0.5, "agent-002": 0.3}
    assert ended(world, world.post(a_plan(queue, weights)).json()["distribution_id"])["status"] == "completed"
    after = world.held(queue)
    stamps = {"utilizationThreshold", "version", "dateModified"}
    assert after["queue"]["utilizationThreshold"] == 0.85
    assert {k: v for k, v in after["queue"].items() if k not in stamps} == {
        k: v for k, v in before["queue"].items() if k not in stamps
    }
    for user_id, member in before["members"].items():
        assert after["members"][user_id] == member | {"score": weights.get(user_id, member["score"])}


def test_a_wrap_up_timeout_that_the_plan_names_is_set(world, queue):
    answer = world.post(a_plan(queue, wrap_up_timeout_s=25))
    assert ended(world, answer.json()["distribution_id"])["status"] == "completed"
    assert world.held(queue)["queue"]["wrapUpTimeout"] == 25


# ---- bad bodies ------------------------------------------------------------------------------------------------------

VALID = a_plan("queue-of-bad-plans")
SPACED = json.dumps(VALID)


def with_(**changes):
    return json.dumps(VALID | changes)


def without(field):
    return json.dumps({key: value for key, value in VALID.items() if key != field})


BAD_BODIES = {
    "a weight above 1": (with_(member_weights={"agent-001": 1.5}), {"member_weights.agent-001"}),
    "a negative weight": (with_(member_weights={"agent-001": -0.1}), {"member_weights.agent-001"}),
    "a weight in a string": (with_(member_weights={"agent-001": "0.5"}), {"member_weights.agent-001"}),
    "a boolean weight": (with_(member_weights={"agent-001": True}), {"member_weights.agent-001"}),
    "no weight": (with_(member_weights={"agent-001": None}), {"member_weights.agent-001"}),
    "weights above 1 in sum": (with_(member_weights={"a": 0.6, "b": 0.6}), {"member_weights"}),
    "empty weights": (with_(member_weights={}), {"member_weights"}),
    "weights in a list": (with_(member_weights=[0.5]), {"member_weights"}),
    "NaN": (SPACED.replace("0.5", "NaN"), {"member_weights.agent-001"}),
    "Infinity": (SPACED.replace("0.85", "Infinity"), {"overflow_threshold"}),
    "minus Infinity": (SPACED.replace("0.85", "-Infinity"), {"overflow_threshold"}),
    "1e999": (SPACED.replace("0.85", "1e999"), {"overflow_threshold"}),
    "an id that is a path": (with_(queue_id="../users"), {"queue_id"}),
    "an id with a line break": (with_(queue_id="queue\n"), {"queue_id"}),
    "an empty id": (with_(queue_id=""), {"queue_id"}),
    "a number as an id": (with_(queue_id=7), {"queue_id"}),
    "a member that is a path": (with_(member_weights={"a/b": 0.5}), {"member_weights.a/b"}),
    "a threshold above 1": (with_(overflow_threshold=1.01), {"overflow_threshold"}),
    "a target below 0": (with_(utilization_target=-1), {"utilization_target"}),
    "a negative load": (with_(projected_load=-1), {"projected_load"}),
    "a load in a string": (with_(projected_load="6"), {"projected_load"}),
    "a skill that is no text": (with_(required_skills=["ok", 5]), {"required_skills.1"}),
    "an unknown field": (with_(colour="red"), {"colour"}),
    "a word for a truth": (with_(dry_run="yes"), {"dry_run"}),
    "half a second of wrap-up": (with_(wrap_up_timeout_s=0.5), {"wrap_up_timeout_s"}),
    "no strategy": (without("strategy_reference"), {"strategy_reference"}),
    "the same member twice": (SPACED.replace('"agent-002"', '"agent-001"'), {"member_weights.agent-001"}),
    "the same field twice": (SPACED[:-1] + ', "queue_id": "queue-of-bad-plans"}', {"queue_id"}),
    "more members than 5,000": (with_(member_weights={f"a{n}": 0 for n in range(5_001)}), {"member_weights"}),
    "a body above 1 MiB": (SPACED + " " * 1_048_576, {""}),
    "bytes that are no UTF-8": (SPACED.encode().replace(b"longest", b"\xff\xfe"), {""}),
    "an empty body": (b"", {""}),
    "an array": ("[1]", {""}),
    "a text": ('"plan"', {""}),
    "half a document": (SPACED[:40], {""}),
    "nesting without an end": ("[" * 50_000, {""}),
    "a number of 5,000 digits": (SPACED.replace("0.85", "9" * 5_000), {""}),
    "everything at once": (
        json.dumps({"queue_id": "a/b", "member_weights": {"x": 2, "y": "1"}, "overflow_threshold": -1, "colour": 1}),
        {
            *("queue_id", "member_weights.x", "member_weights.y", "overflow_threshold", "colour"),
            *("utilization_target", "strategy_reference"),
        },
    ),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused_with_every_error_and_audited(world, name):
    body, paths = BAD_BODIES[name]
    asked = len(world.sim.requests())
    refusal = problem_of(world.post(body), 422)
    assert refusal["type"] == "/problems/plan-invalid"
    assert {error["path"] for error in refusal["errors"]} == paths
    assert all(error["message"] and error["type"] for error in refusal["errors"])
    record = world.distribution(refusal["distribution_id"])
    assert (record["status"], record["terminal"], record["door"]) == ("validation_failed", True, "api")
    assert record["errors"] == refusal["errors"]
    assert world.records(refusal["distribution_id"]).keys() == {"0-opened", "9-closed"}
    assert len(world.sim.requests()) == asked


def test_of_very_many_errors_the_first_hundred_are_listed_and_all_are_counted(world):
    refusal = problem_of(world.post(with_(member_weights={f"a{n}": 2 for n in range(300)})), 422)
    assert len(refusal["errors"]) == 100
    assert refusal["error_count"] == 300


def test_a_body_in_another_encoding_than_text_is_read_all_the_same(world, queue):
    answer = world.post(json.dumps(a_plan(queue, dry_run=True)), **{"Content-Type": "application/octet-stream"})
    assert answer.status_code == 202, answer.text


# ---- GET -------------------------------------------------------------------------------------------------------------


def test_an_ended_distribution_shows_what_was_read_back(world, queue):
    plan = a_plan(queue, requested_by="wfm", reason="evening", required_skills=["Support"])
    begun = time.monotonic()
    with world.holding(f"/{queue}"):
        run = world.run(plan).start("api")
        running = world.distribution(run.distribution_id)
        until(lambda: world.requests_about(queue))
        until(lambda: time.monotonic() > world.requests_about(queue)[0]["monotonic"] + 0.5)
    assert (running["status"], running["terminal"], running["errors"]) == ("initiated", False, [])
    assert (running["requested_weights"], running["applied_weights"]) == (WEIGHTS, {})
    assert (running["projection"], running["balance_accuracy"], running["closed_at"]) == (None, None, None)

    run.ends("completed")
    done = world.distribution(run.distribution_id)
    assert (done["status"], done["terminal"], done["errors"]) == ("completed", True, [])
    assert done["distribution_id"] == run.distribution_id
    assert done["queue_id"] == queue
    assert done["requested_weights"] == done["applied_weights"] == WEIGHTS
    assert done["overflow_threshold"] == done["applied_overflow_threshold"] == 0.85
    assert done["balance_accuracy"] == 100
    assert 500 <= done["latency_ms"] <= 1_000 * (time.monotonic() - begun)
    assert done["projection"].items() >= {
        "active_agents": 3, "capacity": pytest.approx(2.4), "projected_load": 1.0, "source": "plan",
        "saturation_ratio": pytest.approx(1 / 2.4), "verdict": "pass",
    }.items()  # fmt: skip
    assert (done["requested_by"], done["reason"], done["strategy_reference"]) == (
        "wfm", "evening", "longest-available-agent",
    )  # fmt: skip
    moments = [done[name] for name in ("started_at", "opened_at", "closed_at")]
    assert all(MOMENT.fullmatch(moment) for moment in moments)
    assert moments[0] <= moments[2]
    assert moments[1] <= moments[2]


def test_a_blocked_distribution_says_why_in_a_sentence(world, queue):
    answer = world.post(a_plan(queue, projected_load=90))
    done = ended(world, answer.json()["distribution_id"])
    assert done["status"] == "saturation_blocked"
    assert done["projection"]["verdict"] == "blocked"
    (error,) = done["errors"]
    assert error["type"] == "QueueSaturated"
    assert_is_a_sentence(error["message"])


def test_a_run_of_the_console_has_its_executions_name_as_its_id(world, queue):
    name = f"evening-of-{queue}"
    world.client("stepfunctions").start_execution(
        stateMachineArn=world.ready["state_machine_arn"], name=name, input=json.dumps(a_plan(queue))
    )
    until(lambda: world.get(f"/distributions/{name}").status_code == 200)
    assert ended(world, name)["status"] == "completed"


@pytest.mark.parametrize("distribution_id", ["nothing-like-it", "a b", "%2e%2e", "é", "x" * 80])
def test_a_distribution_that_is_not_there_is_not_found(world, distribution_id):
    answer = world.get(f"/distributions/{quote(distribution_id, safe='%')}")
    assert answer.status_code in ({404} if " " not in distribution_id else {404, 422})
    assert "status" in problem_of(answer, answer.status_code)


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/plans"), ("DELETE", "/distributions/x")])
def test_a_route_that_is_not_there_is_not_found(world, method, path):
    assert world.http.request(method, world.api_url + path, timeout=10).status_code == 404


# ---- the audit trail of a queue --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trail(world):
    """A queue with five refused plans, the oldest first. A refusal belongs to the queue that it names."""
    queue = world.queue()
    plans = [a_plan(queue, overflow_threshold=2, reason=f"reason {n}") for n in range(5)]
    return queue, [problem_of(world.post(plan), 422)["distribution_id"] for plan in plans]


def listed(world, queue, **query):
    answer = world.get(f"/queues/{queue}/distributions", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids_of(page):
    return [item["distribution_id"] for item in page["items"]]


def test_a_queues_trail_is_listed_newest_first(world, trail):
    queue, ids = trail
    page = listed(world, queue)
    assert ids_of(page) == ids[::-1]
    assert page["next"] is None
    assert {item["status"] for item in page["items"]} == {"validation_failed"}
    assert {item["queue_id"] for item in page["items"]} == {queue}
    moments = [item["timestamp"] for item in page["items"]]
    assert moments == sorted(moments, reverse=True)


def test_a_queues_trail_is_read_page_by_page_to_its_end(world, trail):
    queue, ids = trail
    found, token, pages = [], None, 0
    while pages == 0 or token:
        page = listed(world, queue, limit=2, **({"next": token} if token else {}))
        assert len(page["items"]) <= 2
        found += ids_of(page)
        token, pages = page["next"], pages + 1
        assert pages <= 4
    assert found == ids[::-1]


NOTHING = {"items": [], "unreadable": [], "next": None}


def test_from_and_to_are_inclusive_and_understand_offsets(world, trail):
    queue, ids = trail
    moments = [item["timestamp"] for item in listed(world, queue)["items"]][::-1]
    assert ids_of(listed(world, queue, since=moments[1], to=moments[3])) == ids[3:0:-1]
    assert ids_of(listed(world, queue, since=moments[4])) == ids[4:]
    assert ids_of(listed(world, queue, to=moments[0])) == ids[:1]
    assert ids_of(listed(world, queue, since=moments[2].replace("Z", "+00:00"))) == ids[:1:-1]
    assert listed(world, queue, to="2020-01-01") == NOTHING


def test_a_queue_without_a_trail_has_an_empty_one(world):
    assert listed(world, "queue-nobody-wrote-to") == NOTHING


def test_a_running_distribution_is_listed_and_an_ended_one_once(world, queue):
    with world.holding(f"/{queue}"):
        run = world.run(a_plan(queue)).start("api")
        assert [item["status"] for item in listed(world, queue)["items"]] == ["initiated"]
    run.ends("completed")
    (item,) = listed(world, queue)["items"]
    assert (item["status"], item["balance_accuracy"], item["door"]) == ("completed", 100, "api")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("limit", value) for value in ("0", "51", "-1", "x", "1.5")),
        *(("from", value) for value in ("yesterday", "2026-13-01", "9999-12-31T23:59:59-23:59", "12")),
        ("to", "2026-01-01T25:00:00Z"),
        *(("next", value) for value in ("garbage", "é", "x" * 3_000, "W10=", "NQ==", "eyJhIjoxfQ==")),
    ],
)
def test_a_bad_parameter_is_refused_and_named(world, trail, parameter, value):
    answer = world.http.get(f"{world.api_url}/queues/{trail[0]}/distributions", params={parameter: value}, timeout=10)
    body = problem_of(answer, 422)
    assert [error["path"] for error in body["errors"]] == [parameter]


@pytest.mark.parametrize(
    "forge",
    [
        lambda key: key | {"opened_queue_id": {"S": "another-queue"}},
        lambda key: key | {"timestamp": {"N": "1"}},
        lambda key: key | {"timestamp": "2026"},
        lambda key: key | {"more": {"S": "x"}},
        lambda key: key | {"timestamp": {"S": ""}},
        lambda key: key | {"distribution_id": {"S": ""}},
        lambda key: [key],
    ],
)
def test_a_forged_page_token_is_refused(world, trail, forge):
    queue, _ = trail
    key = json.loads(base64.urlsafe_b64decode(listed(world, queue, limit=2)["next"]))
    token = base64.urlsafe_b64encode(json.dumps(forge(key)).encode()).decode()
    problem_of(world.get(f"/queues/{queue}/distributions", next=token), 422)


def test_a_page_token_of_another_queue_is_refused(world, trail):
    other = world.queue()
    for _ in range(2):
        world.post(a_plan(other, overflow_threshold=2))
    token = listed(world, other, limit=1)["next"]
    problem_of(world.get(f"/queues/{trail[0]}/distributions", next=token), 422)


# ---- /queues/{queue_id}/forecast -------------------------------------------------------------------------------------


def test_a_pushed_forecast_is_what_a_plan_without_a_load_is_projected_with(world):
    queue = world.queue(agents=30)
    address = f"{world.api_url}/queues/{queue}/forecast"
    sample = (Path(ROOT) / "events" / "forecast.json").read_bytes()
    shown = world.http.put(address, data=sample, headers={"Content-Type": "application/json"})
    assert (shown.status_code, shown.json()["state"], shown.json()["load"]) == (200, "valid", 10.0)
    known = world.run(a_plan(queue, projected_load=None, accept_uncertain=True)).ends("completed").record["projection"]
    assert (known["source"], known["projected_load"]) == ("pushed", 10.0)
    assert known["source_age_s"] < 600
    assert problem_of(world.http.put(address, json={"offered": -1}), 422)["errors"]
    assert world.http.delete(address).status_code == 204
    assert problem_of(world.http.get(address), 404)["type"] == "/problems/forecast-not-found"


def test_the_commands_of_the_page_on_forecasts_do_what_it_says(world):
    page = (Path(ROOT) / "docs/use/forecasts.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    script = script.replace("http://127.0.0.1:3000", world.api_url)
    done = subprocess.run(["sh", "-e", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    pushed, shown = (json.loads(line) for line in done.stdout.splitlines()[:2])
    assert (pushed["load"], shown["load"], shown["state"]) == (10.0, 10.0, "valid")
    assert done.stdout.splitlines()[2:] == ["204"]


# ---- named plans -----------------------------------------------------------------------------------------------------


def test_a_named_plan_is_saved_applied_and_deleted_by_people_who_do_not_replace_each_others_work(world, queue):
    path = f"/queues/{queue}/plans/Storm"

    def ask(method, path=path, body=None, **headers):
        return world.http.request(method, f"{world.api_url}{path}", json=body, headers=headers, timeout=60)

    content = {name: value for name, value in a_plan(queue).items() if name != "queue_id"}
    problem_of(ask("GET"), 404)
    saved = ask("PUT", body=content)
    assert (saved.status_code, saved.headers["ETag"]) == (200, f'"{saved.json()["version"]}"')
    assert (saved.json()["plan"], saved.json()["members"]) == (content, 3)
    mine = {"If-Match": saved.headers["ETag"]}
    theirs = ask("PUT", body=content | {"overflow_threshold": 0.6}, **mine)
    assert theirs.status_code == 200
    told = problem_of(ask("PUT", body=content | {"overflow_threshold": 0.5}, **mine), 412)
    assert told["type"] == "/problems/named-plan-changed"
    assert theirs.json()["version"] in told["detail"]
    problem_of(ask("POST", f"{path}/apply", {}, **mine), 412)
    assert ask("GET").json() == theirs.json()
    (line,) = ask("GET", f"/queues/{queue}/plans").json()["items"]
    assert line == {name: value for name, value in theirs.json().items() if name != "plan"}

    key = {"Idempotency-Key": f"storm-{queue}"}
    first, second = (ask("POST", f"{path}/apply", {"requested_by": "wfm"}, **key) for _ in range(2))
    assert (first.status_code, first.headers["Location"]) == (202, second.headers["Location"])
    record = ended(world, first.json()["distribution_id"])
    assert (record["status"], record["requested_by"], record["reason"]) == ("completed", "wfm", "Named plan Storm.")
    assert (world.held(queue)["scores"], record["overflow_threshold"]) == (WEIGHTS, 0.6)

    problem_of(ask("DELETE", **mine), 412)
    assert ask("DELETE", **{"If-Match": theirs.headers["ETag"]}).status_code == 204
    problem_of(ask("DELETE"), 404)


# ---- two doors, one system -------------------------------------------------------------------------------------------


def test_the_console_and_the_api_leave_the_same_record(world, queue):
    plan = a_plan(queue, requested_by="wfm", reason="evening")
    runs = []
    for door in ("console", "api"):
        world.sim.put_queue(queue, agents=3)
        runs.append(world.run(plan).start(door).ends("completed"))
    own = {
        *("distribution_id", "execution_arn", "started_at", "timestamp", "latency_ms", "before_image"),
        *("door", "caller", "request_id"),
        *("effort", "cost"),  # two runs take different milliseconds
        *("chain_number", "chain_before", "chain_hash", "documents"),
    }
    for name in ("opened", "record"):
        console, api = ({k: v for k, v in getattr(run, name).items() if k not in own} for run in runs)
        moments = [(record.get("projection") or {}).get("observed", {}).pop("at", None) for record in (console, api)]
        assert console == api
        assert (None in moments) is (name == "opened")
    assert [run.record["door"] for run in runs] == ["execution", "api"]
    assert runs[0].states == runs[1].states


def test_no_door_lets_a_plan_replace_what_its_author_has_not_seen(world, queue):
    first = world.run(a_plan(queue, based_on="none")).ends("completed").distribution_id
    seen = a_plan(queue, {"agent-001": 0.1}, based_on=first, requested_by="wfm", reason="storm")
    second = world.run(seen).start("api").ends("completed").distribution_id
    before = world.held(queue)
    late = a_plan(queue, {"agent-002": 0.7}, based_on=first)
    for plan, door in ((late, "console"), (late | {"dry_run": True}, "console"), (late, "api")):
        run = world.run(plan).start(door)
        run.ends("outdated").reaches("Lock", "Project", "Audit", "Unlock", "Failed").avoids("Patch queue")
        (error,) = run.record["errors"]
        assert {name: error[name] for name in ("type", "path", "in_force", "applied_by", "reason")} == {
            "type": "Outdated",
            "path": "based_on",
            "in_force": second,
            "applied_by": "wfm",
            "reason": "storm",
        }
        assert (run.requests, run.record["based_on"]) == ([], first)
    world.run({"restore": second, "based_on": first}).ends("outdated")
    back = world.http.post(f"{world.api_url}/distributions/{second}/restore", json={"based_on": first}, timeout=60)
    assert ended(world, back.json()["distribution_id"])["status"] == "outdated"
    fleet = world.http.post(f"{world.api_url}/fleets", json={"plans": [late]}, timeout=60).headers["Location"]
    until(lambda: world.get(fleet).json()["terminal"])
    assert [each["status"] for each in world.get(f"{fleet}/queues").json()["items"]] == ["outdated"]
    assert world.held(queue) == before


def test_the_console_and_the_api_refuse_with_the_same_errors(world):
    plan = a_plan("queue-of-bad-plans", {"a": 0.7, "b": 0.7}, overflow_threshold=2, colour="red")
    at_the_api = problem_of(world.post(plan), 422)
    in_the_console = world.run(plan).ends("validation_failed")
    assert in_the_console.record["errors"] == at_the_api["errors"]
    assert {error["path"] for error in at_the_api["errors"]} == {"member_weights", "overflow_threshold", "colour"}


def test_every_sample_is_known():
    others = {
        "console-restore.json",
        "draw.json",
        "draw-over-http.json",
        "fleet.json",
        "forecast.json",
        "partner-activity.json",
        "partner-audit.json",
        "partner-queue-user.json",
        "partner-routing-status.json",
        "named-plan.json",
        "plan-next-shift.json",
        "plan-until.json",
        "reading.json",
        "schedule-baseline.json",
        "schedule-until.json",
        "schedule.json",
        "suggest.json",
        "webhook-audit.json",
        "webhook-document.json",
    }
    assert {
        path.name for path in (ROOT / "events").iterdir()
    } == EVENTS.keys() | OF_PLATFORM.keys() | VERDICTS.keys() | others


OF_PLATFORM = {
    "plan.json": {"ringNumber": [1, 1, 3]},
    "plan-ring.json": {"ringNumber": [1, 1, 3]},
    "plan-overflow.json": {"ringNumber": [1, 1, 3]},
    "plan-proficiency.json": {"proficiency": [5.0, 4.4, 3.1]},
    "plan-joined.json": {"joined": [True, True, False]},
    "plan-share.json": {"share": [0.4, 0.35, 0.25]},
}
"""What the first three agents hold afterwards."""


@pytest.mark.parametrize("name", OF_PLATFORM)
def test_a_sample_for_the_public_api_is_applied(platform_world, name):
    platform_world.sim.put_queue("queue-001", agents=12, skills=[{"id": "skill-support", "name": "Support"}])
    answer = platform_world.post((Path(ROOT) / "events" / name).read_text(encoding="utf-8"))
    found = ended(platform_world, answer.json()["distribution_id"])
    assert found["status"] == "completed"
    if name == "plan-proficiency.json":  # every second of 11 on queue has it; agent-002 gets it by the plan
        assert found["projection"]["skills"]["Support >= 3"]["agents"] == pytest.approx(7 / 11)
    held = list(platform_world.held("queue-001")["members"].values())[:3]
    ((field, expected),) = OF_PLATFORM[name].items()
    if field == "share":
        shares = platform_world.shares("queue-001")
        assert [shares["weights"][member["user"]["id"]] for member in held] == expected
        assert (shares["share"], shares["distribution_id"]) == ({"hold_s": 8, "then": 12}, found["distribution_id"])
        return
    proficiency = [
        {skill["name"]: skill["proficiency"] for skill in member["skills"]}.get("Support") for member in held
    ]
    assert (proficiency if field == "proficiency" else [member[field] for member in held]) == expected


def test_a_ranking_beside_shares_in_force_needs_approval_until_the_shares_end(platform_world):
    world, queue = platform_world, platform_world.queue()
    of_shares, ranking = {"strategy_reference": "share-by-weight"}, a_plan(queue, strategy_reference="ring-by-weight")
    first = world.run(a_plan(queue, **of_shares)).ends("completed").distribution_id
    refused = world.run(ranking).ends("approval_required").record["errors"][0]["message"]
    assert f"hardly any effect: shares of distribution {first} are in force" in refused
    world.run(ranking | {"accept_uncertain": True}).ends("completed")
    world.run(a_plan(queue, dict.fromkeys(WEIGHTS, 0.0), **of_shares)).ends("completed")
    assert world.shares(queue)["weights"] == {}
    world.run(ranking | {"member_weights": {"agent-001": 0.2}}).ends("completed")


def test_a_plan_for_the_next_shift_is_applied_before_anybody_is_on_queue(platform_world):
    platform_world.sim.put_queue("queue-001", agents=3, off_queue=3)
    plan = json.loads((Path(ROOT) / "events" / "plan-next-shift.json").read_text(encoding="utf-8"))
    found = ended(platform_world, platform_world.post(plan).json()["distribution_id"])
    assert (found["status"], found["projection"]["active_agents"]) == ("completed", 3)
    now = ended(platform_world, platform_world.post(plan | {"staffing": "now"}).json()["distribution_id"])
    assert (now["status"], now["projection"]["absent"]) == ("approval_required", {"OFF_QUEUE": 3})
    assert now["errors"][0]["message"].startswith("Nobody is on queue now")


VERDICTS = {
    "plan-forecast.json": ("completed", "pass", "Projected: a service level of"),
    "plan-short-staffed.json": ("saturation_blocked", "blocked", "agents in one pool reach the goal"),
    "plan-too-close.json": ("projection_inconclusive", "inconclusive", "Too close to call"),
    "plan-unvouched.json": ("approval_required", "needs_approval", "patience 120 s is assumed"),
}
"""By sample: how its distribution ends, its verdict, and what its sentence says."""


@pytest.mark.parametrize("name", VERDICTS)
def test_every_verdict_is_reached_by_a_sample_and_says_why(platform_world, name):
    status, verdict, said = VERDICTS[name]
    platform_world.sim.put_queue("queue-001", agents=12)
    before = platform_world.held("queue-001")["members"]
    answer = platform_world.post((Path(ROOT) / "events" / name).read_text(encoding="utf-8"))
    found = ended(platform_world, answer.json()["distribution_id"])
    assert (found["status"], found["projection"]["verdict"]) == (status, verdict)
    assert said in found["projection"]["reason"]
    if status == "completed":
        assert found["errors"] == []
    else:
        assert [error["message"] for error in found["errors"]] == [found["projection"]["reason"]]
        assert platform_world.held("queue-001")["members"] == before, "and nothing was written"
    checks = {check["name"]: check for check in found["projection"]["checks"]}
    assert checks["service_level"]["sample_size"] > 1000
    assert checks["service_level"]["source"] == "plan"


def test_the_chart_of_a_projection_is_a_picture_that_says_its_inputs(platform_world):
    platform_world.sim.put_queue("queue-001", agents=12)
    plan = json.loads((Path(ROOT) / "events" / "plan-forecast.json").read_text(encoding="utf-8"))
    found = ended(platform_world, platform_world.post(plan | {"dry_run": True}).json()["distribution_id"])
    assert found["projection"]["expected"]["sentence"].startswith("Expected: 7 requests to Genesys, 2 of them writes")
    assert (found["effort"]["transitions"], found["effort"]["s3_writes"] <= 6) == (8, True), "of the dry run itself"
    assert 0 < found["cost"]["usd"] < found["projection"]["expected"]["usd"]
    (change,) = found["projection"]["diff"]["members"]
    assert (change["member"], change["value_before"], change["value_after"]) == ("agent-003", 1, 3)
    assert (change["before"], change["after"]) == (None, pytest.approx(0.4 * 4 / 6)), "without rings nobody is ranked"
    observed = found["projection"]["observed"]
    assert observed["source"] == "observations"
    assert sum(observed["on_queue"].values()) == found["projection"]["active_agents"]
    chart = platform_world.get(f"/distributions/{found['distribution_id']}/projection.svg")
    assert (chart.status_code, chart.headers["Content-Type"]) == (200, "image/svg+xml")
    for said in ("queue-001", "Pass", "60", "AHT 180 s", "patience 120 s", "source: plan"):
        assert said in chart.text, said
    problem_of(platform_world.get("/distributions/nobody/projection.svg"), 404)


def test_queues_that_share_agents_are_projected_together(platform_world):
    for queue_id in ("queue-001", "queue-shared"):
        platform_world.sim.put_queue(queue_id, agents=12)
    plan = json.loads((Path(ROOT) / "events" / "plan-forecast.json").read_text(encoding="utf-8")) | {"dry_run": True}

    def projected(**shared):
        asked = plan | {"shared_with": [{"queue_id": "queue-shared", **shared}]}
        return ended(platform_world, platform_world.post(asked).json()["distribution_id"])

    alone = ended(platform_world, platform_world.post(plan).json()["distribution_id"])["projection"]
    together = projected(forecast={"offered": 30, "aht_s": 180, "patience_s": 120, "answer_within_s": 20})["projection"]
    levels = [one["models"]["simulation"]["after"]["service_level"] for one in (alone, together)]
    assert levels[1]["high"] < levels[0]["low"]
    assert "several queues" in together["models"]["simulation"]["assumption"]
    too_much = projected(forecast={"offered": 80, "aht_s": 180})
    assert too_much["status"] == "saturation_blocked"
    assert "no assignment of them can carry it" in too_much["projection"]["reason"]
    (error,) = projected()["errors"]
    assert error["path"] == "shared_with.0.forecast"


def test_a_suggested_plan_passes_when_it_is_posted_as_it_is(platform_world):
    platform_world.sim.put_queue("queue-001", agents=12)
    asked = (Path(ROOT) / "events" / "suggest.json").read_bytes()
    answer = platform_world.http.post(f"{platform_world.api_url}/plans/suggest", data=asked)
    assert answer.status_code == 200, answer.text
    suggestion = answer.json()
    assert suggestion["passes"]
    assert suggestion["projection"]["models"]["simulation"]["before"]["service_level"]
    assert (
        ended(platform_world, platform_world.post(suggestion["plan"]).json()["distribution_id"])["status"]
        == "completed"
    )
    until(lambda: platform_world.locks() == {})  # the record is closed before the lock is released


def test_a_suggestion_without_a_load_is_made_for_the_forecast_that_was_pushed(platform_world):
    queue = platform_world.queue(12)
    body = json.loads((Path(ROOT) / "events" / "suggest.json").read_text(encoding="utf-8"))
    body |= {"queue_id": queue, "strategy_reference": "share-by-weight"}
    forecast = body.pop("forecast")
    pushed = {"offered": forecast["offered"], "aht_s": forecast["aht_s"], "interval_s": 1800, "ttl_s": 3600}
    path = f"{platform_world.api_url}/queues/{queue}/forecast"
    assert platform_world.http.put(path, json=pushed, timeout=60).status_code == 200
    answer = platform_world.http.post(f"{platform_world.api_url}/plans/suggest", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    suggestion = answer.json()
    assert suggestion["projection"]["projected_load"] == pytest.approx(8.0)  # 80 calls of 180 s in half an hour
    shares = suggestion["projection"]["models"]["simulation"]["shares"]
    assert suggestion["plan"]["share"]["hold_s"] == suggestion["hold"]["hold_s"] == shares["hold_s"]
    assert len(shares["frontier"]) > 5


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"objective": "fairness"}, "objective"),
        ({"queue_id": "q"}, "overflow_threshold"),
        ([], ""),
    ],
)
def test_a_bad_request_for_a_suggestion_is_refused_and_explained(platform_world, body, path):
    answer = platform_world.http.post(f"{platform_world.api_url}/plans/suggest", json=body)
    assert path in {error["path"] for error in problem_of(answer, 422)["errors"]}


def test_a_suggestion_for_a_queue_that_there_is_not_is_not_found(platform_world):
    asked = json.loads((Path(ROOT) / "events" / "suggest.json").read_text(encoding="utf-8"))
    answer = platform_world.http.post(f"{platform_world.api_url}/plans/suggest", json=asked | {"queue_id": "no-such"})
    assert problem_of(answer, 404)["type"] == "/problems/queue-not-found"


@pytest.mark.parametrize(("name", "status"), EVENTS.items())
def test_a_sample_ends_as_its_name_says(world, name, status):
    text = (Path(ROOT) / "events" / name).read_text(encoding="utf-8")
    plan = json.loads(text)
    world.sim.put_queue("queue-001", agents=12)
    before = world.held("queue-001")["scores"]
    if name.startswith("console"):
        found = world.run(plan).ends(status).record["errors"]
        assert len(found) == {"validation_failed": 3}.get(status, 0), found
    else:
        answer = world.post(text)
        if status == "validation_failed":
            assert len(problem_of(answer, 422)["errors"]) >= 4
        else:
            assert answer.status_code == 202
            assert ended(world, answer.json()["distribution_id"])["status"] == status
    after = world.held("queue-001")["scores"]
    if status == "completed":
        assert after == before | pytest.approx({"agent-001": 0.4, "agent-002": 0.35, "agent-003": 0.25}).expected
    else:
        assert after == before


def test_a_time_range_from_later_to_earlier_is_refused_with_its_path(world, queue):
    answer = world.http.get(f"{world.api_url}/queues/{queue}/distributions?from=2026-02-01&to=2026-01-01")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "from")


# ---- what the gateway says itself ------------------------------------------------------------------------------------


def test_the_gateway_answers_with_its_own_message(world):
    """A function takes 6 MB, and an empty segment fits no route."""
    too_large = world.post(b"\xff" * 5_000_000)
    assert (too_large.status_code, too_large.json()) == (413, {"message": "Request Entity Too Large"})
    for path in ("/queues//drift", "/queues/a%2Fb/drift", "/plans/", "//plans"):
        answer = world.http.get(world.api_url + path, timeout=60, allow_redirects=False)
        assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"}), path


def test_an_answer_without_a_body_names_no_type(world):
    address = f"{world.api_url}/queues/queue-of-gateway/forecast"
    world.http.put(address, data=(Path(ROOT) / "events" / "forecast.json").read_bytes(), timeout=60)
    answer = world.http.delete(address, timeout=60)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers


def test_a_garbage_token_of_the_schedules_is_the_callers_mistake(world):
    assert problem_of(world.get("/schedules", next="garbage"), 422)["errors"][0]["path"] == "next"


# ---- requests that nobody thought of ---------------------------------------------------------------------------------


def test_random_requests_get_what_the_openapi_says_and_leave_nothing_behind(platform_world):
    """The short part of `make fuzz`, always with the same seed: only documented answers."""
    world = platform_world
    world.sim.put_queue("queue-001", agents=12)
    code, said = fuzz(world.api_url, "examples,fuzzing,stateful", 4, WEBHOOK_SECRET, "--generation-deterministic")
    assert code == 0, said
    assert int(re.search(r"(\d+) generated", said)[1]) > 100

    scheduler = world.client("scheduler")
    for group in ("ScheduleGroup", "OneTimeGroup"):
        for schedule in scheduler.list_schedules(GroupName=group, MaxResults=100)["Schedules"]:
            scheduler.delete_schedule(GroupName=group, Name=schedule["Name"])
    running = {"stateMachineArn": world.ready["state_machine_arn"], "statusFilter": "RUNNING"}
    until(lambda: not world.client("stepfunctions").list_executions(**running)["executions"])
    assert world.locks() == {}
    assert len(world.held("queue-001")["members"]) == 12
