"""HTTP with manners: time-outs everywhere, bounded retries, and never a request before Retry-After allows it."""

import math
import random
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

import requests
from aws_lambda_powertools import Logger

from routing_weights.adapters.http.retry_after import retry_after_s, seconds_of
from routing_weights.errors import GenesysUnavailable, RateLimited, WaitTooLong

logger = Logger(child=True)

CONNECT_TIMEOUT_S = 3.05
READ_TIMEOUT_S = 10.0
MAX_ATTEMPTS = 6
"""For 5xx and 408 answers, lost connections, and limits that do not say until when."""
MAX_PAUSES = 20
"""For limits that do say: pauses slept in a row for one request."""
BACKOFF_BASE_S = 0.25
BACKOFF_CAP_S = 5.0
FIRST_WAIT_S, LONGEST_WAIT_S = 15.0, 300.0
"""Of the state machine, where a limit does not say until when."""
LONGEST_EARLY_S, LAST_EARLY_S = 900.0, 60.0
"""Of a run that insists: pauses between requests that come earlier than Genesys asks. See Deadline."""
MOST_ASKED_S = 1e9
"""Thirty years: a longer pause is the same to everybody, and is easier to read."""
LONGEST_RESET_S = 120.0
"""What `inin-ratelimit-reset` is believed: the window is a minute, and 61 was seen."""
FENCE_S = 0.25
"""How long before its slot a write asks its fence: that takes the store's time, and the slot must not be missed."""

_HTTP_BAD_REQUEST, _HTTP_TIMEOUT, _HTTP_TOO_MANY, _HTTP_SERVER_ERROR = 400, 408, 429, 500
_ANSWER_LOST = {_HTTP_TIMEOUT, 502, 504}
"""What a gateway says when it has no answer: the write may have been applied."""
_LIMITED = re.compile(r"rate.?limit|too many requests", re.IGNORECASE)
_RETRY_IN = re.compile(
    r"(?:retry|again|wait)\D{0,40}?([0-9]{1,12}(?:\.[0-9]{1,6})?)\W{0,3}s(?:ec|\b)", re.ASCII | re.IGNORECASE
)
"""`Rate limit exceeded the maximum. Retry the request in [42] seconds`"""


@dataclass(frozen=True)
class Deadline:
    """Until when this invocation may work, and until when its run may be kept waiting."""

    at: float
    """On the monotonic clock."""
    give_up_at: float = math.inf
    """On the wall clock. No pause may end later: the run fails, and says so."""
    since: float | None = None
    """On the wall clock: when the run began. Where Genesys does not say how long to wait, a wait is as long as that."""
    insists: bool = False
    """Whether to ask earlier than Genesys wants, at growing pace, rather than to give up: what was written is wrong."""


class Budget(Protocol):
    """What all who use one OAuth client may send together (store.budget)."""

    def reserve(self, longest_wait_s: float, slots: int = 1) -> Sequence[float]:
        """Seconds from now to each of `slots` in a row, the first at most `longest_wait_s`; else RateLimited."""
        ...

    def limited(self, retry_after_s: float | None) -> None: ...

    def seen(self, headers: Mapping[str, str]) -> None: ...


