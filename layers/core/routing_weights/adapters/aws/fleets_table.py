"""FleetsTable: a fleet, each of its queues that has ended, and its waves.

Partition key `fleet_id`, sort key `part`: `fleet`, `queue#000000`, `wave#00`, and the `spent` of efforts. The state
machine reads and writes attributes itself, so each has a type of its own; what only Python reads is JSON text.
Only the item `fleet` has a `kind`, so the index `by_time` lists each fleet once.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, listing, reported
from routing_weights.domain.fleet import (
    Fleet,
    FleetStatus,
    Held,
    QueueOutcome,
    Steered,
    Verdict,
    WaveOutcome,
    queue_part,
    wave_part,
)
from routing_weights.domain.pages import key_in, token_invalid, token_of
from routing_weights.domain.record import timestamp
from routing_weights.domain.types import FLEET_ID

_REFUSED = "ConditionalCheckFailedException"
_JSON = ("options", "waves", "origin", "held")
"""The attributes of item `fleet` that are JSON text."""

_KIND = "fleet"
"""The `kind` of every item in the index."""

_RUNS = "attempt = :attempt AND attribute_not_exists(ended_at)"
"""The condition of every change that an attempt makes: it is the fleet's last one, and the fleet has not ended."""

_TIME = r"[0-9T:.Z-]{1,40}"

