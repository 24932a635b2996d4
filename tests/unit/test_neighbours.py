"""Neighbours: which plans of a fleet share agents, whatever the order of the fleet, and in bounded time."""

import json
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.application.forecast import Forecasting
from routing_weights.domain.neighbours import MOST, MOST_PLANS, Crew, Neighbours, neighbours
from routing_weights.domain.volume import StatedVolume
from tests.support.fakes import plan

AGENTS = [f"agent-{number}" for number in range(8)]
FLEETS = st.lists(st.frozensets(st.sampled_from(AGENTS)), max_size=30).map(
    lambda fleet: [Crew(f"queue-{number:02}", agents, float(number)) for number, agents in enumerate(fleet)]
)


def naive(crews, crew):
    """By definition: every other crew that shares an agent, the largest part of its agents first."""
    others = [other for other in crews if other is not crew and other.agents & crew.agents]
    return sorted(others, key=lambda o: (-Fraction(len(o.agents & crew.agents), len(o.agents)), o.queue_id))


def test_the_neighbours_of_a_queue_are_those_that_share_agents():
    a, b, c, d = (
        Crew("queue-a", frozenset({"ada", "bob"}), 4.0),
        Crew("queue-b", frozenset({"bob", "cyd", "dan"}), forecast=StatedVolume(offered=60, aht_s=180)),
        Crew("queue-c", frozenset({"ada"})),
        Crew("queue-d", frozenset({"eve"}), 9.0),
    )
    of_a, of_b, of_c, of_d = neighbours([a, b, c, d])
    assert [(n.queue_id, n.shared, n.agents) for n in of_a.counted] == [("queue-c", 1, 1), ("queue-b", 1, 3)]
    assert [n.part for n in of_a.counted] == [1.0, pytest.approx(1 / 3)]
    assert of_a.counted[1].forecast == b.forecast
    assert [(n.queue_id, n.projected_load) for n in of_b.counted] == [("queue-a", 4.0)]
    assert [n.queue_id for n in of_c.counted] == ["queue-a"]
    assert of_d == Neighbours()


@given(FLEETS)
def test_neighbours_are_those_of_the_definition(crews):
    for crew, found in zip(crews, neighbours(crews), strict=True):
        expected = naive(crews, crew)
        assert [(n.queue_id, n.projected_load) for n in found.counted] == [
            (o.queue_id, o.projected_load) for o in expected[:MOST]
        ]
        assert [n.part for n in found.counted] == [len(o.agents & crew.agents) / len(o.agents) for o in expected[:MOST]]
        rest = expected[MOST:]
        assert found.left_out == len(rest)
        assert found.agents_left_out == len(crew.agents & frozenset().union(*(o.agents for o in rest)))


@given(FLEETS.flatmap(lambda crews: st.tuples(st.just(crews), st.permutations(crews))))
def test_the_order_of_the_fleet_does_not_matter(fleets):
    given_, shuffled = fleets
    by_queue = [
        {crew.queue_id: found for crew, found in zip(crews, neighbours(crews), strict=True)}
        for crews in (given_, shuffled)
    ]
    assert by_queue[0] == by_queue[1]


class Fleet(list):
    """Counts how often a crew is looked at."""

    looks = 0

    def __getitem__(self, number):
        self.looks += 1
        return super().__getitem__(number)


def test_an_agent_in_every_plan_of_a_fleet_costs_no_square():
    fleet = Fleet(Crew(f"queue-{number:05}", frozenset({"everywhere", f"own-{number}"})) for number in range(3_000))
    for found in neighbours(fleet):
        assert (len(found.counted), found.left_out, found.agents_left_out) == (MOST, 2_999 - MOST, 1)
    assert fleet.looks < len(fleet) * (3 * MOST_PLANS)


def test_a_neighbour_beyond_the_plans_that_are_looked_at_is_counted_with_every_shared_agent():
    """Another agent leads to it."""
    assert MOST_PLANS < 150
    hub = [Crew(f"queue-{number:05}", frozenset({"hub", f"a-{number}", f"b-{number}"})) for number in range(150)]
    last = Crew("queue-z", frozenset({"hub", "friend"}))
    first = Crew("queue-y", frozenset({"hub", "friend", "own"}))
    (found,) = islice(neighbours([first, *hub, last]), 1)
    assert (found.counted[0].queue_id, found.counted[0].shared, found.counted[0].part) == ("queue-z", 2, 1.0)


@pytest.mark.parametrize(
    ("strategy", "actuator", "deployed", "serving"),
    [
        ("join-by-weight", None, "ring", {"agent-1"}),
        ("by-weight", "joined", "ring", {"agent-1"}),
        ("by-weight", None, "joined", {"agent-1"}),
        ("by-weight", None, "ring", {"agent-1", "agent-2"}),
        ("ring-by-weight", None, "joined", {"agent-1", "agent-2"}),
    ],
)
def test_a_member_with_weight_0_serves_unless_the_actuator_takes_it_out_of_the_queue(
    strategy, actuator, deployed, serving
):
    weights = {"agent-1": 0.5, "agent-2": 0.0}
    asked = plan(member_weights=weights, strategy_reference=strategy, actuator=actuator, projected_load=3.0)
    assert Crew.of(asked, deployed) == Crew("queue-001", frozenset(serving), 3.0)


def test_the_example_in_the_docs_is_what_the_code_computes():
    page = (Path(__file__).parents[2] / "docs/reference/projection.md").read_text(encoding="utf-8")
    example = page.partition("## Agents of several queues")[2]
    plans = [plan(**fields) for fields in json.loads(example.partition("```json")[2].partition("```")[0])]
    sources = Forecasting(("plan",), None, None, "", 60.0, None, lambda: 0.0)
    fleet = [Crew.of(each, "ring") for each in plans]
    forecasts = [sources.forecast_for(each, found) for each, found in zip(plans, neighbours(fleet), strict=True)]
    rows = [line for line in example.splitlines() if line.startswith(("| `sales`", "| `service`"))]
    for each, forecast, row in zip(plans, forecasts, rows, strict=True):
        name, own, carried, load, contacts, aht = (cell.strip() for cell in row.strip("|").split("|"))
        assert name == f"`{each.queue_id}`"
        assert (own, load) == (f"{forecast.load:g}", f"{forecast.total:g}")
        assert carried.endswith(f"= {forecast.carried[0].load:g}")
        assert contacts.endswith(f"= {forecast.pooled.offered:g}")
        assert aht == f"{forecast.pooled.aht_s:.2f} s"


def test_neighbours_survive_being_stored():
    crews = [
        Crew("queue-a", frozenset({"ada"}), 4.5),
        Crew("queue-b", frozenset({"ada", "bob"}), forecast=StatedVolume(offered=60, aht_s=180.5)),
    ]
    for found in neighbours(crews):
        assert Neighbours.model_validate(found.to_json()) == found
    assert Neighbours().to_json() == {}
