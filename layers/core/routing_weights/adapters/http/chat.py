"""Posts to chat systems: JSON to an address that is itself a secret, or with a token."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from routing_weights.adapters.http.webhook_sender import TIMEOUTS_S, judged
from routing_weights.domain.signing import Reply
from routing_weights.errors import ConfigurationInvalid

MOST_BYTES = 65_536
"""Of an answer. More of it is not read."""
_ADDRESS = re.compile(r"(https://[A-Za-z0-9.-]+|http://127\.0\.0\.1)(:[0-9]{1,5})?(/\S*)?", re.ASCII)

Secret = Callable[[str], tuple[str, ...]]
"""The values of a name in the secret, at most one."""


@dataclass(frozen=True)
class Answer:
    reply: Reply
    document: Mapping[str, Any]
    """Empty unless the answer is a JSON object."""


@dataclass(frozen=True)
class Poster:
    session: requests.Session
    secret: Secret
    wall_clock: Callable[[], float] = time.time

    def value(self, name: str) -> str:
        """Raises ConfigurationInvalid, which never has the value, if the secret does not hold it."""
        (value,) = self.secret(name) or ("",)
        if not value:
            raise ConfigurationInvalid(f"NotifySecret holds no {name}. Put it there, or turn the channel off.")
        return value

    def post(self, address: str, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
        """POST a document. `address` is not in the reply: who knows the address of a webhook can post to the channel.

        Raises ConfigurationInvalid for an address that is not https.
        """
        if not _ADDRESS.fullmatch(address):
            raise ConfigurationInvalid("An address in NotifySecret is not an https URL.")
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        try:
            # A redirect would carry the message, and perhaps the token, to another host.
            with self.session.post(
                address, data=body, headers=headers, timeout=TIMEOUTS_S, allow_redirects=False, stream=True
            ) as response:
                return Answer(judged(response, self.wall_clock()), _object(response))
        except (requests.RequestException, OSError) as error:
            return Answer(Reply("later", type(error).__name__), {})  # the class only: a message holds the URL


def _object(response: requests.Response) -> Mapping[str, Any]:
    """The JSON object of a response; empty if the body is none, or breaks off. The status says what it means then."""
    try:
        value = json.loads(response.raw.read(MOST_BYTES, decode_content=True))
    except (ValueError, HTTPError, OSError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
