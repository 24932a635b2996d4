"""Counts what an invocation of a function asks of Genesys, of DynamoDB and of S3."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from routing_weights.domain.effort import Busy, Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

_READS = {"dynamodb": {"GetItem", "BatchGetItem", "Query", "Scan"}, "s3": {"GetObject", "HeadObject"}}
"""Every other operation counts as a write: S3 bills a listing as one."""
_lock = threading.Lock()
_counts: Counter[str] = Counter()
"""Of the process: Lambda runs one invocation at a time in it, which may have threads."""
_began = time.monotonic()


def begin() -> None:
    """An invocation begins: forget the last one."""
    global _began  # noqa: PLW0603 - as _counts
    with _lock:
        _counts.clear()
        _began = time.monotonic()


def effort(function: str, memory_mb: int) -> Effort:
    """The effort of this invocation so far."""
    ms = math.ceil((time.monotonic() - _began) * 1000)
    with _lock:
        counts: dict[str, Any] = dict(_counts)
    busy = Busy(invocations=1, ms=ms, gb_ms=ms * memory_mb / 1024)
    return Effort(functions={function: busy}, **counts)


def count_request() -> None:
    """A request goes to Genesys."""
    with _lock:
        _counts["requests"] += 1


def watch(events: Any) -> None:
    """Count the calls of a boto3 client, by its `meta.events`."""
    events.register("before-parameter-build.dynamodb", _ask_for_units)
    for service in _READS:
        events.register(f"after-call.{service}", _count_call)


def _ask_for_units(params: dict[str, Any], model: Any, **_: Any) -> None:
    if "ReturnConsumedCapacity" in model.input_shape.members:
        params.setdefault("ReturnConsumedCapacity", "TOTAL")


def _count_call(parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
    service = model.service_model.service_name
    kind = "read" if model.name in _READS[service] else "write"
    with _lock:
        _counts[f"{service}_{kind}s"] += 1
        if service == "dynamodb":
            _counts[f"{kind}_units"] += _units(parsed)  # type: ignore[assignment]  # a count of halves, too


def _units(answer: Mapping[str, Any]) -> float:
    """The request units of a call. DynamoDB reports none with a refusal, which costs at least one."""
    consumed = answer.get("ConsumedCapacity") or []
    tables = [consumed] if isinstance(consumed, dict) else consumed
    return math.fsum(table["CapacityUnits"] for table in tables) or 1.0
