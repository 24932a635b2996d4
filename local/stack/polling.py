"""Lambda's event source mapping of SQS: a thread per mapping of the template, which moto has none of.

Delays, visibility, receive counts and dead letters are moto's own, by the template's attributes of the queue.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from local.stack.template import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.stack.lambdas import Outcome
    from local.stack.template import EventSource

_IDLE_S = 0.25  # moto's own long poll turns in a loop of 10 ms
_JOIN_S = 5.0


class Poller:
    """Gives a function the messages of a queue, one batch at a time."""

    def __init__(self, sqs: Any, source: EventSource, region: str, invoke: Callable[[str, bytes], Outcome]) -> None:
        self._sqs = sqs
        self._source = source
        self._region = region
        self._invoke = invoke
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name=f"poll {source.function}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Take no more messages. An invocation that is under way ends with its function's runtime."""
        self._closing.set()
        self._thread.join(_JOIN_S)

    def _poll(self) -> None:
        while not self._closing.is_set():
            messages: list[dict[str, Any]] = []
            with suppress(ClientError, BotoCoreError):
                messages = self._sqs.receive_message(
                    QueueUrl=self._source.queue,
                    MaxNumberOfMessages=min(self._source.batch_size, 10),
                    MessageSystemAttributeNames=["All"],
                ).get("Messages", [])
            if messages:
                with suppress(ClientError, BotoCoreError):
                    self._hand_over(messages)
            else:
                self._closing.wait(_IDLE_S)

    def _hand_over(self, messages: list[dict[str, Any]]) -> None:
        records = [self._record(message) for message in messages]
        outcome = self._invoke(self._source.function, json.dumps({"Records": records}).encode())
        kept = self._failures(outcome, {message["MessageId"] for message in messages})
        done = [message for message in messages if message["MessageId"] not in kept]
        if done:
            entries = [{"Id": str(n), "ReceiptHandle": item["ReceiptHandle"]} for n, item in enumerate(done)]
            self._sqs.delete_message_batch(QueueUrl=self._source.queue, Entries=entries)

    def _failures(self, outcome: Outcome, sent: set[str]) -> set[str]:
        """The messages that stay in the queue; as on AWS all of them where the answer cannot be understood."""
        if outcome.failed:
            return sent
        if not self._source.reports_failures:
            return set()
        try:
            answer = json.loads(outcome.payload) or {}
            failures = {item["itemIdentifier"] for item in answer.get("batchItemFailures") or []}
        except (ValueError, TypeError, KeyError, AttributeError):
            return sent
        return sent if failures - sent else failures

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        name = self._source.queue.rpartition("/")[2]
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": message.get("MessageAttributes", {}),
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{self._region}:{ACCOUNT}:{name}",
            "awsRegion": self._region,
        }
