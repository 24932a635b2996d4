"""The state machine of fleets: waves, gates, holds, reverts, and what a fleet does not repeat."""

from tests.support.fleets import Fleet
from tests.support.world import WEIGHTS


def test_a_fleet_applies_every_plan_and_its_repetition_writes_nothing(world):
    queues = [world.queue() for _ in range(4)]
    fleet = Fleet(world, queues, {"waves": [{"count": 1}]}).start().ends("completed")
    assert fleet.outcomes() == dict.fromkeys(range(4), "completed")
    assert fleet.scores() == [WEIGHTS] * 4
    assert [fleet.item(f"wave#0{wave}")["verdict"] for wave in (0, 1)] == ["passed", "passed"]
    records = world.records(f"{fleet.fleet_id}.3")
    assert (records["0-opened"]["door"], records["0-opened"]["fleet_id"]) == ("fleet", fleet.fleet_id)
    since = max(entry["monotonic"] for entry in world.sim.requests())
    Fleet(world, queues).start().ends("completed")
    again = [entry for queue in queues for entry in world.requests_about(queue, since + 1e-9)]
    assert again
    assert {entry["method"] for entry in again} == {"GET"}
