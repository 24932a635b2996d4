"""What AWS refuses and moto does not: one rule, one piece, with the page of AWS that says it.

Nothing here knows moto: moto_seam.py asks these rules at the places where moto would be kinder.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TRANSACTION_S = 0.02
"""How long a transaction of DynamoDB takes, unless DYNAMODB_TRANSACTION_S says otherwise: two rounds over its items."""


class Transactions:
    """DynamoDB refuses a write to an item of a transaction that is under way. It does not let it wait.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html, "Transaction conflict
    handling in DynamoDB": another transaction gets TransactionCanceledException, a PutItem, UpdateItem or DeleteItem
    TransactionConflictException. BatchWriteItem is not among them.
    """

    def __init__(self, duration_s: float = TRANSACTION_S, sleep: Callable[[float], None] = time.sleep) -> None:
        self._duration_s = duration_s
        self._sleep = sleep
        self._under_way: set[object] = set()
        self._lock = threading.Lock()

    def has(self, item: object) -> bool:
        """Whether a transaction is under way on the item."""
        with self._lock:
            return item in self._under_way

    def begin(self, items: Sequence[object]) -> list[bool]:
        """Which of the items another transaction is under way on. Where none is, this one is, and has had its time."""
        with self._lock:
            conflicts = [item in self._under_way for item in items]
            if any(conflicts):
                return conflicts
            self._under_way.update(items)
        self._sleep(self._duration_s)
        return conflicts

    def end(self, items: Sequence[object]) -> None:
        with self._lock:
            self._under_way.difference_update(items)


class Throttled(Exception):
    """Lambda refuses a synchronous invocation beyond the function's reserved concurrency. It does not queue it.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html: "your function can't scale out of control",
    and https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html: 429 TooManyRequestsException.
    """
