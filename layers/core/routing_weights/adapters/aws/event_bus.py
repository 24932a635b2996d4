"""The events that others receive: one EventBridge bus of the deployment."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from routing_weights.adapters.aws.client import client, reported
from routing_weights.errors import StoreUnavailable

SOURCE = "routing-weights"
"""`source` of every event of ours."""


@dataclass(frozen=True)
class Bus:
    name: str

    def put(self, detail_type: str, detail: BaseModel | dict[str, Any]) -> None:
        """Put one event. `detail` is a JSON object of less than 256 KB with its own `version` and `id`.

        Delivery is at least once, so `id` has to be the same for every copy, also where it is put again.

        Raises:
            StoreUnavailable: EventBridge did not accept it, or did not answer. Put it again.
        """
        text = detail.model_dump_json() if isinstance(detail, BaseModel) else json.dumps(detail, allow_nan=False)
        entry = {"EventBusName": self.name, "Source": SOURCE, "DetailType": detail_type, "Detail": text}
        with reported("put an event on the bus"):
            answer = client("events").put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):  # a 200 all the same
            code = answer["Entries"][0].get("ErrorCode", "unknown")
            raise StoreUnavailable(f"Could not put an event on the bus: {code}.", aws_error=code)
