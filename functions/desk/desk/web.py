"""A request of a browser, the answer, and the table of routes."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from http import HTTPMethod, HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from routing_weights.errors import RequestForged, SignInExpired

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from routing_weights.adapters.http.people_api import PeopleApi
    from routing_weights.domain.session import Session

HOME = "/desk"
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]{1,5})?")
_MOST_FIELDS = 10_000
_PART = r"(?P<{}>[^/\x00-\x1f\x7f]{{1,300}})"
_RETURN = re.compile(r"/desk(/[A-Za-z0-9._~%-]+)*/?(\?[A-Za-z0-9._~%&=+-]*)?")
"""The only addresses to which a sign-in leads: pages of the desk itself, as a path."""


@dataclass(frozen=True)
class Request:
    """`path` is decoded. `query` and `form` have the last value of a name; `fields` have all of the form's."""

    method: str
    path: str
    host: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    query: Mapping[str, str]
    raw_query: str
    fields: tuple[tuple[str, str], ...]
    signed_in: Session | None = None
    csrf: str = ""
    api_of_person: PeopleApi | None = field(default=None, repr=False)

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """Read an event of payload 2.0. The gateway sets the host, by the API that it found."""
        context, raw_query = event["requestContext"], event.get("rawQueryString") or ""
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        body = event.get("body") or ""
        if event.get("isBase64Encoded"):
            body = base64.b64decode(body).decode(errors="replace")
        is_form = headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
        pairs = (cookie.partition("=") for cookie in event.get("cookies") or [])
        return cls(
            method=context["http"]["method"],
            path=event["rawPath"],
            host=context["domainName"],
            headers=headers,
            cookies={name.strip(): value for name, _, value in pairs},
            query=dict(_fields(raw_query)),
            raw_query=raw_query,
            fields=tuple(_fields(body)) if is_form else (),
        )

    @property
    def form(self) -> Mapping[str, str]:
        return dict(self.fields)

    @property
    def is_encrypted(self) -> bool:
        """False on this machine only: the embedded stack has no TLS."""
        return not _LOOPBACK.fullmatch(self.host)

    @property
    def origin(self) -> str:
        return f"{'https' if self.is_encrypted else 'http'}://{self.host}"

    @property
    def of_htmx(self) -> bool:
        """Htmx asks for a part of the page. When a person goes back, it asks for all of it."""
        return self.headers.get("hx-request") == "true" and "hx-history-restore-request" not in self.headers

    @property
    def api(self) -> PeopleApi:
        """The API, with the token of whoever signed in. Raises SignInExpired."""
        if self.api_of_person is None:
            raise SignInExpired("You are not signed in.")
        return self.api_of_person

    @property
    def here(self) -> str:
        """The page that the person sees, for a return after a sign-in."""
        if self.of_htmx:
            return return_path(self.headers.get("hx-current-url", "").removeprefix(self.origin))
        return return_path(f"{self.path}?{self.raw_query}" if self.raw_query else self.path)

    def require_same_origin(self) -> None:
        """Raise RequestForged for a request that another site may have caused.

        Every browser sends Origin with a POST. A request without it counts as our own only if Sec-Fetch-Site says so,
        which no page can set.
        """
        origin, site = self.headers.get("origin"), self.headers.get("sec-fetch-site")
        if origin is None and site == "same-origin":
            return
        if origin != self.origin or site not in {None, "same-origin"}:
            raise RequestForged("The request did not come from a page of the desk, so nothing was done.")


def return_path(text: str) -> str:
    """A path of the desk from a parameter that anybody may have written; the desk's first page instead of any other."""
    return text if len(text) <= 2000 and _RETURN.fullmatch(text) else HOME  # noqa: PLR2004 - as a URL may have


_FORM = "application/x-www-form-urlencoded"


def _fields(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:  # too many
        return []


@dataclass(frozen=True)
class Response:
    status: int = HTTPStatus.OK
    body: str = ""
    content_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    is_base64: bool = False


def redirect(request: Request, target: str, *cookies: str) -> Response:
    """Lead the whole page to an address. htmx would follow a 303 itself, and put that page into a part of this one."""
    if request.of_htmx:
        return Response(HTTPStatus.OK, headers={"HX-Redirect": target}, cookies=cookies)
    return Response(HTTPStatus.SEE_OTHER, headers={"Location": target}, cookies=cookies)


class Routes:
    """Handlers by method and path. `{name}` is a part of the path, which the handler gets as an argument."""

    def __init__(self) -> None:
        self._handlers: list[tuple[str, re.Pattern[str], Callable[..., Response]]] = []

    def get(self, path: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
        return self._add(HTTPMethod.GET, path)

    def post(self, path: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
        """Declare a handler that only a request with the session's CSRF token reaches."""
        return self._add(HTTPMethod.POST, path)

    def include(self, other: Routes) -> None:
        self._handlers += other._handlers

    def find(self, method: str, path: str) -> tuple[Callable[..., Response] | None, dict[str, str], set[str]]:
        """Return the handler, its arguments, and the methods that the path has. There may be no handler."""
        methods = set()
        for of, pattern, handler in self._handlers:
            if match := pattern.fullmatch(path):
                methods.add(of)
                if of == method:
                    return handler, match.groupdict(), methods
        return None, {}, methods

    def _add(self, method: str, path: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
        parts = (_PART.format(part[1:-1]) if part.startswith("{") else re.escape(part) for part in path.split("/"))
        pattern = re.compile("/".join(parts))

        def declare(handler: Callable[..., Response]) -> Callable[..., Response]:
            self._handlers.append((method, pattern, handler))
            return handler

        return declare
