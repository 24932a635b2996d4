"""Reading back: an accepted write may become readable a second or two later. No AWS, no HTTP."""

from collections.abc import Callable, Collection
from typing import Protocol

from routing_weights.distribution import Queue, same, unsettled
from routing_weights.plan import Plan

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 4.0
SETTLING_S = 2.0
"""How long accepted writes are given before the read-back that follows a failed one."""


class Readable(Protocol):
    def read_queue(self, queue_id: str) -> Queue: ...

    def read_again(self, queue: Queue, user_ids: Collection[str]) -> Queue: ...


def settle(
    genesys: Readable,
    plan: Plan,
    *,
    timeout_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Queue:
    """Read the queue; while it differs from the plan and `timeout_s` allows, read again what differs.

    The pauses double from 0.25 s to 4 s. The last reading is returned whether it settled or not.
    """
    until, pause = clock() + timeout_s, FIRST_PAUSE_S
    queue = genesys.read_queue(plan.queue_id)
    while unverified(plan, queue) and clock() + pause <= until:
        sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
        members = unsettled(plan.weights, queue.weights())
        queue = genesys.read_again(queue, members) if _settings_hold(plan, queue) else genesys.read_queue(plan.queue_id)
    return queue


def after_failure(genesys: Readable, plan: Plan, *, timeout_s: float, sleep: Callable[[float], None]) -> Queue:
    """Read the queue once, after a short time for what was accepted to become readable."""
    sleep(min(SETTLING_S, timeout_s))
    return genesys.read_queue(plan.queue_id)


def unverified(plan: Plan, queue: Queue) -> list[str]:
    """What does not hold the plan: members by id, and the queue's own setting by name."""
    return ([] if _settings_hold(plan, queue) else ["the queue's own setting"]) + unsettled(
        plan.weights, queue.weights()
    )


def _settings_hold(plan: Plan, queue: Queue) -> bool:
    wrap_up = plan.wrap_up_timeout_s is None or same(queue.wrap_up_timeout_s, plan.wrap_up_timeout_s)
    return wrap_up and same(queue.overflow_threshold, plan.overflow_threshold)
