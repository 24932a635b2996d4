"""How a weight is carried: values on the wire, the weights they stand for, and what a plan resolves to."""

import itertools
import json
import math
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.api.distributions import ActuationView
from routing_weights.domain.actuation import actuator_from_json, as_kept, resolve, statement
from routing_weights.domain.actuators import ACTUATORS, actuator_class, names_for, stored_class
from routing_weights.domain.actuators.joined import Joined
from routing_weights.domain.actuators.proficiency import Proficiency
from routing_weights.domain.actuators.ring import Ring
from routing_weights.domain.actuators.score import Score
from routing_weights.domain.actuators.share import Share
from routing_weights.domain.problems import not_applicable
from routing_weights.domain.strategies import OverflowGroup, strategies
from routing_weights.errors import PlanNotApplicable
from tests.support import fakes
from tests.support.fakes import plan

SKILL = {"skill": "Queue 1"}


@st.composite
def weight_sets(draw):
    """Weights that a plan may have: most of them round, some tiny, some nothing at all."""
    parts = st.integers(0, 100).map(lambda n: n / 1200) | st.floats(0, 1e-300) | st.floats(0, 0.08)
    weights = {f"m{i}": weight for i, weight in enumerate(draw(st.lists(parts, min_size=1, max_size=8)))}
    return draw(st.sampled_from([weights, dict.fromkeys(weights, 0.0)]))


def carried(weights, actuator, **changes):
    """(values, represented weights) of a plan."""
    wanted = plan(member_weights=weights, actuator=actuator, **SKILL, **changes)
    target = resolve(wanted, deployed="ring").target(wanted, {})
    return target.values, target.weights


def exact_ring(weight, largest):
    """The formula over the rationals; every weight 0 is the last ring."""
    return 1 + min(5, math.floor(6 * (1 - (weight / largest if largest else Fraction(0)))))


# ---- the mappings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "ring"),
    [(1.0, 1), (0.99, 1), (0.84, 1), (0.8, 2), (0.7, 2), (0.6, 3), (0.5, 4), (0.4, 4), (0.3, 5), (0.2, 5), (0.1, 6)],
)
def test_a_ring_is_a_sixth_of_the_largest_weight(share, ring):
    values, _ = carried({"top": 0.5, "other": share / 2}, "ring")
    assert values == {"top": 1, "other": ring}


@given(weight_sets())
def test_a_ring_is_the_documented_formula(weights):
    values, _ = carried(weights, "ring")
    largest = Fraction(max(weights.values()))
    for member, weight in weights.items():
        share = Fraction(weight) / largest if largest else Fraction(0)
        near_an_edge = 0 < share < 1 and abs(6 * share - round(6 * share)) < Fraction(1, 10**12)
        if not near_an_edge:
            assert values[member] == exact_ring(Fraction(weight), largest)


@pytest.mark.parametrize("weights", [{"a": 0.6, "b": 0.4}, {"a": 0.3, "b": 0.2}, {"a": 0.48, "b": 0.4}], ids=str)
def test_a_ring_is_the_documented_formula_at_its_edges_too(weights):
    values, _ = carried(weights, "ring")
    written = {member: Fraction(str(weight)) for member, weight in weights.items()}
    assert values == {member: exact_ring(weight, max(written.values())) for member, weight in written.items()}


@given(weight_sets())
def test_a_proficiency_is_the_documented_formula(weights):
    values, _ = carried(weights, "proficiency")
    largest = Fraction(max(weights.values()))
    for member, weight in weights.items():
        wanted = 5 * Fraction(weight) / largest if largest else Fraction(0)
        assert abs(Fraction(values[member]) - wanted) <= Fraction(5_000_001, 10**8)
        assert round(values[member], 1) == values[member]


decimal_weights = st.dictionaries(
    st.sampled_from([f"m{i}" for i in range(8)]),
    # Sixths of the largest weight are the edges of rings.
    st.integers(0, 12).map(lambda n: n / 12) | st.integers(0, 999).map(lambda n: n / 1000),
    min_size=2,
)


