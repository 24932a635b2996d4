"""The simulator: one lock around the organisation, the request log, the faults and the settings."""

from __future__ import annotations

import copy
import math
import random
import re
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, fields, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs

from local.genesys import platform, score
from local.genesys.faults import CHANGES, PASSING, Fault
from local.genesys.platform_organisation import PlatformOrganisation
from local.genesys.score_organisation import ScoreOrganisation
from local.genesys.server import Server
from local.genesys.settings import DEFAULT_PERMISSIONS, Settings
from local.genesys.tokens import Client, Clock
from local.genesys.webhooks import Sender
from local.genesys.wire import ApiError, Reply, Request, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.genesys.organisation import Organisation

_CONTRACTS: dict[str, tuple[type[Organisation], Callable[[Any, Request], Reply]]] = {
    "platform": (PlatformOrganisation, platform.handle),
    "score": (ScoreOrganisation, score.handle),
}
_FORM = "application/x-www-form-urlencoded"
_NO_SECRET = ("grant_type", "client_id", "scope")


@dataclass(slots=True)
class LogEntry:
    """A request. `answered` is None while it is under way. `status` is None, too, if no answer was sent.

    `monotonic` (arrival), `answered` and `retry_after_until` are times of the simulator's clock. `token` is a number
    that stands for the bearer token, `authorization` is the scheme of the credentials. A request is early if it arrives
    after `answered` and before `retry_after_until` of another request with the same `token`.
    """

    index: int
    monotonic: float
    wall: float
    method: str
    path: str
    query: str
    body: Any
    token: int | None
    authorization: str | None
    content_type: str | None
    idempotency_key: str | None
    correlation_id: str | None
    fault: str | None
    status: int | None = None
    answered: float | None = None
    retry_after_until: float | None = None


_FIELDS = [field.name for field in fields(LogEntry)]


