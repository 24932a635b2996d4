"""The OAuth clients of CredentialsSecret.

    {"client_id": "...", "client_secret": "...",
     "standby": {"client_id": "...", "client_secret": "..."},
     "keeper": {"client_id": "...", "client_secret": "..."}}

The tokens come from the first client. `standby` has the same roles and takes over at the next rotation. `keeper` may
have Genesys make new client secrets, and nothing else. `standby` and `keeper` are needed for rotations only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from routing_weights.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class OAuthClient:
    client_id: str
    client_secret: str = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        return {"client_id": self.client_id, "client_secret": self.client_secret}


@dataclass(frozen=True)
class Credentials:
    active: OAuthClient
    standby: OAuthClient | None = None
    keeper: OAuthClient | None = None

    def after(self, standby: OAuthClient) -> Credentials:
        """Return the credentials after the standby client has taken over. Without a keeper there is no next standby."""
        return replace(self, active=standby, standby=self.active if self.keeper else None)

    def as_json(self) -> dict[str, Any]:
        others = {"standby": self.standby, "keeper": self.keeper}
        return self.active.as_json() | {name: client.as_json() for name, client in others.items() if client}


def credentials_of(secret: Mapping[str, Any]) -> Credentials:
    """Read the secret's value. Raises ConfigurationInvalid, and shows no part of the value."""
    active = _client_in(secret)
    if active is None:
        raise ConfigurationInvalid(
            'CredentialsSecret holds no client credentials. Put {"client_id": ..., "client_secret": ...} into it.'
        )
    return Credentials(active, _other("standby", secret), _other("keeper", secret))


def _other(name: str, secret: Mapping[str, Any]) -> OAuthClient | None:
    if name not in secret:
        return None
    client = _client_in(secret[name])
    if client is None:
        raise ConfigurationInvalid(f'"{name}" in CredentialsSecret needs a client_id and a client_secret.')
    return client


def _client_in(value: Any) -> OAuthClient | None:
    pair = [value.get(name) for name in ("client_id", "client_secret")] if hasattr(value, "get") else []
    if not pair or not all(isinstance(text, str) and text for text in pair):
        return None
    return OAuthClient(*pair)
