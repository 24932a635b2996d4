"""The simulator: one lock around the organisation, the request log, the faults and the settings."""

from __future__ import annotations

import copy
import json
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self

from local.genesys import score
from local.genesys.faults import Fault
from local.genesys.organisation import Organisation, agents, check_member_fields, member
from local.genesys.server import Server
from local.genesys.settings import Settings
from local.genesys.tokens import Clock
from local.genesys.wire import ApiError, Change, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

_QUEUE_KEYS = {"agents", "off_queue", "unjoined", "initial_score", "members", "queue"}


@dataclass(slots=True)
class LogEntry:
    """One request; `answered` is None while it is under way, `status` also when nothing was sent.

    `monotonic` (arrival), `answered` and `retry_after_until` are in the simulator's clock; `token` is a
    number that stands for the bearer token. A request is early when it arrives after `answered` and before
    `retry_after_until` of another with the same `token`.
    """

    index: int
    monotonic: float
    wall: float
    method: str
    path: str
    query: str
    body: Any
    token: int | None
    idempotency_key: str | None
    fault: str | None
    status: int | None = None
    answered: float | None = None
    retry_after_until: float | None = None


class GenesysSimulator:
    """A Genesys organisation on a loopback port, for `with` or for `start()` and `close()`.

    Settings are given as one object or as keyword arguments. Raises OSError when the port is taken.
    `clock` returns seconds and never goes back; `sleep` is called for latency and delays, with no lock held.
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
        self._closing = threading.Event()
        self._sleep = sleep or self._closing.wait
        self._clock = Clock(clock, time.time())
        self._organisation = Organisation(settings, self._clock)
        self._log: list[LogEntry] = []
        self._faults: list[Fault] = []
        mix = ("agents", "off_queue", "unjoined", "initial_score")
        self.put_queue(settings.queue_id, **{name: getattr(settings, name) for name in mix})
        self._server = Server(settings.host, settings.port, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="genesys")

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def settings(self) -> Settings:
        return self._organisation.settings

    def start(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening, end waits and open connections, and return when every thread has ended."""
        self._closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.close_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def answer(self, request: Request, context_id: str | None = None) -> Reply | None:
        """Answer as the platform would, faults included; None means: close the connection without a reply."""
        with self._lock:
            fault = next((rule for rule in self._faults if rule.fires(request.method, request.path)), None)
            entry = self._open_entry(request, fault)
            wait = self.settings.latency_ms / 1000 + (fault.delay_s if fault else 0)
        if wait:
            self._sleep(wait)
        with self._lock:
            self._organisation.settle()
            reply = self._handle(request, fault, context_id or str(uuid.uuid4()))
            entry.answered = self._clock.now()
            if reply:
                entry.status = reply.status
                entry.retry_after_until = self._until(reply.headers.get("Retry-After"), entry.answered)
        return reply

    def state(self) -> dict[str, Any]:
        """Return `{queues: {id: {queue, members: [...]}}, replays, tokens_issued}`, as applied by now."""
        with self._lock:
            held = self._organisation
            held.settle()
            queues = {
                queue_id: {"queue": queue, "members": list(held.members(queue_id).values())}
                for queue_id, queue in held.queues.items()
            }
            return copy.deepcopy({"queues": queues, "replays": held.replays, "tokens_issued": len(held.tokens)})

    def put_queue(self, queue_id: str, **spec: Any) -> None:
        """Create or replace a queue.

        Keys: `agents`, `off_queue`, `unjoined`, `initial_score`, or a list of `members` instead; and `queue`,
        fields of the queue itself. Raises ValueError.
        """
        if unknown := sorted(spec.keys() - _QUEUE_KEYS):
            raise ValueError(f"unknown key: {', '.join(unknown)}")
        queue = spec.pop("queue", {})
        if not isinstance(queue, dict) or "id" in queue or not isinstance(queue.get("version", 1), int):
            raise ValueError("queue must be an object of fields, without an id")
        if "members" in spec:
            if len(spec) > 1 or not isinstance(spec["members"], list):
                raise ValueError("members must be a list, without agents and their mix")
            members = [member(given) for given in spec["members"]]
        else:
            mix = Settings(**spec)
            members = agents(mix.agents, off_queue=mix.off_queue, unjoined=mix.unjoined, score=mix.initial_score)
        with self._lock:
            self._organisation.put_queue(queue_id, copy.deepcopy(queue), copy.deepcopy(members))

    def edit_queue(self, queue_id: str, **fields: Any) -> None:
        """Change fields of a queue as people do. Raises ValueError, or ApiError for no such queue."""
        if {"id", "version", "dateModified"} & fields.keys():
            raise ValueError("id, version and dateModified are not edited by people")
        self._edit(Change(queue_id, None, copy.deepcopy(fields)))

    def edit_member(self, queue_id: str, user_id: str, **fields: Any) -> None:
        """Change fields of a member as people do, sum rule aside. Raises as edit_queue does."""
        self._edit(Change(queue_id, user_id, copy.deepcopy(check_member_fields(fields))))

    def requests(self) -> list[dict[str, Any]]:
        """Return the log, oldest first, as dictionaries shaped like LogEntry."""
        with self._lock:
            return [asdict(entry) for entry in self._log]

    def clear_requests(self) -> None:
        with self._lock:
            self._log.clear()

    def add_faults(self, *rules: dict[str, Any]) -> None:
        """Add rules, all or none; their keys are the fields of Fault. Raises ValueError."""
        faults = [Fault.parse(rule) for rule in rules]
        with self._lock:
            self._faults.extend(faults)

    def clear_faults(self) -> None:
        with self._lock:
            self._faults.clear()

    def revoke_tokens(self) -> None:
        with self._lock:
            self._organisation.tokens.revoke_all()

    def change_settings(self, **changes: Any) -> None:
        """Change settings from the next request on. Raises ValueError."""
        with self._lock:
            self._organisation.settings = self.settings.changed(**changes)

    def _edit(self, change: Change) -> None:
        with self._lock:
            self._organisation.settle()
            self._organisation.apply(change)

    def _handle(self, request: Request, fault: Fault | None, context_id: str) -> Reply | None:
        action = fault.action if fault else None
        if action == "reset_before":
            return None
        if fault and fault.status:
            canned = ApiError(fault.status, "simulated.fault", "A scripted fault.", headers=fault.headers)
            reply = canned.reply(context_id)
            return reply if fault.body is None else replace(reply, body=_raw(fault.body))
        if action == "revoke_tokens":
            self._organisation.tokens.revoke_all()
        if action == "repeat_page":
            kept = [part for part in request.query.split("&") if not part.startswith(("page=", "pageNumber="))]
            request = replace(request, query="&".join(kept))
        try:
            reply = self._commit(request, score.handle(self._organisation, request), dropped=action == "drop")
        except ApiError as error:
            reply = error.reply(context_id)
        if action == "malformed":
            reply = replace(reply, body=b'{"entities": [')
        return None if action == "reset_after" else reply

    def _commit(self, request: Request, reply: Reply, *, dropped: bool) -> Reply:
        """Carry out the write that a reply promises, and keep the outcome for its idempotency key."""
        if reply.change is None:
            return reply
        delay = self.settings.apply_delay_s
        if not dropped and delay:
            self._organisation.apply_later(reply.change, delay)
        elif not dropped:
            self._organisation.apply(reply.change)
        reply = Reply(202) if delay else replace(reply, change=None)
        if request.idempotency_key:
            self._organisation.remember(request.path, request.idempotency_key, reply)
        return reply

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
            idempotency_key=request.idempotency_key,
            fault=fault.action if fault else None,
        )
        self._log.append(entry)
        return entry

    def _until(self, retry_after: str | None, now: float) -> float | None:
        """Turn a Retry-After header, seconds or date, into the time in our clock that it forbids."""
        if retry_after is None:
            return None
        if retry_after.isdecimal():
            return now + int(retry_after)
        try:
            return now + parsedate_to_datetime(retry_after).timestamp() - self._clock.wall(now)
        except ValueError:
            return None


def _raw(body: Any) -> Any:
    return body.encode() if isinstance(body, str) else body


def _loggable(request: Request) -> Any:
    """Return the body for the log: parsed if it is JSON, text if not, and never a secret."""
    try:
        body = json.loads(request.body) if request.body else None
    except (ValueError, RecursionError):
        body = request.body.decode(errors="replace")
    if "oauth" not in request.path:
        return body
    public = ("grant_type", "client_id", "scope")
    return {name: body[name] for name in public if name in body} if isinstance(body, dict) else None
