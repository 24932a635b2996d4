"""The lock of a queue, seen by those who write under it."""

import time
from collections.abc import Callable
from typing import Any

from routing_weights.adapters.aws.client import client, reported
from routing_weights.errors import Interrupted

FENCE_HOLDS_S = 1.0
"""How long one reading of the lock stands: far less than a recovery waits before it restores (15 s)."""


def held_by(table: str, queue_id: str, holder: str) -> dict[str, Any]:
    """The condition of a transaction that the lock is `holder`'s."""
    return {
        "TableName": table,
        "Key": {"queue_id": {"S": queue_id}},
        "ConditionExpression": "holder = :holder",
        "ExpressionAttributeValues": {":holder": {"S": holder}},
    }


def holder_of(table: str, queue_id: str) -> str | None:
    """The execution that holds the lock, None where nobody does."""
    with reported("read the lock of the queue"):
        answer = client("dynamodb").get_item(TableName=table, Key={"queue_id": {"S": queue_id}}, ConsistentRead=True)
    held: str | None = answer.get("Item", {}).get("holder", {}).get("S")
    return held


def fence(table: str, queue_id: str, holder: str, *, clock: Callable[[], float] = time.monotonic) -> Callable[[], None]:
    """A check that the lock is still `holder`'s.

    An execution that was aborted leaves its function running: once a recovery has the lock, it must write no more.
    """
    seen_at = -FENCE_HOLDS_S

    def check() -> None:
        nonlocal seen_at
        asked_at = clock()
        if asked_at - seen_at < FENCE_HOLDS_S:
            return
        if holder_of(table, queue_id) != holder:
            raise Interrupted("The lock of the queue is no longer this run's, so it writes no more.")
        seen_at = asked_at

    return check
