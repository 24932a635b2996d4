"""The load is stable if some assignment of agents to queues carries it, whatever the weights are.

Per connected component of the graph of agents and queues: are there x >= 0 with

    sum over queues of x[agent, queue]  <=  availability of the agent
    sum over agents of x[agent, queue]  >=  contacts per second x mean handling time x margin of the queue

That is a maximal flow from the agents to the queues. If it falls short, the minimal cut names the queues that want more
than all the agents who can serve any of them. Agents with the same queues are one node, so thousands of agents on a few
queues cost no more than reading them.
"""

import math
from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise

_ROUNDING = 1e-9
"""Relative to the load of a component: a demand below this is met."""


@dataclass(frozen=True, slots=True)
class Component:
    """Agents and queues that are connected. Work can move inside a component and not out of it."""

    agents: tuple[str, ...]
    """Sorted; empty: nobody can serve the queue."""
    queues: tuple[str, ...]
    load: float
    """Erlangs of all its queues, times the margin."""
    capacity: float
    """Sum of the availability of its agents, in agents."""
    feasible: bool
    """True at exactly full load. Where nobody hangs up such a queue grows, so ask for a margin above 1."""
    deficient_queues: tuple[str, ...] = ()
    """If not feasible: the smallest set of queues whose load exceeds by most what its agents have."""
    shortfall: float = 0.0
    """If not feasible: that excess in erlangs. So many fully available agents are missing."""


def stability(
    loads: Mapping[str, float],
    reachable: Mapping[str, AbstractSet[str]],
    *,
    available: Mapping[str, float] | None = None,
    margin: float = 1.0,
) -> tuple[Component, ...]:
    """Check every component; they come in the order of their first queue, sorted.

    Args:
        loads: erlangs by queue, at least 0: contacts per second x mean handling time in seconds.
        reachable: by agent, the queues whose contacts can reach the agent. Queues that are not in `loads` are ignored,
            and so is an agent without any.
        available: by agent, the share of time on queue, in [0, 1]; 1 by default.
        margin: the factor on every load, above 0.

    Raises:
        ValueError: a load, an availability or the margin is negative or not a finite number.
    """
    numbers = [*loads.values(), *(available or {}).values(), margin]
    if margin <= 0 or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ValueError("loads and availability have to be finite and at least 0, the margin above 0")
    groups: dict[frozenset[str], list[str]] = {}
    for agent, queues in reachable.items():
        if known := frozenset(queues & loads.keys()):
            groups.setdefault(known, []).append(agent)
    shares = available or {}
    components = []
    for queues in _connected(loads, groups):
        own = {served: members for served, members in groups.items() if served <= queues}
        components.append(
            _component(
                {queue: loads[queue] * margin for queue in sorted(queues)},
                {served: math.fsum(shares.get(agent, 1.0) for agent in members) for served, members in own.items()},
                tuple(sorted(agent for members in own.values() for agent in members)),
            )
        )
    return tuple(components)


def _connected(loads: Mapping[str, float], groups: Mapping[frozenset[str], list[str]]) -> list[set[str]]:
    component = {queue: {queue} for queue in sorted(loads)}
    for queues in groups:
        merged = set().union(*(component[queue] for queue in queues))
        component.update(dict.fromkeys(merged, merged))
    return list({id(queues): queues for queues in component.values()}.values())


def _component(
    loads: Mapping[str, float], capacities: Mapping[frozenset[str], float], agents: tuple[str, ...]
) -> Component:
    load, capacity = math.fsum(loads.values()), math.fsum(capacities.values())
    flow = _Flow(dict(loads), dict(capacities), negligible=_ROUNDING * load)
    deficient, serving = flow.maximise()
    return Component(
        agents,
        tuple(loads),
        load,
        capacity,
        feasible=not deficient,
        deficient_queues=tuple(sorted(deficient)),
        shortfall=math.fsum([*(loads[queue] for queue in deficient), *(-capacities[group] for group in serving)]),
    )


_Group = frozenset[str]
"""The agents who serve exactly these queues."""


class _Flow:
    """Shortest augmenting paths (Edmonds and Karp), searched backwards from the queues that want more."""

    def __init__(self, wanted: dict[str, float], spare: dict[_Group, float], *, negligible: float) -> None:
        self.wanted, self.spare, self.negligible = wanted, spare, negligible
        self.serving: dict[str, list[_Group]] = {queue: [] for queue in wanted}
        self.given: dict[_Group, dict[str, float]] = {}
        # Groups that serve few queues come first: they have no other use.
        for group in sorted(spare, key=lambda group: (len(group), sorted(group))):
            self.given[group] = dict.fromkeys(sorted(group), 0.0)
            for queue in self.given[group]:
                self.serving[queue].append(group)
                self.given[group][queue] = amount = min(spare[group], wanted[queue])
                wanted[queue] -= amount
                spare[group] -= amount

    def maximise(self) -> tuple[AbstractSet[str], AbstractSet[_Group]]:
        """Return the queues that stay short, those that they compete with, and the groups that serve any of them."""
        while True:
            via, helps = self._search()
            group = next((group for group in helps if self.spare[group] > self.negligible), None)
            if group is None:
                return via.keys(), helps.keys()
            self._augment(group, via, helps)

    def _search(self) -> tuple[dict[str, _Group | None], dict[_Group, str]]:
        """By queue, the group that would be released from it. By group, the queue that it would help. Nearest first."""
        via: dict[str, _Group | None] = {
            queue: None for queue, wanted in self.wanted.items() if wanted > self.negligible
        }
        helps: dict[_Group, str] = {}
        ahead = deque(via)
        while ahead:
            queue = ahead.popleft()
            for group in self.serving[queue]:
                if group in helps:
                    continue
                helps[group] = queue
                if self.spare[group] > self.negligible:
                    return via, helps
                for other, given in self.given[group].items():
                    if given > self.negligible and other not in via:
                        via[other] = group
                        ahead.append(other)
        return via, helps

    def _augment(self, start: _Group, via: Mapping[str, _Group | None], helps: Mapping[_Group, str]) -> None:
        moves = [(start, helps[start])]
        while (group := via[moves[-1][1]]) is not None:
            moves.append((group, helps[group]))
        released = [(group, queue) for (_, queue), (group, _) in pairwise(moves)]
        short = moves[-1][1]
        amount = min([self.spare[start], self.wanted[short], *(self.given[group][queue] for group, queue in released)])
        for group, queue in moves:
            self.given[group][queue] += amount
        for group, queue in released:
            self.given[group][queue] -= amount
        self.spare[start] -= amount
        self.wanted[short] -= amount
