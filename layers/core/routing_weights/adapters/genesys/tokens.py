"""Access tokens. One function issues them, one secret keeps them, and one refresh serves all callers."""

import base64
import hashlib
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests
from aws_lambda_powertools import Logger

from routing_weights.adapters.genesys.transport import CONNECT_TIMEOUT_S, Transport, refusal_details
from routing_weights.errors import GenesysAnswerInvalid, RoutingWeightsError, StoreUnavailable, Unauthorized

logger = Logger(child=True)

REFRESH_BEFORE_EXPIRY_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 2.0
"""How long a caller waits before it asks again: half of this to all of this, and up to twice as long each time."""
FAILURE_HOLDS_S = 1.0
"""How long callers who need the same token are told the failure of a refresh, and do not cause another one."""
READINGS = 3
"""How often the token function may report a stored token that nobody can read, before that is an error."""
MAX_TOKENS = 10
"""The most tokens of one client."""
LONGEST_LIFE_S = 1e9
"""Thirty years. A longer life is a mistake, or an attack on the arithmetic."""


def fingerprint(token: str) -> str:
    """Identify a token without showing it."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def refresh_after_s(expires_in: float) -> float:
    """Return the seconds after which a token is replaced: 60 s before it expires.

    A token that lives less than two minutes is used for nine tenths of its life, or it would be replaced almost at
    once. Genesys grants at least five minutes.
    """
    if expires_in >= 2 * REFRESH_BEFORE_EXPIRY_S:
        return expires_in - REFRESH_BEFORE_EXPIRY_S
    return 0.9 * expires_in


def tokens_in(secret: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the stored tokens by number. The first one is the secret itself, as in deployments with one token."""
    first = {name: value for name, value in secret.items() if name != "others"}
    return [first, *secret.get("others", [])]


def token_of(tokens: list[dict[str, Any]], number: int) -> dict[str, Any]:
    """Return token `number`, empty if none is stored."""
    return tokens[number] if number < len(tokens) else {}


class TokenSecret(Protocol):
    def read(self) -> dict[str, Any]: ...

    def write(self, value: dict[str, Any]) -> None: ...


class Lock(Protocol):
    def take(self) -> bool: ...

    def release(self) -> None: ...


@dataclass
class StoredTokens:
    """The tokens of a function that calls Genesys: reads the secret, and asks the token function for a new one.

    All threads of the process share them. One thread gets a new token; the others that need it wait for it.
    """

    secret: TokenSecret
    ask_for_refresh: Callable[[str, int], bool]
    """Called with the fingerprint of the refused token, empty if no token was refused, and the token's number.

    True: a valid token is stored. False: another invocation is getting one, or Lambda throttled the call.
    """
    wall_clock: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    until: float = 0.0
    """How long to wait for a token that another invocation is getting, on the monotonic clock."""
    _stored: list[dict[str, Any]] = field(default_factory=list, repr=False)
    _locks: tuple[threading.Lock, ...] = field(
        default_factory=lambda: tuple(threading.Lock() for _ in range(MAX_TOKENS)), init=False, repr=False
    )
    """One for each token."""
    _failures: dict[tuple[int, str], tuple[float, RoutingWeightsError]] = field(
        default_factory=dict, init=False, repr=False
    )
    """By the number of a token and the refused token: when the refresh failed, and its error."""

    def begin(self, until: float) -> None:
        """Begin an invocation, which waits for a token until `until`. The failures of the last one are forgotten."""
        self.until = until
        self._failures.clear()

    def current(self, number: int = 0) -> str:
        if token := self._usable(number):
            return token
        with self._locks[number]:
            if not self._usable(number):
                self._stored = tokens_in(self.secret.read())
            # A token that is due was not refused: other callers may still use it.
            return self._usable(number) or self._refresh("", number)

    def replace(self, refused: str, number: int = 0) -> tuple[str, bool]:
        with self._locks[number]:
            if self._usable(number) in {"", refused}:  # else another thread has replaced it already
                self._stored = tokens_in(self.secret.read())
            if (token := self._usable(number)) not in {"", refused}:
                return token, False  # another caller has replaced it already
            return self._refresh(refused, number), True

    def _refresh(self, refused: str, number: int) -> str:
        """Return a new token, or raise why there is none: also to the callers who waited for this refresh."""
        failed_at, error = self._failures.pop((number, refused), (-math.inf, None))
        if error is None or self.clock() - failed_at >= FAILURE_HOLDS_S:
            try:
                return self._refreshed(refused, number)
            except RoutingWeightsError as failure:
                failed_at, error = self.clock(), failure
        self._failures[number, refused] = failed_at, error
        raise error

    def _refreshed(self, refused: str, number: int) -> str:
        """Have a token stored that is not `refused`, or wait for the token that another invocation is getting.

        Raises:
            StoreUnavailable: there is no token at `until`, or the token function stores none.
        """
        pause, reports = FIRST_PAUSE_S, 0
        while True:
            is_stored = self.ask_for_refresh(fingerprint(refused) if refused else "", number)
            self._stored = tokens_in(self.secret.read())
            token = token_of(self._stored, number).get("access_token", "")
            if token and token != refused and (is_stored or self._usable(number)):
                return str(token)
            reports += is_stored  # a reading may be older than the token that was just stored
            if reports >= READINGS:
                raise StoreUnavailable("The token function stored no new token. Its log says why.")
            wait = pause * (1 + self.jitter()) / 2
            if self.clock() + wait >= self.until:
                raise StoreUnavailable(
                    "There was no time left to wait for a token that another invocation is getting. "
                    "See the log of TokenFunction."
                )
            self.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _usable(self, number: int) -> str:
        """Return the token that was read last, empty if it is due."""
        stored = token_of(self._stored, number)
        return str(stored.get("access_token") or "") if self.wall_clock() < stored.get("refresh_at", 0) else ""


