"""A plan of twenty members whose k-th write is refused, for every k: first the setting, then the members."""

import pytest

from tests.asl.runner import until
from tests.faults.oracle import judge
from tests.faults.scenes import Scene
from tests.faults.waves import Tick, carry_out, ended, recoveries_are_over

MEMBERS = 20
ACTUATORS = ("score", "ring")
WRITES = range(1, MEMBERS + 2)


@pytest.fixture(scope="module")
def runs(world, platform_world):
    """By actuator and k: the scene, its run, and what Genesys holds when all of them are over."""
    worlds = dict(zip(ACTUATORS, (world, platform_world), strict=True))
    for each in worlds.values():
        each.sim.clear_faults()
    tick = Tick()
    made = {}

    def job(scene, run, k):
        rule = scene.settings_write if k == 1 else scene.writes_of(scene.order[k - 2])
        scene.world.sim.add_faults({"action": "status", "status": 403, "times": None} | rule)
        run.start()
        yield False
        yield from ended(run, tick)

    for k in WRITES:
        for actuator, of in worlds.items():
            scene = Scene(of, actuator, size=MEMBERS)
            made[actuator, k] = (scene, scene.run())
    carry_out([(scene.world, job(scene, run, k)) for (_, k), (scene, run) in made.items()], tick)
    until(lambda: all(map(recoveries_are_over, worlds.values())), pause_s=0.25)
    states = {actuator: of.sim.state() for actuator, of in worlds.items()}
    for of in worlds.values():
        of.sim.clear_faults()
    return {key: (scene, run, scene.snapshot(states[key[0]])) for key, (scene, run) in made.items()}


@pytest.mark.parametrize("k", WRITES)
@pytest.mark.parametrize("actuator", ACTUATORS)
def test_what_was_written_before_the_kth_write_is_put_back(runs, actuator, k):
    scene, run, held = runs[actuator, k]
    records = scene.world.records(run.distribution_id)
    judge(
        scene,
        records,
        held,
        statuses=("queue_update_failed" if k == 1 else "member_update_failed",),
        outcomes=("not_needed" if k == 1 else "restored",),
    )
    written = 0 if k == 1 else len(scene.settings_old) + k - 2
    assert records["9-closed"]["restore"]["restored"] == written
    assert scene.queue_id not in scene.world.locks(), "the lock is not free"
