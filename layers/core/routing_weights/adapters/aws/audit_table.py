"""The audit trail: append-only records in DynamoDB, by distribution, and by queue and time.

A distribution has two records: `0-opened` when a door accepted or refused it, and `9-closed` with its outcome. What
happened in the queue after a completed one is a third, `5-realised`; a fourth, `7-kept`, says that its return was
cancelled. None is ever changed: a second writer of the same record loses, silently, since a retry of the same step is
the usual reason.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from routing_weights.adapters.aws.client import client, listing, reported, through_conflicts
from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.pages import key_in, token_invalid, token_of
from routing_weights.domain.record import CLOSED, OPENED, Record
from routing_weights.domain.status import Status
from routing_weights.errors import Interrupted, StoreUnavailable

MAX_INLINE_BYTES = 200_000
"""A DynamoDB item holds 400 KB, a log event 256 KB: above this, the largest fields of a record move to S3."""
LISTED = 50
MOST_KEYS = 100
"""Of a BatchGetItem."""
_FAILED, _FAILED_ALONE = "ConditionalCheckFailed", "ConditionalCheckFailedException"
_CANCELLED = "TransactionCanceledException"
SUMMARY = (
    "distribution_id", "queue_id", "status", "timestamp", "started_at", "latency_ms", "balance_accuracy",
    "overflow_threshold", "requested_by", "reason", "door", "errors", "restores", "until",
    "restore",
)  # fmt: skip


@dataclass(frozen=True)
class AuditTrail:
    table: str
    documents: Documents
    locks_table: str = ""
    sleep: Callable[[float], None] = time.sleep

    def append(self, record: Record, holder: str = "") -> bool:
        """Write a record with the keys `distribution_id` and `record`. False when it was written before.

        With a `holder`, the record is written only while that execution holds the lock of the record's `queue_id`.

        Raises:
            Interrupted: the lock is somebody else's, so the record is somebody else's to write.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415

        lock = None
        if holder:
            from routing_weights.adapters.aws.locks_table import held_by  # noqa: PLC0415  only a run's end needs it

            lock = held_by(self.locks_table, record["queue_id"], holder)
        put = {
            "TableName": self.table,
            "Item": _to_item(self._moved_to_s3(record)),
            "ConditionExpression": "attribute_not_exists(distribution_id)",
        }
        try:
            with reported("write the audit record", expected=(_FAILED_ALONE, _CANCELLED)):
                # A transaction only where a condition spans two items: the door and Validate write the same opening
                # record at the same time, and DynamoDB would cancel one of two transactions.
                if lock is None:
                    through_conflicts(lambda: client("dynamodb").put_item(**put), self.sleep)
                else:
                    items = [{"Put": put}, {"ConditionCheck": lock}]
                    through_conflicts(lambda: client("dynamodb").transact_write_items(TransactItems=items), self.sleep)
        except ClientError as error:
            reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            if lock is None or reasons[:1] == [_FAILED]:
                return False
            if reasons[1:] == [_FAILED]:
                raise Interrupted(
                    "The lock of the queue is no longer this run's: a recovery has taken over, and closes the record."
                ) from error
            raise StoreUnavailable(f"Could not write the audit record: {reasons}.") from error
        return True

    def find(self, distribution_id: str) -> dict[str, Record]:
        """The records of a distribution by name, whole; empty when there is none."""
        with reported("read the audit trail"):
            answer = client("dynamodb").query(
                TableName=self.table,
                KeyConditionExpression="distribution_id = :id",
                ExpressionAttributeValues={":id": {"S": distribution_id}},
                ConsistentRead=True,
            )
        return {record["record"]: self._whole(record) for record in map(_from_item, answer["Items"])}

    def record_in(self, image: dict[str, Any]) -> Record:
        """The whole record in an image of its item, as the table's stream has it."""
        return self._whole(_from_item(image))

    def of_queue(
        self, queue_id: str, *, since: str, until: str, limit: int, after: str | None
    ) -> tuple[list[Record], str | None]:
        """Summaries of a queue's distributions, newest first, and the token of the next page (None: that was all)."""
        query: dict[str, Any] = {
            "TableName": self.table,
            "IndexName": "by_queue",
            "KeyConditionExpression": "opened_queue_id = :queue AND #at BETWEEN :since AND :until",
            "ExpressionAttributeNames": {"#at": "timestamp"},
            "ExpressionAttributeValues": {
                ":queue": {"S": queue_id},
                ":since": {"S": since},
                ":until": {"S": until},
            },
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if after:
            query["ExclusiveStartKey"] = _start_key(after, queue_id)
        with listing("read the audit trail of the queue", after):
            page = client("dynamodb").query(**query)
        ids = [item["distribution_id"]["S"] for item in page["Items"]]
        found = self._summaries(ids)
        last = page.get("LastEvaluatedKey")
        return [found[i] for i in ids if i in found], token_of(last) if last else None

    def newest(self, queue_id: str) -> list[Record]:
        """The summaries of a queue's newest distributions, page by page until a completed one is among them.

        What was refused, blocked or only looked at may be all that there is on the first ones.
        """
        records: list[Record] = []
        after: str | None = None
        while True:
            page, after = self.of_queue(queue_id, since="0000", until="9999", limit=LISTED, after=after)
            records += page
            if after is None or any(record["status"] == Status.COMPLETED for record in page):
                return records

    def _summaries(self, ids: list[str]) -> dict[str, Record]:
        """By id: the opening record, overlaid with the closing one where there is one."""
        found: dict[str, Record] = {}
        for record in self.read(ids, (OPENED, CLOSED), SUMMARY):
            found.setdefault(record["distribution_id"], {}).update(record)
        return found

    def read(self, ids: Sequence[str], names: Sequence[str], fields: Sequence[str]) -> list[Record]:
        """Some fields of those records, sorted by name, of many distributions; what is not there is left out."""
        aliases = {f"#f{i}": field for i, field in enumerate(dict.fromkeys(("distribution_id", "record", *fields)))}
        keys = [{"distribution_id": {"S": i}, "record": {"S": r}} for i in ids for r in names]
        records: list[Record] = []
        for first in range(0, len(keys), MOST_KEYS):
            wanted: dict[str, Any] = {
                self.table: {
                    "Keys": keys[first : first + MOST_KEYS],
                    "ProjectionExpression": ",".join(aliases),
                    "ExpressionAttributeNames": aliases,
                    "ConsistentRead": True,
                }
            }
            while wanted:
                with reported("read the audit records"):
                    answer = client("dynamodb").batch_get_item(RequestItems=wanted)
                records += map(_from_item, answer["Responses"].get(self.table, []))
                wanted = answer.get("UnprocessedKeys", {})
        return sorted(records, key=lambda record: str(record["record"]))

    def _moved_to_s3(self, record: Record) -> Record:
        """The record with its largest fields replaced by `{"document": reference}` until it fits an item."""
        record = dict(record)
        sizes = {name: len(json.dumps(value)) for name, value in record.items()}
        while sum(sizes.values()) > MAX_INLINE_BYTES:
            largest = max(sizes, key=lambda name: sizes[name])
            reference = self.documents.put(record["distribution_id"], f"{record['record']}-{largest}", record[largest])
            record[largest] = {"document": reference}
            sizes[largest] = len(reference)
        return record

    def _whole(self, record: Record) -> Record:
        return {
            name: self.documents.resolve(value["document"])
            if isinstance(value, dict) and set(value) == {"document"}
            else value
            for name, value in record.items()
        }


def _start_key(token: str, queue_id: str) -> dict[str, Any]:
    """The key in a page token, if it is one of this queue's: the token comes from outside."""
    names = {"distribution_id", "record", "opened_queue_id", "timestamp"}
    key = key_in(token)
    try:
        if (
            set(key) == names
            and all(isinstance(v["S"], str) and v["S"] for v in key.values())
            and key["opened_queue_id"]["S"] == queue_id
        ):
            return {name: {"S": key[name]["S"]} for name in names}
    except (TypeError, KeyError, AttributeError):
        pass
    raise token_invalid()


def _to_item(record: Record) -> dict[str, Any]:
    from boto3.dynamodb.types import TypeSerializer  # noqa: PLC0415

    exact = json.loads(json.dumps(record, allow_nan=False), parse_float=_decimal)
    return {name: TypeSerializer().serialize(value) for name, value in exact.items() if value is not None}


def _decimal(text: str) -> Decimal:
    """DynamoDB holds no positive number below 1e-130: a weight that small is recorded as 0."""
    value = Decimal(text)
    return value if abs(value) >= Decimal("1e-120") else Decimal(0)


def _from_item(item: dict[str, Any]) -> Record:
    from boto3.dynamodb.types import TypeDeserializer  # noqa: PLC0415

    return {name: _plain(TypeDeserializer().deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 1e15 else float(value)  # noqa: PLR2004
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value
