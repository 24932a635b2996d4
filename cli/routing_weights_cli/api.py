"""The one client of the API: signs requests, turns problems into errors, reads pages, and follows a distribution.

Nothing here knows a command. What the documentation calls a route is one call of `get`, `post`, `put` or `delete`.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests.auth import AuthBase

from routing_weights_cli import __version__
from routing_weights_cli.config import Config
from routing_weights_cli.errors import CliError, ProblemError

if TYPE_CHECKING:
    from botocore.credentials import Credentials

TIMEOUT_S = 35.0
"""A little more than API Gateway waits for a function."""
_PASSING = {429, 502, 503, 504}
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
_POLLS_S = (0.2, 0.3, 0.5, 0.8, 1.2, 2.0)
"""Pauses between two looks at a distribution: it often takes a second, and sometimes an hour."""
_BEARER_REFUSED = (
    "Genesys does not accept the token, or you have no role here. Get a new token, and set ROUTING_WEIGHTS_TOKEN. "
    "PeopleApiUrl is the address for tokens."
)
_CALLER_REFUSED = "The AWS identity may not call this API: it needs execute-api:Invoke (docs/administer/access.md)."
_LATER = "Wait a moment, and run the command again."
_REMEDIES = {
    404: "This deployment has no such route: it is older than this command line, or the address is another one.",
    413: "The file is too large for one request: divide it.",
} | dict.fromkeys(_PASSING, _LATER)

Json = dict[str, Any]


class Api:
    """A client of one deployment.

    Every method returns the parsed JSON, and raises ProblemError for a refusal and CliError where nothing answers.
    Requests that may be repeated are: reads, and writes with their key. `sleep` takes seconds.
    """

    def __init__(
        self,
        config: Config,
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.config, self._sleep = config, sleep
        self._session = session or requests.Session()
        self._session.trust_env = not config.is_local  # no proxy stands between this machine and itself
        self._session.headers["User-Agent"] = f"routing-weights-cli/{__version__}"
        self._auth = auth_of(config)

    def get(self, path: str, **query: Any) -> Any:
        """GET; parameters that are None are left out."""
        return self._parsed(self._ask("GET", path, query=query))

    def text(self, path: str, **query: Any) -> str:
        """GET of something that is not JSON."""
        return self._ask("GET", path, query=query).text

    def location(self, path: str, **query: Any) -> str:
        """GET of something that lies elsewhere: the address. Fetch it without credentials, it has its own."""
        return str(self._ask("GET", path, query=query, may_lead=True).headers["Location"])

    def post(self, path: str, body: Any = None, key: str | None = None) -> Any:
        """POST, with an Idempotency-Key: a repeated request starts nothing twice."""
        answer = self._ask("POST", path, body=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})
        return self._parsed(answer) if answer.content else {}

    def put(self, path: str, body: Any, **headers: str) -> Any:
        answer = self._ask("PUT", path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
        return self._parsed(answer) if answer.content else {}

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def pages(self, path: str, most: int | None = None, **query: Any) -> Iterator[Json]:
        """The `items` of all pages, one after the other; at most `most` of them."""
        left, after = most, None
        while left is None or left > 0:
            page = self.get(path, next=after, **query)
            items = page["items"] if left is None else page["items"][:left]
            yield from items
            left = None if left is None else left - len(items)
            after = page.get("next")
            if after is None:
                return

    def distribution(self, distribution_id: str) -> Json:
        record: Json = self.get(f"/distributions/{segment(distribution_id)}")
        return record

    def follow(self, distribution_id: str) -> Iterator[Json]:
        """The record of a distribution again and again: the last one is terminal, or waits for an approval."""
        yield from self._poll(lambda: self.distribution(distribution_id), _is_settled)

    def follow_fleet(self, fleet_id: str) -> Iterator[Json]:
        """A fleet again and again: the last one is terminal, or held until somebody decides."""
        path = f"/fleets/{segment(fleet_id)}"
        yield from self._poll(lambda: self.get(path), lambda fleet: fleet["terminal"] or fleet["status"] == "held")

    def _parsed(self, answer: requests.Response) -> Any:
        try:
            return answer.json()
        except requests.exceptions.JSONDecodeError as error:
            raise CliError(f"{self.config.api} is not this API: it answers no JSON.", "Check the address.") from error

    def _poll(self, look: Callable[[], Json], is_over: Callable[[Json], bool]) -> Iterator[Json]:
        looks = 0
        while True:
            seen = look()
            yield seen
            if is_over(seen):
                return
            self._sleep(_POLLS_S[min(looks, len(_POLLS_S) - 1)])
            looks += 1

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        may_lead: bool = False,
    ) -> requests.Response:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        # A signature covers a space as %20, and requests would write a plus.
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        url = f"{self.config.api}{path}" + (f"?{urlencode(given, quote_via=quote)}" if given else "")
        sent = {"Content-Type": "application/json"} if data is not None else {}
        for pause in (*_PAUSES_S, None):
            asked = 0.0
            try:
                answer = self._session.request(
                    method,
                    url,
                    data=data,
                    headers={**sent, **(headers or {})},
                    auth=self._auth,
                    timeout=TIMEOUT_S,
                    allow_redirects=False,  # credentials go to the named address only
                )
            except requests.RequestException as error:
                if pause is None or isinstance(error, requests.exceptions.SSLError):
                    raise _unreachable(self.config, error) from error
            else:
                if answer.ok and answer.is_redirect == may_lead:
                    return answer
                if answer.status_code not in _PASSING or pause is None:
                    raise _refusal(answer, self.config)
                asked = _retry_after(answer)
            self._sleep(max(pause, asked))
        raise AssertionError("the last attempt returns or raises")


def segment(text: str) -> str:
    """A value as one segment of a path."""
    return quote(text, safe="")


def _is_settled(record: Json) -> bool:
    return bool(record["terminal"]) or (record.get("approval") or {}).get("state") == "waiting"


def _retry_after(answer: requests.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), 60.0) if text.isdecimal() else 0.0


# ---- who calls -------------------------------------------------------------------------------------------------------


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _SigV4(AuthBase):
    """Signs as IAM wants it of callers of API Gateway (`execute-api`)."""

    def __init__(self, credentials: "Credentials", region: str) -> None:
        self._credentials, self._region = credentials, region

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        from botocore.auth import SigV4Auth  # noqa: PLC0415  half of the time that a start takes
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        unsigned = AWSRequest(request.method, request.url, data=request.body)
        SigV4Auth(self._credentials, "execute-api", self._region).add_auth(unsigned)
        request.headers.update(dict(unsigned.headers))
        return request


class _Unsigned(AuthBase):
    """Without this, requests would send what a .netrc has for the host."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def auth_of(config: Config) -> AuthBase:
    """How requests are signed. Raises CliError if the AWS profile has no credentials, or no region is known."""
    if config.auth == "token":
        return _Bearer(config.token)
    if config.auth == "none":
        return _Unsigned()
    import botocore.session  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        session = botocore.session.Session(profile=config.profile)
        credentials = session.get_credentials()
        region = _region_in(config.api) or session.get_config_variable("region")
    except BotoCoreError as error:
        raise CliError(f"AWS credentials: {error}.", "`aws configure list-profiles` shows the profiles.") from error
    if credentials is None:
        raise CliError(
            "There are no AWS credentials, and no Genesys token.",
            "Sign in to AWS (`aws sso login`, then --profile), or set ROUTING_WEIGHTS_TOKEN to a Genesys token.",
        )
    if not region:
        raise CliError(f"The AWS region of {config.api} is not known.", "Set AWS_REGION.")
    return _SigV4(credentials, region)


