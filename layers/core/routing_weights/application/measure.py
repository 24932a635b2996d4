"""Measures what happened in a queue after a plan was applied, once for each completed distribution.

The measurement is stored beside the closing record, which has the projection.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from routing_weights.application.ports import Analytics, Executions, Trail
from routing_weights.domain.record import Measurement, Prediction, Realised, timestamp
from routing_weights.domain.run import LONGEST_RUN
from routing_weights.domain.status import Status
from routing_weights.errors import RoutingWeightsError
from routing_weights.projection.accuracy import LOOK_BACK, SPAN, predicted, window_after

logger = Logger(child=True)

SETTLED = timedelta(minutes=15)
"""How long after an interval's end its figures are read: until then contacts that came in it are still handled."""
MOST = 100
"""Distributions in one invocation: as many queues as one request asks for. The next invocation takes the rest."""


@dataclass(frozen=True)
class _Due:
    distribution_id: str
    queue_id: str
    completed: datetime
    start: datetime
    predicted: Prediction


@dataclass(frozen=True)
class Measure:
    trail: Trail
    executions: Executions
    analytics: Analytics | None
    """None under contract `score`, which does not know what happens in a queue."""
    has_time: Callable[[], bool]

    def measure(self, now: datetime) -> dict[str, int]:
        """Measure what is over and not measured yet, the oldest first. Returns how many were, and how many failed.

        A measurement that fails is logged and leaves no record, so the next run tries again.

        Raises:
            StoreUnavailable: the audit trail or the executions could not be listed.
        """
        count = Counter(measured=0, failed=0)
        if self.analytics is None:
            return dict(count)
        windows: dict[datetime, list[_Due]] = {}
        for due in self._due(now, count):
            windows.setdefault(due.start, []).append(due)
        for start, together in sorted(windows.items()):
            if not self.has_time():
                break
            left = list(together)
            try:
                realised = self.analytics.realised(sorted({due.queue_id for due in left}), start, start + SPAN)
                while left:
                    self._record(left[0], realised.get(left[0].queue_id, Realised()), now)
                    count["measured"] += 1
                    del left[0]
            except RoutingWeightsError as error:
                count["failed"] += _failed([due.distribution_id for due in left], error)
        return dict(count)

    def _due(self, now: datetime, count: Counter[str]) -> Iterator[_Due]:
        """Return the completed distributions without a measurement whose measured hour is over."""
        ids = list(self.executions.succeeded(now - LOOK_BACK))
        runs, measured = self.trail.summaries(ids), self.trail.of_kind(Measurement, ids)
        over = [
            (run.timestamp, run.distribution_id)
            for run in runs.values()
            if run.status is Status.COMPLETED  # a dry run succeeds, too
            and run.distribution_id not in measured
            and window_after(run.timestamp) + SPAN + SETTLED <= now
        ]
        for completed, distribution_id in sorted(over)[:MOST]:
            try:
                closing = self.trail.find(distribution_id).closing
                prediction = predicted(closing.projection if closing else None)
                queue_id = (closing and closing.queue_id) or ""
                if isinstance(prediction, str):
                    known = {"distribution_id": distribution_id, "queue_id": queue_id, "timestamp": timestamp(now)}
                    self.trail.append(Measurement(**known, why=prediction))
                    continue
            except RoutingWeightsError as error:
                count["failed"] += _failed([distribution_id], error)
                continue
            at = datetime.fromisoformat(completed)
            yield _Due(distribution_id, queue_id, at, window_after(completed), prediction)

    def _record(self, due: _Due, realised: Realised, now: datetime) -> None:
        end = due.start + SPAN
        # A run that was opened earlier may have completed later, because it waited for the lock.
        since, until = timestamp(due.completed - LONGEST_RUN), timestamp(end)
        runs, more = self.trail.of_queue(due.queue_id, since=since, until=until, limit=50, after=None)
        others = [
            run.distribution_id
            for run in runs
            if run.distribution_id != due.distribution_id
            and run.status.wrote != "no"
            and datetime.fromisoformat(run.timestamp) > due.completed
        ]
        measurement = Measurement(
            distribution_id=due.distribution_id,
            queue_id=due.queue_id,
            timestamp=timestamp(now),
            start=timestamp(due.start),
            end=until,
            predicted=due.predicted,
            realised=realised,
            others=tuple(others),
            alone=not (others or more),
        )
        self.trail.append(measurement)


def _failed(ids: Sequence[str], error: RoutingWeightsError) -> int:
    logger.warning(
        "Not measured; the next run tries again, for a day",
        distributions=ids,
        error_type=type(error).__name__,
        reason=error.message,
    )
    return len(ids)
