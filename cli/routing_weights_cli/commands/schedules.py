"""Schedules: plans, named plans and baselines at set times."""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from routing_weights_cli.api import Json, segment
from routing_weights_cli.app import Command, Session, new_group, session
from routing_weights_cli.arguments import Queue, Reason
from routing_weights_cli.errors import CliError
from routing_weights_cli.plan_files import plan_in

group = new_group("Plans and baselines that are applied at set times.")

Name = Annotated[str, typer.Argument(help="The schedule's name: letters, digits, - and _.")]
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_SHOWN_RUNS = 3


@group.command("list", cls=Command)
def list_schedules(ctx: typer.Context) -> None:
    """All schedules of your queues, and when they run next."""
    own = session(ctx)
    found = list(own.api.pages("/schedules", limit=50))
    empty = "There are no schedules."
    if own.out.form != "table":
        return own.out.table(found, ["name", "expression", "time_zone", "next_run", "next_return", "set_by"])
    rows = [
        {
            "name": each["name"],
            "runs": f"{each['expression']} {each['time_zone']}",
            "next run": _local(each["next_run"]),
            "until": each["until"],
        }
        for each in found
    ]
    return own.out.table(rows, ["name", "next run", "until", "runs"], fold=["name", "runs"], empty=empty)


@group.command("show", cls=Command)
def show(ctx: typer.Context, name: Name) -> None:
    """One schedule, with its plan."""
    own = session(ctx)
    found = own.api.get(f"/schedules/{segment(name)}")
    if own.out.form != "table":
        return own.out.record(found)
    plan = found.pop("plan") or {}
    weights = plan.get("member_weights") or {}
    queue_id = (found.get("baseline") or plan).get("queue_id")
    baseline = found.pop("baseline")
    queue = own.names.queue(queue_id)["name"] if queue_id else None
    times = {
        "next_run": _local(found["next_run"]) or None,
        "next_return": _local(found["next_return"]) or None,
        "set_at": own.shown(found["set_at"]),
    }
    applied = {"baseline": baseline and baseline["name"], "weights": None if baseline else len(weights)}
    return own.out.record({"queue": queue, **found, **times, **applied})


@group.command("preview", cls=Command)
def preview(
    ctx: typer.Context,
    name: Name,
    count: Annotated[int, typer.Option("--count", min=1, max=100, help="How many runs.")] = 10,
    since: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="The first day, such as 2027-03-25. Today when absent.")
    ] = None,
) -> None:
    """When a schedule runs next, and what a change of the clocks does to it."""
    own = session(ctx)
    _show_runs(own, name, count, since)


@group.command("put", cls=Command)
def put(
    ctx: typer.Context,
    name: Name,
    queue: Queue,
    *,
    at: Annotated[str, typer.Option("--at", metavar="HH:MM", help="The time of day, in --zone.")] = "",
    days: Annotated[
        str, typer.Option("--days", help="The days of the week: mon-fri, or sat,sun. Every day when absent.")
    ] = "",
    expression: Annotated[
        str, typer.Option("--expression", help="Instead of --at: cron(...), rate(...) or at(...), as AWS has them.")
    ] = "",
    plan: Annotated[
        str | None, typer.Option("--plan", help="The named plan that each run applies, as it is now.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", help="Or the baseline that each run applies, as it is then.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Or a JSON file with a plan, as POST /plans takes it.", exists=True)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="HH:MM", help="The time of day at which the plan expires.")
    ] = None,
    window: Annotated[int, typer.Option("--window", min=0, max=1440, help="Start within so many minutes.")] = 0,
    reason: Reason = None,
) -> None:
    """Create a schedule, or replace the one of this name.

    Example: schedule put early Support --plan Early --days mon-fri --at 07:30 --until 16:00
    """
    own = session(ctx)
    line = own.names.queue(queue)
    if sum(each is not None for each in (plan, baseline, file)) != 1:
        raise CliError("A schedule applies one thing.", "Give --plan, --baseline or --file.")
    if bool(at) is bool(expression):
        raise CliError("A schedule needs a time.", "Give --at 07:30 (and --days), or --expression.")
    what: Json = {"baseline": {"queue_id": line["queue_id"], "name": baseline}}
    if baseline is None:
        found = (
            plan_in(file) if file else own.api.get(f"/queues/{segment(line['queue_id'])}/plans/{segment(plan or '')}")
        )
        wanted = found if file else found["plan"]
        what = {"plan": {**wanted, "queue_id": line["queue_id"], **({"reason": reason} if reason else {})}}
    body = {
        "expression": expression or cron(at, days),
        "time_zone": own.zone.key,
        "window_minutes": window,
        "until": until,
        **what,
    }
    kept = own.api.put(f"/schedules/{segment(name)}", {key: value for key, value in body.items() if value is not None})
    if own.out.form != "table":
        return own.out.record(kept)
    own.out.say(f"Schedule {name} is in place: {kept['expression']}, {kept['time_zone']}. Its next runs:")
    return _show_runs(own, name, _SHOWN_RUNS, None)


@group.command("delete", cls=Command)
def delete(ctx: typer.Context, name: Name) -> None:
    """Delete a schedule. What it has applied stays."""
    own = session(ctx)
    own.api.delete(f"/schedules/{segment(name)}")
    own.out.say(f"Schedule {name} is deleted.")


def cron(at: str, days: str) -> str:
    """The expression of a time of day on days of the week. Raises CliError."""
    clock = _CLOCK.fullmatch(at)
    if not clock:
        raise CliError(f"{at} is not a time of day.", "Write it as 07:30.")
    named = days.upper().replace(" ", "")
    if any(day not in _DAYS for day in re.split(r"[,-]", named) if named):
        raise CliError(f"{days} are not days of the week.", "Write them as mon-fri, or sat,sun.")
    return f"cron({int(clock[2])} {int(clock[1])} ? * {_from_sunday(named) or '*'} *)"


def _from_sunday(days: str) -> str:
    """AWS takes no range over the end of its week, which begins with Sunday: FRI-MON is FRI,SAT,SUN,MON."""
    first, is_range, last = days.partition("-")
    if not is_range or "," in days or _DAYS.index(first) < _DAYS.index(last.partition("-")[0]):
        return days
    return ",".join([*_DAYS[_DAYS.index(first) :], *_DAYS[: _DAYS.index(last) + 1]])


def _show_runs(own: Session, name: str, count: int, since: str | None) -> None:
    found = own.api.get(f"/schedules/{segment(name)}/preview", count=count, **{"from": since})
    if own.out.form == "json":
        return own.out.document(found)
    rows: list[dict[str, Any]] = [
        {
            "runs": _local(run["local"]),
            "expires": _local(run["returns"]),
            "clock change": run["clock_change"] or "",
            "utc": run["utc"],
        }
        for run in found["runs"]
    ]
    columns = ["runs", "expires", "clock change"] if own.out.form == "table" else ["runs", "expires", "utc"]
    return own.out.table(rows, columns, fold=["clock change"], empty=f"Schedule {name} never runs again.")


def _local(text: str | None) -> str:
    """A local time with its offset, to the minute: `Sun 2027-03-28 03:00 +02:00`."""
    if not text:
        return ""
    at = datetime.fromisoformat(text)
    return f"{at:%a %Y-%m-%d %H:%M} {text[-6:]}"
