"""Named plans: Default, Peak, Storm, Night, kept for a queue and applied with one command."""

from pathlib import Path
from typing import Annotated, Any

import typer

from routing_weights_cli import times
from routing_weights_cli.api import Json, segment
from routing_weights_cli.app import Command, Session, new_group, session
from routing_weights_cli.arguments import Confirm, Queue, Reason, Until
from routing_weights_cli.errors import CliError, Exit, ProblemError
from routing_weights_cli.names import Near, UnknownNameError
from routing_weights_cli.plan_files import plan_in
from routing_weights_cli.running import carry_out

group = new_group("Plans with a name: save one, compare it with what is in force, apply it.")

Name = Annotated[str, typer.Argument(help="The plan's name: letters, digits, - and _.")]
_NOT_FOUND, _CHANGED = 404, 412
_OF_A_RUN = {"queue_id", "dry_run", "until", "based_on", "wait_for_lock_s", "requested_by"}
_OF_A_PLAN = ("member_weights", "overflow_threshold", "utilization_target", "strategy_reference", "actuator", "skill")


@group.command("list", cls=Command)
def list_plans(ctx: typer.Context, queue: Queue) -> None:
    """The named plans of a queue."""
    own = session(ctx)
    line = own.names.queue(queue)
    items = own.api.get(_path(line))["items"]
    rows = [{**item, "saved": own.shown(item["saved_at"]), "by": _by(item)} for item in items]
    empty = f"{line['name']} has no named plans. `plans save` makes one."
    own.out.table(rows, ["name", "members", "saved", "by"], right=["members"], empty=empty)


@group.command("show", cls=Command)
def show(ctx: typer.Context, queue: Queue, name: Name) -> None:
    """A named plan, with the weight of each member."""
    own = session(ctx)
    line = own.names.queue(queue)
    found = _kept(own, line, name)
    if own.out.form == "json":
        return own.out.document(found)
    plan = found["plan"]
    members = {member["user_id"]: member for member in own.names.members(line["queue_id"])}
    own.out.say(f"{line['name']}: {found['name']}, saved {own.shown(found['saved_at'])} by {_by(found)}", "bold")
    others = {name: value for name, value in plan.items() if name != "member_weights" and value is not None}
    own.out.say(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in others.items()))
    rows = [
        {"name": members.get(user_id, {}).get("name") or user_id, "weight": weight, "user_id": user_id}
        for user_id, weight in plan["member_weights"].items()
    ]
    return own.out.table(rows, ["name", "weight", "user_id"], right=["weight"])


@group.command("save", cls=Command)
def save(
    ctx: typer.Context,
    queue: Queue,
    name: Name,
    file: Annotated[
        Path | None,
        typer.Option("--file", exists=True, help="A JSON file with a plan. What is in force when absent."),
    ] = None,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the plan that has this name.")] = False,
) -> None:
    """Save what is in force in a queue, or a file, under a name."""
    own = session(ctx)
    line = own.names.queue(queue)
    plan = _of_any_queue(plan_in(file)) if file else _in_force(own, line)
    seen = {"If_Match": f'"{_kept(own, line, name)["version"]}"'} if replace else {}
    try:
        kept = own.api.put(_path(line, name), plan, **seen)
    except ProblemError as error:
        if error.status != _CHANGED:
            raise
        theirs = _kept(own, line, name)
        who = f"{_by(theirs)} saved another one on {own.shown(theirs['saved_at'])}"
        remedy = f"Look at it (`plans show`), and say --replace to replace it, or choose another name than {name}."
        raise CliError(f"{line['name']} has a plan {name} already: {who}, and that stays.", remedy) from error
    if own.out.form != "table":
        return own.out.record(kept)
    return own.out.say(f"{line['name']}: {name} is saved, with {len(kept['plan']['member_weights'])} weights.")


