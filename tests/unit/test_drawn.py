"""Drawn contacts in the simulation: the counters against those of a draw, and exact cases.

test_simulation.py compares every event with a naive simulation.
"""

import math
import random
from functools import partial

import pytest

from routing_weights.domain.deficit import Deficits
from routing_weights.domain.types import ShareOptions
from routing_weights.projection import simulation
from routing_weights.projection.drawn import Counters, DrawnReplication
from routing_weights.projection.simulation import Demand, Drawing, Place, Scenario, Seat

simulate = partial(simulation.simulate, events=DrawnReplication)
compare = partial(simulation.compare, events=DrawnReplication)


def queue(weights, *, per_s=1 / 15, aht_s=180.0, patience_s=120.0, standings_s=0.0, hold_s=10, then=20, absent=()):
    """One queue; agent-0, agent-1, ... have these shares."""
    drawing = Drawing(ShareOptions(hold_s=hold_s, then=then), standings_s, 20, absent)
    demand = Demand("q", per_s, aht_s, patience_s, 20.0, "share", drawing=drawing)
    return Scenario((demand,), tuple(Seat(f"agent-{i}", {"q": Place(weight)}) for i, weight in enumerate(weights)))


def pool(agents, **fields):
    scenario = queue([1.0] * agents, **fields)
    demand = scenario.demands[0]
    return Scenario((Demand("q", demand.offered_per_s, demand.aht_s, demand.patience_s, 20.0),), scenario.seats)


@pytest.mark.parametrize("seed", range(40))
def test_the_counters_are_those_of_a_draw(seed):
    """Until two deadlines are equal: then the rounding of sums decides."""
    rng = random.Random(seed)
    weights = [rng.uniform(0.01, 1) for _ in range(rng.randint(1, 8))]
    scale = sum(weights) * rng.choice([1, 1.313, 4.071])
    weights = [weight / scale for weight in weights]
    nobody, everybody = 1 - sum(weights), range(len(weights))
    exact, fast = Deficits(weights, nobody), Counters(weights, nobody)
    for number in range(1, 400):
        free = [place for place in everybody if rng.random() < rng.choice([0.1, 0.6, 1.0])]
        if not free:
            continue
        before = [*exact.members, exact.nobody]
        drawn = exact.draw(everybody, free)
        again = fast.draw(free)
        if drawn != again:
            deadlines = [(1 - before[p or 0]) / fast.weights[p or 0] for p in (drawn, again) if p is not None]
            assert None in {drawn, again} or deadlines[0] == pytest.approx(deadlines[1])
            return
        deficits = [fast.deficit(place) for place in range(len(weights) + 1)]
        assert deficits == pytest.approx([*exact.members, exact.nobody], abs=1e-6)
        if number % 60 == 0:
            counts = [{place: rng.randint(0, 4) for place in [None, *everybody]} for _ in range(2)]
            exact.correct(*counts, everybody)
            fast.correct(*counts)


def test_while_everybody_is_free_each_has_its_share_within_one_contact():
    weights = [0.4, 0.35, 0.15]
    found = simulate(queue(weights, per_s=1 / 100, aht_s=0.1), seed=1, replications=2, horizon_s=90_000, warm_up_s=0)
    shares = [found.queues["q"].shares[f"agent-{i}"].mean for i in range(3)]
    # Nobody is drawn for a tenth of the contacts. The longest idle takes these, so they are in addition.
    assert all(share > weight for share, weight in zip(shares, weights, strict=True))
    whole = simulate(queue([0.4, 0.35, 0.25], per_s=1 / 100, aht_s=0.1), seed=1, horizon_s=90_000, warm_up_s=0)
    per_replication = whole.contacts / whole.replications
    for i, weight in enumerate([0.4, 0.35, 0.25]):
        assert abs(whole.queues["q"].shares[f"agent-{i}"].mean - weight) < 1 / per_replication


