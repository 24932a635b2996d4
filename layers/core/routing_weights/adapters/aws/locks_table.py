"""The locks of queues. The state machines take and release them. Everybody else only reads them, or takes them over."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported, through_conflicts
from routing_weights.domain.run import Lock
from routing_weights.errors import Interrupted

FENCE_HOLDS_S = 1.0
"""How long a reading of the lock is trusted: much shorter than the 15 s that a recovery waits before it restores."""


def held_by(table: str, queue_id: str, holder: str) -> dict[str, Any]:
    """Return the condition of a transaction that `holder` has the lock."""
    return {
        "TableName": table,
        "Key": {"queue_id": {"S": queue_id}},
        "ConditionExpression": "holder = :holder",
        "ExpressionAttributeValues": {":holder": {"S": holder}},
    }


@dataclass(frozen=True)
class Locks:
    """LocksTable: `queue_id` and `holder` (S), the ARN of an execution, and `taken_at` (N, epoch seconds)."""

    table: str

    def find(self, queue_id: str) -> Lock | None:
        with reported("read the lock of the queue"):
            answer = client("dynamodb").get_item(
                TableName=self.table, Key={"queue_id": {"S": queue_id}}, ConsistentRead=True
            )
        return _lock(answer["Item"]) if "Item" in answer else None

    def all(self) -> Iterator[Lock]:
        start: dict[str, Any] = {}
        while True:
            with reported("read the locks"):
                page = client("dynamodb").scan(TableName=self.table, ConsistentRead=True, **start)
            yield from map(_lock, page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def take_over(self, queue_id: str, owners: Collection[str], me: str, now: datetime) -> bool:
        """Make `me` the holder of a lock that one of `owners` holds. Returns False if nobody of them holds it."""
        names = {f":o{number}": {"S": owner} for number, owner in enumerate(sorted(owners))}
        change: Any = {
            "TableName": self.table,
            "Key": {"queue_id": {"S": queue_id}},
            "UpdateExpression": "SET holder = :me, taken_at = :now",
            "ConditionExpression": f"holder IN ({', '.join(names)})",
            "ExpressionAttributeValues": {":me": {"S": me}, ":now": {"N": f"{now.timestamp():.0f}"}, **names},
        }
        try:
            with reported("take over the lock", expected=("ConditionalCheckFailedException",)):
                # The dead run's Audit may be closing its record at this moment, in a transaction with this lock.
                through_conflicts(lambda: client("dynamodb").update_item(**change))
        except ClientError:
            return False
        return True


def _lock(item: Mapping[str, Any]) -> Lock:
    taken_at = datetime.fromtimestamp(int(item["taken_at"]["N"]), UTC)
    return Lock(item["queue_id"]["S"], item["holder"]["S"], taken_at)


def holder_of(table: str, queue_id: str) -> str | None:
    lock = Locks(table).find(queue_id)
    return lock.holder if lock else None


def fence(table: str, queue_id: str, holder: str, *, clock: Callable[[], float] = time.monotonic) -> Callable[[], None]:
    """Checks that `holder` still has the lock.

    An execution that was aborted leaves its function running: once a recovery has the lock, it must write no more.
    """
    seen_at = -FENCE_HOLDS_S
    asking = threading.Lock()

    def check() -> None:
        nonlocal seen_at
        with asking:  # one thread asks for all
            asked_at = clock()
            if asked_at - seen_at < FENCE_HOLDS_S:
                return
            if holder_of(table, queue_id) != holder:
                raise Interrupted("The lock of the queue is no longer this run's, so it writes no more.")
            seen_at = asked_at

    return check
