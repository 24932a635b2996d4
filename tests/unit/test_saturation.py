"""The saturation ratio: figures, verdict, the sentence for the reader and the class for the machine."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.domain.queue import Member
from routing_weights.domain.target import as_targeted
from routing_weights.errors import QueueSaturated, SkillNotCovered
from routing_weights.projection.checks.saturation import saturation
from routing_weights.projection.inputs import Forecast
from tests.support.fakes import member, plan, queue, target


def agents(active, *, inactive=0, skills=()):
    return [member(f"on-{i}", skills=skills) for i in range(active)] + [
        member(f"off-{i}", active=False, skills=skills) for i in range(inactive)
    ]


def projection(active=10, load=4.0, *, limit=0.95, inactive=0, members=None, threshold=0.85, source="plan", **fields):
    held = queue(*(agents(active, inactive=inactive) if members is None else members), overflow_threshold=threshold)
    return saturation(plan(**fields), held, Forecast(load, source), limit=limit)


# ---- figures ---------------------------------------------------------------------------------------------------------


def test_capacity_is_active_agents_times_the_plans_utilization_target():
    found = projection(active=10, inactive=5, utilization_target=0.8)
    assert (found.active_agents, found.members_read, found.capacity) == (10, 15, 8.0)


def test_the_saturation_ratio_is_load_over_capacity():
    assert projection(active=10, load=4.0, utilization_target=0.8).saturation_ratio == 0.5


def test_the_record_has_the_source_and_the_age_of_the_load():
    forecast = Forecast(3.0, "forecast_table", age_s=120.0, detail="weekday curve")
    found = saturation(plan(), queue(*agents(10)), forecast, limit=0.9)
    assert (found.projected_load, found.source, found.source_age_s, found.source_detail, found.saturation_limit) == (
        3.0,
        "forecast_table",
        120.0,
        "weekday curve",
        0.9,
    )


def test_a_projection_is_json():
    found = projection(required_skills=["billing"]).to_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(("threshold", "figure"), [(0.5, 1.8), (0.0, None), (None, None)])
def test_the_figure_of_the_source_document_is_reported_and_gates_nothing(threshold, figure):
    found = projection(active=10, load=9.0, utilization_target=1.0, threshold=threshold)
    assert (found.queue_threshold_ratio, found.verdict) == (figure, "pass")


def test_an_accepted_plan_is_accepted_again_after_its_own_write():
    repeated = {"overflow_threshold": 0.3, "utilization_target": 1.0, "projected_load": 9.0}
    first = projection(active=10, load=9.0, threshold=0.95, **repeated)
    second = projection(active=10, load=9.0, threshold=0.3, **repeated)
    assert (first.verdict, second.verdict) == ("pass", "pass")


# ---- saturation ------------------------------------------------------------------------------------------------------


def test_a_plan_below_the_limit_passes_and_says_why():
    found = projection(active=10, load=4.0)
    found.raise_if_blocked()
    assert found.reason == "4 erlangs on 10 active agents x 0.8 is 0.500, at most the limit of 0.95."


@pytest.mark.parametrize(
    ("active", "load", "target", "limit"),
    [(60, 45.6, 0.8, 0.95), (10, 9.5, 1.0, 0.95), (3, 0.9, 0.3, 1.0), (100, 93.1, 0.98, 0.95)],
)
def test_a_plan_at_exactly_the_limit_passes(active, load, target, limit):
    assert projection(active=active, load=load, utilization_target=target, limit=limit).verdict == "pass"


@pytest.mark.parametrize("load", [9.50001, 9.6, 1e6])
def test_a_plan_above_the_limit_is_blocked(load):
    found = projection(active=10, load=load, utilization_target=1.0)
    assert found.verdict == "blocked"
    with pytest.raises(QueueSaturated):
        found.raise_if_blocked()


def test_a_saturated_queue_is_explained_with_its_figures_and_three_ways_out():
    found = projection(active=3, load=45.0, utilization_target=0.85, source="forecast_table")
    assert found.reason == (
        "Queue queue-001 has 3 active agents x 0.85 = 2.55 erlangs of capacity; the projected load is 45 "
        "(forecast_table), a saturation ratio of 17.647, above 0.95: "
        "lower the load to 2.422 erlangs, have 56 agents on queue, or raise utilization_target."
    )


def test_one_agent_and_one_erlang_are_counted_in_the_singular():
    blocked = projection(active=1, load=45.0, utilization_target=1.0)
    assert "has 1 active agent x 1 = 1 erlang of capacity; " in blocked.reason
    assert projection(active=1, load=0.5, utilization_target=1.0).reason.startswith("0.5 erlangs on 1 active agent x 1")
    assert projection(active=10, load=1.0, utilization_target=1.0).reason.startswith("1 erlang on 10 active agents")
    nothing = projection(active=1, load=1.0, utilization_target=0.0)
    assert "has no capacity: 1 active agent x a utilization target of 0" in nothing.reason


@pytest.mark.parametrize("inactive", [0, 4])
@pytest.mark.parametrize("load", [0.0, 10.0])
def test_a_plan_that_leaves_no_active_agent_is_blocked(inactive, load):
    found = projection(active=0, inactive=inactive, load=load)
    assert (found.verdict, found.saturation_ratio, found.capacity) == ("blocked", None, 0)
    assert found.reason.startswith("Queue queue-001 would have no active agents: ")
    with pytest.raises(QueueSaturated):
        found.raise_if_blocked()


def test_a_block_says_how_many_members_do_not_count_and_why():
    off = [Member(f"off-{i}", 0.0, away="NOT_RESPONDING") for i in range(8)]
    found = projection(members=[*agents(3), *off, member("out", joined=False)], load=45.0)
    assert found.absent == {"NOT_RESPONDING": 8, "not joined": 1}
    assert found.reason.endswith(" Not counted: 9 of the 12 members (8 NOT_RESPONDING, 1 not joined).")
    assert found.to_json()["absent"] == found.absent


def test_an_unstaffed_queue_has_no_ratio_to_decide_by():
    found = saturation(plan(), queue(*agents(0, inactive=4)), Forecast(10.0, "plan"), limit=0.95, unstaffed=True)
    assert (found.verdict, found.saturation_ratio, found.active_agents) == ("pass", None, 0)
    assert found.reason == "There is nobody to measure 10 erlangs against."


@pytest.mark.parametrize("target", [0, 1e-12])
@pytest.mark.parametrize("load", [0.0, 10.0])
def test_a_target_without_capacity_is_blocked_with_its_reason(target, load):
    found = projection(active=3, load=load, utilization_target=target)
    assert (found.verdict, found.saturation_ratio) == ("blocked", None)
    assert found.reason.startswith("Queue queue-001 has no capacity: 3 active agents x a utilization target of ")
    assert found.reason.endswith("Raise utilization_target.")
    with pytest.raises(QueueSaturated):
        found.raise_if_blocked()


def test_no_load_passes():
    assert projection(load=0.0).verdict == "pass"


# ---- skills ----------------------------------------------------------------------------------------------------------


def test_coverage_is_the_share_of_active_agents_who_have_the_skill():
    members = [
        member("a", skills=["skill-b", "Billing"]),
        member("b", skills=["Support"]),
        member("c"),
        member("d", skills=["Billing"]),
        member("e", active=False, skills=["Spanish", "Billing"]),
    ]
    found = projection(members=members, load=0.0, required_skills=["Billing", "Support", "skill-b", "Spanish"])
    assert found.to_json()["skill_coverage"] == {
        "Billing": 0.5,
        "Support": 0.25,
        "skill-b": 0.25,
        "Spanish": 0.0,
    }


def test_a_plan_that_requires_no_skill_has_no_coverage():
    assert projection().to_json()["skill_coverage"] == {}


def test_a_skill_that_one_active_agent_has_does_not_block():
    assert projection(members=[*agents(9), member("x", skills=["Billing"])], required_skills=["Billing"]).verdict == (
        "pass"
    )


def test_a_skill_that_no_active_agent_has_blocks_with_its_own_error():
    found = projection(members=agents(10, inactive=1, skills=["Support"]), required_skills=["Support", "Billing"])
    assert found.reason == (
        "No active agent of queue queue-001 has the required skill Billing: "
        "assign it to an agent, or take it out of required_skills. Not counted: 1 of the 11 members (1 OFF_QUEUE)."
    )
    with pytest.raises(SkillNotCovered) as caught:
        found.raise_if_blocked()
    assert caught.value.message == found.reason


def test_a_skill_below_the_required_proficiency_is_not_covered():
    billing = {"skill": "Billing", "min_proficiency": 2.5}
    found = projection(members=[*agents(9), member("x", skills=["Billing"])], required_skills=[billing])
    assert found.reason.endswith(
        "has the required skill Billing >= 2.5: assign it to an agent, lower min_proficiency, or take it out of "
        "required_skills."
    )


def test_several_uncovered_skills_are_named_together():
    assert "the required skills Billing, Spanish:" in projection(required_skills=["Billing", "Spanish"]).reason


def test_an_uncovered_skill_at_exactly_the_limit_is_the_reason():
    found = projection(active=60, load=45.6, required_skills=["Billing"])
    with pytest.raises(SkillNotCovered):
        found.raise_if_blocked()


def test_saturation_goes_before_an_uncovered_skill_and_both_are_explained():
    found = projection(active=3, load=45.0, required_skills=["Billing"])
    assert "saturation ratio" in found.reason
    assert "Billing" in found.reason
    with pytest.raises(QueueSaturated):
        found.raise_if_blocked()


def test_a_queue_without_active_agents_is_not_blocked_for_its_skills():
    found = projection(active=0, required_skills=["Billing"])
    assert "Billing" not in found.reason
    with pytest.raises(QueueSaturated):
        found.raise_if_blocked()


# ---- overflow without a group to overflow to -------------------------------------------------------------------------


def gated(active, load, *, overflow_gate=True, limit=0.95, members=None, source="plan", **fields):
    held = queue(*(agents(active) if members is None else members))
    wanted = plan(**{"utilization_target": 1.0} | fields)
    return saturation(wanted, held, Forecast(load, source), limit=limit, overflow_gate=overflow_gate)


@pytest.mark.parametrize(("load", "verdict"), [(0.0, "pass"), (8.5, "pass"), (8.50001, "blocked"), (9.4, "blocked")])
def test_the_gate_compares_load_per_agent_with_the_overflow_threshold(load, verdict):
    assert gated(10, load, overflow_threshold=0.85).verdict == verdict


@pytest.mark.parametrize(("active", "load", "threshold"), [(60, 45.6, 0.76), (3, 0.9, 0.3), (7, 4.9, 0.7), (2, 0, 0)])
def test_a_load_at_exactly_the_overflow_threshold_passes(active, load, threshold):
    assert gated(active, load, overflow_threshold=threshold).verdict == "pass"


def test_without_the_gate_the_overflow_threshold_blocks_nothing():
    assert gated(10, 9.0, overflow_threshold=0.1, overflow_gate=False).verdict == "pass"
    found = saturation(plan(utilization_target=1.0), queue(*agents(10)), Forecast(9.0, "plan"), limit=0.95)
    assert found.verdict == "pass"


def test_an_overflow_is_explained_with_its_figures_and_four_ways_out():
    found = gated(10, 9.0, overflow_threshold=0.85, source="forecast_table")
    assert found.reason == (
        "Queue queue-001 has 10 active agents for a projected load of 9 erlangs (forecast_table), a utilization of "
        "0.900, above the overflow threshold of 0.85, and no group to overflow to: name overflow_groups, lower the "
        "load, add agents, or raise overflow_threshold."
    )
    with pytest.raises(QueueSaturated) as caught:
        found.raise_if_blocked()
    assert caught.value.message == found.reason


def test_the_gate_ignores_the_utilization_target():
    assert gated(10, 8.0, utilization_target=0.9, overflow_threshold=0.85, limit=1.0).verdict == "pass"


@pytest.mark.parametrize("active", [0, 1])
def test_a_saturated_queue_is_not_explained_as_an_overflow(active):
    found = gated(active, 9.0, overflow_threshold=0.85)
    assert found.verdict == "blocked"
    assert "overflow" not in found.reason


def test_an_uncovered_skill_goes_before_the_gate():
    found = gated(10, 9.0, overflow_threshold=0.1, required_skills=["Billing"])
    with pytest.raises(SkillNotCovered):
        found.raise_if_blocked()


@given(
    active=st.integers(0, 30),
    load=st.floats(0, 1e6),
    target=st.floats(0, 1),
    limit=st.floats(0.01, 1),
    threshold=st.floats(0, 1),
)
def test_the_gate_blocks_every_overflow_and_unblocks_nothing(active, load, target, limit, threshold):
    fields = {"utilization_target": target, "overflow_threshold": threshold}
    without = gated(active, load, limit=limit, overflow_gate=False, **fields)
    found = gated(active, load, limit=limit, **fields)
    overflows = active > 0 and load / active > threshold + 1e-9
    assert (found.verdict == "blocked") is (without.verdict == "blocked" or overflows)
    figures = {name: value for name, value in found.to_json().items() if name not in {"verdict", "reason"}}
    assert figures.items() <= without.to_json().items()


def test_a_plan_that_takes_everybody_out_is_blocked():
    joined = [member(f"on-{i}") for i in range(3)]
    wanted = plan(actuator="joined", member_weights={f"on-{i}": 0.0 for i in range(3)})
    values = dict.fromkeys(wanted.weights, False)
    held = as_targeted(queue(*joined), target(wanted.weights, values=values, joins=True))
    found = saturation(wanted, held, Forecast(1.0, "plan"), limit=0.95)
    assert (found.active_agents, found.members_read, found.verdict) == (0, 3, "blocked")


# ---- for all ---------------------------------------------------------------------------------------------------------


@given(
    active=st.integers(0, 30),
    inactive=st.integers(0, 5),
    load=st.floats(0, 1e6),
    target=st.floats(0, 1),
    limit=st.floats(0.01, 1),
    threshold=st.none() | st.floats(0, 1),
)
def test_a_ratio_raises_exactly_when_it_blocks(active, inactive, load, target, limit, threshold):
    found = projection(active, load, limit=limit, inactive=inactive, threshold=threshold, utilization_target=target)
    saturated = active * target < 1e-9 or load / (active * target) > limit + 1e-9
    assert found.verdict == ("blocked" if saturated else "pass")
    assert found.reason.endswith(".")
    json.dumps(found.to_json(), allow_nan=False)
    if saturated:
        with pytest.raises(QueueSaturated):
            found.raise_if_blocked()
    else:
        found.raise_if_blocked()
