"""The fault matrix: every kind of fault hits every write and every state, under both contracts and each actuator.

After each run Genesys holds the old state or the new one, never something between, except what could not be restored,
and the record names exactly that.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults import processes
from tests.faults.cases import CASES, HELD_UP_S, LATE_S, Case
from tests.faults.oracle import assert_manners, judge
from tests.faults.scenes import Scene, matches
from tests.faults.waves import Job, Tick, carry_out, closed, ended, recoveries_are_over
from tests.support.waiting import until
from tests.support.world import Run, World

TOO_LATE_S = 3.0
LEAST = 150
"""The size of the matrix, so that a smaller one is noticed."""


@dataclass
class Cell:
    """A run, and the cases that it covers."""

    cases: list[Case]
    scene: Scene
    run: Run
    held: dict[str, Any] | None = None
    """The state of Genesys at the end."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """The requests about the queue."""
    locked: bool = False
    met: list[int] = field(default_factory=list)
    """How often each fault of the table was met."""
    other: Run | None = None
    """The distribution that has the queue's lock in the meantime."""

    @property
    def case(self) -> Case:
        return self.cases[0]

    @property
    def world(self) -> World:
        return self.scene.world

    @property
    def of_table(self) -> list[dict[str, Any]]:
        mentions = [self.world.ready["shares_table"], f'"{self.scene.queue_id}"']
        faults = [fault for case in self.cases for fault in case.of_table]
        return [{"operation": "PutItem", "mentions": mentions} | fault for fault in faults]

    @property
    def rules(self) -> list[dict[str, Any]]:
        return [rule for case in self.cases for rule in case.rules(self.scene)]


@pytest.fixture(scope="module")
def cells(request, world, platform_world):
    """The finished runs of the selected tests, by name."""
    assert len({case.id for case in CASES}) == len(CASES) >= LEAST
    worlds = [world, platform_world]
    for each in worlds:
        each.sim.clear_faults()
        each.sim.clear_requests()
        for service in ("stepfunctions", "dynamodb"):
            each.client(service)
    platform_world.sim.change_settings(
        members_date_queue=True
    )  # the stricter Genesys: see docs/administer/genesys-setup.md
    scenes: dict[str, tuple[list[Case], Scene]] = {}
    for name in dict.fromkeys(chosen(request.session.items)):
        cases = [case for case in CASES if case.run == name]
        scenes[name] = cases, cases[0].scene(world if cases[0].actuator == "score" else platform_world)
    with_rings(scenes)
    made = {name: Cell(cases, scene, scene.run()) for name, (cases, scene) in scenes.items()}
    waves: dict[str, list[Cell]] = {}
    for cell in made.values():
        waves.setdefault(cell.case.wave, []).append(cell)
    of_table = [(cell, fault) for cell in made.values() for fault in cell.of_table]
    platform_world.spoil_dynamodb([fault for _, fault in of_table])
    tick = Tick()

    def run(wave: str, also: Iterable[tuple[World, Job]] = (), at_once: int = 14) -> None:
        to_run = [cell for cell in waves.get(wave, []) if not cell.run.arn]
        carry_out([*also, *((cell.world, under_way(cell)) for cell in to_run)], tick, at_once=at_once)

    aborted = [cell for cell in waves.get("all at once", []) if cell.case.abort_in]
    with_held_functions(worlds, aborted)
    carry_out([(cell.world, until_aborted(cell, tick)) for cell in aborted if not cell.run.arn], tick, at_once=6)
    run("all at once", also=[(cell.world, recovered(cell, tick)) for cell in aborted])
    look(worlds, made)
    for wave, delay_s in (("late", LATE_S), ("too late", TOO_LATE_S)):
        for each in worlds:
            each.sim.change_settings(apply_delay_s=delay_s)
        try:
            run(wave)
        finally:
            for each in worlds:
                each.sim.change_settings(apply_delay_s=0)
    # Last: a warm function that holds a revoked token sends its next write twice, and a rule would count both.
    run("one by one", at_once=1)
    look(worlds, made)
    for each in worlds:
        each.sim.clear_faults()
    count_faults(platform_world, [cell for cell, _ in of_table])
    yield made
    platform_world.sim.change_settings(members_date_queue=False)


def count_faults(world: World, cells: list[Cell]) -> None:
    """Note how often each fault of the table was met, and end all of them."""
    for cell, times in zip(cells, world.spoilt(), strict=True):
        cell.met.append(times)
    world.spoil_dynamodb([])


def with_rings(scenes: dict[str, tuple[list[Case], Scene]]) -> None:
    """Complete the plans that a case reverts, and expect somebody's edits."""
    tick = Tick()
    runs = {name: scene.run() for name, (cases, scene) in scenes.items() if cases[0].rings == "removed"}

    def completed(run: Run) -> Job:
        run.start()
        yield False
        yield from ended(run)

    carry_out([(run.world, completed(run)) for run in runs.values()], tick)
    for name, run in runs.items():
        scenes[name] = scenes[name][0], scenes[name][1].revert(run)
    for cases, scene in scenes.values():
        scene.edits, scene.edited_fields = dict(cases[0].edits), dict(cases[0].edited_fields)


