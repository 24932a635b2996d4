"""Drift on record, by queue and time; beside it which state a queue was last seen in, and its latest repairs."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from routing_weights.adapters.aws.client import client, listing, reported, through_conflicts
from routing_weights.adapters.aws.pages import key_in, token_invalid, token_of
from routing_weights.domain.record import Record
from routing_weights.errors import StoreUnavailable

STATE = "state"
"""The item that holds the last seen state of a queue. It sorts after every time, so no listing meets it."""
REPAIRS = "repairs"
"""The item that counts the repairs of a queue. It sorts after every time, too."""
HOUR_MS = 3_600_000
CLAIM_TRIES = 8
MAX_KEY = 200
_FAILED = "ConditionalCheckFailed"


@dataclass(frozen=True)
class DriftRecords:
    """DriftTable: `queue_id` and `record`, which is a time and a delivery, or `state`, or `repairs`."""

    table: str
    sleep: Callable[[float], None] = time.sleep

    def append(self, record: Record, fingerprint: str, seen_at_ms: int) -> bool:
        """Record drift, once: False where the queue's last seen state is the same, or newer than `seen_at_ms`.

        Deliveries come twice, out of order, and to two functions at once: the state and its record are written in one.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415

        queue = {"S": record["queue_id"]}
        state = {
            "TableName": self.table,
            "Item": {
                "queue_id": queue,
                "record": {"S": STATE},
                "fingerprint": {"S": fingerprint},
                "seen_at": {"N": str(seen_at_ms)},
                "current": {"S": record["record"]},
            },
            "ConditionExpression": "attribute_not_exists(queue_id) OR (seen_at <= :seen AND fingerprint <> :state)",
            "ExpressionAttributeValues": {":seen": {"N": str(seen_at_ms)}, ":state": {"S": fingerprint}},
        }
        item = {"queue_id": queue, "record": {"S": record["record"]}, "drift": {"S": json.dumps(record)}}
        try:
            with reported("record the drift", expected=("TransactionCanceledException",)):
                puts = [{"Put": state}, {"Put": {"TableName": self.table, "Item": item}}]
                through_conflicts(lambda: client("dynamodb").transact_write_items(TransactItems=puts), self.sleep)
        except ClientError as error:
            reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            if reasons[:1] == [_FAILED]:
                return False
            raise StoreUnavailable(f"Could not record the drift: {reasons}.") from error
        return True

    def of_state(self, queue_id: str, fingerprint: str) -> Record | None:
        """The record of the state that the queue was last seen in, None where that is another one by now."""
        state = self._item(queue_id, STATE)
        if "current" not in state or state["fingerprint"]["S"] != fingerprint:
            return None
        return _whole(self._item(queue_id, state["current"]["S"]))

    def note(self, record: Record, done: Record, *, final: bool) -> bool:
        """Say beside a record what was done, in the place of what was said before; False where that was final."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            with reported("note what was done about the drift", expected=("ConditionalCheckFailedException",)):
                self._update(
                    record,
                    UpdateExpression="SET done = :done, is_final = :final",
                    ConditionExpression="attribute_exists(drift) AND NOT is_final = :yes",
                    ExpressionAttributeValues={
                        ":done": {"S": json.dumps(done)},
                        ":final": {"BOOL": final},
                        ":yes": {"BOOL": True},
                    },
                )
        except ClientError:  # another function was faster, and came to an end
            return False
        return True

    def note_begun(self, record: Record) -> None:
        """Say beside a record that its repair has been started."""
        with reported("note that the repair has begun"):
            self._update(
                record,
                UpdateExpression="SET begun = :yes",
                ConditionExpression="attribute_exists(drift)",
                ExpressionAttributeValues={":yes": {"BOOL": True}},
            )

    def _update(self, record: Record, **change: Any) -> None:
        key = {"queue_id": {"S": record["queue_id"]}, "record": {"S": record["record"]}}
        through_conflicts(lambda: client("dynamodb").update_item(TableName=self.table, Key=key, **change), self.sleep)

    def claim_repair(self, record: Record, most: int, now_ms: int) -> bool:
        """Take one of the `most` repairs that a queue may have in any hour; for the same record it is the same one.

        Raises StoreUnavailable where others claim at the same time again and again.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415

        for _ in range(CLAIM_TRIES):
            held = self._item(record["queue_id"], REPAIRS).get("claims")
            claims = json.loads(held["S"]) if held else {}
            recent = {name: at for name, at in claims.items() if at > now_ms - HOUR_MS and name != record["record"]}
            if len(recent) >= most:
                return False
            unchanged: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(queue_id)"}
            if held:
                unchanged = {
                    "ConditionExpression": "claims = :held",
                    "ExpressionAttributeValues": {":held": held},
                }
            new = json.dumps(recent | {record["record"]: now_ms}, sort_keys=True)
            item = {"queue_id": {"S": record["queue_id"]}, "record": {"S": REPAIRS}, "claims": {"S": new}}
            try:
                with reported("count the repair", expected=("ConditionalCheckFailedException",)):
                    client("dynamodb").put_item(TableName=self.table, Item=item, **unchanged)
            except ClientError:  # somebody else's claim came between: look again
                continue
            return True
        raise StoreUnavailable(f"Could not count the repair: {CLAIM_TRIES} others were faster.")

    def _item(self, queue_id: str, record: str) -> dict[str, Any]:
        with reported("read the drift of the queue"):
            answer = client("dynamodb").get_item(
                TableName=self.table,
                Key={"queue_id": {"S": queue_id}, "record": {"S": record}},
                ConsistentRead=True,
            )
        return dict(answer.get("Item", {}))

    def settled(self, queue_id: str, seen_at_ms: int) -> None:
        """The queue was seen to hold what was applied: the next drift is a new one, even of a state seen before."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            with reported("note that there is no drift", expected=("ConditionalCheckFailedException",)):
                put: Any = {
                    "TableName": self.table,
                    "Item": {
                        "queue_id": {"S": queue_id},
                        "record": {"S": STATE},
                        "fingerprint": {"S": ""},
                        "seen_at": {"N": str(seen_at_ms)},
                    },
                    # Where no drift was ever seen, there is nothing to forget. A newer reading without drift is kept,
                    # or an older one that comes to its end later would be taken for news.
                    "ConditionExpression": "seen_at <= :seen",
                    "ExpressionAttributeValues": {":seen": {"N": str(seen_at_ms)}},
                }
                through_conflicts(lambda: client("dynamodb").put_item(**put), self.sleep)
        except ClientError:
            return

    def of_queue(
        self, queue_id: str, *, since: str, until: str, limit: int, after: str | None
    ) -> tuple[list[Record], str | None]:
        """A queue's records, newest first, and the token of the next page (None: that was all)."""
        query: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "queue_id = :queue AND #record BETWEEN :since AND :until",
            "ExpressionAttributeNames": {"#record": "record"},
            # A record's key goes on after its time; `~` sorts after whatever it goes on with.
            "ExpressionAttributeValues": {
                ":queue": {"S": queue_id},
                ":since": {"S": since},
                ":until": {"S": f"{until}~"},
            },
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if after:
            query["ExclusiveStartKey"] = {"queue_id": {"S": queue_id}, "record": {"S": _record(after)}}
        with listing("read the drift of the queue", after):
            page = client("dynamodb").query(**query)
        last = page.get("LastEvaluatedKey")
        token = token_of(last["record"]["S"]) if last else None
        return [_whole(item) for item in page["Items"]], token


def _whole(item: dict[str, Any]) -> Record:
    """A record, with what was done about it."""
    record: Record = json.loads(item["drift"]["S"])
    begun = {"begun": True} if "begun" in item else {}
    return record | (json.loads(item["done"]["S"]) if "done" in item else {}) | begun


def _record(token: str) -> str:
    """The record's key in a page token. It is read in the queue of the path, so it opens no other one's records."""
    text = key_in(token)
    if not isinstance(text, str) or not text[:1].isdigit() or len(text) > MAX_KEY:
        raise token_invalid()
    if not text.isascii() or not text.isprintable():
        raise token_invalid()
    return text
