"""The audit trail: append-only records in DynamoDB, by distribution, and by queue and time.

No record is ever changed: the second writer of the same record loses silently, since the usual reason is a retry of the
same step.

Each record is written in one transaction with its link in the chain of its queue (domain.chain), as three items:

- the record, with the link in its fields `chain_queue`, `chain_number`, `chain_before` and `chain_hash`;
- an item of the same table, `chain#<queue>` and the number, which leads to the record, so a removed record has a name;
- the head of the chain in ChainsTable. Nothing reads it to write: the newest link is read, so a head that somebody
  changed keeps no distribution from its record.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from routing_weights.adapters.aws.batch import batch_get
from routing_weights.adapters.aws.client import client, is_conflict, listing, reported, through_conflicts
from routing_weights.adapters.aws.documents import REFUSED, Documents
from routing_weights.adapters.aws.locks_table import held_by
from routing_weights.domain.pages import key_in, token_invalid, token_of
from routing_weights.domain.record import (
    MAX_INLINE_BYTES,
    AuditRecord,
    Closing,
    Kind,
    Opening,
    Published,
    Records,
    RunSummary,
    Unreadable,
    last_completed,
    published,
    summary_of,
    summary_or_why,
    unreadable,
)
from routing_weights.domain.status import Status
from routing_weights.errors import Interrupted, StoreUnavailable

if TYPE_CHECKING:
    from routing_weights.domain.chain import Head

PAGE_LENGTH = 50
CHAIN_TRIES = 20
"""How often a record is written until it has its place in the chain. All pauses together: at most 15.6 s."""
HIGHEST = 99_999_999_999
"""No chain has that many links. Items with a higher number or another name are forged: no record follows them."""
LINKS = "chain#"
"""The beginning of the key of a chain's links. No distribution has such an id."""
_FAILED = "ConditionalCheckFailed"
_CANCELLED = "TransactionCanceledException"
_NEW = "attribute_not_exists(distribution_id)"

Document = dict[str, Any]
"""A record as JSON."""


