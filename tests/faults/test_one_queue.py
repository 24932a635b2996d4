"""Several writers on one queue: plans at the same moment, and people who edit it while a plan fails."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.faults.cases import status
from tests.faults.oracle import judge
from tests.faults.scenes import Scene, matches
from tests.support.waiting import until

PLANS = 10


def plans(scene, **changes):
    """Return ten plans that prefer different members."""
    weights = list(scene.weights.values())
    for number in range(PLANS):
        turned = weights[number % 4 :] + weights[: number % 4]
        largest = max(turned)
        lowered = [round(weight * (1 - 0.05 * (number // 4)), 6) if weight == largest else weight for weight in turned]
        yield scene.plan(member_weights=dict(zip(scene.users, lowered, strict=True)), reason=str(number), **changes)


def started_at_once(scene, **changes):
    runs = [scene.world.run(plan) for plan in plans(scene, **changes)]
    with ThreadPoolExecutor(PLANS) as callers:
        list(callers.map(lambda run: run.start(), runs))
    return runs


def statuses(runs):
    return [run.wait().record["status"] for run in runs]


def assert_held_whole(scene, run):
    """Every member holds the value in the run's record, which is the best representation of its weight in the plan."""
    largest = max(run.plan["member_weights"].values()) / max(scene.mechanism.weights)
    scale = largest if scene.mechanism.is_named else 1.0
    held = {user: scale * scene.weight(value) for user, value in scene.values(scene.snapshot()).items()}
    assert run.record["applied_weights"] == pytest.approx(held, abs=1e-6)
    assert run.record["applied_weights"] == pytest.approx(run.plan["member_weights"], abs=scale / 6)


def test_of_ten_plans_at_once_only_one_runs(scene):
    with scene.world.holding(f"/{scene.queue_id}"):  # the running plan is slow
        runs = started_at_once(scene)
        until(lambda: sum(run.arn in scene.world.ends for run in runs) == PLANS - 1)
    assert sorted(statuses(runs)) == ["completed"] + ["queue_busy"] * (PLANS - 1)
    (one,) = [run for run in runs if run.record["status"] == "completed"]
    assert_held_whole(scene, one)
    assert len(one.writes) <= len(scene.users) + 1, "only one run writes"
    assert scene.queue_id not in scene.world.locks()


def test_ten_plans_that_wait_run_one_after_the_other(scene):
    runs = started_at_once(scene, wait_for_lock_s=300)
    assert statuses(runs) == ["completed"] * PLANS
    last = max(runs, key=lambda run: run.record["timestamp"])
    assert_held_whole(scene, last)
    begun = sorted((run.record["timestamp"], run.distribution_id) for run in runs)
    assert len({moment for moment, _ in begun}) == PLANS
    assert scene.queue_id not in scene.world.locks()


def test_of_ten_plans_that_were_made_from_the_same_state_one_is_applied(scene):
    """They all wait for their turn, and none of the others replaces what its author has not seen."""
    runs = started_at_once(scene, wait_for_lock_s=120, based_on="none")
    assert sorted(statuses(runs)) == ["completed"] + ["outdated"] * (PLANS - 1)
    (one,) = [run for run in runs if run.record["status"] == "completed"]
    assert_held_whole(scene, one)
    others = [run for run in runs if run is not one]
    assert {run.record["errors"][0]["in_force"] for run in others} == {one.distribution_id}
    assert [run.record["before_image"] for run in others if "before_image" in run.record] == []
    assert len(one.writes) <= len(scene.users) + 1, "only one run writes"
    assert scene.queue_id not in scene.world.locks()


def only_the_last_write_is_left(scene, last):
    """True while the last write is under way and the others, which may be at the same time, are answered."""
    requests = scene.world.sim.requests()
    *others, own = [scene.writes_of(user) for user in scene.order]
    return any(entry["fault"] and matches(last, entry) for entry in requests) and all(
        any(entry["answered"] and matches(write, entry) for entry in requests) for write in others if write != own
    )


@contextmanager
def last_write_refused(scene):
    """A run whose last write is under way until the block ends, and is then refused."""
    write = scene.writes_of(scene.order[-1])
    with scene.world.holding(**status(403) | write):
        scene.world.sim.add_faults(status(403, None) | write)
        run = scene.run().start()
        until(lambda: only_the_last_write_is_left(scene, write))
        yield run


@pytest.mark.parametrize("edited", ["a member", "the queue"])
def test_a_supervisors_edit_during_a_failing_run_survives_and_is_named(scene, edited):
    """The edit comes during the run's last write, which is refused. All other writes are done."""
    with last_write_refused(scene) as run:
        if edited == "a member":
            scene.edit(scene.order[0], 0.01 if scene.actuator == "score" else 3)
        else:
            scene.edit_wrap_up(123)
            scene.edit_description("Edited while a plan was failing.")
    run.ends("member_update_failed")
    records = run.world.records(run.distribution_id)
    judge(scene, records, scene.snapshot(), statuses=("member_update_failed",), outcomes=("restored",))
    assert run.record["restore"]["edited"] == list(scene.edits)


def test_rings_stay_if_somebody_uses_one_while_their_plan_fails(platform_world):
    platform_world.sim.clear_faults()
    scene = Scene(platform_world, "ring", narrows=True, makes_rings=True)
    with last_write_refused(scene) as run:
        scene.edit(scene.order[0], 3)
    run.ends("member_update_failed")
    judge(
        scene,
        run.world.records(run.distribution_id),
        scene.snapshot(),
        statuses=("member_update_failed",),
        outcomes=("partial",),
        stuck=("bullseye_rings",),
    )
    assert run.record["restore"]["edited"] == list(scene.edits)
