"""Closed forms of one pooled queue: Erlang B, C (nobody hangs up) and A (exponential patience). Standard library only.

A = offered load [erlangs] = contacts per second x mean handling time; N = agents; T = time to answer within [s].

Service level here is always: answered within T, divided by everything offered. Genesys can be set to other definitions
(divided by answered, or without short abandons): match them before comparing.

Sources: Erlang 1917 and Jagers & Van Doorn 1986 (fractional B); Palm 1957 and Mandelbaum & Zeltyn 2007, "Service
engineering in action: the Palm/Erlang-A queue" (Erlang A, by its integrals over the offered wait).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

NO_LOAD = 1e-9
"""Erlangs. Below this nobody waits, and a double cannot hold the peak of the density of the wait."""
MOST_AGENTS = 5_000
"""Where the search for agents ends by default."""
MOST_OFFERED = 100.1
"""Erlangs per agent where the search for a load starts."""
_NEGLIGIBLE = 40.0
"""exp(-40) = 4e-18: an integrand that has fallen this far below its peak adds nothing to a double."""
_PANELS = 40
_GAUSS = (
    (-0.906179845938664, 0.23692688505618908),
    (-0.5384693101056831, 0.47862867049936647),
    (0.0, 0.5688888888888889),
    (0.5384693101056831, 0.47862867049936647),
    (0.906179845938664, 0.23692688505618908),
)
"""Gauss-Legendre of five points on [-1, 1]: node, weight."""


@dataclass(frozen=True, slots=True)
class Performance:
    """The steady state of a queue under its model."""

    load: float
    """Offered, in erlangs."""
    agents: float
    wait_probability: float
    """The probability that a contact finds every agent busy, in [0, 1]."""
    service_level: float
    """Answered in time / offered, in [0, 1]."""
    abandonment: float
    """Abandoned / offered, in [0, 1]; 0 under Erlang C."""
    mean_wait_s: float
    """Over everything offered, answered or not; under Erlang C this is the average speed of answer."""
    queue_length: float
    """Mean number waiting."""
    occupancy: float
    """Mean share of an agent's time spent on contacts, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Unstable:
    """A load that the agents cannot carry, and nobody hangs up: the queue grows without end and has no figures."""

    load: float
    agents: float


def erlang_b(agents: float, load: float) -> float:
    """The share of contacts that finds all `agents` busy and is lost, in [0, 1].

    The recursion B(k) = A B(k-1) / (k + A B(k-1)), which neither overflows nor cancels; for a fractional number of
    agents it starts from the integral 1/B = A * integral of exp(-A t) (1 + t)^N over t >= 0, at the fraction of N.

    Raises:
        ValueError: a negative or infinite argument.
    """
    _require(agents >= 0, "agents", agents, "at least 0")
    _require(load >= 0, "load", load, "at least 0")
    if load == 0:
        return 0.0 if agents > 0 else 1.0
    whole = math.floor(agents)
    fraction = agents - whole
    blocked = _fractional_b(fraction, load) if fraction else 1.0
    for k in range(1, whole + 1):
        carried = load * blocked
        blocked = carried / (k + fraction + carried)
    return blocked


def erlang_c(offered_per_s: float, *, aht_s: float, agents: float, within_s: float) -> Performance | Unstable:
    """M/M/N, where everyone waits for an answer. Erlang B interpolates a fractional number of agents.

    Args:
        offered_per_s: contacts per second, at least 0.
        aht_s: mean handling time in seconds, above 0.
        agents: at least 0, after shrinkage.
        within_s: the seconds to answer within, at least 0.

    Raises:
        ValueError: an argument out of its bounds.
    """
    load = _load(offered_per_s, aht_s, agents, within_s)
    if load >= agents:
        return Unstable(load, agents)
    occupancy = load / agents
    blocked = erlang_b(agents, load)
    waits = blocked / (1 - occupancy * (1 - blocked))
    spare_per_s = (agents - load) / aht_s
    mean_wait_s = waits / spare_per_s
    return Performance(
        load=load,
        agents=agents,
        wait_probability=waits,
        service_level=1 - waits * math.exp(-spare_per_s * within_s),
        abandonment=0.0,
        mean_wait_s=mean_wait_s,
        queue_length=offered_per_s * mean_wait_s,
        occupancy=occupancy,
    )


