"""Requests to the Genesys API, for every contract: bearer token, one refresh after a 401, errors that explain."""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlsplit

import requests
from aws_lambda_powertools import Logger

from routing_weights.adapters.genesys.transport import Transport, refusal_details
from routing_weights.errors import (
    Forbidden,
    GenesysAnswerInvalid,
    GenesysRefused,
    GenesysUnavailable,
    RateLimited,
    RoutingWeightsError,
    Unauthorized,
    first_error,
)

logger = Logger(child=True)

READINGS = 3
"""How often a document is read if its body is not JSON."""
READING_PAUSE_S = 0.5
"""The first pause between two readings. Each pause is longer by this much."""
_I = TypeVar("_I")
_T = TypeVar("_T")
_thread = threading.local()

CONFLICT_TRIES = 4
CONFLICT_PAUSE_S = 0.25
ACCEPTED = {requests.codes.ok, requests.codes.created, requests.codes.accepted, requests.codes.no_content}


class Tokens(Protocol):
    """The source of access tokens. The tokens of a client have numbers from 0."""

    def current(self, number: int) -> str: ...

    def replace(self, refused: str, number: int) -> tuple[str, bool]:
        """Return a token `number` other than `refused`, and True if it is new.

        False: it had been stored before, and may be refused as well.
        """
        ...


