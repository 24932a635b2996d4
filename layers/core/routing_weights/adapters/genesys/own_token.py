"""What the owner of a token may see in Genesys. Every request has that token, so Genesys itself decides."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests

from routing_weights.domain.access import ALL_DIVISIONS, Divisions, GenesysUser
from routing_weights.errors import GenesysAnswerInvalid, GenesysUnavailable, SignInRefused

TIMEOUTS_S = (2.0, 4.0)
"""To connect, and for each part of an answer. The gateway waits 10 s for the authorizer."""
PAGE_SIZE = 100
MOST_PAGES = 100
"""10,000 queues. Whoever may see all divisions needs no page."""


@dataclass(frozen=True)
class OwnToken:
    api_url: str
    session: requests.Session
    token: str

    def user(self) -> GenesysUser:
        """The owner of the token.

        Raises:
            SignInRefused: Genesys does not accept the token, or it belongs to an OAuth client and to nobody.
        """
        found = self._get("users/me", expand="organization")
        try:
            organisation_id = found["organization"]["id"]
            return GenesysUser(str(found["id"]), str(found.get("name", "")), str(found["state"]), str(organisation_id))
        except (LookupError, TypeError) as error:
            raise _unexpected("users/me") from error

    def divisions(self, permission: str) -> Divisions:
        """The divisions in which the user has a permission; ALL_DIVISIONS for all of them."""
        path, ids = "authorization/divisionspermitted/paged/me", set()
        for page in self._pages(path, permission=permission):
            if page.get("allDivsPermitted") is True:
                return ALL_DIVISIONS
            ids |= {str(item["id"]) for item in page["entities"]}
        return frozenset(ids)

    def granted(self) -> dict[str, Divisions]:
        """The divisions in which the user holds each role, by the role's name."""
        path, granted = "authorization/subjects/me", dict[str, set[str]]()
        try:
            for grant in self._get(path).get("grants", []):
                granted.setdefault(str(grant["role"]["name"]), set()).add(str(grant["division"]["id"]))
        except (LookupError, TypeError) as error:
            raise _unexpected(path) from error
        return {role: ALL_DIVISIONS if "*" in ids else frozenset(ids) for role, ids in granted.items()}

    def queues(self) -> dict[str, str]:
        """The queues that the user may see, in lower case, with the division of each."""
        try:
            return {
                str(item["id"]).lower(): str(item["division"]["id"])
                for page in self._pages("routing/queues")
                for item in page["entities"]
            }
        except (LookupError, TypeError) as error:
            raise _unexpected("routing/queues") from error

    def revoke(self) -> None:
        """Make the token worthless. Raises GenesysUnavailable; a token that Genesys refuses is worthless already."""
        try:
            response = self.session.delete(
                f"{self.api_url}/api/v2/tokens/me",
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=TIMEOUTS_S,
                allow_redirects=False,
            )
        except requests.RequestException as error:  # as in _get
            raise GenesysUnavailable(f"Genesys did not revoke the token: {type(error).__name__}.") from None
        if response.status_code not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.UNAUTHORIZED}:
            raise GenesysUnavailable(f"Genesys answered the end of the sign-in with {response.status_code}.")

    def _pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        for number in range(1, MOST_PAGES + 1):
            page = self._get(path, pageSize=str(PAGE_SIZE), pageNumber=str(number), **query)
            if not isinstance(page.get("entities"), list):
                raise _unexpected(path)
            yield page
            if len(page["entities"]) < PAGE_SIZE:
                return
        raise GenesysAnswerInvalid(f"GET /api/v2/{path} has more than {MOST_PAGES} pages.")

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        try:
            response = self.session.get(
                f"{self.api_url}/api/v2/{path}",
                params=query,
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=TIMEOUTS_S,
                allow_redirects=False,
            )
        except requests.RequestException as error:  # the class only: the token is in the request
            raise GenesysUnavailable(f"Genesys did not answer GET /api/v2/{path}: {type(error).__name__}.") from None
        if HTTPStatus.BAD_REQUEST <= response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            if response.status_code in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}:
                raise GenesysUnavailable(f"Genesys answered GET /api/v2/{path} with {response.status_code}.")
            raise SignInRefused(f"Genesys answered GET /api/v2/{path} with {response.status_code}.")
        if response.status_code != HTTPStatus.OK:
            raise GenesysUnavailable(f"Genesys answered GET /api/v2/{path} with {response.status_code}.")
        try:
            answer = response.json()
        except ValueError:
            raise _unexpected(path) from None
        if not isinstance(answer, dict):
            raise _unexpected(path)
        return answer


def _unexpected(path: str) -> GenesysAnswerInvalid:
    return GenesysAnswerInvalid(f"The answer to GET /api/v2/{path} is not of the documented form.")
