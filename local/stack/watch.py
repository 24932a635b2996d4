"""Looks for planted secrets (`local/planted.py`) in everything that a stack writes.

A watch sees every request to an AWS service when it is sent: an item, an object, a message and an event are seen even
if they are deleted later. It sees every event and answer of a function, so every response and error of the API, and at
the end the functions' log with its metrics, and the history of every execution.

Secrets have places where they belong: `BELONGS`. It is short, and each line has a reason.
"""

from __future__ import annotations

import io
import json
import threading
import uuid
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from local.planted import MARK, found_in
from local.stack.iam import calls, credential_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


BELONGS = (
    ("secretsmanager:* *", "*", "its purpose"),
    ("event of *", "task-token", "Step Functions gives a task its token"),
    ("lambda:InvokeFunction *", "task-token", "the same, as a request"),
    ("history of *", "task-token", "Step Functions records the input of that task"),
    ("states:SendTask* *", "task-token", "whoever ends the wait names the token"),
    ("dynamodb:* */ApprovalsTable", "task-token", "a run that waits for approval keeps the token of its wait"),
    ("dynamodb:* */FleetsTable", "task-token", "a fleet that is held keeps the token of its wait"),
    ("dynamodb:* */SessionsTable", "access-token", "the desk calls the API with the token of who signed in"),
    ("answer of FleetsFunction", "aws-session", "the address of an upload is signed with the role's session"),
    ("answer of EvidenceFunction", "aws-session", "so is the address of an export"),
    ("answer of DeskFunction", "aws-session", "a page has the address of an export as a link"),
)
"""Place, kind of secret, and why it may be there."""
PLACES = (
    "dynamodb",
    "s3",
    "sqs",
    "events",
    "states",
    "scheduler",
    "event of",
    "answer of",
    "history of",
    "log",
    "received by",
)
"""What a run of all tests must have looked at."""
UNPLANTED = {"client_id", "expires_at", "refresh_at", "expires_in", "slack_channel", "slack_api_url"}
"""Fields of secrets that are no secrets."""
PUBLIC = {"demo-client-secret"}
"""A value in Secrets Manager that anybody may know: that of the simulator's default client."""


class Watch:
    """What was found where it does not belong, by place and kind, and how often each sort of place was looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], str] = {}
        self._unplanted: set[str] = set()
        self._looked: Counter[str] = Counter()

    def look(self, sort: str, place: Callable[[], str], data: bytes) -> None:
        """Look at data. `place` names the place, if that is needed; it begins with `sort`."""
        found = found_in(data)
        with self._lock:
            self._looked[sort] += 1
            for kind, excerpt in found:
                where = place()
                if not any(fnmatchcase(where, pattern) and fnmatchcase(kind, of) for pattern, of, _ in BELONGS):
                    self._found.setdefault((where, kind), excerpt)

    def look_at_invocation(self, function: str, payload: bytes, trace: str, answer: bytes) -> None:
        """Look at event, trace header and answer. The headers and the query of an HTTP request are its caller's."""
        if MARK.encode() in payload and b'"routeKey"' in payload:
            event = json.loads(payload)
            payload = json.dumps([event.get("body"), event.get("rawPath")]).encode()
        self.look("event of", lambda: f"event of {function}", payload + trace.encode())
        self.look("answer of", lambda: f"answer of {function}", answer)

    def look_at_history(self, machine: str, history: str) -> None:
        self.look("history of", lambda: f"history of {machine}", history.encode())

    def look_at_secret(self, name: str, text: str) -> None:
        """Note a secret whose value is not planted: a search would not find it."""
        with self._lock:
            for field, value in _leaves(json.loads(text), ""):
                if MARK not in value and value not in PUBLIC and field not in UNPLANTED:
                    self._unplanted.add(f"{name}: {field}")

    def look_at_log(self, log: Path) -> None:
        self.look("log", lambda: "log of the functions", log.read_bytes())

    def write(self, folder: Path) -> None:
        """Write what was found to a new file in `folder`, for `tests/support/leaks.py`."""
        found = [f"{where}: {kind}: {excerpt}" for (where, kind), excerpt in sorted(self._found.items())]
        report = {"found": found, "unplanted": sorted(self._unplanted), "looked": self._looked}
        (folder / f"{uuid.uuid4()}.watch").write_text(json.dumps(report), encoding="utf-8")


class Watched:
    """A WSGI application that looks at each request and passes it on to `app`."""

    def __init__(self, app: Any, watch: Watch) -> None:
        self._app = app
        self._watch = watch

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if (signed := credential_of(environ)) is not None:
            _, region, service = signed
            body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            if service == "secretsmanager" and b"SecretString" in body:
                request = json.loads(body)
                self._watch.look_at_secret(request.get("Name") or request["SecretId"], request["SecretString"])
            for part in _parts(environ, body):

                def place(part: bytes = part) -> str:
                    return " ".join(f"{call.action} {call.resource}" for call in calls(service, region, environ, part))

                self._watch.look(service, place, environ["PATH_INFO"].encode() + part)
        return self._app(environ, start_response)


def _parts(environ: Mapping[str, Any], body: bytes) -> list[bytes]:
    """Return a request, or each item of a transaction as a request: a secret may belong in one of its tables only."""
    if not environ.get("HTTP_X_AMZ_TARGET", "").endswith(".TransactWriteItems") or not found_in(body):
        return [body]
    return [json.dumps({"TransactItems": [item]}).encode() for item in json.loads(body)["TransactItems"]]


def _leaves(value: Any, field: str) -> Iterator[tuple[str, str]]:
    """Return the texts in a JSON document with the names of their fields."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, field)
    elif isinstance(value, str):
        yield field, value