@dataclass
class GenesysClient:
    """Requests to one Genesys organisation."""

    base_url: str
    tokens: Tokens
    transport: Transport
    needs: Callable[[str, str], str]
    """Maps method and path to what the request needs, for a 403: "the permission routing:queue:edit"."""
    lanes: int = 1
    """How many requests may be under way at once, at least 1."""
    correlation_id: str = ""
    """The distribution that asks. Each of its requests has it as X-Correlation-Id, so that logs in between have it."""

    def in_lanes(
        self,
        do: Callable[[_I], _T],
        items: Iterable[_I],
        *,
        go_on: Callable[[], bool] = lambda: True,
        stops_at: tuple[type[RoutingWeightsError], ...] = (RoutingWeightsError,),
    ) -> dict[int, _T | RoutingWeightsError]:
        """Call `do` for each item, in lanes: threads that send one request after another (ADR 27).

        Returns the result or the error of each item that was begun, by its position. Items are begun in their order,
        while `go_on()` is true and no error of `stops_at` has come. What was begun is finished before this returns or
        raises. A lane opens no further lanes: within it, items are done one by one.
        """
        todo = list(items)
        results: dict[int, _T | RoutingWeightsError] = {}
        defects: list[Exception] = []
        begun, stopped, lock = 0, False, threading.Lock()

        def lane() -> None:
            nonlocal begun, stopped
            while True:
                with lock:
                    if stopped or begun == len(todo) or not go_on():
                        return
                    position, begun = begun, begun + 1
                try:
                    results[position] = do(todo[position])
                except RoutingWeightsError as error:
                    results[position] = error
                    stopped = stopped or isinstance(error, stops_at)
                except Exception as defect:  # noqa: BLE001 - raised once every lane has ended
                    defects.append(defect)
                    stopped = True

        if getattr(_thread, "is_lane", False):
            lane()
        else:
            with self.transport.foreseeing(len(todo)):
                _in_threads(min(self.lanes, len(todo)), lane)
        if defects:
            raise _first(defects)
        return results

    def get_in_lanes(
        self, get: Callable[[_I], _T], items: Iterable[_I], go_on: Callable[[], bool] = lambda: True
    ) -> list[_T]:
        """Return what `get` reads for each item that was begun, in their order. Raises the first error."""
        results = sorted(self.in_lanes(get, items, go_on=go_on).items())
        error = first_error(result for _, result in results)
        if error:
            raise error
        return [result for _, result in results if not isinstance(result, RoutingWeightsError)]

    def get(self, path: str, **query: str | int) -> Any:
        """Return the JSON document at `path`."""
        return self._document(f"GET {path}", lambda: self._send("GET", path, params=query))

    def query(self, path: str, body: Any) -> Any:
        """Return the JSON document that answers a query by POST. A query changes nothing."""
        return self._document(f"POST {path}", lambda: self._send("POST", path, json=body))

    def pause(self, seconds: float) -> bool:
        """Sleep, and return True. Returns False at once if the deadline comes first."""
        if self.transport.clock() + seconds >= self.transport.deadline.at:
            return False
        self.transport.sleep(seconds)
        return True

    def download(self, url: str, largest: int) -> Any:
        """Return the JSON document at a URL that Genesys gave. It may have at most `largest` bytes.

        The host is a third party's. It gets no token, its headers do not count for our rate limit, and the URL must be
        https, except for a Genesys on this machine. Errors do not contain the URL, because the URL is signed.
        """
        what, here = "GET of a download", _host(self.base_url)
        plain = url.startswith("http://") and here in {"127.0.0.1", "localhost"} and _host(url) == here
        if not (_host(url) and (plain or url.startswith("https://"))):
            raise GenesysAnswerInvalid("Genesys gave a download URL that is not https. It was not followed.")
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
                raise GenesysUnavailable(f"The download was interrupted: {type(error).__name__}.") from None
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
        """Send `body`. A callable `body` is called right before each attempt, and returns what to send.

        Genesys may accept a write and not apply it: read it back. `applied` does that when the answer was lost and
        after a version conflict. If the write is not applied, it is sent again with the same `idempotency_key`.
        """
        headers = {"X-Genesys-Idempotency-Key": idempotency_key} if idempotency_key else {}
        self._change(method, path, applied=applied, json=body, headers=headers)

    def delete(self, path: str) -> None:
        """Delete the resource at `path`. A resource that is already gone is no error."""
        try:
            self._change("DELETE", path)
        except GenesysRefused as error:
            if error.details["http_status"] != requests.codes.not_found:
                raise

    def _change(self, method: str, path: str, *, applied: Callable[[], bool] | None = None, **parts: Any) -> None:
        """Send a change. After a version conflict, send it again unless `applied` reads that it is done."""
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
        """Return the document that `read` reads. A body that is not JSON and a version conflict are read again."""
        for attempt in range(1, READINGS + 1):
            try:
                return read().json()
            except GenesysRefused as error:  # Genesys documents 409 for reads of queues and members, too
                if attempt == READINGS or not _is_conflict(error) or not self.pause(READING_PAUSE_S * attempt):
                    raise
                continue
            except (ValueError, RecursionError):
                logger.warning("The answer of Genesys is not JSON", request=what, attempt=attempt)
            if attempt == READINGS or not self.pause(READING_PAUSE_S * attempt):
                break
        raise GenesysAnswerInvalid(
            f"Genesys answered {what} with something that is not JSON, {attempt} times. Check the deployment's region "
            "or URL, and the Genesys status page."
        )

    def _send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **parts: Any
    ) -> requests.Response:
        what, tried, renewed = f"{method} {path}", list[tuple[int, str]](), set[str]()

        def bearer(number: int) -> str:
            tried.append((number, self._token(what, partial(self.tokens.current, number))))
            return tried[-1][1]

        headers = {"Accept": "application/json", **(headers or {})}
        if self.correlation_id:
            # Step Functions allows names of executions with letters that a header cannot have.
            headers["X-Correlation-Id"] = quote(self.correlation_id, safe="!$'()*+,-.:;=@_~")
        while True:
            response = self.transport.send(
                what, method, f"{self.base_url}{path}", bearer=bearer, headers=headers, **parts
            )
            number, refused = tried[-1]
            if response.status_code != requests.codes.unauthorized or refused in renewed:
                break
            token, is_new = self._token(what, partial(self.tokens.replace, refused, number))
            renewed |= {token} if is_new else set()
        if response.status_code in ACCEPTED:
            return response
        refusal = self._refusal(what, self.needs(method, path), response, [token for _, token in tried])
        logger.warning("Genesys refused", request=what, **refusal.details)
        raise refusal

    def _token(self, what: str, ask: Callable[[], _T]) -> _T:
        """Get a token. A rate limit of the login host counts as one of this request, so the run's deadline holds."""
        try:
            return ask()
        except RateLimited as limited:
            self.transport.leave_waiting(what, limited, who="The login host")

    def _refusal(self, what: str, needs: str, response: requests.Response, tokens: list[str]) -> RoutingWeightsError:
        details: dict[str, Any] = {"http_status": response.status_code, **refusal_details(response, *tokens)}
        quote = f' Genesys says: "{details["genesys_message"]}".' if details.get("genesys_message") else ""
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


def _in_threads(number: int, lane: Callable[[], None]) -> None:
    """Run `number` lanes. A single one needs no thread."""
    if number <= 1:
        lane()
        return

    def thread() -> None:
        _thread.is_lane = True
        lane()

    started = list[threading.Thread]()
    try:
        for _ in range(number):
            lane_thread = threading.Thread(target=thread)
            lane_thread.start()
            started.append(lane_thread)
    finally:
        for each in started:
            each.join()


def _first(defects: list[Exception]) -> Exception:
    return defects[0]


def _is_conflict(error: GenesysRefused) -> bool:
    """Recognise a version conflict: 409, or 400 with Genesys's message about an old version."""
    status, message = error.details.get("http_status"), str(error.details.get("genesys_message", ""))
    return status == requests.codes.conflict or (
        status == requests.codes.bad_request and "does not match the current version" in message.lower()
    )


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