Item = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Fleets:
    table: str

    def create(self, fleet: Fleet) -> bool:
        """Store a new fleet. False if there is one with this id."""
        item = _to_item(fleet)
        return self._written(
            "put_item", "store the fleet", Item=item, ConditionExpression="attribute_not_exists(fleet_id)"
        )

    def find(self, fleet_id: str) -> Fleet | None:
        with reported("read the fleet"):
            answer = client("dynamodb").get_item(TableName=self.table, Key=_key(fleet_id, "fleet"), ConsistentRead=True)
        return _fleet(answer["Item"]) if "Item" in answer else None

    def newest(self, limit: int, after: str | None) -> tuple[list[Fleet], str | None]:
        """Fleets, newest first, as they were some moments ago, and the token of the next page (None on the last one).

        Raises:
            RequestInvalid: `after` is no token of this listing.
        """
        query: dict[str, Any] = {
            "TableName": self.table,
            "IndexName": "by_time",
            "KeyConditionExpression": "kind = :kind",
            "ExpressionAttributeValues": {":kind": {"S": _KIND}},
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if after:
            query["ExclusiveStartKey"] = _start_key(after)
        with listing("list the fleets", after):
            page = client("dynamodb").query(**query)
        last = page.get("LastEvaluatedKey")
        fleets = [_fleet(item) for item in page["Items"]]
        return fleets, self.token(fleets[-1]) if last else None

    def token(self, fleet: Fleet) -> str:
        """The token of the page that begins after a fleet."""
        return token_of([fleet.submitted_at, fleet.fleet_id])

    def stop(self, fleet_id: str, attempt: int, by: Steered) -> bool:
        """Note that no further queue begins, unless the fleet has ended, or another attempt runs."""
        return self._change(
            fleet_id,
            "cancel the fleet",
            "SET stop = :stop",
            _RUNS,
            {":stop": {"S": "cancel"}, ":attempt": {"N": str(attempt)}},
            by,
        )

    def begin_again(
        self, fleet_id: str, attempt: int, status: FleetStatus, execution_arn: str, now: datetime, by: Steered
    ) -> bool:
        """Note a further attempt before its execution starts. False if somebody else has begun one after `attempt`."""
        values = {
            ":status": {"S": status.value},
            ":now": {"S": timestamp(now)},
            ":next": {"N": str(attempt + 1)},
            ":attempt": {"N": str(attempt)},
            ":arn": {"S": execution_arn},
        }
        change = (
            "SET #status = :status, attempt = :next, execution_arn = :arn, begun_at = :now "
            "REMOVE stop, held, reason, ended_at"
        )
        return self._change(fleet_id, "resume the fleet", change, "attempt = :attempt", values, by)

    def end(
        self,
        fleet_id: str,
        attempt: int,
        status: FleetStatus,
        reason: str,
        now: datetime,
        by: Steered | None = None,
    ) -> bool:
        """Store how an attempt has ended. False if it has ended already, or another attempt runs."""
        values = {
            ":status": {"S": status.value},
            ":reason": {"S": reason},
            ":now": {"S": timestamp(now)},
            ":attempt": {"N": str(attempt)},
        }
        change = "SET #status = :status, reason = :reason, ended_at = :now REMOVE held"
        return self._change(fleet_id, "close the fleet", change, _RUNS, values, by)

    def hold(self, fleet_id: str, attempt: int, held: Held) -> bool:
        """Note that a wave waits for a decision. False if the fleet is cancelled or over, or another attempt runs."""
        values = {
            ":status": {"S": FleetStatus.HELD.value},
            ":held": {"S": held.model_dump_json()},
            ":reason": {"S": held.reason},
            ":attempt": {"N": str(attempt)},
            ":cancel": {"S": "cancel"},
        }
        change = "SET #status = :status, held = :held, reason = :reason"
        wanted = f"{_RUNS} AND (attribute_not_exists(stop) OR stop <> :cancel)"
        return self._change(fleet_id, "hold the fleet", change, wanted, values)

    def go_on(self, fleet_id: str, attempt: int, status: FleetStatus, reason: str, by: Steered | None = None) -> bool:
        """Note that a fleet runs, or reverts, and is neither held nor stopped. False as for `hold`."""
        values = {":status": {"S": status.value}, ":reason": {"S": reason}, ":attempt": {"N": str(attempt)}}
        change = "SET #status = :status, reason = :reason REMOVE held, stop"
        return self._change(fleet_id, "continue the fleet", change, _RUNS, values, by)

    def begin_wave(self, fleet_id: str, wave: int, failed: Collection[int]) -> None:
        """Note which queues of a wave have failed, before the others begin. The state machine adds to them.

        The wave is not watched any more.
        """
        if failed:
            numbers: Item = {":failed": {"NS": [str(number) for number in failed]}}
            self._set(fleet_id, wave, "SET failed = :failed REMOVE baked_until", numbers)
        else:
            self._set(fleet_id, wave, "REMOVE failed, baked_until", {})

    def bake(self, fleet_id: str, wave: int, until: datetime) -> None:
        """Note until when a wave is watched."""
        self._set(fleet_id, wave, "SET baked_until = :until", {":until": {"S": timestamp(until)}})

    def judge(self, fleet_id: str, wave: int, verdict: Verdict, reasons: Sequence[str]) -> None:
        """Store the verdict of a wave's gate."""
        values: Item = {":verdict": {"S": verdict}, ":reasons": {"S": json.dumps(list(reasons))}}
        self._set(fleet_id, wave, "SET verdict = :verdict, reasons = :reasons", values)

    def note(self, fleet_id: str, outcome: QueueOutcome) -> None:
        """Store how a queue has ended whose child execution could not."""
        texts = outcome.model_dump(include={"queue_id", "distribution_id", "status", "sentence"}, mode="json")
        item: Item = {name: {"S": value} for name, value in texts.items()}
        item |= {name: {"N": str(value)} for name, value in (("number", outcome.number), ("wave", outcome.wave))}
        with reported("store the outcome of the queue"):
            client("dynamodb").put_item(TableName=self.table, Item=_key(fleet_id, queue_part(outcome.number)) | item)

    def outcomes(self, fleet_id: str) -> list[QueueOutcome]:
        """All queues that have ended, by number."""
        return [_queue(item) for item in self._items(fleet_id, "queue#")]

    def waves(self, fleet_id: str) -> list[WaveOutcome]:
        return [_wave(item) for item in self._items(fleet_id, "wave#")]

    def _items(self, fleet_id: str, prefix: str) -> list[Item]:
        query, items = self._query(fleet_id, prefix), []
        while True:
            with reported("read the fleet"):
                answer = client("dynamodb").query(**query)
            items += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return items
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _query(self, fleet_id: str, prefix: str) -> dict[str, Any]:
        return {
            "TableName": self.table,
            "KeyConditionExpression": "fleet_id = :fleet AND begins_with(part, :prefix)",
            "ExpressionAttributeValues": {":fleet": {"S": fleet_id}, ":prefix": {"S": prefix}},
            "ConsistentRead": True,
        }

    def _set(self, fleet_id: str, wave: int, change: str, values: Item) -> None:
        with reported("store the wave of the fleet"):
            client("dynamodb").update_item(
                TableName=self.table,
                Key=_key(fleet_id, wave_part(wave)),
                UpdateExpression=change,
                **({"ExpressionAttributeValues": values} if values else {}),
            )

    def _change(
        self, fleet_id: str, action: str, change: str, condition: str, values: Item, by: Steered | None = None
    ) -> bool:
        """Change the item of a fleet, and note who wanted that. False if `condition` does not hold."""
        if by:
            change = change.replace("SET ", "SET steered = list_append(if_not_exists(steered, :none), :by), ", 1)
            values = values | {":by": {"L": [{"S": by.model_dump_json()}]}, ":none": {"L": []}}
        names = {"ExpressionAttributeNames": {"#status": "status"}} if "#status" in change + condition else {}
        return self._written(
            "update_item",
            action,
            Key=_key(fleet_id, "fleet"),
            UpdateExpression=change,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
            **names,
        )

    def _written(self, operation: str, action: str, **request: Any) -> bool:
        try:
            with reported(action, expected=(_REFUSED,)):
                getattr(client("dynamodb"), operation)(TableName=self.table, **request)
        except ClientError:
            return False
        return True


def _key(fleet_id: str, part: str) -> Item:
    return {"fleet_id": {"S": fleet_id}, "part": {"S": part}}


def _start_key(token: str) -> Item:
    """The key in a page token, which comes from outside."""
    match key_in(token):
        case [str(submitted_at), str(fleet_id)] if re.fullmatch(_TIME, submitted_at) and re.fullmatch(
            FLEET_ID, fleet_id
        ):
            return _key(fleet_id, "fleet") | {"kind": {"S": _KIND}, "submitted_at": {"S": submitted_at}}
    raise token_invalid()


def _to_item(fleet: Fleet) -> Item:
    document = fleet.model_dump(mode="json", exclude_none=True)
    texts = {name: json.dumps(value) if name in _JSON else value for name, value in document.items()}
    typed = {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in texts.items()}
    typed.pop("steered")  # a list, which people add to
    typed.pop("ended_at")  # its absence is the condition of every change
    return typed | {"part": {"S": "fleet"}, "kind": {"S": _KIND}}


def _fleet(item: Mapping[str, Any]) -> Fleet:
    document = _plain({name: value for name, value in item.items() if name != "steered"})
    steered = [json.loads(each["S"]) for each in item.get("steered", {}).get("L", [])]
    read = {name: json.loads(document[name]) for name in _JSON if name in document}
    return Fleet.model_validate(document | read | {"steered": steered})


def _queue(item: Mapping[str, Any]) -> QueueOutcome:
    return QueueOutcome.model_validate(_plain(item))


def _wave(item: Mapping[str, Any]) -> WaveOutcome:
    document = _plain(item)
    reasons = json.loads(document["reasons"]) if "reasons" in document else ()
    return WaveOutcome.model_validate(document | {"wave": int(document["part"].partition("#")[2]), "reasons": reasons})


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes without their types: texts, whole numbers, and sets of numbers."""
    plain = {}
    for name, typed in item.items():
        ((kind, value),) = typed.items()
        plain[name] = int(value) if kind == "N" else frozenset(map(int, value)) if kind == "NS" else value
    return plain
