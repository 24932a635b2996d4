"""ForecastTable: one item per queue, pushed over the API or put there by hand."""

import json
from dataclasses import dataclass
from typing import Any

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.volume import MAX_LOAD, StatedVolume
from routing_weights.errors import StoreUnavailable
from routing_weights.projection.inputs import Later, PushedForecast, Volume


@dataclass(frozen=True)
class Forecasts:
    """An item has `queue_id` (S) and either the fields of a `StatedVolume` or `projected_load` (N, erlangs).

    It may have `updated_at`, `valid_from`, `expires_at` (N, epoch seconds), `detail` and `pushed_by` (S), and `later`
    (S): JSON, a list of start (epoch seconds), contacts and handle time. The intervals of a month have 90 KB.
    """

    table: str

    def find(self, queue_id: str) -> PushedForecast | None:
        """The queue's forecast, expired or not. Raises StoreUnavailable if the item is no forecast."""
        with reported("read the forecast"):
            answer = client("dynamodb").get_item(
                TableName=self.table, Key={"queue_id": {"S": queue_id}}, ConsistentRead=True
            )
        if "Item" not in answer:
            return None
        try:
            return _pushed(answer["Item"])
        except (KeyError, TypeError, ValueError) as error:  # a ValidationError is a ValueError
            message = (
                f"The item of queue {queue_id} in ForecastTable is no forecast: it has neither a projected_load from 0 "
                f"to {MAX_LOAD:g} nor a volume, or a value is not a number. Replace the item, or delete it."
            )
            raise StoreUnavailable(message) from error

    def put(self, queue_id: str, pushed: PushedForecast) -> None:
        """Store a forecast and replace an earlier one."""
        texts = {"queue_id": queue_id, "detail": pushed.detail, "pushed_by": pushed.pushed_by}
        texts |= {"later": json.dumps(pushed.later, separators=(",", ":"))} if pushed.later else {}
        numbers = (pushed.volume.model_dump() if pushed.volume else {"projected_load": pushed.load}) | {
            name: getattr(pushed, name) for name in ("updated_at", "valid_from", "expires_at")
        }
        item = {name: {"S": value} for name, value in texts.items() if value}
        item |= {name: {"N": _number(value)} for name, value in numbers.items() if value is not None}
        with reported("store the forecast"):
            client("dynamodb").put_item(TableName=self.table, Item=item)

    def delete(self, queue_id: str) -> bool:
        """Delete the queue's forecast. False if there was none."""
        with reported("delete the forecast"):
            answer = client("dynamodb").delete_item(
                TableName=self.table, Key={"queue_id": {"S": queue_id}}, ReturnValues="ALL_OLD"
            )
        return "Attributes" in answer


def _number(value: float) -> str:
    """The number with nine decimals. DynamoDB refuses numbers below 1e-130; its TTL wants whole seconds, no point."""
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _pushed(item: dict[str, Any]) -> PushedForecast:
    texts = {name: value["S"] for name, value in item.items() if "S" in value}
    numbers = {name: float(item[name]["N"]) for name in ("updated_at", "valid_from", "expires_at") if name in item}
    if "projected_load" in item:
        volume, load = None, float(item["projected_load"]["N"])
    else:
        fields: dict[str, float] = {n: float(item[n]["N"]) for n in StatedVolume.model_fields if n in item}
        fields |= {"interval_s": int(fields["interval_s"])} if "interval_s" in fields else {}
        volume = StatedVolume.model_validate(fields)
        load = Volume.of(volume).load
    if not 0 <= load <= MAX_LOAD:
        raise ValueError("projected_load")
    later = [Later(*each) for each in json.loads(texts.get("later", "[]"))]
    detail, pushed_by = texts.get("detail", ""), texts.get("pushed_by")
    return PushedForecast(load, volume, detail, pushed_by=pushed_by, later=later, **numbers)
