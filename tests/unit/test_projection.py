"""The projection of a plan: verdicts and what decides them, shared agents, skills, suggestions and effort."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing_weights.api.projection import ProjectionView
from routing_weights.application.project import Projector
from routing_weights.application.suggest import PLACEHOLDER, draft_of
from routing_weights.domain.actuators.base import Ranking
from routing_weights.domain.effort import prices
from routing_weights.domain.queue import Member
from routing_weights.domain.target import Target, as_targeted
from routing_weights.domain.types import ShareOptions, folded
from routing_weights.domain.weights import normalized
from routing_weights.errors import (
    ApprovalRequired,
    GenesysUnavailable,
    ProjectionInconclusive,
    QueueSaturated,
    RequestInvalid,
    ServiceLevelAtRisk,
)
from routing_weights.projection.checks import ALWAYS, GATES
from routing_weights.projection.checks.base import Evidence, SimulatedGate
from routing_weights.projection.checks.occupancy import OVERLOADED, STARVED
from routing_weights.projection.checks.registry import EVERY
from routing_weights.projection.checks.saturation import coverage, fewest_agents
from routing_weights.projection.effort import expected
from routing_weights.projection.inputs import Carried, Forecast, LeftOut, Volume
from routing_weights.projection.outlook import MOST_CONTACTS, Other, ServiceGoal, State, outlook, spans
from routing_weights.projection.project import ASSUMED_GOAL, project, service_goal
from routing_weights.projection.simulation import REPLICATIONS, SHARED_AGENTS
from routing_weights.projection.suggestion import OBJECTIVES, candidates
from tests.support.fakes import DRAWS, limits, plan, queue, target

POOL, OWN = Ranking("joined"), (0.8, 20.0)
RINGS = Ranking("ring", (10.0,) * 5)
DRAWN = Ranking("share", share=ShareOptions())
LIMITS = limits()
AGENTS = [f"agent-{number:02}" for number in range(11)]


def agent(user, weight=0.0, skills=(), active=True):
    held = skills if isinstance(skills, dict) else dict.fromkeys(skills)
    held = {folded(skill): proficiency for skill, proficiency in held.items()}
    return Member(user, weight, away=None if active else "OFF_QUEUE", skills=held, native={"page": 1})


def volume(offered, **changes):
    return Volume(**{"offered": offered, "interval_s": 1800, "aht_s": 180.0, "patience_s": 120.0} | changes)


def told(offered, **changes):
    """A forecast that the plan gives, without assumptions."""
    forecast = {name: changes.pop(name) for name in ("stale", "assumed", "age_s", "source") if name in changes}
    found = volume(offered, **changes)
    return Forecast(found.load, **{"source": "plan"} | forecast, volume=found)


def reported(
    forecast,
    *,
    members=None,
    values=None,
    rankings=(POOL, POOL),
    own=OWN,
    limits=LIMITS,
    others=(),
    draws=DRAWS,
    **changes,
):
    members = [agent(user) for user in AGENTS] if members is None else members
    weights = {m.user_id: round(0.9 / len(members), 4) for m in members} if values is None else values
    of_plan = {"member_weights": {m: min(1.0, w / 10) if w > 1 else w for m, w in weights.items()}}
    asked = plan(**{**of_plan, "utilization_target": 1.0, "normalize": True, **changes})
    return project(
        asked,
        queue(*members),
        target(weights),
        forecast,
        rankings=rankings,
        own_goal=own,
        limits=limits,
        overflow_gate=False,
        draws=draws,
        others=others,
    )


def check(found, name):
    (one,) = [each for each in found.document["checks"] if each["name"] == name]
    return one


# ---- the verdicts ----------------------------------------------------------------------------------------------------


def test_a_queue_that_reaches_its_goal_passes():
    found = reported(told(60))
    assert found.document["verdict"] == "pass"
    found.raise_unless_passed()
    level = check(found, "service_level")
    assert level["low"] <= level["value"] <= level["high"]
    assert level["low"] > level["threshold"] == 0.8
    assert level["sample_size"] > 2000
    assert level["source"] == "plan"
    assert "within 20 s (queue)" in level["sentence"]


def test_a_queue_that_misses_its_goal_is_blocked_with_a_remedy():
    found = reported(told(100))
    assert found.saturation.verdict == "pass", "the ratio alone would let it through"
    assert found.document["verdict"] == "blocked"
    with pytest.raises(ServiceLevelAtRisk, match="12 agents in one pool reach the goal"):
        found.raise_unless_passed()
    remedy = check(found, "service_level")["remedy"]
    assert remedy["agents"] == 12
    more = [agent(f"agent-{number:02}") for number in range(12)]
    assert reported(told(100), members=more).outlook.pooled_a[1].service_level >= 0.8
    assert reported(told(remedy["offered"])).outlook.pooled_a[1].service_level >= 0.8
    assert reported(told(remedy["offered"] + 0.2)).outlook.pooled_a[1].service_level < 0.8
    assert remedy["overflow_threshold"] == pytest.approx(remedy["offered"] * 180 / 1800 / 11, abs=0.01)


def test_advice_that_two_checks_share_appears_once():
    found = reported(told(104), limits=limits(max_abandonment=0.08))
    assert [check(found, name)["verdict"] for name in ("service_level", "abandonment")] == ["blocked"] * 2
    assert found.document["reason"].count("agents in one pool reach the goal") == 1
    assert found.document["reason"].endswith("so overflow at a utilization of 0.84.")
    assert "abandonment of" in found.document["reason"]


def test_a_close_call_is_inconclusive_until_it_is_accepted():
    near = reported(told(100)).outlook.after.service_level.mean
    found = reported(told(100, service_level_target=round(near, 3), answer_within_s=20.0), limits=only("service_level"))
    assert found.document["verdict"] == "inconclusive"
    with pytest.raises(ProjectionInconclusive, match="Too close to call"):
        found.raise_unless_passed()
    accepted = reported(
        told(100, service_level_target=round(near, 3), answer_within_s=20.0),
        limits=only("service_level"),
        accept_uncertain=True,
    )
    assert accepted.document["verdict"] == "pass"
    assert check(accepted, "service_level")["sentence"].startswith("Too close to call")


def test_more_contacts_are_simulated_when_the_first_do_not_decide():
    clear, close = reported(told(60)), reported(told(93))
    assert close.outlook.compared.after.replications == 4 * clear.outlook.compared.after.replications


@pytest.mark.parametrize(
    ("forecast", "own", "said"),
    [
        (told(60, stale=True, age_s=90_000.0, source="pushed"), OWN, "the forecast is 25.0 h old"),
        (told(60, patience_s=None, assumed=("patience 120 s",)), OWN, "patience 120 s is assumed"),
        (told(60), None, "the goal of 80% within 20 s is assumed"),
    ],
    ids=["stale", "assumed patience", "assumed target"],
)
def test_a_pass_on_doubtful_inputs_needs_approval(forecast, own, said):
    found = reported(forecast, own=own)
    assert found.document["verdict"] == "needs_approval"
    with pytest.raises(ApprovalRequired, match=said):
        found.raise_unless_passed()
    assert reported(forecast, own=own, accept_uncertain=True).document["verdict"] == "pass"


def test_acceptance_does_not_open_a_gate_that_is_missed():
    assert reported(told(100), accept_uncertain=True).document["verdict"] == "blocked"


@pytest.mark.parametrize("offered", [110, 130, 1000])
def test_overload_is_unstable_and_never_a_number(offered):
    found = reported(told(offered), limits=limits(saturation=1.0, required=frozenset()), projected_load=None)
    assert check(found, "stability")["verdict"] == "blocked"
    assert check(found, "stability")["sentence"].startswith("Unstable")
    assert found.document["models"]["erlang_c"]["after"] == {"unstable": True}


def test_a_load_above_the_ratio_is_saturated_whatever_the_models_say():
    with pytest.raises(QueueSaturated, match=r"lower the load to 10\.45 erlangs, have 12 agents on queue"):
        reported(told(110)).raise_unless_passed()


@given(st.floats(0.01, 500), st.floats(0.05, 1), st.floats(0.1, 1), st.integers(1, 200))
def test_the_remedy_of_the_ratio_is_just_enough(load, utilization_target, limit, agents):
    needed = fewest_agents(load, utilization_target, limit)
    assert load <= needed * utilization_target * limit + 1e-6
    assert load > (needed - 1) * utilization_target * limit - 1e-6
    members = [agent(f"agent-{number}") for number in range(agents)]
    found = reported(
        Forecast(load, "plan"),
        members=members,
        limits=limits(saturation=limit, required=frozenset()),
        utilization_target=utilization_target,
        projected_load=load,
    )
    remedy = check(found, "saturation")["remedy"]
    assert bool(remedy) is (found.saturation.verdict == "blocked")
    if remedy:
        assert remedy["agents"] == needed > agents
        assert remedy["load"] < load


def test_overloaded_and_starved_agents_are_named_and_need_approval():
    proficient = Ranking("proficiency")
    values = {user: 5.0 if number < 2 else 1.0 for number, user in enumerate(AGENTS)}
    found = reported(told(80), values=values, rankings=(POOL, proficient), member_weights={AGENTS[0]: 1.0})
    occupancy = check(found, "occupancy")
    assert occupancy["verdict"] == "needs_approval"
    busy = {row["member"]: row["occupancy_after"] for row in found.document["models"]["simulation"]["agents"]}
    assert set(sorted(busy, key=busy.__getitem__)[-2:]) == set(AGENTS[:2]), "the best ones are asked first"
    overloaded = {user for user, share in busy.items() if share > OVERLOADED}
    assert overloaded
    assert all((user in occupancy["sentence"]) is (user in overloaded) for user in AGENTS)
    assert ("Starved" in occupancy["sentence"]) is (min(busy.values()) < STARVED)
    assert reported(told(80), accept_uncertain=True).document["verdict"] == "pass"


def test_in_a_quiet_hour_nobody_is_starved():
    assert check(reported(told(5)), "occupancy")["verdict"] == "pass"


def only(*gates):
    return limits(required=frozenset(gates))


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_that_is_not_required_is_shown_and_decides_nothing(gate):
    required = only(*({*GATES} - {gate, "abandonment", "service_level"}))
    found = reported(told(104), limits=required, rankings=(POOL, DRAWN))
    assert check(found, gate)["required"] is (gate in required.required)
    assert found.document["verdict"] == "pass"


@pytest.mark.parametrize(("name", "offered"), [("service_level", 100), ("stability", 130)])
def test_a_gate_that_is_not_required_does_not_steer_the_remedy_of_another(name, offered):
    strict, lenient = (
        reported(told(offered), limits=limits(max_abandonment=most, required=frozenset({"service_level"})))
        for most in (0.002, 0.9)
    )
    assert check(strict, "abandonment")["verdict"] == "blocked"
    assert check(strict, name)["remedy"] == check(lenient, name)["remedy"]
    assert check(strict, "abandonment")["remedy"]["agents"] > check(strict, name)["remedy"]["agents"]


def test_without_a_required_gate_the_remedy_of_an_unstable_queue_makes_it_stable():
    found = reported(told(131), limits=only())
    stability = check(found, "stability")
    assert stability["remedy"] == {"agents": 14, "offered": pytest.approx(110, abs=0.11), "overflow_threshold": 0.99}
    assert "14 agents in one pool carry the load" in stability["sentence"]


def test_every_gate_has_its_name_and_a_row_in_the_docs():
    assert [gate.name for gate in EVERY] == list(GATES)
    page = (Path(__file__).parents[2] / "docs/reference/projection.md").read_text(encoding="utf-8")
    assert [name for name in (*ALWAYS, *GATES) if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize(
    ("limit_s", "verdict"), [(1000.0, "pass"), (None, "inconclusive"), (0.1, "blocked")], ids=["far", "close", "missed"]
)
def test_a_gate_may_judge_a_time(limit_s, verdict):
    modelled, forecast = reported(told(100)).outlook, told(100)
    wait = modelled.after.mean_wait_s
    gate = SimulatedGate(
        name="abandonment",
        figure="mean_wait_s",
        unit="seconds",
        bound="at most",
        goal="max_wait_s",
        limit=lambda _: limit_s or wait.mean,
        wanted=lambda _: "as the test says",
    )
    evidence = Evidence(outlook=modelled, forecast=forecast, accepted=False, gates=())
    judged = gate.judge(evidence)
    assert (judged.verdict, gate.undecided(modelled)) == (verdict, verdict == "inconclusive")
    assert f"a mean wait of {wait.mean:.1f} s (95 %: {wait.low:.1f} s to {wait.high:.1f} s)" in judged.sentence


# ---- a load alone ----------------------------------------------------------------------------------------------------


@given(st.floats(0, 30), st.booleans())
def test_a_load_alone_is_judged_by_the_ratio_alone(load, dry_run):
    found = reported(Forecast(load, "plan"), dry_run=dry_run, projected_load=load)
    assert found.document["verdict"] == found.saturation.verdict
    assert found.document["reason"] == found.saturation.reason
    if found.saturation.verdict == "pass":
        found.raise_unless_passed()
    models = found.document["models"]
    assert (models is not None) is dry_run
    assert models is None or models["indicative"]
    assert {check["name"] for check in found.document["checks"] if check["required"]} == {"saturation", "staffing"}


# ---- rankings --------------------------------------------------------------------------------------------------------


def test_no_closed_form_sees_what_late_rings_cost():
    values = {user: 1 + number % 6 for number, user in enumerate(AGENTS)}
    found = reported(told(80), values=values, rankings=(POOL, RINGS), member_weights={AGENTS[0]: 1.0})
    before, after = (found.document["models"]["simulation"][side]["service_level"] for side in ("before", "after"))
    assert after["high"] < before["low"]
    pooled = found.document["models"]["erlang_a"]
    assert pooled["before"]["service_level"] == pytest.approx(pooled["after"]["service_level"])
    difference = found.document["models"]["simulation"]["difference"]["service_level"]
    assert difference["high"] < 0


def test_a_missing_ring_counts_as_the_last_ring():
    two = Ranking("ring", (10.0,))
    seats = State(two, queue(agent("a"), agent("b")), {"a": 1, "b": 6}).seats()
    assert {user: place.value for user, place in seats.items()} == {"a": 1.0, "b": 2.0}


def test_an_agent_off_queue_has_no_seat():
    assert State(POOL, queue(agent("a"), agent("b", active=False)), {}).seats().keys() == {"a"}


# ---- agents who serve other queues too (projection reference, section 5) ---------------------------------------------


POOLED = [f"agent-{number:02}" for number in range(18)]
BOTH = [f"both-{number}" for number in range(8)]
OF_A, OF_B = [f"a-{number:02}" for number in range(10)], [f"b-{number:02}" for number in range(8)]


@pytest.mark.parametrize(
    ("of_a", "of_b", "weights", "levels"),
    [
        (POOLED, POOLED, (0.055, 0.045), (0.713, 0.727)),
        (POOLED, POOLED, (0.09, 0.01), (0.774, 0.675)),
        (OF_A, OF_B, (0.05, 0.05), (0.642, 0.637)),
        ([*OF_A[:6], *BOTH], [*OF_B[:4], *BOTH], (0.05, 0.05), (0.692, 0.683)),
    ],
    ids=["one pool", "one pool, skewed", "dedicated", "eight shared"],
)
def test_queues_that_share_agents_are_projected_together(of_a, of_b, weights, levels):
    """100 contacts of 180 s and 60 of 240 s per 30 minutes. The sum of weights would say .981 and .030 of a pool."""
    members = [agent(user, weights[0]) for user in of_a]
    b = Other("queue-b", told(60, aht_s=240.0, answer_within_s=20.0), dict.fromkeys(of_b, weights[1]))
    found = reported(
        told(100),
        members=members,
        values=dict.fromkeys(of_a, weights[0]),
        rankings=(Ranking("score"), Ranking("score")),
        others=[b],
    )
    queues = found.outlook.compared.after.queues
    projected = [queues[queue_id].service_level.mean for queue_id in ("queue-001", "queue-b")]
    assert projected == pytest.approx(levels, abs=0.05)
    assert (SHARED_AGENTS in found.document["models"]["simulation"]["assumption"]) is bool({*of_a} & {*of_b})


def test_two_stable_queues_can_be_unstable_together():
    everybody = [f"agent-{number:02}" for number in range(18)]
    members = [agent(user, 0.05) for user in everybody]
    b = Other("queue-b", told(100), dict.fromkeys(everybody, 0.0))
    assert reported(told(100), members=members).outlook.shortfall == 0
    found = reported(told(100), members=members, others=[b])
    assert found.outlook.shortfall == pytest.approx(2.0, abs=1e-3)
    assert found.document["verdict"] == "blocked"


def test_doubtful_inputs_of_a_shared_queue_need_approval():
    everybody = [f"agent-{number:02}" for number in range(18)]
    members = [agent(user, 0.05) for user in everybody]
    doubtful = told(40, stale=True, age_s=10_800.0, source="pushed", assumed=("patience 120 s",))
    b = Other("queue-b", doubtful, dict.fromkeys(everybody, 0.0))
    found = reported(told(60), members=members, others=[b])
    assert found.document["verdict"] == "needs_approval"
    assert (
        "the forecast of queue queue-b is 3.0 h old, and patience 120 s of queue queue-b is assumed"
        in (found.document["reason"])
    )
    (shared,) = found.document["models"]["shared_with"]
    assert (shared["queue_id"], shared["source"], shared["assumed"]) == ("queue-b", "pushed", ["patience 120 s"])
    assert reported(told(60), members=members, others=[b], accept_uncertain=True).document["verdict"] == "pass"


# ---- skills ----------------------------------------------------------------------------------------------------------


def carrying(own, *others):
    """The forecast of a queue whose agents serve others too: each is (queue, shared, agents, forecast)."""
    return replace(own, carried=tuple(Carried(*other) for other in others))


def test_two_queues_of_a_fleet_with_the_same_agents_are_projected_as_their_pool():
    """Not as twice the agents: the one is projected with the load of both, like a queue with the summed volume."""
    members = [agent(user, 0.05) for user in POOLED]
    a, b = told(100), told(60, aht_s=240.0, patience_s=30.0)
    of_a = reported(carrying(a, ("queue-b", 18, 18, b)), members=members)
    of_b = reported(carrying(b, ("queue-a", 18, 18, a)), members=members)
    pool = reported(told(160, aht_s=202.5), members=members)
    for name in ("saturation_ratio", "projected_load", "capacity", "verdict", "staffing", "queue_threshold_ratio"):
        assert of_a.document[name] == pool.document[name], name
    for name in ("erlang_c", "erlang_a", "simulation", "stable", "target"):
        assert of_a.document["models"][name] == pool.document["models"][name], name
    assert of_b.document["saturation_ratio"] == pool.document["saturation_ratio"] == pytest.approx(1.0)
    assert reported(a, members=members).document["verdict"] == "pass", "alone, either queue would be fine"
    assert reported(b, members=members).document["verdict"] == "pass"
    assert pool.document["verdict"] == "blocked"
    with pytest.raises(QueueSaturated, match="8 erlangs of queue queue-b, 100% of its load"):
        of_a.raise_unless_passed()


def test_a_projection_says_whose_load_is_counted_and_how_much_of_it():
    others = [(f"queue-{number}", 1, 4, told(10 * number, source="pushed")) for number in range(5)]
    found = reported(carrying(told(40), *reversed(others)))
    assert found.document["reason"].startswith(
        "6.5 erlangs on 11 active agents x 1 is 0.591, at most the limit of 0.95. The load includes what the same "
        "agents carry for other queues of the fleet: 1 erlang of queue queue-4, 25% of its load; "
    )
    assert (
        "0.5 erlangs of queue queue-2, 25% of its load; and 0.25 erlangs of 1 more queue." in found.document["reason"]
    )
    view = ProjectionView.model_validate(json.loads(json.dumps(found.document))).neighbours
    assert (view.own_load, view.left_out) == (4.0, None)
    first = view.queues[0]
    assert (first.queue_id, first.load, first.of_load, first.shared_agents, first.agents) == ("queue-4", 1.0, 4.0, 1, 4)
    assert first.source == "pushed"
    assert (view.pooled.offered, view.pooled.aht_s) == (65.0, 180.0)
    assert found.document["models"]["forecast"]["offered"] == 40, "the forecast is the queue's own"
    assert ProjectionView.model_validate(reported(told(40)).document).neighbours is None


def test_an_earlier_projection_without_neighbours_can_be_shown():
    document = reported(told(40)).document
    del document["neighbours"]
    assert ProjectionView.model_validate(document).neighbours is None


def test_a_gate_that_is_missed_says_whose_load_is_counted_too():
    found = reported(carrying(told(60), ("queue-b", 1, 2, told(80))))
    assert check(found, "saturation")["verdict"] == "pass"
    assert found.document["verdict"] == "blocked"
    assert found.document["reason"].count("4 erlangs of queue queue-b, 50% of its load") == 1
    both = reported(carrying(told(60), ("queue-b", 1, 2, told(800))))
    assert both.document["reason"].count("40 erlangs of queue queue-b") == 1, "the ratio and the models say it once"
    nobody = reported(carrying(told(60), ("queue-b", 1, 2, told(80))), members=[agent("a", active=False)])
    assert (nobody.document["verdict"], "queue-b" in nobody.document["reason"]) == ("needs_approval", False)


def test_the_overflow_threshold_and_the_remedy_count_the_whole_load():
    found = reported(carrying(told(60), ("queue-b", 11, 11, told(50))))
    assert check(found, "saturation")["remedy"]["agents"] == fewest_agents(11.0, 1.0, 0.95)
    assert "11 can take" in found.document["reason"]
    assert "contacts of all these queues per 1800 s" in found.document["reason"]


@pytest.mark.parametrize(
    ("forecast", "doubt"),
    [
        (carrying(told(30), ("queue-b", 1, 2, told(10, stale=True, age_s=7200.0))), "of queue queue-b is 2.0 h old"),
        (
            carrying(told(30), ("queue-b", 1, 2, told(10, assumed=("load 1 erlangs",)))),
            "load 1 erlangs of queue queue-b is assumed",
        ),
        (
            replace(told(30), left_out=LeftOut(7, 3)),
            "the load of 7 more queues of the fleet that 3 of the agents serve is not counted",
        ),
    ],
    ids=["stale", "assumed", "left out"],
)
def test_a_pass_on_a_doubtful_load_of_a_neighbour_needs_approval(forecast, doubt):
    found = reported(forecast)
    assert found.document["verdict"] == "needs_approval"
    assert doubt in found.document["reason"]
    assert reported(forecast, accept_uncertain=True).document["verdict"] == "pass"


def test_a_load_alone_is_projected_with_its_neighbours_too():
    found = reported(carrying(Forecast(5.0, "plan"), ("queue-b", 1, 2, told(60))))
    assert (found.document["saturation_ratio"], found.document["models"]) == (pytest.approx(8 / 11), None)
    shown = reported(carrying(Forecast(5.0, "plan"), ("queue-b", 1, 2, told(60))), dry_run=True)
    assert shown.document["models"]["indicative"]
    assert shown.outlook.volume.load == pytest.approx(8.0)


ratios = st.lists(
    st.builds(
        lambda name, shared, others, load: (f"queue-{name}", shared, shared + others, Forecast(load, "plan")),
        st.integers(0, 99), st.integers(1, 20), st.integers(0, 20), st.floats(0, 100),
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=40)
@given(ratios.flatmap(lambda others: st.tuples(st.just(others), st.permutations(others))))
def test_neither_the_order_of_a_fleet_nor_one_more_neighbour_lowers_the_ratio(orders):
    others, shuffled = orders
    ratio = [reported(carrying(Forecast(5.0, "plan"), *some)).document["saturation_ratio"]
             for some in (others, shuffled, others[:-1])]  # fmt: skip
    assert ratio[0] == ratio[1]
    assert ratio[0] >= ratio[2]


def test_coverage_counts_agents_and_weight_and_names_the_unskilled():
    members = [agent("a", skills=["Billing"]), agent("b"), agent("c", skills=["Billing"]), agent("d", active=False)]
    weights = {"a": 0.5, "b": 0.25, "c": 0.25, "d": 0.0}
    found = reported(Forecast(1.0, "plan"), members=members, values=weights, required_skills=["Billing"])
    assert found.document["skills"]["Billing"] == {
        "agents": pytest.approx(2 / 3),
        "weight": pytest.approx(0.75),
        "weight_without_skill": ["b"],
        "below_proficiency": {},
    }


def test_a_skill_is_covered_at_the_required_proficiency_only():
    held = {"a": {"Billing": 3.0}, "b": {"Billing": 2.5}, "c": {"Billing": None}, "d": {}, "e": {"Billing": 5.0}}
    members = [agent(user, skills=skills) for user, skills in held.items()]
    required = {"skill": "Billing", "min_proficiency": 3}
    found = reported(told(1), members=members, values=dict.fromkeys(held, 0.2), required_skills=[required])
    assert found.document["skills"] == {
        "Billing >= 3": {
            "agents": pytest.approx(0.4),
            "weight": pytest.approx(0.4),
            "weight_without_skill": ["b", "c", "d"],
            "below_proficiency": {"b": 2.5, "c": None},
        }
    }
    assert found.document["skill_coverage"] == {"Billing >= 3": pytest.approx(0.4)}
    rows = found.document["models"]["simulation"]["agents"]
    assert {row["member"] for row in rows if row["share_after"]} == {"a", "e"}


def test_a_proficiency_that_the_plan_writes_counts_as_written():
    members = [
        agent("a", 0.2, skills={"skill-1": 1.0, "Queue 1": 1.0}),
        agent("b"),
        agent("c", skills={"skill-1": 5.0}),
    ]
    before = queue(*members, skill=("skill-1", "Queue 1"))
    after = as_targeted(before, Target({"a": 0.8, "b": 0.6, "c": 0.0}, {"a": 4.0, "b": 3.0, "c": None}))
    by_name = plan(required_skills=["Queue 1", {"skill": "skill-1", "min_proficiency": 4.0}])
    assert [skill.agents for skill in coverage(by_name, after).values()] == [
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
    ]


def test_a_required_skill_narrows_the_queue_in_the_simulation():
    members = [agent(user, skills=["Billing"] if number < 5 else []) for number, user in enumerate(AGENTS)]
    found = reported(told(60), members=members, required_skills=["Billing"])
    assert found.outlook.shortfall == pytest.approx(1.0, abs=1e-3), "6 erlangs for five agents"
    rows = found.document["models"]["simulation"]["agents"]
    assert {row["member"] for row in rows if row["share_after"]} == set(AGENTS[:5])


# ---- the goal --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "own", "expected"),
    [
        ({"service_level_target": 0.9, "answer_within_s": 10.0}, OWN, (0.9, 10.0, "forecast")),
        ({"service_level_target": 0.9}, OWN, (0.9, 20.0, "queue")),
        ({}, (0.7, 30.0), (0.7, 30.0, "queue")),
        ({}, None, (*ASSUMED_GOAL, "assumed")),
        ({"answer_within_s": 10.0}, None, (0.8, 10.0, "assumed")),
    ],
)
def test_the_goal_is_the_forecasts_else_the_queues_else_assumed(said, own, expected):
    assert service_goal(volume(10, **said), own, LIMITS) == ServiceGoal(*expected, LIMITS)


def test_the_same_plan_on_the_same_queue_has_the_same_projection():
    assert reported(told(80)).document == reported(told(80)).document


def test_nothing_offered_and_nobody_there_are_no_errors():
    goal = ServiceGoal(0.8, 20.0, "queue", LIMITS)
    empty = State(POOL, queue(), {})
    assert outlook(volume(0), empty, empty, goal, draws=DRAWS).compared is None
    assert outlook(volume(10), empty, empty, goal, draws=DRAWS).shortfall > 0
    assert reported(told(0)).document["verdict"] == "pass"


# ---- suggestions -----------------------------------------------------------------------------------------------------


def test_the_objective_comes_first():
    members = [agent("a", skills=["Billing"]), agent("b"), agent("c", skills=["Billing"]), agent("d", active=False)]
    asked = plan(member_weights={"a": 0.6, "b": 0.2, "d": 0.2}, required_skills=["Billing"])
    first = {objective: next(candidates(asked, queue(*members), objective))[1] for objective in OBJECTIVES}
    assert first["proportional"] == {"a": 0.75, "b": 0.25, "d": 0.0}
    assert first["skill_coverage"] == {"a": 0.5, "b": 0.0, "c": 0.5, "d": 0.0}
    assert first["equal_occupancy"] == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3, "d": 0.0}, abs=1e-6)


def test_a_deleted_user_is_not_suggested():
    gone = Member("gone", 0.0, away="user deleted")
    asked = plan(member_weights={"a": 0.6, "gone": 0.2})
    for objective in OBJECTIVES:
        assert all(weights == {"a": 1.0} for _, weights in candidates(asked, queue(agent("a"), gone), objective))


def test_an_unjoined_member_is_suggested_only_if_the_plan_joins():
    held = queue(agent("a"), Member("out", 0.0, joined=False), Member("off", 0.0, joined=False, away="OFF_QUEUE"))
    for joins, suggested in [(False, {"a": 1.0}), (True, {"a": 0.5, "out": 0.5})]:
        asked = plan(member_weights={"a": 0.5})
        assert next(candidates(asked, held, "equal_occupancy", joins=joins))[1] == suggested


@pytest.mark.parametrize("staffing", ["joined", 1])
def test_a_suggestion_for_later_counts_every_joined_member(staffing):
    held = queue(
        agent("a"), agent("off", active=False), Member("out", 0.0, joined=False), Member("x", 0.0, away="user inactive")
    )
    asked = plan(member_weights={"a": 0.5}, staffing=staffing)
    assert next(candidates(asked, held, "equal_occupancy"))[1] == {"a": 0.5, "off": 0.5}


def test_a_block_by_the_models_counts_the_absent():
    members = [agent("a"), *(agent(f"off-{i}", active=False) for i in range(5))]
    found = reported(told(9), members=members, values={"a": 0.5}, limits=limits(saturation=1.0))
    assert found.document["verdict"] == "blocked"
    assert found.document["checks"][0]["verdict"] == "pass"
    assert found.document["reason"].endswith(" Not counted: 5 of the 6 members (5 OFF_QUEUE).")


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.floats(0, 1), min_size=1),
    st.lists(st.sampled_from("abcdefg"), unique=True),
    st.sampled_from(OBJECTIVES),
)
def test_no_candidate_comes_twice_or_sums_to_more_than_one(weights, skilled, objective):
    members = [agent(user, skills=["S"] if user in skilled else []) for user in "abcde"]
    asked = plan(member_weights=weights, required_skills=["S"], normalize=True)
    found = [weights for _, weights in candidates(asked, queue(*members), objective)]
    assert all(sum(each.values()) <= 1 + 1e-9 and any(each.values()) for each in found)
    assert all(found.count(each) == 1 for each in found)


def by_definition(asked, held, objective):
    """The candidates, each weight by itself."""
    everybody = [m.user_id for m in held.members if m.active]
    skilled = [m.user_id for m in held.members if m.active and all(r.met_by(m.skills) for r in asked.requirements)]
    named = {user: weight for user, weight in asked.member_weights.items() if user in everybody}
    total = sum(named.values())

    def scaled(user):
        return round(named[user] / total, 6) if total and user in named else 0.0

    def equal(user, among):
        return round(1 / len(among), 6) if user in among else 0.0

    offered = {
        "proportional": {user: scaled(user) for user in named} if total else {},
        "halfway": {u: (scaled(u) + equal(u, skilled)) / 2 for u in {*named, *skilled}} if total else {},
        "skill_coverage": {user: equal(user, skilled) for user in skilled},
        "equal_occupancy": {user: equal(user, everybody) for user in everybody},
    }
    found = []
    for name in (objective, "halfway", "skill_coverage", "equal_occupancy"):
        whole = normalized(dict.fromkeys(asked.member_weights, 0.0) | offered[name])
        found += [whole] if offered[name] and whole not in found else []
    return found


@settings(max_examples=100)
@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.floats(0, 1), min_size=1),
    st.sets(st.sampled_from("abcdef")),
    st.sets(st.sampled_from("abcdef")),
    st.sampled_from(OBJECTIVES),
)
def test_the_candidates_are_those_of_their_definition(weights, skilled, active, objective):
    members = [agent(user, skills=["S"] if user in skilled else [], active=user in active) for user in "abcdef"]
    asked, held = plan(member_weights=weights, required_skills=["S"], normalize=True), queue(*members)
    assert [found for _, found in candidates(asked, held, objective)] == by_definition(asked, held, objective)


class CountedId(str):
    """A user id that counts how often one is looked up."""

    __slots__ = ()
    looked_up = 0

    def __hash__(self):
        CountedId.looked_up += 1
        return super().__hash__()

    def __eq__(self, other):
        return super().__eq__(other)


def test_twice_as_many_members_take_twice_as_many_look_ups():
    taken = []
    for count in (100, 200):
        users = [CountedId(f"agent-{number}") for number in range(count)]
        asked = plan(member_weights={"a": 0.5}).model_copy(update={"member_weights": dict.fromkeys(users, 0.002)})
        before = CountedId.looked_up
        assert list(candidates(asked, queue(*map(agent, users)), "proportional"))
        taken.append(CountedId.looked_up - before)
    assert taken[1] <= 2.1 * taken[0]


def test_a_draft_may_leave_out_its_weights():
    text = '{"queue_id": "q", "overflow_threshold": 0.8, "utilization_target": 0.8, '
    text += '"strategy_reference": "longest-available-agent", "objective": "skill_coverage"}'
    draft, objective = draft_of(text)
    assert (draft.member_weights, objective) == ({PLACEHOLDER: 0.0}, "skill_coverage")
    with pytest.raises(RequestInvalid, match="objective is one of proportional, skill_coverage, equal_occupancy"):
        draft_of(text.replace("skill_coverage", "fairness"))


# ---- the queue at this moment ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_unobservable_queue_is_counted_by_its_members(dry_run):
    def observe(_queue_id):
        raise GenesysUnavailable("Gone.")

    asked = []
    analytics = lambda: asked.append("analytics") or SimpleNamespace(observe=observe)  # noqa: E731
    projector = Projector(None, analytics, None, "ring", 0, 1, None, None, 20, lambda: 1.0)
    seen = projector.observed(plan(dry_run=dry_run), queue(agent("a"), agent("b", active=False)))
    assert (seen.on_queue, seen.waiting, seen.source) == ({"ON_QUEUE": 1}, None, "members")
    assert asked == ["analytics"] * dry_run, "a distribution sends no more requests for it"


# ---- the effort ------------------------------------------------------------------------------------------------------


def expected_of(**changes):
    deployment = {"concurrent_writes": 1, "requests_per_minute": 300, "prices": prices("us-east-1")}
    return expected(**{"settings_last": False, "changed": changes["writes"]} | deployment | changes)


def test_the_expected_effort_has_requests_seconds_and_dollars():
    paced = expected_of(members=250, writes=60, sets_queue=1)
    assert (paced.reads, paced.writes, paced.requests) == (8, 61, 70)
    assert (paced.seconds, paced.seconds_at_the_budget) == (14.0, 14.0)
    assert paced.sentence == (
        "Expected: 70 requests to Genesys, 61 of them writes, in 14 s at the granted rate; "
        f"{paced.usd:.4f} US dollars for AWS at list prices (us-east-1, {prices('us-east-1').date})."
    )
    assert expected_of(members=250, writes=60, sets_queue=1, concurrent_writes=16).seconds == 2.8
    in_bulk = [expected_of(members=250, changed=n, writes=1, sets_queue=1).usd for n in (1, 100)]
    assert in_bulk[0] < in_bulk[1], "one write of a hundred members makes a larger record"
    assert expected_of(members=3, writes=0, sets_queue=0, requests_per_minute=0).requests == 4
    assert expected_of(members=1000, writes=10, sets_queue=0, reads_between=True).requests == 2 * 11 + 10 + 10


@pytest.mark.parametrize(
    ("members", "rate", "transitions"), [(0, 300, 11), (100, 300, 13), (5000, 3000, 13), (5000, 300, 19)]
)
def test_the_expected_transitions_grow_with_the_time_that_the_rate_takes(members, rate, transitions):
    """Each invocation of Patch writes for up to 276 s, and adds two transitions."""
    needed = expected_of(members=members, writes=members, sets_queue=1, requests_per_minute=rate, concurrent_writes=16)
    assert needed.transitions == transitions


@given(per_s=st.floats(1e-9, 2e4), aht_s=st.floats(0.001, 86_400))
def test_no_load_exceeds_the_bound_of_contacts(per_s, aht_s):
    horizon_s, warm_up_s = spans(per_s, aht_s)
    assert horizon_s > 0
    assert per_s * (horizon_s + warm_up_s) * REPLICATIONS <= MOST_CONTACTS * (1 + 1e-9)
    if per_s * aht_s <= 5_000:
        assert warm_up_s >= min(4 * aht_s, 1800) * (1 - 1e-9)


@pytest.mark.parametrize("level", [0.0, 1.0])
@pytest.mark.parametrize("offered", [60, 600])
def test_a_goal_may_be_nobody_or_everybody_in_time(level, offered):
    """Genesys takes a service level of 0 and of 100 %, and so does the forecast of a plan."""
    checked = check(reported(told(offered), own=(level, 20.0)), "service_level")
    assert checked["threshold"] == level
    assert checked["verdict"] == ("blocked" if level else "pass")
