"""Faults of DynamoDB that a test asks for. A stack without rules passes every call on."""

from __future__ import annotations

import io
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Literal, TypedDict, assert_never

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/faults-of-dynamodb"
"""PUT sets the rules, GET returns how often each one was met."""
LATE_S = 0.35
_TARGET, _CONTENT = "DynamoDB_20120810.", "application/x-amz-json-1.0"
_TYPES = "com.amazonaws.dynamodb.v20120810#"


class Rule(TypedDict):
    operation: str
    """Such as PutItem."""
    mentions: list[str]
    """Texts that the request has, such as the name of a table and a key."""
    action: Literal["refuse", "throttle", "fail", "lose the answer", "answer late"]
    """`refuse`: the condition does not hold. `fail`: a server error. `lose the answer`: a server error, although the
    write is done. `answer late`: after LATE_S."""
    skip: int
    """How many calls pass before."""
    times: int
    """How many calls are met."""


class Faults:
    """A WSGI application that passes calls on to `app`, except those that a rule is for."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._met: list[int] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == PATH:
            return self._answer(environ)(environ, start_response)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        rule = self._rule(environ, target.removeprefix(_TARGET)) if self._rules and target.startswith(_TARGET) else None
        if rule is None:
            return self._app(environ, start_response)
        match rule["action"]:
            case "refuse":
                kind, status = "ConditionalCheckFailedException", 400
            case "throttle":
                kind, status = "ProvisionedThroughputExceededException", 400
            case "fail":
                kind, status = "InternalServerError", 500
            case "lose the answer":
                b"".join(self._app(environ, lambda *_: None))
                kind, status = "InternalServerError", 500
            case "answer late":
                time.sleep(LATE_S)
                return self._app(environ, start_response)
            case unreachable:
                assert_never(unreachable)
        body = json.dumps({"__type": _TYPES + kind, "message": "A test asked for this fault."})
        return Response(body, status, content_type=_CONTENT)(environ, start_response)

    def _answer(self, environ: dict[str, Any]) -> Response:
        with self._lock:
            if environ["REQUEST_METHOD"] == "PUT":
                self._rules = json.loads(_body(environ))
                self._met = [0] * len(self._rules)
            return Response(json.dumps(self._met), content_type="application/json")

    def _rule(self, environ: dict[str, Any], operation: str) -> Rule | None:
        body = _body(environ).decode()
        with self._lock:
            for number, rule in enumerate(self._rules):
                if rule["operation"] != operation or not all(text in body for text in rule["mentions"]):
                    continue
                if rule["skip"]:
                    rule["skip"] -= 1
                elif self._met[number] < rule["times"]:
                    self._met[number] += 1
                    return rule
        return None


def _body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body
