"""One request budget per OAuth client, shared by all executions: each request gets a slot in time (ADR 12).

BudgetTable has one item per `client`; its times are epoch milliseconds, and a missing one counts as 0:

- `next_at`: the next free slot;
- `paced_since`, `paced_until`: while Genesys is known to limit the rate; before and after, nothing is paced;
- `allowed`, `allowed_until`: requests a minute, where Genesys announced fewer than the deployment was told.

Hosts need clocks that agree to a fraction of the interval (200 ms at 300 requests a minute), as Lambda's do.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.client import client, reported
from routing_weights.errors import RateLimited, StoreUnavailable

logger = Logger(child=True)

MINUTE_S = 60.0
MARGIN = 1.02
"""The interval is this much longer than it need be, so that jitter puts no request too many into a sliding minute."""
PACED_FOR_S = 600.0
"""How long evidence of a limit lasts."""
RENEW_EVERY_S = 30.0
"""What is known is said again once it is so old."""
LOOK_EVERY_S = 1.0
"""How often a process that is not paced looks whether the others are."""
LONGEST_PUSH_S = 300.0
"""A longer Retry-After is for who got it; the others may find out for themselves."""
LEAST_ALLOWED = 60.0
"""Announced requests a minute below which the headers are not believed: who limits so much says it with a 429."""
STORE_PAUSE_S = 30.0
"""How long a process goes on unpaced after DynamoDB failed, before it tries again."""

_HINTS = ("inin-ratelimit-allowed", "inin-ratelimit-count", "inin-ratelimit-reset")
_FREE = "attribute_not_exists(next_at) OR next_at < :now"
_TAKEN = "next_at >= :now AND next_at <= :latest"
_NEVER = 10**15


@dataclass
class RequestBudget:
    """A process's view of the budget. Not for threads: a Lambda process sends one request at a time."""

    table: str
    oauth_client: str
    """The key. One per deployment will do, as the deployment has one OAuth client."""
    per_minute: float
    """Above 0."""
    reserved_for_others: float = 0.0
    """The share, in [0, 0.9], that is left to the organisation's other integrations."""
    wall_clock: Callable[[], float] = time.time
    dynamodb: Callable[[], Any] = field(default=partial(client, "dynamodb", hurried=True), repr=False)
    _item: dict[str, float] = field(default_factory=dict, init=False)
    """As this process saw it last."""
    _unpaced: list[int] = field(default_factory=list, init=False)
    """When requests were sent unpaced since nobody was known to be paced."""
    _looked_at: float = field(default=-math.inf, init=False)
    _lost_until: float = field(default=-math.inf, init=False)
    _told: bool = field(default=False, init=False)

    # ---- what the transport uses ------------------------------------------------------------------------------------

    def reserve(self, longest_wait_s: float, slots: int = 1) -> list[float]:
        """Reserve slots in a row; returns the seconds from now to each. All are 0 while nothing is paced.

        Raises:
            RateLimited: the first one is more than `longest_wait_s` away. Nothing is reserved then.
        """
        try:
            if self._is_paced():
                return self._reserve(longest_wait_s, slots)
            if not self._is_lost():
                self._unpaced += [self._now()] * slots
        except StoreUnavailable as error:
            self._lose(error)
        return [0.0] * slots

    def limited(self, retry_after_s: float | None) -> None:
        """Genesys answered 429: everybody is paced, and nobody gets a slot before Retry-After has passed."""
        self._note(push_s=min(retry_after_s or 0.0, LONGEST_PUSH_S))

    def seen(self, headers: Mapping[str, str]) -> None:
        """Any other answer of Genesys: that it counts is evidence, what it counts is a hint.

        A lower `allowed` (a minute) lowers the rate. A `count` that has reached our share of it, and is more than
        our own pacing explains, holds everybody back for `reset` seconds, at most a minute. Hints that are not
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
        """Take `span` from where the free time begins, and return where that is; None if it is later than `latest`.

        One of two conditional updates does it: the one that fits what was seen last, and if that was old, the other.
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

    # ---- whether to pace --------------------------------------------------------------------------------------------

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
        """Write down what is new about the limit."""
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
        """Have the requests that were sent unpaced take slots afterwards: those since pacing began, and one before.

        The one before may have been under way when it began. All earlier ones were answered without a limit.
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
        """Nobody gets a slot before `until`. Never backwards."""
        if self._item.get("next_at", 0) < until:
            self._update("SET next_at = :until", "attribute_not_exists(next_at) OR next_at < :until", until=until)

    # ---- the item ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        with reported("read the request budget"):
            answer = self.dynamodb().get_item(
                TableName=self.table, Key={"client": {"S": self.oauth_client}}, ConsistentRead=True
            )
        self._learn(answer.get("Item"))

    def _update(self, change: str, condition: str = "", **values: float) -> bool:
        """Whether the condition held. Either way the item is known afterwards as it is then."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        conditional: Any = {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            with reported("update the request budget", expected=("ConditionalCheckFailedException",)):
                answer = self.dynamodb().update_item(
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
        self._learn(answer["Attributes"])
        return True

    def _learn(self, item: Any) -> None:
        self._item = {name: float(value["N"]) for name, value in (item or {}).items() if "N" in value}
        self._told = False

    # ---- without the store ------------------------------------------------------------------------------------------

    def _is_lost(self) -> bool:
        return self._now() < self._lost_until

    def _lose(self, error: StoreUnavailable) -> None:
        """A budget that cannot be used must not fail a distribution. Genesys still says 429, and is obeyed."""
        self._lost_until = self._now() + STORE_PAUSE_S * 1000
        self._unpaced.clear()
        if not self._told:
            logger.warning(
                "The request budget cannot be used: requests go on unpaced", paced=False, reason=error.message
            )
        self._told = True

    def _now(self) -> int:
        return int(self.wall_clock() * 1000)


def _is_old(known_until: float, until: float) -> bool:
    return until - known_until >= RENEW_EVERY_S * 1000


def _number(text: str | None) -> float | None:
    """A header's number, at least 0 and finite; None for anything else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None
