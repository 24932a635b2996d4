"""The queues of the person's divisions, with the state of each."""

from __future__ import annotations

from desk.rendering import page
from desk.web import Request, Response, Routes

routes = Routes()
NAV = ("/desk", "Queues")
PER_PAGE = "50"


@routes.get("/desk")
def show(request: Request) -> Response:
    """All queues, or those with a part of a name. htmx asks for the rows only."""
    name, after = request.query.get("name", "")[:200], request.query.get("next", "")
    query = {"limit": PER_PAGE} | ({"name": name} if name else {}) | ({"next": after} if after else {})
    listed = request.api.get("queues", query=query)
    template = "queues_rows.html" if request.of_htmx else "queues.html"
    return page(request, template, queues=listed["items"], after=listed.get("next"), name=name)
