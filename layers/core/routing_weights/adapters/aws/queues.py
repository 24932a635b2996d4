"""Queues of messages in SQS."""

import math
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.change_events import LONGEST_DELAY_S, ChangeEvent
from routing_weights.errors import StoreUnavailable

logger = Logger(child=True)


@dataclass(frozen=True)
class Queue:
    url: str

    def postpone(self, receipt: str, pause_s: int) -> None:
        """Have a message that was received come back after a pause.

        Where SQS does not answer, it comes back all the same, when its visibility timeout is over.
        """
        try:
            with reported("postpone the message"):
                client("sqs").change_message_visibility(
                    QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=pause_s
                )
        except StoreUnavailable as error:
            logger.warning("The message could not be postponed", reason=error.message)

    def _send(self, body: str, **options: Any) -> None:
        client("sqs").send_message(QueueUrl=self.url, MessageBody=body, **options)


@dataclass(frozen=True)
class ChangeQueue(Queue):
    """WebhookQueue: the change events that wait for a reading of their queue."""

    def send(self, event: ChangeEvent, after_s: float | None = None) -> None:
        """Queue an event, to come after so many seconds or in 15 minutes, whichever is sooner.

        Without `after_s` it comes after the queue's own delay.
        """
        delay = {} if after_s is None else {"DelaySeconds": min(math.ceil(after_s), LONGEST_DELAY_S)}
        with reported("queue the event"):
            self._send(event.model_dump_json(exclude_none=True), **delay)


@dataclass(frozen=True)
class DeadLetters(Queue):
    """Messages that a person has to look at."""

    def put(self, body: str, reason: str) -> None:
        with reported("put a message into the dead letters"):
            self._send(body, MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}})
