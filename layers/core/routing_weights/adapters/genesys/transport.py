"""HTTP requests to Genesys: every request has a time-out, retries are bounded, and Retry-After is obeyed."""

import logging
import math
import random
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NoReturn, Protocol

import requests
from aws_lambda_powertools import Logger
from requests.adapters import HTTPAdapter

from routing_weights.adapters import meter
from routing_weights.adapters.http.retry_after import retry_after_s, seconds_of
from routing_weights.domain.pace import Slot
from routing_weights.errors import GenesysUnavailable, RateLimited, WaitTooLong

logger = Logger(child=True)

CONNECT_TIMEOUT_S = 3.05
READ_TIMEOUT_S = 10.0
MAX_THREADS = 64
"""The threads of a process that may send at the same time. Each one keeps its connection."""
MAX_ATTEMPTS = 6
"""Attempts for one request after 5xx, 408, lost connections, and rate limits that name no time."""
MAX_PAUSES = 20
"""Pauses in a row for one request, after rate limits that name a time."""
BACKOFF_BASE_S = 0.25
BACKOFF_CAP_S = 5.0
FIRST_WAIT_S, LONGEST_WAIT_S = 15.0, 300.0
"""The bounds of a wait in the state machine, where a rate limit names no time."""
LONGEST_EARLY_S, LAST_EARLY_S = 900.0, 60.0
"""The bounds of the pauses of a run that insists: it asks earlier than Genesys wants. See Deadline."""
MOST_ASKED_S = 1e9
"""Thirty years. A longer pause is cut to this, so that messages stay readable."""
LONGEST_RESET_S = 120.0
"""The longest credible `inin-ratelimit-reset`. The window is a minute; a value of 61 has been observed."""
FENCE_S = 0.25
"""How long before its slot a write checks its fence. The check reads the store, and must not miss the slot."""

_HTTP_BAD_REQUEST, _HTTP_TIMEOUT, _HTTP_TOO_MANY, _HTTP_SERVER_ERROR = 400, 408, 429, 500
_ANSWER_LOST = {_HTTP_TIMEOUT, 502, 504}
"""The gateway got no answer from Genesys, so the write may have been applied."""
_LIMITED = re.compile(r"rate.?limit|too many requests", re.IGNORECASE)
_RETRY_IN = re.compile(
    r"(?:retry|again|wait)\D{0,40}?([0-9]{1,12}(?:\.[0-9]{1,6})?)\W{0,3}s(?:ec|\b)", re.ASCII | re.IGNORECASE
)
"""`Rate limit exceeded the maximum. Retry the request in [42] seconds`"""


@dataclass(frozen=True)
class Deadline:
    """When this invocation must end, and when its run must end."""

    at: float
    """The end of the invocation, on the monotonic clock."""
    give_up_at: float = math.inf
    """The end of the run, on the wall clock. If a pause would end later, the run fails."""
    since: float | None = None
    """The start of the run, on the wall clock. Where Genesys names no time, the run waits as long as it has taken."""
    insists: bool = False
    """True for a restore: rather than give up, it asks earlier than Genesys wants, because the queue is wrong."""


class Budget(Protocol):
    """The requests that all users of one OAuth client may send together, with each of its tokens."""

    def reserve(self, longest_wait_s: float, slots: int = 1) -> Sequence[Slot]:
        """Reserve one slot, or `slots` slots together.

        Raises RateLimited if the first one is more than `longest_wait_s` away.
        """
        ...

    def foreseeing(self, requests: int) -> AbstractContextManager[None]:
        """Return a context in which `requests` requests will be sent."""
        ...

    def limited(self, token: int, headers: Mapping[str, str], retry_after_s: float | None, age_s: float) -> None: ...

    def seen(self, token: int, headers: Mapping[str, str]) -> None: ...

    def has_others(self) -> bool:
        """True if a request that one token may not send can go to another one."""
        ...