def chosen(items: Iterable[pytest.Item]) -> Iterator[str]:
    for item in items:
        case = item.callspec.params.get("case") if hasattr(item, "callspec") else None
        if isinstance(case, Case):
            yield case.run


def look(worlds, made) -> None:
    """Take a snapshot once no write is delayed any more."""
    until(lambda: all(map(recoveries_are_over, worlds)), pause_s=0.25)
    states = {each: (each.sim.state(), each.by_queue(each.sim.requests())) for each in worlds}
    locks = {each: each.locks() for each in worlds}
    for cell in made.values():
        state, requests = states[cell.world]
        cell.held = cell.scene.snapshot(state)
        cell.requests = cell.world.about(cell.scene.queue_id, requests[cell.scene.queue_id])
        cell.locked = cell.scene.queue_id in locks[cell.world]


def with_held_functions(worlds, cells: list[Cell]) -> None:
    """Abort in a state whose function does not call Genesys, by stopping the function itself."""
    for state, function in (("Validate", "validate"), ("Lock", "project"), ("Audit", "audit")):
        concerned = [cell for cell in cells if cell.case.abort_in == state]
        if not concerned:
            continue
        with processes.held(worlds, function) as hold:
            for cell in concerned:
                begin(cell)
            left = list(concerned)

            def all_aborted(left=left, hold=hold, state=state):
                hold()
                tick = Tick()
                for cell in list(left):
                    if to_be_aborted(cell, tick) if state == "Lock" else is_in(cell.run, state):
                        cell.run.abort()
                        left.remove(cell)
                return not left

            until(all_aborted, pause_s=0.05, longest_pause_s=0.05)  # a new runtime is held before it has worked
            if state == "Audit":  # a recovery has read the lock before the function continues
                until(lambda cells=concerned: all(map(held_by_another, cells)), pause_s=0.1)


def held_by_another(cell: Cell) -> bool:
    return cell.world.locks().get(cell.scene.queue_id) not in {None, cell.run.arn}


def begin(cell: Cell) -> None:
    if cell.rules:
        cell.world.sim.add_faults(*cell.rules)
    if cell.case.abort_in == "Wait for the lock":
        cell.other = cell.scene.run(wait_for_lock_s=0)
        cell.world.sim.add_faults({"action": "delay", "delay_s": HELD_UP_S} | cell.scene.listing)
        cell.other.start()
        until(lambda: cell.scene.queue_id in cell.world.locks())
    cell.run.start()


def until_aborted(cell: Cell, tick: Tick) -> Job:
    begin(cell)
    yield False
    while not to_be_aborted(cell, tick):
        yield False
    cell.run.abort()


def recovered(cell: Cell, tick: Tick) -> Job:
    yield from closed(cell.run, tick)
    if cell.other:
        yield from ended(cell.other)


def under_way(cell: Cell) -> Job:
    begin(cell)
    yield False
    yield from ended(cell.run)


def to_be_aborted(cell: Cell, tick: Tick) -> bool:
    world = cell.world
    if cell.case.abort_in == "Lock":
        return tick.locks(world).get(cell.scene.queue_id) == cell.run.arn
    if cell.case.abort_in == "Wait for the lock":
        return is_in(cell.run, "Wait for the lock")
    rule = cell.case.rules(cell.scene)[0]
    return any(
        entry["fault"] == "delay" and entry["answered"] is None and matches(rule, entry)
        for entry in tick.requests(world)
    )


def is_in(run: Run, state: str) -> bool:
    return run.entered[-1:] == [state]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_queue_is_as_before_or_as_planned_and_the_record_is_true(cells, case):
    cell = cells[case.run]
    scene, records = cell.scene, cell.world.records(cell.run.distribution_id)
    for rule in case.rules(scene):
        hit = [entry for entry in cell.requests if entry["fault"] == rule["action"] and matches(rule, entry)]
        assert hit, f"no request met this fault: {rule}"
    assert all(cell.met), "a fault of the table was not met"
    if cell.other:  # its plan is the same, and it completes
        others = cell.world.records(cell.other.distribution_id)
        judge(scene, others, cell.held, statuses=("completed",), outcomes=(None,))
        assert records["9-closed"]["status"] in case.statuses
    else:
        stuck = tuple(case.stuck(scene))
        judge(scene, records, cell.held, statuses=case.statuses, outcomes=case.outcomes, stuck=stuck)
    if case.edits or case.edited_fields:
        closing = records["9-closed"]
        (error,), (rule,) = closing["errors"], case.rules(scene)
        assert (error["type"], error["fields"]) == ("QueueChanged", list(rule["body"]))
        assert "modified_by" not in error, "writes of our own have come after it"
        assert closing["restore"]["edited"] == sorted(case.edits)
    assert_effort(records["9-closed"]["effort"], cell)
    assert not cell.locked, "the lock is not free"
    assert_manners(cell.requests)


def assert_effort(effort: dict[str, Any], cell: Cell) -> None:
    """Every request is counted, unless an invocation was killed or aborted and could not report what it sent."""
    looked_up = cell.case.actuator == "proficiency"  # the search for a skill names it in its query, not its path
    sent = len(cell.requests) + looked_up
    alone = not cell.other and cell.case.rings != "removed"
    if alone and not effort["unreported"]:
        assert effort["requests"] == sent
    else:
        assert effort["requests"] <= sent
