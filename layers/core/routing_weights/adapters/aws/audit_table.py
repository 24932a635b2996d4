"""The audit trail: append-only records in DynamoDB, by distribution, and by queue and time.

No record is ever changed: the second writer of the same record loses silently, since the usual reason is a retry of the
same step.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, listing, reported, through_conflicts
from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.locks_table import held_by
from routing_weights.adapters.aws.pages import key_in, token_invalid, token_of
from routing_weights.domain.record import MAX_INLINE_BYTES, AuditRecord, Closing, Kind, Opening, Records, RunSummary
from routing_weights.domain.status import Status
from routing_weights.errors import Interrupted, StoreUnavailable

PAGE_LENGTH = 50
MOST_KEYS = 100
"""The most keys of a BatchGetItem."""
_FAILED, _FAILED_ALONE = "ConditionalCheckFailed", "ConditionalCheckFailedException"
_CANCELLED = "TransactionCanceledException"

Document = dict[str, Any]
"""A record as JSON."""


@dataclass(frozen=True)
class AuditTrail:
    table: str
    documents: Documents
    locks_table: str = ""
    sleep: Callable[[float], None] = time.sleep

    def append(self, record: AuditRecord, holder: str = "") -> bool:
        """Write a record. False when it was written before.

        With a `holder`, the record is written only while that execution holds the lock of the record's queue.

        Raises:
            Interrupted: the lock is somebody else's, so the record is somebody else's to write.
        """
        lock = None
        if holder and record.queue_id:
            lock = held_by(self.locks_table, record.queue_id, holder)
        put = {
            "TableName": self.table,
            "Item": _to_item(self._moved_to_s3(record.to_json())),
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

    def find(self, distribution_id: str) -> Records:
        """The records of a distribution, whole."""
        with reported("read the audit trail"):
            answer = client("dynamodb").query(
                TableName=self.table,
                KeyConditionExpression="distribution_id = :id",
                ExpressionAttributeValues={":id": {"S": distribution_id}},
                ConsistentRead=True,
            )
        return Records.parse(self._whole(_from_item(item)) for item in answer["Items"])

    def closing_in(self, image: Mapping[str, Any]) -> Closing:
        """The closing record in an image of its item, as the table's stream has it."""
        return Closing.parse(self._whole(_from_item(image)))

    def of_queue(
        self, queue_id: str, *, since: str, until: str, limit: int, after: str | None
    ) -> tuple[list[RunSummary], str | None]:
        """A queue's distributions, newest first, and the token of the next page (None on the last page)."""
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
        summaries = self.summaries(ids)
        last = page.get("LastEvaluatedKey")
        return [summaries[i] for i in ids if i in summaries], token_of(last) if last else None

    def newest(self, queue_id: str) -> list[RunSummary]:
        """A queue's newest distributions, page by page until a completed one is among them.

        The first pages may hold only dry runs and refused or blocked plans.
        """
        runs: list[RunSummary] = []
        after: str | None = None
        while True:
            page, after = self.of_queue(queue_id, since="0000", until="9999", limit=PAGE_LENGTH, after=after)
            runs += page
            if after is None or any(run.status is Status.COMPLETED for run in page):
                return runs

    def summaries(self, ids: Sequence[str]) -> dict[str, RunSummary]:
        """Return records by id. A distribution without a record is left out."""
        merged: dict[str, dict[str, Any]] = {}
        for document in self._read(ids, (Opening, Closing), tuple(RunSummary.model_fields)):
            inline = {name: value for name, value in document.items() if not _is_moved(value)}
            merged.setdefault(document["distribution_id"], {}).update(inline)
        return {distribution_id: RunSummary.model_validate(fields) for distribution_id, fields in merged.items()}

    def of_kind(self, kind: type[Kind], ids: Sequence[str]) -> dict[str, Kind]:
        """The records of one kind, by id; a distribution that has none is left out."""
        documents = self._read(ids, (kind,), tuple(kind.model_fields))
        return {document["distribution_id"]: kind.parse(self._whole(document)) for document in documents}

    def _read(self, ids: Sequence[str], kinds: Sequence[type[AuditRecord]], fields: Sequence[str]) -> list[Document]:
        """Some fields of the records, those of one distribution in the order of their keys."""
        aliases = {f"#f{i}": field for i, field in enumerate(dict.fromkeys(("distribution_id", "record", *fields)))}
        keys = [{"distribution_id": {"S": i}, "record": {"S": kind.KEY}} for i in ids for kind in kinds]
        documents: list[Document] = []
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
                documents += map(_from_item, answer["Responses"].get(self.table, []))
                wanted = answer.get("UnprocessedKeys", {})
        return sorted(documents, key=lambda document: str(document["record"]))

    def _moved_to_s3(self, record: Document) -> Document:
        """The record with its largest fields replaced by `{"document": reference}` until it fits an item."""
        sizes = {name: len(json.dumps(value)) for name, value in record.items()}
        while sum(sizes.values()) > MAX_INLINE_BYTES:
            largest = max(sizes, key=lambda name: sizes[name])
            reference = self.documents.put_field(record["distribution_id"], record["record"], largest, record[largest])
            record[largest] = {"document": reference}
            sizes[largest] = len(reference)
        return record

    def _whole(self, record: Document) -> Document:
        return {
            name: self.documents.resolve(value["document"]) if _is_moved(value) else value
            for name, value in record.items()
        }


def _is_moved(value: Any) -> bool:
    """True of a field whose content is in S3."""
    return isinstance(value, dict) and set(value) == {"document"}


def _start_key(token: str, queue_id: str) -> dict[str, Any]:
    """The key in a page token, which comes from outside. Raises RequestInvalid unless it is one of this queue's."""
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


def _to_item(record: Document) -> dict[str, Any]:
    exact = json.loads(json.dumps(record, allow_nan=False), parse_float=_decimal)
    return {name: TypeSerializer().serialize(value) for name, value in exact.items() if value is not None}


def _decimal(text: str) -> Decimal:
    """DynamoDB holds no positive number below 1e-130: a weight that small is recorded as 0."""
    value = Decimal(text)
    return value if abs(value) >= Decimal("1e-120") else Decimal(0)


def _from_item(item: Mapping[str, Any]) -> Document:
    return {name: _plain(TypeDeserializer().deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 1e15 else float(value)  # noqa: PLR2004
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value
