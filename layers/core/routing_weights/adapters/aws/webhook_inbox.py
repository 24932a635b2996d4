"""Webhooks on their way: a queue of events, and a memory of which deliveries were put into it."""

import math
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.change_events import ChangeEvent
from routing_weights.errors import StoreUnavailable

logger = Logger(child=True)

KEPT_S = 86_400
"""How long a delivery is remembered. A signature is good for minutes only: the rest is for senders that retry late."""
QUIET_S = 2
"""WebhookQueue's DelaySeconds: a reading that begins so long after an event was sent shows what the event tells of."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5, 300
LONGEST_DELAY_S = 900
"""Of SQS: 15 minutes."""


@dataclass(frozen=True)
class Deliveries:
    """DeliveriesTable: `delivery` (S) and `expires_at` (N, epoch seconds)."""

    table: str
    queue_url: str

    def known(self, names: list[str], now: float) -> bool:
        """Whether any of the names was noted within the last day."""
        keys = [{"delivery": {"S": name}} for name in names]
        with reported("read the deliveries"):
            answer = client("dynamodb").batch_get_item(
                RequestItems={self.table: {"Keys": keys, "ConsistentRead": True}}
            )
        if answer.get("UnprocessedKeys"):  # no answer is not a no; a second event does less harm than a lost one
            return False
        # DynamoDB deletes an expired item within days, so whoever reads one has to look.
        return any(float(item["expires_at"]["N"]) > now for item in answer["Responses"].get(self.table, []))

    def enqueue(self, event: ChangeEvent) -> None:
        with reported("queue the event"):
            client("sqs").send_message(QueueUrl=self.queue_url, MessageBody=event.model_dump_json(exclude_none=True))

    def note(self, names: list[str], now: float) -> None:
        """Remember a delivery by each of its names."""
        expires = {"N": str(int(now) + KEPT_S)}
        requests = [{"PutRequest": {"Item": {"delivery": {"S": name}, "expires_at": expires}}} for name in names]
        with reported("note the delivery"):
            client("dynamodb").batch_write_item(RequestItems={self.table: requests})


def look_again(queue_url: str, event: ChangeEvent, after_s: float) -> None:
    """Have the queue of `event` looked at (again), in `after_s` seconds or in 15 minutes, whichever is sooner."""
    with reported("have the queue looked at later"):
        client("sqs").send_message(
            QueueUrl=queue_url,
            MessageBody=event.model_dump_json(exclude_none=True),
            DelaySeconds=min(math.ceil(after_s), LONGEST_DELAY_S),
        )


def told_by(message: dict[str, Any], looked_at_ms: int) -> bool:
    """Whether a reading that began at `looked_at_ms` has answered the message of an SQS event already."""
    return int(message["attributes"]["SentTimestamp"]) + QUIET_S * 1000 <= looked_at_ms


def put_off(
    queue_url: str, messages: list[dict[str, Any]], *, first_s: int = FIRST_PAUSE_S, at_least_s: int = 0
) -> None:
    """Have the messages of an SQS event come back after a pause that doubles with each time they were received.

    How often they may come is the queue's maxReceiveCount in template.yaml. Events of Genesys: a distribution may run
    for 90 minutes where Genesys makes it wait, and the count is for about 100; what comes back more often is for a
    person to look at.
    """
    for message in messages:
        received = int(message["attributes"]["ApproximateReceiveCount"])
        pause_s = max(at_least_s, min(first_s * 2 ** min(received - 1, 10), LONGEST_PAUSE_S))
        try:
            with reported("put off the event"):
                client("sqs").change_message_visibility(
                    QueueUrl=queue_url, ReceiptHandle=message["receiptHandle"], VisibilityTimeout=pause_s
                )
        except StoreUnavailable as error:  # it comes back all the same, when its visibility timeout is over
            logger.warning("The event could not be put off", reason=error.message)
