"""What the draws of a queue have counted: the items of kind `tally` in SharesTable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from routing_weights.adapters.aws import shares_table, standings_table
from routing_weights.adapters.aws.client import Patience, client, reported
from routing_weights.domain.draw import Stored, Tally
from routing_weights.errors import StoreUnavailable

KIND = "tally"
KEPT_S = 30 * 86_400
"""How long a tally outlives its last draw."""
_KINDS = sorted((KIND, shares_table.KIND, standings_table.KIND))
_REFUSED = "ConditionalCheckFailedException"


@dataclass(frozen=True)
class TallyTable:
    """`queue_id` in lower case, `kind`, `tally` (S, Tally.to_json), `version` and `expires_at` (N, epoch seconds).

    A tally is written on the condition that its predecessor, whose version is lower by 1, is stored.
    """

    table: str
    patience: Patience | None = None

    def read(self, queue_id: str) -> Stored:
        """Everything that a draw needs, in one consistent request.

        Raises StoreUnavailable also if what is stored cannot be read.
        """
        with reported("read the shares and the tally of the queue"):
            response = client("dynamodb", self.patience).query(
                TableName=self.table,
                KeyConditionExpression="queue_id = :queue AND kind BETWEEN :first AND :last",
                ExpressionAttributeValues={
                    ":queue": {"S": queue_id},
                    ":first": {"S": _KINDS[0]},
                    ":last": {"S": _KINDS[-1]},
                },
                ConsistentRead=True,
            )
        items = {item["kind"]["S"]: item for item in response["Items"]}
        shares, tally = items.get(shares_table.KIND), items.get(KIND)
        return Stored(
            shares_table.shares_of(shares) if shares else None,
            _tally_of(tally) if tally else Tally(),
            standings_table.standings_of(items.get(standings_table.KIND)),
        )

    def count(self, queue_id: str, tally: Tally) -> Tally | None:
        """Store a tally. If its predecessor is no longer stored, nothing is written, and the newer one comes back."""
        item = _key(queue_id) | {
            "tally": {"S": tally.to_json()},
            "version": {"N": str(tally.version)},
            "expires_at": {"N": str(max([*tally.drawn, tally.corrected_until]) + KEPT_S)},
        }
        is_first = tally.version == 1
        values = {} if is_first else {"ExpressionAttributeValues": {":known": {"N": str(tally.version - 1)}}}
        try:
            with reported("count the draw", expected=(_REFUSED,)):
                client("dynamodb", self.patience).put_item(
                    TableName=self.table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(version)" if is_first else "version = :known",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **values,
                )
        except ClientError as refused:
            newer: Any = refused.response.get("Item")
            return _tally_of(newer) if newer else Tally()
        return None

    def find(self, queue_id: str) -> Tally | None:
        with reported("read the tally of the queue"):
            response = client("dynamodb", self.patience).get_item(
                TableName=self.table, Key=_key(queue_id), ConsistentRead=True
            )
        return _tally_of(response["Item"]) if "Item" in response else None

    def put(self, queue_id: str, tally: Tally) -> bool:
        """Store a tally, as `count` does. False if nothing was written."""
        return self.count(queue_id, tally) is None


def _key(queue_id: str) -> dict[str, Any]:
    return {"queue_id": {"S": queue_id}, "kind": {"S": KIND}}


def _tally_of(item: Mapping[str, Any]) -> Tally:
    try:
        return Tally.from_json(item["tally"]["S"], int(item["version"]["N"]))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise StoreUnavailable(
            "The counters of the queue in SharesTable cannot be read. Delete its item `tally`: counting begins at 0."
        ) from error
