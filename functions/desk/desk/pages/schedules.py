"""Schedules: the list, a new one, and one of them with a calendar of its runs that marks changes of the clock."""

from __future__ import annotations

import calendar
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from desk.names import queue_names, queues_of
from desk.rendering import page
from desk.web import Request, Response, Routes, redirect
from routing_weights.domain.schedule.clock import zone
from routing_weights.errors import ApiRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from zoneinfo import ZoneInfo

routes = Routes()
NAV = ("/desk/schedules", "Schedules")
PER_PAGE, RUNS, MOST_MONTHS = "20", 60, 6
DAYS = {"MON": "Mon", "TUE": "Tue", "WED": "Wed", "THU": "Thu", "FRI": "Fri", "SAT": "Sat", "SUN": "Sun"}
LIST = "/desk/schedules"


@routes.get(LIST)
def show_all(request: Request) -> Response:
    """Show the schedules of the person's queues, or lead to a new one for the queue that was chosen."""
    if queue_id := request.query.get("queue_id"):
        return redirect(request, f"/desk/queues/{quote(queue_id, safe='')}/schedule")
    after = request.query.get("next", "")
    listed = request.api.get("schedules", query={"limit": PER_PAGE} | ({"next": after} if after else {}))
    queues = queues_of(request)
    values = {"schedules": listed["items"], "after": listed.get("next"), "queues": queues}
    return page(request, "schedules.html", **values)


@routes.get("/desk/queues/{queue_id}/schedule")
def new(request: Request, queue_id: str) -> Response:
    """Ask what a new schedule of a queue applies, and when."""
    queue = request.api.get("queues", queue_id)
    of_queue = {kind: request.api.get("queues", queue_id, kind)["items"] for kind in ("plans", "baselines")}
    return page(request, "schedule_new.html", queue=queue, days=DAYS, **of_queue)


@routes.post(LIST)
def put(request: Request) -> Response:
    """Put a new schedule. One that is there already is not replaced."""
    form, name = request.form, request.form.get("name", "").strip()
    if missing := _missing(form):
        return _problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, f"The schedule needs {', '.join(missing)}.")
    try:
        request.api.get("schedules", name)
    except ApiRefused as error:
        if error.details["status"] != HTTPStatus.NOT_FOUND:
            raise
    else:
        text = f"There is a schedule {name} already. Take another name, or delete that one first."
        return _problem(request, HTTPStatus.CONFLICT, text)
    request.api.ask("PUT", "schedules", name, body=_body(request))
    return redirect(request, f"{LIST}/{name}")


@routes.get(f"{LIST}/{{name}}")
def show(request: Request, name: str) -> Response:
    """Show one schedule, with its runs from now on, or after a moment."""
    since = request.query.get("from", "")[:40]
    query = {"count": str(RUNS)} | ({"from": since} if since else {})
    preview = request.api.get("schedules", name, "preview", query=query)
    schedule = request.api.get("schedules", name)
    queue_id = (schedule["plan"] or schedule["baseline"] or {}).get("queue_id", "")
    months, later = calendar_of(preview)
    return page(
        request,
        "schedule.html",
        schedule=schedule,
        queue_id=queue_id,
        queue=queue_names(request).get(queue_id, queue_id),
        runs=preview["runs"],
        months=months,
        later=later,
        days=DAYS,
        since=since,
    )


@routes.post(f"{LIST}/{{name}}/delete")
def delete(request: Request, name: str) -> Response:
    """Delete a schedule. What a run has applied stays."""
    request.api.ask("DELETE", "schedules", name)
    return redirect(request, LIST)


@dataclass
class Day:
    """A day of the calendar, with what happens on it. Without a number, it is one of another month."""

    number: int
    runs: list[dict[str, Any]] = field(default_factory=list)
    clock: str = ""
    """What happens to the clock on this day."""


@dataclass
class Month:
    name: str
    weeks: list[list[Day]]


def calendar_of(preview: dict[str, Any]) -> tuple[list[Month], str]:
    """The months of the runs, with the changes of the clock. And the last run shown, if others may follow it."""
    there = zone(preview["time_zone"])
    by_day = defaultdict[date, list[dict[str, Any]]](list)
    for run in preview["runs"]:
        by_day[date.fromisoformat(run["local"][:10])].append(run | {"at": run["local"][11:16]})
    if not by_day or there is None:
        return [], ""
    known = list(dict.fromkeys((day.year, day.month) for day in by_day))
    shown = known[:MOST_MONTHS]
    last = [run for day, runs in by_day.items() if (day.year, day.month) in shown for run in runs][-1]
    others = len(known) > len(shown) or len(preview["runs"]) == RUNS
    return [_month(year, month, by_day, there) for year, month in shown], last["utc"] if others else ""


def _month(year: int, month: int, by_day: dict[date, list[dict[str, Any]]], there: ZoneInfo) -> Month:
    weeks = [
        [
            Day(number, by_day.get(date(year, month, number), []), clock_change(date(year, month, number), there))
            if number
            else Day(0)
            for number in week
        ]
        for week in calendar.Calendar().monthdayscalendar(year, month)
    ]
    return Month(f"{calendar.month_name[month]} {year}", weeks)


def clock_change(day: date, there: ZoneInfo) -> str:
    """What a clock of the zone does on a day: empty on nearly all of them."""
    before, after = (_offset(day + timedelta(days=days), there) for days in (0, 1))
    minutes = int((after - before).total_seconds() // 60)
    if not minutes:
        return ""
    hours, rest = divmod(abs(minutes), 60)
    much = " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest))
    return f"Clock {'forward' if minutes > 0 else 'back'} {much}"


def _offset(day: date, there: ZoneInfo) -> timedelta:
    """The offset at the beginning of a day."""
    return datetime.combine(day, time(), there).utcoffset() or timedelta()


def _missing(form: Mapping[str, str]) -> list[str]:
    wanted = {"name": "a name", "what": "a plan or a baseline", "time_zone": "a time zone"}
    missing = [text for field_, text in wanted.items() if not form.get(field_, "").strip()]
    if not form.get("expression", "").strip():
        missing += [] if form.get("time") else ["a time of day"]
        missing += [] if form.get("day") else ["a day of the week"]
    return missing


def _problem(request: Request, status: HTTPStatus, text: str) -> Response:
    template = "problem.html" if request.of_htmx else "problem_page.html"
    values = {"title": "The schedule was not saved", "text": text, "errors": [], "sign_in": False}
    return page(request, template, status, **values)


def _body(request: Request) -> dict[str, Any]:
    """The schedule of the form. A named plan is copied into it; a baseline is used as it is at each run."""
    form, queue_id = request.form, request.form.get("queue_id", "")
    kind, _, name = form["what"].partition(":")
    expression = form.get("expression", "").strip() or _weekly(request)
    body: dict[str, Any] = {"expression": expression, "time_zone": form["time_zone"].strip()}
    if until := form.get("until", "").strip():
        body["until"] = until
    if kind == "baseline":
        return body | {"baseline": {"queue_id": queue_id, "name": name}}
    return body | {"plan": {**request.api.get("queues", queue_id, "plans", name)["plan"], "queue_id": queue_id}}


def _weekly(request: Request) -> str:
    hours, _, minutes = request.form["time"].partition(":")
    days = ",".join(_chosen(request))
    return f"cron({minutes.lstrip('0') or '0'} {hours.lstrip('0') or '0'} ? * {days} *)"


def _chosen(request: Request) -> Iterator[str]:
    asked = {value for name, value in request.fields if name == "day"}
    return (day for day in DAYS if day in asked)
