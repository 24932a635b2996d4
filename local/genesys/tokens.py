"""Bearer tokens: issue, expiry by the server's own clock, revocation, and rate limits."""

from __future__ import annotations

import math
import secrets
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING

from local.genesys.wire import ApiError
from local.planted import planted

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.genesys.settings import Settings

# A client that waits exactly as long as asked must get in, whatever the rounding of floats.
TOLERANCE_S = 1e-9


class Clock:
    """The only source of time. The wall clock is the monotonic clock plus their difference at the start."""

    def __init__(self, monotonic: Callable[[], float], wall: float) -> None:
        self.now, self._offset = monotonic, wall - monotonic()

    def wall(self, now: float) -> float:
        return now + self._offset


@dataclass(frozen=True)
class Client:
    """An OAuth client. `permissions` are those of its role, separated by spaces."""

    client_id: str
    secret: str = field(repr=False)
    permissions: str = ""


@dataclass(slots=True)
class Token:
    number: int  # stands for the token in the request log, which must not contain the token itself
    scopes: frozenset[str]
    expires_at: float
    client_id: str = ""
    user: str = ""  # the person who signed in; empty for an OAuth client
    revoked: bool = False
    admitted: deque[float] = field(default_factory=deque)


class Tokens:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, Token] = {}
        self._issued: list[float] = []

    def __len__(self) -> int:
        return len(self._tokens)

    def may_issue(self, settings: Settings) -> bool:
        """Return True if the login host may issue a token in this `rate_window_s`: one sliding window for everybody."""
        start = self._clock.now() - settings.rate_window_s + TOLERANCE_S
        self._issued = [at for at in self._issued if at > start]
        return settings.login_limit is None or len(self._issued) < settings.login_limit

    def issue(self, scopes: frozenset[str], expires_in: float, client_id: str = "", user: str = "") -> str:
        bearer = planted("access-token", secrets.token_urlsafe(32))
        self._issued.append(self._clock.now())
        self._tokens[bearer] = Token(len(self) + 1, scopes, self._clock.now() + expires_in, client_id, user)
        return bearer

    def number(self, bearer: str | None) -> int | None:
        token = self._tokens.get(bearer or "")
        return token.number if token else None

    def revoke_all(self, client_id: str | None = None) -> None:
        """Revoke every token, or those of one client."""
        for token in self._tokens.values():
            token.revoked |= client_id in {None, token.client_id}

    def known(self, bearer: str | None) -> Token:
        """Return the token in any state. Raises 401 if it was never issued."""
        if not bearer:
            raise ApiError(401, "authentication.required", "No bearer token was presented.")
        if bearer not in self._tokens:
            raise ApiError(401, "bad.credentials", "The bearer token is not one of ours.")
        return self._tokens[bearer]

    def valid(self, bearer: str | None) -> Token:
        token = self.known(bearer)
        if token.revoked or self._clock.now() >= token.expires_at:
            state = "was revoked" if token.revoked else "has expired"
            raise ApiError(401, "bad.credentials", f"The bearer token {state}.")
        return token

    def admit(self, token: Token, settings: Settings) -> None:
        """Admit at most `rate_limit` requests in any `rate_window_s`: a sliding window per token.

        A refused request does not count. Retry-After is never shorter than the true wait.
        """
        if settings.rate_limit is None:
            return
        now, admitted = self._clock.now(), token.admitted
        while admitted and admitted[0] <= now - settings.rate_window_s + TOLERANCE_S:
            admitted.popleft()
        if len(admitted) < settings.rate_limit:
            admitted.append(now)
            return
        wait = admitted[-settings.rate_limit] + settings.rate_window_s - now - TOLERANCE_S
        seconds = str(max(1, math.ceil(wait)))
        date = formatdate(math.ceil(self._clock.wall(now) + wait), usegmt=True)
        headers = {"seconds": {"Retry-After": seconds}, "date": {"Retry-After": date}, "absent": {}}
        raise ApiError(
            429,
            "too.many.requests.retry.after",
            f"Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds",
            headers=headers[settings.retry_after],
        )

    def usage(self, token: Token, settings: Settings) -> dict[str, str]:
        """Return the headers with the used part of the limit, and the seconds until all of it is free again."""
        if settings.rate_limit is None:
            return {}
        left = token.admitted[-1] + settings.rate_window_s - self._clock.now() if token.admitted else 0
        return {
            "inin-ratelimit-count": str(len(token.admitted)),
            "inin-ratelimit-allowed": str(settings.rate_limit),
            "inin-ratelimit-reset": str(max(0, math.ceil(left))),
        }
