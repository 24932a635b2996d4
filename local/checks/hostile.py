"""Hostile inputs: valid ones that are changed as no honest sender would, always the same for one seed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

_DEEP, _DEEPER = 40, 3_000
_LONG, _LONGEST = 5_000, 10_485_760
LARGE_ONE_IN = 4_000
"""So many inputs have a text of 10 MiB among them once."""
TEXTS = (
    "", " ", "\x00", "\n", "\r\n", "\t", "\ud800", "\udfff\ud800", "\u202e", "\u2066\u2069", "\ufeff", "\u200d",
    "\uff11", "\u0661", "\u00b2", "\u2160", "\u0130", "\u00df", "\u017f", "\U0001f9d1\u200d\U0001f680", "a\u0301" * 9,
    "null", "NaN", "-0", "1e400", "0x10", "1_000", "\u0660\u0662", "true", "[]", "{}", "__proto__", "constructor",
    "../../etc/passwd", "%00", "%2e%2e%2f", "{{7*7}}", "${jndi:ldap://x}", "<script>", "' OR 1=1 --", '"', "\\",
    "\\u0000", "=cmd|' /C calc'!A0", "@SUM(1)", "$.input", "<aws.scheduler.scheduled-time>", "cron(* * * * ? *)",
    "rate(1 minute)",
    "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "now",
    "Europe/../etc/passwd", "posix/UTC", "Europe", "UTC\x00", "queue-001", "QUEUE-001", "agent-001", "key-" + "0" * 64,
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    0, -0.0, -1, 1, 2, 0.5, 1.0000000001, 1e308, -1e308, 5e-324, 1e16, 2**53 + 1, 2**63, 2**64, 10**40, 1e-9, True,
    False, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
RAW_NUMBERS = (
    "1e400",
    "-1e400",
    "9" * 5_000,
    "0." + "0" * 3_000 + "1",
    "1E+9999999",
    "01",
    "+1",
    ".5",
    "1.",
    "0b1",
    "Infinity",
)


@dataclass(frozen=True)
class Raw:
    """JSON text that stands for itself, such as a number that no float holds."""

    text: str


@dataclass(frozen=True)
class Pairs:
    """An object whose keys may appear more than once."""

    pairs: tuple[tuple[str, Any], ...]


def value(rng: random.Random, depth: int = 0) -> Any:
    """Return a hostile JSON value."""
    match rng.randrange(12):
        case 0 | 1 | 2:
            return rng.choice(TEXTS)
        case 3 | 4 | 5:
            return rng.choice(NUMBERS)
        case 6:
            return None
        case 7:
            return rng.choice(TEXTS) * rng.choice((2, 80, 81, 201, 1_001, _LONG))
        case 8 if depth < 2:
            return [value(rng, depth + 1) for _ in range(rng.choice((0, 1, 3, 21, 300)))]
        case 9 if depth < 2:
            return {text(rng): value(rng, depth + 1) for _ in range(rng.choice((0, 1, 4, 101)))}
        case 10:
            return nested(rng, _DEEP)
        case _:
            return Raw(rng.choice(RAW_NUMBERS))


def nested(rng: random.Random, depth: int) -> Any:
    document: Any = rng.choice(NUMBERS)
    for level in range(depth):
        document = [document] if level % 2 or rng.random() < 0.3 else {"a": document}
    return document


def text(rng: random.Random, of: str = "") -> str:
    """Return a hostile text, or a changed one."""
    if not of or rng.random() < 0.3:
        return "".join(rng.choice(TEXTS) for _ in range(rng.choice((1, 1, 2, 4))))
    start, end = sorted(rng.randrange(len(of) + 1) for _ in range(2))
    match rng.randrange(6):
        case 0:
            return of[:start] + rng.choice(TEXTS) + of[start:]
        case 1:
            return of[:start] + rng.choice(TEXTS) + of[end:]
        case 2:
            return of[:start] + of[end:]
        case 3:
            return of[:start] + of[start:end] * rng.choice((2, 3, 50)) + of[end:]
        case 4:
            return of.swapcase() if rng.random() < 0.5 else of.translate(_FULL_WIDTH)
        case _:
            return of[:start] + chr(rng.choice((rng.randrange(128), rng.randrange(0x110000)))) + of[end:]


_FULL_WIDTH = {ord(digit): 0xFF10 + int(digit) for digit in "0123456789"}


def changed(rng: random.Random, document: Any) -> Any:
    """Return a document with one to three changes somewhere inside."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        document = _changed_once(rng, document)
    return document


def _changed_once(rng: random.Random, node: Any) -> Any:
    if isinstance(node, Pairs):
        node = dict(node.pairs)
    if isinstance(node, dict) and node and rng.random() < 0.85:
        return _object_changed(rng, node)
    if isinstance(node, list) and node and rng.random() < 0.8:
        place, items = rng.randrange(len(node)), list(node)
        match rng.randrange(5):
            case 0:
                items.insert(place, value(rng))
            case 1:
                del items[place]
            case 2:
                items += [items[place]] * rng.choice((1, 5, 100))
            case _:
                items[place] = _changed_once(rng, items[place])
        return items
    if isinstance(node, str) and rng.random() < 0.5:
        return text(rng, node)
    return value(rng)