def erlang_a(
    offered_per_s: float, *, aht_s: float, agents: int, patience_s: float, within_s: float
) -> Performance | Unstable:
    """M/M/N+M, where contacts hang up after an exponential patience. So every load has figures.

    Let v be the density of the wait that a contact of endless patience would meet:

        v(x) = B lambda exp(phi(x)) / (1 + B lambda J),   phi(x) = lambda (1 - exp(-theta x)) / theta - N mu x,

    J is the integral of exp(phi) over x >= 0, B is Erlang B of N - 1 agents, and theta = 1 / patience. Every figure is
    an integral over v. phi is concave and is taken relative to its peak, so neither load nor patience overflows. The
    cost does not grow with the length of the queue, as that of a birth-death chain does.

    Args:
        offered_per_s: contacts per second, at least 0.
        aht_s: mean handling time in seconds, above 0.
        agents: at least 0, after shrinkage.
        patience_s: mean patience in seconds, above 0; infinite is Erlang C, which can be `Unstable`.
        within_s: the seconds to answer within, at least 0.

    Raises:
        ValueError: an argument out of its bounds.
    """
    load = _load(offered_per_s, aht_s, agents, within_s)
    if not patience_s > 0:
        raise ValueError(f"patience_s is {patience_s:g} and has to be above 0")
    if math.isinf(patience_s) or load < NO_LOAD:
        return erlang_c(offered_per_s, aht_s=aht_s, agents=agents, within_s=within_s)
    if agents == 0:
        return Performance(load, agents, 1.0, 0.0, 1.0, patience_s, offered_per_s * patience_s, 0.0)
    theta, served_per_s = 1 / patience_s, agents / aht_s
    overload = offered_per_s / served_per_s - 1
    peak_s = max(0.0, math.log1p(overload) * patience_s)
    rising = min(offered_per_s, served_per_s)

    def fallen(d: float) -> float:
        """Phi at its peak minus phi at a distance `d` from the peak."""
        return (served_per_s - rising) * d + rising * d * _curvature(theta * d)

    start = peak_s - _reach(lambda d: fallen(-d), peak_s)
    far = aht_s / agents
    while fallen(far) < _NEGLIGIBLE:
        far *= 2
    end = peak_s + _reach(fallen, far)
    total = waited = answered = in_time = 0.0
    for x, width in _nodes(start, end, (peak_s, within_s, patience_s, patience_s * _NEGLIGIBLE)):
        mass = width * math.exp(-fallen(x - peak_s))
        stays = math.exp(-theta * x)
        total += mass
        waited -= mass * math.expm1(-theta * x) * patience_s
        answered += mass * stays
        if x <= within_s:
            in_time += mass * stays
    at_peak = max(0.0, overload - math.log1p(overload)) * served_per_s * patience_s if overload > 0 else 0.0
    idle = math.exp(-at_peak)  # 1 of the formula, on the scale of the peak
    scale = erlang_b(agents - 1, load) * offered_per_s
    norm = idle + scale * total
    mean_wait_s = scale * waited / norm
    return Performance(
        load=load,
        agents=agents,
        wait_probability=scale * total / norm,
        service_level=min(1.0, (idle + scale * in_time) / norm),
        abandonment=min(1.0, theta * mean_wait_s),
        mean_wait_s=mean_wait_s,
        queue_length=offered_per_s * mean_wait_s,
        occupancy=min(1.0, load / agents * (idle + scale * answered) / norm),  # rounding must not make it 1 + 1e-16
    )


