"""The projection of shares against days of drawn contacts, which share no code with it.

There contacts meet `local/genesys/conversations.py`; the product draws, reads and corrects (`local/share_day.py`).
"""

import math
from dataclasses import dataclass
from random import Random

import pytest

from local.genesys.conversations import Stream, figures
from local.share_day import LIMIT, QUEUE, READ_EVERY_S, ShareDay
from routing_weights.domain.types import ShareOptions
from routing_weights.projection.drawn import DrawnReplication
from routing_weights.projection.simulation import Demand, Drawing, Interval, Place, Scenario, Seat, simulate, student

CASES = 10
DAYS, CONTACTS = 8, 300
"""Stretches of the simulator in each case, and contacts that arrive in each, about, after the warm-up."""
PROJECTED = 3 * DAYS
"""Replications of the projection: more, since they take less time."""
WARM_UP_S = 1800.0
WITHIN_S = 20.0
KNOWS = {"events": 0.0, "readings": READ_EVERY_S, "nothing": None}


@dataclass(frozen=True)
class Case:
    number: int
    weights: dict[str, float]
    others: tuple[str, ...]
    """Agents without a share."""
    per_s: float
    aht_s: float
    patience_s: float
    options: ShareOptions
    knows: str

    @property
    def horizon_s(self):
        return CONTACTS / self.per_s


def random_case(number):
    draw = Random(number)
    agents, strangers = draw.randint(3, 16), draw.choice([0, 0, 1, 3])
    parts = [draw.uniform(0.2, 1) for _ in range(agents)]
    whole = math.fsum(parts) / draw.choice([1.0, 1.0, 0.85, 0.6])
    aht_s = draw.uniform(60, 300)
    return Case(
        number,
        {f"agent-{place:02}": part / whole for place, part in enumerate(parts)},
        tuple(f"other-{place}" for place in range(strangers)),
        (agents + strangers) * draw.uniform(0.35, 0.85) / aht_s,
        aht_s,
        draw.uniform(40, 300),
        ShareOptions(hold_s=draw.randint(2, 30), then=draw.choice([0, *range(2, 31)])),
        list(KNOWS)[number % 3],
    )


def projected(case):
    """Share by member, and the service level, each with its interval."""
    drawing = Drawing(case.options, KNOWS[case.knows], LIMIT)
    demand = Demand(QUEUE, case.per_s, case.aht_s, case.patience_s, WITHIN_S, "share", drawing=drawing)
    values = case.weights | dict.fromkeys(case.others, 0.0)
    found = simulate(
        Scenario((demand,), tuple(Seat(user, {QUEUE: Place(value)}) for user, value in values.items())),
        seed=case.number,
        replications=PROJECTED,
        horizon_s=case.horizon_s,
        warm_up_s=WARM_UP_S,
        events=DrawnReplication,
    ).queues[QUEUE]
    return {user: found.shares[user] for user in case.weights} | {"service level": found.service_level}


def simulated(case):
    """The same from the simulator."""
    end_s, days = WARM_UP_S + case.horizon_s, []
    stream = Stream(QUEUE, case.per_s, case.aht_s, patience_s=case.patience_s)
    for number in range(DAYS):
        day = ShareDay(case.weights, options=case.options, knows=case.knows, others=case.others)
        day.run(stream.contacts(seed=1000 * (case.number + 1) + number, until_s=end_s), until_s=end_s + 3600)
        days.append(figures(day.floor, day.queue, from_s=WARM_UP_S, to_s=end_s))
    offered, answered = [day.offered for day in days], [day.answered for day in days]
    shares = {user: ratio([day.contacts.get(user, 0) for day in days], answered) for user in case.weights}
    return shares | {"service level": ratio([day.in_time for day in days], offered)}


def ratio(parts, wholes):
    """The ratio of the sums, with an interval by linearisation and Student's t."""
    share = math.fsum(parts) / math.fsum(wholes)
    mean = math.fsum(wholes) / len(wholes)
    deviations = [(part - share * whole) / mean for part, whole in zip(parts, wholes, strict=True)]
    error = math.sqrt(math.fsum(d * d for d in deviations) / (len(parts) - 1) / len(parts))
    return Interval(share, student(len(parts) - 1) * error)


def chance(mine: Interval, theirs: Interval) -> float:
    """The probability that honest samples differ by as much: Student's t with the degrees of freedom of Welch."""
    errors = (mine.half_width / student(PROJECTED - 1), theirs.half_width / student(DAYS - 1))
    error, freedom = math.hypot(*errors), (PROJECTED - 1, DAYS - 1)
    if not error:
        return float(mine.mean == theirs.mean)
    welch = error**4 / math.fsum(e**4 / f for e, f in zip(errors, freedom, strict=True))
    return beyond(abs(mine.mean - theirs.mean) / error, welch)


def beyond(t, freedom):
    """Both tails of Student's t, by Simpson's rule over the angle whose tangent is t / sqrt(freedom)."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    low, steps = math.atan(t / math.sqrt(freedom)), 400
    width = (math.pi / 2 - low) / steps
    heights = [abs(math.cos(low + width * step)) ** (freedom - 1) for step in range(steps + 1)]
    return 2 * scale * width / 3 * (heights[0] + 4 * sum(heights[1::2]) + 2 * sum(heights[2:-1:2]) + heights[-1])


@pytest.fixture(scope="module")
def chances():
    """By case, and by member or figure: how probable so large a difference is."""
    found = {}
    for number in range(CASES):
        case = random_case(number)
        mine, theirs = projected(case), simulated(case)
        assert mine["service level"].half_width < 0.03
        found[number] = {name: chance(mine[name], theirs[name]) for name in mine}
    return found


@pytest.mark.parametrize(("t", "freedom"), [(2.364624, 7), (5.4079, 7), (1.984217, 98), (12.7062, 1)])
def test_students_tails_are_those_of_the_tables(t, freedom):
    assert beyond(t, freedom) == pytest.approx(0.001 if t == 5.4079 else 0.05, rel=1e-3)


def test_shares_and_service_level_of_ten_random_cases_lie_within_their_intervals(chances):
    """Both sides are samples, so an interval is that of their difference. Cases and seeds are numbers, fixed before the
    first run.

    The figures of one case hold together if each holds at 1 - 0.05 / (their number). Of honest cases one in twenty
    misses that, so at most 2 of the 10 may (3 or more: 1 % of honest simulations). And all figures of all cases
    together have to hold as one family.
    """
    assert sum(min(case.values()) < 0.05 / len(case) for case in chances.values()) <= 2
    everything = [chance for case in chances.values() for chance in case.values()]
    assert min(everything) >= 0.05 / len(everything)


def test_single_figures_miss_their_95_percent_interval_about_once_in_twenty(chances):
    """Of 110, which are not independent: 14 or more would be wrong, or too narrow."""
    everything = [chance for case in chances.values() for chance in case.values()]
    assert len(everything) > 100
    assert sum(chance < 0.05 for chance in everything) < 14
