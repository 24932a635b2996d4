"""A plan that puts an earlier state back: its target is what a distribution's image held. No AWS, no HTTP."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from routing_weights.actuation import not_applicable
from routing_weights.distribution import RING_GROUPS, Queue, Target, carried_out, deleted_users, holds, image, named
from routing_weights.drift import Difference, differences, fingerprint
from routing_weights.errors import QueueChanged
from routing_weights.plan import Plan, Restores

Find = Callable[[str, str], Any]
"""Distribution id and name of a document -> the document, None where there is none."""


class Targeting(Protocol):
    def target(self, plan: Plan, before: Queue) -> Target: ...

    def completed(self, target: Target, before: Queue) -> Target: ...

    def fields_of(self, queue: Queue, names: Iterable[str]) -> Mapping[str, Any]: ...


def target_of(genesys: Targeting, plan: Plan, queue: Queue, find: Find) -> Target:
    """What `queue` will hold once `plan` is applied: its weights, or the state that it puts back.

    Raises:
        PlanNotApplicable: the state to put back is not on record, another queue's, or not one that the queue can have.
    """
    if plan.restores is None:
        return genesys.target(plan, queue)
    wanted = _held_then(genesys, plan, find)
    present = {member.user_id for member in queue.members} - deleted_users(queue)
    settings = {name: value for name, value in wanted.settings.items() if _can_be_set(name, value)}
    found = replace(
        wanted,
        weights=_of(wanted.weights, present),
        values=_of(wanted.values, present),
        settings=settings,
    )
    return genesys.completed(found, queue)


def can_be_put_back(difference: Difference) -> bool:
    """Whether `target_of` a plan that puts back has it: not a member who is no longer in the queue."""
    if difference.what == "setting":
        return _can_be_set(difference.name, difference.expected)
    return not difference.missing


def require_known_drift(restores: Restores, target: Target, queue: Queue, last: str | None) -> None:
    """Raise PlanNotApplicable where a repair would overwrite more, or other values, than it was decided on.

    Somebody's edit of the last seconds is among them, and is too young to be overwritten. A plan that says what was
    drift until then makes it none: `last` is the queue's last completed distribution.
    """
    if last != restores.distribution_id:
        message = "another distribution has been completed since this repair was decided on"
        raise not_applicable("restores.drift", message, "drift_changed")
    found = differences(target, queue)
    if found and fingerprint(restores.distribution_id, found) != restores.drift:
        message = "the queue has been changed again since this repair was decided on: the newer change is left alone"
        raise not_applicable("restores.drift", message, "drift_changed")


def require_unedited(target: Target, before: Queue, now: Queue) -> None:
    """Raise QueueChanged where a repair would overwrite an edit that is younger than its before-image.

    What holds the target may have been written already, by this run.
    """
    then, wanted = image(before, target), _all_of(target)
    held = {**now.settings, **{member.user_id: member.value for member in now.members}}
    written = carried_out(target, now)
    edited = sorted(
        name
        for name, value in _all_of(then).items()
        if name in held and not holds(held[name], value) and not holds(held[name], wanted[name]) and name not in written
    )
    if edited:
        raise QueueChanged(
            f"Queue {now.queue_id} was changed by somebody after this repair had read it: {named(edited)}. "
            "That change is left alone.",
            fields=edited,
        )


def _all_of(target: Target) -> dict[str, Any]:
    return {**target.settings, **target.values}


def _held_then(genesys: Targeting, plan: Plan, find: Find) -> Target:
    assert plan.restores is not None  # noqa: S101  only asked then
    held = _image(genesys, plan.queue_id, plan.restores.distribution_id, plan.restores.image, find)
    for earlier in plan.restores.also:
        older = _image(genesys, plan.queue_id, earlier, "before", find)
        held = replace(
            held,
            weights={**held.weights, **older.weights},
            values={**held.values, **older.values},
            settings={**held.settings, **older.settings},
            fields={**held.fields, **older.fields},
        )
    return held


def _image(genesys: Targeting, queue_id: str, run: str, which: str, find: Find) -> Target:
    """What the queue held before or after a distribution, of what that distribution was to change."""
    target, then = (find(run, name) for name in ("target", which))
    if target is None or then is None or then["queue_id"].lower() != queue_id:
        message = f"no state {which} distribution {run} is on record for queue {queue_id}"
        raise not_applicable("restores", message, "image_unknown")
    queue = Queue.from_json(then)
    held = image(queue, Target.from_json(target))
    return replace(held, fields=genesys.fields_of(queue, held.settings))


def _of(values: Mapping[str, Any], members: set[str]) -> dict[str, Any]:
    return {member: value for member, value in values.items() if member in members}


def _can_be_set(name: str, value: Any) -> bool:
    """A time-out that Genesys did not hold cannot be taken away; a rule, or the groups of rings, can."""
    return value is not None or name in {"overflow_threshold", RING_GROUPS}
