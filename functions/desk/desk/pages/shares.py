"""Shares of a queue: what was requested, drawn and received, by name, and the chart of the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from desk.names import member_names, queues_of
from desk.rendering import page
from desk.web import Request, Response, Routes, redirect

routes = Routes()
NAV = ("/desk/shares", "Shares")
DAYS = {"1": "the last day", "7": "the last 7 days", "31": "the last 31 days"}


@routes.get("/desk/shares")
def choose(request: Request) -> Response:
    """Ask for a queue, or lead to the shares of the one that was chosen."""
    queue_id, days = request.query.get("queue_id", ""), _days(request)
    queues = queues_of(request)
    if queue_id in {queue["queue_id"] for queue in queues}:
        return redirect(request, f"/desk/queues/{queue_id}/shares?days={days}")
    return page(request, "shares_choice.html", queues=queues, days=days, spans=DAYS)


@routes.get("/desk/queues/{queue_id}/shares")
def show(request: Request, queue_id: str) -> Response:
    days = _days(request)
    shares = request.api.get("queues", queue_id, "shares", query=_span(days))
    names = member_names(request, queue_id)
    rows = [*shares["members"], *shares["others"]]
    shown = [row[kind] for row in rows for kind in ("requested", "drawn_share", "share")]
    return page(
        request,
        "shares.html",
        queue=request.api.get("queues", queue_id),
        shares=shares,
        rows=rows,
        names=names,
        days=days,
        spans=DAYS,
        most=max((share for share in shown if share), default=1),
    )


@routes.get("/desk/queues/{queue_id}/shares.svg")
def chart(request: Request, queue_id: str) -> Response:
    """Hand on the chart. It has no scripts and no references."""
    picture = request.api.get("queues", queue_id, "shares.svg", query=_span(_days(request)))
    return Response(HTTPStatus.OK, picture, "image/svg+xml")


def _days(request: Request) -> str:
    days = request.query.get("days", "1")
    return days if days in DAYS else "1"


def _span(days: str) -> dict[str, str]:
    """The last days up to now, as the API takes them. It rounds both down to quarters of an hour."""
    end = datetime.now(UTC)
    return {"from": (end - timedelta(days=int(days))).isoformat(), "to": end.isoformat()}
