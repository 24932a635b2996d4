"""The Genesys API for every contract: bearer token, one refresh after a 401, refusals explained."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import requests
from aws_lambda_powertools import Logger

from routing_weights.errors import (
    Forbidden,
    GenesysAnswerInvalid,
    GenesysRefused,
    RoutingWeightsError,
    Unauthorized,
)
from routing_weights.genesys.transport import Transport, said_by_genesys

logger = Logger(child=True)

ACCEPTED = {requests.codes.ok, requests.codes.created, requests.codes.accepted, requests.codes.no_content}


class Tokens(Protocol):
    """Where access tokens come from."""

    def current(self) -> str: ...

    def replace(self, refused: str) -> tuple[str, bool]:
        """A token other than `refused`, and whether it was asked for: else it was stored before, and may be old too."""
        ...


@dataclass
class GenesysClient:
    """Requests to one Genesys organisation."""

    base_url: str
    tokens: Tokens
    transport: Transport
    needs: Callable[[str, str], str]
    """Method and path of a request -> what to name when Genesys answers 403: "the permission routing:queue:edit"."""

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON document at `path`."""
        response = self._send("GET", path, params=query)
        try:
            return response.json()
        except requests.JSONDecodeError as error:
            raise GenesysAnswerInvalid(f"Genesys answered GET {path} with something that is not JSON.") from error

    def write(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        idempotency_key: str | None = None,
        applied: Callable[[], bool] | None = None,
    ) -> None:
        """Send `body`, or what it returns when it is called, right before each attempt.

        That it was accepted does not mean that it was applied: read it back. `applied` does so where no answer came.
        """
        headers = {"X-Genesys-Idempotency-Key": idempotency_key} if idempotency_key else {}
        self._send(method, path, json=body, headers=headers, applied=applied)

    def delete(self, path: str) -> None:
        """Take away what is at `path`; that it is gone already is fine."""
        try:
            self._send("DELETE", path)
        except GenesysRefused as error:
            if error.details["http_status"] != requests.codes.not_found:
                raise

    def _send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **parts: Any
    ) -> requests.Response:
        what, tried, renewed = f"{method} {path}", [self.tokens.current()], False
        response = self._send_as(tried[-1], what, method, path, headers or {}, parts)
        while response.status_code == requests.codes.unauthorized and not renewed:
            token, renewed = self.tokens.replace(tried[-1])
            tried.append(token)
            response = self._send_as(tried[-1], what, method, path, headers or {}, parts)
        if response.status_code in ACCEPTED:
            return response
        refusal = self._refusal(what, self.needs(method, path), response, tried)
        logger.warning("Genesys refused", request=what, **refusal.details)
        raise refusal

    def _send_as(
        self, token: str, what: str, method: str, path: str, headers: dict[str, str], parts: dict[str, Any]
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", **headers}
        return self.transport.send(what, method, f"{self.base_url}{path}", headers=headers, **parts)

    def _refusal(self, what: str, needs: str, response: requests.Response, tokens: list[str]) -> RoutingWeightsError:
        said = said_by_genesys(response, *tokens)
        details = {"http_status": response.status_code, **said}
        quote = f' Genesys says: "{said["genesys_message"]}".' if said.get("genesys_message") else ""
        if response.status_code == requests.codes.unauthorized:
            return Unauthorized(
                f"Genesys refuses {what} even with a new token.{quote} "
                "Check that the OAuth client in CredentialsSecret is active and belongs to this organisation.",
                **details,
            )
        if response.status_code == requests.codes.forbidden:
            return Forbidden(
                f"The OAuth client may not do {what}: it needs {needs}.{quote} "
                "Grant it in the Genesys admin console, then send the plan again.",
                **details,
            )
        if response.status_code < requests.codes.bad_request:
            return GenesysAnswerInvalid(f"Genesys answered {what} with status {response.status_code}.", **details)
        return GenesysRefused(f"Genesys refuses {what} with status {response.status_code}.{quote}", **details)
