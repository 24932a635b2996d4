"""The queues of the caller, and the state of each."""

from typing import Annotated, Any

import typer

from routing_weights_cli import times
from routing_weights_cli.app import Session, session


def queues(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A part of the name. All queues when absent.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 200,
) -> None:
    """Your queues: members, the last distribution, drift, and when a temporary plan expires."""
    own = session(ctx)
    lines = list(own.api.pages("/queues", most=limit, limit=50, name=name))
    if own.out.form != "table":
        columns = ["name", "division", "members", "last", "running", "drift", "returns_at", "waiting", "queue_id"]
        return own.out.table(lines, columns)
    columns = ["queue", "members", "state", "since", "drift", "expires"]
    rows, right = [_row(line, own) for line in lines], ["members", "drift"]
    return own.out.table(rows, columns, right=right, fold=["queue"], empty="No queue of yours has such a name.")


def _row(line: dict[str, Any], own: Session) -> dict[str, Any]:
    last = line.get("last") or {}
    state = "waits for approval" if line.get("waiting") else "running" if line.get("running") else ""
    return {
        "queue": line["name"],
        "members": line["members"],
        "state": state or last.get("status", "never planned").replace("_", " "),
        "since": times.brief(last.get("timestamp"), own.zone, own.now()),
        "drift": line["drift"] or "",
        "expires": times.brief(line.get("returns_at"), own.zone, own.now()),
    }