def _object_changed(rng: random.Random, node: dict[str, Any]) -> Any:
    name, fields = rng.choice(list(node)), dict(node)
    match rng.randrange(8):
        case 0:
            del fields[name]
        case 1:
            fields[text(rng, name)] = fields.pop(name)
        case 2:
            fields[text(rng)] = value(rng)
        case 3:
            return Pairs((*fields.items(), (name, rng.choice((fields[name], value(rng))))))
        case 4:
            fields[name] = value(rng)
        case _:
            fields[name] = _changed_once(rng, fields[name])
    return fields


def plain(node: Any) -> Any:
    """Return a document as a plain parser of JSON would have it: Raw and Pairs are replaced."""
    match node:
        case Raw(raw):
            try:
                return json.loads(raw)
            except ValueError:
                return raw
        case Pairs(pairs):
            return {name: plain(each) for name, each in pairs}
        case dict():
            return {name: plain(each) for name, each in node.items()}
        case list():
            return [plain(each) for each in node]
        case _:
            return node


def dumped(node: Any, *, ascii_only: bool) -> str:
    """Return JSON text, with repeated keys and raw numbers as they are."""
    match node:
        case Raw(raw):
            return raw
        case Pairs(pairs):
            inside = (f"{json.dumps(n, ensure_ascii=ascii_only)}: {dumped(v, ascii_only=ascii_only)}" for n, v in pairs)
            return "{" + ", ".join(inside) + "}"
        case dict():
            return dumped(Pairs(tuple(node.items())), ascii_only=ascii_only)
        case list():
            return "[" + ", ".join(dumped(each, ascii_only=ascii_only) for each in node) + "]"
        case _:
            return json.dumps(node, ensure_ascii=ascii_only)


def body(rng: random.Random, seed: bytes, *, whole: bool = True) -> bytes:
    """Return a hostile JSON body. `whole`: the seed is one JSON document, otherwise any text, such as CSV."""
    if rng.randrange(LARGE_ONE_IN) == 0:
        return _large(rng, seed)
    if whole and rng.random() < 0.8:
        written = dumped(changed(rng, json.loads(seed)), ascii_only=rng.random() < 0.5)
        if rng.random() < 0.02:
            written = '{"a": [' * _DEEPER + written + "]}" * _DEEPER
        raw = written.encode("utf-8", "surrogatepass")
    else:
        raw = text(rng, seed.decode()).encode("utf-8", "surrogatepass")
    return spoilt(rng, raw) if rng.random() < 0.15 else raw


def spoilt(rng: random.Random, raw: bytes) -> bytes:
    """Return bytes with a change that knows nothing of the text."""
    if not raw:
        return bytes([rng.randrange(256)])
    place = rng.randrange(len(raw))
    match rng.randrange(7):
        case 0:
            return raw[:place]
        case 1:
            return raw[:place] + bytes([rng.randrange(256)]) + raw[place + 1 :]
        case 2:
            return raw[:place] + rng.randbytes(rng.choice((1, 4, 64))) + raw[place:]
        case 3:
            return raw + raw
        case 4:
            return b"\xef\xbb\xbf" + raw
        case 5:
            return raw.decode("utf-8", "replace").encode("utf-16")
        case _:
            return raw[:place] + raw[place:] * 3


def _large(rng: random.Random, seed: bytes) -> bytes:
    match rng.randrange(4):
        case 0:
            return seed[:-1] + b" " * _LONGEST + seed[-1:]
        case 1:
            return b'{"reason": "' + b"x" * _LONGEST + b'"}'
        case 2:
            return b"[" * _LONGEST
        case _:
            return b'{"' + b'a": {"' * 200_000


def headers(rng: random.Random, of: dict[str, str]) -> dict[str, str]:
    """Return headers of which some are missing, changed or new."""
    kept = {name: text(rng, held) if rng.random() < 0.4 else held for name, held in of.items()}
    if rng.random() < 0.2 and kept:
        del kept[rng.choice(list(kept))]
    return kept


def sizes(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield JSON bodies of about `count` parts, of shapes that a careless parser reads in quadratic time."""
    numbers = range(count)
    plan = b'{"queue_id": "queue-001", "overflow_threshold": 0.8, "utilization_target": 0.8, '
    plan += b'"strategy_reference": "by-weight", "member_weights": {%s}}'
    shapes: dict[str, Sequence[str]] = {
        "unknown fields": [f'"k{n}": 1' for n in numbers],
        "repeated keys": [f'"k{n // 2}": 1' for n in numbers],
        "objects": [f'"k{n}": {{"a": 1, "a": 2}}' for n in numbers],
    }
    for name, parts in shapes.items():
        yield name, ("{" + ", ".join(parts) + "}").encode()
    yield "members", plan % ", ".join(f'"m{n}": 0' for n in numbers).encode()
    yield "members of one name", plan % ", ".join(f'"{"mM"[n % 2]}{n // 2}": 0' for n in numbers).encode()
    yield "plans", ('{"plans": [' + ", ".join(['{"a": 1, "a": 2}'] * count) + "]}").encode()
    yield "a list", ("[" + ", ".join(["[]"] * count) + "]").encode()
    yield "one text", ('{"reason": "' + "\\u0000" * count + '"}').encode()
    yield "depth", b"[" * count + b"]" * count
