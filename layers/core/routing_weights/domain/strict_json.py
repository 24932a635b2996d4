"""JSON from outside: nothing dropped silently, nothing guessed."""

import json
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 32
MAX_BODY_BYTES = 1_048_576
"""1 MiB: 5,000 members with 64-character ids are about 450 KB."""
MAX_PROBLEMS_LISTED = 100
"""Problems beyond this are counted, not listed: a Step Functions cause holds 32 KiB."""

Problem = dict[str, str]
"""`{"path", "message", "type"}`; the path joins keys and indexes with dots and is empty for the whole document."""


class _Object(dict[str, Any]):
    """A JSON object that remembers the keys it had more than once (`json` alone keeps the last, silently)."""

    duplicates: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        result.duplicates = tuple({k: None for k, _ in pairs if k in seen or seen.add(k)})  # type: ignore[func-returns-value]
    return result


def problem(path: str, message: str, kind: str) -> Problem:
    """Cut to a length that fits a record."""
    clean = {"path": path[:200], "message": message[:300], "type": kind}
    return {name: sendable(text) for name, text in clean.items()}


def sendable(text: str) -> str:
    """Text without half surrogate pairs, which no answer and no record can carry."""
    return text.encode("utf-8", "replace").decode()


def load(raw: str | bytes) -> tuple[Any, list[Problem]]:
    """Parse `raw` and return the document with the problems that a plain parser would have hidden.

    A document that cannot be read at all is `None` with one problem. `NaN` and `Infinity` are kept as floats, for
    the model to refuse at their path.
    """
    size = len(raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw)
    if size > MAX_BODY_BYTES:
        message = f"the body has {size} bytes; at most {MAX_BODY_BYTES} are accepted"
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
        yield problem(".".join(path), f"nested deeper than {MAX_DEPTH} levels", "json_invalid")
        return
    if isinstance(node, _Object):
        for key in node.duplicates:
            name = key[:80]  # a long key above many others would else be copied into the path of each
            yield problem(".".join((*path, name)), f"the key {name!r} appears more than once", "duplicate_key")
        for key, value in node.items():
            yield from _hidden_problems(value, (*path, key[:80]))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _hidden_problems(value, (*path, str(index)))