@given(decimal_weights, st.booleans())
def test_values_are_those_of_the_weights_as_they_are_written_scaled_or_not(weights, scaled):
    if not scaled and sum(map(Fraction, map(repr, weights.values()))) > 1:
        weights = {member: round(weight / 8, 4) for member, weight in weights.items()}
    written = {member: Fraction(repr(weight)) for member, weight in weights.items()}
    largest = max(written.values())
    rings, _ = carried(weights, "ring", normalize=scaled)
    assert rings == {member: exact_ring(weight, largest) for member, weight in written.items()}
    proficiencies, _ = carried(weights, "proficiency", normalize=scaled)
    for member, weight in written.items():
        tenths = 50 * weight / largest if largest else Fraction(0)
        assert abs(round(10 * proficiencies[member]) - tenths) <= Fraction(1, 2)
    assert carried(weights, "joined", normalize=scaled)[0] == {
        member: bool(weight) for member, weight in weights.items()
    }


@pytest.mark.parametrize(("weight", "proficiency"), [(0.4, 5.0), (0.35, 4.4), (0.25, 3.1), (0.13, 1.6), (0, 0)])
def test_the_largest_weight_is_a_proficiency_of_five(weight, proficiency):
    values, _ = carried({"top": 0.4, "other": weight}, "proficiency")
    assert values == {"top": 5.0, "other": proficiency}


@pytest.mark.parametrize(("digits", "proficiency"), [(6, 1.666667), (2, 1.67), (1, 1.7), (0, 2.0)])
def test_a_strategy_may_ask_for_fewer_digits(digits, proficiency):
    carrier = Proficiency(0.3, digits)
    assert (carrier.value(0.1, Fraction(1, 3)), carrier.value(0.3, Fraction(1))) == (proficiency, 5.0)
    assert carrier.weight(proficiency) == pytest.approx(0.3 * proficiency / 5)


@given(weight_sets())
def test_joined_is_a_weight_above_nothing(weights):
    values, represented = carried(weights, "joined")
    assert values == {member: weight > 0 for member, weight in weights.items()}
    assert all((represented[member] > 0) is joined for member, joined in values.items())


def test_those_who_are_joined_stand_for_the_mean_of_the_weights_above_nothing():
    _, represented = carried({"a": 0.6, "b": 0.2, "c": 0.0}, "joined")
    assert represented == {"a": 0.4, "b": 0.4, "c": 0.0}


@given(weight_sets())
def test_a_score_is_the_weight_itself(weights):
    assert carried(weights, "score") == (weights, weights)


# ---- for every mapping -----------------------------------------------------------------------------------------------


@given(weight_sets())
def test_rings_keep_the_order_and_are_six_at_most(weights):
    values, represented = carried(weights, "ring")
    ranked = sorted(weights, key=weights.__getitem__)
    assert all(values[low] >= values[high] for low, high in itertools.pairwise(ranked))
    assert all(represented[low] <= represented[high] for low, high in itertools.pairwise(ranked))
    assert all(type(ring) is int and 1 <= ring <= 6 for ring in values.values())


@given(weight_sets())
def test_proficiencies_keep_the_order_and_are_between_nothing_and_five(weights):
    values, represented = carried(weights, "proficiency")
    ranked = sorted(weights, key=weights.__getitem__)
    assert all(values[low] <= values[high] for low, high in itertools.pairwise(ranked))
    assert all(represented[low] <= represented[high] for low, high in itertools.pairwise(ranked))
    assert all(0 <= proficiency <= 5 for proficiency in values.values())


@given(weight_sets())
def test_a_ring_stands_for_a_weight_within_a_sixth_of_the_largest(weights):
    _, represented = carried(weights, "ring")
    largest = max(weights.values())
    assert all(abs(represented[member] - weight) <= largest / 6 + 1e-15 for member, weight in weights.items())


