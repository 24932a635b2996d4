"""The drift entries of queues, by time. Beside them, the state that each queue was last seen in, and its repairs."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.batch import batch_get
from routing_weights.adapters.aws.client import client, listing, reported, through_conflicts
from routing_weights.domain.drift import Answer, DriftEntry
from routing_weights.domain.pages import key_in, token_invalid, token_of
from routing_weights.errors import StoreUnavailable

STATE = "state"
"""The item that holds the last seen state of a queue. It sorts after every time, so no listing includes it."""
REPAIRS = "repairs"
"""The item that counts the repairs of a queue. It sorts after every time as well."""
HOUR_MS = 3_600_000
CLAIM_TRIES = 8
MAX_KEY = 200
_FAILED = "ConditionalCheckFailed"


@dataclass(frozen=True)
class DriftEntries:
    """DriftTable: `queue_id` and `record`, which is an entry's id, or `state`, or `repairs`."""

    table: str
    sleep: Callable[[float], None] = time.sleep

    def append(self, entry: DriftEntry, fingerprint: str, seen_at_ms: int) -> bool:
        """Store an entry once: False where the queue's last seen state is the same, or newer than `seen_at_ms`.

        Deliveries come twice, out of order, and to two functions at once, so one transaction writes state and entry.
        """
        queue, entry_id = {"S": entry.queue_id}, {"S": entry.entry_id}
        state = {
            "TableName": self.table,
            "Item": {
                "queue_id": queue,
                "record": {"S": STATE},
                "fingerprint": {"S": fingerprint},
                "seen_at": {"N": str(seen_at_ms)},
                "current": entry_id,
            },
            "ConditionExpression": "attribute_not_exists(queue_id) OR (seen_at <= :seen AND fingerprint <> :state)",
            "ExpressionAttributeValues": {":seen": {"N": str(seen_at_ms)}, ":state": {"S": fingerprint}},
        }
        item = {"queue_id": queue, "record": entry_id, "drift": {"S": json.dumps(entry.to_json())}}
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

    def of_state(self, queue_id: str, fingerprint: str) -> DriftEntry | None:
        """The entry of the state that the queue was last seen in, None where that is another state by now."""
        state = self._item(queue_id, STATE)
        if "current" not in state or state["fingerprint"]["S"] != fingerprint:
            return None
        return _entry(self._item(queue_id, state["current"]["S"]))

    def open(self, queue_ids: Sequence[str]) -> dict[str, DriftEntry]:
        """By queue, the entry of the state that the queue was last seen in. Queues without drift are left out."""
        states = self._items((queue_id, STATE) for queue_id in queue_ids)
        current = ((state["queue_id"]["S"], state["current"]["S"]) for state in states if "current" in state)
        return {item["queue_id"]["S"]: _entry(item) for item in self._items(current)}

    def _items(self, keys: Iterable[tuple[str, str]]) -> Iterator[dict[str, Any]]:
        wanted = [{"queue_id": {"S": queue_id}, "record": {"S": record}} for queue_id, record in keys]
        return batch_get("read the drift of the queues", self.table, wanted)

    def note(self, queue_id: str, entry_id: str, answer: Answer, *, final: bool) -> bool:
        """Note the answer beside an entry, in place of an earlier one. False where that one was final."""
        try:
            with reported("note the answer to the drift", expected=("ConditionalCheckFailedException",)):
                self._update(
                    queue_id,
                    entry_id,
                    UpdateExpression="SET done = :done, is_final = :final",
                    ConditionExpression="attribute_exists(drift) AND NOT is_final = :yes",
                    ExpressionAttributeValues={
                        ":done": {"S": json.dumps(answer.to_json())},
                        ":final": {"BOOL": final},
                        ":yes": {"BOOL": True},
                    },
                )
        except ClientError:  # another function was faster, and its answer is final
            return False
        return True

    def note_begun(self, queue_id: str, entry_id: str) -> None:
        """Note beside an entry that its repair was started."""
        with reported("note that the repair has begun"):
            self._update(
                queue_id,
                entry_id,
                UpdateExpression="SET begun = :yes",
                ConditionExpression="attribute_exists(drift)",
                ExpressionAttributeValues={":yes": {"BOOL": True}},
            )

    def _update(self, queue_id: str, entry_id: str, **change: Any) -> None:
        key = {"queue_id": {"S": queue_id}, "record": {"S": entry_id}}
        through_conflicts(lambda: client("dynamodb").update_item(TableName=self.table, Key=key, **change), self.sleep)

    def claim_repair(self, queue_id: str, entry_id: str, most: int, now_ms: int) -> bool:
        """Take one of the `most` repairs that a queue may have in any hour; an entry has one repair.

        Raises StoreUnavailable where others claim at the same time again and again.
        """
        for _ in range(CLAIM_TRIES):
            held = self._item(queue_id, REPAIRS).get("claims")
            claims = json.loads(held["S"]) if held else {}
            recent = {name: at for name, at in claims.items() if at > now_ms - HOUR_MS and name != entry_id}
            if len(recent) >= most:
                return False
            unchanged: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(queue_id)"}
            if held:
                unchanged = {
                    "ConditionExpression": "claims = :held",
                    "ExpressionAttributeValues": {":held": held},
                }
            new = json.dumps(recent | {entry_id: now_ms}, sort_keys=True)
            item = {"queue_id": {"S": queue_id}, "record": {"S": REPAIRS}, "claims": {"S": new}}
            try:
                with reported("count the repair", expected=("ConditionalCheckFailedException",)):
                    client("dynamodb").put_item(TableName=self.table, Item=item, **unchanged)
            except ClientError:  # another claim came in between: read again
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
        """Note that the queue holds what was applied. The next drift is new, even if its state was seen before."""
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
                    # A queue that never had drift has nothing to forget. A newer reading without drift is kept, or the
                    # drift of an older reading that ends later would count as new.
                    "ConditionExpression": "seen_at <= :seen",
                    "ExpressionAttributeValues": {":seen": {"N": str(seen_at_ms)}},
                }
                through_conflicts(lambda: client("dynamodb").put_item(**put), self.sleep)
        except ClientError:
            return

    def of_queue(
        self, queue_id: str, *, since: str, until: str, limit: int, after: str | None
    ) -> tuple[list[DriftEntry], str | None]:
        """A queue's entries, newest first, and the token of the next page (None on the last page)."""
        query: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "queue_id = :queue AND #record BETWEEN :since AND :until",
            "ExpressionAttributeNames": {"#record": "record"},
            # An entry's id continues after its time, and `~` sorts after every continuation.
            "ExpressionAttributeValues": {
                ":queue": {"S": queue_id},
                ":since": {"S": since},
                ":until": {"S": f"{until}~"},
            },
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if after:
            query["ExclusiveStartKey"] = {"queue_id": {"S": queue_id}, "record": {"S": _entry_id(after)}}
        with listing("read the drift of the queue", after):
            page = client("dynamodb").query(**query)
        last = page.get("LastEvaluatedKey")
        token = token_of(last["record"]["S"]) if last else None
        return [_entry(item) for item in page["Items"]], token


def _entry(item: dict[str, Any]) -> DriftEntry:
    answer = json.loads(item["done"]["S"]) if "done" in item else None
    return DriftEntry.parse(json.loads(item["drift"]["S"]), answer, repair_begun="begun" in item)


def _entry_id(token: str) -> str:
    """The entry's id in a page token. It is read in the queue of the path, so it opens no other queue's entries."""
    text = key_in(token)
    if not isinstance(text, str) or not text[:1].isdigit() or len(text) > MAX_KEY:
        raise token_invalid()
    if not text.isascii() or not text.isprintable():
        raise token_invalid()
    return text
