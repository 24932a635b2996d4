"""PeopleApi over HTTP, with the token of a person: what the desk may do is what the person may do."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests

from routing_weights.errors import ApiRefused, ApiUnavailable, RouteNotFound

CONNECT_S, SHORTEST_S = 3.05, 0.5


@dataclass(frozen=True)
class Answer:
    """`body` is JSON, or the text of another type."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class PeopleApi:
    """Requests of one page. Together they end before `until`, on the clock."""

    origin: str
    token: str = field(repr=False)
    session: requests.Session
    until: float
    clock: Callable[[], float] = time.monotonic

    def get(self, *path: str, query: Mapping[str, str] | None = None) -> Any:
        """The body of an answer. Raises as `ask`."""
        return self.ask("GET", *path, query=query).body

    def ask(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request. `path` has the parts between the slashes, as they are read: they are encoded here.

        Raises:
            ApiRefused: the API answered with a problem, which is in the details: status, title, problem.
            ApiUnavailable: it did not answer in time, or with a failure of the gateway.
            RouteNotFound: a part of the path would lead elsewhere.
        """
        if {"", ".", ".."} & set(path):
            raise RouteNotFound("There is no such page.")
        name = f"{method} /{'/'.join(path)}"
        left_s = self.until - self.clock()
        if left_s < SHORTEST_S:
            raise ApiUnavailable(f"There was no time left for {name}. Load the page again.")
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        try:
            response = self.session.request(
                method,
                f"{self.origin}/{'/'.join(quote(part, safe='') for part in path)}",
                params=query,
                json=body,
                headers=sent,
                timeout=(min(CONNECT_S, left_s), left_s),
                allow_redirects=False,
            )
        except requests.RequestException as error:  # the class only: the token is in the request
            raise ApiUnavailable(f"The API did not answer {name}: {type(error).__name__}.") from None
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            raise _refusal(name, response)
        return Answer(response.status_code, response.headers, _body(response))


def _body(response: requests.Response) -> Any:
    if "json" not in response.headers.get("Content-Type", ""):
        return response.content.decode(errors="replace")
    try:
        return response.json()
    except ValueError:
        raise ApiUnavailable("The API's answer is not complete.") from None


def _refusal(name: str, response: requests.Response) -> ApiRefused | ApiUnavailable:
    """The problem of the API, or what the gateway says in front of it."""
    status = response.status_code
    try:
        problem = json.loads(response.content)
    except ValueError:
        problem = None
    if isinstance(problem, dict) and isinstance(problem.get("detail"), str):
        return ApiRefused(problem["detail"], status=status, title=str(problem.get("title", "")), problem=problem)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return ApiRefused(
            "Genesys does not accept your sign-in any more, or you have no role here: see docs/administer/access.md.",
            status=HTTPStatus.UNAUTHORIZED,
            title="Sign in again",
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ApiRefused("Too many requests at once. Wait a moment.", status=status, title="Too many requests")
    return ApiUnavailable(f"The API answered {name} with {status}.")
