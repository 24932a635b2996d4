"""Whose presence a projection counts: who is there now, who is joined, or a number of agents."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.domain.actuators.base import Ranking
from routing_weights.domain.plan import parse_plan
from routing_weights.domain.queue import Member
from routing_weights.errors import ApprovalRequired, PlanInvalid, QueueSaturated
from routing_weights.projection.checks.staffing import staffed
from routing_weights.projection.inputs import Forecast, Volume
from routing_weights.projection.project import project
from tests.support.fakes import DRAWS, SMALLEST_PLAN, limits, plan, queue, target

ABSENCES = ["OFF_QUEUE", "NOT_RESPONDING", "EMPTY", "no routing status"]


def members(here=0, away=0, gone=0, unjoined=0):
    """Able to take work, absent in all ways, unable to log in, and not joined."""
    return (
        [Member(f"here-{n:02}", 0.0) for n in range(here)]
        + [Member(f"away-{n:02}", 0.0, away=ABSENCES[n % len(ABSENCES)]) for n in range(away)]
        + [Member(f"gone-{n:02}", 0.0, away=("user inactive", "user deleted")[n % 2]) for n in range(gone)]
        + [Member(f"out-{n:02}", 0.0, joined=False) for n in range(unjoined)]
    )


def projected(*held, load=1.0, forecast=None, joins=None, without_effect=None, **fields):
    weights = {member.user_id: 0.9 / len(held) for member in held}
    values = weights if joins is None else dict.fromkeys(weights, joins)
    asked = plan(**{"member_weights": weights, "utilization_target": 1.0, **fields})
    return project(
        asked,
        queue(*held),
        target(weights, values=values, joins=joins is not None),
        forecast or Forecast(load, "plan"),
        rankings=(Ranking("joined"), Ranking("joined")),
        own_goal=(0.8, 20.0),
        limits=limits(),
        overflow_gate=False,
        draws=DRAWS,
        without_effect=without_effect,
    )


def calls(offered):
    volume = Volume(offered=offered, interval_s=1800, aht_s=180.0, patience_s=120.0)
    return Forecast(volume.load, "plan", volume=volume)


# ---- who counts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("staffing", "agents"), [(None, 3), ("now", 3), ("joined", 10), (1, 1), (4, 4), (10, 10), (11, 10)]
)
def test_a_plan_says_whose_presence_counts(staffing, agents):
    found = projected(*members(here=3, away=7, gone=2, unjoined=4), staffing=staffing)
    assert found.document["active_agents"] == agents
    assert found.document["staffing"]["agents"] == agents
    assert found.document["staffing"]["staffing"] == staffing or "now"


def test_capacity_models_and_skills_follow_staffing():
    found = projected(*members(away=20), forecast=calls(60), staffing=12)
    assert (found.document["capacity"], found.outlook.agents) == (12.0, (12, 12))
    assert found.document["verdict"] == "pass"
    assert projected(*members(away=20), forecast=calls(60), staffing=5).document["verdict"] == "blocked"


@given(wanted=st.integers(1, 60), ranks=st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_a_number_of_agents_ranks_as_the_queue_does(wanted, ranks):
    held = [Member(f"m-{n:02}", 0.0, away="OFF_QUEUE") for n in range(len(ranks))]
    weights = {member.user_id: rank / 5 for member, rank in zip(held, ranks, strict=True)}
    asked = plan(member_weights=weights, normalize=True, staffing=wanted)
    counted = [m.user_id for m in staffed(asked, queue(*held), queue(*held)).after.members if m.active]
    assert len(counted) == min(wanted, len(ranks))
    for rank in range(6):
        share = sum(each >= rank for each in ranks) / len(ranks)
        of_counted = sum(weights[user] >= rank / 5 for user in counted)
        assert abs(of_counted - share * len(counted)) <= 1


# ---- nobody is there -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forecast", [None, calls(60)])
@pytest.mark.parametrize("load", [0.0, 2.0])
def test_nobody_on_queue_now_needs_approval(forecast, load):
    found = projected(*members(away=2, unjoined=1), load=load, forecast=forecast)
    assert found.document["verdict"] == "needs_approval"
    with pytest.raises(ApprovalRequired) as caught:
        found.raise_unless_passed()
    for said in ("Nobody is on queue now", "none of the 3 members of queue queue-001", '"joined"', "accept_uncertain"):
        assert said in caught.value.message, said


@pytest.mark.parametrize("forecast", [None, calls(60)])
def test_nobody_on_queue_now_can_be_accepted(forecast):
    found = projected(*members(away=3), forecast=forecast, accept_uncertain=True)
    found.raise_unless_passed()
    assert found.document["verdict"] == "pass"
    assert "Nobody is on queue now" in found.document["reason"], "and is on record"


def test_a_plan_for_a_later_shift_counts_joined_members():
    projected(*members(away=3), staffing="joined").raise_unless_passed()
    with pytest.raises(QueueSaturated, match="3 active agents"):
        projected(*members(away=3), load=45.0, staffing="joined").raise_unless_passed()


@pytest.mark.parametrize("staffing", ["joined", 5])
def test_a_queue_that_nobody_has_joined_needs_approval(staffing):
    with pytest.raises(ApprovalRequired, match="Nobody is joined to queue queue-001"):
        projected(*members(unjoined=3, gone=2), staffing=staffing).raise_unless_passed()


def test_more_agents_than_the_queue_has_need_approval():
    with pytest.raises(ApprovalRequired, match="counts on 5 agents, and 3 members of queue queue-001 are joined"):
        projected(*members(away=3), staffing=5).raise_unless_passed()
    projected(*members(away=3), staffing=5, accept_uncertain=True).raise_unless_passed()


@pytest.mark.parametrize("staffing", ["now", "joined"])
def test_a_plan_that_takes_everybody_out_cannot_be_accepted(staffing):
    with pytest.raises(QueueSaturated, match="would have no active agents"):
        projected(*members(here=3), joins=False, staffing=staffing, accept_uncertain=True).raise_unless_passed()


def test_a_plan_that_joins_the_first_agents_is_projected_with_them():
    found = projected(*members(unjoined=3), joins=True, staffing="now")
    found.raise_unless_passed()
    assert found.document["active_agents"] == 3


# ---- the field -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("staffing", [0, 5001, -1, 2.5, 3.0, True, "often", "", [], {}, 10**30])
def test_an_invalid_staffing_is_refused_once(staffing):
    with pytest.raises(PlanInvalid) as caught:
        parse_plan(json.dumps(SMALLEST_PLAN | {"staffing": staffing}))
    assert [(p["path"], p["message"]) for p in caught.value.details["errors"]] == [
        ("staffing", "staffing is now, joined, or a number of agents from 1 to 5000")
    ]


# ---- beside other doubts ---------------------------------------------------------------------------------------------

NO_EFFECT = "The weights have no effect: nobody looks. Take strategy x"


def test_a_plan_without_effect_needs_approval():
    found = projected(*members(away=3), without_effect=NO_EFFECT).judgement
    assert found.verdict == "needs_approval"
    assert f"{NO_EFFECT}, or accept it with accept_uncertain." in found.reason
    assert "Nobody is on queue" in found.reason
    accepted = projected(*members(here=3), without_effect=NO_EFFECT, accept_uncertain=True).judgement
    assert accepted.verdict == "pass"
    assert NO_EFFECT in accepted.reason
    assert "effect" not in {check.name for check in projected(*members(here=3)).judgement.checks}