@given(weight_sets())
def test_a_proficiency_stands_for_a_weight_within_a_hundredth_of_the_largest(weights):
    _, represented = carried(weights, "proficiency")
    largest = max(weights.values())
    assert all(abs(represented[member] - weight) <= 0.0100001 * largest + 1e-15 for member, weight in weights.items())


@given(weight_sets(), st.sampled_from(ACTUATORS))
def test_what_is_read_back_of_a_value_is_the_weight_that_was_foretold(weights, actuator):
    wanted = plan(member_weights=weights, actuator=actuator, **SKILL)
    found = resolve(wanted, deployed="ring")
    target = found.target(wanted, {})
    for member, value in json.loads(json.dumps(target.values)).items():
        assert found.actuator.weight(value) == target.weights[member]
        assert 0 <= target.weights[member] <= 1


@given(st.floats(-10, 20))
def test_whatever_ring_genesys_holds_stands_for_no_negative_weight(ring):
    assert Ring(0.4).weight(ring) >= 0


@pytest.mark.parametrize("count", [1, 3])
def test_a_plan_that_gives_nobody_anything_is_carried_all_the_same(count):
    weights = {f"m{i}": 0.0 for i in range(count)}
    assert carried(weights, "ring") == (dict.fromkeys(weights, 6), weights)
    assert carried(weights, "proficiency") == (dict.fromkeys(weights, 0.0), weights)
    assert carried(weights, "joined") == (dict.fromkeys(weights, False), weights)


@pytest.mark.parametrize("weight", [5e-324, 2.3e-308, 1e-12])
def test_the_smallest_weight_there_is_counts_beside_nothing(weight):
    weights = {"a": weight, "b": 0.0}
    assert carried(weights, "ring")[0] == {"a": 1, "b": 6}
    assert carried(weights, "proficiency")[0] == {"a": 5.0, "b": 0.0}
    assert carried(weights, "joined")[0] == {"a": True, "b": False}


def test_a_tiny_weight_beside_a_large_one_is_in_the_last_ring_and_still_joined():
    weights = {"a": 1.0, "b": 5e-324}
    assert carried(weights, "ring")[0]["b"] == 6
    assert carried(weights, "proficiency")[0]["b"] == 0.0
    assert carried(weights, "joined")[0]["b"] is True


def test_equal_weights_are_in_the_first_ring_whatever_they_are():
    assert carried(dict.fromkeys("abc", 0.1), "ring")[0] == dict.fromkeys("abc", 1)


def test_only_joined_says_who_will_be_joined():
    for actuator in ACTUATORS:
        wanted = plan(actuator=actuator, **SKILL)
        assert resolve(wanted, deployed="ring").target(wanted, {}).joins is (actuator == "joined")


def test_a_target_has_the_settings_it_is_given():
    wanted = plan()
    settings = {"wrap_up_timeout_s": 20, "skill_evaluation_method": "BEST"}
    assert resolve(wanted, deployed="ring").target(wanted, settings).settings == settings


def test_normalized_weights_are_the_ones_that_are_carried():
    assert carried({"a": 1.0, "b": 1.0}, "score", normalize=True)[0] == {"a": 0.5, "b": 0.5}


# ---- the registry ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTUATORS)
def test_an_actuator_is_found_by_its_name(name):
    assert actuator_class(name).name == name
    assert stored_class(name) is actuator_class(name)


def test_a_document_of_an_earlier_release_names_no_actuator():
    assert stored_class("") is None


@pytest.mark.parametrize("name", ACTUATORS)
def test_an_actuator_belongs_to_one_contract(name):
    assert [contract for contract in ("platform", "score") if name in names_for(contract)] == [
        actuator_class(name).contract
    ]


@pytest.mark.parametrize("name", ACTUATORS)
def test_an_actuator_says_what_it_does_not_do(name):
    assert re.fullmatch(r"[A-Z].*\.", actuator_class(name).does_not)


