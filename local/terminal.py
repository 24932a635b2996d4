"""Genesys from a terminal: the layer's own client, credentials from the environment, and a token for one call."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests
from pydantic import BaseModel, Field, ValidationError

sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "core"))

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.tokens import StoredTokens, TokenIssuer, TokenRequest
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.settings import GenesysLogin

TIMEOUT_S = 300.0
"""How long a command may work with Genesys."""
Given = TypeVar("Given", bound=BaseModel)


class Credentials(GenesysLogin):
    """Credentials from the environment. The layer's own rules say where they may be sent."""

    genesys_client_id: str
    genesys_client_secret: str = Field(repr=False)
    max_retry_after_s: float = 60.0
    token_secret: str = ""


@dataclass
class Memory:
    """Keeps the token in memory."""

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
        transport = Transport(session, Deadline(time.monotonic() + TIMEOUT_S), given.max_retry_after_s)
        pair = (given.genesys_client_id, given.genesys_client_secret)
        self.issuer = TokenIssuer(
            self.token,
            transport,
            lambda: token_request(given.login_url, *pair),
            revoke_url="",
            revoke_refused=False,
        )
        self.client = GenesysClient(given.api_url, StoredTokens(self.token, self.issuer.refresh), transport, needs)


def parser_of(command: str, description: str, epilog: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"python -m local.{command}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def given_by(
    model: type[Given], parser: argparse.ArgumentParser, flags: Mapping[str, Any], environ: Mapping[str, str]
) -> Given:
    """Read the model from the environment and the flags. Flags win, and empty variables count as absent.

    Wrong usage ends the program, as argparse does it.
    """
    variables = {name.lower(): value for name, value in environ.items() if value}
    try:
        return model.model_validate(variables | {name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        parser.error("; ".join(_wrong(problem) for problem in error.errors(include_input=False)))


def _wrong(problem: Mapping[str, Any]) -> str:
    """Return the message of one of pydantic's errors, with the names of the variables."""
    message = str(problem["msg"]).removeprefix("Value error, ")
    message = message.replace("GenesysRegion", "GENESYS_REGION").replace("GenesysBaseUrl", "GENESYS_BASE_URL")
    return f"{str(problem['loc'][0]).upper()}: {message}" if problem["loc"] else message
