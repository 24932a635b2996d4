"""A queue and the editor of its weights. What the editor shows is what the API answers to a dry run."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from desk import numbers
from desk.drafts import TURN_S, Draft
from desk.rendering import page
from desk.web import Request, Response, Routes, redirect
from routing_weights.errors import ApiRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

routes = Routes()
QUEUE = "/desk/queues/{queue_id}"


class Facts(NamedTuple):
    """What the API says of a queue."""

    queue: Mapping[str, Any]
    members: list[dict[str, Any]]
    plans: list[dict[str, Any]]

    @classmethod
    def of(cls, request: Request, queue_id: str) -> Facts:
        get = request.api.get
        return cls(
            get("queues", queue_id),
            get("queues", queue_id, "members")["items"],
            get("queues", queue_id, "plans")["items"],
        )

    @property
    def names(self) -> dict[str, str]:
        return {member["user_id"]: member["name"] or member["user_id"] for member in self.members}


@routes.get(QUEUE)
def show(request: Request, queue_id: str) -> Response:
    """The editor with what is in force, or with a named plan (`plan`), or with what a distribution wanted (`from`)."""
    facts = Facts.of(request, queue_id)
    in_force = facts.queue["in_force"]
    if name := request.query.get("plan"):
        source = request.api.get("queues", queue_id, "plans", name)["plan"]
    elif earlier := request.query.get("from"):
        distribution = request.api.get("distributions", earlier)
        source = distribution | {"member_weights": distribution["requested_weights"]}
    else:
        source = in_force or {}
    return _editor(request, facts, Draft.of_plan(source, in_force, numbers.mark(request)))


@routes.post(f"{QUEUE}/edit")
def go_on(request: Request, queue_id: str) -> Response:
    """The same values, beside what is in force by now."""
    facts, draft = Facts.of(request, queue_id), Draft.of_form(request)
    return _editor(request, facts, draft.on_top_of(facts.queue["in_force"]))


@routes.post(f"{QUEUE}/preview")
def preview(request: Request, queue_id: str) -> Response:
    """Begin a dry run of the form. Its result is asked for by the part of the page that this returns."""
    draft = Draft.of_form(request)
    names = {member["user_id"]: member["name"] for member in _members(request, queue_id)}
    plan, problems = draft.plan(names)
    if problems:
        return _previewed(request, queue_id, problems=problems)
    wanted = plan | {"queue_id": queue_id, "based_on": draft.based_on, "dry_run": True, "wait_for_lock_s": TURN_S}
    try:
        accepted = request.api.ask("POST", "plans", body=wanted).body
    except ApiRefused as error:
        if problems := _named(error, names):
            return _previewed(request, queue_id, problems=problems)
        raise
    return _result(request, queue_id, accepted["distribution_id"])


@routes.get(f"{QUEUE}/preview/{{distribution_id}}")
def result(request: Request, queue_id: str, distribution_id: str) -> Response:
    return _result(request, queue_id, distribution_id)


@routes.post(f"{QUEUE}/apply")
def apply(request: Request, queue_id: str) -> Response:
    """Submit the plan of the form. If it is refused, the form comes back with everything that was typed."""
    draft, facts = Draft.of_form(request), Facts.of(request, queue_id)
    plan, problems = draft.plan(facts.names)
    until, wrong = draft.ends_at()
    if problems := [*problems, *wrong]:
        return _editor(request, facts, draft, problems)
    wanted = plan | {"queue_id": queue_id, "based_on": draft.based_on, "wait_for_lock_s": TURN_S}
    wanted |= _given(reason=draft.reason, until=until)
    try:
        accepted = request.api.ask("POST", "plans", body=wanted, headers={"Idempotency-Key": draft.key}).body
    except ApiRefused as error:
        if error.details.get("status") == HTTPStatus.UNAUTHORIZED:
            raise
        return _editor(request, facts, draft, _named(error, facts.names) or [{"path": "", "message": error.message}])
    return redirect(request, f"/desk/distributions/{accepted['distribution_id']}")


@routes.post(f"{QUEUE}/plans")
def save(request: Request, queue_id: str) -> Response:
    """Keep the plan of the form under a name. A plan of that name is replaced only in the version that was shown."""
    draft, facts = Draft.of_form(request), Facts.of(request, queue_id)
    plan, problems = draft.plan(facts.names)
    if not draft.name:
        problems.append({"path": "Name", "message": "The plan needs a name."})
    if problems:
        return _editor(request, facts, draft, problems)
    version = request.form.get(f"version:{draft.name}")
    headers = {"If-Match": f'"{version}"'} if version else {}
    try:
        request.api.ask("PUT", "queues", queue_id, "plans", draft.name, body=plan, headers=headers)
    except ApiRefused as error:
        problems = _named(error, facts.names) or [{"path": draft.name, "message": error.message}]
        return _editor(request, facts, draft, problems)
    return _editor(request, Facts.of(request, queue_id), draft, saved=True)


def _result(request: Request, queue_id: str, distribution_id: str) -> Response:
    distribution = request.api.get("distributions", distribution_id)
    members = _members(request, queue_id) if distribution["terminal"] else []
    names = {member["user_id"]: member["name"] or member["user_id"] for member in members}
    return _previewed(request, queue_id, distribution=distribution, names=names)


def _previewed(request: Request, queue_id: str, **values: Any) -> Response:
    template = "preview.html" if request.of_htmx else "preview_page.html"
    return page(request, template, **{"problems": [], "distribution": None, "names": {}} | values, queue_id=queue_id)


def _members(request: Request, queue_id: str) -> list[dict[str, Any]]:
    members: list[dict[str, Any]] = request.api.get("queues", queue_id, "members")["items"]
    return members


def _editor(
    request: Request,
    facts: Facts,
    draft: Draft,
    problems: list[dict[str, str]] | None = None,
    *,
    saved: bool = False,
) -> Response:
    decimal_mark = numbers.mark(request)
    in_force = (facts.queue["in_force"] or {}).get("member_weights", {})
    rows = [
        {
            **member,
            "value": draft.weights.get(member["user_id"], ""),
            "in_force": _percent(in_force, member, decimal_mark),
        }
        for member in facts.members
    ]
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK
    values = {"queue": facts.queue, "plans": facts.plans, "rows": rows, "draft": draft, "problems": problems or []}
    return page(request, "queue.html", status, **values, decimal_mark=decimal_mark, saved=saved)


def _percent(in_force: Mapping[str, float], member: Mapping[str, Any], decimal_mark: str) -> str:
    weight = in_force.get(member["user_id"])
    return numbers.shown(None if weight is None else round(100 * weight, 10), decimal_mark)


def _named(error: ApiRefused, names: Mapping[str, str]) -> list[dict[str, str]]:
    """The problems that the API names, with names of members in place of their ids."""
    found = error.details.get("problem", {}).get("errors") or []
    return [{"path": _words(problem["path"], names), "message": problem["message"]} for problem in found]


def _words(path: str, names: Mapping[str, str]) -> str:
    field, _, member = path.partition(".")
    return names.get(member, path.replace("_", " ")) if field == "member_weights" and member else path.replace("_", " ")


def _given(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}
