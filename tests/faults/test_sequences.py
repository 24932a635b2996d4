"""Random sequences of plans, faults and edits: the queue is old or new, never between, and no edit is lost."""

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.cases import status
from tests.faults.oracle import assert_manners
from tests.faults.scenes import Scene
from tests.faults.waves import recoveries_are_over
from tests.support.waiting import until

SEQUENCES = 3
SERIOUS = {
    "refused": status(403, None),
    "fails for ever": status(500, None),
    "dropped": {"action": "drop"},
    "lost before": {"action": "reset_before"},
    "lost after": {"action": "reset_after"},
    "unavailable": status(503, 2),
    "limited": status(429, **{"Retry-After": "1"}),
}
PEOPLES = {"score": (0.02, 0.04), "ring": (3, 4)}
"""The value of people's edits, which no plan below has."""


@dataclass(frozen=True)
class Step:
    """A plan with rotated weights, a fault at one of its writes, and an edit by a person before it."""

    turned: int
    fault: str | None
    at: int
    edited: int | None
    value: int
    aborted: bool


steps = st.builds(
    Step,
    turned=st.integers(0, 3),
    fault=st.sampled_from([None, *SERIOUS]),
    at=st.integers(0, 4),
    edited=st.none() | st.integers(0, 3),
    value=st.integers(0, 1),
    aborted=st.sampled_from([False, False, False, True]),
)


@pytest.mark.parametrize("actuator", ["score", "ring"])
@settings(
    max_examples=SEQUENCES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=st.lists(steps, min_size=2, max_size=3))
def test_each_plan_of_a_sequence_is_applied_whole_or_not_at_all(world, platform_world, actuator, sequence):
    each = world if actuator == "score" else platform_world
    scene = Scene(each, actuator)
    for step in sequence:
        each.sim.clear_faults()
        if step.edited is not None:
            scene.edit(scene.users[step.edited], PEOPLES[actuator][step.value])
        follow(scene, step)
    each.sim.clear_faults()
    assert_manners(each.about(scene.queue_id, each.sim.requests()))


def follow(scene: Scene, step: Step) -> None:
    world = scene.world
    before = scene.snapshot()
    old = scene.values(before) | scene.settings(before)
    values, weights = list(scene.new.values()), list(scene.weights.values())
    turn = lambda items: items[step.turned :] + items[: step.turned]  # noqa: E731 - a name for a rule
    new = dict(zip(scene.users, turn(values), strict=True)) | scene.settings_new
    plan = scene.plan(member_weights=dict(zip(scene.users, turn(weights), strict=True)))
    if step.fault:
        where = scene.settings_write if step.at == 4 else scene.writes_of(scene.users[step.at])
        world.sim.add_faults(SERIOUS[step.fault] | where)
    run = world.run(plan).start()
    if step.aborted:
        until(lambda: run.queue_id in world.locks() or "9-closed" in world.records(run.distribution_id))
        run.abort()
    until(lambda: "9-closed" in world.records(run.distribution_id) and run.queue_id not in world.locks())
    until(lambda: recoveries_are_over(world))
    record = world.records(run.distribution_id)["9-closed"]
    held = scene.snapshot()
    now = scene.values(held) | scene.settings(held)
    wanted = new if record["status"] == "completed" else old
    differing = {name for name in wanted if now[name] != pytest.approx(wanted[name], abs=1e-9)}
    said = (record.get("restore") or {}).get("unrestored") or []
    assert differing == set(said), f"{step}: {record['status']}, {record.get('restore')}: {old} -> {now}, not {wanted}"
    if not step.fault and not step.aborted:
        assert record["status"] == "completed", record["errors"]
    others, untouched = scene.others(before), scene.others(held)
    assert others == untouched
