"""Shows what was asked for, drawn and received in a queue: the shares of its members, under every actuator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from routing_weights.domain.drawn import drawn_between
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.domain.realised import Part, SharesReport
from routing_weights.domain.record import Requested, timestamp
from routing_weights.domain.status import Status
from routing_weights.errors import SharesNotMeasurable

if TYPE_CHECKING:
    from routing_weights.application.ports import Analytics, DrawnHistory, Tallies, Trail
    from routing_weights.domain.record import RunSummary

MAX_PARTS = 20
"""Each plan in the span costs a request to Genesys."""
QUARTER = timedelta(minutes=15)


@dataclass(frozen=True)
class ShowShares:
    trail: Trail
    analytics: Analytics | None
    """None under contract `score`, which does not know what members receive."""
    tallies: Tallies
    history: DrawnHistory

    def show(self, queue_id: str, start: datetime, end: datetime, now: datetime) -> SharesReport:
        """Return the shares from `start` to `end`, both at a quarter of an hour (UTC), in one request for each plan.

        The span is split where a plan completed. If no plan was in force at its start, it begins with the first one;
        if none was in force at all, what everybody received is shown with nothing requested.

        Raises:
            SharesNotMeasurable: the contract has no analytics.
            RequestInvalid: too many plans were in force in the span.
        """
        if self.analytics is None:
            raise SharesNotMeasurable(
                "Contract score has no figures of what members receive. Ask for shares in a deployment with "
                "GenesysContract=platform."
            )
        plans, failed = self._plans(queue_id, start, end)
        if len(plans) > MAX_PARTS:
            message = f"{len(plans)} plans were in force in this span, and at most {MAX_PARTS} fit: ask for less time"
            raise request_invalid(problem("from", message, "range_invalid"))
        notes = [
            f"Distribution {run.distribution_id} failed in this time, and may have changed the queue for some of it: "
            f"{run.status.sentence}"
            for run in failed
        ]
        begins = [max(start, _second(run.timestamp)) for run in plans]
        if begins and begins[0] > start:
            notes.append(f"No plan was in force before {timestamp(begins[0])}: the figures begin there.")
        if not plans:
            notes.append("No plan was in force in this time: nothing is requested.")
        asked = self.trail.of_kind(Requested, [run.distribution_id for run in plans])
        parts = []
        runs: list[RunSummary | None] = [*plans] or [None]
        for begin, finish, run in zip(begins or [start], [*begins[1:], end], runs, strict=True):
            if begin < finish:
                wanted = asked.get(run.distribution_id) if run else None
                parts.append(
                    Part(
                        begin,
                        finish,
                        run.distribution_id if run else "",
                        wanted.actuator if wanted else "",
                        wanted.requested_weights if wanted else {},
                        self.analytics.realised_by_member([queue_id], begin, finish).get(queue_id, {}),
                    )
                )
        history = self.history.of_queue(queue_id, parts[0].start, end)
        counts = drawn_between(history, parts[0].start, end, self.tallies.find(queue_id))
        shared = any(part.actuator == "share" and part.requested for part in parts)
        if shared and not counts:
            notes.append("No contact was drawn, although shares are in force: does the queue's flow draw?")
        if len({part.distribution_id for part in parts}) > 1:
            notes.append(
                f"{len(parts)} plans were in force one after the other: `requested` is their mean, and each plan "
                "counts by the contacts of its time."
            )
        if end > now - QUARTER:
            notes.append("Contacts of the last quarter of an hour may still be under way: figures still grow.")
        return SharesReport(queue_id, tuple(parts), counts if shared or counts else None, tuple(notes))

    def _plans(self, queue_id: str, start: datetime, end: datetime) -> tuple[list[RunSummary], list[RunSummary]]:
        """The plans in force, by the time of their completion: the last one at `start`, and all until `end`.

        Also the runs that failed in that time and may have written.
        """
        since, until, after = timestamp(start), timestamp(end), None
        completed: list[RunSummary] = []
        failed: list[RunSummary] = []
        while True:
            runs, after = self.trail.of_queue(queue_id, since="0000", until=until, limit=50, after=after)
            completed += [run for run in runs if run.status is Status.COMPLETED and run.timestamp < until]
            failed += [run for run in runs if run.status.failed_writing and since < run.timestamp < until]
            if after is None or any(run.timestamp <= since for run in completed):
                break
        completed.sort(key=lambda run: run.timestamp)
        before = [run for run in completed if run.timestamp <= since]
        return before[-1:] + completed[len(before) :], failed


def _second(text: str) -> datetime:
    """The whole second of a record's timestamp: Genesys's intervals are asked for in whole seconds."""
    return datetime.fromisoformat(text).replace(microsecond=0)
