"""Batches: what a queue or a stream hands over, and when a message that failed comes back.

Powertools' BatchProcessor would keep the list of failures, and loads about 100 modules more (273 to 381 in `outcomes`,
445 to 541 in `outgoing`), which is above the ceilings of both functions. It raises an error when a whole batch fails.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

QUIET_S = 2
"""WebhookQueue's DelaySeconds: a reading that begins this much later than its event shows the event's change."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5, 300


@dataclass(frozen=True)
class Message:
    """A message of a batch."""

    message_id: str
    body: str
    receipt: str
    """The receipt handle, which the queue needs to postpone the message."""
    received: int
    """How often it was received, this time included."""
    sent_at_ms: int

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> "Message":
        """A record of an SQS event."""
        attributes = record["attributes"]
        return cls(
            message_id=record["messageId"],
            body=record["body"],
            receipt=record["receiptHandle"],
            received=int(attributes["ApproximateReceiveCount"]),
            sent_at_ms=int(attributes["SentTimestamp"]),
        )

    def is_answered_by(self, reading_ms: int) -> bool:
        """True where a reading that began at `reading_ms` shows what the message is about."""
        return self.sent_at_ms + QUIET_S * 1000 <= reading_ms

    def pause_s(self, *, first_s: int = FIRST_PAUSE_S, at_least_s: int = 0) -> int:
        """How long it waits after a failure: the pause doubles each time that it was received.

        How often it may come back is the queue's maxReceiveCount in template.yaml. A distribution may run for 90
        minutes while Genesys makes it wait, and the count of WebhookQueue is for about 100; a message that comes back
        more often becomes a dead letter.
        """
        return max(at_least_s, min(first_s << min(self.received - 1, 10), LONGEST_PAUSE_S))


@dataclass(frozen=True)
class StreamRecord:
    """One new item of a table, as the table's stream has it."""

    sequence_number: str
    distribution_id: str
    image: Mapping[str, Any]
    """The item. The table's adapter reads it."""

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> "StreamRecord":
        """A record of a DynamoDB stream's event."""
        change = record["dynamodb"]
        return cls(change["SequenceNumber"], change["Keys"]["distribution_id"]["S"], change["NewImage"])


def batch_failures(ids: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """Return the answer for Lambda: only these messages come back."""
    return {"batchItemFailures": [{"itemIdentifier": failed} for failed in ids]}
