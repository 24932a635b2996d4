"""Draws the agents of one contact, before its caller notices that it waits."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from routing_weights.domain.draw import Draw, draw
from routing_weights.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from routing_weights.application.ports import DrawStore, Readings
    from routing_weights.domain.draw import Tally

Answer = TypeVar("Answer")

TRIES = 3
"""How often a failing request is sent, at most."""
FAILURE_PAUSE_S, CONFLICT_PAUSE_S = 0.05, 0.01
"""The longest pause after a failure of the store, and after another draw of the queue was faster."""


@dataclass(frozen=True)
class DrawAgents:
    store: DrawStore
    readings: Readings
    limit: int
    """The largest number of agents in a list."""
    read_every_s: float
    """How old a reading of the agents may be, in seconds. 0: agents are not read."""
    last_request_s: float
    """How long after its start a draw may begin a request to the store."""
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def draw(self, queue_id: str, conversation: str, media: str, now: float, *, dry_run: bool = False) -> Draw:
        """Draw, and count the draw with one write. `queue_id` is in lower case, `now` in epoch seconds.

        The same conversation gets the same answer again, and is counted once, also if an answer of the store was lost.
        A `dry_run` says what the answer would be, and counts nothing.

        Raises:
            StoreUnavailable: the store fails for longer than a caller should wait.
        """
        ends_at = self.clock() + self.last_request_s
        stored = self._insistently(lambda: self.store.read(queue_id), ends_at)
        shares, known = stored.shares, stored.tally
        if shares is None or not shares.weights:
            return Draw(reason="no_shares")
        answer, tally = draw(shares, known, stored.standings, conversation, media, now, self.limit)
        if dry_run:
            return answer
        is_due = stored.standings.reading_is_due(now, self.read_every_s)
        finish = self.readings.ask(queue_id) if is_due else None
        while tally is not known:
            newer = self._count(queue_id, tally, ends_at)
            if newer is None:
                break
            if self.clock() > ends_at:
                answer = replace(answer, reason="uncounted")
                break
            self._pause(CONFLICT_PAUSE_S)
            known = newer
            answer, tally = draw(shares, known, stored.standings, conversation, media, now, self.limit)
        if finish:
            finish()
        return answer

    def _count(self, queue_id: str, tally: Tally, ends_at: float) -> Tally | None:
        """Return None if the tally is stored, and otherwise the newer one.

        If an answer of the store is lost, the tally may be stored. The next try finds it, with the conversation in it.
        """
        return self._insistently(lambda: self.store.count(queue_id, tally), ends_at)

    def _insistently(self, request: Callable[[], Answer], ends_at: float) -> Answer:
        failure = StoreUnavailable("The store answered too late.")
        for _ in range(TRIES):
            if self.clock() > ends_at:
                break
            try:
                return request()
            except StoreUnavailable as error:
                failure = error
            self._pause(FAILURE_PAUSE_S)
        raise failure

    def _pause(self, longest_s: float) -> None:
        self.sleep(random.random() * longest_s)  # noqa: S311  no secret
