"""Shows a fleet, its progress and its queues, and which fleets there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing_weights.application.steer_fleet import fleet_with
from routing_weights.domain.fleet_progress import progress, queues_of
from routing_weights.projection.effort import requests_of

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.ports import FleetDocuments, FleetMachine, Fleets, FleetSums
    from routing_weights.domain.fleet import Fleet, FleetStatus
    from routing_weights.domain.fleet_progress import Progress, QueueProgress, QueueStatus


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

    def list(self, limit: int, after: str | None, now: datetime) -> tuple[list[tuple[Fleet, FleetStatus]], str | None]:
        """Fleets and their statuses, newest first, and the token of the next page. None on the last page.

        Raises:
            RequestInvalid: `after` is no token of this listing.
        """
        page, following = self.fleets.newest(limit, after)
        return [self._with_status(fleet, now) for fleet in page], following

    def _with_status(self, fleet: Fleet, now: datetime) -> tuple[Fleet, FleetStatus]:
        if fleet.status.terminal:
            return fleet, fleet.status
        status = fleet.status_with(self.machine.describe(fleet.execution_arn), now)
        # A listing may be older than the execution: what looks broken off is read again.
        return fleet_with(fleet.fleet_id, self.fleets, self.machine, now) if status.terminal else (fleet, status)
