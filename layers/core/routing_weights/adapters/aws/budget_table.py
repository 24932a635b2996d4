"""One request budget per OAuth client, shared by all executions: each request gets a slot in time (ADR 12).

BudgetTable has one item per `client`. Its times are epoch milliseconds, and a missing time counts as 0:

- `next_at`: the next free slot;
- `paced_since`, `paced_until`: the time in which Genesys is known to limit the rate. Outside it, nothing is paced;
- `allowed`, `allowed_until`: requests a minute, if Genesys announced fewer than the deployment is set to.

The clocks of the hosts must agree to a fraction of the interval (200 ms at 300 requests a minute). Lambda's do.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.errors import RateLimited, StoreUnavailable

logger = Logger(child=True)

MINUTE_S = 60.0
MARGIN = 1.02
"""The interval is longer by this factor, so that jitter never moves one request too many into a sliding minute."""
PACED_FOR_S = 600.0
"""How long requests are paced after the last sign of a limit."""
RENEW_EVERY_S = 30.0
"""The item is written again with the same facts once they are this old."""
LOOK_EVERY_S = 1.0
"""How often a process that is not paced reads whether the others are."""
LONGEST_PUSH_S = 300.0
"""The longest Retry-After that holds back everybody. A longer one holds back only the process that got it."""
LEAST_ALLOWED = 60.0
"""An announced limit below this many requests a minute is ignored. Such a limit would show in a 429."""
STORE_PAUSE_S = 30.0
"""How long a process sends unpaced after DynamoDB failed, before it tries the table again."""

_HINTS = ("inin-ratelimit-allowed", "inin-ratelimit-count", "inin-ratelimit-reset")
_FREE = "attribute_not_exists(next_at) OR next_at < :now"
_TAKEN = "next_at >= :now AND next_at <= :latest"
_NEVER = 10**15


@dataclass
class RequestBudget:
    """The budget, as one process sees it. Its threads share it, and get their slots in the order of their calls."""

    table: str
    oauth_client: str
    """The key of the item. A deployment has one OAuth client, so one name per deployment is enough."""
    per_minute: float
    """Above 0."""
    reserved_for_others: float = 0.0
    """The share of the limit, in [0, 0.9], that is left to the organisation's other integrations."""
    wall_clock: Callable[[], float] = time.time
    dynamodb: Callable[[], Any] = field(default=partial(client, "dynamodb", hurried=True), repr=False)
    _item: dict[str, float] = field(default_factory=dict, init=False)
    """The item, as this process read it last."""
    _unpaced: list[int] = field(default_factory=list, init=False)
    """The times of the requests that were sent unpaced since the table was last read."""
    _looked_at: float = field(default=-math.inf, init=False)
    _lost_until: float = field(default=-math.inf, init=False)
    _warned: bool = field(default=False, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)
    """Held while the item is read or written, so what one thread learns is there for the next one."""

    # ---- the interface for the transport ----------------------------------------------------------------------------

    def reserve(self, longest_wait_s: float, slots: int = 1) -> list[float]:
        """Reserve slots in a row, and return the seconds from now to each. All are 0 while nothing is paced.

        Raises:
            RateLimited: the first slot is more than `longest_wait_s` away. Nothing is reserved.
        """
        with self._lock:
            try:
                if self._is_paced():
                    return self._reserve(longest_wait_s, slots)
                if not self._is_lost():
                    self._unpaced += [self._now()] * slots
            except StoreUnavailable as error:
                self._lose(error)
            return [0.0] * slots

    def limited(self, retry_after_s: float | None) -> None:
        """Note a 429: everybody is paced, and nobody gets a slot before Retry-After has passed."""
        self._note(push_s=min(retry_after_s or 0.0, LONGEST_PUSH_S))

    def seen(self, headers: Mapping[str, str]) -> None:
        """Note the rate-limit headers of any other answer. If there are any, Genesys limits the rate.

        An `allowed` (requests a minute) below ours lowers the rate. A `count` that has reached our share, and is more
        than our own pacing explains, holds everybody back for `reset` seconds, at most a minute. Headers that are not
        numbers, an `allowed` below 60, and a `count` above `allowed` (which would be a 429) change nothing.
        """
        if not any(name in headers for name in _HINTS):
            return
        allowed, count, reset = (_number(headers.get(name)) for name in _HINTS)
        if allowed is None or allowed < LEAST_ALLOWED:
            self._note()
            return
        self._note(allowed=allowed)
        ours = MINUTE_S * 1000 / self._interval_ms() + 1
        if count is not None and max(allowed * (1 - self.reserved_for_others), ours) <= count <= allowed:
            self._note(push_s=min(reset or 0.0, MINUTE_S))

    # ---- slots ------------------------------------------------------------------------------------------------------

    def _reserve(self, longest_wait_s: float, slots: int) -> list[float]:
        now, interval = self._now(), self._interval_ms()
        slot = self._advance(now, slots * interval, latest=now + int(longest_wait_s * 1000))
        if slot is None:
            seconds = max(1, math.ceil((self._item["next_at"] - now) / 1000))
            raise RateLimited(f"The request budget has no room for {seconds} s.", retry_after_s=seconds)
        now_s = self.wall_clock()
        return [max(0.0, (slot + n * interval) / 1000 - now_s) for n in range(slots)]

    def _advance(self, now: int, span: int, *, latest: int = _NEVER) -> int | None:
        """Take `span` from the beginning of the free time, and return that beginning. None if it is after `latest`.

        There are two conditional updates. The item that was read last decides which one is tried first.
        """
        while True:
            if self._item.get("next_at", 0) < now:
                done = self._update("SET next_at = :then", _FREE, now=now, then=now + span)
            else:
                done = self._update("SET next_at = next_at + :span", _TAKEN, now=now, span=span, latest=latest)
            if done:
                return int(self._item["next_at"]) - span
            if self._item.get("next_at", 0) > latest:
                return None

    def _interval_ms(self) -> int:
        rate = self.per_minute
        if self._now() < self._item.get("allowed_until", 0):
            rate = min(rate, self._item["allowed"])
        exact = MINUTE_S * 1000 / (rate * (1 - self.reserved_for_others)) * MARGIN
        return math.ceil(round(exact, 6))

    # ---- pacing -----------------------------------------------------------------------------------------------------

    def _is_paced(self) -> bool:
        now = self._now()
        if self._is_lost():
            return False
        if now >= self._item.get("paced_until", 0) and now - self._looked_at >= LOOK_EVERY_S * 1000:
            self._look()
            self._looked_at = now
            if now < self._item.get("paced_until", 0):
                self._settle()
            self._unpaced.clear()
        return now < self._item.get("paced_until", 0)

    def _note(self, *, push_s: float | None = None, allowed: float | None = None) -> None:
        """Store what is new about the limit."""
        with self._lock:
            if self._is_lost():
                return
            try:
                self._engage()
                if allowed is not None and allowed < self.per_minute:
                    self._lower(allowed)
                if push_s:
                    self._push(self._now() + math.ceil(push_s * 1000))
            except StoreUnavailable as error:
                self._lose(error)

    def _engage(self) -> None:
        now = self._now()
        until = now + int(PACED_FOR_S * 1000)
        if now >= self._item.get("paced_until", 0):
            condition = "attribute_not_exists(paced_until) OR paced_until <= :now"
            if self._update("SET paced_until = :until, paced_since = :now", condition, until=until, now=now):
                logger.info("Genesys limits the rate: requests are paced", interval_ms=self._interval_ms())
            self._settle()
        if _is_old(self._item["paced_until"], until):
            self._update("SET paced_until = :until", until=until)

    def _settle(self) -> None:
        """Take slots for requests that were sent unpaced: those since pacing began, and the last one before.

        The last one before may have been under way when pacing began. Earlier ones were answered without a limit.
        """
        owed = sum(sent >= self._item.get("paced_since", 0) for sent in self._unpaced) + 1
        owed = min(owed, len(self._unpaced))
        self._unpaced.clear()
        if owed:
            self._advance(self._now(), owed * self._interval_ms())

    def _lower(self, allowed: float) -> None:
        now = self._now()
        until = now + int(PACED_FOR_S * 1000)
        known_until = self._item.get("allowed_until", 0)
        known = self._item["allowed"] if now < known_until else math.inf
        if allowed < known or (allowed == known and _is_old(known_until, until)):
            condition = "attribute_not_exists(allowed) OR allowed >= :allowed OR allowed_until <= :now"
            self._update(
                "SET allowed = :allowed, allowed_until = :until", condition, allowed=allowed, until=until, now=now
            )

    def _push(self, until: int) -> None:
        """Give nobody a slot before `until`. The next slot never moves to an earlier time."""
        if self._item.get("next_at", 0) < until:
            self._update("SET next_at = :until", "attribute_not_exists(next_at) OR next_at < :until", until=until)

    # ---- the item ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        with reported("read the request budget"):
            response = self.dynamodb().get_item(
                TableName=self.table, Key={"client": {"S": self.oauth_client}}, ConsistentRead=True
            )
        self._learn(response.get("Item"))

    def _update(self, change: str, condition: str = "", **values: float) -> bool:
        """Update the item, and return False if the condition did not hold. Keeps the item as it is afterwards."""
        conditional: Any = {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            with reported("update the request budget", expected=("ConditionalCheckFailedException",)):
                response = self.dynamodb().update_item(
                    TableName=self.table,
                    Key={"client": {"S": self.oauth_client}},
                    UpdateExpression=change,
                    ExpressionAttributeValues={f":{name}": {"N": f"{value:.17g}"} for name, value in values.items()},
                    ReturnValues="ALL_NEW",
                    **(conditional if condition else {}),
                )
        except ClientError as refused:
            self._learn(refused.response.get("Item"))
            return False
        self._learn(response["Attributes"])
        return True

    def _learn(self, item: Any) -> None:
        self._item = {name: float(value["N"]) for name, value in (item or {}).items() if "N" in value}
        self._warned = False

    # ---- without the store ------------------------------------------------------------------------------------------

    def _is_lost(self) -> bool:
        return self._now() < self._lost_until

    def _lose(self, error: StoreUnavailable) -> None:
        """Send unpaced for a time: a failing table must not fail a distribution. A 429 of Genesys is still obeyed."""
        self._lost_until = self._now() + STORE_PAUSE_S * 1000
        self._unpaced.clear()
        if not self._warned:
            logger.warning(
                "The request budget cannot be used, so requests are sent unpaced", paced=False, reason=error.message
            )
        self._warned = True

    def _now(self) -> int:
        return int(self.wall_clock() * 1000)


def _is_old(known_until: float, until: float) -> bool:
    return until - known_until >= RENEW_EVERY_S * 1000


def _number(text: str | None) -> float | None:
    """Return a header's number, or None if it is no finite number of at least 0."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None
