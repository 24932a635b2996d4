"""Drift: what others have changed since the last distribution."""

from typing import Any

import typer

from routing_weights_cli.api import Json, segment
from routing_weights_cli.app import Session, session
from routing_weights_cli.arguments import From, MaybeQueue
from routing_weights_cli.errors import Exit
from routing_weights_cli.times import bound

_MOST = 20


def drift(ctx: typer.Context, queue: MaybeQueue = None, since: From = None) -> int:
    """What others have changed in a queue. Without a queue: which queues differ.

    Exit code 2 if a queue held something else than what was applied when it was last read. `diff` reads it now.
    """
    own = session(ctx)
    if queue is None:
        return _queues(own)
    line = own.names.queue(queue)
    found = own.api.pages(
        f"/queues/{segment(line['queue_id'])}/drift", most=_MOST, limit=_MOST, **{"from": bound(since, own.zone)}
    )
    entries = list(found)
    named = _named(own, line, entries)
    rows = [_row(own, entry, difference, named) for entry in entries for difference in entry["differences"]]
    if own.out.form == "json":
        own.out.document(entries)
    else:
        columns = ["found", "what", "applied", "now", "by", "action"]
        own.out.table(rows, columns, fold=columns[1:], empty=f"No change of {line['name']} by others is known.")
        for why in dict.fromkeys(entry["why"] for entry in entries if entry["why"]):
            own.out.note(why)
    return Exit.DIFFERS if own.api.get(f"/queues/{segment(line['queue_id'])}")["drift"] else Exit.DONE


def _queues(own: Session) -> int:
    differing = [line for line in own.names.queues() if line["drift"]]
    own.out.table(
        differing,
        ["name", "division", "drift"],
        empty="No queue is known to hold something else than what was applied.",
    )
    return Exit.DIFFERS if differing else Exit.DONE


def _named(own: Session, line: Json, entries: list[Json]) -> dict[str, str]:
    """The names of members whom an entry names, by id."""
    if not any(difference["member"] for entry in entries for difference in entry["differences"]):
        return {}
    return {member["user_id"]: member["name"] for member in own.names.members(line["queue_id"]) if member["name"]}


def _row(own: Session, entry: Json, difference: Json, named: dict[str, str]) -> dict[str, Any]:
    member = difference["member"]
    return {
        "found": own.shown(entry["at"]),
        "what": named.get(member, member) if member else difference["setting"],
        "applied": difference["expected"],
        "now": "left the queue" if difference["missing"] else difference["held"],
        "by": entry["changed_by"] or "",
        "action": entry["repair_status"] or entry["action"].replace("_", " "),
    }
