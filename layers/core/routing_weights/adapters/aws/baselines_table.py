"""Named states of queues, each a reference to what a completed distribution left."""

from dataclasses import dataclass
from typing import Any

from routing_weights.adapters.aws.client import client, reported


@dataclass(frozen=True)
class BaselineStore:
    table: str

    def put(self, baseline: dict[str, str | None]) -> None:
        """Keep a baseline, in the place of an earlier one of its `queue_id` and `name`."""
        item = {key: {"S": value} for key, value in baseline.items() if value}
        with reported("store the baseline"):
            client("dynamodb").put_item(TableName=self.table, Item=item)

    def find(self, queue_id: str, name: str) -> dict[str, str] | None:
        key = {"queue_id": {"S": queue_id}, "name": {"S": name}}
        with reported("read the baseline"):
            answer = client("dynamodb").get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return _plain(answer["Item"]) if "Item" in answer else None

    def of_queue(self, queue_id: str) -> list[dict[str, str]]:
        """By name; a queue has few."""
        with reported("read the baselines of the queue"):
            answer = client("dynamodb").query(
                TableName=self.table,
                KeyConditionExpression="queue_id = :queue",
                ExpressionAttributeValues={":queue": {"S": queue_id}},
            )
        return [_plain(item) for item in answer["Items"]]


def _plain(item: dict[str, Any]) -> dict[str, str]:
    return {key: value["S"] for key, value in item.items()}
