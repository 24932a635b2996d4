"""The history of draws: the items `drawn#<start>` of SharesTable, one for each queue and quarter of an hour."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.drawn import DrawnBucket
from routing_weights.errors import StoreUnavailable

PREFIX = "drawn#"
KEPT_S = 400 * 86_400


@dataclass(frozen=True)
class DrawnHistory:
    """`kind` has the start of the bucket, RFC 3339 in UTC; `bucket` (S) is the JSON of a DrawnBucket."""

    table: str

    def put(self, queue_id: str, bucket: DrawnBucket) -> None:
        """Keep a bucket, in place of an earlier version of it."""
        item = {
            "queue_id": {"S": queue_id},
            "kind": {"S": _kind(bucket.start)},
            "bucket": {"S": bucket.to_json()},
            "expires_at": {"N": f"{bucket.start.timestamp() + KEPT_S:.0f}"},
        }
        with reported("keep the draws of the queue"):
            client("dynamodb").put_item(TableName=self.table, Item=item)

    def of_queue(self, queue_id: str, since: datetime, until: datetime) -> Iterator[DrawnBucket]:
        """Yield the buckets that begin from `since` on and before `until`, the oldest first."""
        query: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "queue_id = :queue AND kind BETWEEN :since AND :until",
            "ExpressionAttributeValues": {
                ":queue": {"S": queue_id},
                ":since": {"S": _kind(since)},
                ":until": {"S": _kind(until)},
            },
        }
        while True:
            with reported("read the draws of the queue"):
                page = client("dynamodb").query(**query)
            for item in page["Items"]:
                bucket = _bucket_of(item)
                if since <= bucket.start < until:
                    yield bucket
            if not page.get("LastEvaluatedKey"):
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _bucket_of(item: Mapping[str, Any]) -> DrawnBucket:
    kind = item["kind"]["S"]
    try:
        return DrawnBucket.from_json(kind.removeprefix(PREFIX), item["bucket"]["S"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreUnavailable(f"The item `{kind}` of the queue in SharesTable cannot be read. Delete it.") from error


def _kind(at: datetime) -> str:
    return f"{PREFIX}{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
