"""What waits for approval: the list, the change that each of them would write, and the answers."""

from __future__ import annotations

from desk.names import member_names, queue_names
from desk.rendering import page
from desk.web import Request, Response, Routes, redirect

routes = Routes()
NAV = ("/desk/approvals", "Approvals")
ANSWERS = {"approve", "reject"}
LONGEST_REASON = 500


@routes.get("/desk/approvals")
def show_all(request: Request) -> Response:
    """Show the distributions that wait in the person's queues, the oldest first."""
    waiting = request.api.get("approvals")
    names = queue_names(request) if waiting["items"] else {}
    answered = request.query.get("answered", "")
    return page(
        request,
        "approvals.html",
        waiting=waiting["items"],
        more=waiting["more"],
        names=names,
        answered=answered if answered in {"approved", "rejected"} else "",
    )


@routes.get("/desk/approvals/{distribution_id}")
def show(request: Request, distribution_id: str) -> Response:
    """Show one of them: why it waits, and what it would write. The answer is bound to what is shown."""
    distribution = request.api.get("distributions", distribution_id)
    queue_id = distribution["queue_id"]
    return page(
        request,
        "approval.html",
        distribution=distribution,
        approval=distribution["approval"],
        queue=request.api.get("queues", queue_id),
        planned=distribution.get("planned"),
        actuator=(distribution.get("actuation") or {}).get("actuator"),
        names=member_names(request, queue_id),
    )


@routes.post("/desk/approvals/{distribution_id}/{answer}")
def answer(request: Request, distribution_id: str, answer: str) -> Response:
    """Send an answer with the hash of what the person has seen. If it asks for something else by now, it is refused."""
    if answer not in ANSWERS:
        return redirect(request, "/desk/approvals")
    body = {"hash": request.form.get("hash", ""), "reason": request.form.get("reason", "").strip()[:LONGEST_REASON]}
    request.api.ask(
        "POST", "distributions", distribution_id, answer, body={name: value for name, value in body.items() if value}
    )
    return redirect(request, f"/desk/approvals?answered={'approved' if answer == 'approve' else 'rejected'}")
