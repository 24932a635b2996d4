"""The state machine of fleets: waves, gates, holds, reverts, and what a fleet does not repeat."""

import json
import uuid

from tests.support.fleets import Fleet
from tests.support.waiting import until
from tests.support.world import WEIGHTS, a_plan


def test_a_fleet_applies_every_plan_and_its_repetition_writes_nothing(world):
    queues = [world.queue() for _ in range(4)]
    fleet = Fleet(world, queues, {"waves": [{"count": 1}]}).start().ends("completed")
    assert fleet.outcomes() == dict.fromkeys(range(4), "completed")
    assert fleet.scores() == [WEIGHTS] * 4
    assert [wave["verdict"] for wave in fleet.shown()["waves"]] == ["passed", "passed"]
    records = world.records(f"{fleet.fleet_id}.3")
    assert (records["0-opened"]["door"], records["0-opened"]["fleet_id"]) == ("fleet", fleet.fleet_id)
    since = max(entry["monotonic"] for entry in world.sim.requests())
    Fleet(world, queues).start().ends("completed")
    again = [entry for queue in queues for entry in world.requests_about(queue, since + 1e-9)]
    assert again
    assert {entry["method"] for entry in again} == {"GET"}


def started_in_the_console(world, given):
    """Start the state machine of fleets with an input, and describe its execution when it is over."""
    client = world.client("stepfunctions")
    arn = client.start_execution(stateMachineArn=world.ready["fleet_state_machine"], input=json.dumps(given))[
        "executionArn"
    ]
    return until(lambda: (answer := client.describe_execution(executionArn=arn))["status"] != "RUNNING" and answer)


def test_a_fleet_in_the_console_is_accepted_by_the_same_code_as_through_the_api(world):
    queues = [world.queue(), world.queue()]
    execution = started_in_the_console(world, {"plans": [a_plan(queue, projected_load=0.05) for queue in queues]})
    assert json.loads(execution["output"])["status"] == "completed"
    assert [world.held(queue)["scores"] for queue in queues] == [WEIGHTS] * 2
    assert world.records(f"{execution['name']}.1")["0-opened"]["door"] == "fleet"


def test_a_fleet_in_the_console_with_a_wrong_plan_is_refused_as_a_whole(world):
    queue = world.queue()
    given = {"plans": [a_plan(queue), a_plan(queue, overflow_threshold=2)]}
    execution = started_in_the_console(world, given)
    assert (execution["status"], execution["error"]) == ("FAILED", "refused")
    assert {problem["path"] for problem in json.loads(execution["cause"])["errors"]} == {
        "plans.1.overflow_threshold",
        "plans.1.queue_id",
    }
    assert world.requests_about(queue) == []
    execution = started_in_the_console(world, {"upload": str(uuid.uuid4())})
    assert "nothing was uploaded there" in execution["cause"]


def test_a_queue_that_completes_takes_six_transitions_beside_its_own_run(world):
    fleet = Fleet(world, [world.queue()]).start().ends("completed")
    client, machine = world.client("stepfunctions"), world.ready["fleet_state_machine"]
    listed = client.list_executions(stateMachineArn=f"{machine}/queues")["executions"]
    described = (client.describe_execution(executionArn=child["executionArn"]) for child in listed)
    (child,) = (one["executionArn"] for one in described if json.loads(one["input"])["fleet"] == fleet.fleet_id)
    events = client.get_execution_history(executionArn=child)["events"]
    entered = [e["stateEnteredEventDetails"]["name"] for e in events if e["type"].endswith("StateEntered")]
    assert entered == ["Still wanted?", "Wanted?", "Distribute", "Record", "Green?", "Done"]
