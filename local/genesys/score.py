"""Contract `score`: the API of the source document, which the real platform does not have."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from local.genesys.score_organisation import ROUTING_TYPES
from local.genesys.wire import ApiError, Change, Reply, is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.genesys.organisation import Document
    from local.genesys.score_organisation import ScoreOrganisation
    from local.genesys.wire import Request

SCOPES = {"GET": "routing:queue:read", "PATCH": "routing:queue:write"}
WEBHOOKS_SCOPE = "webhooks:write"
MAX_PAGE_SIZE = 100
SUM_TOLERANCE = 1e-9


def handle(organisation: ScoreOrganisation, request: Request) -> Reply:
    """Answer a request. Raises ApiError for a refusal."""
    match request.segments:
        case ["oauth", "token"]:
            _allow(request, ["POST"])
            return _issue_token(organisation, request.json_object())
        case ["api", "v2", "tokens", "me"]:
            token = organisation.tokens.known(request.bearer)
            _allow(request, ["DELETE"])
            token.revoked = True
            return Reply(body={})
        case ["api", "v2", *rest]:
            return _routing(organisation, request, rest)
    raise _no_such_path(request)


def _routing(organisation: ScoreOrganisation, request: Request, path: list[str]) -> Reply:
    token = organisation.tokens.valid(request.bearer)
    organisation.tokens.admit(token, organisation.settings)
    methods: dict[str, Callable[[], Reply]]
    path = organisation.stored(path)
    match path:
        case ["routing", "queues", queue_id]:
            methods = {
                "GET": lambda: Reply(body=organisation.queue(queue_id)),
                "PATCH": lambda: _patch_queue(organisation, queue_id, request.json_object()),
            }
        case ["routing", "queues", queue_id, "members"]:
            methods = {"GET": lambda: _list_members(organisation, queue_id, request)}
        case ["routing", "queues", queue_id, "members", user_id]:
            methods = {"PATCH": lambda: _patch_member(organisation, queue_id, user_id, request.json_object())}
        case ["platform", "webhooks"]:
            methods = {
                "GET": lambda: _list_webhooks(organisation, request),
                "POST": lambda: Reply(201, organisation.webhooks.put(None, request.json_object())),
            }
        case ["platform", "webhooks", webhook_id] if webhook_id in organisation.webhooks:
            methods = {
                "GET": lambda: Reply(body=organisation.webhooks[webhook_id]),
                "PUT": lambda: Reply(body=organisation.webhooks.put(webhook_id, request.json_object())),
            }
        case _:
            raise _no_such_path(request)
    _allow(request, methods)
    scope = WEBHOOKS_SCOPE if path[0] == "platform" else SCOPES[request.method]
    if scope not in token.scopes:
        raise ApiError(403, "missing.any.scopes", f"The token lacks the scope {scope}.")
    if request.method == "PATCH" and (stored := organisation.replay(request.path, request.idempotency_key)):
        return stored
    return methods[request.method]()


def _issue_token(organisation: ScoreOrganisation, body: Document) -> Reply:
    settings = organisation.settings
    if body.get("grant_type") != "client_credentials":
        raise _oauth_error(400, "unsupported_grant_type", "grant_type must be client_credentials.")
    client = organisation.client(str(body.get("client_id")))
    if client is None or client.secret != body.get("client_secret"):
        raise _oauth_error(401, "invalid_client", "The client id or secret is wrong.")
    asked = body.get("scope", settings.scope)
    if not isinstance(asked, str):
        raise _oauth_error(400, "invalid_scope", "scope must be a string of scopes separated by spaces.")
    granted = [scope for scope in asked.split() if scope in settings.scope.split()]
    return Reply(
        body={
            "access_token": organisation.tokens.issue(frozenset(granted), settings.expires_in, client.client_id),
            "expires_in": settings.expires_in,
            "token_type": "Bearer",
            "scope": " ".join(granted),
        }
    )


def _patch_queue(organisation: ScoreOrganisation, queue_id: str, body: Document) -> Reply:
    organisation.queue(queue_id)
    _known_fields(body, ("utilizationThreshold", "wrapUpTimeout"))
    if "utilizationThreshold" in body:
        _in_unit_interval("utilizationThreshold", body["utilizationThreshold"])
    timeout = body.get("wrapUpTimeout", 0)
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 0:
        raise _bad_request("wrapUpTimeout must be an integer, 0 or more.")
    change = Change(queue_id, None, body)
    return Reply(body=organisation.merged(change), changes=(change,))


def _list_members(organisation: ScoreOrganisation, queue_id: str, request: Request) -> Reply:
    return _page(list(organisation.members(queue_id).values()), request)


def _list_webhooks(organisation: ScoreOrganisation, request: Request) -> Reply:
    return _page(list(organisation.webhooks.values()), request)


def _page(listed: list[Document], request: Request) -> Reply:
    size = _whole_number(request, 25, "pageSize")
    page = _whole_number(request, 1, "page", "pageNumber")
    if size > MAX_PAGE_SIZE:
        raise _bad_request(f"pageSize must be at most {MAX_PAGE_SIZE}.")
    body = {
        "entities": listed[(page - 1) * size : page * size],
        "pageSize": size,
        "pageNumber": page,
        "pageCount": math.ceil(len(listed) / size),
        "total": len(listed),
    }
    return Reply(body=body)


def _patch_member(organisation: ScoreOrganisation, queue_id: str, user_id: str, body: Document) -> Reply:
    organisation.member(queue_id, user_id)
    fields = ("user_id", "routing_type", "score")
    _known_fields(body, fields)
    if missing := [name for name in fields if name not in body]:
        raise _bad_request(f"Missing: {', '.join(missing)}.")
    if not isinstance(body["user_id"], str) or body["user_id"].lower() != user_id.lower():
        raise _bad_request("user_id must be the one in the path.")
    if body["routing_type"] not in ROUTING_TYPES:
        raise _bad_request(f"routing_type must be one of {', '.join(ROUTING_TYPES)}.")
    _in_unit_interval("score", body["score"])
    change = Change(queue_id, user_id, {"routingType": body["routing_type"], "score": body["score"]})
    if organisation.settings.sum_rule:
        total = math.fsum(organisation.scores_after(change))
        if total > 1 + SUM_TOLERANCE:
            raise ApiError(400, "weight.sum.exceeded", f"The scores of the queue would sum to {total:.9g}, above 1.")
    return Reply(body=organisation.merged(change), changes=(change,))


def _whole_number(request: Request, default: int, *names: str) -> int:
    values = request.parameters(*names) or {str(default)}
    value = values.pop()
    if values:
        raise _bad_request(f"{' and '.join(names)} must not be given two values.")
    if not re.fullmatch("0*[1-9][0-9]{0,8}", value, re.ASCII):
        raise _bad_request(f"{names[0]} must be an integer, 1 or more.")
    return int(value)


def _allow(request: Request, methods: Iterable[str]) -> None:
    if request.method not in methods:
        allow = ", ".join(methods)
        message = f"{request.method} is not allowed here; only {allow}."
        raise ApiError(405, "method.not.allowed", message, headers={"Allow": allow})


def _known_fields(body: Document, fields: Iterable[str]) -> None:
    if unknown := sorted(body.keys() - set(fields)):
        raise _bad_request(f"Unknown: {', '.join(unknown)}.")


def _in_unit_interval(name: str, value: Any) -> None:
    if not is_number(value) or not 0 <= value <= 1:
        raise _bad_request(f"{name} must be a number from 0 to 1.")


def _bad_request(message: str) -> ApiError:
    return ApiError(400, "bad.request", message)


def _no_such_path(request: Request) -> ApiError:
    return ApiError(404, "not.found", f"There is nothing at {request.path}.")


def _oauth_error(status: int, error: str, description: str) -> ApiError:
    return ApiError(status, error.replace("_", "."), description, error=error, error_description=description)