@dataclass(frozen=True)
class TokenRequest:
    """The POST that issues a token, under one contract."""

    url: str
    arguments: dict[str, Any] = field(repr=False)
    """Body and headers, as arguments of `requests`."""
    secrets: tuple[str, ...] = field(repr=False)
    """Texts to hide if the answer repeats them."""


SCOPES = ("routing:queue:read", "routing:queue:write", "webhooks:write", "analytics:queue:read")
"""What contract `score` asks for. The platform takes no scopes: the permissions are those of the client's roles."""


def platform_request(login_url: str, client_id: str, client_secret: str) -> TokenRequest:
    pair = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    arguments = {"data": {"grant_type": "client_credentials"}, "headers": {"Authorization": f"Basic {pair}"}}
    return TokenRequest(f"{login_url}/oauth/token", arguments, (client_secret, pair))


def score_request(login_url: str, client_id: str, client_secret: str) -> TokenRequest:
    body = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
        "scope": " ".join(SCOPES),
    }
    return TokenRequest(f"{login_url}/oauth/token", {"json": body}, (client_id, client_secret))


@dataclass
class TokenIssuer:
    """Issues tokens, under a lock: the second of two refreshes finds the token of the first one."""

    secret: TokenSecret
    transport: Transport
    token_request: Callable[[], TokenRequest] = field(repr=False)
    """Builds the request, as the contract wants it."""
    revoke_url: str
    revoke_refused: bool
    """True if the contract wants a refused token revoked. On the real platform, there is nothing left to revoke."""
    lock: Lock | None = None
    """None if there is only one caller."""
    wall_clock: Callable[[], float] = time.time

    def refresh(self, refused: str, number: int = 0) -> bool:
        """Store token `number`, unless a valid one other than `refused` (a fingerprint) is stored already.

        Returns False if another invocation is getting one.
        """
        if self.lock is None:
            self._refresh(refused, number)
            return True
        if not self.lock.take():
            return False
        try:
            self._refresh(refused, number)
        finally:
            self.lock.release()
        return True

    def _refresh(self, refused: str, number: int) -> None:
        tokens = tokens_in(self.secret.read())
        stored = token_of(tokens, number)
        token = stored.get("access_token", "")
        if token and fingerprint(token) != refused and self.wall_clock() < stored.get("refresh_at", 0):
            return
        if token and fingerprint(token) == refused and self.revoke_refused:
            revoke(self.transport, self.revoke_url, token)
        token, expires_in = issue(self.transport, self.token_request())
        tokens += [{} for _ in range(number + 1 - len(tokens))]
        tokens[number] = stored_token(token, expires_in, self.wall_clock())
        first, *others = tokens
        self.secret.write(first | ({"others": others} if others else {}))
        logger.info("A new token is stored", expires_in=expires_in, number=number, token=fingerprint(token))

    def tear_down(self) -> None:
        """Revoke and delete the tokens of a deployment that is being deleted."""
        tokens = [token["access_token"] for token in tokens_in(self.secret.read()) if token.get("access_token")]
        for token in tokens:
            revoke(self.transport, self.revoke_url, token)
        if tokens:
            self.secret.write({})


def stored_token(token: str, expires_in: float, now: float) -> dict[str, Any]:
    """Return a token as the secret holds it."""
    return {"access_token": token, "expires_at": now + expires_in, "refresh_at": now + refresh_after_s(expires_in)}


def issue(transport: Transport, request: TokenRequest) -> tuple[str, float]:
    """Log in. Returns the token and the seconds that it lives.

    Raises:
        Unauthorized: Genesys refuses the client.
        GenesysAnswerInvalid: the answer has no token.
    """
    response = transport.send("the request for a token", "POST", request.url, **request.arguments)
    if response.status_code != requests.codes.ok:
        details = refusal_details(response, *request.secrets)
        raise Unauthorized(
            f"Genesys issues no token for the OAuth client: status {response.status_code}"
            f"{', ' + details['genesys_message'] if 'genesys_message' in details else ''}. "
            "Check client_id and client_secret in CredentialsSecret, and that the client is active.",
            http_status=response.status_code,
            **details,
        )
    try:
        body = response.json()
        token, expires_in = body["access_token"], float(body["expires_in"])
    except (requests.JSONDecodeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise GenesysAnswerInvalid(
            "Genesys answered the request for a token without access_token and expires_in."
        ) from error
    if (
        not isinstance(token, str)
        or not token.isascii()
        or not token.isprintable()
        or not token
        or not 0 < expires_in < LONGEST_LIFE_S
    ):
        raise GenesysAnswerInvalid("Genesys issued a token that is empty or has no lifetime.")
    return token, expires_in


def revoke(transport: Transport, url: str, token: str) -> None:
    """Ask Genesys to revoke a token. The answer does not matter: the token may be invalid already."""
    try:
        transport.session.delete(
            url, headers={"Authorization": f"Bearer {token}"}, timeout=CONNECT_TIMEOUT_S, allow_redirects=False
        )
    except requests.RequestException as error:
        logger.info("The token could not be revoked", reason=type(error).__name__)
