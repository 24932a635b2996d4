"""The messages between the HTTP server and a contract: a request in, a reply out."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qs, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request. `query` is the raw text after the question mark.

    `authorization` is the header. `content_type` is in lower case, without parameters.
    """

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    authorization: str = field(default="", repr=False)
    content_type: str = ""
    idempotency_key: str | None = None
    correlation_id: str | None = None

    @property
    def segments(self) -> list[str]:
        """`/api/v2/x` is `["api", "v2", "x"]`; a doubled slash stays visible as an empty segment."""
        return [unquote(segment) for segment in self.path.split("/")[1:]]

    @property
    def scheme(self) -> str:
        """The scheme of the authorization, in lower case."""
        return self.authorization.partition(" ")[0].lower()

    @property
    def bearer(self) -> str | None:
        return self._credentials("bearer")

    @property
    def basic(self) -> str | None:
        """Client id and secret as HTTP Basic encodes them."""
        return self._credentials("basic")

    def parameters(self, *names: str) -> set[str]:
        """Return the distinct values of these parameters in the query."""
        values = parse_qs(self.query, keep_blank_values=True)
        return {value for name in names for value in values.get(name, [])}

    def json(self) -> Any:
        """Return the parsed body, or raise a 400: NaN, Infinity and endless nesting do not count as JSON."""
        try:
            return parse_json(self.body)
        except ValueError:
            raise ApiError(400, "invalid.json", "The request body is not valid JSON.") from None

    def json_object(self) -> dict[str, Any]:
        body = self.json()
        if not isinstance(body, dict):
            raise ApiError(400, "bad.request", "The request body must be a JSON object.")
        return body

    def _credentials(self, scheme: str) -> str | None:
        return self.authorization.partition(" ")[2].strip() if self.scheme == scheme else None


@dataclass(frozen=True, slots=True)
class Change:
    """An accepted write: fields of a member, or of the queue itself if `user_id` is None.

    With `replaces`, the queue keeps only these fields and its read-only fields.
    """

    queue_id: str
    user_id: str | None
    fields: Mapping[str, Any]
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class SkillChange:
    """An accepted write: a user's proficiency in a skill, in every queue. None removes the skill.

    A `state` of None: the write has no state.
    """

    user_id: str
    skill_id: str
    proficiency: float | None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and the writes that it promises.

    A contract never applies a write itself: the simulator applies `changes` now, later or never. A body of None is
    empty, bytes are sent as they are, anything else as JSON. Only half of a `cut` body is sent before the connection
    ends.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[Change | SkillChange, ...] = ()
    cut: bool = False


class ApiError(Exception):
    """A refusal in the platform's error shape, with `extra` members merged into the body."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers, self.extra = status, code, headers or {}, extra

    def reply(self, context_id: str) -> Reply:
        body = {"message": str(self), "code": self.code, "status": self.status, "contextId": context_id}
        return Reply(self.status, body | {"details": [], "errors": []} | self.extra, self.headers)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_json(text: bytes) -> Any:
    """Parse strictly. Raises ValueError also for infinite numbers, and for nesting that would overflow the stack."""
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    layer, depth = [value], 0
    while layer := [item for value in layer for item in _inside(value)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
    return value


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
