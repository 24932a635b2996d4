"""Compares what was projected for distributions with what then happened in their queues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from routing_weights.domain.record import timestamp
from routing_weights.projection.accuracy import LOOK_BACK, SPAN, Comparison, compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from routing_weights.domain.record import Measurement, RunSummary

State = Literal["measured", "not_alone", "not_comparable", "pending", "missed", "cannot_tell"]

NOT_ALONE = "Another distribution was at work on the queue before the interval was over: its figures are of both."
CANNOT_TELL = "Contract score has no figures of what happens in a queue, so nothing can be compared."
MISSED = "It was not measured within a day: see the log group of CalibrateFunction."
PENDING = "The two whole half-hours after it are not over, or have not been read yet."


@dataclass(frozen=True)
class Compared:
    """One completed distribution. Its comparison counts in the state `measured` only."""

    run: RunSummary
    state: State
    why: str | None = None
    """A sentence for every state but `measured`."""
    measurement: Measurement | None = None
    comparison: Comparison | None = None


def compared(
    completed: Sequence[RunSummary], measurements: Mapping[str, Measurement], now: datetime, *, can_tell: bool
) -> list[Compared]:
    """Each distribution with its comparison, or with the reason why it has none.

    `measurements` are by distribution. `can_tell` is true if the deployment's contract knows what happens in a queue.
    """
    return [_compared(run, measurements.get(run.distribution_id), now, can_tell=can_tell) for run in completed]


def _compared(run: RunSummary, after: Measurement | None, now: datetime, *, can_tell: bool) -> Compared:
    if after and after.predicted and after.realised:
        comparison = compare(after.predicted, after.realised, SPAN.total_seconds())
        if after.alone:
            return Compared(run, "measured", None, after, comparison)
        return Compared(run, "not_alone", NOT_ALONE, after, comparison)
    if after:
        return Compared(run, "not_comparable", after.why)
    if not can_tell:
        return Compared(run, "cannot_tell", CANNOT_TELL)
    if run.timestamp < timestamp(now - LOOK_BACK):
        return Compared(run, "missed", MISSED)
    return Compared(run, "pending", PENDING)
