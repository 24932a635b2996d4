"""The export of the audit trail of a queue, as a file for a spreadsheet or for a program."""

from __future__ import annotations

from desk.names import queues_of
from desk.rendering import page
from desk.web import Request, Response, Routes

routes = Routes()
NAV = ("/desk/audit", "Audit export")


@routes.get("/desk/audit")
def ask(request: Request) -> Response:
    """Ask for a queue and days. With a queue, the export is made."""
    chosen = {name: request.query.get(name, "")[:64] for name in ("queue_id", "from", "to")}
    chosen["format"] = "jsonl" if request.query.get("format") == "jsonl" else "csv"
    queues = queues_of(request)
    address = _export(request, chosen) if chosen["queue_id"] else None
    name = next((queue["name"] for queue in queues if queue["queue_id"] == chosen["queue_id"]), chosen["queue_id"])
    return page(request, "audit.html", queues=queues, chosen=chosen, name=name, address=address)


def _export(request: Request, chosen: dict[str, str]) -> str:
    """Where the file is, for 15 minutes. The days are those of UTC, and both are part of it."""
    query = {"queue_id": chosen["queue_id"], "format": chosen["format"]}
    if chosen["from"]:
        query["from"] = chosen["from"]
    if chosen["to"]:
        query["to"] = f"{chosen['to']}T23:59:59.999999Z" if "T" not in chosen["to"] else chosen["to"]
    return request.api.ask("GET", "audit", "export", query=query).headers["Location"]
