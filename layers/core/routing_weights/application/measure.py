"""Measures what happened in a queue after a plan was applied, once for each completed distribution.

The measurement is stored beside the closing record, which has the projection. What each member received is a record of
its own: it takes as long as there are too few contacts.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from routing_weights.application.measure_shares import SETTLED, MeasureShares, not_measured, writers
from routing_weights.application.ports import Analytics, DrawnHistory, Executions, Trail
from routing_weights.domain.record import Measurement, Prediction, Realised, RunSummary, timestamp
from routing_weights.domain.run import LONGEST_RUN
from routing_weights.domain.status import Status
from routing_weights.errors import RoutingWeightsError
from routing_weights.projection.accuracy import LOOK_BACK, SPAN, predicted, window_after

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
    history: DrawnHistory
    has_time: Callable[[], bool]

    def measure(self, now: datetime) -> dict[str, int]:
        """Measure what is over and not measured yet, the oldest first.

        Returns how many were compared with their projection (`measured`), how many have realised shares (`shared`), and
        how many `failed`.

        A measurement that fails is logged and leaves no record, so the next run tries again.

        Raises:
            StoreUnavailable: the audit trail or the executions could not be listed.
        """
        count = Counter(measured=0, shared=0, failed=0)
        if self.analytics is None:
            return dict(count)
        runs = self.trail.summaries(list(self.executions.succeeded(now - LOOK_BACK - LONGEST_RUN))).values()
        # A dry run succeeds, too. A run that waited for approval began long before it ended.
        since = timestamp(now - LOOK_BACK)
        completed = [run for run in runs if run.status is Status.COMPLETED and run.timestamp >= since]
        self._compare(self.analytics, completed, now, count)
        shares = MeasureShares(self.trail, self.analytics, self.history, self.has_time)
        count.update(shares.measure(completed, now))
        return dict(count)

    def _compare(
        self, analytics: Analytics, completed: Sequence[RunSummary], now: datetime, count: Counter[str]
    ) -> None:
        windows: dict[datetime, list[_Due]] = {}
        for due in self._due(completed, now, count):
            windows.setdefault(due.start, []).append(due)
        for start, together in sorted(windows.items()):
            if not self.has_time():
                break
            left = list(together)
            try:
                realised = analytics.realised(sorted({due.queue_id for due in left}), start, start + SPAN)
                while left:
                    self._record(left[0], realised.get(left[0].queue_id, Realised()), now)
                    count["measured"] += 1
                    del left[0]
            except RoutingWeightsError as error:
                count["failed"] += not_measured([due.distribution_id for due in left], error)

    def _due(self, completed_runs: Sequence[RunSummary], now: datetime, count: Counter[str]) -> Iterator[_Due]:
        """Return the completed distributions without a measurement whose measured hour is over."""
        measured = self.trail.of_kind(Measurement, [run.distribution_id for run in completed_runs])
        over = [
            (run.timestamp, run.distribution_id)
            for run in completed_runs
            if run.distribution_id not in measured and window_after(run.timestamp) + SPAN + SETTLED <= now
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
                count["failed"] += not_measured([distribution_id], error)
                continue
            at = datetime.fromisoformat(completed)
            yield _Due(distribution_id, queue_id, at, window_after(completed), prediction)

    def _record(self, due: _Due, realised: Realised, now: datetime) -> None:
        until = timestamp(due.start + SPAN)
        others = writers(self.trail, due.distribution_id, due.queue_id, timestamp(due.completed), until)
        measurement = Measurement(
            distribution_id=due.distribution_id,
            queue_id=due.queue_id,
            timestamp=timestamp(now),
            start=timestamp(due.start),
            end=until,
            predicted=due.predicted,
            realised=realised,
            others=tuple(other.distribution_id for other in others),
            alone=not others,
        )
        self.trail.append(measurement)
