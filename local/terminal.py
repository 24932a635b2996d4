"""Genesys from a terminal: the layer's own client, credentials from the environment, and a token for one run only."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from pydantic import Field

sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "core"))

from routing_weights.genesys.client import GenesysClient
from routing_weights.genesys.token import StoredTokens, TokenIssuer, TokenRequest
from routing_weights.genesys.transport import Deadline, Transport
from routing_weights.settings import GenesysLogin

LONGEST_RUN_S = 300.0


class Credentials(GenesysLogin):
    """The environment; the layer's own rules say where credentials may go."""

    genesys_client_id: str
    genesys_client_secret: str = Field(repr=False)
    max_retry_after_s: float = 60.0
    token_secret: str = ""


@dataclass
class Memory:
    """Keeps the token."""

    value: dict[str, Any] = field(default_factory=dict, repr=False)

    def read(self) -> dict[str, Any]:
        return self.value

    def write(self, value: dict[str, Any]) -> None:
        self.value = value


class Connection:
    def __init__(
        self,
        given: Credentials,
        session: requests.Session,
        token_request: Callable[[str, str, str], TokenRequest],
        needs: Callable[[str, str], str],
    ) -> None:
        self.token = Memory()
        transport = Transport(session, Deadline(time.monotonic() + LONGEST_RUN_S), given.max_retry_after_s)
        pair = (given.genesys_client_id, given.genesys_client_secret)
        self.issuer = TokenIssuer(
            self.token,
            transport,
            lambda: token_request(given.login_url, *pair),
            revoke_url="",
            revoke_refused=False,
        )
        self.client = GenesysClient(given.api_url, StoredTokens(self.token, self._renew), transport, needs)

    def _renew(self, refused: str) -> None:
        self.issuer.refresh(refused)


def wrong(problem: Mapping[str, Any]) -> str:
    """One of pydantic's errors, in the names of the variables."""
    said = str(problem["msg"]).removeprefix("Value error, ")
    said = said.replace("GenesysRegion", "GENESYS_REGION").replace("GenesysBaseUrl", "GENESYS_BASE_URL")
    return f"{str(problem['loc'][0]).upper()}: {said}" if problem["loc"] else said