class GenesysSimulator:
    """A Genesys organisation on a loopback port, for `with` or for `start()` and `close()`.

    Settings are one object or keyword arguments. Raises OSError if the port is taken. `clock` returns seconds and
    never goes back. `sleep` is called for latency and delays, without any lock.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        **overrides: Any,
    ) -> None:
        settings = replace(settings or Settings(), **overrides)
        self._lock = threading.Lock()
        self._woken = threading.Condition(self._lock)
        self._closing = False
        self._sleep = sleep
        self._clock = Clock(clock, time.time())
        organisation, self._respond = _CONTRACTS[settings.contract]
        self._organisation = organisation(settings, self._clock)
        self._log: list[LogEntry] = []
        self._in_flight = 0
        self._peaks = {"in_flight": 0, "connections": 0}
        self._faults: list[Fault] = []
        self._repeats: Counter[str] = Counter()
        self.put_queue(settings.queue_id, **{name: getattr(settings, name) for name in organisation.mix})
        self._sender = Sender(lambda: self.settings.webhook_secret)
        self._organisation.tell = self._sender.send
        self._server = Server(settings.host, settings.port, self)
        self._organisation.url = self.url
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="genesys")

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def settings(self) -> Settings:
        return self._organisation.settings

    def wall_time(self) -> float:
        """Return the seconds since 1970 by the simulator's clock."""
        return self._clock.wall(self._clock.now())

    def start(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening, end waits and open connections, and return once every thread has ended."""
        with self._lock:
            self._closing = True
            self._woken.notify_all()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._sender.close()
        self._server.close_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def answer(self, request: Request, context_id: str | None = None) -> Reply | None:
        """Answer as the platform would, with faults. None: close the connection without a reply."""
        with self._lock:
            fired = (rule for rule in self._faults if rule.fires(request.method, request.path))
            fault = next(fired, None) or self._flake(request)
            entry = self._open_entry(request, fault)
            wait = self.settings.latency_ms / 1000 + (fault.delay_s if fault else 0)
            self._in_flight += 1
            self._note_peaks()
        if wait and self._sleep:
            self._sleep(wait)
        with self._lock:
            if wait and not self._sleep:
                self._woken.wait_for(lambda: self._closing or (fault is not None and fault.lifted), wait)
            self._in_flight -= 1
            self._organisation.settle()
            reply = self._handle(request, fault, context_id or str(uuid.uuid4()))
            entry.answered = self._clock.now()
            if reply:
                entry.status = reply.status
                entry.retry_after_until = self._until(_wait_of(reply), entry.answered)
        return reply

    def state(self) -> dict[str, Any]:
        """Return the applied state: `{queues: {id: {queue, members: [...]}}, replays, tokens_issued}`.

        Contract score adds `webhooks: {id: {...}}`, platform `users: {id: {skills: [...]}}` and `skills: {id: {...}}`.
        """
        with self._lock:
            self._organisation.settle()
            return copy.deepcopy(self._organisation.state())

    def state_of(self, queue_id: str) -> dict[str, Any]:
        """Return `{queue, members: [...]}` of one queue, as `state()` does. Raises ApiError for no such queue."""
        with self._lock:
            self._organisation.settle()
            return copy.deepcopy(self._organisation.state_of(queue_id))

    def put_queue(self, queue_id: str, **spec: Any) -> None:
        """Create or replace a queue. Raises ValueError.

        Keys: `agents`, `off_queue`, `unjoined`, and under contract score `initial_score`; or a list of `members`
        instead. `queue` has fields of the queue itself. Under contract platform, `skills` is a list of
        `{id, name?, state?, division?, proficiency?, assignment?}`: skills of the organisation. With a `proficiency`,
        every member gets the skill, and `assignment` is the state of the assignment.

        A member is `{user: {id, name?, email?, state?}, …}`. Its `routingStatus` is any object, or null, or `absent`
        for a member that is listed without one.
        """
        with self._lock:
            self._organisation.settle()
            self._organisation.put_queue(queue_id, copy.deepcopy(spec))

    def edit_queue(self, queue_id: str, **fields: Any) -> None:
        """Change fields of a queue as people do. Raises ValueError, or ApiError for an unknown queue."""
        with self._lock:
            self._organisation.settle()
            self._organisation.edit_queue(queue_id, copy.deepcopy(fields))

    def edit_member(self, queue_id: str, user_id: str, **fields: Any) -> None:
        """Change fields of a member as people do, without the sum rule. Raises as edit_queue does."""
        with self._lock:
            self._organisation.settle()
            self._organisation.edit_member(queue_id, user_id, copy.deepcopy(fields))

    def add_member(self, queue_id: str, **spec: Any) -> None:
        """Add a member, specified as in `put_queue`. Raises as edit_queue does."""
        with self._lock:
            self._organisation.settle()
            self._organisation.add_member(queue_id, copy.deepcopy(spec))

    def remove_member(self, queue_id: str, user_id: str) -> None:
        """Remove a member from a queue. Raises as edit_queue does."""
        with self._lock:
            self._organisation.settle()
            self._organisation.remove_member(queue_id, user_id)

    def edit_user(self, user_id: str, **fields: Any) -> None:
        """Change the `name` or the `state` of a user: active, inactive or deleted. Raises as edit_queue does."""
        with self._lock:
            self._organisation.settle()
            self._organisation.edit_user(user_id, fields)

    def edit_skill(self, user_id: str, skill_id: str, proficiency: float | None, state: str | None = None) -> None:
        """Give a user a proficiency as people do. None removes the skill. Raises as edit_queue does.

        `state` is that of the assignment.
        """
        with self._lock:
            self._organisation.settle()
            self._organisation.edit_skill(user_id, skill_id, proficiency, state)

    def edit_organisation_skill(self, skill_id: str, **fields: Any) -> None:
        """Change `name`, `state` or `division` of a skill of the organisation. Raises as edit_queue does."""
        with self._lock:
            self._organisation.settle()
            self._organisation.edit_organisation_skill(skill_id, copy.deepcopy(fields))

    def put_person(self, user_id: str, **spec: Any) -> None:
        """Create or replace a person who signs in, under contract platform: see platform_people. Raises ValueError."""
        with self._lock:
            self._organisation.put_person(user_id, copy.deepcopy(spec))

    def user_token(self, user_id: str) -> str:
        """Return a new token of a person, as a sign-in gives it. Raises ValueError if there is no such person."""
        with self._lock:
            return self._organisation.user_token(user_id)

    def put_analytics(self, **spec: Any) -> None:
        """Replace the analytics, under contract platform: see platform_analytics. Raises ValueError."""
        with self._lock:
            self._organisation.put_analytics(copy.deepcopy(spec))

    def events(self) -> list[dict[str, Any]]:
        """Return the events published under contract platform, oldest first: see platform_events."""
        with self._lock:
            self._organisation.settle()
            return copy.deepcopy(list(self._organisation.events))

    def clear_events(self) -> None:
        with self._lock:
            self._organisation.events.clear()

    def requests(self, since: float = -math.inf) -> list[dict[str, Any]]:
        """Return the log of all arrivals since a time of the clock, oldest first, as dictionaries like LogEntry."""
        with self._lock:
            entries = (entry for entry in self._log if entry.monotonic >= since)
            return [{name: getattr(entry, name) for name in _FIELDS} for entry in entries]

    def clear_requests(self) -> None:
        """Forget the log, and the peaks."""
        with self._lock:
            self._log.clear()
            self._peaks = dict.fromkeys(self._peaks, 0)

    def peaks(self) -> dict[str, int]:
        """Return the most requests that were under way at once, and the most connections that had sent one.

        Since the last `clear_requests`. Control requests do not count.
        """
        with self._lock:
            return dict(self._peaks)

    def _note_peaks(self) -> None:
        now = {"in_flight": self._in_flight, "connections": len(self._server.in_use)}
        self._peaks = {name: max(most, now[name]) for name, most in self._peaks.items()}

    def add_faults(self, *rules: dict[str, Any]) -> list[Fault]:
        """Add fault rules, all or none, and return them. Their keys are the fields of Fault. Raises ValueError."""
        faults = [Fault.parse(rule) for rule in rules]
        checks = {"edit": self._organisation.check_edit, "add_member": self._organisation.check_member}
        for fault in faults:
            if check := checks.get(fault.action):
                check(fault.body)
        with self._lock:
            self._faults.extend(faults)
        return faults

    def lift_faults(self, faults: list[Fault]) -> None:
        """End rules that `add_faults` returned. A request that waits for one of them is answered now."""
        with self._lock:
            for fault in faults:
                fault.times, fault.lifted = 0, True
            self._woken.notify_all()

    def clear_faults(self) -> None:
        with self._lock:
            self._faults.clear()

    def revoke_tokens(self) -> None:
        with self._lock:
            self._organisation.tokens.revoke_all()

    def put_client(self, client_id: str, secret: str, permissions: str = DEFAULT_PERMISSIONS) -> None:
        """Create or replace an OAuth client, as an administrator does."""
        with self._lock:
            self._organisation.put_client(Client(client_id, secret, permissions))

    def change_settings(self, **changes: Any) -> None:
        """Change settings from the next request on. Raises ValueError."""
        with self._lock:
            self._organisation.settings = self.settings.changed(**changes)

    def _handle(self, request: Request, fault: Fault | None, context_id: str) -> Reply | None:
        action = fault.action if fault else None
        if action == "reset_before":
            return None
        if fault and action in ("status", "conflict", "outdated"):
            return _canned(fault, context_id)
        if action == "revoke_tokens":
            self._organisation.tokens.revoke_all()
        if fault and action in CHANGES:
            self._change_queue_of(request, fault)
        if action == "repeat_page":
            kept = [part for part in request.query.split("&") if not part.startswith(("page=", "pageNumber="))]
            request = replace(request, query="&".join(kept))
        try:
            reply = self._commit(request, self._respond(self._organisation, request), dropped=action == "drop")
        except ApiError as error:
            reply = error.reply(context_id)
        return _spoilt(reply, action, context_id)

    def _flake(self, request: Request) -> Fault | None:
        """Draw the temporary fault, if any, of this request. The n-th request of a kind gets the same in every run."""
        share, kind = self.settings.flaky, f"{request.method} {request.path}"
        if not share or request.segments[:3] not in (["api", "v2", "routing"], ["api", "v2", "users"]):
            return None
        self._repeats[kind] += 1
        draw = random.Random(f"{self.settings.seed} {kind} {self._repeats[kind]}")  # noqa: S311 - no secret
        if draw.random() >= share:
            return None
        return Fault(action=draw.choice(list(PASSING)) if request.method != "GET" else "timeout")

    def _change_queue_of(self, request: Request, fault: Fault) -> None:
        match request.segments:
            case ["api", "v2", "routing", "queues", queue_id, *_] if queue_id in self._organisation.queues:
                organisation, body = self._organisation, copy.deepcopy(fault.body)
                if fault.action == "edit":
                    organisation.edit_queue(queue_id, body)
                elif fault.action == "add_member":
                    organisation.add_member(queue_id, body)
                elif body["id"] in organisation.members(queue_id):
                    organisation.remove_member(queue_id, body["id"])

    def _commit(self, request: Request, reply: Reply, *, dropped: bool) -> Reply:
        """Carry out the writes that a reply promises."""
        if not reply.changes:
            return reply
        delay = self.settings.apply_delay_s
        for change in () if dropped else reply.changes:
            if delay:
                self._organisation.apply_later(change, delay)
            else:
                self._organisation.apply(change)
        return self._organisation.accepted(request, reply, later=delay > 0)

    def _open_entry(self, request: Request, fault: Fault | None) -> LogEntry:
        now = self._clock.now()
        entry = LogEntry(
            index=len(self._log),
            monotonic=now,
            wall=self._clock.wall(now),
            method=request.method,
            path=request.path,
            query=request.query,
            body=_loggable(request),
            token=self._organisation.tokens.number(request.bearer),
            authorization=request.scheme if request.bearer or request.basic else None,
            content_type=request.content_type or None,
            idempotency_key=request.idempotency_key,
            correlation_id=request.correlation_id,
            fault=fault.action if fault else None,
        )
        self._log.append(entry)
        return entry

    def _until(self, retry_after: str | None, now: float) -> float | None:
        """Return the end of the pause that a Retry-After header, seconds or date, asks for, in our clock."""
        if retry_after is None:
            return None
        if retry_after.isdecimal():
            return now + int(retry_after)
        try:
            return now + parsedate_to_datetime(retry_after).timestamp() - self._clock.wall(now)
        except ValueError:
            return None


def _wait_of(reply: Reply) -> str | None:
    """Return the Retry-After of an answer, or else the seconds in the message of a 429."""
    match = re.search(r"\[(\d+)\] seconds", str(reply.body)) if reply.status == 429 else None  # noqa: PLR2004
    return reply.headers.get("Retry-After", match and match[1])


def _spoilt(reply: Reply, action: str | None, context_id: str) -> Reply | None:
    """Return the answer to a handled request, as the fault spoils it."""
    match action:
        case "malformed":
            return replace(reply, body=b'{"entities": [')
        case "cut":
            return replace(reply, cut=True)
        case "timeout":
            return ApiError(*PASSING[action]).reply(context_id)
        case "reset_after":
            return None
    return reply


def _canned(fault: Fault, context_id: str) -> Reply:
    """Return the answer that a fault gives instead of any other."""
    if fault.status is None:
        return ApiError(*PASSING[fault.action]).reply(context_id)
    reply = ApiError(fault.status, "simulated.fault", "A scripted fault.", headers=fault.headers).reply(context_id)
    body = fault.body.encode() if isinstance(fault.body, str) else fault.body
    return reply if body is None else replace(reply, body=body)


def _loggable(request: Request) -> Any:
    """Return a body for the log: parsed if it is JSON, otherwise text, and never with a secret."""
    is_form = request.content_type == _FORM
    try:
        body = _form(request.body) if is_form else parse_json(request.body) if request.body else None
    except ValueError:
        body = request.body.decode(errors="replace")
    if "oauth" not in request.path:
        return body
    return {name: body[name] for name in _NO_SECRET if name in body} if isinstance(body, dict) else None


def _form(body: bytes) -> dict[str, str]:
    return {name: ",".join(values) for name, values in parse_qs(body.decode(errors="replace")).items()}