@pytest.mark.parametrize("name", ACTUATORS)
def test_an_actuator_comes_back_from_its_stored_form(name):
    actuator = actuator_class(name).for_weights([0.4, 0.2, 0.0], 2)
    stored = json.loads(json.dumps(actuator.to_json()))
    assert stored["name"] == name
    assert actuator_from_json(stored) == actuator


def test_the_stored_form_of_an_actuator_stays_the_same():
    assert [actuator_class(name).for_weights([0.4, 0.2], 1).to_json() for name in ACTUATORS] == [
        {"name": "score"},
        {"hold_s": 10, "then": 20, "name": "share"},
        {"largest": 0.4, "name": "ring"},
        {"largest": 0.4, "digits": 1, "name": "proficiency"},
        {"mean": pytest.approx(0.3), "name": "joined"},
    ]


# ---- what a plan resolves to -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("deployed", ACTUATORS)
@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, None),
        ({"actuator": "joined"}, "joined"),
        ({"strategy_reference": "ring-by-weight"}, "ring"),
        ({"strategy_reference": "ring-by-weight", "actuator": "ring"}, "ring"),
        ({"strategy_reference": "score-by-weight"}, "score"),
        ({"strategy_reference": "join-by-weight"}, "joined"),
        ({"strategy_reference": "proficiency-by-weight"}, "proficiency"),
    ],
)
def test_the_plans_actuator_wins_over_strategy_and_deployment(deployed, changes, name):
    found = resolve(plan(**SKILL, **changes), deployed=deployed)
    assert found.actuator.name == (name or deployed)
    assert found.strategy is strategies()[changes.get("strategy_reference", "longest-available-agent")]


@pytest.mark.parametrize(("actuator", "skill"), [("proficiency", "Queue 1"), ("ring", None), ("joined", None)])
def test_only_proficiencies_have_a_skill(actuator, skill):
    assert resolve(plan(actuator=actuator, **SKILL), deployed="ring").skill == skill


def test_a_deployment_for_proficiencies_needs_a_skill_of_each_plan():
    with pytest.raises(PlanNotApplicable) as caught:
        resolve(plan(), deployed="proficiency")
    (found,) = caught.value.details["errors"]
    assert (found["path"], found["type"]) == ("skill", "skill_missing")
    assert caught.value.message == f"skill: {found['message']}."


def test_a_strategy_that_is_no_longer_there_is_named():
    known_before = plan().model_copy(update={"strategy_reference": "was-here"})
    with pytest.raises(PlanNotApplicable, match="no longer known: was-here") as caught:
        resolve(known_before, deployed="ring")
    assert [(p["path"], p["type"]) for p in caught.value.details["errors"]] == [
        ("strategy_reference", "strategy_unknown")
    ]


def test_a_strategy_may_name_skill_and_digits(own_strategy):
    own_strategy(actuator="proficiency", skill="Queue 7", proficiency_digits=2)
    found = resolve(plan(strategy_reference="own"), deployed="ring")
    assert (found.skill, found.actuator) == ("Queue 7", Proficiency(0.4, 2))


def test_the_plans_skill_goes_before_its_strategys(own_strategy):
    own_strategy(actuator="proficiency", skill="Queue 7")
    assert resolve(plan(strategy_reference="own", **SKILL), deployed="ring").skill == "Queue 1"


def test_the_plans_overflow_groups_go_before_its_strategys(own_strategy):
    own_strategy(overflow_groups=(OverflowGroup(id="theirs"),))
    assert resolve(plan(strategy_reference="own"), deployed="ring").overflow_groups == (OverflowGroup(id="theirs"),)
    ours = plan(strategy_reference="own", overflow_groups=[{"id": "ours", "type": "TEAM"}])
    assert resolve(ours, deployed="ring").overflow_groups == (OverflowGroup(id="ours", type="TEAM"),)