def _region_in(address: str) -> str | None:
    """The region of API Gateway's own host names."""
    parts = (urlsplit(address).hostname or "").split(".")
    return parts[2] if parts[1:2] == ["execute-api"] else None


# ---- what an error says ----------------------------------------------------------------------------------------------


def _unreachable(config: Config, error: Exception) -> CliError:
    kind = "did not answer in time" if isinstance(error, requests.Timeout) else "does not answer"
    if isinstance(error, requests.exceptions.SSLError):
        kind = "has a certificate that is not trusted"
    remedy = "Start the embedded stack with `make up`." if config.is_local else "Check the address and your network."
    return CliError(f"{config.api} {kind}.", remedy)


def _refusal(answer: requests.Response, config: Config) -> ProblemError:
    try:
        body = answer.json()
        problem = body if isinstance(body, dict) else {}
    except requests.exceptions.JSONDecodeError:
        problem = {}
    status = answer.status_code
    return ProblemError(status, problem, _remedy(status, problem, config))


def _remedy(status: int, problem: Json, config: Config) -> str:
    if "detail" in problem:  # the API's own words say what to do
        return ""
    if status in {401, 403}:
        return _BEARER_REFUSED if config.auth == "token" else _CALLER_REFUSED
    return _REMEDIES.get(status, "Look at the API's log (docs/operate/runbook.md).")