@dataclass
class Transport:
    """Sends one request at a time; clock, sleep and randomness are passed in, so tests neither wait nor guess."""

    session: requests.Session
    deadline: Deadline
    max_retry_after_s: float
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    budget: Budget | None = None
    """Without one, nothing is paced."""
    fence: Callable[[], None] | None = None
    """Called right before every attempt that may change something; raises where the run may write no more."""
    _slots: list[float] = field(default_factory=list, init=False)
    """When the next requests may be sent, on the monotonic clock."""
    _begun: bool = field(default=False, init=False)

    def send(
        self, what: str, method: str, url: str, *, applied: Callable[[], bool] | None = None, **parts: Any
    ) -> requests.Response:
        """The answer that no retry would change: not a limit, 408 or 5xx. `what` names the request in messages.

        `applied` says, by reading, whether a write whose answer was lost has been done: then it is not sent again.
        A `json` that can be called is called before every attempt: it says what to send at that moment. It may send
        a request itself, so it and the attempt get slots of the budget in a row, and nobody waits between the two.

        Raises:
            GenesysUnavailable: lost connections, 408 or 5xx until the attempts or the deadline ran out.
            RateLimited: Genesys or the budget asks for a pause longer than `max_retry_after_s` (twice as long once a
                request was sent: who has begun goes before who has not), or than the deadline leaves; or Genesys limits
                again and again.
            WaitTooLong: as RateLimited, and the pause would end later than the run may.
        """
        failures = limited = 0
        while True:
            try:
                response = self._once(what, method, url, parts)
            except requests.RequestException as error:
                # The class only: a requests message holds the URL.
                failures = self._back_off(what, failures, type(error).__name__)
                if applied and applied():
                    return _done()
                continue
            complaint = _complaint(response, parts)
            if is_limit(response.status_code, complaint):
                limited += 1
                self._pause(what, asked_s(response.headers, complaint, now=self.wall_clock()), limited)
                continue
            if self.budget:
                self.budget.seen(response.headers)
            if response.status_code == _HTTP_TIMEOUT or response.status_code >= _HTTP_SERVER_ERROR:
                asked = retry_after_s(response.headers, now=self.wall_clock())
                failures = self._back_off(what, failures, f"status {response.status_code}", at_least=asked or 0.0)
                if applied and response.status_code in _ANSWER_LOST and applied():
                    return _done()
            else:
                return response

    def _once(self, what: str, method: str, url: str, parts: dict[str, Any]) -> requests.Response:
        if callable(parts.get("json")):
            self._reserve(what, slots=2)
            parts = {**parts, "json": self._asked(parts["json"])}
        self._reserve(what)
        if self.fence and method != "GET":
            self._await_slot(early_s=FENCE_S)
            self.fence()
        self._await_slot()
        self._slots = self._slots[1:]
        timeout = (CONNECT_TIMEOUT_S, min(READ_TIMEOUT_S, max(self._time_left(what), 1.0)))
        # A redirect would carry the token to another host.
        return self.session.request(method, url, timeout=timeout, allow_redirects=False, **parts)

    def _time_left(self, what: str) -> float:
        left = self.deadline.at - self.clock()
        if left <= 0:
            raise GenesysUnavailable(f"There was no time left for {what}.")
        return left

    def _asked(self, body: Callable[[], Any]) -> Any:
        try:
            return body()
        except BaseException:
            self._slots.clear()  # a slot must not be used much later than its time
            raise

    def _reserve(self, what: str, slots: int = 1) -> None:
        """Have a slot for the next request, and for those after it."""
        if self.budget is None or self._slots:
            return
        patience = self.max_retry_after_s * (2 if self._begun else 1)
        try:
            waits = self.budget.reserve(min(patience, self._time_left(what)), slots)
        except RateLimited as limited:
            self.leave_waiting(what, limited, who="The request budget")
        now = self.clock()
        self._slots = [now + wait for wait in waits]
        self._begun = True

    def _await_slot(self, early_s: float = 0.0) -> None:
        wait = self._slots[0] - early_s - self.clock() if self._slots else 0.0
        if wait > 0:
            self.sleep(wait)

    def _back_off(self, what: str, failures: int, reason: str, *, at_least: float = 0.0) -> int:
        """Sleep exponentially longer with full jitter; returns the number of failures so far."""
        failures += 1
        wait = at_least + self.jitter() * min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** (failures - 1))
        if at_least > self.max_retry_after_s:
            self._leave_waiting(what, at_least)
        if failures >= MAX_ATTEMPTS or self.clock() + wait >= self.deadline.at:
            raise GenesysUnavailable(
                f"Genesys did not do {what}: {reason} at attempt {failures}. "
                "Check the Genesys status page, and the deployment's region or URL, then send the plan again."
            )
        logger.warning(
            "Genesys failed, trying again",
            request=what,
            reason=reason,
            attempt=failures,
            wait_s=round(wait, 3),
        )
        self.sleep(wait)
        return failures

    def _pause(self, what: str, asked: float | None, limited: int) -> None:
        """Sleep for as long as Genesys asks, or raise RateLimited where that is for the state machine to wait."""
        if self.budget:
            self.budget.limited(asked)
        if limited >= (MAX_ATTEMPTS if asked is None else MAX_PAUSES):
            self._leave_waiting(what, None)
        if asked is None:
            wait = self.jitter() * min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2**limited)
        else:
            wait = asked + self.jitter() * 0.1  # later than asked, never earlier
        if wait > self.max_retry_after_s + 0.1 or self.clock() + wait >= self.deadline.at:
            self._leave_waiting(what, asked)
        logger.info("Genesys limits the rate, sleeping", request=what, wait_s=round(wait, 3))
        self.sleep(wait)

    def leave_waiting(self, what: str, limited: RateLimited, who: str) -> NoReturn:
        """Pass on the limit that somebody else met for this request, within what the run may take.

        Raises:
            RateLimited, WaitTooLong: as `send` does.
        """
        self._leave_waiting(what, None if limited.details.get("guessed") else limited.details["retry_after_s"], who)

    def _leave_waiting(self, what: str, asked: float | None, who: str = "Genesys") -> NoReturn:
        """For the state machine to wait; `asked` is None where nobody knows for how long."""
        now = self.wall_clock()
        left = self.deadline.give_up_at - now
        seconds = self._guess(now) if asked is None else max(1, math.ceil(min(asked, MOST_ASKED_S)))
        wants = f"{who} asks to wait {seconds} s before {what}"
        if asked is None:
            wants = f"{who} limits the rate at {what} and does not say for how long"
        if seconds > left and self.deadline.insists and left >= 2 * LAST_EARLY_S:
            seconds = math.floor(min(left / 2, LONGEST_EARLY_S))
        if seconds > left:
            raise WaitTooLong(
                f"{wants}, and the run would take longer than it may. "
                "Send the plan again when other integrations are quieter, or ask Genesys for a higher limit."
            )
        guessed = {"guessed": True} if asked is None else {}
        raise RateLimited(f"{wants}.", retry_after_s=seconds, **guessed)

    def _guess(self, now: float) -> int:
        """As long as the run has taken until now: so waits double, without a count that states would have to carry."""
        taken = 0.0 if self.deadline.since is None else now - self.deadline.since
        return math.ceil((0.5 + self.jitter() / 2) * min(max(taken, FIRST_WAIT_S), LONGEST_WAIT_S))


