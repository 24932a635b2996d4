"""Contract `platform`: queues and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from local.genesys import publicapi
from local.genesys.platform_listing import Query, bad_request, body_of, check_distinct, has_name
from local.genesys.platform_people import visible
from local.genesys.wire import Change, Reply

if TYPE_CHECKING:
    from local.genesys.organisation import Document
    from local.genesys.platform_organisation import PlatformOrganisation
    from local.genesys.wire import Request

_QUEUE = "/api/v2/routing/queues/{queueId}"
_MEMBERS = f"{_QUEUE}/members"
_MEMBER = f"{_MEMBERS}/{{memberId}}"
_EXPAND: dict[str, Any] = dict(publicapi.operation("GET", _MEMBERS).query["expand"]["items"])
HIGHEST_SCORE = 100
_TIMED_PROMPTS = ("AGENT_REQUESTED", "MANDATORY_TIMEOUT", "MANDATORY_FORCED_TIMEOUT")


def list_queues(organisation: PlatformOrganisation, request: Request) -> Reply:
    query = Query(request)
    query.refuse("divisionId", "peerId", "hasPeer", "cannedResponseLibraryId")
    queues = visible(organisation, request, list(map(organisation.queue, organisation.queues)))
    queues.sort(key=lambda queue: (queue["name"], queue["id"]))
    if (name := query.one("name")) is not None:
        queues = [queue for queue in queues if has_name(queue["name"], name)]
    if ids := query.ids():
        queues = [queue for queue in queues if queue["id"].lower() in ids]
    if query.one("sortOrder", "asc", "desc") == "desc":
        queues.reverse()
    return Reply(body=query.page(queues, counted=True))


def get_queue(organisation: PlatformOrganisation, request: Request, queue_id: str) -> Reply:  # noqa: ARG001
    return Reply(body=organisation.queue(queue_id))


def put_queue(organisation: PlatformOrganisation, request: Request, queue_id: str) -> Reply:
    """Replace a whole queue. Fields that the body leaves out are reset (Terraform provider, issues #1179 and #1241).

    Fields of the queue that publicapi.json does not know are newer than that file. A PUT may repeat them.
    """
    now = organisation.queue(queue_id)
    body = body_of(request, _QUEUE, publicapi.held(now))
    if body.get("id", queue_id).lower() != queue_id.lower():  # our choice
        raise bad_request("id must be the one in the path.")
    if not body["name"].strip():  # our choice
        raise bad_request("name must not be empty.")
    if "conditionalGroupRouting" in body and "conditionalGroupActivation" in body:
        raise bad_request("conditionalGroupRouting and conditionalGroupActivation exclude each other.")
    _check_rings(organisation, now, body)
    _check_rules(body)
    _check_routing_rules(body)
    acw = body.get("acwSettings", {})
    if "timeoutMs" in acw and acw.get("wrapupPrompt") not in _TIMED_PROMPTS:
        raise bad_request(f"acwSettings.timeoutMs can only be used with {', '.join(_TIMED_PROMPTS)}.")
    change = Change(queue_id, None, body, replaces=True)
    return Reply(body=organisation.replaced(change), changes=(change,))


def rings_of(queue: Document) -> list[Document]:
    rings: list[Document] = queue.get("bullseye", {}).get("rings", [])
    return rings


def _check_rings(organisation: PlatformOrganisation, now: Document, body: Document) -> None:
    """Refuse invalid rings, and the removal of rings that are in use.

    Every ring, also the last one, needs a time-out: the stricter reading of what all tools write. The removal of a ring
    with member groups is refused for certain (Terraform provider, #1982, #2491), that of a ring with members by our
    choice.
    """
    before, after = rings_of(now), rings_of(body)
    for number, ring in enumerate(after, 1):
        criteria = ring.get("expansionCriteria", [])
        if not any(criterion.get("type") == "TIMEOUT_SECONDS" and "threshold" in criterion for criterion in criteria):
            raise bad_request(f"Ring {number} needs an expansion criterion TIMEOUT_SECONDS with a threshold.")
    for number, ring in enumerate(before[len(after) :], len(after) + 1):
        if ring.get("memberGroups"):
            raise bad_request(f"Ring {number} has member groups, and cannot be removed.")
    highest = max((member["ringNumber"] for member in organisation.members(now["id"]).values()), default=1)
    if len(after) < len(before) and highest > max(1, len(after)):
        raise bad_request(f"Ring {highest} has members, and cannot be removed.")


def _check_rules(body: Document) -> None:
    """Refuse rules without waitSeconds, except the last one.

    By the SDK, only the last rule does not need waitSeconds. The refusal of others is our choice: the platform could
    use its default of 2.
    """
    for rule in body.get("conditionalGroupRouting", {}).get("rules", [])[:-1]:
        if "waitSeconds" not in rule:
            raise bad_request("Every rule of conditionalGroupRouting except the last needs waitSeconds.")


def _check_routing_rules(body: Document) -> None:
    """Refuse rules of preferred agents that say nothing, or that no score can meet.

    publicapi.json has the operators, the wait of 2 to 259200 seconds and the six rules at most. Our choice: every rule
    needs an operator, MEETS_THRESHOLD a threshold, and the threshold is a score, 0 to 100 (ScoredAgent). A rule without
    waitSeconds is accepted, since all clients have a default of 5.
    """
    for number, rule in enumerate(body.get("routingRules", []), 1):
        if "operator" not in rule:
            raise bad_request(f"Rule {number} of routingRules needs an operator.")
        if rule["operator"] == "MEETS_THRESHOLD" and "threshold" not in rule:
            raise bad_request(f"Rule {number} of routingRules needs a threshold.")
        if not 0 <= rule.get("threshold", 0) <= HIGHEST_SCORE:
            raise bad_request(f"The threshold of rule {number} of routingRules must be a score, 0 to {HIGHEST_SCORE}.")


def list_members(organisation: PlatformOrganisation, request: Request, queue_id: str) -> Reply:
    """List members by name. As on the real platform, the listing has no total and no number of pages."""
    query = Query(request)
    query.refuse("profileSkills", "skills", "languages", "routingStatus", "presence")
    joined, by = query.one("joined", "true", "false"), query.one("memberBy", "user", "group")
    part, expand = query.one("name"), query.many("expand")
    if unknown := [name for name in expand if name not in _EXPAND["enum"]]:  # our choice
        raise bad_request(f"expand does not know {', '.join(unknown)}.")
    names = [(organisation.users[user_id]["name"], user_id) for user_id in organisation.members(queue_id)]
    wanted: Document = {} if joined is None else {"joined": joined.lower() == "true"}
    wanted |= {} if by is None else {"memberBy": by.lower()}
    user_ids = [
        user_id
        for name, user_id in sorted(names)
        if (part is None or part.casefold() in name.casefold())
        and wanted.items() <= organisation.member(queue_id, user_id).items()
    ]
    if query.one("sortOrder", "asc", "desc") == "desc":
        user_ids.reverse()
    page = query.page(user_ids, counted=False, second=organisation.settings.second_page)
    shown = [organisation.member_document(queue_id, user_id) for user_id in page["entities"]]
    return Reply(body=page | {"entities": [_listed(queue_id, member, expand) for member in shown]})


def patch_member(organisation: PlatformOrganisation, request: Request, queue_id: str, member_id: str) -> Reply:
    """Accept a ring number or joining. The answer means accepted, not applied."""
    member = organisation.member(queue_id, member_id)
    organisation.existing_user(member_id)
    body = body_of(request, _MEMBER)
    if body.get("id", member_id).lower() != member_id.lower():
        raise bad_request("id must be the one in the path.")
    fields = {name: value for name, value in body.items() if name != "id"}
    if len(fields) != 1 or not fields.keys() <= {"ringNumber", "joined"}:
        raise bad_request("The body takes id, and either ringNumber or joined.")
    rings = max(1, len(rings_of(organisation.queue(queue_id))))
    if fields.get("ringNumber", 1) > rings:  # TF PR #37
        raise bad_request(f"Ring {fields['ringNumber']} does not exist: the queue has {rings}.")
    # Our choice: the ring of such a member is that of the group, which this operation does not change.
    if "ringNumber" in fields and member["memberBy"] == "group":
        raise bad_request(f"{member_id} is a member by a group, whose ring is set in bullseye.rings.")
    return Reply(202, changes=(Change(queue_id, member_id, fields),))


def patch_members(organisation: PlatformOrganisation, request: Request, queue_id: str) -> Reply:
    """Join or unjoin members. Other users are ignored. The answer may show the state before."""
    members = organisation.members(queue_id)
    body = body_of(request, _MEMBERS)
    if not body or any(item.keys() != {"id", "joined"} for item in body):
        raise bad_request("The body is a list of id and joined, at least one; ring numbers are not set in bulk.")
    check_distinct(item["id"] for item in body)
    wanted = {
        organisation.users.stored(item["id"]): {"joined": item["joined"]}
        for item in body
        if item["id"] in members and organisation.user(item["id"])["state"] != "deleted"
    }
    shown = [
        organisation.member_document(queue_id, user_id) | ({} if organisation.settings.apply_delay_s else fields)
        for user_id, fields in wanted.items()
    ]
    uri = f"/api/v2/routing/queues/{quote(queue_id, safe='')}/members"
    page = {
        "entities": [_listed(queue_id, member, []) for member in shown],
        "pageSize": len(shown),
        "pageNumber": 1,
        "selfUri": uri,
        "firstUri": uri,
    }
    return Reply(body=page, changes=tuple(Change(queue_id, user_id, fields) for user_id, fields in wanted.items()))


def _listed(queue_id: str, member: Document, expand: list[str]) -> Document:
    """Return a member as a listing shows it, with the expanded fields only."""
    user = {**member["user"], "selfUri": f"/api/v2/users/{quote(member['id'], safe='')}"}
    if "skills" in expand:
        user["skills"] = member["skills"]
    status = {name: member[name] for name in ("routingStatus",) if name in expand and name in member}
    uri = f"/api/v2/routing/queues/{quote(queue_id, safe='')}/members/{quote(member['id'], safe='')}"
    kept = ("id", "name", "ringNumber", "joined", "memberBy")
    return {**{name: member[name] for name in kept}, **status, "user": user | status, "selfUri": uri}
