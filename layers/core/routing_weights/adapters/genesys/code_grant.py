"""The sign-in of a person at Genesys: OAuth's code authorization with PKCE (RFC 7636).

The client is public: it has no secret, and names itself in the body. https://developer.genesys.cloud/authorization/platform-auth/use-pkce
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlencode

import requests

from routing_weights.adapters.genesys.own_token import TIMEOUTS_S
from routing_weights.errors import GenesysAnswerInvalid, GenesysUnavailable, SignInRefused


class Granted(NamedTuple):
    token: str
    expires_in: float


@dataclass(frozen=True)
class CodeGrant:
    login_url: str
    client_id: str
    session: requests.Session

    def address(self, redirect_uri: str, state: str, challenge: str) -> str:
        """Where the browser signs the person in. `challenge` is the SHA-256 of the verifier, in base64url."""
        query = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.login_url}/oauth/authorize?{urlencode(query)}"

    def exchange(self, code: str, verifier: str, redirect_uri: str) -> Granted:
        """Exchange the code of a sign-in for the person's token. A code is good for one exchange.

        Raises SignInRefused, GenesysUnavailable or GenesysAnswerInvalid. No message has the code or the token.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.client_id,
            "code_verifier": verifier,
        }
        try:
            response = self.session.post(
                f"{self.login_url}/oauth/token", data=form, timeout=TIMEOUTS_S, allow_redirects=False
            )
        except requests.RequestException as error:  # the class only: the code is in the request
            raise GenesysUnavailable(f"Genesys did not answer the sign-in: {type(error).__name__}.") from None
        if response.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise SignInRefused("Genesys did not accept the sign-in: it was used before, or took too long.")
        if response.status_code != HTTPStatus.OK:
            raise GenesysUnavailable(f"Genesys answered the sign-in with {response.status_code}.")
        try:
            answer = response.json()
            return Granted(str(answer["access_token"]), float(answer["expires_in"]))
        except (ValueError, LookupError, TypeError):
            raise GenesysAnswerInvalid("The answer to the sign-in is not of the documented form.") from None