def test_each_actuator_is_made_for_the_plans_weights():
    wanted = {"member_weights": {"a": 0.5, "b": 0.1, "c": 0.0}, **SKILL}
    made = [resolve(plan(actuator=name, **wanted), deployed="ring").actuator for name in ACTUATORS]
    assert made == [Score(), Share(10, 20), Ring(0.5), Proficiency(0.5, 1), Joined(0.3)]


def test_a_refusal_with_one_problem_says_it_twice():
    error = not_applicable("skill", "no such skill", "skill_not_found")
    assert error.message == "skill: no such skill."
    assert error.details == {"errors": [{"path": "skill", "message": "no such skill", "type": "skill_not_found"}]}


# ---- the statement ---------------------------------------------------------------------------------------------------


def stated(weights, actuator, *, overflow="gate", notes=(), **changes):
    wanted = plan(member_weights=weights, actuator=actuator, **SKILL, **changes)
    found = resolve(wanted, deployed="ring")
    return statement(wanted, found.target(wanted, {}), found, overflow=overflow, notes=list(notes))


def test_a_statement_says_member_by_member_what_a_value_stands_for():
    assert stated({"a": 0.5, "b": 0.2}, "ring", notes=["A note."]) == {
        "actuator": "ring",
        "strategy": "longest-available-agent",
        "skill": None,
        "overflow": "gate",
        "without_effect": None,
        "largest_error": 0.05,
        "mean_error": 0.025,
        "members": {
            "a": {"requested": 0.5, "value": 1, "represented": 0.5, "error": 0.0},
            "b": {"requested": 0.2, "value": 4, "represented": 0.25, "error": 0.05},
        },
        "notes": ["A note."],
    }


def test_a_statement_names_skill_and_overflow():
    found = stated({"a": 0.5}, "proficiency", overflow="conditional_group_routing")
    assert (found["skill"], found["overflow"]) == ("Queue 1", "conditional_group_routing")


@given(weight_sets(), st.sampled_from(ACTUATORS))
def test_errors_are_the_distances_and_largest_and_mean_are_theirs(weights, actuator):
    found = stated(weights, actuator)
    errors = [entry["error"] for entry in found["members"].values()]
    for entry in found["members"].values():
        assert entry["error"] == pytest.approx(abs(entry["requested"] - entry["represented"]), abs=1e-12)
    assert found["largest_error"] == max(errors)
    assert found["mean_error"] == pytest.approx(sum(errors) / len(errors), abs=2e-12)
    assert {member: entry["requested"] for member, entry in found["members"].items()} == weights
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_statement_of_values_that_were_rounded_says_what_was_read():
    weights = {"a": 0.4, "b": 0.35}
    carrier = Proficiency(0.4, 1)
    read = fakes.queue(
        *(fakes.member(user, carrier.weight(value), value=value) for user, value in {"a": 5.0, "b": 4.0}.items())
    )
    found = as_kept(stated(weights, "proficiency", notes=["A note."]), read, 0)
    assert found["members"] == {
        "a": {"requested": 0.4, "value": 5.0, "represented": 0.4, "error": 0.0},
        "b": {"requested": 0.35, "value": 4.0, "represented": pytest.approx(0.32), "error": 0.03},
    }
    assert (found["largest_error"], found["mean_error"]) == (0.03, 0.015)
    assert found["notes"][0] == "A note."
    assert "proficiency_digits = 0" in found["notes"][1]


@given(weight_sets())
def test_a_score_has_no_error(weights):
    found = stated(weights, "score")
    assert (found["largest_error"], found["mean_error"]) == (0, 0)


def test_a_statement_without_weights_is_shown():
    kept = {"actuator": "ring", "strategy": "own", "overflow": "gate", "members": {"a": {"requested": 0.4, "value": 1}}}
    shown = ActuationView.model_validate(kept)
    assert (shown.largest_error, shown.mean_error, shown.members["a"].represented) == (None, None, None)
