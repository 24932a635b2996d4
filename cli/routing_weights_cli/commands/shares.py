"""Shares: what was asked for, and what each member received."""

from typing import Any

import typer

from routing_weights_cli.api import Json, segment
from routing_weights_cli.app import Session, session
from routing_weights_cli.arguments import From, Queue, To
from routing_weights_cli.bars import bar
from routing_weights_cli.times import bound

_BAR, _BAR_BESIDE_DRAWN, _NAME = 20, 12, 18
"""Widths: with the figures between them, a row has 80 columns."""


def shares(ctx: typer.Context, queue: Queue, since: From = None, to: To = None) -> None:
    """Requested and received shares of a queue's contacts, in the last day or between two times.

    In the bar, the line is what was requested. ± is the uncertainty that so few contacts have by chance (95 %).
    """
    own = session(ctx)
    line = own.names.queue(queue)
    path = f"/queues/{segment(line['queue_id'])}/shares"
    report = own.api.get(path, **{"from": bound(since, own.zone), "to": bound(to, own.zone)})
    if own.out.form == "json":
        return own.out.document(report)
    named = {member["user_id"]: member["name"] for member in own.names.members(line["queue_id"])}
    rows = [_row(each, named) for each in (*report["members"], *report["others"])]
    if own.out.form == "csv":
        return own.out.table(rows, ["agent", "user_id", "requested", "drawn", "received", "low", "high", "contacts"])
    _sentences(own, line, report)
    if not rows:
        return None
    largest = max(max(row["requested"] or 0.0, row["received"] or 0.0) for row in rows)
    drawn = any(row["drawn"] is not None for row in rows)
    columns = ["agent", "requested", *(["drawn"] if drawn else []), "received", "±", "contacts", "share"]
    right = ["requested", "drawn", "received", "±", "contacts"]
    width = _BAR_BESIDE_DRAWN if drawn else _BAR
    return own.out.table([_shown(row, largest, width) for row in rows], columns, right=right)


def _sentences(own: Session, line: Json, report: Json) -> None:
    own.out.say(f"{line['name']}, {own.shown(report['start'])} to {own.shown(report['end'])}: {report['sentence']}")
    if report["realised_accuracy"] is not None:
        chance = report["accuracy_by_chance"]
        by_chance = f" Chance alone would come to {chance:.1f} %." if chance is not None else ""
        own.out.say(f"Accuracy {report['realised_accuracy']:.1f} % of {report['contacts']} contacts.{by_chance}")
    for note in report["notes"]:
        own.out.note(note)


def _row(share: Json, named: dict[str, Any]) -> dict[str, Any]:
    return {
        "agent": named.get(share["user_id"]) or share["user_id"],
        "user_id": share["user_id"],
        "requested": share["requested"],
        "drawn": share["drawn_share"],
        "received": share["share"],
        "low": share["low"],
        "high": share["high"],
        "contacts": share["contacts"],
    }


def _shown(row: dict[str, Any], largest: float, width: int) -> dict[str, Any]:
    received, name = row["received"], row["agent"]
    either = max(row["high"] - received, received - row["low"]) if received is not None else None
    percents = {name: _percent(row[name]) for name in ("requested", "drawn", "received")}
    return {
        **row,
        **percents,
        "agent": name if len(name) <= _NAME else f"{name[: _NAME - 1]}…",
        "±": _percent(either),
        "share": bar(received or 0.0, largest, width, row["requested"]),
    }


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
