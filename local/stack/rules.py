"""The rules by which AWS refuses requests that moto accepts. Each rule names the page of AWS that states it.

Nothing here knows moto: moto_seam.py applies these rules where moto is too kind.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MOST_REQUEST_BYTES, MOST_RESPONSE_BYTES = 6_291_456, 6_291_556
"""The limits of a synchronous invocation: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""
MOST_EVENT_BYTES = 1_048_576
"""The limit of an asynchronous invocation, on the same page."""
MOST_INVOCATIONS = 16
"""The limit of a function in a chain of requests.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""
MOST_STATE_BYTES = 262_144
"""The limit of an execution's input, and of a task's input and output. MOST_EVENTS is that of an execution's history.

https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""
MOST_EVENTS = 25_000
MOST_CHILDREN = 10_000
"""How many child executions of a Distributed Map run at once, also where MaxConcurrency is larger, or 0:

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""
MANAGED_RULE = "StepFunctionsGetEventsForStepFunctionsExecutionRule"
"""The rule of EventBridge that Step Functions makes for tasks that wait for a nested execution.

A state machine with such a task is refused unless its role may make the rule:
https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
"""
MOST_WAIT_S = 99_999_999
"""https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html"""
UNCATCHABLE = {"States.DataLimitExceeded", "States.Runtime"}
"""States.ALL does not catch these: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html."""
MOST_MESSAGE_BYTES = 1_048_576
"""The limit of SQS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html."""
MOST_ENTRIES_BYTES = 1_048_576
"""The limit of one PutEvents: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html."""
MOST_KEY_BYTES = 1_024
"""The limit of an S3 object's key: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html."""
MOST_ROTATION_DAYS = 1_000
"""https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html"""
SCHEDULE_NAME = re.compile(r"[0-9a-zA-Z-_.]{1,64}")
"""https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html"""
TRANSACTION_S = 0.02
"""How long a transaction of DynamoDB takes, unless DYNAMODB_TRANSACTION_S is set. It visits its items twice."""


class Transactions:
    """DynamoDB refuses a write to an item of a transaction that is under way. The write does not wait.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html, "Transaction conflict
    handling in DynamoDB": another transaction gets TransactionCanceledException, a PutItem, UpdateItem or DeleteItem
    TransactionConflictException. BatchWriteItem is not among them.
    """

    def __init__(self, duration_s: float = TRANSACTION_S, sleep: Callable[[float], None] = time.sleep) -> None:
        self.duration_s = duration_s
        self.begun = self.refused = 0
        """The number of transactions, and the number of writes, also transactional ones, that they caused to fail."""
        self._sleep = sleep
        self._under_way: set[object] = set()
        self._lock = threading.Lock()

    def has(self, item: object) -> bool:
        """Return True if a transaction is under way on the item."""
        with self._lock:
            self.refused += item in self._under_way
            return item in self._under_way

    def begin(self, items: Sequence[object]) -> list[bool]:
        """Begin a transaction, and wait for its duration, unless another one is under way on any of the items.

        Returns for each item True if another transaction is under way on it.
        """
        with self._lock:
            conflicts = [item in self._under_way for item in items]
            if any(conflicts):
                self.refused += 1
                return conflicts
            self.begun += 1
            self._under_way.update(items)
        self._sleep(self.duration_s)
        return conflicts

    def end(self, items: Sequence[object]) -> None:
        with self._lock:
            self._under_way.difference_update(items)


class Throttled(Exception):
    """Lambda refuses a synchronous invocation beyond the function's reserved concurrency. It does not queue it.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html: "your function can't scale out of control",
    and https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html: 429 TooManyRequestsException.
    """


class RequestTooLarge(Exception):
    """Lambda refuses an event of more than MOST_REQUEST_BYTES: 413 RequestTooLargeException."""


def size_of_entry(entry: Mapping[str, Any]) -> int:
    """Count an entry of PutEvents.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size
    """
    texts = [entry.get("Source"), entry.get("DetailType"), entry.get("Detail"), *entry.get("Resources", [])]
    return (14 if "Time" in entry else 0) + sum(len(str(text or "").encode()) for text in texts)


def is_too_large(value: Any) -> bool:
    """Return True if a value is larger than MOST_STATE_BYTES as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > MOST_STATE_BYTES


# ---- chains of requests ----------------------------------------------------------------------------------------------

# The header X-Amzn-Trace-Id counts a function's invocations in a chain of requests, as
# `Root=...;Lineage=<function>:<count>`. The SDK passes the header on, and SQS keeps it with a message.


def invocations(trace: str, function: str) -> int:
    """Return how often the function was invoked in the chain of this header."""
    match = re.search(rf"Lineage=[^;]*?\b{function}:(\d+)", trace)
    return int(match[1]) if match else 0


def one_more(trace: str, function: str) -> str:
    """Return the header of the function's next invocation in the chain."""
    lineage = dict(re.findall(r"(\w+):(\d+)", (re.search(r"Lineage=([^;]*)", trace) or [""])[0]))
    lineage[function] = str(invocations(trace, function) + 1)
    root = re.search(r"Root=[^;]+", trace)
    begun = root[0] if root else f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"{begun};Lineage={'|'.join(f'{name}:{count}' for name, count in lineage.items())}"
