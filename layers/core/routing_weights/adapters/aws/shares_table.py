"""The shares in force: the items of kind `weights` in SharesTable."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.shares import SharesInForce
from routing_weights.errors import QueueChanged, StoreUnavailable

logger = Logger(child=True)

KIND = "weights"
IN_FORCE = "yes"


@dataclass(frozen=True)
class SharesTable:
    """`queue_id` in lower case, `kind`, `shares` (S, SharesInForce.to_json) and `version` (N).

    `in_force` (S) puts an item into the index of that name, which has no other kind of item. An item in which nobody
    has a share stays there: the last draws of its queue are still to be corrected.
    """

    table: str

    def find(self, queue_id: str) -> SharesInForce | None:
        """Raises StoreUnavailable also if the stored shares cannot be read."""
        with reported("read the shares of the queue"):
            answer = client("dynamodb").get_item(
                TableName=self.table, Key={"queue_id": {"S": queue_id}, "kind": {"S": KIND}}, ConsistentRead=True
            )
        return shares_of(answer["Item"]) if "Item" in answer else None

    def in_force(self) -> Iterator[SharesInForce]:
        """Yield the shares of every queue in which a member has one or had one. A change shows within seconds.

        Shares that cannot be read are logged and left out: the other queues need theirs. Draws of that queue fail.
        """
        query: dict[str, Any] = {
            "TableName": self.table,
            "IndexName": "in_force",
            "KeyConditionExpression": "in_force = :yes",
            "ExpressionAttributeValues": {":yes": {"S": IN_FORCE}},
        }
        while True:
            with reported("read the shares of all queues"):
                page = client("dynamodb").query(**query)
            for item in page["Items"]:
                try:
                    shares = shares_of(item)
                except StoreUnavailable as error:
                    logger.error("Shares in force cannot be read", reason=error.message)  # noqa: TRY400 - no defect
                else:
                    yield shares
            if not page.get("LastEvaluatedKey"):
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def put(self, shares: SharesInForce, expected: int) -> None:
        """Put shares in force, if those of version `expected` are; 0: if there are none.

        A try whose answer was lost may have stored them, and the next try of the client is refused then: so a refusal
        counts only if something else is stored.

        Raises:
            QueueChanged: other shares are in force.
        """
        item = {
            "queue_id": {"S": shares.queue_id},
            "kind": {"S": KIND},
            "shares": {"S": shares.to_json()},
            "version": {"N": str(shares.version)},
            "in_force": {"S": IN_FORCE},
        }
        is_first = not expected
        condition = "attribute_not_exists(queue_id)" if is_first else "version = :expected"
        values = {} if is_first else {"ExpressionAttributeValues": {":expected": {"N": str(expected)}}}
        try:
            with reported("put the shares in force", expected=("ConditionalCheckFailedException",)):
                client("dynamodb").put_item(TableName=self.table, Item=item, ConditionExpression=condition, **values)
        except ClientError as error:
            if self.find(shares.queue_id) == shares:
                return
            raise QueueChanged(
                f"The shares of queue {shares.queue_id} were changed by somebody at the same moment. Nothing was "
                "overwritten: look at the change, then send the plan again.",
                fields=[],
            ) from error


def shares_of(item: Mapping[str, Any]) -> SharesInForce:
    """Return the shares of an item. Raises StoreUnavailable if somebody has stored something else."""
    queue_id = item["queue_id"]["S"]
    try:
        return SharesInForce.from_json(queue_id, item["shares"]["S"], int(item["version"]["N"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreUnavailable(
            f"The shares of queue {queue_id} in SharesTable cannot be read. Delete its item `weights`, then send the "
            "plan again."
        ) from error
