"""Reads many items of a table in few requests."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from routing_weights.adapters.aws.client import client, reported

MOST_KEYS = 100
"""The most keys of a BatchGetItem."""


def batch_get(action: str, table: str, keys: Sequence[Mapping[str, Any]], **options: Any) -> Iterator[dict[str, Any]]:
    """Yield the items of a table that exist, in no order. One request for each MOST_KEYS keys, and for what is left."""
    for first in range(0, len(keys), MOST_KEYS):
        wanted: Any = {table: {"Keys": keys[first : first + MOST_KEYS], "ConsistentRead": True, **options}}
        while wanted:
            with reported(action):
                answer = client("dynamodb").batch_get_item(RequestItems=wanted)
            yield from answer["Responses"].get(table, [])
            wanted = answer.get("UnprocessedKeys", {})
