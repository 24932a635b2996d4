"""Hides what an answer says of queues that are not the person's. Every answer passes here, so a new field does, too."""

import math
import re
from collections.abc import Iterator
from typing import Any

from routing_weights.domain.access import Queues, within

_ID = r"(?=[\w-]{0,63}\d)[\w-]{8,64}"
"""An id of Genesys is a UUID, so it has a digit. A word after `queue` has none."""
_NAMED = re.compile(rf"(?<!no )\b[Qq]ueue ({_ID})")
_PART = r"(?:, (?:less than )?\d+% of its load)?"
_NOT_KNOWN = re.compile(r"(Another queue of the same fleet shares agents with queue \S+?\.) .*", re.DOTALL)


def without_foreign(document: Any, queues: Queues) -> Any:
    """A document as JSON, without what it says of queues that are not among `queues`.

    An entry of a list about such a queue is left out. What the agents carry for neighbours of this kind is one load. In
    a sentence the queue is `another queue`. None: all queues.
    """
    if queues is None:
        return document
    foreign = {queue_id for queue_id in _named_in(document) if not within(queues, [queue_id])}
    return _seen(document, foreign) if foreign else document


def _named_in(document: Any) -> Iterator[str]:
    match document:
        case dict():
            for name, value in document.items():
                if name == "queue_id" and isinstance(value, str):
                    yield value
                else:
                    yield from _named_in(value)
        case list():
            for value in document:
                yield from _named_in(value)
        case str():
            yield from _NAMED.findall(document)


def _seen(value: Any, foreign: set[str]) -> Any:
    match value:
        case {"own_load": _, "queues": list(queues)}:
            hidden = [queue for queue in queues if _is_about(queue, foreign)]
            load = math.fsum(queue.get("load") or 0.0 for queue in hidden)
            merged = {"not_shown": {"queues": len(hidden), "load": load}} if hidden else {}
            return {name: _seen(each, foreign) for name, each in value.items()} | merged
        case dict():
            return {name: _seen(each, foreign) for name, each in value.items()}
        case list():
            return [_seen(each, foreign) for each in value if not _is_about(each, foreign)]
        case str():
            return _without(value, foreign)
    return value


def _is_about(entry: object, foreign: set[str]) -> bool:
    return isinstance(entry, dict) and entry.get("queue_id") in foreign


def _without(text: str, foreign: set[str]) -> str:
    for queue_id in foreign:
        if queue_id in text:
            name = rf"(?<![\w-]){re.escape(queue_id)}(?![\w-])"
            text = re.sub(rf"(?<!no )\bqueue {name}{_PART}", "another queue", text)
            text = re.sub(rf"\bQueue {name}{_PART}", "Another queue", text)
            text = re.sub(rf"(?<!no queue ){name}", "…", text)
    return _NOT_KNOWN.sub(r"\1 Nothing says what load it expects.", text)
