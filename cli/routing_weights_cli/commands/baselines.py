"""Baselines: named states of a queue."""

from typing import Annotated

import typer

from routing_weights_cli import times
from routing_weights_cli.api import segment
from routing_weights_cli.app import Command, new_group, session
from routing_weights_cli.arguments import Confirm, Queue, Reason, Until
from routing_weights_cli.running import carry_out

group = new_group("Named states of a queue, to restore later.")

Name = Annotated[str, typer.Argument(help="The baseline's name: letters, digits, - and _.")]


@group.command("list", cls=Command)
def list_baselines(ctx: typer.Context, queue: Queue) -> None:
    """The baselines of a queue."""
    own = session(ctx)
    line = own.names.queue(queue)
    items = own.api.get(f"/queues/{segment(line['queue_id'])}/baselines")["items"]
    rows = [{**item, "set": own.shown(item["set_at"])} for item in items]
    empty = f"{line['name']} has no baselines. `baseline set` makes one."
    own.out.table(rows, ["name", "set", "distribution_id"], fold=["distribution_id"], empty=empty)


@group.command("set", cls=Command)
def set_baseline(
    ctx: typer.Context,
    queue: Queue,
    name: Name,
    distribution: Annotated[
        str | None,
        typer.Option("--distribution", metavar="ID", help="A completed distribution. The newest when absent."),
    ] = None,
) -> None:
    """Give a name to what a queue holds after its newest completed distribution."""
    own = session(ctx)
    line = own.names.queue(queue)
    body = {"distribution_id": distribution} if distribution else {}
    kept = own.api.put(f"/queues/{segment(line['queue_id'])}/baselines/{segment(name)}", body)
    if own.out.form != "table":
        return own.out.record(kept)
    return own.out.say(
        f"Baseline {kept['name']} of {line['name']} is what distribution {kept['distribution_id']} applied."
    )


@group.command("restore", cls=Command)
def restore_baseline(
    ctx: typer.Context,
    queue: Queue,
    name: Name,
    *,
    confirm: Confirm = False,
    reason: Reason = None,
    until: Until = None,
) -> int:
    """Restore a baseline. Without --confirm, show what would change."""
    own = session(ctx)
    line = own.names.queue(queue)
    ends = times.sent(times.instant(until, own.zone, own.now())) if until else None
    path = f"/queues/{segment(line['queue_id'])}/baselines/{segment(name)}/restore"
    options = {"reason": reason, "until": ends}
    return carry_out(own, path, {name: value for name, value in options.items() if value}, confirm=confirm)
