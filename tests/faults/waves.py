"""Many distributions at once, on one thread: each is a generator that is resumed again and again.

A failing run mostly waits, so all runs together take little longer than the longest one.
"""

import time
from collections import defaultdict
from collections.abc import Generator, Iterable
from typing import Any

from tests.support.waiting import until
from tests.support.world import Run, World

PAUSE_S = 0.5
AT_A_TIME = 2
DEADLINE_S = 900.0
LONGEST_S = 240.0
"""A job that takes longer is dropped, so that only its own case fails."""
Job = Generator[bool]
"""Yields while it waits. True: it only waits for a recovery, which costs nothing, so another job may begin."""


class Tick:
    """The readings of each world in the current round, shared by all jobs. Requests are those since it was made."""

    def __init__(self) -> None:
        self._made = time.monotonic()
        self._read: dict[tuple[str, int], Any] = {}

    def clear(self) -> None:
        self._read.clear()

    def requests(self, world: World) -> list[dict[str, Any]]:
        return self._once("requests", world, lambda: world.sim.requests(self._made))

    def locks(self, world: World) -> dict[str, str]:
        return self._once("locks", world, world.locks)

    def _once(self, name: str, world: World, read: Any) -> Any:
        if (name, id(world)) not in self._read:
            self._read[name, id(world)] = read()
        return self._read[name, id(world)]


def carry_out(jobs: Iterable[tuple[World, Job]], tick: Tick, *, at_once: int = 14) -> None:
    """Run all jobs to their end, with at most `at_once` busy jobs per world."""
    waiting: dict[World, list[Job]] = defaultdict(list)
    for world, job in jobs:
        waiting[world].append(job)
    under_way: list[tuple[World, Job, float, bool]] = []

    def all_done() -> bool:
        nonlocal under_way
        tick.clear()
        now = time.monotonic()
        asked = [(*job, next(job[1], None)) for job in under_way if now - job[2] < LONGEST_S]
        under_way = [(world, job, began, idle) for world, job, began, _, idle in asked if idle is not None]
        for world, queue in waiting.items():
            busy = sum(w is world and not idle for w, _, _, idle in under_way)
            # A few at a time: a burst would start every function four times.
            begun = [queue.pop(0) for _ in range(min(AT_A_TIME, at_once - busy, len(queue)))]
            under_way += [(world, job, now, False) for job in begun]
        return not under_way and not any(waiting.values())

    until(all_done, DEADLINE_S, PAUSE_S)


def ended(run: Run) -> Job:
    """Wait for the end of an execution."""
    while run.arn not in run.world.ends:
        yield False


def closed(run: Run, tick: Tick) -> Job:
    """Wait until the record is closed and the lock is released."""
    while run.queue_id in tick.locks(run.world) or "9-closed" not in run.world.records(run.distribution_id):
        yield True


def recoveries_are_over(world: World) -> bool:
    query = {"stateMachineArn": world.ready["recover_state_machine"], "statusFilter": "RUNNING"}
    return not world.client("stepfunctions").list_executions(**query)["executions"]
