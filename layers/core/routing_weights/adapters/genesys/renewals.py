"""What rotates at Genesys: the OAuth client's credentials, and the access tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import requests

from routing_weights.adapters.genesys.tokens import issue, revoke, stored_token, tokens_in
from routing_weights.adapters.genesys.transport import refusal_details
from routing_weights.domain.credentials import Credentials, OAuthClient, credentials_of
from routing_weights.errors import (
    ConfigurationInvalid,
    Forbidden,
    GenesysAnswerInvalid,
    GenesysRefused,
    RoutingWeightsError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from routing_weights.adapters.genesys.tokens import TokenRequest
    from routing_weights.adapters.genesys.transport import Transport


@dataclass(frozen=True)
class Logins:
    """Logs clients in, and logs their tokens out."""

    transport: Transport
    token_request: Callable[[OAuthClient], TokenRequest]
    api_url: str
    lists_queues: bool
    """True if the contract has a list of queues, which shows what a client's roles allow."""

    def login(self, client: OAuthClient) -> tuple[str, float]:
        return issue(self.transport, self.token_request(client))

    def check(self, token: str) -> None:
        """Raise Forbidden if the token's client may not read queues."""
        if self.lists_queues:
            url = f"{self.api_url}/api/v2/routing/queues"
            self.send("the list of queues with a new token", "GET", url, token, params={"pageSize": 1})

    def logout(self, token: str) -> None:
        """Revoke a token that nobody else has had, if that is possible."""
        revoke(self.transport, f"{self.api_url}/api/v2/tokens/me", token)

    def end(self, token: str) -> None:
        """Revoke a token that somebody may know. Raises an error unless it is certain that Genesys takes it no more."""
        url = f"{self.api_url}/api/v2/tokens/me"
        self.send("the revocation of a token", "DELETE", url, token, done=requests.codes.unauthorized)

    def send(self, what: str, method: str, url: str, token: str, *, done: int = 0, **parts: Any) -> requests.Response:
        """Raise an error for a refusal, except for the status `done`."""
        response = self.transport.send(what, method, url, bearer=lambda _: token, **parts)
        if requests.codes.ok <= response.status_code < requests.codes.multiple_choices or response.status_code == done:
            return response
        details = refusal_details(response, token)
        message = (
            f"Genesys refuses {what}: status {response.status_code}, {details.get('genesys_message', 'no reason')}."
        )
        if response.status_code == requests.codes.forbidden:
            raise Forbidden(message, http_status=response.status_code, **details)
        raise GenesysRefused(message, http_status=response.status_code, **details)


@dataclass(frozen=True)
class CredentialsRenewal:
    """The standby client takes over. The client before stays valid: it is the next standby.

    With a keeper, Genesys makes a new secret for the standby client. That ends the client's old secret at once, and
    nobody uses it. Without a keeper, an administrator has stored a new pair as standby, which can be used once.
    """

    logins: Logins

    SECRET: ClassVar[str] = "/api/v2/oauth/clients/{client_id}/secret"  # noqa: S105 - a path

    def renewed(self, current: dict[str, Any]) -> dict[str, Any]:
        credentials = credentials_of(current)
        if credentials.standby is None:
            raise ConfigurationInvalid(
                'CredentialsSecret has no "standby". Store {"client_id": ..., "client_secret": ...} of a second OAuth '
                "client with the same roles under this name."
            )
        standby = credentials.standby
        if credentials.keeper:
            standby = self._with_new_secret(standby.client_id, credentials.keeper)
        return credentials.after(standby).as_json()

    def check(self, pending: dict[str, Any], current: dict[str, Any]) -> None:
        new, now = credentials_of(pending), credentials_of(current)
        if new != now and not _follows(new, now):  # they are equal where Secrets Manager tests this function
            raise ConfigurationInvalid(
                "Somebody stored another value in CredentialsSecret after this rotation began, and the rotation would "
                "undo that. End the pending rotation, and begin another one."
            )
        token, _ = self.logins.login(new.active)
        try:
            self.logins.check(token)
        finally:
            self.logins.logout(token)

    def retire(self, replaced: dict[str, Any]) -> None:
        """Nothing: functions still use tokens of the client before."""

    def _with_new_secret(self, client_id: str, keeper: OAuthClient) -> OAuthClient:
        token, _ = self.logins.login(keeper)
        try:
            url = self.logins.api_url + self.SECRET.format(client_id=client_id)
            response = self.logins.send("a new secret of the standby client", "POST", url, token)
        finally:
            self.logins.logout(token)
        try:
            secret = response.json()["secret"]
        except (requests.JSONDecodeError, KeyError, TypeError):
            secret = None
        if not isinstance(secret, str) or not secret:
            raise GenesysAnswerInvalid("Genesys made a new secret of the standby client and did not show it.")
        return OAuthClient(client_id, secret)


@dataclass(frozen=True)
class TokensRenewal:
    """Every token is replaced. Then the tokens before are revoked: whoever still sends one gets 401 and reads again."""

    logins: Logins
    credentials: Callable[[], dict[str, Any]]
    wall_clock: Callable[[], float]

    def renewed(self, current: dict[str, Any]) -> dict[str, Any]:
        client = credentials_of(self.credentials()).active
        first, *others = [self._new(client) if one.get("access_token") else one for one in tokens_in(current)]
        return first | ({"others": others} if others else {})

    def check(self, pending: dict[str, Any], current: dict[str, Any]) -> None:  # noqa: ARG002  tokens are never stored by hand
        for one in _tokens(pending):
            if self.wall_clock() < one["refresh_at"]:  # else nobody uses it: a reader has it replaced first
                self.logins.check(one["access_token"])

    def retire(self, replaced: dict[str, Any]) -> None:
        """Revoke every token that Genesys still takes. Raises an error after all of them were tried."""
        failure = None
        for one in _tokens(replaced):
            try:
                self.logins.end(one["access_token"])
            except RoutingWeightsError as error:
                failure = error
        if failure:
            raise failure

    def _new(self, client: OAuthClient) -> dict[str, Any]:
        return stored_token(*self.logins.login(client), self.wall_clock())


def _follows(new: Credentials, now: Credentials) -> bool:
    """True if a rotation of `now` leads to `new`. With a keeper, the secret of the client that takes over is new."""
    if now.standby is None:
        return False
    standby = replace(now.standby, client_secret=new.active.client_secret) if now.keeper else now.standby
    return new == now.after(standby)


def _tokens(secret: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in tokens_in(secret) if one.get("access_token")]