def agents_needed(
    offered_per_s: float,
    *,
    aht_s: float,
    patience_s: float,
    within_s: float,
    meets: Callable[[Performance], bool],
    most: int = MOST_AGENTS,
) -> int | None:
    """The fewest agents whose figures `meets` accepts; None: `most` agents are not enough.

    An infinite patience asks Erlang C, and `meets` never accepts `Unstable`. Every figure improves with every agent, so
    the search halves. Raises ValueError for an argument out of its bounds.
    """

    def enough(agents: int) -> bool:
        figures = erlang_a(offered_per_s, aht_s=aht_s, agents=agents, patience_s=patience_s, within_s=within_s)
        return isinstance(figures, Performance) and meets(figures)

    if not enough(most):
        return None
    low, high = -1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def load_it_can_take(
    agents: int, *, aht_s: float, patience_s: float, within_s: float, meets: Callable[[Performance], bool]
) -> float:
    """The largest volume, in contacts per second, with which `meets` accepts the figures of `agents`.

    Exact to a millionth and never above: `meets` accepts the volume that is returned. 0.0 where it accepts no volume; a
    hundred times what the agents can answer where it accepts every volume. Raises ValueError for an argument out of its
    bounds.
    """

    def can_take(offered_per_s: float) -> bool:
        figures = erlang_a(offered_per_s, aht_s=aht_s, agents=agents, patience_s=patience_s, within_s=within_s)
        return isinstance(figures, Performance) and meets(figures)

    if agents == 0:
        return 0.0
    low, high = 0.0, MOST_OFFERED * agents / aht_s
    while high - low > 1e-6 * high and high > 1e-12 / aht_s:
        middle = (low + high) / 2
        low, high = (middle, high) if can_take(middle) else (low, middle)
    return low


def _require(holds: bool, name: str, value: float, bounds: str) -> None:
    if not (holds and math.isfinite(value)):
        raise ValueError(f"{name} is {value:g} and has to be finite and {bounds}")


def _load(offered_per_s: float, aht_s: float, agents: float, within_s: float) -> float:
    _require(offered_per_s >= 0, "offered_per_s", offered_per_s, "at least 0")
    _require(aht_s > 0, "aht_s", aht_s, "above 0")
    _require(agents >= 0, "agents", agents, "at least 0")
    _require(within_s >= 0, "within_s", within_s, "at least 0")
    return offered_per_s * aht_s


def _fractional_b(fraction: float, load: float) -> float:
    """Erlang B of less than one agent: 1/B = A^-f e^A Gamma(f + 1, A), the integral in closed form.

    The upper incomplete gamma function comes from its continued fraction (Lentz), for a small load from its series.
    """
    a = fraction + 1
    if load < a + 1:
        term = total = 1 / a
        n = a
        while term > total * 1e-17:
            n += 1
            term *= load / n
            total += term
        below = math.exp(-load + a * math.log(load)) * total
        return math.exp(fraction * math.log(load) - load) / (math.gamma(a) - below)
    b = load + 1 - a
    c, d = math.inf, 1 / b
    value = d
    for i in range(1, 1000):
        step = -i * (i - a)
        b += 2
        d = 1 / (step * d + b)
        c = b + step / c
        value *= c * d
        if abs(c * d - 1) < 1e-15:  # noqa: PLR2004
            break
    return 1 / (load * value)


def _curvature(y: float) -> float:
    """`1 - (1 - exp(-y)) / y`; by its series where the difference would lose its digits."""
    if abs(y) < 0.01:  # noqa: PLR2004
        return y / 2 * (1 - y / 3 * (1 - y / 4 * (1 - y / 5 * (1 - y / 6))))
    return 1 + math.expm1(-y) / y


def _reach(fallen: Callable[[float], float], far: float) -> float:
    """The distance, at most `far`, at which a growing `fallen` becomes negligible."""
    if fallen(far) <= _NEGLIGIBLE:
        return far
    near = 0.0
    for _ in range(60):
        middle = (near + far) / 2
        near, far = (middle, far) if fallen(middle) < _NEGLIGIBLE else (near, middle)
    return far


def _nodes(start: float, end: float, breaks: tuple[float, ...]) -> Iterator[tuple[float, float]]:
    """Where to evaluate an integrand over [start, end], and the width that each value stands for.

    The integrand is smooth between two breaks. phi is concave: in each of forty panels of equal width it falls by about
    one, and by more only where the integrand is already negligible.
    """
    edges = sorted({start, end, *(x for x in breaks if start < x < end)})
    for left, right in pairwise(edges):
        half = (right - left) / _PANELS / 2
        for panel in range(_PANELS):
            middle = left + (2 * panel + 1) * half
            for node, weight in _GAUSS:
                yield middle + node * half, weight * half
