"""What people can do with a fleet that was submitted: cancel, continue or revert it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, assert_never

from routing_weights.application.submit_fleet import begin_again, go_on
from routing_weights.domain.fleet import FleetStatus, Steered
from routing_weights.domain.record import timestamp
from routing_weights.errors import FleetConflict, FleetNotFound

if TYPE_CHECKING:
    from datetime import datetime

    from routing_weights.application.ports import FleetMachine, Fleets
    from routing_weights.domain.fleet import Fleet
    from routing_weights.domain.run import Origin


def fleet_with(fleet_id: str, fleets: Fleets, machine: FleetMachine, now: datetime) -> tuple[Fleet, FleetStatus]:
    """A fleet and its status at this moment.

    Raises:
        FleetNotFound: no fleet has this id.
    """
    fleet = fleets.find(fleet_id)
    if fleet is None:
        raise FleetNotFound(f"No fleet has the id {fleet_id}. POST /fleets gives it as fleet_id.")
    if fleet.status.terminal:
        return fleet, fleet.status
    status = fleet.status_with(machine.describe(fleet.execution_arn), now)
    if status.terminal:
        # Its last state may have stored how it ended after it was read here, and before its execution was.
        fleet = fleets.find(fleet_id) or fleet
        status = fleet.status if fleet.status.terminal else status
    return fleet, status


@dataclass(frozen=True)
class CancelFleet:
    fleets: Fleets
    machine: FleetMachine

    def cancel(self, fleet_id: str, origin: Origin, now: datetime) -> None:
        """Begin no further queue. Queues that are being changed are finished, or restored if they fail.

        A fleet that is running ends as soon as these queues have; at once while a wave is watched, or held.

        Raises:
            FleetNotFound.
            FleetConflict: it has ended in another way, or is being reverted.
        """
        fleet, status = fleet_with(fleet_id, self.fleets, self.machine, now)
        by = Steered(action="cancel", at=timestamp(now), origin=origin)
        match status:
            case FleetStatus.CANCELLED:
                return
            case FleetStatus.RUNNING:
                self.fleets.stop(fleet_id, fleet.attempt, by)
                if any(wave.is_watched(now) for wave in self.fleets.waves(fleet_id)):
                    # Its execution waits for up to a day. Nothing is being changed.
                    self.fleets.end(fleet_id, fleet.attempt, status.CANCELLED, "Somebody cancelled the fleet.", now)
            case FleetStatus.HELD:
                _release(fleet, self.machine, by)
            case FleetStatus.INTERRUPTED:
                reason = "Its execution had broken off."
                self.fleets.end(fleet_id, fleet.attempt, FleetStatus.CANCELLED, reason, now, by)
            case FleetStatus.REVERTING:
                refuse(status, "wait until it is reverted")
            case (
                FleetStatus.COMPLETED
                | FleetStatus.PARTLY_COMPLETED
                | FleetStatus.STOPPED
                | FleetStatus.REVERTED
                | FleetStatus.REVERT_INCOMPLETE
            ):
                advice = f"POST /fleets/{fleet_id}/revert writes the earlier state again"
                refuse(status, f"nothing is left to cancel, and {advice}")
            case _:
                assert_never(status)


@dataclass(frozen=True)
class ContinueFleet:
    fleets: Fleets
    machine: FleetMachine

    def go_on(self, fleet_id: str, origin: Origin, now: datetime) -> None:
        """Let a held fleet finish its wave and begin the next one, or resume a fleet that broke off.

        Raises:
            FleetNotFound.
            FleetConflict: it is neither held nor interrupted.
        """
        fleet, status = fleet_with(fleet_id, self.fleets, self.machine, now)
        by = Steered(action="continue", at=timestamp(now), origin=origin)
        match status:
            case FleetStatus.HELD:
                _release(fleet, self.machine, by)
            case FleetStatus.INTERRUPTED:
                go_on(fleet, self.fleets, self.machine, now, by)
            case FleetStatus.RUNNING | FleetStatus.REVERTING:
                refuse(status, "it goes on by itself")
            case (
                FleetStatus.COMPLETED
                | FleetStatus.PARTLY_COMPLETED
                | FleetStatus.STOPPED
                | FleetStatus.REVERTED
                | FleetStatus.REVERT_INCOMPLETE
                | FleetStatus.CANCELLED
            ):
                refuse(status, "submit its plans again: a queue that holds its plan already is not written")
            case _:
                assert_never(status)


@dataclass(frozen=True)
class RevertFleet:
    fleets: Fleets
    machine: FleetMachine

    def revert(self, fleet_id: str, origin: Origin, now: datetime) -> None:
        """Revert the queues that the fleet has changed, newest first.

        Raises:
            FleetNotFound.
            FleetConflict: it is running, or reverted already.
        """
        fleet, status = fleet_with(fleet_id, self.fleets, self.machine, now)
        by = Steered(action="revert", at=timestamp(now), origin=origin)
        match status:
            case FleetStatus.HELD:
                _release(fleet, self.machine, by)
            case (
                FleetStatus.COMPLETED
                | FleetStatus.PARTLY_COMPLETED
                | FleetStatus.STOPPED
                | FleetStatus.REVERT_INCOMPLETE
                | FleetStatus.CANCELLED
                | FleetStatus.INTERRUPTED
            ):
                begin_again(fleet, FleetStatus.REVERTING, self.fleets, self.machine, now, by)
            case FleetStatus.RUNNING:
                refuse(status, f"cancel it first, with POST /fleets/{fleet_id}/cancel")
            case FleetStatus.REVERTING | FleetStatus.REVERTED:
                refuse(status, "there is nothing more to do")
            case _:
                assert_never(status)


def refuse(status: FleetStatus, advice: str) -> NoReturn:
    raise FleetConflict(f"The fleet is {status.value}: {advice}.")


def _release(fleet: Fleet, machine: FleetMachine, by: Steered) -> None:
    if fleet.held is None or not machine.release(fleet.held, by):
        message = "The fleet is no longer held, because somebody else has just decided. "
        raise FleetConflict(message + f"GET /fleets/{fleet.fleet_id} shows its status.")
