"""Contract `platform`: the login host for people. OAuth's code authorization with PKCE, for public clients.

`/oauth/authorize` shows a page that asks who signs in: there are no passwords here. The checks are those of the real
host as far as they are documented, and otherwise those of RFC 6749 and RFC 7636 (our choice). Every request must use
PKCE, and a wrong client or address is answered here and never by a redirect.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

from local.genesys.wire import ApiError, Reply
from local.planted import planted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.genesys.platform_organisation import PlatformOrganisation
    from local.genesys.wire import Request

CODE_S = 300.0
"""Our choice: five minutes. RFC 6749 allows ten at most."""
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_ASKED = ("client_id", "response_type", "redirect_uri", "state", "code_challenge", "code_challenge_method")


@dataclass(frozen=True)
class Code:
    client_id: str
    redirect_uri: str
    challenge: str
    user: str
    expires_at: float


class TokenRefused(ApiError):
    """A refusal of the login host, in OAuth's own error shape."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(status, error, description)

    def reply(self, context_id: str) -> Reply:  # noqa: ARG002 - the id is in the header alone
        return Reply(self.status, {"error": self.code, "description": str(self), "error_description": str(self)})


def authorize(organisation: PlatformOrganisation, request: Request) -> Reply:
    """GET shows who may sign in; POST, with the `user` that was chosen, redirects with a code."""
    if request.method not in {"GET", "POST"}:
        raise ApiError(405, "method.not.allowed", "Only GET and POST are allowed here.", headers={"Allow": "GET, POST"})
    asked = _last(request.query if request.method == "GET" else request.body.decode(errors="replace"))
    settings = organisation.settings
    if asked.get("client_id") != settings.desk_client_id or not settings.desk_client_id:
        return _page(400, "<p>No OAuth client with PKCE has this client_id.</p>")
    if asked.get("redirect_uri") not in settings.redirect_uris.split():
        return _page(400, "<p>redirect_uri is not one of the client's addresses, exactly as they are registered.</p>")
    if (asked.get("response_type"), asked.get("code_challenge_method")) != ("code", "S256") or not _CHALLENGE.fullmatch(
        asked.get("code_challenge", "")
    ):
        return _back(asked, error="invalid_request", error_description="a code with PKCE, S256, is all that there is")
    if request.method == "GET":
        return _page(200, _choices(organisation, asked))
    if asked.get("user") not in organisation.people:
        return _back(asked, error="access_denied")
    code = planted("login-code", secrets.token_urlsafe(24))
    expires_at = organisation.clock.now() + CODE_S
    organisation.codes[code] = Code(
        asked["client_id"], asked["redirect_uri"], asked["code_challenge"], asked["user"], expires_at
    )
    return _back(asked, code=code)


def exchange(organisation: PlatformOrganisation, form: Mapping[str, str]) -> Reply:
    """Exchange a code, once, for a token of the person who signed in. A failed try uses the code up, too."""
    code = organisation.codes.pop(form.get("code", ""), None)
    if form.get("client_id") != organisation.settings.desk_client_id:
        raise TokenRefused(401, "invalid_client", "No OAuth client with PKCE has this client_id.")
    verifier = form.get("code_verifier", "")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if (
        code is None
        or organisation.clock.now() >= code.expires_at
        or code.redirect_uri != form.get("redirect_uri")
        or not _VERIFIER.fullmatch(verifier)
        or not hmac.compare_digest(challenge, code.challenge)
    ):
        raise TokenRefused(
            400, "invalid_grant", "The code, its address or its verifier is wrong, or the code was used."
        )
    seconds = organisation.settings.expires_in
    bearer = organisation.tokens.issue(frozenset(), seconds, code.client_id, code.user)
    return Reply(body={"access_token": bearer, "token_type": "bearer", "expires_in": seconds})


def _last(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}


def _back(asked: Mapping[str, str], **answer: str) -> Reply:
    state = {"state": asked["state"]} if "state" in asked else {}
    return Reply(302, headers={"Location": f"{asked['redirect_uri']}?{urlencode(answer | state)}"})


def _choices(organisation: PlatformOrganisation, asked: Mapping[str, str]) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(asked.get(name, ""))}">' for name in _ASKED
    )
    people = "".join(
        f'<p><button name="user" value="{html.escape(user_id)}">{html.escape(person["name"])}</button> '
        f"{html.escape(_described(person))}</p>"
        for user_id, person in organisation.people.items()
    )
    nobody = '<p><button name="user" value="">Nobody</button> refuses to sign in</p>'
    return f'<form method="post" action="/oauth/authorize">{hidden}{people}{nobody}</form>'


def _described(person: Mapping[str, object]) -> str:
    grants: list[dict[str, str]] = person["grants"]  # type: ignore[assignment]
    return "; ".join(f"{grant['role']} in {grant['division'].replace('*', 'all divisions')}" for grant in grants)


def _page(status: int, content: str) -> Reply:
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>Simulated Genesys Cloud: sign in</title><h1>Simulated Genesys Cloud</h1>"
        f"<p>Sign in as …</p>{content}</html>"
    )
    return Reply(status, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
