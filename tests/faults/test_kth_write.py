"""A plan whose k-th write is refused, for every k.

A queue of twenty members: first the setting is written, then the members, several at once. The k-th write is the k-th
that Genesys sees. A queue without rings: first the rings are
made, then the members are written, then the threshold. Its revert: first the members, then the groups of the rings,
then the rings. A queue without shares: first its routing rules are made, then one write to the table puts all shares in
force. Its revert: first the shares, then the rules.
"""

import pytest

from tests.faults.cases import status
from tests.faults.oracle import judge
from tests.faults.scenes import VOLATILE, Scene, matches
from tests.faults.waves import Tick, carry_out, ended, recoveries_are_over
from tests.support.waiting import until

MEMBERS = 20
LANES = 16
ACTUATORS = ("score", "ring")
WRITES = range(1, MEMBERS + 2)
RING_WRITES = range(1, 6)
"""The writes of a plan that makes rings, and of its revert: three of four members change their ring."""


@pytest.fixture(scope="module")
def runs(world, platform_world):
    """The scene, its run, the state of Genesys at the end and the requests, by actuator and k."""
    worlds = dict(zip(ACTUATORS, (world, platform_world), strict=True))
    for each in worlds.values():
        each.sim.clear_faults()
    tick = Tick()
    made = {}

    def job(scene, run, k):
        rule = scene.settings_write if k == 1 else scene.writes | {"skip": k - 2}
        scene.world.sim.add_faults(status(403) | rule)
        yield from completed(run)

    for k in WRITES:
        for actuator, of in worlds.items():
            scene = Scene(of, actuator, size=MEMBERS)
            made[actuator, k] = (scene, scene.run())
    carry_out([(scene.world, job(scene, run, k)) for (_, k), (scene, run) in made.items()], tick)
    until(lambda: all(map(recoveries_are_over, worlds.values())), pause_s=0.25)
    states = {actuator: of.sim.state() for actuator, of in worlds.items()}
    logs = {actuator: of.by_queue(of.sim.requests()) for actuator, of in worlds.items()}
    for of in worlds.values():
        of.sim.clear_faults()
    return {
        (actuator, k): (
            scene,
            run,
            scene.snapshot(states[actuator]),
            worlds[actuator].about(scene.queue_id, logs[actuator][scene.queue_id]),
        )
        for (actuator, k), (scene, run) in made.items()
    }


def completed(run):
    run.start()
    yield False
    yield from ended(run)


@pytest.mark.parametrize("k", WRITES)
@pytest.mark.parametrize("actuator", ACTUATORS)
def test_writes_before_the_kth_write_are_restored(runs, actuator, k):
    scene, run, held, requests = runs[actuator, k]
    records = scene.world.records(run.distribution_id)
    judge(
        scene,
        records,
        held,
        statuses=("queue_update_failed" if k == 1 else "member_update_failed",),
        outcomes=("not_needed" if k == 1 else "restored",),
    )
    accepted = {e["path"] for e in requests if matches(scene.writes, e) and e["status"] in {200, 202}}
    assert records["9-closed"]["restore"]["restored"] == len(accepted) + len(scene.settings_old) * (k > 1)
    assert max(0, k - 2) <= len(accepted) <= (0 if k == 1 else k - 2 + LANES - 1), "the others were under way"
    assert scene.queue_id not in scene.world.locks(), "the lock is not free"


@pytest.fixture(scope="module")
def rings(platform_world):
    """By k, four runs on one queue: a plan with its k-th write refused, the plan, and the same two for its revert.

    Each with its scene and the state of Genesys at its end.
    """
    sim, tick, found = platform_world.sim, Tick(), {k: [] for k in RING_WRITES}
    sim.clear_faults()
    sim.change_settings(members_date_queue=True)

    def job(k):
        scene = Scene(platform_world, "ring", narrows=True, makes_rings=True)
        writes = [scene.settings_write, *map(scene.writes_of, scene.order), scene.settings_write | {"skip": 1}]
        run = yield from done(k, scene, writes[k - 1])
        scene = scene.revert(run, with_group=True)
        writes = [*map(scene.writes_of, scene.order), scene.settings_write, scene.settings_write | {"skip": 1}]
        yield from done(k, scene, writes[k - 1])

    def done(k, scene, rule):
        """Yield the run that `rule` spoils, and the same run without a fault."""
        for rules in ([status(403) | rule], []):
            run = scene.run()
            sim.add_faults(*rules)
            yield from completed(run)
            found[k].append((scene, run, scene.snapshot()))
        return run

    carry_out([(platform_world, job(k)) for k in RING_WRITES], tick)
    sim.change_settings(members_date_queue=False)
    return found


@pytest.mark.parametrize("k", RING_WRITES)
@pytest.mark.parametrize("what", ["plan", "revert"])
def test_rings_are_as_before_or_as_planned_after_any_refused_write(rings, what, k):
    failed, whole = rings[k][:2] if what == "plan" else rings[k][2:]
    of_queue = (1, 5) if what == "plan" else (4, 5)
    outcomes = ("restored",) if k > 1 else ("not_needed",)
    if (what, k) == ("revert", 1):
        outcomes = ("not_needed", "restored")  # the second member's write was under way
    for (scene, run, held), status_, expected in (
        (failed, "queue_update_failed" if k in of_queue else "member_update_failed", outcomes),
        (whole, "completed", (None,)),
    ):
        records = scene.world.records(run.distribution_id)
        judge(scene, records, held, statuses=(status_,), outcomes=expected)
    if what == "revert":
        first, last = rings[k][0][0].before["queue"], held["queue"]
        assert {name: last.get(name) for name in first if name not in VOLATILE} == {
            name: value for name, value in first.items() if name not in VOLATILE
        }
        assert last.keys() == first.keys()
    assert scene.queue_id not in scene.world.locks(), "the lock is not free"


def test_shares_are_as_before_or_as_planned_after_a_refused_second_write(platform_world):
    """Genesys gets one write, the table the other one: last under the plan, and first under its revert."""
    platform_world.sim.clear_faults()
    scene = Scene(platform_world, "share", makes_rules=True)
    first, mentions = scene.before, [platform_world.ready["shares_table"], f'"{scene.queue_id}"']
    of_table = {"operation": "PutItem", "mentions": mentions, "action": "refuse", "skip": 0, "times": 1}
    for failed, of_queue in (
        ("member_update_failed", []),
        ("queue_update_failed", [status(403) | scene.settings_write]),
    ):
        run = scene.run()
        platform_world.sim.add_faults(*of_queue)
        platform_world.spoil_dynamodb([] if of_queue else [of_table])
        records = run.ends(failed) and platform_world.records(run.distribution_id)
        judge(scene, records, scene.snapshot(), statuses=(failed,), outcomes=("restored",))
        run = scene.run().ends("completed")
        judge(
            scene,
            platform_world.records(run.distribution_id),
            scene.snapshot(),
            statuses=("completed",),
            outcomes=(None,),
        )
        scene = scene.revert(run)
    assert (
        Scene.snapshot(scene)["queue"].items() >= {n: v for n, v in first["queue"].items() if n not in VOLATILE}.items()
    )
    assert scene.values(scene.snapshot()) == scene.values(first)
