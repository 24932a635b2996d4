"""Sign-in with Genesys, and sign-out.

What a sign-in needs at its end is in a cookie of ten minutes: state, verifier, and the page that the person wanted.
The session begins only then, under a new random value, so nobody can make a person use a value that they know.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from desk.rendering import page
from desk.web import Request, Response, redirect, return_path
from routing_weights.domain.access import plain_name
from routing_weights.domain.session import LONGEST_S, Session, key_of
from routing_weights.errors import GenesysUnavailable, SignInRefused

if TYPE_CHECKING:
    from routing_weights.bootstrap.desk import Desk

CALLBACK = "/desk/callback"
SESSION, ATTEMPT = "desk", "desk-sign-in"
ATTEMPT_S = 600
_STALE = "This sign-in was begun in another browser, more than ten minutes ago, or was used already. Sign in again."


def cookie_name(request: Request, name: str) -> str:
    """With the prefix, browsers take the cookie only from this very host, over TLS, and for all of its paths."""
    return f"__Host-{name}" if request.is_encrypted else name


def _cookie(request: Request, name: str, value: str, seconds: int) -> str:
    secure = "; Secure" if request.is_encrypted else ""
    # Lax and not Strict: Genesys's redirect to the callback must have the cookie of the attempt.
    return f"{cookie_name(request, name)}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax{secure}"


def begin(request: Request, desk: Desk) -> Response:
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    challenge = _base64url(hashlib.sha256(verifier.encode()).digest())
    target = _base64url(return_path(request.query.get("return", "")).encode())
    address = desk.login.address(f"{request.origin}{CALLBACK}", state, challenge)
    return redirect(request, address, _cookie(request, ATTEMPT, f"{state}.{verifier}.{target}", ATTEMPT_S))


def finish(request: Request, desk: Desk, now: float) -> Response:
    """Genesys's redirect, with a code or an error. Raises SignInRefused, and what the requests to Genesys raise."""
    if "error" in request.query:
        raise SignInRefused(f"Genesys did not sign you in: {plain_name(request.query['error'])}.")
    state, verifier, target = _attempt(request)
    if not hmac.compare_digest(state.encode(), request.query.get("state", "").encode()):
        raise SignInRefused(_STALE)
    granted = desk.login.exchange(request.query.get("code", ""), verifier, f"{request.origin}{CALLBACK}")
    user = desk.owner_of(granted.token).user()
    if old := request.cookies.get(cookie_name(request, SESSION)):
        desk.sessions.delete(key_of(old))
    value, lives_s = secrets.token_urlsafe(32), int(min(granted.expires_in, LONGEST_S))
    desk.sessions.put(key_of(value), Session(granted.token, plain_name(user.name) or user.user_id, int(now) + lives_s))
    cookies = (_cookie(request, SESSION, value, lives_s), _cookie(request, ATTEMPT, "", 0))
    return redirect(request, target, *cookies)


def end(request: Request, desk: Desk) -> Response:
    """Sign out: the session ends in any case, and Genesys is asked to revoke the token."""
    forget(request, desk)
    if request.signed_in is not None:
        try:
            desk.owner_of(request.signed_in.token).revoke()
        except GenesysUnavailable:
            return redirect(request, "/desk/signed-out?token=kept", *forgotten(request))
    return redirect(request, "/desk/signed-out", *forgotten(request))


def forget(request: Request, desk: Desk) -> None:
    if value := request.cookies.get(cookie_name(request, SESSION)):
        desk.sessions.delete(key_of(value))


def forgotten(request: Request) -> tuple[str, ...]:
    """The cookies that end a session in the browser."""
    return (_cookie(request, SESSION, "", 0), _cookie(request, ATTEMPT, "", 0))


def signed_out(request: Request) -> Response:
    return page(request, "signed_out.html", token_kept="token" in request.query)


def _attempt(request: Request) -> tuple[str, str, str]:
    """State, verifier and return path. Raises SignInRefused."""
    parts = request.cookies.get(cookie_name(request, ATTEMPT), "").split(".")
    try:
        state, verifier, target = parts
        path = base64.urlsafe_b64decode(target + "=" * (-len(target) % 4)).decode()
    except ValueError:
        raise SignInRefused(_STALE) from None
    if not state or not verifier:
        raise SignInRefused(_STALE)
    return state, verifier, return_path(path)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
