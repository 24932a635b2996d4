"""The queues that the patrol reads: their last completed plan has an `on_drift`. And when each was last read."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported

PATROL = ".patrol"
"""Their partition of DriftTable, with one item per queue. No queue's id has a dot."""


@dataclass(frozen=True)
class Patrols:
    """Items of DriftTable: `queue_id` is `.patrol`, `record` the queue, `looked_at` epoch milliseconds."""

    table: str

    def watch(self, queue_id: str, looked_at_ms: int) -> None:
        """Add a queue to the patrol. Its values have been read just now."""
        item = self._key(queue_id) | {"looked_at": {"N": str(looked_at_ms)}}
        with reported("add the queue to the patrol"):
            client("dynamodb").put_item(TableName=self.table, Item=item)

    def forget(self, queue_id: str) -> None:
        with reported("end the patrol of the queue"):
            client("dynamodb").delete_item(TableName=self.table, Key=self._key(queue_id))

    def looked(self, queue_id: str, at_ms: int) -> None:
        """Note a reading of a queue, if the patrol reads it."""
        try:
            with reported("note the patrol", expected=("ConditionalCheckFailedException",)):
                client("dynamodb").update_item(
                    TableName=self.table,
                    Key=self._key(queue_id),
                    UpdateExpression="SET looked_at = :now",
                    ConditionExpression="looked_at < :now",
                    ExpressionAttributeValues={":now": {"N": str(at_ms)}},
                )
        except ClientError:  # the patrol does not read it, or it was read later
            return

    def due(self, before_ms: int) -> list[str]:
        """The queues that were not read since `before_ms`, the longest unread first. Reads one partition."""
        query = {
            "TableName": self.table,
            "KeyConditionExpression": "queue_id = :patrol",
            "ExpressionAttributeValues": {":patrol": {"S": PATROL}},
            "ConsistentRead": True,
        }
        readings: list[tuple[int, str]] = []
        while True:
            with reported("read the patrol"):
                page = client("dynamodb").query(**query)
            readings += [(int(item["looked_at"]["N"]), item["record"]["S"]) for item in page["Items"]]
            if not page.get("LastEvaluatedKey"):
                return [queue_id for at, queue_id in sorted(readings) if at < before_ms]
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    @staticmethod
    def _key(queue_id: str) -> dict[str, dict[str, str]]:
        return {"queue_id": {"S": PATROL}, "record": {"S": queue_id}}