@dataclass(frozen=True)
class AuditTrail:
    table: str
    documents: Documents
    locks_table: str = ""
    chains_table: str = ""
    """The heads of the chains. Whoever only reads records needs none."""
    sleep: Callable[[float], None] = time.sleep

    def append(self, record: AuditRecord, holder: str = "") -> bool:
        """Write a record with its link. False when it was written before.

        With a `holder`, the record is written only while that execution holds the lock of the record's queue.

        Raises:
            Interrupted: the lock is somebody else's, so the record is somebody else's to write.
        """
        from routing_weights.domain.chain import chain_of, linked  # noqa: PLC0415  whoever only reads hashes nothing

        # As it will be read: DynamoDB keeps no float, and the hash must fit what is read.
        stored = document_of(_to_item(self._moved_to_s3(record.to_json())))
        lock = held_by(self.locks_table, record.queue_id, holder) if holder and record.queue_id else None

        def write() -> None:
            items = self._puts(linked(stored, self._newest_link(chain_of(record.queue_id))))
            if lock:
                items.append({"ConditionCheck": lock})
            client("dynamodb").transact_write_items(TransactItems=items)

        try:
            with reported("write the audit record", expected=(_CANCELLED,)):
                through_conflicts(write, self.sleep, CHAIN_TRIES, _place_is_taken)
        except ClientError as error:
            reasons = _reasons(error.response)
            if reasons[:1] == [_FAILED]:
                return False
            if reasons[3:] == [_FAILED]:
                raise Interrupted(
                    "The lock of the queue is no longer this run's: a recovery has taken over, and closes the record."
                ) from error
            raise StoreUnavailable(f"Could not write the audit record: {reasons}.") from error
        return True

    def _newest_link(self, chain: str) -> "Head":
        from routing_weights.domain.chain import Head  # noqa: PLC0415  see append

        query: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "distribution_id = :chain AND #record BETWEEN :first AND :last",
            "ExpressionAttributeNames": {"#record": "record"},
            "ExpressionAttributeValues": {
                ":chain": {"S": LINKS + chain},
                ":first": {"S": f"{1:012}"},
                ":last": {"S": f"{HIGHEST:012}"},
            },
            "ScanIndexForward": False,
            "Limit": 1,
            "ConsistentRead": True,
        }
        while True:
            page = client("dynamodb").query(**query)
            for item in page["Items"]:
                if re.fullmatch("[0-9]{12}", item["record"]["S"]):
                    return Head(chain, int(item["record"]["S"]), item.get("hash", {}).get("S", ""))
            if "LastEvaluatedKey" not in page:
                return Head(chain)
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _puts(self, record: Document) -> list[dict[str, Any]]:
        """A record, its link and the head of its chain. `_place_is_taken` knows their order."""
        chain, number = record["chain_queue"], record["chain_number"]
        link = {
            "distribution_id": LINKS + chain,
            "record": f"{number:012}",  # sorts as the number does
            "leads_to": record["distribution_id"],
            "kind": record["record"],
            "before": record["chain_before"],
            "hash": record["chain_hash"],
        }
        head = {"chain": chain, "number": number, "hash": record["chain_hash"]}
        return [
            {"Put": {"TableName": self.table, "Item": _to_item(record), "ConditionExpression": _NEW}},
            {"Put": {"TableName": self.table, "Item": _to_item(link), "ConditionExpression": _NEW}},
            {"Put": {"TableName": self.chains_table, "Item": _to_item(head)}},
        ]

    def find(self, distribution_id: str) -> Records:
        """The records of a distribution, whole."""
        return Records.parse(self.stored(distribution_id))

    def stored(self, distribution_id: str) -> list[Document]:
        """The records of a distribution as JSON, whole, with their links, in the order of their keys."""
        return [self._whole(document_of(item)) for item in self._items(distribution_id)]

    def exported(self, distribution_id: str) -> list[Document]:
        """Like `stored`. A record with a field in the bucket that cannot be read has the reason as `unreadable`."""
        return [self._whole_or_why(document_of(item)) for item in self._items(distribution_id)]

    def _items(self, distribution_id: str) -> list[dict[str, Any]]:
        with reported("read the audit trail"):
            answer = client("dynamodb").query(
                TableName=self.table,
                KeyConditionExpression="distribution_id = :id",
                ExpressionAttributeValues={":id": {"S": distribution_id}},
                ConsistentRead=True,
            )
        items: list[dict[str, Any]] = answer["Items"]
        return items

    def record_in(self, image: Mapping[str, Any]) -> Published:
        """The record in an image of its item, as the table's stream has it."""
        return published(self._whole(document_of(image)))

    def of_queue(
        self, queue_id: str, *, since: str, until: str, limit: int, after: str | None
    ) -> tuple[list[RunSummary], str | None]:
        """A queue's distributions, newest first, and the token of the next page (None on the last page).

        Raises pydantic's ValidationError for an unreadable record: whoever decides by the trail must not pass over it.
        """
        ids, token = self._page(queue_id, since, until, limit, after)
        summaries = self.summaries(ids)
        return [summaries[i] for i in ids if i in summaries], token

    def listed(
        self, queue_id: str, *, since: str, until: str, limit: int, after: str | None
    ) -> tuple[list[RunSummary | Unreadable], str | None]:
        """Like `of_queue`, and an unreadable record is named in its place."""
        ids, token = self._page(queue_id, since, until, limit, after)
        documents = self._summed(ids)
        return [summary_or_why(documents[i]) for i in ids if i in documents], token

    def _page(
        self, queue_id: str, since: str, until: str, limit: int, after: str | None
    ) -> tuple[list[str], str | None]:
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
        last = page.get("LastEvaluatedKey")
        return [item["distribution_id"]["S"] for item in page["Items"]], token_of(last) if last else None

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

    def last_completed(self, queue_id: str) -> RunSummary | None:
        """The queue's distribution that completed last. Its chain is read, since an index may be late."""
        query: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "distribution_id = :chain",
            "FilterExpression": "kind = :closing",
            "ExpressionAttributeValues": {":chain": {"S": LINKS + queue_id}, ":closing": {"S": Closing.KEY}},
            "ScanIndexForward": False,
            "Limit": PAGE_LENGTH,
            "ConsistentRead": True,
        }
        while True:
            with reported("read the chain of the queue"):
                page = client("dynamodb").query(**query)
            ids = [link["leads_to"]["S"] for link in page["Items"]]
            runs = self.summaries(ids)
            for distribution_id in ids:
                run = runs.get(distribution_id)  # a removed record still has its link
                if run and run.status is Status.COMPLETED:
                    return run
            if "LastEvaluatedKey" not in page:
                break
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        earlier = {run.distribution_id: run for run in self.newest(queue_id)}  # an earlier release made no chain
        last = last_completed(earlier.values())
        return earlier[last] if last else None

    def summaries(self, ids: Sequence[str]) -> dict[str, RunSummary]:
        """Return records by id. A distribution without a record is left out."""
        return {distribution_id: summary_of(documents) for distribution_id, documents in self._summed(ids).items()}

    def _summed(self, ids: Sequence[str]) -> dict[str, list[Document]]:
        """The opening and the closing record of each distribution, with the fields of a summary."""
        found: dict[str, list[Document]] = {}
        for document in self._read(ids, (Opening, Closing), tuple(RunSummary.model_fields)):
            inline = {name: value for name, value in document.items() if not _is_moved(value)}
            found.setdefault(document["distribution_id"], []).append(inline)
        return found

    def of_kind(self, kind: type[Kind], ids: Sequence[str]) -> dict[str, Kind]:
        """The records of one kind, by id; a distribution that has none is left out."""
        documents = self._read(ids, (kind,), tuple(kind.model_fields))
        return {document["distribution_id"]: kind.parse(self._whole(document)) for document in documents}

    def _read(self, ids: Sequence[str], kinds: Sequence[type[AuditRecord]], fields: Sequence[str]) -> list[Document]:
        """Some fields of the records, those of one distribution in the order of their keys."""
        aliases = {f"#f{i}": field for i, field in enumerate(dict.fromkeys(("distribution_id", "record", *fields)))}
        keys = [{"distribution_id": {"S": i}, "record": {"S": kind.KEY}} for i in ids for kind in kinds]
        items = batch_get(
            "read the audit records",
            self.table,
            keys,
            ProjectionExpression=",".join(aliases),
            ExpressionAttributeNames=aliases,
        )
        return sorted(map(document_of, items), key=lambda document: str(document["record"]))

    def _moved_to_s3(self, record: Document) -> Document:
        """The record with its largest fields replaced by `{"document": reference, "sha256": hash}` until it fits."""
        sizes = {name: len(json.dumps(value)) for name, value in record.items()}
        while sum(sizes.values()) > MAX_INLINE_BYTES:
            largest = max(sizes, key=lambda name: sizes[name])
            moved = self.documents.put_field(record["distribution_id"], record["record"], largest, record[largest])
            record[largest] = dict(zip(("document", "sha256"), moved, strict=True))
            sizes[largest] = len(json.dumps(record[largest]))
        return record

    def _whole(self, record: Document) -> Document:
        return {
            name: self.documents.resolve(value["document"]) if _is_moved(value) else value
            for name, value in record.items()
        }

    def _whole_or_why(self, record: Document) -> Document:
        try:
            return self._whole(record)
        except (ValueError, RecursionError):
            moved = [value["document"] for value in record.values() if _is_moved(value)]
            return unreadable(record, f"Of its fields in the bucket, one is no JSON: {moved}.")
        except StoreUnavailable as error:
            if error.details.get("aws_error") not in REFUSED:
                raise  # it may be read later
            return unreadable(record, error.message)