@pytest.mark.parametrize("weights", [[0.3, 0.3, 0.2, 0.1, 0.1], [0.3, 0.1, 0.1, 0.0, 0.0]])
def test_shares_cost_the_callers_nothing_while_it_is_known_who_is_free(weights):
    found = compare(pool(5, per_s=1 / 45), queue(weights, per_s=1 / 45), seed=1)
    for figure in ("service_level", "abandonment", "mean_wait_s"):
        assert getattr(found.queues["q"], figure).mean == pytest.approx(0, abs=1e-9)


def test_draws_that_know_nobody_are_taken_in_turns_and_lose_as_erlang_arrivals_at_one_agent():
    """Four agents in turns, nobody waits: each is a system E4/M/1/1, which loses (4th interarrival's transform at mu).

    The horizon ends before the first correction, which the closed form does not know.
    """
    per_s, aht_s = 1 / 10, 60.0
    blind = queue([0.25] * 4, per_s=per_s, aht_s=aht_s, patience_s=1e-9, standings_s=None, hold_s=2)
    lost = simulate(blind, seed=1, replications=400, horizon_s=700, warm_up_s=700).queues["q"].abandonment
    assert lost.mean == pytest.approx((per_s / (per_s + 1 / aht_s)) ** 4, abs=lost.half_width)
    assert lost.half_width < 0.01


def test_a_contact_waits_for_its_busy_agent_alone_and_then_reaches_the_others():
    """With a hold that outlives patience all is lost that meets a busy agent; without standings only."""
    fields = {"per_s": 1 / 60, "patience_s": 30.0}
    levels = {
        (standings_s, hold_s): simulate(
            queue([0.5, 0.3, 0.1, 0.1], standings_s=standings_s, hold_s=hold_s, **fields), seed=2
        )
        .queues["q"]
        .service_level.mean
        for standings_s in (0.0, 5.0, None)
        for hold_s in (2, 60)
    }
    assert levels[0.0, 2] == levels[0.0, 60]
    assert levels[0.0, 60] > levels[5.0, 60] + 0.1 > levels[None, 60] + 0.1
    assert levels[None, 2] > levels[None, 60] + 0.1


def test_who_is_not_on_queue_is_drawn_in_vain_only_while_no_standing_is_known():
    levels = [
        simulate(queue([0.2, 0.2, 0.2], per_s=1 / 200, standings_s=known, hold_s=20, absent=absent), seed=1)
        .queues["q"]
        .service_level.mean
        for known, absent in ((0.0, ()), (0.0, (0.3, 0.1)), (None, ()), (None, (0.3, 0.1)))
    ]
    assert levels[0] == levels[1]
    assert levels[2] > levels[3] + 0.1


def test_preferred_agents_need_no_skill():
    scenario = queue([0.5, 0.0])
    demand = Demand("q", 1 / 400, 60.0, math.inf, 20.0, "share", frozenset("x"), drawing=scenario.demands[0].drawing)
    seats = (scenario.seats[0], Seat("agent-1", {"q": Place(0.0)}, frozenset("x")), Seat("agent-2", {"q": Place(0.0)}))
    shares = simulate(Scenario((demand,), seats), seed=1, horizon_s=40_000).queues["q"].shares
    assert [round(shares[f"agent-{i}"].mean, 1) for i in range(2)] == [0.5, 0.5]
    assert "agent-2" not in shares


def test_an_agent_of_two_queues_is_not_drawn_while_the_other_one_keeps_the_agent_busy():
    scenario = queue([0.5, 0.5], per_s=1 / 300, aht_s=60.0)
    other = Demand("other", 1 / 200, 180.0, math.inf, 20.0)
    seats = (Seat("agent-0", {"q": Place(0.5), "other": Place(1.0)}), scenario.seats[1])
    found = simulate(Scenario((*scenario.demands, other), seats), seed=1, horizon_s=40_000)
    shares = found.queues["q"].shares
    assert shares["agent-0"].high < 0.4
    assert shares["agent-1"].low > 0.6


def test_drawn_contacts_need_their_own_events():
    with pytest.raises(ValueError, match="DrawnReplication"):
        simulation.simulate(queue([0.5, 0.5]), seed=1)
