"""Neighbours: the plans of one fleet whose agents are partly the same people.

The queue of a plan and those of its neighbours are projected together, so that the time of a shared agent is counted
once (projection.inputs.together).
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from routing_weights.domain.actuators import ActuatorName, actuator_class
from routing_weights.domain.plan import Plan
from routing_weights.domain.strategies import strategies
from routing_weights.domain.volume import StatedVolume

MOST = 20
"""Neighbours of one plan: the sources of forecasts are asked for each of them."""
MOST_PLANS = 100
"""Plans of one agent that are looked at. One agent in all 10,000 plans of a fleet would make 100,000,000 pairs."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The agents who serve a queue by its plan, and the load that the plan states."""

    queue_id: str
    agents: frozenset[str]
    projected_load: float | None = None
    forecast: StatedVolume | None = None

    @classmethod
    def of(cls, plan: Plan, deployed: ActuatorName) -> Self:
        """The crew of a plan. `deployed` is the actuator of a plan that names none, and whose strategy names none.

        A member with weight 0 leaves the queue under an actuator that joins members. Under every other actuator the
        member comes last and still serves. Members whom the plan does not name are not known here.
        """
        strategy = strategies().get(plan.strategy_reference)
        joins = actuator_class(plan.actuator or (strategy and strategy.actuator) or deployed).joins
        agents = (member for member, weight in plan.weights.items() if weight > 0 or not joins)
        return cls(plan.queue_id, frozenset(agents), plan.projected_load, plan.forecast)


class Neighbour(BaseModel):
    """Another queue of the fleet that some of a queue's agents serve too, as its plan states it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    queue_id: str
    shared: int = Field(ge=1)
    """How many agents serve both queues."""
    agents: int = Field(ge=1)
    """How many agents serve the neighbour."""
    projected_load: float | None = None
    forecast: StatedVolume | None = None

    @property
    def part(self) -> float:
        """The part of the neighbour's load that the shared agents carry, in (0, 1]: every agent carries as much."""
        return self.shared / self.agents


class Neighbours(BaseModel):
    """The neighbours of one plan, those with the largest part first."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    counted: tuple[Neighbour, ...] = ()
    """At most MOST."""
    left_out: int = 0
    """How many more there are; at least so many if an agent is in more than MOST_PLANS plans."""
    agents_left_out: int = 0
    """How many agents of the queue serve one of those: they can take at most so many erlangs."""

    def with_stated(self, stated: Mapping[str, StatedVolume | None]) -> Self:
        """The neighbours with volumes by queue, for those whose own plans state no load."""
        counted = (
            each.model_copy(update={"forecast": stated.get(each.queue_id)})
            if each.forecast is None and each.projected_load is None
            else each
            for each in self.counted
        )
        return self.model_copy(update={"counted": tuple(counted)})

    def to_json(self) -> dict[str, Any]:
        """The stored form; empty without neighbours."""
        return self.model_dump(mode="json", exclude_defaults=True)


NONE = Neighbours()


def neighbours(crews: Sequence[Crew]) -> Iterator[Neighbours]:
    """The neighbours of each crew, in the order given. Their content does not depend on that order.

    It takes time in proportion to the number of all members, times MOST_PLANS at worst.

    Args:
        crews: of one fleet, each for another queue.
    """
    crews_of: defaultdict[str, list[int]] = defaultdict(list)
    for number in sorted(range(len(crews)), key=lambda number: crews[number].queue_id):
        for agent in crews[number].agents:
            crews_of[agent].append(number)
    for number, crew in enumerate(crews):
        shared = Counter(chain.from_iterable(crews_of[agent][:MOST_PLANS] for agent in crew.agents))
        shared.pop(number, None)
        ranked = heapq.nsmallest(
            MOST, shared, key=lambda other: (-shared[other] / len(crews[other].agents), crews[other].queue_id)
        )
        counted, known = tuple(_neighbour(crew, crews[other]) for other in ranked), {number, *ranked}
        # An agent in more plans than are looked at has so many neighbours alone.
        most = max([len(shared), *(len(crews_of[agent]) - 1 for agent in crew.agents)])
        yield Neighbours(
            counted=counted,
            left_out=most - len(counted),
            agents_left_out=sum(not known.issuperset(crews_of[agent][: MOST + 2]) for agent in crew.agents),
        )


def _neighbour(crew: Crew, other: Crew) -> Neighbour:
    return Neighbour(
        queue_id=other.queue_id,
        shared=sum(agent in other.agents for agent in crew.agents),
        agents=len(other.agents),
        projected_load=other.projected_load,
        forecast=other.forecast,
    )
