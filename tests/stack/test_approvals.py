"""Approvals in the deployed system: a run waits at its task token, without the lock, and writes what was approved."""

import json
import uuid

import pytest

from local.genesys import GenesysSimulator
from routing_weights_cli.app import Session
from routing_weights_cli.errors import Exit
from routing_weights_cli.main import main
from tests.support.waiting import until
from tests.support.world import CLIENT_ID, CLIENT_SECRET, WEIGHTS, World, a_plan, served_stack

ASKER, BOSS = "arn:aws:iam::123456789012:user/ops", "arn:aws:iam::123456789012:user/boss"
TIMEOUT_S = 15
"""Longer than an answer takes here, shorter than a test may wait for a question that nobody answers."""
WAIT = ["Validate", "Lock", "Project", "May it write?", "Unlock meanwhile", "Await approval"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    settings = {"APPROVAL_TIMEOUT_S": str(TIMEOUT_S), "CONSOLE_MAY_APPROVE": "true"}
    with (
        GenesysSimulator(contract="score", client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as sim,
        served_stack(tmp_path_factory.mktemp("approvals"), sim.url, "score", **settings) as ready,
    ):
        world = World(ready, sim)
        world.warm()
        yield world
        assert world.locks() == {}
        world.close()


@pytest.fixture(scope="module")
def unanswered(world):
    """A run whose question nobody answers. It waits while the other tests run."""
    return world.run(a_plan(world.queue(), require_approval=True)).start()


@pytest.fixture(autouse=True)
def _begun(unanswered):
    """The question that nobody answers is asked first."""


def by(world, caller, method, path, body=None):
    """What the function answers to a request that IAM has verified as the caller's."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "isBase64Encoded": False,
        "requestContext": {
            "http": {"method": method, "path": path},
            "stage": "$default",
            "requestId": str(uuid.uuid4()),
            "authorizer": {"iam": {"userArn": caller}},
        },
        "body": json.dumps(body or {}),
    }
    payload = world.client("lambda").invoke(FunctionName="ApprovalsFunction", Payload=json.dumps(event).encode())
    answer = json.loads(payload["Payload"].read())
    return answer["statusCode"], json.loads(answer["body"])


def asked(run, number=1):
    """Start a run, and return its question once it waits."""
    if not run.arn:
        run.start()

    def waiting():
        shown = run.world.get(f"/distributions/{run.distribution_id}").json().get("approval") or {}
        return shown if (shown.get("state"), shown.get("number")) == ("waiting", number) else None

    until(waiting)
    assert run.arn not in run.world.locks().values(), "people take hours"
    return waiting()


def by_api(world, plan):
    """A run that the API has started for a verified caller."""
    name = f"plans/{uuid.uuid4().hex * 2}.json"
    world.client("s3").put_object(Bucket=world.ready["documents_bucket"], Key=name, Body=json.dumps(plan).encode())
    run = world.run({"plan_ref": name, "origin": {"door": "api", "caller": ASKER}})
    run.queue_id = plan["queue_id"]
    return run


def test_a_run_writes_after_somebody_else_has_approved_what_it_will_write_and_as_without_a_wait(world):
    queue = world.queue()
    run, plain = by_api(world, a_plan(queue, require_approval=True)), world.run(a_plan(world.queue()))
    question = asked(run)
    path = f"/distributions/{run.distribution_id}"
    listed = by(world, BOSS, "GET", "/approvals")[1]["items"]
    assert [each["hash"] for each in listed if each["distribution_id"] == run.distribution_id] == [question["hash"]]
    yes = {"reason": "I have looked.", "hash": question["hash"]}
    assert by(world, ASKER, "POST", f"{path}/approve", yes)[0] == 403
    assert by(world, BOSS, "POST", f"{path}/approve", yes | {"hash": "0" * 64})[0] == 409
    assert {entry["method"] for entry in world.requests_about(queue)} == {"GET"}
    assert by(world, BOSS, "POST", f"{path}/approve", yes)[0] == 202
    assert by(world, BOSS, "POST", f"{path}/approve", yes)[0] == 202, "the same answer once more"
    assert by(world, BOSS, "POST", f"{path}/reject", yes)[0] == 409
    run.ends("completed").reaches(*WAIT, "Lock", "Project", "May it write?", "Patch queue", "Verify", "Completed")
    approval = world.distribution(run.distribution_id)["approval"]
    assert (approval["state"], approval["asked_by"], approval["answered_by"]) == ("approved", ASKER, BOSS)
    plain.ends("completed")
    assert run.held["scores"] == plain.held["scores"] == WEIGHTS
    assert run.record["changes"] == plain.record["changes"]
    assert run.record["effort"].get("unreported", 0) == 0
    assert run.record["effort"]["functions"]["approvals"]["invocations"] == 1


def test_an_approved_plan_is_outdated_if_another_was_applied_meanwhile(world):
    queue = world.queue()
    run = world.run(a_plan(queue, require_approval=True, based_on="none"))
    asked(run)
    other = world.run(a_plan(queue, {"agent-001": 0.1})).ends("completed")
    since = len(world.requests_about(queue))
    path = f"/distributions/{run.distribution_id}/approve"
    assert by(world, BOSS, "POST", path, {"reason": "As it was."})[0] == 202
    run.wait()
    assert (run.record["status"], run.record["errors"][0]["in_force"]) == ("outdated", other.distribution_id)
    assert world.requests_about(queue)[since:] == []


def test_a_queue_that_changed_meanwhile_is_asked_about_anew(world):
    queue = world.queue()
    run = world.run(a_plan(queue, require_approval=True))
    first = asked(run)
    world.run(a_plan(queue, {"agent-001": 0.1})).ends("completed")
    since = len(world.requests_about(queue))
    path = f"/distributions/{run.distribution_id}/approve"
    assert by(world, BOSS, "POST", path, {"reason": "As it was.", "hash": first["hash"]})[0] == 202
    second = asked(run, 2)
    assert second["hash"] != first["hash"]
    assert all(entry["method"] == "GET" for entry in world.requests_about(queue)[since:])
    assert by(world, BOSS, "POST", path, {"reason": "As it was.", "hash": first["hash"]})[0] == 409
    assert by(world, BOSS, "POST", path, {"reason": "As it is."})[0] == 202
    run.wait()
    assert run.record["status"] == "completed"
    assert run.held["scores"] == WEIGHTS
    records = world.records(run.distribution_id)
    assert {"3-asked-1", "4-answered-1", "3-asked-2", "4-answered-2"} <= records.keys()


def test_a_rejected_run_writes_nothing_and_its_record_says_who_and_why(world):
    run = world.run(a_plan(world.queue(), require_approval=True))
    asked(run)
    answer = {"reason": "Not before the campaign ends."}
    assert by(world, BOSS, "POST", f"/distributions/{run.distribution_id}/reject", answer)[0] == 202
    run.ends("rejected").reaches(*WAIT, "Audit", "Failed")
    assert run.writes == []
    assert run.record["errors"][0]["message"] == f"{BOSS} rejected it: Not before the campaign ends."


def test_an_approved_run_whose_second_write_fails_is_restored_like_any_other(world):
    run = world.run(a_plan(world.queue(), require_approval=True))
    run.with_fault("status", method="PATCH", path="/members/agent-002", status=403)
    asked(run)
    assert by(world, BOSS, "POST", f"/distributions/{run.distribution_id}/approve", {"reason": "Go on."})[0] == 202
    run.ends("member_update_failed")
    assert run.record["restore"]["outcome"] == "restored"
    assert run.held["scores"] == dict.fromkeys(WEIGHTS, 0.0)


def test_a_run_that_is_stopped_while_it_waits_wrote_nothing_and_takes_no_answer(world):
    run = world.run(a_plan(world.queue(), require_approval=True))
    asked(run)
    run.abort()
    until(lambda: "9-closed" in world.records(run.distribution_id))
    closed = world.records(run.distribution_id)["9-closed"]
    assert (closed["status"], closed["restore"]["outcome"]) == ("interrupted", "not_needed")
    path = f"/distributions/{run.distribution_id}"
    assert by(world, BOSS, "POST", f"{path}/approve", {"reason": "Too late."})[0] == 409
    assert world.distribution(run.distribution_id)["approval"]["state"] == "over"
    assert run.writes == []


def test_the_console_approves_with_an_execution_of_its_own(world):
    run = world.run(a_plan(world.queue(), require_approval=True))
    asked(run)
    answer = world.run({"approves": run.distribution_id, "reason": "By phone."})
    answer.wait().reaches("Validate", "Answer", "Answered")
    assert json.loads(answer._execution["output"]) == {"distribution_id": run.distribution_id, "status": "approved"}
    assert world.records(answer.distribution_id) == {}
    run.ends("completed")
    refused = world.run({"rejects": run.distribution_id, "reason": "Or not."}).ends("validation_failed")
    assert "no longer waits" in refused.cause


def test_the_queues_of_a_fleet_wait_on_their_own_and_are_approved_together(world):
    queues = [world.queue(), world.queue()]
    plans = [a_plan(queue, require_approval=True) for queue in queues]
    fleet = world.http.post(f"{world.api_url}/fleets", json={"plans": plans}, timeout=60).json()
    path = f"/fleets/{fleet['fleet_id']}"

    def waiting():
        items = by(world, BOSS, "GET", "/approvals")[1]["items"]
        return [each for each in items if each["fleet_id"] == fleet["fleet_id"]]

    until(lambda: len(waiting()) == 2)
    assert by(world, BOSS, "POST", f"{path}/approve", {"reason": "All of them."})[1]["refused"] == {}
    until(lambda: world.get(path).json()["terminal"])
    assert world.get(path).json()["status"] == "completed"
    assert [world.held(queue)["scores"] for queue in queues] == [WEIGHTS, WEIGHTS]


def test_a_question_that_nobody_answers_in_time_ends_the_run(world, unanswered):
    unanswered.ends("approval_expired").reaches(*WAIT, "Audit", "Failed")
    assert unanswered.writes == []
    shown = world.distribution(unanswered.distribution_id)
    assert shown["approval"]["state"] == "expired"
    path = f"/distributions/{unanswered.distribution_id}/approve"
    assert by(world, BOSS, "POST", path, {"reason": "Too late."})[0] == 409


def test_the_command_line_shows_what_waits_and_approves_exactly_that(world, capsys):
    run = by_api(world, a_plan(world.queue(), require_approval=True))
    question = asked(run)
    answer = ["approve", run.distribution_id, "--reason", "I have looked."]

    def command(*words):
        code = main([*words], Session(environ={"ROUTING_WEIGHTS_API": world.api_url, "TZ": "UTC"}))
        return code, capsys.readouterr().out

    code, out = command("approvals")
    assert (code, run.distribution_id in out or run.queue_id in out) == (Exit.NEEDS_A_PERSON, True)
    code, out = command(*answer)
    assert (code, "Ada Abel" in out, question["reasons"][0] in out) == (Exit.NEEDS_A_PERSON, True, True)
    code, out = command(*answer, "--confirm")
    assert (code, "The plan was applied and read back." in out) == (Exit.DONE, True)
    run.ends("completed")
    assert world.distribution(run.distribution_id)["approval"]["reason"] == "I have looked."
