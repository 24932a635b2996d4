"""Shows a fleet, its progress and its queues, and which fleets there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing_weights.application.steer_fleet import fleet_with
from routing_weights.domain.fleet_progress import progress, queues_of
from routing_weights.projection.effort import requests_of

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from routing_weights.application.ports import FleetDocuments, FleetMachine, Fleets, FleetSums
    from routing_weights.domain.fleet import Fleet, FleetStatus
    from routing_weights.domain.fleet_progress import Progress, QueueProgress, QueueStatus

MOST_READ = 20
"""The most pages of fleets that one listing reads for the sake of those that its caller may see."""


@dataclass(frozen=True)
class ShowFleet:
    fleets: Fleets
    sums: FleetSums
    documents: FleetDocuments
    machine: FleetMachine
    requests_per_minute: float
    """What the deployment grants its distributions; 0: nothing is paced."""

    def show(self, fleet_id: str, now: datetime) -> Progress:
        """Raises FleetNotFound."""
        fleet, status = fleet_with(fleet_id, self.fleets, self.machine, now)
        items = self.documents.queues(fleet_id)
        queues = list(queues_of(status, items, self.fleets.outcomes(fleet_id)))
        waves, spent = self.fleets.waves(fleet_id), self.sums.find(fleet_id)
        left = sum(
            requests_of(item.members, item.members, 1)
            for item, queue in zip(items, queues, strict=True)
            if queue.status == "waiting"
        )
        return progress(fleet, status, queues, waves, spent, left, self.requests_per_minute)


@dataclass(frozen=True)
class ListQueues:
    fleets: Fleets
    documents: FleetDocuments
    machine: FleetMachine

    def list(
        self, fleet_id: str, status: QueueStatus | None, start: int, limit: int, now: datetime
    ) -> tuple[list[QueueProgress], int | None]:
        """The queues of a fleet from number `start` on, all or those of a status, and the number of the next one.

        Raises:
            FleetNotFound.
        """
        _, of_fleet = fleet_with(fleet_id, self.fleets, self.machine, now)
        queues = queues_of(of_fleet, self.documents.queues(fleet_id), self.fleets.outcomes(fleet_id))
        found = [queue for queue in queues if queue.number >= start and status in {None, queue.status}]
        return found[:limit], found[limit].number if len(found) > limit else None


@dataclass(frozen=True)
class ListFleets:
    fleets: Fleets
    machine: FleetMachine

    def list(
        self, limit: int, after: str | None, now: datetime, is_shown: Callable[[Fleet], bool] = lambda _fleet: True
    ) -> tuple[list[tuple[Fleet, FleetStatus]], str | None]:
        """Fleets and their statuses, newest first, and the token of the next page. None on the last page.

        Fleets that are not shown leave no gap, and no trace in the token. MOST_READ pages are read at most.

        Raises:
            RequestInvalid: `after` is no token of this listing.
        """
        shown: list[Fleet] = []
        for _ in range(MOST_READ):
            page, after = self.fleets.newest(limit, after)
            for fleet in filter(is_shown, page):
                shown.append(fleet)
                if len(shown) == limit:
                    is_last = fleet is page[-1] and after is None
                    return self._with_statuses(shown, now), None if is_last else self.fleets.token(fleet)
            if after is None:
                break
        return self._with_statuses(shown, now), None

    def _with_statuses(self, fleets: Sequence[Fleet], now: datetime) -> builtins.list[tuple[Fleet, FleetStatus]]:
        return [self._with_status(fleet, now) for fleet in fleets]

    def _with_status(self, fleet: Fleet, now: datetime) -> tuple[Fleet, FleetStatus]:
        if fleet.status.terminal:
            return fleet, fleet.status
        status = fleet.status_with(self.machine.describe(fleet.execution_arn), now)
        # A listing may be older than the execution: what looks broken off is read again.
        return fleet_with(fleet.fleet_id, self.fleets, self.machine, now) if status.terminal else (fleet, status)