@dataclass
class Transport:
    """Sends requests, for up to `MAX_THREADS` threads at once. Clocks, sleep and randomness are parameters.

    The deadline, the budget and the fence are shared. One thread at a time waits for its turn to send: so a run waits
    for one slot of the budget however many threads it has, and a pause that Genesys asks for holds all of them.
    """

    session: requests.Session
    deadline: Deadline
    max_retry_after_s: float
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    budget: Budget | None = None
    """None: requests are not paced."""
    fence: Callable[[], None] | None = None
    """Called right before each attempt of a write. Raises if the run must not write any more."""
    _turn: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)
    """Held until the request may go. Building a body may send a request itself, so a thread may have it twice."""
    _slots: list[tuple[float, int, float]] = field(default_factory=list, init=False)
    """The slots of the next requests: time on the monotonic clock, token, and the time when it is lost."""
    _held_until: float = field(default=-math.inf, init=False)
    """The end of the pause that Genesys asked for, on the monotonic clock."""
    _begun: bool = field(default=False, init=False)

    def send(
        self,
        what: str,
        method: str,
        url: str,
        *,
        bearer: Callable[[int], str] | None = None,
        applied: Callable[[], bool] | None = None,
        **parts: Any,
    ) -> requests.Response:
        """Send a request until a retry would not change the answer. `what` names the request in messages.

        `bearer` returns the bearer token with the number that each attempt is sent with. None: it has none.

        `applied` reads whether a write has been applied. It is called when the answer to the write was lost; the
        write is then not sent again.

        `json` may be a callable that builds the body just before each attempt. If it sends a request itself, both
        requests get adjacent slots of the budget, so that what it read is still fresh.

        Raises:
            GenesysUnavailable: lost connections, 408 or 5xx until the attempts or the deadline ran out.
            RateLimited: Genesys or the budget asks for a pause that is longer than `max_retry_after_s`, or longer than
                the deadline leaves; or Genesys limits the rate again and again. Once this transport has sent a request,
                it waits twice as long: runs that have begun go first.
            WaitTooLong: as RateLimited, but the pause would end after the run must end.
        """
        failures = limited = 0
        while True:
            try:
                response, token, sent_at = self._once(what, method, url, bearer, parts)
            except requests.RequestException as error:
                # Only the class: the message contains the URL.
                failures = self._back_off(what, failures, type(error).__name__)
                if applied and applied():
                    return _done()
                continue
            body = _refusal_body(response, parts)
            if is_limit(response.status_code, body):
                limited += 1
                meter.count(limited=1)
                asked = requested_pause_s(response.headers, body, now=self.wall_clock())
                if self.budget:
                    self.budget.limited(token, response.headers, asked, self.clock() - sent_at)
                self._pause(what, asked, limited)
                continue
            if self.budget:
                self.budget.seen(token, response.headers)
            if response.status_code == _HTTP_TIMEOUT or response.status_code >= _HTTP_SERVER_ERROR:
                pause = retry_after_s(response.headers, now=self.wall_clock())
                failures = self._back_off(what, failures, f"status {response.status_code}", at_least=pause or 0.0)
                if applied and response.status_code in _ANSWER_LOST and applied():
                    return _done()
            else:
                return response

    def foreseeing(self, requests: int) -> AbstractContextManager[None]:
        """Return a context in which `requests` requests will be sent. Their slots cost fewer writes to the store."""
        return self.budget.foreseeing(requests) if self.budget else nullcontext()

    def _once(
        self, what: str, method: str, url: str, bearer: Callable[[int], str] | None, parts: dict[str, Any]
    ) -> tuple[requests.Response, int, float]:
        """Send one attempt. Returns the response, the number of the token, and the time of sending."""
        with self._turn:
            try:
                if callable(parts.get("json")):
                    self._reserve(what, slots=2)
                    parts = {**parts, "json": parts["json"]()}
                token, headers = self._await_turn(what, method, bearer)
            except BaseException:
                self._slots = []  # a slot must not be used much later than its time
                raise
        parts = {**parts, "headers": {**headers, **parts.get("headers", {})}}
        timeout = (CONNECT_TIMEOUT_S, min(READ_TIMEOUT_S, max(self._time_left(what), 1.0)))
        meter.count(requests=1)
        sent_at = self.clock()
        # A redirect would carry the token to another host.
        return self.session.request(method, url, timeout=timeout, allow_redirects=False, **parts), token, sent_at

    def _time_left(self, what: str) -> float:
        left = self.deadline.at - self.clock()
        if left <= 0:
            raise GenesysUnavailable(f"There was no time left for {what}.")
        return left

    def _await_turn(self, what: str, method: str, bearer: Callable[[int], str] | None) -> tuple[int, dict[str, str]]:
        """Sleep until a request may go. Returns the number of its token, and the headers that show the token."""
        while True:
            pause_ends = self._held_until
            self._await_pause(what)
            self._reserve(what)
            token = self._slots[0][1] if self._slots else 0
            headers = {"Authorization": f"Bearer {bearer(token)}"} if bearer else {}
            if self.fence and method != "GET":
                self._await_slot(early_s=FENCE_S)
                self.fence()
            self._await_slot()
            is_lost = self._slots and self.clock() > self._slots[0][2]
            if self._held_until == pause_ends and not is_lost:
                self._slots = self._slots[1:]
                return token, headers
            self._slots = []  # this process was too slow, or the answer to another request has asked for a pause

    def _reserve(self, what: str, slots: int = 1) -> None:
        """Reserve slots for the next requests, unless there are some left."""
        if self.budget is None or self._slots:
            return
        patience = self.max_retry_after_s * (2 if self._begun else 1)
        try:
            reserved = self.budget.reserve(min(patience, self._time_left(what)), slots)
        except RateLimited as limited:
            self.leave_waiting(what, limited, who="The request budget")
        now = self.clock()
        first, *rest = [(now + slot.wait_s, slot.token, now + slot.wait_s + slot.late_s) for slot in reserved]
        # What the first request has read must not become old, so the next one goes even if it is late.
        self._slots = [first, *((at, token, math.inf) for at, token, _ in rest)]
        self._begun = True

    def _await_pause(self, what: str) -> None:
        """Sleep until the end of a pause that the answer to another request asked for."""
        wait = self._held_until - self.clock()
        if wait > self.max_retry_after_s + 0.1 or self.clock() + wait >= self.deadline.at:
            self._leave_waiting(what, wait)
        if wait > 0:
            self.sleep(wait)

    def _await_slot(self, early_s: float = 0.0) -> None:
        wait = self._slots[0][0] - early_s - self.clock() if self._slots else 0.0
        if wait > 0:
            self.sleep(wait)

    def _back_off(self, what: str, failures: int, reason: str, *, at_least: float = 0.0) -> int:
        """Sleep for an exponentially growing time with full jitter, and return the number of failures so far."""
        failures += 1
        wait = at_least + self.jitter() * min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** (failures - 1))
        if at_least > self.max_retry_after_s:
            self._leave_waiting(what, at_least)
        if failures >= MAX_ATTEMPTS or self.clock() + wait >= self.deadline.at:
            raise GenesysUnavailable(
                f"Genesys failed at {what}: {reason} at attempt {failures}. "
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
        """Sleep for as long as Genesys asks. Raises RateLimited if the state machine must wait instead."""
        is_last = limited >= (MAX_ATTEMPTS if asked is None else MAX_PAUSES)
        if self.budget and self.budget.has_others() and asked and not is_last:
            return  # the next slot is that of another token, or comes after the pause
        if asked is None:
            wait = self.jitter() * min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2**limited)
        else:
            wait = asked + self.jitter() * 0.1  # later than asked, never earlier
        self._held_until = max(self._held_until, self.clock() + wait)
        if is_last:
            self._leave_waiting(what, None)
        if wait > self.max_retry_after_s + 0.1 or self.clock() + wait >= self.deadline.at:
            self._leave_waiting(what, asked)
        logger.info("Genesys limits the rate, sleeping", request=what, wait_s=round(wait, 3))
        self.sleep(wait)

    def leave_waiting(self, what: str, limited: RateLimited, who: str) -> NoReturn:
        """Raise the rate limit that `who` reports for this request: RateLimited or WaitTooLong, as `send` does."""
        self._leave_waiting(what, None if limited.details.get("guessed") else limited.details["retry_after_s"], who)

    def _leave_waiting(self, what: str, asked: float | None, who: str = "Genesys") -> NoReturn:
        """Let the state machine wait. `asked` is None if the length of the wait is unknown."""
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
        """Return about as long as the run has taken so far. Waits double that way, without a counter in the states."""
        taken = 0.0 if self.deadline.since is None else now - self.deadline.since
        return math.ceil((0.5 + self.jitter() / 2) * min(max(taken, FIRST_WAIT_S), LONGEST_WAIT_S))


