"""The Genesys API for every contract: bearer token, one refresh after a 401, refusals explained."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
from aws_lambda_powertools import Logger

from routing_weights.adapters.genesys.transport import Transport, said_by_genesys
from routing_weights.errors import (
    Forbidden,
    GenesysAnswerInvalid,
    GenesysRefused,
    GenesysUnavailable,
    RateLimited,
    RoutingWeightsError,
    Unauthorized,
)

logger = Logger(child=True)

READINGS = 3
"""How often a document is read whose body is not JSON."""
READING_PAUSE_S = 0.5
"""The first pause between two readings, in seconds; each is longer by as much."""
_T = TypeVar("_T")

CONFLICT_TRIES = 4
CONFLICT_PAUSE_S = 0.25
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
        return self._document(f"GET {path}", lambda: self._send("GET", path, params=query))

    def query(self, path: str, body: Any) -> Any:
        """The JSON document that answers a question too long for a URL. It changes nothing."""
        return self._document(f"POST {path}", lambda: self._send("POST", path, json=body))

    def pause(self, seconds: float) -> bool:
        """Sleep, and say so; False, and at once, where the deadline comes first."""
        if self.transport.clock() + seconds >= self.transport.deadline.at:
            return False
        self.transport.sleep(seconds)
        return True

    def download(self, url: str, largest: int) -> Any:
        """The JSON document of at most `largest` bytes at a URL that Genesys gave.

        Its host is a third party's, so it gets no token, is reached by https alone (but for a Genesys on this
        machine), and its headers say nothing about our rate limit. Errors do not hold the URL: it is signed.
        """
        what, here = "GET of a download", _host(self.base_url)
        plain = url.startswith("http://") and here in {"127.0.0.1", "localhost"} and _host(url) == here
        if not (_host(url) and (plain or url.startswith("https://"))):
            raise GenesysAnswerInvalid("Genesys gave a download URL that is not https: it was not followed.")
        transport = replace(self.transport, budget=None)
        headers = {"Accept": "application/json"}
        with transport.send(what, "GET", url, headers=headers, stream=True) as response:
            if response.status_code != requests.codes.ok:
                raise GenesysRefused(
                    f"The download that Genesys gave was refused with status {response.status_code}.",
                    http_status=response.status_code,
                )
            text = bytearray()
            try:
                for chunk in response.iter_content(65_536):
                    text += chunk
                    if len(text) > largest:
                        raise GenesysAnswerInvalid(f"The download that Genesys gave has more than {largest} bytes.")
                    if transport.clock() > transport.deadline.at:
                        raise GenesysUnavailable("There was no time left for the download that Genesys gave.")
            except requests.RequestException as error:
                raise GenesysUnavailable(f"The download broke off: {type(error).__name__}.") from None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise GenesysAnswerInvalid("The download that Genesys gave is not JSON.") from None

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

        That it was accepted does not mean that it was applied: read it back. `applied` does so where no answer came,
        and after a conflict of versions. Both are tried again, with the same `idempotency_key`.
        """
        headers = {"X-Genesys-Idempotency-Key": idempotency_key} if idempotency_key else {}
        self._change(method, path, applied=applied, json=body, headers=headers)

    def delete(self, path: str) -> None:
        """Take away what is at `path`; that it is gone already is fine."""
        try:
            self._change("DELETE", path)
        except GenesysRefused as error:
            if error.details["http_status"] != requests.codes.not_found:
                raise

    def _change(self, method: str, path: str, *, applied: Callable[[], bool] | None = None, **parts: Any) -> None:
        """Send again after a conflict of versions, unless a fresh reading shows that it is done."""
        transport = self.transport
        for attempt in range(1, CONFLICT_TRIES + 1):
            try:
                self._send(method, path, applied=applied, **parts)
            except GenesysRefused as error:
                if attempt == CONFLICT_TRIES or not _is_conflict(error):
                    raise
                transport.sleep(CONFLICT_PAUSE_S * 2**attempt * (0.5 + transport.jitter() / 2))
                if applied and applied():
                    return
            else:
                return

    def _document(self, what: str, read: Callable[[], requests.Response]) -> Any:
        """What `read` answers; a body that is not JSON, perhaps cut off on its way, and a conflict are read again."""
        for attempt in range(1, READINGS + 1):
            try:
                return read().json()
            except GenesysRefused as error:  # Genesys documents 409 for reads of queues and members too
                if attempt == READINGS or not _is_conflict(error) or not self.pause(READING_PAUSE_S * attempt):
                    raise
                continue
            except (ValueError, RecursionError):
                logger.warning("Genesys answered something that is not JSON", request=what, attempt=attempt)
            if attempt == READINGS or not self.pause(READING_PAUSE_S * attempt):
                break
        raise GenesysAnswerInvalid(
            f"Genesys answered {what} with something that is not JSON, {attempt} times. Check the deployment's region "
            "or URL, and the Genesys status page."
        )

    def _send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **parts: Any
    ) -> requests.Response:
        what, renewed = f"{method} {path}", False
        tried = [self._token(what, self.tokens.current)]
        response = self._send_as(tried[-1], what, method, path, headers or {}, parts)
        while response.status_code == requests.codes.unauthorized and not renewed:
            token, renewed = self._token(what, lambda: self.tokens.replace(tried[-1]))
            tried.append(token)
            response = self._send_as(tried[-1], what, method, path, headers or {}, parts)
        if response.status_code in ACCEPTED:
            return response
        refusal = self._refusal(what, self.needs(method, path), response, tried)
        logger.warning("Genesys refused", request=what, **refusal.details)
        raise refusal

    def _token(self, what: str, ask: Callable[[], _T]) -> _T:
        """The login host's limit knows nothing of the run that has to wait for it: its bound is the request's."""
        try:
            return ask()
        except RateLimited as limited:
            self.transport.leave_waiting(what, limited, who="The login host")

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


def _is_conflict(error: GenesysRefused) -> bool:
    """409, or the 400 that Genesys gives for an old version."""
    status, said = error.details.get("http_status"), str(error.details.get("genesys_message", ""))
    return status == requests.codes.conflict or (
        status == requests.codes.bad_request and "does not match the current version" in said.lower()
    )


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
