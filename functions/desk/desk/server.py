"""One request of a browser: who it is from, the page that it names, and the headers that protect the answer."""

from __future__ import annotations

import hmac
import time
from dataclasses import replace
from http import HTTPMethod, HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from desk import sign_in, static_files
from desk.pages import ROUTES
from desk.rendering import page
from desk.web import Request, Response, redirect
from routing_weights.domain.session import csrf_of, is_value, key_of
from routing_weights.errors import ApiRefused, RequestForged, RouteNotFound, RoutingWeightsError, SignInExpired

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools import Logger

    from routing_weights.bootstrap.desk import Desk

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # with no-referrer, a browser sends `Origin: null` with a POST
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Vary": "HX-Request",
}
ENCRYPTED = {"Strict-Transport-Security": "max-age=31536000"}


def serve(event: Mapping[str, Any], desk: Desk, logger: Logger, wall_clock: Any = time.time) -> dict[str, Any]:
    """Answer an event of payload 2.0."""
    request = Request.of(event)
    try:
        request = _with_session(request, desk, wall_clock())
        response = _answer(request, desk, wall_clock())
    except RoutingWeightsError as error:
        response = _explain(request, desk, error, logger)
    except Exception:
        logger.exception("Unexpected error")
        title, text = "Something unexpected went wrong", "It is in the log of DeskFunction."
        response = _problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, title, text)
    protecting = HEADERS | (ENCRYPTED if request.is_encrypted else {})
    return {
        "statusCode": int(response.status),
        "headers": {**protecting, "Content-Type": response.content_type, **response.headers},
        "cookies": list(response.cookies),
        "body": response.body,
        "isBase64Encoded": response.is_base64,
    }


def _with_session(request: Request, desk: Desk, now: float) -> Request:
    value = request.cookies.get(sign_in.cookie_name(request, sign_in.SESSION), "")
    if request.path.startswith(static_files.PREFIX) or not is_value(value):
        return request
    session = desk.sessions.find(key_of(value), now)
    if session is None:
        return request
    api = desk.api(request.origin, session.token)
    return replace(request, signed_in=session, csrf=csrf_of(value), api_of_person=api)


def _answer(request: Request, desk: Desk, now: float) -> Response:
    if request.method == HTTPMethod.POST:
        request.require_same_origin()
    if (response := _for_anybody(request, desk, now)) is not None:
        return response
    if request.signed_in is None:
        return _to_sign_in(request)
    if request.method == HTTPMethod.POST:
        _require_csrf(request)
        if request.path == "/desk/sign-out":
            return sign_in.end(request, desk)
    handler, arguments, methods = ROUTES.find(request.method, request.path)
    if handler is not None:
        return handler(request, **arguments)
    if not methods:
        raise RouteNotFound("There is no such page.")
    allowed = ", ".join(sorted(methods))
    response = _problem(request, HTTPStatus.METHOD_NOT_ALLOWED, "That is not possible here", f"Only {allowed} is.")
    return replace(response, headers={"Allow": allowed})


def _for_anybody(request: Request, desk: Desk, now: float) -> Response | None:
    """What needs no session; None for everything else."""
    if request.method != HTTPMethod.GET:
        return None
    match request.path:
        case path if path.startswith(static_files.PREFIX):
            return static_files.serve(path.removeprefix(static_files.PREFIX), request.query.get("v", ""))
        case "/desk/sign-in":
            return sign_in.begin(request, desk)
        case sign_in.CALLBACK:
            return sign_in.finish(request, desk, now)
        case "/desk/signed-out":
            return sign_in.signed_out(request)
    return None


def _to_sign_in(request: Request) -> Response:
    """Whoever looks at a page signs in first. What a form would have done is not done, and not repeated later.

    A part of a page never leads the whole page away: somebody may be editing there.
    """
    if request.method != HTTPMethod.GET or request.of_htmx:
        raise SignInExpired("You are not signed in any more, so nothing was done. Sign in, and do it again.")
    return redirect(request, f"/desk/sign-in?return={quote(request.here, safe='')}")


def _require_csrf(request: Request) -> None:
    sent = request.headers.get("x-csrf-token") or request.form.get("csrf", "")
    if not hmac.compare_digest(sent.encode(), request.csrf.encode()):
        raise RequestForged("The form is not of your present sign-in, so nothing was done. Load the page again.")


def _explain(request: Request, desk: Desk, error: RoutingWeightsError, logger: Logger) -> Response:
    status = int(error.details.get("status", error.http_status))
    title = str(error.details.get("title") or error.title)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("Request failed", error_type=type(error).__name__, reason=error.message)
    problem = error.details.get("problem", {})
    response = _problem(request, status, title, error.message, problem.get("errors", []))
    if request.path == sign_in.CALLBACK:
        return replace(response, cookies=sign_in.forgotten(request)[1:])
    if isinstance(error, ApiRefused) and status == HTTPStatus.UNAUTHORIZED:
        sign_in.forget(request, desk)
        return replace(response, cookies=sign_in.forgotten(request))
    return response


def _problem(request: Request, status: int, title: str, text: str, errors: Any = ()) -> Response:
    """A part of a page for htmx, a whole page for everybody else."""
    over = status == HTTPStatus.UNAUTHORIZED or request.path == sign_in.CALLBACK
    template = "problem.html" if request.of_htmx else "problem_page.html"
    return page(request, template, status, title=title, text=text, errors=errors, sign_in=over)
