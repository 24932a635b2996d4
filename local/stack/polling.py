"""Lambda's event source mappings for SQS queues and table streams: one thread for each. moto has none.

Delays, visibility, receive counts and dead letters are moto's own, by the queue's attributes in the template.
"""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.events.models import EventPattern

from local.stack import moto_seam, rules
from local.stack.errors import StackError
from local.stack.iam import Call
from local.stack.rules import RequestTooLarge, Throttled
from local.stack.runtime import Outcome
from local.stack.template import ACCOUNT, EventSource, named_by, role_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.stack.iam import Permissions
    from local.stack.lambdas import Invoke
    from local.stack.metrics import Metrics
    from local.stack.template import StreamSource

_IDLE_S = 0.25  # moto's own long poll is a loop of 10 ms
_LONGEST_S = 8.0  # the longest pause between attempts at a record of a stream
_JOIN_S = 5.0


# The permissions that a function's role needs before Lambda makes a mapping (Developer guide, "Execution role
# permissions" of SQS and of DynamoDB Streams), and the message of CreateEventSourceMapping if one is missing.
_OF_QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
_OF_STREAM = ("dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "dynamodb:ListStreams")
_REFUSED = "The provided execution role does not have permissions to call {} on {}"


def poller_of(
    source: EventSource | StreamSource,
    sqs: Any,
    region: str,
    invoke: Invoke,
    permissions: Permissions,
    metrics: Metrics,
) -> Poller | StreamPoller:
    """Make a mapping. `sqs` has the permissions of the function's role. Raises StackError if one is missing."""
    needed = (
        [Call(action, source.queue) for action in _OF_QUEUE]
        if isinstance(source, EventSource)
        else [Call(action, source.stream) for action in _OF_STREAM]
        + [Call("sqs:SendMessage", queue) for queue in (source.on_failure,) if queue is not None]
    )
    for call in (*needed, *permissions.of_key(needed, region)):
        if not permissions.allow(role_of(source.function), call):
            service, _, action = call.action.partition(":")
            raise StackError(f"{source.function}: {_REFUSED.format(action, service.upper())}")
    if isinstance(source, EventSource):
        return Poller(sqs, source, region, invoke)
    return StreamPoller(source, invoke, region, metrics)


class _Polling(ABC):
    """A thread that polls until it is closed."""

    def __init__(self, function: str, invoke: Invoke) -> None:
        self._invoke = invoke
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name=f"poll for {function}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop polling. An invocation that is under way ends with its function's runtime."""
        self._closing.set()
        self._thread.join(_JOIN_S)

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._closing.wait(self._turn())

    def _handed(self, function: str, records: list[dict[str, Any]], trace: str = "") -> Outcome:
        """Invoke a function with its records. A refused invocation counts as failed, so the records come again."""
        try:
            return self._invoke(function, json.dumps({"Records": records}).encode(), trace)
        except (Throttled, RequestTooLarge):
            return Outcome(b"", failed=True)

    @abstractmethod
    def _turn(self) -> float:
        """Invoke the function with the records that there are, and return the seconds until the next turn."""


class StreamPoller(_Polling):
    """Invokes a function with the records of a table's stream, in their order. A failed record comes again first.

    A record comes again for as long as the stack runs. AWS gives up at the age that the template names, and then sends
    to the dead-letter queue.
    """

    def __init__(
        self,
        source: StreamSource,
        invoke: Invoke,
        region: str,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(source.function, invoke)
        self._source, self._metrics, self._clock = source, metrics, clock
        self._region = region
        self._patterns = [EventPattern.load(text) for text in source.patterns]
        self._next = 0
        self._failed = 0

    def _turn(self) -> float:
        records = moto_seam.stream_of(self._source.table, self._next, self._source.batch_size)
        if not records:
            return _IDLE_S
        wanted = [record for record in records if self._fits(record)]
        failed = self._failed_first(wanted) if wanted else None
        if failed is None:
            self._next, self._failed = self._next + len(records), 0
            return 0
        self._next += records.index(failed)
        self._failed += 1
        return min(_IDLE_S * 2.0 ** min(self._failed, 8), _LONGEST_S)

    def _fits(self, record: dict[str, Any]) -> bool:
        return not self._patterns or any(pattern.matches_event(record) for pattern in self._patterns)

    def _failed_first(self, wanted: list[dict[str, Any]]) -> dict[str, Any] | None:
        by_number = {record["dynamodb"]["SequenceNumber"]: record for record in wanted}
        age_s = self._clock() - wanted[-1]["dynamodb"]["ApproximateCreationDateTime"]
        of = {"FunctionName": self._source.function}
        self._metrics.put("AWS/Lambda", "IteratorAge", of, max(0, round(1000 * age_s)))
        records = [{**record, "awsRegion": self._region} for record in wanted]
        outcome = self._handed(self._source.function, records)
        failures = _failures(outcome, set(by_number))
        return by_number[min(failures, key=int)] if failures else None


class Poller(_Polling):
    """Invokes a function with the messages of a queue, one batch at a time."""

    def __init__(self, sqs: Any, source: EventSource, region: str, invoke: Invoke) -> None:
        super().__init__(source.function, invoke)
        self._sqs = sqs
        self._source = source
        self._url = f"https://sqs.{region}.amazonaws.com/{ACCOUNT}/{named_by(source.queue)}"
        self._region = region

    def _turn(self) -> float:
        if not moto_seam.has_messages(self._region, ACCOUNT, named_by(self._source.queue)):
            return _IDLE_S
        messages: list[dict[str, Any]] = []
        with suppress(ClientError, BotoCoreError):
            messages = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(self._source.batch_size, 10),
                MessageSystemAttributeNames=["All"],
            ).get("Messages", [])
        if not messages:
            return _IDLE_S
        with suppress(ClientError, BotoCoreError):
            self._hand_over(messages)
        return 0

    def _hand_over(self, messages: list[dict[str, Any]]) -> None:
        messages = [message for message in messages if not self._loops(message)]
        if not messages:
            return
        records = [self._record(message) for message in messages]
        outcome = self._handed(self._source.function, records, self._trace(messages))
        kept = self._kept(outcome, {message["MessageId"] for message in messages})
        done = [message for message in messages if message["MessageId"] not in kept]
        if done:
            entries = [{"Id": str(n), "ReceiptHandle": item["ReceiptHandle"]} for n, item in enumerate(done)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def _loops(self, message: dict[str, Any]) -> bool:
        """Return True if Lambda's loop detection stops the invocation. The message stays, as after a failure."""
        count = rules.invocations(_trace_of(message), self._source.function)
        return count >= rules.MOST_INVOCATIONS and not self._source.may_loop

    def _trace(self, messages: list[dict[str, Any]]) -> str:
        """Return the trace header of the invocation, which continues the longest chain of the batch."""
        function = self._source.function
        return rules.one_more(
            max(map(_trace_of, messages), key=lambda trace: rules.invocations(trace, function)), function
        )

    def _kept(self, outcome: Outcome, sent: set[str]) -> set[str]:
        """Return the ids of the messages that stay in the queue."""
        return _failures(outcome, sent) if outcome.failed or self._source.reports_failures else set()

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": message.get("MessageAttributes", {}),
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._source.queue,
            "awsRegion": self._region,
        }


def _trace_of(message: dict[str, Any]) -> str:
    return str(message.get("Attributes", {}).get("AWSTraceHeader", ""))


def _failures(outcome: Outcome, sent: set[str]) -> set[str]:
    """Return what the function reports as failed. Everything has failed if its answer is not valid, as on AWS."""
    if outcome.failed:
        return sent
    try:
        answer = json.loads(outcome.payload) or {}
        failures = {item["itemIdentifier"] for item in answer.get("batchItemFailures") or []}
    except (ValueError, TypeError, KeyError, AttributeError):
        return sent
    return sent if failures - sent else failures
