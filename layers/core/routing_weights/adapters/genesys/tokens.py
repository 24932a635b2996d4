"""Access tokens: issued by one function, kept in one secret, refreshed once for everybody."""

import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests
from aws_lambda_powertools import Logger

from routing_weights.adapters.genesys.transport import CONNECT_TIMEOUT_S, Transport, said_by_genesys
from routing_weights.errors import GenesysAnswerInvalid, StoreUnavailable, Unauthorized

logger = Logger(child=True)

REFRESH_BEFORE_EXPIRY_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 2.0
"""How long a caller waits before it asks again: at least half of it, up to twice as long each time."""
READINGS = 3
"""How often the token function may say that it has stored a token before one that shows none is an error."""
LONGEST_LIFE_S = 1e9
"""Thirty years: a longer one is a mistake, or an attack on the arithmetic."""


def fingerprint(token: str) -> str:
    """Names a token without showing it."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def refresh_after_s(expires_in: float) -> float:
    """After how many seconds a new token is due: 60 s before it expires.

    A token that lives less than two minutes (Genesys grants 5 minutes at least) would be due almost at once; it is
    used for nine tenths of its life instead.
    """
    if expires_in >= 2 * REFRESH_BEFORE_EXPIRY_S:
        return expires_in - REFRESH_BEFORE_EXPIRY_S
    return 0.9 * expires_in


class TokenSecret(Protocol):
    def read(self) -> dict[str, Any]: ...

    def write(self, value: dict[str, Any]) -> None: ...


class Lock(Protocol):
    def take(self) -> bool: ...

    def release(self) -> None: ...


@dataclass
class StoredTokens:
    """What the Genesys-calling functions use: reads the secret, asks the token function when a new one is due."""

    secret: TokenSecret
    ask_for_refresh: Callable[[str], bool]
    """Called with the fingerprint of the token that is no longer good (empty: there is none).

    True: a good token is stored. False: somebody else is getting one, or there was no room to ask.
    """
    wall_clock: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    until: float = 0.0
    """On the monotonic clock: until when to wait for a token that somebody else is getting."""
    _held: dict[str, Any] = field(default_factory=dict, repr=False)

    def current(self) -> str:
        if not self._usable():
            self._held = self.secret.read()
        if not self._usable():
            return self._refresh("")  # due, not refused: it stays good for those who still use it
        return str(self._held["access_token"])

    def replace(self, refused: str) -> tuple[str, bool]:
        self._held = self.secret.read()
        if self._usable() and self._held["access_token"] != refused:
            return str(self._held["access_token"]), False  # someone else was refused before us, and mended it
        return self._refresh(refused), True

    def _refresh(self, refused: str) -> str:
        """Have a token stored that is not `refused`, or wait for the one that somebody else is getting.

        Raises:
            StoreUnavailable: there is none at `until`, or the token function stores none.
        """
        pause, stored = FIRST_PAUSE_S, 0
        while True:
            answer = self.ask_for_refresh(fingerprint(refused) if refused else "")
            self._held = self.secret.read()
            token = self._held.get("access_token", "")
            if token and token != refused and (answer or self._usable()):
                return str(token)
            stored += answer  # a reading may be older than what was just stored
            if stored >= READINGS:
                raise StoreUnavailable("The token function stored no new token. Its log says why.")
            wait = pause * (1 + self.jitter()) / 2
            if self.clock() + wait >= self.until:
                raise StoreUnavailable(
                    "There was no time left to wait for a token that another invocation is getting. "
                    "TokenFunction's log says what became of it."
                )
            self.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _usable(self) -> bool:
        return bool(self._held.get("access_token")) and self.wall_clock() < self._held.get("refresh_at", 0)


@dataclass(frozen=True)
class TokenRequest:
    """The POST that issues a token, in a contract's dialect."""

    url: str
    arguments: dict[str, Any] = field(repr=False)
    """For `requests`: body and headers."""
    secrets: tuple[str, ...] = field(repr=False)
    """What must not be shown, should the answer repeat it."""


@dataclass
class TokenIssuer:
    """What the token function does. Under a lock, so the second of two refreshes finds the first one's token."""

    secret: TokenSecret
    transport: Transport
    token_request: Callable[[], TokenRequest] = field(repr=False)
    """What the contract says."""
    revoke_url: str
    revoke_refused: bool
    """Whether the contract wants a refused token revoked. On the real platform there is nothing left to revoke."""
    lock: Lock | None = None
    """None where there is one caller only."""
    wall_clock: Callable[[], float] = time.time

    def refresh(self, refused: str) -> bool:
        """Have a good token stored that is not `refused` (a fingerprint). False: somebody else is getting one."""
        if self.lock is None:
            self._refresh(refused)
            return True
        if not self.lock.take():
            return False
        try:
            self._refresh(refused)
        finally:
            self.lock.release()
        return True

    def _refresh(self, refused: str) -> None:
        held = self.secret.read()
        token = held.get("access_token", "")
        if token and fingerprint(token) != refused and self.wall_clock() < held.get("refresh_at", 0):
            return
        if token and fingerprint(token) == refused and self.revoke_refused:
            self._revoke(token)
        token, expires_in = self._issue()
        now = self.wall_clock()
        self.secret.write(
            {
                "access_token": token,
                "expires_at": now + expires_in,
                "refresh_at": now + refresh_after_s(expires_in),
            }
        )
        logger.info("A new token is stored", expires_in=expires_in, token=fingerprint(token))

    def tear_down(self) -> None:
        """The deployment goes: have its token revoked, and forget it."""
        token = self.secret.read().get("access_token", "")
        if token:
            self._revoke(token)
            self.secret.write({})

    def _issue(self) -> tuple[str, float]:
        request = self.token_request()
        response = self.transport.send("the request for a token", "POST", request.url, **request.arguments)
        if response.status_code != requests.codes.ok:
            said = said_by_genesys(response, *request.secrets)
            raise Unauthorized(
                f"Genesys issues no token for the OAuth client: status {response.status_code}"
                f"{', ' + said['genesys_message'] if 'genesys_message' in said else ''}. "
                "Check client_id and client_secret in CredentialsSecret, and that the client is active.",
                http_status=response.status_code,
                **said,
            )
        try:
            answer = response.json()
            token, expires_in = answer["access_token"], float(answer["expires_in"])
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
            raise GenesysAnswerInvalid("Genesys issued a token that is empty or has no life time.")
        return token, expires_in

    def _revoke(self, token: str) -> None:
        """Tell Genesys to forget a token. It may know nothing of it any more, so no answer matters."""
        try:
            self.transport.session.delete(
                self.revoke_url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=CONNECT_TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            logger.info("The token could not be revoked", reason=type(error).__name__)
