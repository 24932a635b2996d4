"""The target of a revert: the image of an earlier distribution. And the guards of changes that nobody has seen."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

from routing_weights.domain.actuation import Actuation
from routing_weights.domain.decision import Image
from routing_weights.domain.drift import can_be_set, differences, fingerprint
from routing_weights.domain.plan import NO_DISTRIBUTION, Plan, Restores
from routing_weights.domain.problems import not_applicable
from routing_weights.domain.queue import SETTINGS, Queue, SettingName, deleted_users, holds, named
from routing_weights.domain.record import RunSummary
from routing_weights.domain.target import Target, image
from routing_weights.domain.verify import carried_out
from routing_weights.errors import Outdated, QueueChanged

Find = Callable[[str, Literal["before", "after"]], Image | None]
"""Takes a distribution id and which image. Returns the image, or None if there is none."""


class Targeting(Protocol):
    def completed(self, target: Target, before: Queue) -> Target: ...

    def fields_of(self, queue: Queue, names: Iterable[SettingName]) -> Mapping[str, Any]: ...


def images_of(plan: Plan, find: Find) -> list[Image]:
    """Return the images that a plan reverts to, the newest first. Empty for a plan that is no revert.

    Raises:
        PlanNotApplicable: an image is not on record, or of another queue, or of another actuator than the first.
    """
    if plan.restores is None:
        return []
    named_, images = plan.restores, list[Image]()
    for run, which in ((named_.distribution_id, named_.image), *((earlier, "before") for earlier in named_.also)):
        image_ = find(run, "after" if which == "after" else "before")
        if image_ is None or image_.held.queue_id.lower() != plan.queue_id:
            message = f"no state {which} distribution {run} is on record for queue {plan.queue_id}"
            raise not_applicable("restores", message, "image_unknown")
        if images and image_.decision.carrier != images[0].decision.carrier:
            message = f"distribution {run} was carried by something else than {named_.distribution_id}"
            raise not_applicable("restores", message, "carrier_changed")
        images.append(image_)
    return images


def target_of(genesys: Targeting, images: Sequence[Image], queue: Queue) -> Target:
    """Return the target that reverts `queue` to `images`. An older image wins over a newer one.

    Raises:
        PlanNotApplicable: the queue cannot have this state.
    """
    wanted = _held_then(genesys, images)
    present = {member.user_id for member in queue.members} - deleted_users(queue)
    settings = {name: value for name, value in wanted.settings.items() if can_be_set(name, value)}
    target = replace(
        wanted,
        weights=_of(wanted.weights, present),
        values=_of(wanted.values, present),
        settings=settings,
    )
    return genesys.completed(target, queue)


def kept_before(plan: Plan, actuation: Actuation, target: Target, queue: Queue, last: Image) -> Target:
    """`target` with the values that Genesys made of the same plan in the `last` distribution, which read them back.

    So a plan that is sent again writes nothing, although Genesys keeps fewer decimals than were written. `target`
    itself, if anything differs from what was decided or read back then.
    """
    decision, now = last.decision, {member.user_id: member for member in queue.members}
    then = {member.user_id: member.value for member in last.held.members}
    requested = {user: line["requested"] for user, line in decision.statement["members"].items()}
    is_same = (
        (decision.actuation.actuator, decision.skill_id) == (actuation.actuator, queue.skill_id)
        and requested == dict(plan.weights)
        and all(user in then and holds(now[user].value, then[user]) for user in target.values)
    )
    if not is_same:
        return target
    return replace(
        target,
        weights={user: now[user].weight for user in target.values},
        values={user: now[user].value for user in target.values},
    )


def require_based_on(plan: Plan, last: RunSummary | None) -> None:
    """Raise Outdated if the plan is based on another distribution than the queue's last completed one."""
    in_force = last.distribution_id if last else NO_DISTRIBUTION
    if plan.based_on in {None, in_force}:
        return
    if last is None:
        message = f"No distribution has been applied to queue {plan.queue_id}, so the plan cannot be based on one."
        raise Outdated(f"{message} Send it with based_on: {NO_DISTRIBUTION}.", path="based_on", in_force=in_force)
    why, reason = (f" ({last.reason})", {"reason": last.reason}) if last.reason else ("", {})
    raise Outdated(
        f"{last.by} has applied distribution {in_force} to queue {plan.queue_id} at {last.timestamp}{why}, and this "
        f"plan was made before that, from {_base(plan)}. Look at both, then send the plan with based_on: {in_force}.",
        path="based_on",
        in_force=in_force,
        applied_by=last.by,
        applied_at=last.timestamp,
        **reason,
    )


