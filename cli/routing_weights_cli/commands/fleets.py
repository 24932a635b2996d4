"""Fleets: many plans in one submission, in waves."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import requests
import typer

from routing_weights_cli import diff
from routing_weights_cli.api import TIMEOUT_S, Json, segment
from routing_weights_cli.app import Command, Session, new_group, session
from routing_weights_cli.arguments import Confirm, Reason
from routing_weights_cli.cells import Problem
from routing_weights_cli.errors import CliError, Exit, ProblemError
from routing_weights_cli.fleet_files import Named, named
from routing_weights_cli.refusals import show_problems
from routing_weights_cli.running import announce, follow_fleet, report_fleet

group = new_group("Many plans in one submission, in waves, with one stop and one way back.")

Fleet = Annotated[str | None, typer.Argument(help="The fleet's id. Your newest fleet when absent.")]
_MOST_REHEARSED = 200
"""So many queues of a rehearsal are asked what would change."""
_WAVE = re.compile(r"(\d+)(%?)(?::(\d+)m(?::(\d+))?)?")


@group.command("submit", cls=Command)
def submit(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="CSV (queue, member, weight, ...), JSON Lines, or JSON with plans.", exists=True)
    ],
    *,
    confirm: Confirm = False,
    wave: Annotated[
        list[str] | None,
        typer.Option(
            "--wave",
            metavar="SIZE[:BAKE[:FAILED]]",
            help="Queues of a wave, minutes it is watched, failures it may have: 5, 20%:30m, 5:30m:0. May be repeated.",
        ),
    ] = None,
    on_failure: Annotated[
        str | None, typer.Option("--on-failure", metavar="stop|revert|hold", help="After a wave that failed. stop.")
    ] = None,
    atomic: Annotated[bool, typer.Option("--atomic", help="All or none: the first failure reverts all.")] = False,
    skip_invalid: Annotated[bool, typer.Option("--skip-invalid", help="Leave out plans with a mistake.")] = False,
    overflow_threshold: Annotated[float | None, typer.Option(help="Of plans that do not have one.")] = None,
    utilization_target: Annotated[float | None, typer.Option(help="Of plans that do not have one.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Of plans that do not have one.")] = None,
    reason: Reason = None,
    key: Annotated[
        str | None, typer.Option("--key", help="The same key and file lead to the same fleet: to repeat safely.")
    ] = None,
) -> int:
    """Submit a file of plans. Without --confirm it is a rehearsal, which writes nothing.

    Queues and members may have their names and e-mail addresses. If a plan is wrong, nothing is started.
    """
    own = session(ctx)
    renamed = named(file.read_bytes(), file.suffix.lower(), own.names)
    if renamed.problems:
        _refuse(own, renamed.problems, len(renamed.problems))
    defaults = {
        "overflow_threshold": overflow_threshold,
        "utilization_target": utilization_target,
        "strategy_reference": strategy,
        "reason": reason,
        "dry_run": None if confirm else True,
    }
    options = {
        "waves": [_wave(text) for text in wave or []],
        "on_failure": on_failure,
        "atomic": atomic,
        "skip_invalid": skip_invalid,
    }
    body = _body(own, renamed, {name: value for name, value in defaults.items() if value is not None}, options)
    try:
        accepted = own.api.post("/fleets", body, key)
    except ProblemError as error:
        if not error.errors:
            raise
        _refuse(own, [_placed(problem) for problem in error.errors], error.error_count)
    if accepted["skipped"]:
        own.out.note(f"{accepted['skipped']} plans were left out:")
        show_problems(own.out, [_placed(problem) for problem in accepted["errors"]])
    announce(own, "fleet" if confirm else "rehearsal", accepted["fleet_id"])
    return _watch(own, accepted["fleet_id"])


@group.command("list", cls=Command)
def list_fleets(
    ctx: typer.Context, limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20
) -> None:
    """The fleets, newest first."""
    own = session(ctx)
    rows = [
        {**each, "submitted": own.shown(each["submitted_at"]), "by": each["caller_name"] or _last(each["caller"])}
        for each in own.api.pages("/fleets", most=limit, limit=min(limit, 50))
    ]
    columns = ["submitted", "status", "total", "by", "fleet_id"]
    own.out.table(rows, columns, right=["total"], fold=["fleet_id"], empty="There are no fleets.")


@group.command("status", cls=Command)
def status(ctx: typer.Context, fleet: Fleet = None) -> int:
    """How far a fleet has come, wave by wave."""
    own = session(ctx)
    found = own.api.get(f"/fleets/{segment(_found(own, fleet))}")
    if own.out.form == "json":
        own.out.document(found)
        return _exit_of(found)
    own.out.say(f"{found['status'].replace('_', ' ')}: {found['sentence']}", "bold")
    if found["reason"]:
        own.out.say(found["reason"])
    counted = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found["queues"].items() if count)
    own.out.say(f"{found['total']} queues: {counted}.")
    if found["seconds_left"]:
        own.out.say(f"About {found['seconds_left'] / 60:.0f} minutes are left, for {found['requests_left']} requests.")
    waves = [
        {**each, "wave": each["wave"] + 1, "verdict": each["verdict"] or "", "why": " ".join(each["reasons"])}
        for each in found["waves"]
    ]
    own.out.table(waves, ["wave", "queues", "ended", "failed", "verdict", "why"], fold=["why"])
    return _exit_of(found)


@group.command("queues", cls=Command)
def queues(
    ctx: typer.Context,
    fleet: Fleet = None,
    only: Annotated[str | None, typer.Option("--status", help="Only those of this status.")] = None,
) -> None:
    """The queues of a fleet, each with its status and its distribution."""
    own = session(ctx)
    rows = [{**each, "wave": each["wave"] + 1} for each in _queues(own, _found(own, fleet), only)]
    columns = ["name", "wave", "status", "distribution_id"]
    own.out.table(rows, columns, right=["wave"], fold=["distribution_id"], empty="No queue has this status.")


@group.command("watch", cls=Command)
def watch(ctx: typer.Context, fleet: Fleet = None) -> int:
    """Follow a fleet until it ends, or is held until somebody decides."""
    own = session(ctx)
    return _watch(own, _found(own, fleet))


@group.command("cancel", cls=Command)
def cancel(ctx: typer.Context, fleet: Fleet = None) -> None:
    """Begin no further queue. Those that are being changed are finished."""
    own = session(ctx)
    found = _found(own, fleet)
    own.api.post(f"/fleets/{segment(found)}/cancel")
    own.out.say("Accepted. This shows how it ends:")
    own.out.command(f"routing-weights fleet watch {found}")


@group.command("continue", cls=Command)
def go_on(ctx: typer.Context, fleet: Fleet = None) -> int:
    """Let a held or interrupted fleet go on, and follow it."""
    own = session(ctx)
    found = _found(own, fleet)
    own.api.post(f"/fleets/{segment(found)}/continue")
    return _watch(own, found)


@group.command("revert", cls=Command)
def revert(ctx: typer.Context, fleet: Fleet = None, *, confirm: Confirm = False) -> int:
    """Revert the queues that a fleet has changed, newest first, and follow it."""
    own = session(ctx)
    fleet_id = _found(own, fleet)
    found = own.api.get(f"/fleets/{segment(fleet_id)}")
    changed = found["queues"].get("completed", 0) - found["reverted"]
    if not confirm:
        own.out.say(f"{changed} of {found['total']} queues would be reverted. Add --confirm to do it.")
        return Exit.DIFFERS if changed else Exit.DONE
    own.api.post(f"/fleets/{segment(fleet_id)}/revert")
    code = _watch(own, fleet_id)
    return Exit.DONE if code == Exit.RESTORED else code


def _found(own: Session, fleet: str | None) -> str:
    """The id of the fleet that is meant. Raises CliError if there is none."""
    if fleet:
        return fleet
    newest = next(own.api.pages("/fleets", most=1, limit=1), None)
    if newest is None:
        raise CliError("There are no fleets.", "Submit one: routing-weights fleet submit plans.csv")
    return str(newest["fleet_id"])


def _watch(own: Session, fleet_id: str) -> int:
    """Follow a fleet until it is over or held. Of a rehearsal: what each queue would change."""
    fleet = follow_fleet(own, fleet_id)
    items = _queues(own, fleet_id)
    rehearsed = [item for item in items if item["status"] == "dry_run"][:_MOST_REHEARSED]
    records = [own.api.distribution(item["distribution_id"]) for item in rehearsed]
    if own.out.form != "table":
        planned = {record["distribution_id"]: record["planned"] for record in records}
        rows = [{**item, "planned": planned.get(item["distribution_id"])} for item in items]
        own.out.table(rows, ["name", "queue_id", "wave", "status", "distribution_id", "planned"])
    for record in records:
        diff.show(own.out, record, own.names, with_notes=False)
    diff.show_notes(own.out, records)
    code: int = report_fleet(own, fleet, items)
    if records and code == Exit.DONE:
        own.out.say(f"{diff.summary(records)} Nothing was written. Add --confirm to do it.", "bold")
        return Exit.DIFFERS if any(record["planned"] for record in records) else Exit.DONE
    return code


def _queues(own: Session, fleet_id: str, status: str | None = None) -> list[Json]:
    """The queues of a fleet, each with its name."""
    own.names.queues()  # all at once: a fleet may have thousands
    items = own.api.pages(f"/fleets/{segment(fleet_id)}/queues", limit=1000, status=status)
    return [{**item, "name": own.names.of_queue(item["queue_id"])} for item in items]


def _exit_of(fleet: Json) -> Exit:
    """The exit code that the state of a fleet means."""
    match fleet["status"]:
        case "completed" | "running" | "reverting":
            return Exit.DONE
        case "reverted":
            return Exit.RESTORED
        case "cancelled":
            return Exit.REFUSED
        case _:
            return Exit.NEEDS_A_PERSON


def _wave(text: str) -> Json:
    """`5`, `20%`, `5:30m`, `5:30m:0`: its size, the minutes that it is watched, the failures that it may have."""
    match = _WAVE.fullmatch(text)
    if not match or int(match[1]) < 1 or (match[2] and int(match[1]) > 100):  # noqa: PLR2004
        raise CliError(f"{text} is not a wave.", "Write it as 5, 20%, 5:30m or 5:30m:0 (size, minutes, failures).")
    size, percent, minutes, failed = match.groups()
    wave: Json = {"share": int(size) / 100} if percent else {"count": int(size)}
    wave |= {"bake_s": 60 * int(minutes)} if minutes else {}
    return wave | ({"max_failed": int(failed)} if failed else {})


def _body(own: Session, file: Named, defaults: Mapping[str, Any], options: Mapping[str, Any]) -> Json:
    """The request: the plans themselves, or an upload of the file."""
    chosen = {name: value for name, value in options.items() if value}
    if file.document is not None:
        given = file.document
        return {
            "plans": given["plans"],
            "defaults": {**given.get("defaults", {}), **defaults},
            "options": {**given.get("options", {}), **chosen},
        }
    upload = own.api.post("/fleets/uploads")
    try:
        with requests.Session() as plain:
            plain.trust_env = False  # the address has its own signature, which no other credentials may join
            plain.put(upload["url"], data=file.content, timeout=TIMEOUT_S).raise_for_status()
    except requests.RequestException as error:
        raise CliError("The file could not be uploaded.", "Run the command again: nothing was started.") from error
    return {"upload": upload["upload_id"], "defaults": dict(defaults), "options": chosen}


def _placed(problem: Json) -> Problem:
    """A problem of the API with the place where the sender finds it."""
    place = problem.get("column") or problem.get("path") or ""
    return Problem.of(problem.get("line") or 1, place, "", problem["message"])


def _refuse(own: Session, problems: Sequence[Problem], count: int) -> NoReturn:
    show_problems(own.out, problems)
    more = f" The first {len(problems)} are listed." if count > len(problems) else ""
    message = f"The file has {count} problem{'s' * (count > 1)}.{more} Nothing was started."
    raise CliError(message, "Correct the file, and run the command again.")


def _last(caller: str | None) -> str:
    return (caller or "").rpartition("/")[2]
