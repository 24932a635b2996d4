"""Planted secrets: values that a search recognises wherever they turn up.

The simulator's tokens, the embedded stack's task tokens and AWS credentials, and the secrets of tests are planted. So a
search for one text finds each of them, and `local/stack/watch.py` searches everything that a stack writes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import NamedTuple

MARK = "pl4nted"
_MARK = MARK.encode()
_KIND = re.compile(rb"pl4nted-([a-z-]+)")
_BEFORE, _AFTER = 30, 90


class Found(NamedTuple):
    """A planted secret in a text: its kind, or `encoded` in Base64, and the text around it."""

    kind: str
    excerpt: str


def planted(kind: str, value: str) -> str:
    """Return a secret of a kind (lower-case letters and hyphens), with a value that makes it unique.

    >>> planted("access-token", "1")
    'pl4nted-access-token.1'
    """
    return f"{MARK}-{kind}.{value}"


# What Base64 makes of the mark after 0, 1 and 2 other bytes, without the characters that depend on its neighbours.
_ENCODED = tuple(b64encode(bytes(n) + _MARK)[-(-8 * n // 6) : 8 * (n + len(_MARK)) // 6] for n in range(3))


def found_in(data: bytes) -> list[Found]:
    """Return the planted secrets in a text, also in Base64 and in a URL."""
    places = [(match[1].decode(), match.start()) for match in _KIND.finditer(data)] if _MARK in data else []
    places += [("encoded", data.index(text)) for text in _ENCODED if text in data]
    return [Found(kind, data[max(0, at - _BEFORE) : at + _AFTER].decode(errors="replace")) for kind, at in places]
