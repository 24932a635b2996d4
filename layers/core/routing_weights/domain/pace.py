"""How fast the requests of one token may follow each other: the control law of the request budget (ADR 12).

Times are epoch milliseconds. Nothing here waits, reads a clock or stores anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTE_MS = 60_000.0
MARGIN, LEAST_MARGIN_MS = 0.02, 250.0
"""How much longer than the window a request counts: what may delay it between its slot and Genesys."""
HEAD = 0.9
"""The share of a long window that may be sent at once. The rest is spread: see Limit.at_once."""
SLEPT_MS = 10_000.0
"""A run sleeps through a window of this length. In a longer one it would leave the wait to the state machine."""
LONGEST_PAUSE_MS = 3000.0
"""The longest pause between two slots that are spread."""
SLICES = 60
"""The log counts the requests of a window in so many slices."""
LEAST_PER_MINUTE = 60.0
"""An announced limit never slows us below this. A lower limit shows in a 429, and in RequestsPerMinute."""
ANNOUNCED_FOR_MS = 600_000.0
"""How long an announced limit is trusted after the last answer that announced it."""
LATE, LATEST_MS = 0.8, 1000.0
"""The part of the margin by which a request may be late, and the most. Later, it would be one too many in a window."""
RENEW_EVERY_MS = 30_000.0
"""The same facts are noted again once they are this old."""
SAME_REFUSAL_MS = 1000.0
"""A 429 to a request that was sent so soon after another 429 is the same sign: its sender did not know yet."""
FIRST_HOLD_MS, LONGEST_HOLD_MS = 60_000.0, 600_000.0
"""How long requests are paced after a second 429, and after the last of many."""


class Slot(NamedTuple):
    """The time of a request, and the token that it is sent with."""

    wait_s: float
    """Seconds from now; negative if its time has passed."""
    token: int = 0
    late_s: float = math.inf
    """How much later than its time it may be used, in seconds."""


@dataclass(frozen=True)
class Limit:
    """At most `requests` in any `window_ms`."""

    requests: int
    """At least 1."""
    window_ms: float
    whole: bool
    """True: Genesys announces the window, so most of it may be used at once. False: requests are spread evenly."""

    @property
    def counts_ms(self) -> float:
        """How long a request counts."""
        return self.window_ms + max(MARGIN * self.window_ms, LEAST_MARGIN_MS if self.whole else 0.0)

    @property
    def late_ms(self) -> float:
        """How much later than its time a slot may be used."""
        return min(LATE * (self.counts_ms - self.window_ms), LATEST_MS)

    @property
    def at_once(self) -> float:
        """How many requests of a window may go at once.

        The rest of a long window is spread, so that no run has to wait for the next window.
        """
        return HEAD * self.requests if self.window_ms > SLEPT_MS else math.inf

    @property
    def interval_ms(self) -> float:
        return self.counts_ms / self.requests

    def slice_of(self, at: float) -> int:
        return int(at * SLICES // self.window_ms)


@dataclass(frozen=True)
class Pace:
    """What is known of one token: the slots taken in the last window, and the signs of a limit."""

    next_at: float = 0.0
    """Nobody gets a slot earlier."""
    log: tuple[tuple[float, int], ...] = ()
    """The slots of each slice of the window: the time of the last one, and how many. Oldest first."""
    announced_until: float = 0.0
    allowed: float = 0.0
    """The lowest announced limit, in requests per window."""
    allowed_until: float = 0.0
    window_ms: float = 0.0
    """The longest announced time until a window is free again. 0: none is known."""
    refused_until: float = 0.0
    """The end of the pause after the last 429."""
    hold_ms: float = 0.0
    """How long requests are paced after that pause."""

    def is_paced(self, now: float) -> bool:
        return now < self.announced_until or self._is_held(now)

    def _is_held(self, now: float) -> bool:
        return self.hold_ms > 0 and now < self.refused_until + self.hold_ms

    def limit(self, now: float, per_minute: float, share: float) -> Limit:
        """The limit in force: what the deployment is granted, or less if Genesys announces less.

        `share` of it is ours. While 429s come in spite of what is announced, requests are spread evenly.
        """
        window = self.window_ms if now < self.announced_until else 0.0
        rate = per_minute
        if window and now < self.allowed_until:
            announced = self.allowed * MINUTE_MS / window
            rate = min(rate, max(announced, LEAST_PER_MINUTE))
        requests = rate * share * (window or MINUTE_MS) / MINUTE_MS
        return Limit(max(1, math.floor(requests + 1e-6)), window or MINUTE_MS, window > 0 and not self._is_held(now))

    # ---- slots ------------------------------------------------------------------------------------------------------

    def take(self, now: float, limit: Limit, slots: int = 1, *, together: bool = False) -> tuple[list[float], Pace]:
        """Return the times of the next `slots` slots, and the pace after them.

        Slots `together` come at the same time if the window has room for them.
        """
        if together and limit.whole and slots <= limit.requests:
            at, pace = self._take(now, limit, slots)
            return [at] * slots, pace
        times, pace = [], self
        for _ in range(slots):
            at, pace = pace._take(now, limit, 1)
            times.append(at)
        return times, pace

    def _take(self, now: float, limit: Limit, slots: int) -> tuple[float, Pace]:
        at, counts_ms = max(now, self.next_at), limit.counts_ms
        known = [entry for entry in self.log if entry[0] > now - counts_ms]
        ahead = [entry for entry in known if entry[0] > at - counts_ms]
        taken = sum(count for _, count in ahead)
        while ahead and taken + slots > limit.requests:
            oldest, count = ahead.pop(0)
            at, taken = max(at, oldest + counts_ms), taken - count
        pause = 0.0
        if not limit.whole:
            pause = slots * limit.interval_ms
        elif taken + slots >= limit.at_once:
            pause = _pause(_noted(ahead, at, slots, limit), at, limit)
        return at, replace(self, next_at=at + pause, log=tuple(_noted(known, at, slots, limit)))

    def taken(self, now: float, limit: Limit) -> int:
        """How many slots up to now still count."""
        latest = limit.slice_of(now)
        return sum(n for at, n in self.log if at > now - limit.counts_ms and limit.slice_of(at) <= latest)

    # ---- what Genesys says ------------------------------------------------------------------------------------------

    def announced(self, now: float, allowed: float | None, reset_ms: float | None) -> Pace:
        """Note the rate-limit headers of an answer."""
        pace = self if now < self.announced_until else replace(self, window_ms=0.0, allowed_until=0.0)
        until = now + ANNOUNCED_FOR_MS
        if until - pace.announced_until >= RENEW_EVERY_MS:
            pace = replace(pace, announced_until=until)
        if reset_ms and pace.window_ms < min(reset_ms, MINUTE_MS):
            pace = replace(pace, window_ms=min(reset_ms, MINUTE_MS))
        if allowed is None:
            return pace
        if now >= pace.allowed_until or allowed < pace.allowed:
            return replace(pace, allowed=allowed, allowed_until=until)
        if allowed == pace.allowed and until - pace.allowed_until >= RENEW_EVERY_MS:
            return replace(pace, allowed_until=until)
        return pace

    def counted(self, now: float, limit: Limit, requests: int) -> Pace:
        """Note that Genesys counts `requests` in its window. Those that have no slot here get one now."""
        unknown = min(requests, limit.requests) - self.taken(now, limit)
        return self if unknown <= 0 else replace(self, log=tuple(_noted(list(self.log), now, unknown, limit)))

    def refused(self, now: float, sent_at: float, pause_ms: float) -> Pace:
        """Note a 429 to a request that was sent at `sent_at`.

        One 429 is a pause. The next one, if it comes within a minute or within the last hold, is a limit: requests are
        paced for a minute, and twice as long each time.
        """
        ends_at = now + pause_ms
        pace = replace(self, next_at=max(self.next_at, ends_at))
        until = max(ends_at, now + SAME_REFUSAL_MS)
        if sent_at < self.refused_until:
            return replace(pace, refused_until=max(self.refused_until, until))
        is_repeated = now < self.refused_until + self.hold_ms + max(self.hold_ms, FIRST_HOLD_MS)
        hold = min(max(2 * self.hold_ms, FIRST_HOLD_MS), LONGEST_HOLD_MS) if is_repeated else 0.0
        return replace(pace, refused_until=until, hold_ms=hold)


def _noted(log: list[tuple[float, int]], at: float, slots: int, limit: Limit) -> list[tuple[float, int]]:
    """Add slots to the log. A slice has one entry, with the time of its last slot."""
    number, place = limit.slice_of(at), len(log)
    while place and limit.slice_of(log[place - 1][0]) > number:
        place -= 1
    if place and limit.slice_of(log[place - 1][0]) == number:
        last, count = log[place - 1]
        return [*log[: place - 1], (max(last, at), count + slots), *log[place:]]
    return [*log[:place], (at, slots), *log[place:]]


def _pause(log: Sequence[tuple[float, int]], at: float, limit: Limit) -> float:
    """Return the shortest pause that can be kept until the whole log has left the window.

    No pause is so long that a function would leave it to the state machine. Then one long pause follows.
    """
    room, pause = limit.requests - sum(count for _, count in log), 0.0
    for taken_at, count in log:
        if room > 0:
            pause = max(pause, (taken_at + limit.counts_ms - at) / room)
        room += count
    return min(pause, LONGEST_PAUSE_MS)
