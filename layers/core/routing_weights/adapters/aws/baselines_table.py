"""BaselinesTable: the baselines by queue and name."""

from dataclasses import asdict, dataclass
from typing import Any

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.revert import Baseline


@dataclass(frozen=True)
class BaselineStore:
    table: str

    def put(self, baseline: Baseline) -> None:
        """Store a baseline and replace an earlier one of its queue and name."""
        item = {name: {"S": value} for name, value in asdict(baseline).items() if value}
        with reported("store the baseline"):
            client("dynamodb").put_item(TableName=self.table, Item=item)

    def find(self, queue_id: str, name: str) -> Baseline | None:
        key = {"queue_id": {"S": queue_id}, "name": {"S": name}}
        with reported("read the baseline"):
            answer = client("dynamodb").get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return _baseline(answer["Item"]) if "Item" in answer else None

    def of_queue(self, queue_id: str) -> list[Baseline]:
        """The baselines of a queue, sorted by name. A queue has few, so one page holds them."""
        with reported("read the baselines of the queue"):
            answer = client("dynamodb").query(
                TableName=self.table,
                KeyConditionExpression="queue_id = :queue",
                ExpressionAttributeValues={":queue": {"S": queue_id}},
            )
        return [_baseline(item) for item in answer["Items"]]


def _baseline(item: dict[str, Any]) -> Baseline:
    return Baseline(**{name: value["S"] for name, value in item.items()})
