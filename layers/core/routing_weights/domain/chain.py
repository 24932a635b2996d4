"""The chain of a queue: each of its records has a link with a number, the hash of the link before, and its own hash.

A hash is the SHA-256 of the record's canonical JSON (RFC 8785), and the record contains the hash of the record before.
So whoever changes, removes, inserts or moves a record leaves a chain that no longer fits.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

NO_QUEUE = "-"
"""The chain of the records that name no queue."""
OWN_HASH = "chain_hash"
"""The field of a record that its hash does not cover."""

Document = dict[str, Any]
"""A record as JSON."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest link of a chain. Number 0 with an empty hash: the chain has no link yet."""

    chain: str
    number: int = 0
    hash: str = ""


def chain_of(queue_id: str | None) -> str:
    return queue_id or NO_QUEUE


def canonical(document: Any) -> bytes:
    """Return the canonical form of a JSON document.

    Raises:
        ValueError: it has none, for example because a number is larger than JSON can carry.
    """
    return rfc8785.dumps(document)


def digest(document: Any) -> str:
    """Return the SHA-256 of a JSON document's canonical form, in hex. Raises as `canonical`."""
    return hashlib.sha256(canonical(document)).hexdigest()


def digest_of_record(record: Mapping[str, Any]) -> str:
    """Return the hash of a record that has its link, without the hash that it states itself."""
    return digest({name: value for name, value in record.items() if name != OWN_HASH})


def linked(record: Mapping[str, Any], head: Head) -> Document:
    """Return the record with the link that follows `head`."""
    link = {"chain_queue": head.chain, "chain_number": head.number + 1, "chain_before": head.hash}
    return {**record, **link, OWN_HASH: digest_of_record({**record, **link})}