@group.command("diff", cls=Command)
def compare(ctx: typer.Context, queue: Queue, name: Name) -> int:
    """Compare the weights of a named plan with those in force. Exit code 2 if they differ."""
    own = session(ctx)
    line = own.names.queue(queue)
    wanted = _kept(own, line, name)["plan"]
    held = own.api.get(f"/queues/{segment(line['queue_id'])}").get("in_force") or {}
    members = {member["user_id"]: member["name"] or member["user_id"] for member in own.names.members(line["queue_id"])}
    rows = [
        {"what": what, "in force": before, "named plan": after}
        for what, before, after in (*_weights(held, wanted, members), *_settings(held, wanted))
        if before != after
    ]
    own.out.table(rows, ["what", "in force", "named plan"], right=["in force", "named plan"], empty="No difference.")
    return Exit.DIFFERS if rows else Exit.DONE


@group.command("apply", cls=Command)
def apply(
    ctx: typer.Context,
    queue: Queue,
    name: Name,
    *,
    confirm: Confirm = False,
    until: Until = None,
    reason: Reason = None,
    require_approval: Annotated[
        bool, typer.Option("--require-approval", help="Somebody else must approve it.")
    ] = False,
) -> int:
    """Apply a named plan. Without --confirm, show what would change."""
    own = session(ctx)
    line = own.names.queue(queue)
    body = {
        "until": times.sent(times.instant(until, own.zone, own.now())) if until else None,
        "reason": reason,
        "require_approval": require_approval or None,
    }
    given = {name: value for name, value in body.items() if value is not None}
    _kept(own, line, name)
    return carry_out(own, f"{_path(line, name)}/apply", given, confirm=confirm)


@group.command("delete", cls=Command)
def delete(ctx: typer.Context, queue: Queue, name: Name) -> None:
    """Delete a named plan. What is in force stays."""
    own = session(ctx)
    line = own.names.queue(queue)
    own.api.delete(_path(line, name))
    own.out.say(f"{line['name']} has no plan {name} any more.")


def _path(line: Json, name: str | None = None) -> str:
    plans = f"/queues/{segment(line['queue_id'])}/plans"
    return plans if name is None else f"{plans}/{segment(name)}"


def _by(item: Json) -> str:
    return str(item.get("saved_by_name") or item.get("saved_by") or "").rpartition("/")[2]


def _kept(own: Session, line: Json, name: str) -> Json:
    """The named plan. Raises UnknownNameError with the names that are near."""
    try:
        found: Json = own.api.get(_path(line, name))
    except ProblemError as error:
        if error.status != _NOT_FOUND:
            raise
        near = Near(item["name"] for item in own.api.get(_path(line))["items"])
        raise UnknownNameError(f"{line['name']} has no plan {name}.", near.to(name)) from error
    return found


def _of_any_queue(plan: Json) -> Json:
    """A plan without its queue and what is about one run."""
    return {name: value for name, value in plan.items() if name not in _OF_A_RUN}


def _in_force(own: Session, line: Json) -> Json:
    held = own.api.get(f"/queues/{segment(line['queue_id'])}").get("in_force")
    if not held or not held["member_weights"]:  # after a revert to a state before every plan
        raise CliError(f"No weights are in force in {line['name']}.", "Name a file with --file, or apply a plan first.")
    return {name: held[name] for name in _OF_A_PLAN if held.get(name) is not None}


def _weights(held: Json, wanted: Json, members: dict[str, str]) -> list[tuple[str, Any, Any]]:
    before, after = held.get("member_weights") or {}, wanted["member_weights"]
    return [
        (members.get(user_id, user_id), before.get(user_id, 0.0), after.get(user_id, 0.0))
        for user_id in dict.fromkeys([*members, *before, *after])
    ]


def _settings(held: Json, wanted: Json) -> list[tuple[str, Any, Any]]:
    names = ("overflow_threshold", "utilization_target", "strategy_reference")
    return [(name.replace("_", " "), held.get(name), wanted.get(name)) for name in names]
