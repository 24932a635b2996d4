"""JSON from outside: nothing is dropped silently, nothing is guessed."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from routing_weights.domain.problems import Problem, joined, problem, problems_of

Model = TypeVar("Model", bound=BaseModel)

MAX_DEPTH = 32
MAX_BODY_BYTES = 1_048_576
"""1 MiB: 5,000 members with 64-character ids are about 450 KB."""


class _Object(dict[str, Any]):
    """A JSON object that remembers the keys it had more than once (`json` alone keeps the last, silently)."""

    duplicates: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        result.duplicates = tuple({k: None for k, _ in pairs if k in seen or seen.add(k)})  # type: ignore[func-returns-value]
    return result


def read(raw: str | bytes, model: type[Model]) -> tuple[Model | None, list[Problem]]:
    """A model from JSON text and every problem of the text; the model is None where the text is not one."""
    document, problems = load(raw)
    if document is None and problems:
        return None, problems
    try:
        return model.model_validate(document), problems
    except ValidationError as error:
        return None, problems + problems_of(error)


def load(raw: str | bytes, most: int = MAX_BODY_BYTES) -> tuple[Any, list[Problem]]:
    """Parse `raw`, at most `most` bytes; return the document and the problems that a plain parser would hide.

    A document that cannot be parsed is `None` with one problem. `NaN` and `Infinity` stay floats: the model refuses
    them at their path.
    """
    size = len(raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw)
    if size > most:
        message = f"the body has {size} bytes; at most {most} are accepted"
        return None, [problem("", message, "body_too_large")]
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        document = json.loads(text, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        return None, [problem("", f"the body is not UTF-8 at byte {error.start}", "json_invalid")]
    except json.JSONDecodeError as error:
        return None, [
            problem(
                "",
                f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}",
                "json_invalid",
            )
        ]
    except RecursionError:
        return None, [problem("", f"the body is nested deeper than {MAX_DEPTH} levels", "json_invalid")]
    except ValueError:  # an integer of thousands of digits
        return None, [problem("", "the body holds a number with too many digits", "json_invalid")]
    return document, list(_hidden_problems(document, ()))


def _hidden_problems(node: Any, path: tuple[str, ...]) -> Iterator[Problem]:
    if len(path) > MAX_DEPTH:
        yield problem(joined(path), f"nested deeper than {MAX_DEPTH} levels", "json_invalid")
        return
    if isinstance(node, _Object):
        for key in node.duplicates:
            yield problem(joined((*path, key)), f"the key {key[:80]!r} appears more than once", "duplicate_key")
        parts: Iterable[tuple[Any, Any]] = node.items()
    elif isinstance(node, list):
        parts = enumerate(node)
    else:
        return
    for key, value in parts:
        if isinstance(value, _Object | list) or len(path) == MAX_DEPTH:  # most of 100,000 values are neither
            yield from _hidden_problems(value, (*path, str(key)))
