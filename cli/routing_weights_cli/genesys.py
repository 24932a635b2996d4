"""Genesys Cloud itself, for the doctor: a client that only reads, with the caller's own credentials."""

from collections.abc import Iterator, Mapping
from typing import Any

import requests

from routing_weights_cli import config
from routing_weights_cli.api import TIMEOUT_S, Json
from routing_weights_cli.errors import CliError, ProblemError

REGION, CLIENT_ID, CLIENT_SECRET = (
    "GENESYSCLOUD_REGION",
    "GENESYSCLOUD_OAUTHCLIENT_ID",
    "GENESYSCLOUD_OAUTHCLIENT_SECRET",
)
URL, LOGIN_URL = "GENESYS_BASE_URL", "GENESYS_LOGIN_URL"
"""A Genesys on this machine, as for `python -m local.stack`."""
DOMAINS = {
    "ap-northeast-1": "mypurecloud.jp",
    "ap-northeast-2": "apne2.pure.cloud",
    "ap-northeast-3": "apne3.pure.cloud",
    "ap-south-1": "aps1.pure.cloud",
    "ap-southeast-1": "apse1.pure.cloud",
    "ap-southeast-2": "mypurecloud.com.au",
    "ca-central-1": "cac1.pure.cloud",
    "eu-central-1": "mypurecloud.de",
    "eu-central-2": "euc2.pure.cloud",
    "eu-west-1": "mypurecloud.ie",
    "eu-west-2": "euw2.pure.cloud",
    "eusc-de-east-1": "edee1.eusc-pure.cloud",
    "me-central-1": "mec1.pure.cloud",
    "mx-central-1": "mxc1.pure.cloud",
    "sa-east-1": "sae1.pure.cloud",
    "us-east-1": "mypurecloud.com",
    "us-east-2": "use2.us-gov-pure.cloud",
    "us-west-2": "usw2.pure.cloud",
}
"""Domain by AWS region. Credentials go to hosts of these, and to this machine, only."""
_PAGE = 100


class NoCredentialsError(Exception):
    """There is nothing to ask Genesys with. The message says what to set."""


class Genesys:
    """The public API of Genesys Cloud, with the caller's own token. It only reads."""

    def __init__(self, url: str, token: str, login_url: str, client: tuple[str, str]) -> None:
        self.url, self._session = url, requests.Session()
        self._session.trust_env = False  # a .netrc would replace the token
        self.is_of_a_client = not token
        self._session.headers["Authorization"] = f"Bearer {token or self._issued(login_url, client)}"

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Genesys":
        """Raises NoCredentialsError without credentials, and CliError if they are refused."""
        token = environ.get(config.GENESYS_TOKEN, "")
        client = (environ.get(CLIENT_ID, ""), environ.get(CLIENT_SECRET, ""))
        if not token and not all(client):
            raise NoCredentialsError(f"Not asked: set {config.GENESYS_TOKEN}, or {CLIENT_ID} and {CLIENT_SECRET}.")
        if local := environ.get(URL):
            if not config.is_loopback(local):
                raise CliError(f"{URL} is not on this machine.", f"For an organisation, set {REGION}.")
            return cls(local.rstrip("/"), token, (environ.get(LOGIN_URL) or local).rstrip("/"), client)
        region = environ.get(REGION, "").removeprefix("https://").removeprefix("api.").strip("/")
        domain = DOMAINS.get(region) or next((each for each in DOMAINS.values() if each == region), "")
        if not domain:
            wrong = f"{region} is no region of Genesys Cloud." if region else f"{REGION} is not set."
            raise CliError(wrong, f"{REGION} is the AWS region of your organisation, such as eu-central-1.")
        return cls(f"https://api.{domain}", token, f"https://login.{domain}", client)

    def get(self, path: str, **query: Any) -> Json:
        """Raises ProblemError for a refusal, and CliError if nothing answers."""
        return self._ask("GET", f"{self.url}{path}", params=query)

    def _issued(self, login_url: str, client: tuple[str, str]) -> str:
        form = {"grant_type": "client_credentials"}
        try:
            answer = self._ask("POST", f"{login_url}/oauth/token", data=form, auth=client)
        except ProblemError as error:
            remedy = f"Check {CLIENT_ID}, {CLIENT_SECRET} and {REGION}, and that its grant type is Client Credentials."
            raise CliError(f"Genesys gives the OAuth client no token: {error.message}.", remedy) from error
        return str(answer["access_token"])

    def _ask(self, method: str, url: str, **parts: Any) -> Json:
        try:
            answer = self._session.request(method, url, timeout=TIMEOUT_S, allow_redirects=False, **parts)
            body = answer.json() if answer.content else {}
        except requests.RequestException as error:
            raise CliError(
                f"{url.partition('/api/')[0]} does not answer.", f"Check {REGION} and your network."
            ) from error
        if not answer.ok or not isinstance(body, dict):
            details = body if isinstance(body, dict) else {}
            raise ProblemError(answer.status_code, details)
        return body

    def queues(self) -> Iterator[Json]:
        """All queues that the caller may see."""
        number = 1
        while True:
            page = self.get("/api/v2/routing/queues", pageSize=_PAGE, pageNumber=number).get("entities") or []
            yield from page
            if len(page) < _PAGE:
                return
            number += 1
