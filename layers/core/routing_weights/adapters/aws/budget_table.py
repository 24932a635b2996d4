"""One request budget per token, shared by all executions: each request gets a slot in time (ADR 12).

BudgetTable has one item per `client`, the name of a token: a `version` (N), and `pace` (S): the JSON of a `Pace`. A
change is written on the condition that the version is the one that was read, so no slot is taken twice.

The clocks of the hosts must agree to a fraction of a second. Lambda's do.
"""

import heapq
import json
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import HURRIED, client, reported
from routing_weights.domain.pace import Limit, Pace, Slot
from routing_weights.errors import RateLimited, StoreUnavailable

logger = Logger(child=True)

LOOK_EVERY_S = 1.0
"""How often a process that is not paced reads whether the others are."""
LONGEST_PUSH_S = 300.0
"""The longest Retry-After that holds back everybody. A longer one holds back only the process that got it."""
STORE_PAUSE_S = 30.0
"""How long a process sends unpaced after DynamoDB failed, before it tries the table again."""
LARGEST_BLOCK, BLOCK_S = 10, 1.0
"""The most slots that are taken with one write, and how long they may last. A process that ends loses no more.

The slots of a block can be due at once. More of them would be sent too late for a window of a few seconds.
"""
CONFLICT_PAUSE_S = 0.02
"""The longest pause after a conflict of processes that write at the same time."""

_FIELDS = tuple(each.name for each in fields(Pace))
_HINTS = ("inin-ratelimit-allowed", "inin-ratelimit-count", "inin-ratelimit-reset")


