"""Fleets: the list, and one of them with its waves, its queues, and what can be done about it."""

from __future__ import annotations

from desk.names import queue_names
from desk.rendering import page
from desk.web import Request, Response, Routes, redirect

routes = Routes()
NAV = ("/desk/fleets", "Fleets")
PER_PAGE, QUEUES_PER_PAGE = "20", "200"
STEPS = {"cancel", "continue", "revert"}


@routes.get("/desk/fleets")
def show_all(request: Request) -> Response:
    """Show the fleets that have queues of the person alone, newest first."""
    after = request.query.get("next", "")
    listed = request.api.get("fleets", query={"limit": PER_PAGE} | ({"next": after} if after else {}))
    return page(request, "fleets.html", fleets=listed["items"], after=listed.get("next"))


@routes.get("/desk/fleets/{fleet_id}")
def show(request: Request, fleet_id: str) -> Response:
    """Show one fleet. While it runs, htmx asks again for the part that changes."""
    fleet, start = request.api.get("fleets", fleet_id), request.query.get("next", "")
    query = {"limit": QUEUES_PER_PAGE} | ({"next": start} if start.isdecimal() else {})
    queues = request.api.get("fleets", fleet_id, "queues", query=query)
    template = "fleet_progress.html" if request.of_htmx else "fleet.html"
    return page(
        request,
        template,
        fleet=fleet,
        queues=queues["items"],
        after=queues.get("next"),
        names=queue_names(request),
        start=start if start.isdecimal() else "",
    )


@routes.post("/desk/fleets/{fleet_id}/{step}")
def steer(request: Request, fleet_id: str, step: str) -> Response:
    """Cancel a fleet, let it go on, or revert it."""
    if step in STEPS:
        request.api.ask("POST", "fleets", fleet_id, step)
    return redirect(request, f"/desk/fleets/{fleet_id}")
