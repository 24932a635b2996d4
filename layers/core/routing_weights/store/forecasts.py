"""The load to project with, when the plan does not say: an item per queue, else the deployment's default."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from routing_weights.errors import ForecastMissing, StoreUnavailable
from routing_weights.projection import Forecast
from routing_weights.store.aws import client, reported


@dataclass(frozen=True)
class Forecasts:
    """ForecastTable: `queue_id` (S), `projected_load` (N, erlangs), `updated_at` (N, epoch seconds), `detail` (S)."""

    table: str
    default_load: float | None
    wall_clock: Callable[[], float] = time.time

    def forecast_for(self, queue_id: str) -> Forecast:
        """Raises ForecastMissing where neither the table nor the default knows."""
        with reported("read the forecast"):
            item = client("dynamodb").get_item(TableName=self.table, Key={"queue_id": {"S": queue_id}}).get("Item")
        if item is None:
            return self._default(queue_id)
        try:
            load = float(item["projected_load"]["N"])
            age = self.wall_clock() - float(item["updated_at"]["N"]) if "updated_at" in item else None
        except (KeyError, ValueError) as error:
            message = (
                f"The forecast of queue {queue_id} has no number projected_load, or an updated_at that is not one."
            )
            raise StoreUnavailable(message) from error
        if load < 0:
            raise StoreUnavailable(f"The forecast of queue {queue_id} is negative: {load:g} erlangs.")
        return Forecast(load, "forecast_table", age_s=age, detail=item.get("detail", {}).get("S", ""))

    def _default(self, queue_id: str) -> Forecast:
        if self.default_load is None:
            raise ForecastMissing(
                f"Nothing says what load queue {queue_id} expects. Give projected_load (erlangs) in the plan, put an "
                "item into ForecastTable, or set the deployment's DefaultProjectedLoad."
            )
        return Forecast(self.default_load, "default_parameter", detail="assumed: the deployment's DefaultProjectedLoad")
