"""Contract `platform`: the public API v2 of Genesys Cloud, as publicapi.json describes it.

Where the real answer is not documented, the stricter one is used, and a comment calls it our choice.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from local.genesys import platform_analytics as analytics
from local.genesys import platform_login as login
from local.genesys import platform_people as people
from local.genesys import platform_queues as queues
from local.genesys import platform_skills as skills
from local.genesys import publicapi
from local.genesys.platform_login import TokenRefused
from local.genesys.wire import ApiError, Reply
from local.planted import planted

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.genesys.platform_organisation import PlatformOrganisation
    from local.genesys.wire import Request


def handle(organisation: PlatformOrganisation, request: Request) -> Reply:
    """Answer a request. Raises ApiError for a refusal."""
    if request.segments == ["oauth", "token"]:
        return _issue_token(organisation, request)
    if request.segments == ["oauth", "authorize"]:
        return login.authorize(organisation, request)
    if request.segments[0] == analytics.DOWNLOADS:
        return analytics.download(organisation, request)
    if request.segments[:2] != ["api", "v2"]:
        raise _no_such_path(request)
    settings, tokens = organisation.settings, organisation.tokens
    token = tokens.valid(request.bearer)
    try:
        tokens.admit(token, settings)
        reply = _answer(organisation, request)
    except ApiError as refusal:
        refusal.headers = {**refusal.headers, **tokens.usage(token, settings)}
        raise
    return replace(reply, headers={**reply.headers, **tokens.usage(token, settings)})


def _answer(organisation: PlatformOrganisation, request: Request) -> Reply:
    match = publicapi.find(request.path)
    if match is None:
        raise _no_such_path(request)
    methods = publicapi.methods(request.path)
    if request.method not in methods:
        allow = ", ".join(methods)
        message = f"{request.method} is not allowed here; only {allow}."
        raise ApiError(405, "method.not.allowed", message, headers={"Allow": allow})
    if (request.method, match.template) not in OPERATIONS:
        raise ApiError(501, "not.simulated", f"{request.method} {match.template} is real, and not simulated.")
    token = organisation.tokens.valid(request.bearer)
    operation = publicapi.operation(request.method, match.template)
    if token.user:
        if match.template not in people.SIMULATED:
            raise ApiError(501, "not.simulated", f"{match.template} is not simulated for the token of a person.")
        _permit(people.permissions(organisation.people[token.user]), operation)
    else:
        client = organisation.client(token.client_id)
        _permit(set(client.permissions.split()) if client else set(), operation)
    # Our choice: a content type other than JSON is refused. The real platform may be more lenient.
    if request.body and request.content_type != "application/json":
        raise ApiError(415, "unsupported.media.type", "The body must be application/json.")
    names = re.findall(r"{(\w+)}", match.template)
    values = (organisation.stored(name, value) for name, value in zip(names, match.values, strict=True))
    return OPERATIONS[request.method, match.template](organisation, request, *values)


def _permit(granted: set[str], operation: publicapi.Operation) -> None:
    """Refuse a request that the role of client or person does not allow, before it shows that the entity exists."""
    missing = [name for name in operation.permissions if name not in granted]
    if operation.needs_all and missing:
        message = f"You are missing the following permission(s): {', '.join(missing)}."
        raise ApiError(403, "missing.permissions", f"Unable to perform the requested action. {message}")
    if missing and len(missing) == len(operation.permissions):
        message = f"You must have at least one of the following permissions: {', '.join(missing)}."
        raise ApiError(403, "missing.any.permissions", f"Unable to perform the requested action. {message}")


def _issue_token(organisation: PlatformOrganisation, request: Request) -> Reply:
    settings = organisation.settings
    if request.method != "POST":
        raise ApiError(405, "method.not.allowed", "Only POST is allowed here.", headers={"Allow": "POST"})
    if not organisation.tokens.may_issue(settings):  # the real host's words, as far as they are documented
        raise TokenRefused(400, "invalid_request", "rate limit exceeded; try again later")
    form = parse_qs(request.body.decode(errors="replace"))
    if form.get("grant_type") == ["authorization_code"] and request.content_type == publicapi.FORM:
        return login.exchange(organisation, {name: values[-1] for name, values in form.items()})
    client_id, secret = _pair(request) or ("", "")
    client = organisation.client(client_id)
    if client is None or client.secret != secret:
        raise TokenRefused(401, "invalid_client", "The client id and secret are wrong, or not in HTTP Basic.")
    if request.content_type != publicapi.FORM:
        raise TokenRefused(400, "invalid_request", f"The body must be {publicapi.FORM}.")
    if form.get("grant_type") != ["client_credentials"]:
        raise TokenRefused(400, "unsupported_grant_type", "grant_type must be client_credentials.")
    if "scope" in form:  # our choice: roles decide what such a client may do, so the real host may ignore scopes
        raise TokenRefused(400, "invalid_scope", "Scopes do not apply to client credentials.")
    if form.keys() & {"client_id", "client_secret"}:  # our choice, after RFC 6749, 2.3
        raise TokenRefused(400, "invalid_request", "The client is authenticated by HTTP Basic alone.")
    bearer = organisation.tokens.issue(frozenset(), settings.expires_in, client_id)
    return Reply(body={"access_token": bearer, "token_type": "bearer", "expires_in": settings.expires_in})


def _pair(request: Request) -> tuple[str, str] | None:
    try:
        text = base64.b64decode(request.basic or "", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    client_id, colon, secret = text.partition(":")
    return (client_id, secret) if colon else None


def _regenerate_secret(organisation: PlatformOrganisation, request: Request, client_id: str) -> Reply:  # noqa: ARG001
    client = organisation.client(client_id)
    if client is None:
        raise ApiError(404, "not.found", f"There is no OAuth client {client_id}.")
    changed = replace(client, secret=planted("client-secret", secrets.token_urlsafe(32)))
    organisation.put_client(changed)
    grant = "CLIENT-CREDENTIALS"
    return Reply(body={"id": client_id, "name": client_id, "secret": changed.secret, "authorizedGrantType": grant})


def _token_info(organisation: PlatformOrganisation, request: Request) -> Reply:
    client_id = organisation.tokens.valid(request.bearer).client_id
    client = {"id": client_id, "name": client_id, "authorizedGrantType": "CLIENT-CREDENTIALS"}
    itself = organisation.itself
    return Reply(body={"organization": itself, "homeOrganization": itself, "OAuthClient": client})


def _verify_token(organisation: PlatformOrganisation, request: Request) -> Reply:  # noqa: ARG001
    return Reply()


def _delete_token(organisation: PlatformOrganisation, request: Request) -> Reply:
    organisation.tokens.valid(request.bearer).revoked = True
    return Reply()


def _no_such_path(request: Request) -> ApiError:
    return ApiError(404, "not.found", f"There is nothing at {request.path}.")


_QUEUES, _USERS = "/api/v2/routing/queues", "/api/v2/users/{userId}/routingskills"
_SKILLS, _TOKEN = "/api/v2/routing/skills", "/api/v2/tokens/me"
OPERATIONS: dict[tuple[str, str], Callable[..., Reply]] = {
    ("GET", "/api/v2/users/me"): people.me,
    ("GET", "/api/v2/authorization/divisionspermitted/paged/me"): people.list_divisions,
    ("GET", "/api/v2/authorization/subjects/me"): people.subject,
    ("GET", _TOKEN): _token_info,
    ("HEAD", _TOKEN): _verify_token,
    ("DELETE", _TOKEN): _delete_token,
    ("POST", "/api/v2/oauth/clients/{clientId}/secret"): _regenerate_secret,
    ("GET", _QUEUES): queues.list_queues,
    ("GET", f"{_QUEUES}/{{queueId}}"): queues.get_queue,
    ("PUT", f"{_QUEUES}/{{queueId}}"): queues.put_queue,
    ("GET", f"{_QUEUES}/{{queueId}}/members"): queues.list_members,
    ("PATCH", f"{_QUEUES}/{{queueId}}/members"): queues.patch_members,
    ("PATCH", f"{_QUEUES}/{{queueId}}/members/{{memberId}}"): queues.patch_member,
    ("GET", _SKILLS): skills.list_skills,
    ("GET", f"{_SKILLS}/{{skillId}}"): skills.get_skill,
    ("GET", _USERS): skills.list_user_skills,
    ("POST", _USERS): skills.post_user_skill,
    ("PUT", f"{_USERS}/{{skillId}}"): skills.put_user_skill,
    ("DELETE", f"{_USERS}/{{skillId}}"): skills.delete_user_skill,
    ("PATCH", f"{_USERS}/bulk"): skills.patch_user_skills,
    ("PUT", f"{_USERS}/bulk"): skills.put_user_skills,
    ("POST", analytics.OBSERVATIONS): analytics.query_observations,
    ("POST", analytics.AGGREGATES): analytics.query_aggregates,
    ("GET", analytics.FORECASTS): analytics.list_forecasts,
    ("GET", f"{analytics.FORECASTS}/{{forecastId}}/data"): analytics.get_forecast_data,
    ("GET", f"{analytics.FORECASTS}/{{forecastId}}/planninggroups"): analytics.list_planning_groups,
}
