"""Contract `score`: webhooks about changes in queues, sent asynchronously, signed as in docs/administer/webhooks.md."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import queue
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local.genesys.wire import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.genesys.organisation import Document

EVENTS = ("routing.queue.updated", "routing.queueMember.updated")
ATTEMPTS = 5
_FIELDS: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str) and bool(value),
    "description": lambda value: isinstance(value, str),
    "enabled": lambda value: isinstance(value, bool),
    "endpointUrl": lambda value: isinstance(value, str) and urlsplit(value).scheme in {"http", "https"},
    "events": lambda value: isinstance(value, list) and bool(value) and all(event in EVENTS for event in value),
}
_MADE_HERE = {"id", "dateCreated"}


class Webhooks(dict[str, "Document"]):
    """The webhooks by id. Two webhooks may have the same name."""

    def put(self, webhook_id: str | None, body: Document) -> Document:
        """Create a webhook, or replace the fields that people write."""
        given = {name: value for name, value in body.items() if name not in _MADE_HERE}
        wrong = [name for name, kind in _FIELDS.items() if name not in given or not kind(given[name])]
        if wrong or given.keys() - _FIELDS:
            raise ApiError(400, "bad.request", f"Wrong: {', '.join(sorted([*wrong, *given.keys() - _FIELDS.keys()]))}.")
        made = {"id": webhook_id or f"webhook-{len(self) + 1}", "dateCreated": "2026-01-01T00:00:00Z"}
        self[made["id"]] = made | given
        return self[made["id"]]

    def wanting(self, event_type: str) -> list[str]:
        """The destination of an event."""
        return [hook["endpointUrl"] for hook in self.values() if hook["enabled"] and event_type in hook["events"]]


class Sender:
    """Delivers events one after another, from its own thread, which the first event starts."""

    def __init__(self, secret: Callable[[], str]) -> None:
        self._secret = secret
        self._events: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def send(self, url: str, event: Document) -> None:
        if not self._thread.ident:
            self._thread.start()
        self._events.put((url, json.dumps(event).encode()))

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident:
            self._events.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (item := self._events.get()) and not self._closing.is_set():
            delivery = str(uuid.uuid4())
            for attempt in range(ATTEMPTS):
                if self._taken(*item, delivery) or self._closing.wait(0.1 * 2**attempt):
                    break

    def _taken(self, url: str, body: bytes, delivery: str) -> bool:
        parts, timestamp = urlsplit(url), str(int(time.time()))
        digest = hmac.new(self._secret().encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Webhook-Timestamp": timestamp,
            "X-Webhook-Id": delivery,
            "X-Webhook-Signature": f"sha256={digest}",
        }
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=10)
        try:
            connection.request("POST", parts.path or "/", body, headers)
            return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, http.client.HTTPException):  # nobody answers: it is sent again
            return False
        finally:
            connection.close()
