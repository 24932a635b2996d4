"""The webhooks that came in: a memory of which deliveries were queued."""

from collections.abc import Sequence
from dataclasses import dataclass

from routing_weights.adapters.aws.client import client, reported

KEPT_S = 86_400
"""How long a delivery is remembered. A signature is accepted for minutes only: the rest is for late retries."""


@dataclass(frozen=True)
class Deliveries:
    """DeliveriesTable: `delivery` (S) and `expires_at` (N, epoch seconds)."""

    table: str

    def known(self, names: Sequence[str], now: float) -> bool:
        """True where one of the names was noted within the last day."""
        keys = [{"delivery": {"S": name}} for name in names]
        with reported("read the deliveries"):
            answer = client("dynamodb").batch_get_item(
                RequestItems={self.table: {"Keys": keys, "ConsistentRead": True}}
            )
        if answer.get("UnprocessedKeys"):  # no answer is not a no; a second event does less harm than a lost one
            return False
        # DynamoDB deletes an expired item within days, so whoever reads one has to check.
        return any(float(item["expires_at"]["N"]) > now for item in answer["Responses"].get(self.table, []))

    def note(self, names: Sequence[str], now: float) -> None:
        """Remember a delivery by each of its names."""
        expires = {"N": str(int(now) + KEPT_S)}
        requests = [{"PutRequest": {"Item": {"delivery": {"S": name}, "expires_at": expires}}} for name in names]
        with reported("note the delivery"):
            client("dynamodb").batch_write_item(RequestItems={self.table: requests})
