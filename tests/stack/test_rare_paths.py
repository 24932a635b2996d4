"""Rare events that need a permission of their own: without the permission, a test here fails."""

import json
import time

import pytest

from tests.stack.invoking import drift_event, in_the_bucket, invoked, run_of
from tests.stack.test_calibration import calibrate, completed_two_hours_ago
from tests.stack.test_webhook import drift
from tests.support.carriers import Carrier
from tests.support.waiting import until
from tests.support.world import WEIGHTS, a_plan, skill_of

QUIET = {"offered": 2, "aht_s": 60, "patience_s": 120, "service_level_target": 0.5, "answer_within_s": 60}


def deleted(world, key):
    world.client("s3").delete_object(Bucket=world.ready["documents_bucket"], Key=key)


# ---- a record that is larger than an item ----------------------------------------------------------------------------


def test_a_projection_in_the_bucket_is_measured(platform_world):
    world = platform_world
    queue = world.queue(unjoined=0, off_queue=0)
    plan = a_plan(queue, actuator="ring", forecast=QUIET, accept_uncertain=True)
    del plan["projected_load"]
    run = world.run(plan).start("api").ends("completed")
    in_the_bucket(world, run, "9-closed", "projection")
    completed_two_hours_ago(world, run)
    calibrated = calibrate(world)  # the shares are those of the runs of earlier tests
    assert (calibrated["measured"], calibrated["failed"]) == (1, 0)
    assert world.records(run.distribution_id)["5-realised"]["predicted"]["offered"] == 2


@pytest.fixture(scope="module")
def refused(world):
    """A run that ended without a write, its recovery, and the weights in the bucket."""
    run = world.run(a_plan(world.queue(), {"stranger": 1.0})).ends("validation_failed")
    in_the_bucket(world, run, "0-opened", "requested_weights")
    client, machine = world.client("stepfunctions"), world.ready["recover_state_machine"]

    def recovery():
        listed = client.list_executions(stateMachineArn=machine, statusFilter="SUCCEEDED")["executions"]
        described = (client.describe_execution(executionArn=each["executionArn"]) for each in listed)
        return next((one for one in described if json.loads(one["input"])["executionArn"] == run.arn), None)

    return run, until(recovery, pause_s=0.25)["executionArn"]


def begun(world, execution_arn):
    """Run a recovery of an execution, and return what it finds."""
    told = {"status": "", "error": "", "cause": ""}
    event = {"begin": execution_arn, "me": "nobody", "queue_id": "", "told": told}
    return invoked(world, "RecoverFunction", event | {"recover_with": world.ready["recover_state_machine"]})


def test_a_recovery_reads_the_queue_from_the_bucket(world, refused):
    run, _ = refused
    assert begun(world, run.arn)["run"]["queue_id"] == run.queue_id


def test_the_sweep_finds_an_open_record_with_a_part_in_the_bucket(world, refused):
    run, _ = refused
    key = {"distribution_id": {"S": run.distribution_id}, "record": {"S": "9-closed"}}
    world.client("dynamodb").delete_item(TableName=world.ready["audit_table"], Key=key)
    assert invoked(world, "SweepFunction", {})["found"] >= 1
    closing = until(lambda: world.records(run.distribution_id).get("9-closed"))
    assert (closing["status"], closing["requested_weights"]) == ("interrupted", {"stranger": 1})


# ---- the recovery of a recovery --------------------------------------------------------------------------------------


def test_the_recovery_of_a_recovery_is_that_of_its_distribution(world, refused):
    run, recovery = refused
    assert begun(world, recovery)["run"]["distribution_id"] == run.distribution_id


def test_the_sweep_releases_the_lock_of_a_recovery(world, refused):
    run, recovery = refused
    lock = {"queue_id": {"S": run.queue_id}, "holder": {"S": recovery}, "taken_at": {"N": "1"}}
    world.client("dynamodb").put_item(TableName=world.ready["locks_table"], Item=lock)
    assert invoked(world, "SweepFunction", {})["found"] >= 1
    until(lambda: run.queue_id not in world.locks())


# ---- a document that is not there ------------------------------------------------------------------------------------


def test_a_refused_plan_cannot_be_reverted(world, queue):
    refused = world.post(a_plan(queue, {"agent-001": 2}))
    assert refused.status_code == 422
    path = f"{world.api_url}/distributions/{refused.json()['distribution_id']}/restore"
    answer = world.http.post(path, json={}, timeout=60)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-restorable"), answer.text


def test_a_schedule_without_its_plan_is_still_shown(world, queue):
    name = f"of-{queue}"
    path = f"{world.api_url}/schedules/{name}"
    body = {"expression": "cron(0 9 1 1 ? *)", "time_zone": "UTC", "plan": a_plan(queue)}
    assert world.http.put(path, json=body, timeout=60).status_code == 200
    kept = world.client("scheduler").get_schedule(GroupName=world.ready["schedule_group"], Name=name)
    deleted(world, json.loads(kept["Target"]["Input"])["plan_ref"])
    shown = world.http.get(path, timeout=60)
    assert (shown.status_code, shown.json()["plan"]) == (200, None), shown.text
    assert world.http.delete(path, timeout=60).status_code == 204


def test_a_run_that_failed_before_its_first_write_causes_no_drift(world, queue):
    """Its restore failed too, or its record would say that there was nothing to restore."""
    world.run(a_plan(queue)).start("api").ends("completed")
    later = world.run(a_plan(queue, dict(zip(WEIGHTS, (0.1, 0.1, 0.1), strict=True))))
    later.with_fault("status", "PATCH", "/members/", status=403, times=None).ends("member_update_failed")
    deleted(world, f"distributions/{later.distribution_id}/writing.json")
    world.client("dynamodb").update_item(
        TableName=world.ready["audit_table"],
        Key={"distribution_id": {"S": later.distribution_id}, "record": {"S": "9-closed"}},
        UpdateExpression="REMOVE #restore",
        ExpressionAttributeNames={"#restore": "restore"},
    )
    world.sim.edit_member(queue, "agent-002", score=0.1)  # what the later run would have written
    assert invoked(world, "DriftFunction", drift_event(queue)) == {"batchItemFailures": []}
    (item,) = drift(world, queue)["items"]
    assert [one["member"] for one in item["differences"]] == ["agent-002"]


# ---- a skill that two queues claim -----------------------------------------------------------------------------------


def test_of_two_queues_that_claim_a_skill_at_once_one_writes_nothing(platform_world):
    """Both plans had read that nobody owned the skill. Here the other queue claims it after this plan's projection."""
    world, carrier = platform_world, Carrier("proficiency", platform_world)
    queue = carrier.queue()
    run = world.run(carrier.plan(queue, carrier.weights(3))).ends("completed")
    item = {"skill_id": {"S": skill_of(queue)}, "queue_id": {"S": "another-queue"}}
    world.client("dynamodb").put_item(TableName=world.ready["skills_table"], Item=item)
    since = time.monotonic()
    event = json.dumps(run_of(run) | {"target": "queue", "part": "first"})
    answer = world.client("lambda").invoke(FunctionName="PatchFunction", Payload=event)
    failure = json.loads(answer["Payload"].read())
    assert failure["errorType"] == "PlanNotApplicable", failure
    assert "carries the weights of queue another-queue" in failure["errorMessage"]
    assert world.requests_about(queue, since) == []
