"""The HTTP connections of a process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from routing_weights.adapters.genesys.transport import new_session

if TYPE_CHECKING:
    import requests


@cache
def session() -> requests.Session:
    """One connection pool per process."""
    return new_session()
