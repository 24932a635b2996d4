"""The lock of a queue, seen by those who write under it."""

from collections.abc import Callable

from routing_weights.errors import Interrupted
from routing_weights.store.aws import client, reported


def fence(table: str, queue_id: str, holder: str) -> Callable[[], None]:
    """A check that the lock is still `holder`'s.

    An execution that was aborted leaves its function running: once a recovery has the lock, it must write no more.
    """

    def check() -> None:
        with reported("read the lock of the queue"):
            answer = client("dynamodb").get_item(
                TableName=table, Key={"queue_id": {"S": queue_id}}, ConsistentRead=True
            )
        if answer.get("Item", {}).get("holder", {}).get("S") != holder:
            raise Interrupted("The lock of the queue is no longer this run's, so it writes no more.")

    return check
