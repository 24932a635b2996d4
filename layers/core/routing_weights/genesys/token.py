"""Access tokens: issued by one function, kept in one secret, refreshed once for everybody."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests
from aws_lambda_powertools import Logger

from routing_weights.errors import GenesysAnswerInvalid, StoreUnavailable, Unauthorized
from routing_weights.genesys.transport import CONNECT_TIMEOUT_S, Transport, said_by_genesys

logger = Logger(child=True)

REFRESH_BEFORE_EXPIRY_S = 60.0
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


@dataclass
class StoredTokens:
    """What the Genesys-calling functions use: reads the secret, asks the token function when a new one is due."""

    secret: TokenSecret
    ask_for_refresh: Callable[[str], None]
    """Called with the fingerprint of the token that is no longer good (empty: there is none)."""
    wall_clock: Callable[[], float] = time.time
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
        self.ask_for_refresh(fingerprint(refused) if refused else "")
        self._held = self.secret.read()
        token = self._held.get("access_token", "")
        if not token or token == refused:
            raise StoreUnavailable("The token function stored no new token. Its log says why.")
        return str(token)

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
    """What the token function does. One at a time, so the second of two refreshes finds the first one's token."""

    secret: TokenSecret
    transport: Transport
    token_request: Callable[[], TokenRequest] = field(repr=False)
    """What the contract says."""
    revoke_url: str
    revoke_refused: bool
    """Whether the contract wants a refused token revoked. On the real platform there is nothing left to revoke."""
    wall_clock: Callable[[], float] = time.time

    def refresh(self, refused: str) -> bool:
        """Store a new token unless the stored one is good and not `refused` (a fingerprint). True if it did."""
        held = self.secret.read()
        token = held.get("access_token", "")
        if token and fingerprint(token) != refused and self.wall_clock() < held.get("refresh_at", 0):
            return False
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
        return True

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
