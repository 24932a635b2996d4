"""The sign-in of a person at the desk. The browser has a random value in a cookie, which nothing here stores."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field

LONGEST_S = 12 * 3600
"""A working day. Genesys's token may live longer."""
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Session:
    token: str = field(repr=False)
    """The person's own Genesys token."""
    name: str
    expires_at: int
    """In epoch seconds."""


def is_value(cookie: str) -> bool:
    """True for 256 random bits in base64url, as the desk makes them."""
    return bool(_VALUE.fullmatch(cookie))


def key_of(cookie: str) -> str:
    """The key under which a session is stored: whoever reads the table cannot sign in with it."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def csrf_of(cookie: str) -> str:
    """The token that the forms of a session carry. Only whoever knows the cookie's value can compute it."""
    return hmac.new(cookie.encode(), b"csrf", hashlib.sha256).hexdigest()
