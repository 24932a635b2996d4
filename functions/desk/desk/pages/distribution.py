"""A distribution while it runs and as it is on record, the history of a queue, and the way back."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Any

from desk.drafts import TURN_S
from desk.names import member_names
from desk.rendering import named, page
from desk.web import Request, Response, Routes, redirect
from routing_weights.domain.status import Status
from routing_weights.errors import ApiRefused

routes = Routes()
PAGE = "/desk/distributions/{distribution_id}"
LINES = "20"
LONGEST_REASON = 500


@routes.get(PAGE)
def show(request: Request, distribution_id: str) -> Response:
    """The record of a distribution. While it runs, htmx asks again, and gets the part of the page that changes."""
    distribution = request.api.get("distributions", distribution_id)
    template = "distribution_record.html" if request.of_htmx else "distribution.html"
    return page(request, template, **_of_record(request, distribution))


@routes.get(f"{PAGE}/projection.svg")
def chart(request: Request, distribution_id: str) -> Response:
    """The chart of the API, with names in place of ids. They become text of the picture, so they are escaped for it."""
    _, names = _names(request, request.api.get("distributions", distribution_id)["queue_id"])
    svg = request.api.get("distributions", distribution_id, "projection.svg")
    return Response(HTTPStatus.OK, named(svg, {key: escape(name) for key, name in names.items()}), "image/svg+xml")


@routes.get("/desk/queues/{queue_id}/trail")
def trail(request: Request, queue_id: str) -> Response:
    """What was asked for and applied, the newest first, without dry runs. `day` is one of UTC."""
    day, after = request.query.get("day", "")[:10], request.query.get("next", "")
    query = {"limit": LINES} | ({"from": day, "to": f"{day}T23:59:59.999999Z"} if day else {})
    listed = request.api.get("queues", queue_id, "distributions", query=query | ({"next": after} if after else {}))
    runs = [run | {"sentence": Status(run["status"]).sentence} for run in listed["items"] if not _is_rehearsal(run)]
    values = {"queue_id": queue_id, "runs": runs, "after": listed.get("next"), "day": day}
    if request.of_htmx:
        return page(request, "trail.html", **values)
    return page(request, "trail_page.html", **values, queue=request.api.get("queues", queue_id))


@routes.post(f"{PAGE}/restore/preview")
def preview(request: Request, distribution_id: str) -> Response:
    """Begin a dry run of the revert, and lead to the page that shows what it would write."""
    distribution = request.api.get("distributions", distribution_id)
    in_force = request.api.get("queues", distribution["queue_id"])["in_force"]
    based_on = in_force["distribution_id"] if in_force else "none"
    body = {"dry_run": True, "based_on": based_on, "wait_for_lock_s": TURN_S}
    accepted = request.api.ask("POST", "distributions", distribution_id, "restore", body=body).body
    return redirect(request, f"/desk/distributions/{distribution_id}/restore/{accepted['distribution_id']}")


@routes.get(f"{PAGE}/restore/{{dry_run_id}}")
def confirm(request: Request, distribution_id: str, dry_run_id: str) -> Response:
    """What the revert would write, and the one button that writes it."""
    dry_run = request.api.get("distributions", dry_run_id)
    template = "restore_diff.html" if request.of_htmx else "restore.html"
    values = _of_record(request, dry_run)
    return page(request, template, **values, restored=distribution_id, longest=LONGEST_REASON)


@routes.post(f"{PAGE}/restore")
def restore(request: Request, distribution_id: str) -> Response:
    """Revert. The key is that of the dry run which was shown: whoever presses twice restores once.

    The revert is based on what was in force then. If something else was applied since, it writes nothing.
    """
    form, names = request.form, ("reason", "based_on")
    given = {name: form[name].strip()[:LONGEST_REASON] for name in names if form.get(name, "").strip()}
    headers = {"Idempotency-Key": f"desk-restore-{form.get('dry_run', '')}"}
    body = given | {"wait_for_lock_s": TURN_S}
    accepted = request.api.ask("POST", "distributions", distribution_id, "restore", body=body, headers=headers).body
    return redirect(request, f"/desk/distributions/{accepted['distribution_id']}")


def _is_rehearsal(run: dict[str, Any]) -> bool:
    """A dry run, also one that failed. The editor begins one whenever somebody pauses: nobody looks for them."""
    return bool(run.get("dry_run")) or run["status"] == Status.DRY_RUN


def _of_record(request: Request, distribution: dict[str, Any]) -> dict[str, Any]:
    """What both the page and its changing part show. Nobody asks Genesys for names before they are needed."""
    needed = distribution["terminal"] or bool(distribution["approval"]) or not request.of_htmx
    queue, names = _names(request, distribution["queue_id"] if needed else None)
    status, entered = Status(distribution["status"]), (distribution["progress"] or {}).get("state", "Validate")
    return {
        "distribution": distribution,
        "queue": queue,
        "names": names,
        "planned": distribution["planned"],
        "actuator": (distribution["actuation"] or {}).get("actuator"),
        "sentence": status.sentence,
        "is_green": status.green,
        "may_be_restored": status is Status.COMPLETED,
        "state": _STATES.get(entered, entered),
    }


def _names(request: Request, queue_id: str | None) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The queue, and the names of the queue and its members by id. A queue may be gone, and its records are not."""
    if not queue_id:
        return None, {}
    try:
        queue = request.api.get("queues", queue_id)
        return queue, member_names(request, queue_id) | {queue_id: queue["name"]}
    except ApiRefused as error:
        if error.details["status"] != HTTPStatus.NOT_FOUND:
            raise
        return None, {}


_STATES = {
    "Validate": "Checking the plan",
    "Lock": "Reserving the queue",
    "Wait for the lock": "Waiting for another distribution of the queue",
    "Project": "Projecting what the plan will do",
    "Await approval": "Waiting for approval",
    "Schedule the expiry": "Scheduling the end of the temporary plan",
    "Patch queue": "Writing the settings of the queue",
    "Patch members": "Writing the members",
    "Verify": "Reading back what Genesys holds",
    "Wait for Genesys": "Waiting as long as Genesys asks",
    "Restore": "Restoring what the queue held before",
    "Audit": "Writing the record",
    "Unlock": "Releasing the queue",
}
"""The states of the state machine in words. Any other one is shown by its name."""