def require_known_drift(restores: Restores, target: Target, queue: Queue, last: str | None) -> None:
    """Raise PlanNotApplicable if a repair would overwrite other values than those that it was decided on.

    They may contain an edit that is too young to be overwritten. If another distribution has completed since, the
    drift has become part of a plan. `last` is the queue's last completed distribution.
    """
    if last != restores.distribution_id:
        message = "another distribution has been completed since this repair was decided on"
        raise not_applicable("restores.drift", message, "drift_changed")
    found = differences(target, queue)
    if found and fingerprint(restores.distribution_id, found) != restores.drift:
        message = "the queue has been changed again since this repair was decided on: the newer change is left alone"
        raise not_applicable("restores.drift", message, "drift_changed")


def require_as_applied(restores: Restores, applied: Target, queue: Queue, last: str | None) -> None:
    """Raise PlanNotApplicable if the queue no longer holds what a distribution has set: `applied`, as it was read back.

    `last` is the queue's last completed distribution.
    """
    if last != restores.distribution_id:
        message = f"distribution {last} has been applied to the queue since, and stays"
        raise not_applicable("restores", message, "edited_since")
    if found := differences(applied, queue):
        names = named([difference.name for difference in found])
        message = f"somebody has changed the queue since, and that change is left alone: {names}"
        raise not_applicable("restores", message, "edited_since")


def require_unedited(target: Target, before: Queue, now: Queue) -> None:
    """Raise QueueChanged if a run would overwrite an edit younger than its before-image.

    A value of the target is no edit: this run may have written it already.
    """
    then, wanted = image(before, target), _all_of(target)
    values = {name: now.settings.get(name) for name in SETTINGS} | {m.user_id: m.value for m in now.members}
    written = carried_out(target, now)
    edited = sorted(
        name
        for name, value in _all_of(then).items()
        if name in values
        and not holds(values[name], value)
        and not holds(values[name], wanted[name])
        and name not in written
    )
    if edited:
        raise QueueChanged(
            f"Queue {now.queue_id} was changed by somebody after this distribution had read it: {named(edited)}. "
            "That change is left alone.",
            fields=edited,
        )


def _base(plan: Plan) -> str:
    return "what Genesys held" if plan.based_on == NO_DISTRIBUTION else f"distribution {plan.based_on}"


def _all_of(target: Target) -> dict[str, Any]:
    settings: dict[str, Any] = dict(target.settings.items())
    return settings | dict(target.values)


def _held_then(genesys: Targeting, images: Sequence[Image]) -> Target:
    held, *earlier = (_as_target(genesys, one) for one in images)
    for older in earlier:
        held = replace(
            held,
            weights={**held.weights, **older.weights},
            values={**held.values, **older.values},
            settings={**held.settings, **older.settings},
            fields={**held.fields, **older.fields},
        )
    return held


def _as_target(genesys: Targeting, one: Image) -> Target:
    """Return what the queue held of everything that the distribution was to change."""
    held = image(one.held, one.decision.target)
    return replace(held, fields=genesys.fields_of(one.held, held.settings))


def _of(values: Mapping[str, Any], members: set[str]) -> dict[str, Any]:
    return {member: value for member, value in values.items() if member in members}
