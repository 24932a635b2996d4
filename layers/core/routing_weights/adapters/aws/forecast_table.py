"""What somebody has stored about a queue's load: an item per queue in ForecastTable, and the deployment's default."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.volume import MAX_LOAD, StatedVolume
from routing_weights.errors import ForecastMissing, StoreUnavailable
from routing_weights.projection.inputs import Forecast, StoredForecast, Volume


@dataclass(frozen=True)
class Forecasts:
    """ForecastTable: `queue_id` (S) and either the fields of a `StatedVolume` or `projected_load` (N, erlangs).

    Beside them `updated_at`, `valid_from`, `expires_at` (N, epoch seconds), `detail` and `pushed_by` (S).
    """

    table: str
    default_load: float | None = None
    wall_clock: Callable[[], float] = time.time

    def find(self, queue_id: str) -> StoredForecast | None:
        """What is stored, expired or not. Raises StoreUnavailable where it is no forecast."""
        with reported("read the forecast"):
            answer = client("dynamodb").get_item(
                TableName=self.table, Key={"queue_id": {"S": queue_id}}, ConsistentRead=True
            )
        if "Item" not in answer:
            return None
        try:
            return _stored(answer["Item"])
        except (KeyError, ValueError) as error:  # a ValidationError is a ValueError
            message = (
                f"The forecast of queue {queue_id} in ForecastTable is none: it has neither a projected_load from 0 to "
                f"{MAX_LOAD:g} nor a volume, or a value that is not a number. Put another one there, or delete it."
            )
            raise StoreUnavailable(message) from error

    def put(self, queue_id: str, stored: StoredForecast) -> None:
        """Store a forecast in the place of an earlier one."""
        texts = {"queue_id": queue_id, "detail": stored.detail, "pushed_by": stored.pushed_by}
        numbers = (stored.volume.model_dump() if stored.volume else {"projected_load": stored.load}) | {
            name: getattr(stored, name) for name in ("updated_at", "valid_from", "expires_at")
        }
        item = {name: {"S": value} for name, value in texts.items() if value}
        item |= {name: {"N": _number(value)} for name, value in numbers.items() if value is not None}
        with reported("store the forecast"):
            client("dynamodb").put_item(TableName=self.table, Item=item)

    def delete(self, queue_id: str) -> bool:
        """Whether there was one."""
        with reported("delete the forecast"):
            answer = client("dynamodb").delete_item(
                TableName=self.table, Key={"queue_id": {"S": queue_id}}, ReturnValues="ALL_OLD"
            )
        return "Attributes" in answer

    def default(self, queue_id: str) -> Forecast:
        """The deployment's. Raises ForecastMissing where it has none."""
        if self.default_load is None:
            raise ForecastMissing(
                f"Nothing says what load queue {queue_id} expects. Give forecast or projected_load (erlangs) in the "
                f"plan, push one with PUT /queues/{queue_id}/forecast, put an item into ForecastTable, or set the "
                "deployment's DefaultProjectedLoad."
            )
        return Forecast(
            self.default_load,
            "default_parameter",
            detail="assumed: the deployment's DefaultProjectedLoad",
            assumed=(f"load {self.default_load:g} erlangs",),
        )

    def forecast_for(self, queue_id: str) -> Forecast:
        """What is stored and valid, else the default. Raises ForecastMissing where neither knows."""
        stored, now = self.find(queue_id), self.wall_clock()
        return stored.forecast(now) if stored and stored.state(now) == "valid" else self.default(queue_id)


def _number(value: float) -> str:
    """Nine decimals: DynamoDB refuses numbers below 1e-130, and its TTL wants whole seconds without a point."""
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _stored(item: dict[str, Any]) -> StoredForecast:
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
    return StoredForecast(load, volume, detail=texts.get("detail", ""), pushed_by=texts.get("pushed_by"), **numbers)