def _done() -> requests.Response:
    """What a write is answered with that was found to be applied."""
    response = requests.Response()
    response.status_code = requests.codes.no_content
    return response


def is_limit(status: int, body: Mapping[str, Any]) -> bool:
    """Whether an answer is a rate limit: 429, or the 400 of a login host.

    That one is OAuth's `invalid_request`, described as "rate limit exceeded; ..." (Genesys's own Terraform provider
    waits for it by that text, wherever it stands).
    """
    described = (body.get(key) for key in ("error", "error_description", "description", "message"))
    of_login = "error" in body or body.get("code") == "invalid_request"
    says_so = of_login and any(isinstance(text, str) and bool(_LIMITED.search(text)) for text in described)
    return status == _HTTP_TOO_MANY or (status == _HTTP_BAD_REQUEST and says_so)


def asked_s(headers: Mapping[str, str], body: Mapping[str, Any], *, now: float) -> float | None:
    """For how many seconds a limit asks to wait; None where it does not say.

    Retry-After goes before the text of the body, and that before `inin-ratelimit-reset`, in how many seconds all
    requests of the token's minute are free again.
    """
    if (asked := retry_after_s(headers, now=now)) is not None:
        return asked
    for key in ("message", "error_description", "description"):
        if found := _RETRY_IN.search(str(body.get(key, ""))):
            return float(found[1])
    reset = seconds_of(headers.get("inin-ratelimit-reset", ""))
    return min(reset, LONGEST_RESET_S) if reset else None


def said_by_genesys(response: requests.Response, *secrets: str) -> dict[str, str]:
    """Code, message and correlation id of an error answer, cut to a length that fits a record.

    `secrets` are taken out, should the answer repeat them: what is returned goes into logs and records.
    """
    body = _object(response)
    found = {
        "genesys_code": body.get("code") or body.get("error"),
        "genesys_message": body.get("message") or body.get("error_description") or body.get("description"),
        "correlation_id": response.headers.get("ININ-Correlation-Id") or body.get("contextId"),
    }
    return {key: _presentable(value, secrets) for key, value in found.items() if isinstance(value, str)}


def _complaint(response: requests.Response, parts: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says that may be a limit. The body of a stream is somebody else's, and of any size."""
    if response.status_code not in {_HTTP_BAD_REQUEST, _HTTP_TOO_MANY} or parts.get("stream"):
        return {}
    return _object(response)


def _object(response: requests.Response) -> dict[str, Any]:
    """The JSON object of an answer's body, empty where it is none."""
    try:
        body = response.json()
    except (requests.JSONDecodeError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _presentable(text: str, secrets: Collection[str]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "[hidden]")
    return "".join(c for c in text[:300] if c.isprintable())
