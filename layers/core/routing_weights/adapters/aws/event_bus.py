"""Events that we put for others: one EventBridge bus of the deployment."""

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
        """Put one event, whose `detail` is a JSON object of less than 256 KB and says its own `version` and `id`.

        Delivery is at least once, so `id` has to be the same for every copy, also where it is put again.

        Raises:
            StoreUnavailable: EventBridge has not taken it, or has not said so. Put it again.
        """
        text = detail.model_dump_json() if isinstance(detail, BaseModel) else json.dumps(detail, allow_nan=False)
        entry = {"EventBusName": self.name, "Source": SOURCE, "DetailType": detail_type, "Detail": text}
        with reported("put an event on the bus"):
            answer = client("events").put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):  # a 200 all the same
            code = answer["Entries"][0].get("ErrorCode", "unknown")
            raise StoreUnavailable(f"Could not put an event on the bus: {code}.", aws_error=code)


def set_aside(queue_url: str, body: str, reason: str) -> None:
    """Put what cannot be told into a queue of dead letters, for a person to look at."""
    with reported("set aside what cannot be told"):
        client("sqs").send_message(
            QueueUrl=queue_url,
            MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
        )
