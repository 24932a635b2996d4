"""A fleet in the middle of which something breaks: each queue is old or new, the records are true, and it goes on."""

import json

import pytest

from tests.faults import processes
from tests.faults.test_killed import FUNCTIONS
from tests.support.fleets import Fleet
from tests.support.waiting import until
from tests.support.world import WEIGHTS

KILLS = 5


@pytest.fixture
def fleet(world):
    """Make a fleet of queues, with what they held before."""
    world.sim.clear_faults()

    def make(size, options=None, **changes):
        made = Fleet(world, [world.queue() for _ in range(size)], options, **changes)
        made.before = made.scores()
        return made

    yield make
    world.sim.clear_faults()


def members_of(fleet, *numbers):
    """The paths of the members of these queues, for `holding`."""
    return [f"/{fleet.queues[number]}/members/" for number in numbers]


def refuse(fleet, *numbers):
    for number in numbers:
        path = f"/{fleet.queues[number]}/members/agent-002"
        fleet.world.sim.add_faults({"action": "status", "method": "PATCH", "path": path, "status": 403})


def is_written(fleet, number):
    return any(entry["method"] == "PATCH" for entry in fleet.world.requests_about(fleet.queues[number]))


def judge(fleet):
    """Each queue holds its old or its new state, as its outcome says; the audit record says the same."""
    outcomes = fleet.outcomes()
    for number, (held, before) in enumerate(zip(fleet.scores(), fleet.before, strict=True)):
        part = fleet.queue(number)
        applied = outcomes.get(number) == "completed" and part.get("revert_status") != "completed"
        assert held == (WEIGHTS if applied else before), (number, part)
        if number in outcomes:
            record = fleet.world.records(part["distribution_id"])["9-closed"]
            assert record["status"] == outcomes[number]
            # A run whose Validate was killed each time does not know what it was started with.
            assert record.get("fleet_id") == fleet.fleet_id or not record.get("queue_id")
    return outcomes


def children(fleet):
    """Return the child executions of the fleet's map that run."""
    client, machine = fleet.world.client("stepfunctions"), fleet.world.ready["fleet_state_machine"]
    listed = client.list_executions(stateMachineArn=f"{machine}/queues", statusFilter="RUNNING")["executions"]
    described = [client.describe_execution(executionArn=child["executionArn"]) for child in listed]
    return {
        given["number"]: child["executionArn"]
        for child in described
        if (given := json.loads(child["input"]))["fleet"] == fleet.fleet_id
    }


def test_a_fleet_whose_runtimes_are_killed_again_and_again_ends_with_queues_that_are_old_or_new(fleet, world):
    killed = fleet(6, {"concurrency": 3})
    for path in members_of(killed, *range(6)):  # each run takes some time
        world.sim.add_faults({"action": "delay", "method": "PATCH", "path": path, "delay_s": 0.2})
    killed.start()
    for kills in range(1, KILLS + 1):
        until(lambda kills=kills: killed.is_over() or sum(is_written(killed, n) for n in range(6)) >= kills)
        processes.kill(processes.runtimes(world, *FUNCTIONS, "advance"))
    until(killed.is_over)
    assert killed.shown()["status"] in {"completed", "partly_completed"}
    until(lambda: not world.locks().keys() & set(killed.queues))
    assert judge(killed).keys() == set(range(6))


def test_a_fleet_goes_on_after_its_execution_a_child_or_a_run_was_stopped(fleet, world):
    """Each stop costs 15 s, in which a recovery waits for a last write. So all of them are at the same time."""
    client = world.client("stepfunctions")
    whole, child, run = fleet(4, {"concurrency": 2}), fleet(2, {"concurrency": 2}), fleet(2, {"concurrency": 2})
    fleets = (whole, child, run)
    with world.holding(*(path for each in fleets for path in members_of(each, 0, 1)), method="PATCH"):
        for each in fleets:
            each.start()
        until(lambda: all(is_written(each, number) for each in fleets for number in (0, 1)))
        client.stop_execution(executionArn=whole.arn)
        client.stop_execution(executionArn=children(child)[0])
        distribution = world.ready["state_machine_arn"].replace(":stateMachine:", ":execution:")
        client.stop_execution(executionArn=f"{distribution}:{run.fleet_id}.1")
    until(whole.is_over)
    assert (whole.execution()["status"], whole.shown()["status"]) == ("ABORTED", "interrupted")
    whole.start().ends("completed")
    assert judge(whole) == dict.fromkeys(range(4), "completed")
    again = {n: whole.queue(n)["distribution_id"].removeprefix(f"{whole.fleet_id}.") for n in range(4)}
    assert again == {0: "0.2", 1: "1.2", 2: "2", 3: "3"}
    assert world.records(f"{whole.fleet_id}.0")["9-closed"]["status"] == "interrupted"
    child.ends("completed")
    assert judge(child) == {0: "completed", 1: "completed"}
    run.ends("partly_completed")
    until(lambda: "9-closed" in world.records(f"{run.fleet_id}.1"))
    assert judge(run) == {0: "completed", 1: "interrupted"}


def test_a_cancelled_fleet_finishes_what_it_is_changing_and_begins_nothing_else(fleet):
    cancelled = fleet(4, {"concurrency": 1})
    with cancelled.world.holding(*members_of(cancelled, 0), method="PATCH"):
        cancelled.start()
        until(lambda: is_written(cancelled, 0))
        cancelled.post("cancel")
    cancelled.ends("cancelled")
    assert judge(cancelled) == {0: "completed"}


def test_a_failed_wave_stops_holds_or_reverts_the_fleet(fleet, world):
    waves = [{"count": 2, "max_failed": 0}]
    stopped = fleet(4, {"waves": waves})
    continued, back = (fleet(4, {"waves": waves, "on_failure": "hold"}) for _ in range(2))
    reverted, edited = fleet(4, {"atomic": True, "concurrency": 1}), fleet(3, {"atomic": True, "concurrency": 1})
    for each, number in ((stopped, 1), (continued, 1), (back, 1), (reverted, 2), (edited, 2)):
        refuse(each, number)
    with world.holding(*members_of(edited, 2), method="PATCH"):
        for each in (stopped, continued, back, reverted, edited):
            each.start()
        until(lambda: is_written(edited, 2))
        world.sim.edit_member(edited.queues[0], "agent-003", score=0.05)
    stopped.ends("stopped")
    assert judge(stopped) == {0: "completed", 1: "member_update_failed"}
    until(continued.is_held)
    assert continued.shown()["reason"] == f"Wave 1: 1 of 2 queues failed: {continued.queues[1]}."
    continued.post("continue")
    continued.ends("partly_completed")
    assert judge(continued) == {0: "completed", 1: "member_update_failed", 2: "completed", 3: "completed"}
    until(back.is_held)
    back.post("revert")
    back.ends("reverted")
    assert judge(back) == {0: "completed", 1: "member_update_failed"}
    reverted.ends("reverted")
    assert judge(reverted) == {0: "completed", 1: "completed", 2: "member_update_failed"}
    edited.ends("revert_incomplete")
    assert edited.scores()[0] == WEIGHTS | {"agent-003": 0.05}
    assert edited.scores()[1:] == edited.before[1:]
    assert edited.queue(0)["revert_status"] == "validation_failed"