@dataclass
class TokenBudget:
    """The budget of one token, as one process sees it. Its lock makes it safe for threads."""

    table: str
    name: str
    """The key of the item."""
    per_minute: float
    """Above 0."""
    share: float = 1.0
    """Our share of the limit, in [0.1, 1]."""
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    dynamodb: Callable[[], Any] = field(default=partial(client, "dynamodb", HURRIED), repr=False)
    _pace: Pace = field(default_factory=Pace, init=False)
    """The pace, as this process read it last."""
    _version: int = field(default=0, init=False)
    _under_way: int = field(default=0, init=False)
    """The requests that were sent unpaced and have no answer yet."""
    _looked_at: float = field(default=-math.inf, init=False)
    _counted_at: float = field(default=-math.inf, init=False)
    _lost_until: float = field(default=-math.inf, init=False)
    _warned: bool = field(default=False, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)

    # ---- slots ------------------------------------------------------------------------------------------------------

    def free_at(self, now: float) -> tuple[float, int]:
        """Return when a slot may be free, in epoch milliseconds, as far as this process knows, and how many are taken.

        Of tokens that are free at the same time, the one with fewer slots taken comes first.
        """
        if self.is_lost():
            return now, 0
        pace, limit = self._pace, self._limit(now)
        if not pace.is_paced(now):
            return max(now, pace.next_at), 0
        (at,), _ = pace.take(now, limit)
        return at, pace.taken(now, limit)

    def late_ms(self, now: float) -> float:
        """How much later than its time a slot may be used. Then it is lost."""
        return self._limit(now).late_ms

    def take(self, longest_wait_s: float, slots: int = 1, *, together: bool = False) -> list[float]:
        """Take up to `slots` slots, and return their times in epoch milliseconds: at least one, or all `together`.

        While nothing is paced, every slot is now, or when the last Retry-After has passed.

        Raises:
            RateLimited: the first slot is more than `longest_wait_s` away. Nothing is taken.
        """
        with self._lock:
            now = self._now()
            try:
                if not self.is_lost() and self._is_paced():
                    return self._take(longest_wait_s, slots, together=together)
            except StoreUnavailable as error:
                self._lose(error)
            at = now if self.is_lost() else max(now, self._pace.next_at)
            _refuse_later(at, now, longest_wait_s)
            count = slots if together else 1
            self._under_way += count
            return [at] * count

    def _take(self, longest_wait_s: float, slots: int, *, together: bool) -> list[float]:
        times: list[float] = []

        def change(pace: Pace) -> Pace:
            nonlocal times
            now = self._now()
            times, after = pace.take(now, self._limit(now), slots if together else 1, together=together)
            _refuse_later(times[0], now, longest_wait_s)
            while not together and len(times) < slots and after.next_at <= max(now, times[0]) + BLOCK_S * 1000:
                (at,), further = after.take(now, self._limit(now))
                if at > max(now, times[0]) + BLOCK_S * 1000:
                    break
                times, after = [*times, at], further
            return after

        try:
            self._change(change)
        except RateLimited:
            version = self._version
            self._look()
            if self._version == version:
                raise
            self._change(change)  # what this process read last was old
        return times

    # ---- what Genesys says ------------------------------------------------------------------------------------------

    def limited(self, headers: Mapping[str, str], retry_after_s: float | None, age_s: float) -> None:
        """Note a 429 to a request that was sent `age_s` ago: nobody gets a slot before Retry-After has passed."""
        pause_ms = min(retry_after_s or 0.0, LONGEST_PUSH_S) * 1000
        hints = _hints(headers)

        def change(pace: Pace) -> Pace:
            now = self._now()
            pace = pace.announced(now, hints[0], hints[2]) if hints else pace
            return pace.refused(now, now - age_s * 1000, pause_ms)

        self._note(change)

    def seen(self, headers: Mapping[str, str]) -> None:
        """Note the rate-limit headers of any other answer. If there are any, Genesys limits the rate.

        An `allowed` and a `reset` tell the limit and its window. A `count` above the slots that are taken means that
        others use the token too: their requests get slots afterwards. Headers that are not numbers, and a `count`
        above `allowed` (which would be a 429), change nothing.
        """
        unpaced = self._under_way
        if unpaced:
            with self._lock:
                self._under_way = max(0, self._under_way - 1)
        if (hints := _hints(headers)) is None:
            return
        allowed, count, reset_ms = hints

        def change(pace: Pace) -> Pace:
            now = self._now()
            pace = pace.announced(now, allowed, reset_ms)
            if count is None or allowed is None or count > allowed:
                return pace
            limit = self._limit(now, pace)
            return pace.counted(now, limit, max(int(count), pace.taken(now, limit) + unpaced))

        now = self._now()
        is_due = unpaced or now - self._counted_at >= LOOK_EVERY_S * 1000
        if is_due or self._pace.announced(now, allowed, reset_ms) is not self._pace:
            self._counted_at = now
            self._note(change)

    def _note(self, change: Callable[[Pace], Pace]) -> None:
        with self._lock:
            if self.is_lost():
                return
            was_paced = self._pace.is_paced(self._now())
            try:
                self._change(change)
            except StoreUnavailable as error:
                self._lose(error)
                return
            if not was_paced and self._pace.is_paced(self._now()):
                self._under_way = 0
                interval_ms = round(self._limit(self._now()).interval_ms)
                logger.info("Genesys limits the rate: requests are paced", interval_ms=interval_ms)

    # ---- the item ---------------------------------------------------------------------------------------------------

    def _limit(self, now: float, pace: Pace | None = None) -> Limit:
        return (pace or self._pace).limit(now, self.per_minute, self.share)

    def _is_paced(self) -> bool:
        now = self._now()
        if not self._pace.is_paced(now) and now - self._looked_at >= LOOK_EVERY_S * 1000:
            self._look()
            self._looked_at = now
            if not self._pace.is_paced(now):
                self._under_way = 0  # those that were answered were not limited
        return self._pace.is_paced(now)

    def _change(self, change: Callable[[Pace], Pace]) -> None:
        """Store the changed pace. If another process was faster, change what that one has stored."""
        conflicts = 0
        while (pace := change(self._pace)) is not self._pace and not self._put(pace):
            conflicts += 1
            if conflicts > 1:  # the first one shows only that the last reading is old
                self.sleep(random.random() * CONFLICT_PAUSE_S)  # noqa: S311  no secret

    def _put(self, pace: Pace) -> bool:
        """Write the item, and return False if its version is not the one that was read. Keeps the item as it is."""
        values = {":next": {"N": str(self._version + 1)}, ":pace": {"S": _text(pace)}}
        values |= {":read": {"N": str(self._version)}} if self._version else {}
        try:
            with reported("update the request budget", expected=("ConditionalCheckFailedException",)):
                self.dynamodb().update_item(
                    TableName=self.table,
                    Key={"client": {"S": self.name}},
                    UpdateExpression="SET version = :next, pace = :pace",
                    ConditionExpression="version = :read" if self._version else "attribute_not_exists(version)",
                    ExpressionAttributeValues=values,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as refused:
            self._learn(refused.response.get("Item"))
            return False
        self._pace, self._version, self._warned = pace, self._version + 1, False
        return True

    def _look(self) -> None:
        with reported("read the request budget"):
            response = self.dynamodb().get_item(
                TableName=self.table, Key={"client": {"S": self.name}}, ConsistentRead=True
            )
        self._learn(response.get("Item"))

    def _learn(self, item: Any) -> None:
        """An item of an earlier version of this package has no `pace`: what it knew is ten minutes old at most."""
        self._version = int(item["version"]["N"]) if item and "version" in item else 0
        self._pace = _pace(item["pace"]["S"]) if self._version else Pace()
        self._warned = False

    # ---- without the store ------------------------------------------------------------------------------------------

    def is_lost(self) -> bool:
        """True for a time after the store has failed: requests are sent unpaced."""
        return self._now() < self._lost_until

    def _lose(self, error: StoreUnavailable) -> None:
        """Send unpaced for a time: a failing table must not fail a distribution. A 429 of Genesys is still obeyed."""
        self._lost_until = self._now() + STORE_PAUSE_S * 1000
        self._under_way = 0
        if not self._warned:
            logger.warning(
                "The request budget cannot be used, so requests are sent unpaced", paced=False, reason=error.message
            )
        self._warned = True

    def _now(self) -> float:
        return self.wall_clock() * 1000


@dataclass
class RequestBudget:
    """The budgets of all tokens of a deployment. A request goes where a slot is free first."""

    tokens: Sequence[TokenBudget]
    _spare: list[tuple[float, int]] = field(default_factory=list, init=False)
    """A heap of the slots that were taken in a block and are not used yet: time in epoch milliseconds, and token."""
    _foreseen: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @contextmanager
    def foreseeing(self, requests: int) -> Iterator[None]:
        """Return a context in which `requests` requests will be sent: their slots are taken in blocks."""
        with self._lock:
            self._foreseen += requests
        try:
            yield
        finally:
            with self._lock:
                self._foreseen = 0

    def reserve(self, longest_wait_s: float, slots: int = 1) -> list[Slot]:
        """Reserve slots: one, or several at the same time. All waits are 0 while nothing is paced.

        Raises:
            RateLimited: the first slot of every token is more than `longest_wait_s` away. Nothing is reserved.
        """
        with self._lock:
            if slots > 1:
                return self._slots(self._drawn(longest_wait_s, slots, together=True))
            now = self._now()
            while self._spare and self._spare[0][0] < now - self.tokens[self._spare[0][1]].late_ms(now):
                heapq.heappop(self._spare)
            if not self._spare or self._free(now)[0][0] < max(now, self._spare[0][0]):
                wanted = min(self._foreseen - len(self._spare), LARGEST_BLOCK)
                for drawn in self._drawn(longest_wait_s, max(1, wanted)):
                    heapq.heappush(self._spare, drawn)
            _refuse_later(self._spare[0][0], now, longest_wait_s)
            self._foreseen = max(0, self._foreseen - 1)
            return self._slots([heapq.heappop(self._spare)])

    def limited(self, token: int, headers: Mapping[str, str], retry_after_s: float | None, age_s: float) -> None:
        """Note a 429: see TokenBudget. The spare slots of that token are lost."""
        with self._lock:
            self._spare = [slot for slot in self._spare if slot[1] != token]
            heapq.heapify(self._spare)
        self.tokens[token].limited(headers, retry_after_s, age_s)

    def seen(self, token: int, headers: Mapping[str, str]) -> None:
        self.tokens[token].seen(headers)

    def has_others(self) -> bool:
        """True if a request that one token may not send can go to another one. Without the store, nobody knows."""
        return len(self.tokens) > 1 and not any(token.is_lost() for token in self.tokens)

    def _free(self, now: float) -> list[tuple[float, int, int]]:
        """For each token: when a slot is free, how many are taken, and its number. The earliest slot comes first."""
        return sorted((*budget.free_at(now), token) for token, budget in enumerate(self.tokens))

    def _drawn(self, longest_wait_s: float, slots: int, *, together: bool = False) -> list[tuple[float, int]]:
        """Take slots of the token that has one first.

        What is known of a token may be old. If its slot turns out to be later than that of another one, the other one
        is asked.
        """
        for others_left in range(len(self.tokens) - 1, -1, -1):
            now = self._now()
            (_, _, token), *others = self._free(now)
            longest_s = min(longest_wait_s, max(0.0, others[0][0] - now) / 1000) if others_left else longest_wait_s
            try:
                times = self.tokens[token].take(longest_s, slots, together=together)
            except RateLimited:
                if not others_left:
                    raise
            else:
                break
        return [(at, token) for at in times]

    def _slots(self, taken: list[tuple[float, int]]) -> list[Slot]:
        now = self._now()
        return [Slot((at - now) / 1000, token, self.tokens[token].late_ms(now) / 1000) for at, token in taken]

    def _now(self) -> float:
        return self.tokens[0].wall_clock() * 1000


def _refuse_later(at: float, now: float, longest_wait_s: float) -> None:
    if at > now + longest_wait_s * 1000:
        seconds = max(1, math.ceil((at - now) / 1000))
        raise RateLimited(f"The request budget has no room for {seconds} s.", retry_after_s=seconds)


def _text(pace: Pace) -> str:
    """Return a pace as JSON of less than a kilobyte: writes cost by the kilobyte. The log is relative to `next_at`."""
    start = round(pace.next_at)
    log = [[math.ceil(at) - start, count] for at, count in pace.log]
    return json.dumps(asdict(pace) | {"next_at": start, "log": log}, separators=(",", ":"))


def _pace(text: str) -> Pace:
    """Read a pace, also of another version of this package, which may know more or less."""
    document = json.loads(text)
    known = {name: document[name] for name in _FIELDS if name in document}
    return Pace(**known | {"log": tuple((document["next_at"] + at, count) for at, count in document["log"])})


def _hints(headers: Mapping[str, str]) -> tuple[float | None, float | None, float | None] | None:
    """Return allowed, count and reset (in ms) of the rate-limit headers; None if there is none of the headers."""
    if not any(name in headers for name in _HINTS):
        return None
    allowed, count, reset = (_number(headers.get(name)) for name in _HINTS)
    return allowed, count, None if reset is None else reset * 1000


def _number(text: str | None) -> float | None:
    """Return a header's number, or None if it is no finite number of at least 0."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None
