"""What passes between the HTTP server and a dialect: a request in, a reply out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qs, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `query` is the raw text after the question mark."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    bearer: str | None = None
    idempotency_key: str | None = None

    @property
    def segments(self) -> list[str]:
        """`/api/v2/x` is `["api", "v2", "x"]`; a doubled slash stays visible as an empty segment."""
        return [unquote(segment) for segment in self.path.split("/")[1:]]

    def parameters(self, *names: str) -> set[str]:
        """Return the distinct values that the query gives to any of these names."""
        values = parse_qs(self.query, keep_blank_values=True)
        return {value for name in names for value in values.get(name, [])}

    def json(self) -> Any:
        """Return the parsed body, or raise a 400: NaN and Infinity are not JSON here."""
        try:
            return json.loads(self.body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise ApiError(400, "invalid.json", "The request body is not valid JSON.") from None

    def json_object(self) -> dict[str, Any]:
        body = self.json()
        if not isinstance(body, dict):
            raise ApiError(400, "bad.request", "The request body must be a JSON object.")
        return body


@dataclass(frozen=True, slots=True)
class Change:
    """A write that was accepted: fields of a member, or of the queue itself when `user_id` is None."""

    queue_id: str
    user_id: str | None
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and the write it promises.

    A dialect never applies a write itself: whether `change` happens now, later or never is decided outside.
    A body of None is sent empty, bytes are sent as they are, anything else as JSON.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    change: Change | None = None


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


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
