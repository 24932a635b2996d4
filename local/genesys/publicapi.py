"""Checks requests against the public API of Genesys Cloud, as publicapi.json describes it with its evidence.

The checks return a sentence for each flaw. `breaches` checks a request of the simulator's log.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

JsonSchema = Mapping[str, Any]

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
FORM = "application/x-www-form-urlencoded"
NOTHING: frozenset[str] = frozenset()
_METHODS = ("get", "head", "post", "put", "patch", "delete")
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "object": ("an object", lambda value: isinstance(value, dict)),
    "array": ("an array", lambda value: isinstance(value, list)),
    "string": ("a string", lambda value: isinstance(value, str)),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "integer": ("an integer", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "number": (
        "a finite number",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
    ),
}


class Flaw(NamedTuple):
    """A flaw: the platform's error code, and a sentence that says what is wrong and where."""

    code: str
    sentence: str


class Operation(NamedTuple):
    """A method of a path. `body` and `answer` are schemas, or None if there is none or it is unknown."""

    method: str
    template: str
    query: Mapping[str, JsonSchema]
    body: JsonSchema | None
    answer: JsonSchema | None
    permissions: tuple[str, ...]
    needs_all: bool


class Match(NamedTuple):
    """A path template, with the `values` of its names in braces."""

    template: str
    values: tuple[str, ...]


def find(path: str) -> Match | None:
    """Return the template of a concrete path. A literal segment wins over a name in braces."""
    segments = [unquote(segment) for segment in path.split("/")[1:]]
    for template, names in _templates():
        if len(names) == len(segments) and all(
            segment if name.startswith("{") else segment == name for name, segment in zip(names, segments, strict=True)
        ):
            values = (segment for name, segment in zip(names, segments, strict=True) if name.startswith("{"))
            return Match(template, tuple(values))
    return None


def methods(path: str) -> tuple[str, ...]:
    """Return the methods of a concrete path. Empty if the public API has no such path."""
    match = find(path)
    return tuple(method for method, template in _operations() if match and template == match.template)


def operation(method: str, template: str) -> Operation:
    """Return an operation. Raises KeyError if the public API has none."""
    return _operations()[method, template]


def validate(value: Any, schema: str | JsonSchema, unknown_allowed: frozenset[str] = NOTHING) -> list[str]:
    """Return a sentence for each flaw of a JSON value against a definition's name, or a schema.

    `unknown_allowed` are properties that are allowed although no definition has them, such as `newField` or
    `mediaSettings.call.newField`. Their values are not checked.
    """
    return [flaw.sentence for flaw in flaws(value, schema, unknown_allowed)]


def flaws(value: Any, schema: str | JsonSchema, unknown_allowed: frozenset[str] = NOTHING) -> list[Flaw]:
    """Return the flaws that `validate` finds, with error codes."""
    wanted = _reference(schema) if isinstance(schema, str) else schema
    return list(_flaws(value, wanted, "", unknown_allowed))


def held(document: Any, where: str = "") -> frozenset[str]:
    """Return the name of every property of a document, as `unknown_allowed` has it."""
    if isinstance(document, list):
        return frozenset[str]().union(*(held(item, where) for item in document))
    if not isinstance(document, dict):
        return NOTHING
    inside = {_at(where, name): value for name, value in document.items()}
    return frozenset(inside).union(*(held(value, name) for name, value in inside.items()))


def breaches(entry: Mapping[str, Any], unknown_allowed: frozenset[str] = NOTHING) -> list[str]:
    """Return a sentence for each breach of the public API by a request in the simulator's log.

    `entry` needs `method`, `path`, `query` and `body`, and may have `authorization` and `content_type`. Arrays in
    the query may be repeated or joined with commas, since the official SDK does the latter. `unknown_allowed` is that
    of `validate`: a PUT may repeat fields that the queue had already.
    """
    method, path, body = entry["method"], entry["path"], entry["body"]
    if path == TOKEN_PATH:
        return list(_token_breaches(entry))
    match = find(path)
    if match is None:
        return [f"The public API has no path {path}."]
    if method not in methods(path):
        return [f"The public API has no {method} of {match.template}."]
    wanted = operation(method, match.template)
    flaws = [*_query_flaws(entry["query"], wanted.query)]
    if wanted.body is None:
        return flaws if body is None else [*flaws, f"{method} {match.template} takes no body."]
    return flaws + validate(body, wanted.body, unknown_allowed)