def _reasons(response: Any) -> list[str | None]:
    """Why a transaction was cancelled: of the record, its link, the head, and the lock if it was checked."""
    return [reason.get("Code") for reason in response.get("CancellationReasons", [])]


def _place_is_taken(response: Any) -> bool:
    """True if the next place of the chain may be free: another record was faster."""
    reasons = _reasons(response)
    if reasons[:1] == [_FAILED] or reasons[3:] == [_FAILED]:
        return False
    return reasons[1:2] == [_FAILED] or is_conflict(response)


def _is_moved(value: Any) -> bool:
    """True of a field whose content is in S3. Earlier releases wrote no hash."""
    return isinstance(value, dict) and "document" in value and set(value) <= {"document", "sha256"}


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


def document_of(item: Mapping[str, Any]) -> Document:
    """Return an item of the table as JSON. The hash of a record is over this form."""
    return {name: _plain(value) for name, value in item.items()}


def _plain(value: Mapping[str, Any]) -> Any:
    """A value as DynamoDB sends it. A verification reads all records, and boto3's TypeDeserializer is slow."""
    ((kind, content),) = value.items()
    match kind:
        case "N":
            number = float(content)
            return int(number) if number.is_integer() and abs(number) < 1e15 else number  # noqa: PLR2004
        case "M":
            return {name: _plain(each) for name, each in content.items()}
        case "L":
            return [_plain(each) for each in content]
        case "NULL":
            return None
    return content