@cache
def shared_session() -> requests.Session:
    """Return the one connection pool of a process."""
    return new_session()


def new_session() -> requests.Session:
    """Return the session that all threads of a process share.

    Of a session, only its cookies change with an answer, and they are not safe for threads
    (https://github.com/psf/requests/issues/2766). So it takes none; Genesys needs none. The pool behind it is safe. It
    keeps a connection for each thread, because it closes those that it has no room for.
    """
    # It warns of broken headers with the whole address, and the addresses of chats and of reports are secrets.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    session = requests.Session()
    session.trust_env = False  # a .netrc would replace the token
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", HTTPAdapter(pool_maxsize=MAX_THREADS))
    session.mount("http://", HTTPAdapter(pool_maxsize=MAX_THREADS))
    return session


def _done() -> requests.Response:
    """Return the answer to a write that has proved to be applied."""
    response = requests.Response()
    response.status_code = requests.codes.no_content
    return response


def is_limit(status: int, body: Mapping[str, Any]) -> bool:
    """Tell a rate limit from other answers: 429, or 400 from a login host.

    The login host's 400 is OAuth's `invalid_request` with the description "rate limit exceeded; ...". Genesys's own
    Terraform provider recognises it by that text in any field.
    """
    descriptions = (body.get(key) for key in ("error", "error_description", "description", "message"))
    is_login = "error" in body or body.get("code") == "invalid_request"
    mentions_limit = is_login and any(isinstance(text, str) and bool(_LIMITED.search(text)) for text in descriptions)
    return status == _HTTP_TOO_MANY or (status == _HTTP_BAD_REQUEST and mentions_limit)


