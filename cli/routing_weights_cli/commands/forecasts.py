"""Forecasts: the load that plans are projected with."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from routing_weights_cli.api import Json, segment
from routing_weights_cli.app import Command, Session, new_group, session
from routing_weights_cli.arguments import Queue
from routing_weights_cli.cells import Problem
from routing_weights_cli.errors import CliError, Exit
from routing_weights_cli.forecasts import Interval, ahead, pushed, read_forecasts
from routing_weights_cli.names import UnknownNameError
from routing_weights_cli.refusals import show_problems

group = new_group("The load that plans are projected with: from the files of your WFM system.")


@group.command("show", cls=Command)
def show(ctx: typer.Context, queue: Queue) -> None:
    """The pushed forecast of a queue, as it is now."""
    own = session(ctx)
    line = own.names.queue(queue)
    found = own.api.get(f"/queues/{segment(line['queue_id'])}/forecast")
    if own.out.form != "table":
        return own.out.record(found)
    volume = found["forecast"]
    contacts = volume and (
        f"{volume['offered']:g} in {volume['interval_s'] / 60:g} minutes, {volume['aht_s'] or 0:g} s each"
    )
    return own.out.record(
        {
            "queue": line["name"],
            "state": found["state"].replace("_", " "),
            "load": f"{found['load']:.2f} erlangs",
            "contacts": contacts,
            "valid_from": own.shown(found["valid_from"]) or None,
            "expires_at": own.shown(found["expires_at"]) or None,
            "to_come": f"{found['intervals_to_come']} more intervals" if found["intervals_to_come"] else None,
            "source": found["source"],
            "pushed_at": own.shown(found["pushed_at"]) or None,
            "pushed_by": found["pushed_by"],
        }
    )


@group.command("delete", cls=Command)
def delete(ctx: typer.Context, queue: Queue) -> None:
    """Delete the pushed forecast of a queue."""
    own = session(ctx)
    line = own.names.queue(queue)
    own.api.delete(f"/queues/{segment(line['queue_id'])}/forecast")
    own.out.say(f"{line['name']} has no pushed forecast any more.")


@group.command("import", cls=Command)
def import_file(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="queue,start,volume,aht_s, or the file of Calabrio WFM.", exists=True)],
    queue: Annotated[
        list[str] | None,
        typer.Option("--queue", metavar="SKILL=QUEUE", help="The queue of a name in the file. May be repeated."),
    ] = None,
    interval: Annotated[
        int | None, typer.Option("--interval", metavar="MINUTES", help="15, 30 or 60. From the file when absent.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read the file, and push nothing.")] = False,
) -> int:
    """Push a file of forecasts: for each queue its intervals from now on, at most 31 days.

    The table has the busiest interval, in erlangs. Times without an offset are those of --zone, if it is given. If
    anything in the file is wrong, nothing is pushed.
    """
    own = session(ctx)
    zone = own.zone if "zone" in own.options else None
    read = read_forecasts(file.read_bytes(), zone, timedelta(minutes=interval) if interval else None)
    lines = _resolved(own, list(read.queues), _pairs(queue or []), read.queues, read.problems)
    if read.problems:
        show_problems(own.out, read.problems)
        count = len(read.problems)
        message = f"The file has {count} problem{'s' * (count > 1)}. Nothing was pushed."
        raise CliError(message, "Correct the file, and run the command again.")
    rows = []
    for name, intervals in read.queues.items():
        coming = ahead(intervals, own.now())
        rows.append(_row(own, lines[name], coming))
        if coming and not dry_run:
            own.api.put(f"/queues/{segment(lines[name]['queue_id'])}/forecast", pushed(coming, file.name[:200]))
    columns = ["queue", "intervals", "from", "to", "erlangs"]
    own.out.table(rows, columns, right=["intervals", "erlangs"], fold=["queue"])
    left_out = sum(map(len, read.queues.values())) - sum(row["intervals"] for row in rows)
    if left_out:
        own.out.note(f"{left_out} intervals are over, or more than 31 days ahead: they are left out.")
    if dry_run:
        own.out.note("Nothing was pushed. Leave out --dry-run to push it.")
    if not any(row["intervals"] for row in rows):
        raise CliError("The file has no interval of the next 31 days, so nothing was pushed.", "Export a newer file.")
    return Exit.DONE


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = dict(text.split("=", 1) for text in texts if "=" in text)
    if len(pairs) < len(texts):
        raise CliError("--queue names a queue for a name of the file.", "Write it as --queue 'Insurance=Support'.")
    return pairs


def _resolved(
    own: Session,
    names: list[str],
    given: dict[str, str],
    intervals: dict[str, list[Interval]],
    problems: list[Problem],
) -> dict[str, Json]:
    """The queue of each name in the file. A name without one is a problem at its first line; so is a second name."""
    found: dict[str, Json] = {}
    for name in names:
        first = intervals[name][0].line if intervals[name] else 1
        try:
            line = own.names.queue(given.get(name, name))
        except UnknownNameError as error:
            found_near = " or ".join(error.suggestions)
            problems.append(Problem.of(first, "queue", name, error.message)._replace(suggestion=found_near))
            continue
        twin = next((other for other, line_of in found.items() if line_of["queue_id"] == line["queue_id"]), None)
        if twin is not None:
            problems.append(Problem.of(first, "queue", name, f"is the same queue as {twin}"))
        found[name] = line
    return found


def _row(own: Session, line: Json, coming: list[Interval]) -> Json:
    return {
        "queue": line["name"],
        "intervals": len(coming),
        "from": own.shown(coming[0].start) if coming else "",
        "to": own.shown(coming[-1].end) if coming else "",
        "erlangs": f"{max(each.load for each in coming):.1f}" if coming else "",
    }
