"""The closed forms: reference rows, an independent birth-death chain, and what has to hold for every queue."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from routing_weights.projection.erlang import (
    Performance,
    Unstable,
    agents_needed,
    erlang_a,
    erlang_b,
    erlang_c,
    load_it_can_take,
)

INTERVAL_S = 1800
WITHIN_S = 20

REFERENCE_C = [
    # calls, aht, agents, occupancy, P(W>0), service level, ASA
    (100, 180, 11, 0.909091, 0.682118, 0.389614, 122.781),
    (100, 180, 14, 0.714286, 0.174132, 0.888350, 7.836),
    (200, 180, 25, 0.800000, 0.209103, 0.880027, 7.528),
    (350, 180, 40, 0.875000, 0.314523, 0.819541, 11.323),
    (60, 240, 10, 0.800000, 0.409180, 0.653636, 49.102),
    (120, 300, 22, 0.909091, 0.567915, 0.502976, 85.187),
    (1000, 240, 140, 0.952381, 0.459360, 0.736441, 16.537),
    (30, 600, 11, 0.909091, 0.682118, 0.351149, 409.271),
    (20, 240, 4, 0.666667, 0.378418, 0.661376, 68.115),
]
TARGETS = {30: 30}
"""By calls: where the target is not 20 s."""

REFERENCE_A = [
    # calls, aht, agents, patience, P(W>0), P(Ab), E[W], occupancy, service level
    (1440, 60, 50, 120, 0.46777, 0.03091, 3.709, 0.93032, 0.94302),
    (100, 180, 9, 120, 0.613307, 0.192156, 23.059, 0.897604, 0.524066),
    (100, 180, 11, 120, 0.382816, 0.094155, 11.299, 0.823495, 0.742209),
    (100, 180, 14, 120, 0.126976, 0.022839, 2.741, 0.697972, 0.932730),
    (200, 180, 20, 180, 0.529743, 0.088835, 15.990, 0.911165, 0.650074),
    (350, 180, 36, 120, 0.413687, 0.060581, 7.270, 0.913324, 0.810400),
    (1000, 240, 130, 120, 0.524709, 0.054569, 6.548, 0.969673, 0.846605),
]

SAME_OCCUPANCY = {
    5: (0.504, 0.398, 0.279, 0.146),
    10: (0.672, 0.551, 0.402, 0.219),
    20: (0.836, 0.724, 0.559, 0.324),
    50: (0.971, 0.918, 0.791, 0.523),
    140: (1.000, 0.996, 0.968, 0.798),
}

TEXTBOOK_ROW = 1440  # printed with five decimals of P and SL where the others have six


def c(calls, aht_s, agents, within_s=WITHIN_S):
    return erlang_c(calls / INTERVAL_S, aht_s=aht_s, agents=agents, within_s=within_s)


def a(calls, aht_s, agents, patience_s, within_s=WITHIN_S):
    offered = calls / INTERVAL_S
    return erlang_a(offered, aht_s=aht_s, agents=agents, patience_s=patience_s, within_s=within_s)


# ---- reference values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("calls", "aht", "agents", "occupancy", "waits", "level", "asa"), REFERENCE_C)
def test_erlang_c_is_within_a_millionth_of_the_reference(calls, aht, agents, occupancy, waits, level, asa):
    found = c(calls, aht, agents, TARGETS.get(calls, WITHIN_S))
    assert (found.occupancy, found.wait_probability, found.service_level) == pytest.approx(
        (occupancy, waits, level), abs=1e-6
    )
    assert found.mean_wait_s == pytest.approx(asa, abs=5.1e-4)  # printed with three decimals
    assert found.queue_length == pytest.approx(calls / INTERVAL_S * found.mean_wait_s)


@pytest.mark.parametrize(
    ("calls", "aht", "agents", "patience", "waits", "lost", "wait", "occupancy", "level"), REFERENCE_A
)
def test_erlang_a_is_within_a_hundred_thousandth_of_the_reference(
    calls, aht, agents, patience, waits, lost, wait, occupancy, level
):
    found = a(calls, aht, agents, patience)
    assert (found.wait_probability, found.abandonment, found.occupancy, found.service_level) == pytest.approx(
        (waits, lost, occupancy, level), abs=1e-5
    )
    assert found.mean_wait_s == pytest.approx(wait, abs=5.1e-4)
    if calls != TEXTBOOK_ROW:
        assert found.service_level == pytest.approx(level, abs=1e-6)


@pytest.mark.parametrize(("agents", "levels"), SAME_OCCUPANCY.items())
def test_a_larger_group_serves_better_at_the_same_occupancy(agents, levels):
    found = [
        erlang_c(agents * rho / 180, aht_s=180, agents=agents, within_s=WITHIN_S).service_level
        for rho in (0.80, 0.85, 0.90, 0.95)
    ]
    assert found == pytest.approx(levels, abs=5.01e-4)


@pytest.mark.parametrize(("calls", "agents"), [(100, 8), (100, 10), (1, 0)])
def test_overload_without_hanging_up_is_unstable_and_never_a_number(calls, agents):
    assert c(calls, 180, agents) == a(calls, 180, agents, math.inf) == Unstable(calls / 10, agents)


def test_a_textbook_case_of_erlang_c_beside_erlang_a():
    found = c(1440, 60, 50)
    assert (found.mean_wait_s, found.queue_length) == pytest.approx((20.83, 16.7), abs=0.05)
    assert a(1440, 60, 50, 120).queue_length == pytest.approx(2.97, abs=0.005)


def test_erlang_b_of_a_fractional_number_of_agents():
    assert erlang_b(8.5, 6.5) == pytest.approx(0.122095, abs=5e-7)


# ---- independent oracles ---------------------------------------------------------------------------------------------


def integral_b(agents, load):
    """1/B by the trapezoidal rule on u = A t = e^s, over which the integrand is smooth and vanishes at both ends."""
    step, total = 0.02, 0.0
    for k in range(-2500, 500):
        u = math.exp(k * step)
        if u < 700:
            total += u * math.exp(-u + agents * math.log1p(u / load)) * step
    return 1 / total


@given(agents=st.floats(0, 60), load=st.floats(0.05, 80))
def test_erlang_b_is_its_integral(agents, load):
    assert erlang_b(agents, load) == pytest.approx(integral_b(agents, load), rel=1e-7)


def chain(calls, aht_s, agents, patience_s, within_s):
    """Erlang A as a birth-death chain; the service level by uniformising the death of those ahead in the line."""
    arrival, mu, theta = calls / INTERVAL_S, 1 / aht_s, 1 / patience_s
    logs = [0.0]
    while len(logs) <= agents + 1 or logs[-1] > max(logs) - 45:
        k = len(logs)
        logs.append(logs[-1] + math.log(arrival / (min(k, agents) * mu + max(0, k - agents) * theta)))
    scale = math.log(math.fsum(math.exp(x - max(logs)) for x in logs)) + max(logs)
    shares = [math.exp(x - scale) for x in logs]
    busy = math.fsum(min(k, agents) * share for k, share in enumerate(shares))
    queue = math.fsum(max(0, k - agents) * share for k, share in enumerate(shares))
    # A tagged contact with j ahead: served at rate N mu when j = 0; else j falls at rate N mu + j theta; lost at theta.
    ahead = shares[agents:]
    rate = agents * mu + len(ahead) * theta
    poisson, steps = math.exp(-rate * within_s), 0
    state, in_time = [0.0] * len(ahead), math.fsum(shares[:agents])
    while steps < rate * within_s + 12 * math.sqrt(rate * within_s) + 40:
        in_time += poisson * math.fsum(share * value for share, value in zip(ahead, state, strict=True))
        steps += 1
        poisson *= rate * within_s / steps
        state = [
            (
                agents * mu * (state[j - 1] if j else 1.0)
                + j * theta * (state[j - 1] if j else 0.0)
                + (rate - agents * mu - (j + 1) * theta) * state[j]
            )
            / rate
            for j in range(len(ahead))
        ]
    return {
        "wait_probability": math.fsum(ahead),
        "abandonment": 1 - busy * mu / arrival,
        "mean_wait_s": queue / arrival,
        "queue_length": queue,
        "occupancy": busy / agents,
        "service_level": in_time,
    }


@given(
    calls=st.floats(1, 200),
    aht_s=st.floats(30, 400),
    agents=st.integers(1, 30),
    patience_s=st.floats(20, 600),
    within_s=st.floats(0, 60),
)
def test_erlang_a_is_the_birth_death_chain(calls, aht_s, agents, patience_s, within_s):
    found, expected = a(calls, aht_s, agents, patience_s, within_s), chain(calls, aht_s, agents, patience_s, within_s)
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, rel=1e-8, abs=1e-10)


# ---- what holds for every queue --------------------------------------------------------------------------------------

queues = {
    "calls": st.floats(0.1, 3000),
    "aht_s": st.floats(5, 900),
    "agents": st.integers(1, 200),
    "patience_s": st.floats(1, 5000),
    "within_s": st.floats(0, 120),
}


@given(**queues)
def test_erlang_a_of_any_queue_has_sane_figures(calls, aht_s, agents, patience_s, within_s):
    found = a(calls, aht_s, agents, patience_s, within_s)
    for share in (found.wait_probability, found.service_level, found.abandonment):
        assert 0 <= share <= 1
    assert 0 < found.occupancy <= 1
    assert found.service_level >= 1 - found.wait_probability - 1e-12
    assert found.queue_length == pytest.approx(calls / INTERVAL_S * found.mean_wait_s)


@given(calls=st.floats(1, 300), aht_s=st.floats(30, 400), agents=st.integers(1, 60), patience_s=st.floats(10, 1000))
def test_occupancy_is_below_one_and_lost_load_is_not_carried(calls, aht_s, agents, patience_s):
    found = a(calls, aht_s, agents, patience_s)
    assume(found.load < 2 * agents)  # beyond that a double cannot tell it from 1
    assert found.occupancy < 1
    assert found.abandonment == pytest.approx(found.mean_wait_s / patience_s)
    assert found.abandonment == pytest.approx(1 - found.occupancy * agents / found.load, abs=1e-9)  # its own integral


@pytest.mark.parametrize("patience_s", [90, math.inf])
@given(calls=st.floats(1, 1000), aht_s=st.floats(10, 500), agents=st.integers(1, 150))
def test_service_falls_with_load_and_rises_with_agents(patience_s, calls, aht_s, agents):
    def level(calls, aht_s, agents):
        found = a(calls, aht_s, agents, patience_s)
        return 0.0 if isinstance(found, Unstable) else found.service_level

    here = level(calls, aht_s, agents)
    assert level(calls, aht_s, agents + 1) >= here - 1e-12
    assert level(calls * 1.05, aht_s, agents) <= here + 1e-12
    assert level(calls, aht_s * 1.05, agents) <= here + 1e-12


@given(rho=st.floats(0.05, 0.97), agents=st.integers(1, 150), aht_s=st.floats(10, 500))
def test_erlang_a_of_endless_patience_is_erlang_c(rho, agents, aht_s):
    offered = rho * agents / aht_s
    patient, endless = (
        erlang_a(offered, aht_s=aht_s, agents=agents, patience_s=patience_s, within_s=WITHIN_S)
        for patience_s in (1e10 * aht_s, math.inf)
    )
    assert endless == erlang_c(offered, aht_s=aht_s, agents=agents, within_s=WITHIN_S)
    for name in ("wait_probability", "service_level", "mean_wait_s", "queue_length", "occupancy"):
        assert getattr(patient, name) == pytest.approx(getattr(endless, name), rel=1e-5, abs=1e-12)


@given(
    calls=st.floats(1, 400),
    aht_s=st.floats(20, 400),
    agents=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    share=st.floats(0.05, 0.95),
    patience_s=st.sampled_from([60, 300, math.inf]),
)
def test_a_pool_is_never_worse_than_its_parts(calls, aht_s, agents, share, patience_s):
    pool = a(calls, aht_s, sum(agents), patience_s)
    parts = [a(calls * s, aht_s, n, patience_s) for s, n in zip((share, 1 - share), agents, strict=True)]
    if any(isinstance(part, Unstable) for part in parts):
        return
    assert isinstance(pool, Performance)
    split_wait = share * parts[0].mean_wait_s + (1 - share) * parts[1].mean_wait_s
    assert pool.mean_wait_s <= split_wait + 1e-9
    assert pool.abandonment <= share * parts[0].abandonment + (1 - share) * parts[1].abandonment + 1e-12


@given(agents=st.integers(0, 40), load=st.floats(0.01, 60), fraction=st.floats(0.01, 0.99))
def test_a_fraction_of_an_agent_lies_between_its_neighbours(agents, load, fraction):
    assert erlang_b(agents + 1, load) < erlang_b(agents + fraction, load) < erlang_b(agents, load)


# ---- extremes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patience_s", [1e-6, 1e-3, 1.0, 120.0, 1e6, 1e12])
@pytest.mark.parametrize("load", [1e-9, 1.0, 4990.0, 5000.0, 1e5])
@pytest.mark.parametrize("agents", [1, 60, 5000])
def test_figures_stay_figures_at_the_ends_of_every_scale(agents, load, patience_s):
    found = erlang_a(load / 180, aht_s=180, agents=agents, patience_s=patience_s, within_s=WITHIN_S)
    assert all(math.isfinite(getattr(found, name)) for name in ("mean_wait_s", "queue_length", "service_level"))
    assert 0 <= found.abandonment <= 1
    assert found.occupancy <= 1
    if load < agents:
        limit = erlang_c(load / 180, aht_s=180, agents=agents, within_s=WITHIN_S)
        assert found.mean_wait_s <= limit.mean_wait_s * (1 + 1e-9)
    else:  # what the agents cannot carry is lost
        assert found.abandonment >= 1 - agents / load - 1e-9


def test_tiny_patience_is_erlang_b():
    found = a(100, 180, 11, 1e-7)
    assert found.abandonment == pytest.approx(erlang_b(11, 10), rel=1e-6)


def test_no_agents_lose_all_and_no_contacts_need_none():
    found = a(100, 180, 0, 120)
    assert (found.abandonment, found.service_level, found.mean_wait_s, found.occupancy) == (1, 0, 120, 0)
    assert a(0, 180, 5, 120).service_level == 1


@pytest.mark.parametrize(
    "wrong",
    [{"offered": -1}, {"aht_s": 0}, {"agents": -1}, {"patience_s": 0}, {"within_s": math.nan}, {"aht_s": math.inf}],
)
def test_an_argument_out_of_its_bounds_is_refused(wrong):
    given_ = {"offered": 0.1, "aht_s": 180, "agents": 9, "patience_s": 60, "within_s": 20} | wrong
    with pytest.raises(ValueError, match="has to be"):
        erlang_a(given_.pop("offered"), **given_)


# ---- what would make it pass -----------------------------------------------------------------------------------------


def reaches(service_level, abandonment=1.0):
    return lambda found: found.service_level >= service_level and found.abandonment <= abandonment


@given(
    load=st.floats(0.1, 300),
    patience_s=st.sampled_from([30, 120, math.inf]),
    level=st.floats(0.5, 0.99),
    lost=st.floats(0.01, 1),
)
def test_the_agents_needed_are_the_fewest(load, patience_s, level, lost):
    question = {"aht_s": 180, "patience_s": patience_s, "within_s": WITHIN_S}
    agents = agents_needed(load / 180, **question, meets=reaches(level, lost))
    for number, meets in ((agents, True), (agents - 1, False)):
        found = erlang_a(load / 180, agents=number, **question)
        assert (isinstance(found, Performance) and found.service_level >= level and found.abandonment <= lost) is meets


def test_agents_needed_of_the_reference_rows():
    question = {"aht_s": 180, "patience_s": 120, "within_s": WITHIN_S}
    assert agents_needed(350 / 1800, **question, meets=reaches(0.80)) == 36
    assert agents_needed(350 / 1800, **question, meets=reaches(0.80, 0.05)) == 37
    assert agents_needed(350 / 1800, **question, meets=reaches(0.80), most=35) is None


@given(
    agents=st.integers(1, 200),
    patience_s=st.sampled_from([30, 120, math.inf]),
    level=st.floats(0.3, 0.99),
    lost=st.floats(0.01, 1),
)
def test_the_load_it_can_take_is_the_largest(agents, patience_s, level, lost):
    question = {"aht_s": 180, "patience_s": patience_s, "within_s": WITHIN_S}
    offered = load_it_can_take(agents, **question, meets=reaches(level, lost))
    below, above = (erlang_a(volume, agents=agents, **question) for volume in (offered, offered * 1.00001))
    assert below.service_level >= level
    assert below.abandonment <= lost
    assert isinstance(above, Unstable) or above.service_level < level or above.abandonment > lost


def test_nobody_can_take_no_load():
    assert load_it_can_take(0, aht_s=180, patience_s=120, within_s=WITHIN_S, meets=reaches(0.8)) == 0