def requested_pause_s(headers: Mapping[str, str], body: Mapping[str, Any], *, now: float) -> float | None:
    """Return the seconds that a rate limit asks to wait, or None if it names no time.

    Retry-After comes first, then the text of the body, then `inin-ratelimit-reset`: the seconds until all requests
    of the token's minute are free again.
    """
    if (pause := retry_after_s(headers, now=now)) is not None:
        return pause
    for key in ("message", "error_description", "description"):
        if match := _RETRY_IN.search(str(body.get(key, ""))):
            return float(match[1])
    reset = seconds_of(headers.get("inin-ratelimit-reset", ""))
    return min(reset, LONGEST_RESET_S) if reset else None


def refusal_details(response: requests.Response, *secrets: str) -> dict[str, str]:
    """Return code, message and correlation id of an error answer, short enough for a record.

    The result goes into logs and records, so `secrets` that the answer repeats are hidden.
    """
    body = _object(response)
    details = {
        "genesys_code": body.get("code") or body.get("error"),
        "genesys_message": body.get("message") or body.get("error_description") or body.get("description"),
        "correlation_id": response.headers.get("ININ-Correlation-Id") or body.get("contextId"),
    }
    return {key: _presentable(value, secrets) for key, value in details.items() if isinstance(value, str)}


def _refusal_body(response: requests.Response, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of an answer that may be a rate limit. The body of a stream is not read: it may be huge."""
    if response.status_code not in {_HTTP_BAD_REQUEST, _HTTP_TOO_MANY} or parts.get("stream"):
        return {}
    return _object(response)


def _object(response: requests.Response) -> dict[str, Any]:
    """Return the JSON object in the body of an answer, empty if there is none."""
    try:
        body = response.json()
    except (requests.JSONDecodeError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _presentable(text: str, secrets: Collection[str]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "[hidden]")
    return "".join(c for c in text[:300] if c.isprintable())
