"""What the execution of a fleet does next, and the data that travel between its states."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from routing_weights.domain.fleet import Release, Steered, queue_part, wave_part
from routing_weights.domain.inputs import FleetRevert, FromFleet

if TYPE_CHECKING:
    from routing_weights.domain.fleet import Fleet, FleetStatus, QueueItem, QueueOutcome
    from routing_weights.domain.run import Origin

MOST_TRIES = 3
"""How often the queues of a wave are begun in one execution. Queues that have no outcome after that are left."""
MOST_RUNS = 9
"""How often the plan of a queue runs: each time its run was stopped, the next one has a name of its own."""
NO_LIMIT = -1


@dataclass(frozen=True)
class RunQueues:
    """Begin the queues of a document, at most `concurrency` at the same time; `wave` is -1 for reverts."""

    items: str
    concurrency: int
    wave: int
    tries: int = 1

    def to_json(self) -> dict[str, Any]:
        return {"step": "run", **asdict(self)}


@dataclass(frozen=True)
class Bake:
    """Watch a wave for some time."""

    wave: int
    seconds: int

    def to_json(self) -> dict[str, Any]:
        return {"step": "bake", **asdict(self)}


@dataclass(frozen=True)
class Hold:
    """Wait for somebody's decision."""

    wave: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {"step": "hold", **asdict(self)}


@dataclass(frozen=True)
class End:
    """End the execution: nothing is left to do."""

    status: FleetStatus
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {"step": "end", "green": self.status.green, "status": self.status.value, "reason": self.reason}


Step = RunQueues | Bake | Hold | End


class Last(BaseModel):
    """The step that has been done. After a hold: with the decision that released it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    step: Literal["run", "bake", "hold", "end"]
    wave: int = -1
    tries: int = 1
    release: Release | None = None
    steered: Steered | None = None
    """Whoever released it."""


class Tick(BaseModel):
    """The request of a fleet's execution for its next step."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    fleet_id: str
    attempt: int
    last: Last | None = None
    """None in the first tick of an execution."""


def item_of(fleet: Fleet, queue: QueueItem, max_failed: int | None) -> dict[str, Any]:
    """What the child execution of a queue is started with.

    The input of its distribution is the same in every attempt: only then does StartExecution find an earlier start.
    """
    given = FromFleet(
        fleet=fleet.fleet_id,
        number=queue.number,
        start=queue.start,
        length=queue.length,
        origin=_of_fleet(fleet.origin),
    )
    return _item(fleet, queue.number, queue.queue_id, queue.wave, queue.distribution_id, given.to_json()) | {
        "max_failed": NO_LIMIT if max_failed is None else max_failed,
        "revert": False,
    }


def revert_of(fleet: Fleet, outcome: QueueOutcome) -> dict[str, Any]:
    """Like `item_of`, for the revert of a queue that was done. Each attempt of the fleet has reverts of its own."""
    given = FleetRevert(reverts=outcome.distribution_id, fleet_id=fleet.fleet_id, origin=_of_fleet(fleet.reverted_by))
    name = f"{outcome.distribution_id}.r{fleet.attempt}"
    return _item(fleet, outcome.number, outcome.queue_id, outcome.wave, name, given.to_json()) | {
        "max_failed": NO_LIMIT,
        "revert": True,
    }


def _of_fleet(origin: Origin) -> Origin:
    return origin.repeatable.model_copy(update={"door": "fleet"})


def _item(fleet: Fleet, number: int, queue_id: str, wave: int, name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "fleet": fleet.fleet_id,
        "attempt": fleet.attempt,
        "number": number,
        "part": queue_part(number),
        "wave_part": wave_part(wave),
        "queue_id": queue_id,
        "wave": wave,
        "name": name,
        "input": given,
    }
