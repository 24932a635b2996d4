"""The system that outcomes are sent to: one POST of a signed webhook, and what comes of it."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import requests

from routing_weights.adapters.http.retry_after import retry_after_s
from routing_weights.domain.signing import Reply, signed

TIMEOUTS_S = (3.05, 10.0)
"""To connect, and for each part of a response; the function's own time-out bounds the whole."""
LONGEST_PAUSE_S = 900
_AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True)
class Receiver:
    url: str
    session: requests.Session
    timeouts_s: tuple[float, float] = TIMEOUTS_S
    wall_clock: Callable[[], float] = time.time

    def post(self, event_id: str, body: bytes, secrets: Sequence[str]) -> Reply:
        """Sign with the first of `secrets`; where the receiver refuses it, with each secret that is being replaced."""
        reply = Reply("later", "there is no secret to sign with")
        for secret in secrets:
            try:
                response = self._send(
                    {"Content-Type": "application/json", **signed(secret, event_id, body, self.wall_clock())}, body
                )
            except requests.RequestException as error:
                return Reply("later", type(error).__name__)  # the class only: a requests message holds the URL
            reply = judged(response, self.wall_clock())
            if response.status_code not in _REFUSED:
                break
        return reply

    def _send(self, headers: dict[str, str], body: bytes) -> requests.Response:
        # A redirect would carry what is signed for one host to another. The body of the response is not read: it may
        # have no end.
        with self.session.post(
            self.url, data=body, headers=headers, timeout=self.timeouts_s, allow_redirects=False, stream=True
        ) as response:
            return response


def judged(response: requests.Response, now: float) -> Reply:
    """What a status says about a request: it was taken, it may be sent again later, or it is refused for ever."""
    status, reason = response.status_code, f"status {response.status_code}"
    if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        asked = retry_after_s(response.headers, now=now) or 0
        return Reply("later", reason, math.ceil(min(asked, LONGEST_PAUSE_S)))
    return Reply("taken" if status < HTTPStatus.MULTIPLE_CHOICES else "never", reason)
