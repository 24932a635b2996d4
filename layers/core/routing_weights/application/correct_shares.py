"""Corrects the counters of draws by what really happened, so that whoever was busy catches up.

Each quarter of an hour in which a queue had draws is a bucket, and is corrected once: the contacts that each agent
answered, from Genesys's analytics, replace the draws. First the bucket goes into the history, then the counters change,
with the mark that the bucket is done, in one conditional write. An invocation that ends between the two is repeated
without harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, assert_never

from aws_lambda_powertools import Logger

from routing_weights.domain.correction import due_buckets, passed, verdict
from routing_weights.domain.draw import BUCKET_S, Tally
from routing_weights.domain.drawn import DrawnBucket
from routing_weights.errors import RoutingWeightsError, StoreUnavailable

if TYPE_CHECKING:
    from routing_weights.application.ports import AgentStandings, Analytics, DrawnHistory, Shares, Tallies
    from routing_weights.domain.shares import SharesInForce

logger = Logger(child=True)

BUCKET = timedelta(seconds=BUCKET_S)
TRIES = 10
"""How often the counters are written, if draws change them meanwhile."""

Contacts = Mapping[str, int]
"""Contacts by user, above 0."""
Outcome = Literal["corrected", "late", "skipped", "failed"]


@dataclass(frozen=True)
class CorrectShares:
    shares: Shares
    tallies: Tallies
    standings: AgentStandings
    history: DrawnHistory
    analytics: Analytics | None
    """None under contract `score`, which does not know what happens in a queue."""
    has_time: Callable[[], bool]

    def correct(self, now: datetime) -> dict[str, int]:
        """Correct every bucket that is due, the oldest first. Returns the number of buckets by what became of them.

        corrected: its contacts are counted. late: Genesys did not answer, or shows no contact although there were
        several draws; the next run tries again. skipped: it was late for too long. failed: a store did not answer; the
        next run tries again. Later buckets of a queue wait for one that is late or failed. The next run goes on where
        time was up.

        Raises:
            StoreUnavailable: the shares in force could not be read.
        """
        count: Counter[str] = Counter(corrected=0, late=0, skipped=0, failed=0)
        if self.analytics is None:
            return dict(count)
        due = self._due(now.timestamp(), count)
        waiting: set[str] = set()
        for bucket in sorted(due):
            queues = [shares for shares in due[bucket] if shares.queue_id not in waiting]
            if not queues:
                continue
            if not self.has_time():
                return dict(count)
            realised = _realised(self.analytics, bucket, [shares.queue_id for shares in queues])
            for shares in queues:
                if not self.has_time():
                    return dict(count)
                contacts = None if realised is None else realised.get(shares.queue_id, {})
                outcome = self._outcome(shares, bucket, contacts, now)
                count[outcome] += 1
                if outcome in {"late", "failed"}:
                    waiting.add(shares.queue_id)
        return dict(count)

    def _due(self, now: float, count: Counter[str]) -> dict[int, list[SharesInForce]]:
        """Return by bucket the shares of the queues that it is due for."""
        due: dict[int, list[SharesInForce]] = {}
        for shares in self.shares.in_force():
            try:
                tally = self.tallies.find(shares.queue_id) or Tally()
            except StoreUnavailable as error:
                logger.warning("The shares were not corrected", queue_id=shares.queue_id, reason=error.message)
                count["failed"] += 1
                continue
            for bucket in due_buckets(tally, now):
                due.setdefault(bucket, []).append(shares)
        return due

    def _outcome(self, shares: SharesInForce, bucket: int, realised: Contacts | None, now: datetime) -> Outcome:
        try:
            outcome = self._correct(shares, bucket, realised, now.timestamp())
        except StoreUnavailable as error:
            logger.warning("The shares were not corrected", queue_id=shares.queue_id, reason=error.message)
            return "failed"
        if outcome == "skipped":
            start = datetime.fromtimestamp(bucket, UTC).isoformat()
            logger.warning("The shares are not corrected for this time", queue_id=shares.queue_id, start=start)
        return outcome

    def _correct(self, shares: SharesInForce, bucket: int, realised: Contacts | None, now: float) -> Outcome:
        is_kept = False
        for _ in range(TRIES):
            tally = self.tallies.find(shares.queue_id)
            if tally is None or bucket not in tally.drawn:
                return "corrected"  # by another invocation, or the answer to our write was lost
            decided = verdict(tally, shares.weights, bucket, realised, now)
            match decided:
                case "late":
                    return "late"
                case "correct":
                    after = tally.corrected(
                        shares, bucket, realised or {}, self._away(shares, tally, bucket, realised, now)
                    )
                case "pass" | "skip":
                    after = passed(tally, bucket)
                case _:
                    assert_never(decided)
            if not is_kept:
                self._keep(shares, tally, bucket, None if decided == "skip" else realised)
                is_kept = True
            if self.tallies.put(shares.queue_id, after):
                return "skipped" if decided == "skip" else "corrected"
        raise StoreUnavailable(f"Could not correct the shares: {TRIES} draws were faster.")

    def _away(
        self, shares: SharesInForce, tally: Tally, bucket: int, realised: Contacts | None, now: float
    ) -> set[str]:
        """Return the members who took no part in the bucket, and are away: they gain nothing by it."""
        took_part = {*tally.drawn[bucket], *(realised or {})}
        standings = self.standings.find(shares.queue_id)
        return {user for user in shares.weights if standings.of(user, "", now) == "away"} - took_part

    def _keep(self, shares: SharesInForce, tally: Tally, bucket: int, realised: Contacts | None) -> None:
        drawn = dict(tally.drawn[bucket])
        nobody = drawn.pop("", 0)
        start = datetime.fromtimestamp(bucket, UTC)
        kept = DrawnBucket(start, shares.distribution_id, drawn, nobody, realised)
        self.history.put(shares.queue_id, kept)


def _realised(analytics: Analytics, bucket: int, queue_ids: Collection[str]) -> dict[str, Contacts] | None:
    """Return the contacts by queue and user. None if Genesys does not answer."""
    start = datetime.fromtimestamp(bucket, UTC)
    try:
        handled = analytics.realised_by_member(sorted(queue_ids), start, start + BUCKET)
    except RoutingWeightsError as error:
        logger.warning("Genesys did not show what happened", start=start.isoformat(), reason=error.message)
        return None
    return {
        queue_id: {user: figures.contacts for user, figures in users.items() if figures.contacts}
        for queue_id, users in handled.items()
    }
