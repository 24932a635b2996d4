"""Stability: against brute force over sets of queues, and the cut that explains a shortfall."""

import math
import random
import time
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.projection.stability import stability


def agents(number, *queues, prefix="agent"):
    return {f"{prefix}-{'+'.join(queues)}-{i}": set(queues) for i in range(number)}


def test_a_pool_shares_its_capacity():
    (found,) = stability({"a": 9.0, "b": 3.0}, agents(12, "a", "b"))
    assert (found.feasible, found.load, found.capacity, found.queues) == (True, 12.0, 12.0, ("a", "b"))
    assert (found.deficient_queues, found.shortfall) == ((), 0.0)


def test_unreachable_capacity_does_not_help():
    """In sum 18 agents for 13 erlangs, and still two too few for `a`."""
    (found,) = stability({"a": 10.0, "b": 3.0}, agents(4, "a") | agents(4, "a", "b") | agents(10, "b"))
    assert (found.feasible, found.deficient_queues, found.shortfall) == (False, ("a",), 2.0)


def test_work_is_moved_along_a_chain_of_queues():
    reach = agents(2, "a", "b") | agents(2, "b", "c") | agents(2, "c", "d")
    assert stability({"a": 2.0, "b": 2.0, "c": 1.5, "d": 0.5}, reach)[0].feasible
    assert stability({"a": 2.0, "b": 2.0, "c": 2.0, "d": 0.01}, reach)[0].deficient_queues == ("a", "b", "c", "d")


def test_queues_without_agents_in_common_are_components_of_their_own():
    found = stability({"a": 1.0, "b": 5.0, "c": 0.0, "d": 0.5}, agents(2, "a") | agents(2, "b") | agents(1, "d", "x"))
    assert [(c.queues, len(c.agents), c.feasible) for c in found] == [
        (("a",), 2, True),
        (("b",), 2, False),
        (("c",), 0, True),
        (("d",), 1, True),
    ]


def test_a_queue_that_nobody_serves_is_infeasible_with_any_load():
    (found,) = stability({"a": 0.001}, agents(3, "elsewhere"))
    assert (found.agents, found.feasible, found.shortfall) == ((), False, 0.001)


def test_availability_and_margin_count():
    reach = agents(10, "a")
    assert stability({"a": 8.0}, reach, available=dict.fromkeys(reach, 0.8))[0].feasible
    assert not stability({"a": 8.0}, reach, available=dict.fromkeys(reach, 0.79))[0].feasible
    assert stability({"a": 8.0}, reach, margin=1.25)[0].feasible
    assert stability({"a": 8.0}, reach, margin=1.3)[0].shortfall == pytest.approx(0.4)


@pytest.mark.parametrize(
    "wrong", [{"loads": {"a": -1.0}}, {"loads": {"a": math.inf}}, {"margin": 0.0}, {"available": {"x": math.nan}}]
)
def test_a_figure_out_of_its_bounds_is_refused(wrong):
    arguments = {"loads": {"a": 1.0}, "reachable": {"x": {"a"}}} | wrong
    with pytest.raises(ValueError, match="finite"):
        stability(arguments.pop("loads"), arguments.pop("reachable"), **arguments)


QUEUES = "abcdef"
loads = st.dictionaries(st.sampled_from(QUEUES), st.integers(0, 24).map(lambda n: n / 4), min_size=1)
reaches = st.lists(st.sets(st.sampled_from(QUEUES), max_size=4), max_size=14).map(
    lambda sets: {f"agent-{i}": queues for i, queues in enumerate(sets)}
)


def assert_is_halls_condition(loads, reach, available):
    """Feasible exactly when no set of queues wants more than all agents who can serve any of it."""
    found = stability(loads, reach, available=available)
    assert sorted(q for c in found for q in c.queues) == sorted(loads)
    for component in found:
        subsets = chain.from_iterable(combinations(component.queues, n) for n in range(1, len(component.queues) + 1))

        def excess(queues):
            return sum(loads[q] for q in queues) - sum(available[a] for a, can in reach.items() if can & set(queues))

        worst = max(map(excess, subsets))
        assert component.feasible is (worst <= 0)
        assert component.shortfall == pytest.approx(max(0.0, worst))
        if not component.feasible:
            assert excess(component.deficient_queues) == pytest.approx(worst)
        assert set(component.agents) == {a for a, can in reach.items() if can & set(component.queues)}
        assert component.capacity == pytest.approx(sum(available[a] for a in component.agents))


@given(loads, reaches, st.data())
def test_every_verdict_is_halls_condition(loads, reach, data):
    """In quarters, so that the sums of the oracle are exact."""
    assert_is_halls_condition(loads, reach, {agent: data.draw(st.sampled_from([0.25, 0.5, 1.0])) for agent in reach})


def test_verdicts_at_the_edge_are_halls_condition_too():
    """About as much load as capacity and queues in a chain, where the first assignment has to be taken back often."""
    draw = random.Random(1)
    for _ in range(400):
        reach = {f"agent-{i}": set(draw.sample("abcdefg", draw.randint(1, 3))) for i in range(14)}
        cuts = sorted(draw.choices(range(57), k=6))
        loads = {q: (high - low) / 4 for q, low, high in zip("abcdefg", [0, *cuts], [*cuts, 56], strict=True)}
        assert_is_halls_condition(loads, reach, dict.fromkeys(reach, 1.0))


def test_components_partition_agents_and_queues():
    found = stability({"a": 1.0, "b": 1.0, "c": 1.0}, agents(1, "a", "b") | agents(1, "b", "c"))
    assert [component.queues for component in found] == [("a", "b", "c")]


def test_thousands_of_agents_on_a_few_queues_take_no_time():
    draw = random.Random(5)
    names = [f"queue-{i}" for i in range(8)]
    reach = {f"agent-{i}": set(draw.sample(names, draw.randint(1, 6))) for i in range(5000)}
    for load, feasible in ((4900.0, True), (5100.0, False)):
        start = time.process_time()
        (found,) = stability(dict.fromkeys(names, load / 8), reach)
        assert time.process_time() - start < 0.5  # measured: 0.02
        assert found.feasible is feasible