@cache
def _document() -> dict[str, Any]:
    text = Path(__file__).with_name("publicapi.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@cache
def _templates() -> list[tuple[str, list[str]]]:
    names = {template: template.split("/")[1:] for template in _document()["paths"]}
    return sorted(names.items(), key=lambda item: [name.startswith("{") for name in item[1]])


@cache
def _operations() -> dict[tuple[str, str], Operation]:
    return {
        (method.upper(), template): _operation(method.upper(), template, described[method])
        for template, described in _document()["paths"].items()
        for method in _METHODS
        if method in described
    }


def _operation(method: str, template: str, described: JsonSchema) -> Operation:
    permissions = described["x-inin-requires-permissions"]
    bodies = [item["schema"] for item in described["parameters"] if item["in"] == "body"]
    return Operation(
        method=method,
        template=template,
        query={item["name"]: item for item in described["parameters"] if item["in"] == "query"},
        body=bodies[0] if bodies else None,
        answer=described["responses"]["2xx"]["schema"],
        permissions=tuple(permissions["permissions"]),
        needs_all=permissions["type"] == "ALL",
    )


def _reference(definition: str) -> JsonSchema:
    return {"$ref": f"#/definitions/{definition}"}


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _flaws(value: Any, schema: JsonSchema, where: str, allowed: frozenset[str]) -> Iterator[Flaw]:
    reference = schema.get("$ref", "").rpartition("/")[2]
    if reference:
        schema = _document()["definitions"][reference]
    subject = where or "The body"
    kind = schema.get("type", "object")
    wanted, fits = _KINDS[kind]
    if not fits(value):
        yield Flaw("bad.request", f"{subject} must be {wanted}.")
        return
    if "enum" in schema and value not in schema["enum"]:
        yield Flaw("bad.request", f"{subject} must be one of {', '.join(schema['enum'])}.")
    if schema.get("format") == "date-time" and not _is_date_time(value):
        yield Flaw("bad.request", f"{subject} must be a date and time in ISO 8601.")
    yield from _bound_flaws(value, schema, subject)
    if kind == "array":
        for item in value:
            yield from _flaws(item, schema["items"], where, allowed)
    if kind == "object":
        yield from _property_flaws(value, schema, reference, where, allowed)


def _property_flaws(
    value: dict[str, Any], schema: JsonSchema, name: str, where: str, allowed: frozenset[str]
) -> Iterator[Flaw]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    open_ended = "properties" not in schema or "x-truncated" in schema
    for key, item in value.items():
        path = _at(where, key)
        if key in known:
            yield from _flaws(item, known[key], path, allowed)
        elif others:
            yield from _flaws(item, others, path, allowed)
        elif not open_ended and path not in allowed:
            inside = f", at {path}" if where else ""
            yield Flaw("invalid.property", f"Value [{key}] is not a valid property for object [{name}]{inside}.")
    for key in schema.get("required", ()):
        if key not in value:
            yield Flaw("bad.request", f"{_at(where, key)} is required.")


def _bound_flaws(value: Any, schema: JsonSchema, subject: str) -> Iterator[Flaw]:
    bounds = schema.get("x-client-bounds", {})
    least, most = (bounds.get(name, schema.get(name)) for name in ("minimum", "maximum"))
    if (least is not None and value < least) or (most is not None and value > most):
        limits = [f"{word} {limit}" for word, limit in (("at least", least), ("at most", most)) if limit is not None]
        yield Flaw("bad.request", f"{subject} must be {' and '.join(limits)}.")
    fewest, largest = bounds.get("minItems"), bounds.get("maxItems")
    if fewest is not None and len(value) < fewest:
        yield Flaw("bad.request", f"{subject} must have at least {fewest} items.")
    if largest is not None and len(value) > largest:
        yield Flaw("bad.request", f"{subject} must have at most {largest} items.")


def _is_date_time(text: str) -> bool:
    try:
        return "T" in text and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _query_flaws(query: str, known: Mapping[str, JsonSchema]) -> Iterator[str]:
    for name, values in parse_qs(query, keep_blank_values=True).items():
        if name not in known:
            yield f"{name} is not a query parameter here."
        elif known[name]["type"] == "array":
            items = (item for value in values for item in value.split(","))
            yield from _text_flaws(name, items, known[name]["items"])
        elif len(values) > 1:
            yield f"{name} is given {len(values)} times."
        else:
            yield from _text_flaws(name, values, known[name])


def _text_flaws(name: str, texts: Iterator[str] | list[str], schema: JsonSchema) -> Iterator[str]:
    for text in texts:
        value: Any = text
        if schema["type"] == "integer" and text.isascii() and text.isdecimal():
            value = int(text[:20])
        if schema["type"] == "boolean" and text.lower() in {"true", "false"}:
            value = text.lower() == "true"
        yield from (flaw.sentence for flaw in _flaws(value, schema, name, NOTHING))


def _token_breaches(entry: Mapping[str, Any]) -> Iterator[str]:
    body = entry["body"] if isinstance(entry["body"], dict) else {}
    if entry["method"] != "POST":
        yield "A token is asked for with POST."
    of_person = body.get("grant_type") == "authorization_code"  # a client with PKCE has no secret, and names itself
    if entry.get("authorization", "basic") != (None if of_person else "basic"):
        yield "A token is asked for with HTTP Basic, except a person's."
    if entry.get("content_type", FORM) != FORM:
        yield f"A token is asked for with a body of {FORM}."
    if not of_person and body.get("grant_type") != "client_credentials":
        yield "grant_type must be client_credentials."
    for name in sorted(body.keys() - {"grant_type", *(("client_id",) if of_person else ())}):
        yield f"{name} does not belong in the body of a token request."
    if entry["query"]:
        yield "A token request has no query."
