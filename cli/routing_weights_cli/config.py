"""Where the API is, and who calls it: options of the command line first, then variables of the environment."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from routing_weights_cli.errors import CliError

API, TOKEN, PROFILE, ZONE = (
    "ROUTING_WEIGHTS_API",
    "ROUTING_WEIGHTS_TOKEN",
    "ROUTING_WEIGHTS_PROFILE",
    "ROUTING_WEIGHTS_ZONE",
)
GENESYS_TOKEN = "GENESYSCLOUD_ACCESS_TOKEN"  # noqa: S105  the name of a variable
EMBEDDED, EMBEDDED_FOR_PEOPLE = "http://127.0.0.1:3000", "http://127.0.0.1:3002"
"""Where `make up` serves the API, and where it serves people with a Genesys token."""
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}

Auth = Literal["token", "aws", "none"]


@dataclass(frozen=True)
class Config:
    """The deployment that a command talks to."""

    api: str
    """The address, without a slash at its end."""
    auth: Auth
    """token: a bearer token of Genesys. aws: signed as an AWS profile. none: the embedded stack."""
    token: str = field(default="", repr=False)
    profile: str | None = None

    @property
    def is_local(self) -> bool:
        return is_loopback(self.api)


def is_loopback(address: str) -> bool:
    return urlsplit(address).hostname in _LOOPBACK


def answers(address: str) -> bool:
    """True if something listens there."""
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=0.5):
            return True
    except OSError:
        return False


def resolve(
    api: str | None,
    profile: str | None,
    environ: Mapping[str, str],
    is_there: Callable[[str], bool] = answers,
) -> Config:
    """The deployment that the options and the environment name, or the embedded stack of this machine.

    A Genesys token is preferred to an AWS profile, unless `profile` is given. No credentials leave this machine without
    TLS.

    Raises:
        CliError: no API is named and none is on this machine, or its address is not a safe one.
    """
    token = "" if profile else environ.get(TOKEN) or environ.get(GENESYS_TOKEN) or ""
    profile = profile or environ.get(PROFILE) or None
    address = (api or environ.get(API) or "").rstrip("/")
    if not address:
        address = EMBEDDED_FOR_PEOPLE if token and is_there(EMBEDDED_FOR_PEOPLE) else EMBEDDED
        if not is_there(address):
            raise CliError(
                "No API is named, and no embedded stack answers on this machine.",
                f"Set {API} or --api to the address of your deployment (the output ApiUrl, or PeopleApiUrl for a "
                "Genesys token), or start a stack with `make up`.",
            )
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
        raise CliError(f"{address} is not the address of an API.", "It looks like https://id.execute-api.region.…/.")
    if parts.scheme == "http" and not is_loopback(address):
        raise CliError(f"{address} has no TLS: credentials would be readable on the way.", "Use an https:// address.")
    if token:
        return Config(address, "token", token)
    if is_loopback(address) and not profile:
        return Config(address, "none")
    return Config(address, "aws", profile=profile)
