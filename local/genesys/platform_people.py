"""Contract `platform`: people with a token of their own, and what their roles let them see.

A person is `{name?, state?, organization?, grants: [{role, division, permissions: [...]}]}`. `role` is a name, and
`division` an id, or `*` for all divisions. Only the operations below are simulated for a person's token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.genesys.organisation import STATES, Document, check_keys
from local.genesys.platform_listing import Query
from local.genesys.wire import ApiError, Reply

if TYPE_CHECKING:
    from local.genesys.platform_organisation import PlatformOrganisation
    from local.genesys.wire import Request

ALL = "*"
SIMULATED = {
    "/api/v2/users/me",
    "/api/v2/authorization/divisionspermitted/paged/me",
    "/api/v2/authorization/subjects/me",
    "/api/v2/routing/queues",
    "/api/v2/tokens/me",
}


def checked(spec: Document) -> Document:
    """Return the specification of a person, complete. Raises ValueError."""
    check_keys(spec, {"name", "state", "organization", "grants"})
    person = {"name": "A person", "state": "active", "organization": None, "grants": [], **spec}
    for grant in person["grants"]:
        if not isinstance(grant, dict):
            raise ValueError("a grant is an object with role, division and permissions")  # noqa: TRY004 - to the caller, it is a wrong value
        check_keys(grant, {"role", "division", "permissions"})
        if not (isinstance(grant.get("role"), str) and isinstance(grant.get("division"), str)):
            raise ValueError("a grant has the name of a role, and the id of a division")  # noqa: TRY004 - as above
    if person["state"] not in STATES:
        raise ValueError(f"a person's state is one of {', '.join(STATES)}")
    return person


def divisions(person: Document, permission: str) -> set[str]:
    """Return the divisions in which a person has a permission; `*` among them stands for all."""
    return {grant["division"] for grant in person["grants"] if permission in grant.get("permissions", [])}


def permissions(person: Document) -> set[str]:
    return {name for grant in person["grants"] for name in grant.get("permissions", [])}


def me(organisation: PlatformOrganisation, request: Request) -> Reply:
    user_id, person = _owner(organisation, request)
    expand = Query(request).many("expand")
    body: dict[str, Any] = {"id": user_id, "name": person["name"], "state": person["state"], "version": 1}
    body["selfUri"] = f"/api/v2/users/{user_id}"
    if "organization" in expand:
        body["organization"] = person["organization"] or organisation.itself
    if "authorization" in expand:
        roles = sorted({grant["role"] for grant in person["grants"]})
        body["authorization"] = {
            "roles": [{"id": name.lower().replace(" ", "-"), "name": name} for name in roles],
            "permissions": sorted(permissions(person)),
        }
    return Reply(body=body)


def list_divisions(organisation: PlatformOrganisation, request: Request) -> Reply:
    _, person = _owner(organisation, request)
    query = Query(request)
    found = divisions(person, query.one("permission") or "")
    entities = [_division(item) for item in sorted(found - {ALL})]
    page = query.page([] if ALL in found else entities, counted=True)
    return Reply(body=page | {"allDivsPermitted": ALL in found})


def subject(organisation: PlatformOrganisation, request: Request) -> Reply:
    user_id, person = _owner(organisation, request)
    grants = [
        {
            "subjectId": user_id,
            "division": _division(grant["division"]),
            "role": {"id": grant["role"].lower().replace(" ", "-"), "name": grant["role"]},
        }
        for grant in person["grants"]
    ]
    return Reply(body={"id": user_id, "name": person["name"], "grants": grants})


def visible(organisation: PlatformOrganisation, request: Request, queues: list[Document]) -> list[Document]:
    """Return the queues that the owner of the token may see: all for a client, by division for a person."""
    user_id = organisation.tokens.valid(request.bearer).user
    if not user_id:
        return queues
    allowed = divisions(organisation.people[user_id], "routing:queue:view")
    return queues if ALL in allowed else [queue for queue in queues if queue["division"]["id"] in allowed]


def _owner(organisation: PlatformOrganisation, request: Request) -> tuple[str, Document]:
    """Return the person whose token it is. A client's token has none: our choice of the code."""
    user_id = organisation.tokens.valid(request.bearer).user
    if not user_id:
        raise ApiError(400, "bad.request", "This request needs the token of a user.")
    return user_id, organisation.people[user_id]


def _division(division_id: str) -> Document:
    return {"id": division_id, "name": division_id, "selfUri": f"/api/v2/authorization/divisions/{division_id}"}
