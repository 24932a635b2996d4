"""The state machine of fleets: waves, gates, holds, reverts, and what a fleet does not repeat."""

import json
import uuid
from datetime import UTC, datetime, timedelta

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


def started_in_the_console(world, given, machine="fleet_state_machine"):
    """Start a state machine with an input, and describe its execution when it is over."""
    client = world.client("stepfunctions")
    arn = client.start_execution(stateMachineArn=world.ready[machine], input=json.dumps(given))["executionArn"]
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
    assert "nothing was uploaded" in execution["cause"]


def test_two_queues_of_a_fleet_with_the_same_agents_are_projected_as_their_pool(platform_world):
    """Not as twice the agents: each is projected like one queue that has the contacts of both."""
    world, weights = platform_world, {f"agent-{number:03}": 0.08 for number in range(1, 13)}

    def of(offered, aht_s):
        forecast = {"offered": offered, "aht_s": aht_s, "patience_s": 120.0}
        goal = {"service_level_target": 0.8, "answer_within_s": 20.0}
        changes = {"projected_load": None, "forecast": forecast | goal, "utilization_target": 1.0, "dry_run": True}
        return a_plan(world.queue(12), weights, **changes)

    fleet, pool = [of(30, 180.0), of(15, 240.0)], of(45, 200.0)
    execution = started_in_the_console(world, {"plans": fleet})
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    name = execution["name"]
    alone = world.run(pool).wait()
    of_a, of_b, of_pool = (
        world.distribution(distribution)["projection"]
        for distribution in (f"{name}.0", f"{name}.1", alone.distribution_id)
    )
    for projection, own, other, carried in ((of_a, 3.0, fleet[1], 2.0), (of_b, 2.0, fleet[0], 3.0)):
        for figure in ("active_agents", "capacity", "projected_load", "saturation_ratio", "verdict"):
            assert projection[figure] == of_pool[figure], figure
        for model in ("erlang_a", "erlang_c"):
            assert projection["models"][model] == of_pool["models"][model]
        (neighbour,) = projection["neighbours"]["queues"]
        assert (projection["neighbours"]["own_load"], neighbour["load"]) == (own, carried)
        assert (neighbour["queue_id"], neighbour["source"]) == (other["queue_id"], "plan")
        assert f"{carried:g} erlangs of queue {other['queue_id']}, 100% of its load" in projection["reason"]
    chart = world.get(f"/distributions/{name}.0/projection.svg")
    assert f"2.00 of the 2.00 erlangs of queue {fleet[1]['queue_id']}" in chart.text


def test_a_fleet_puts_shares_in_force_and_its_temporary_plans_expire(platform_world):
    """One plan has its own options, the other one those of the defaults. One queue has shares before."""
    world, queues = platform_world, [platform_world.queue(), platform_world.queue()]
    before, own = {"agent-001": 0.1, "agent-003": 0.6}, {"hold_s": 6, "then": 0}
    world.put_shares(queues[1], before)
    plans = [{"queue_id": queues[0], "member_weights": WEIGHTS, "share": own}]
    plans += [{"queue_id": queues[1], "member_weights": {"agent-001": 0.5}}]
    expires = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    defaults = a_plan("", projected_load=0.05, strategy_reference="share-by-weight", until=expires)
    defaults = {**defaults, "share": {"hold_s": 4, "then": 0}}
    del defaults["queue_id"], defaults["member_weights"]
    execution = started_in_the_console(world, {"plans": plans, "defaults": defaults})
    assert json.loads(execution.get("output", "{}")).get("status") == "completed", execution.get("cause")

    def in_force():
        return [(held["weights"], held.get("share")) for held in map(world.shares, queues)]

    def rules():
        return [world.held(queue)["queue"].get("routingRules") for queue in queues]

    def waits(*seconds):
        return [[{"operator": "MEETS_THRESHOLD", "threshold": 100, "waitSeconds": wait}] for wait in seconds]

    assert in_force() == [(WEIGHTS, own), ({"agent-001": 0.5}, {"hold_s": 4, "then": 0})]
    assert rules() == waits(6, 4)

    for number in range(2):
        expiry = {"returns": f"{execution['name']}.{number}"}
        ended = started_in_the_console(world, expiry, "state_machine_arn")
        assert ended["status"] == "SUCCEEDED", ended.get("cause")
    assert in_force() == [({}, own), (before, {"hold_s": 10, "then": 20})]
    assert rules() == [[], []]


def test_a_queue_that_completes_takes_six_transitions_beside_its_own_run(world):
    fleet = Fleet(world, [world.queue()]).start().ends("completed")
    client, machine = world.client("stepfunctions"), world.ready["fleet_state_machine"]
    listed = client.list_executions(stateMachineArn=f"{machine}/queues")["executions"]
    described = (client.describe_execution(executionArn=child["executionArn"]) for child in listed)
    (child,) = (one["executionArn"] for one in described if json.loads(one["input"])["fleet"] == fleet.fleet_id)
    events = client.get_execution_history(executionArn=child)["events"]
    entered = [e["stateEnteredEventDetails"]["name"] for e in events if e["type"].endswith("StateEntered")]
    assert entered == ["Still wanted?", "Wanted?", "Distribute", "Record", "Green?", "Done"]


def test_a_queue_whose_outcome_could_not_be_stored_is_reverted(world):
    """As if its child execution had been stopped between the end of its run and its last state."""
    fleet = Fleet(world, [world.queue()])
    before = fleet.scores()
    fleet.start().ends("completed")
    part = {"fleet_id": {"S": fleet.fleet_id}, "part": {"S": "queue#000000"}}
    world.client("dynamodb").delete_item(TableName=world.ready["fleets_table"], Key=part)
    fleet.post("revert")
    fleet.attempt += 1
    fleet.ends("reverted")
    assert fleet.scores() == before
    assert fleet.queue(0)["distribution_id"] == f"{fleet.fleet_id}.0"
