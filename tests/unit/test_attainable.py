"""What a projection says of shares: what is attainable, what it costs, and what other hold times would bring."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from routing_weights.application.project import Projector
from routing_weights.application.suggest import Suggest
from routing_weights.domain.actuators.base import Ranking
from routing_weights.domain.effort import prices
from routing_weights.domain.queue import Member
from routing_weights.domain.types import ShareOptions
from routing_weights.errors import ApprovalRequired
from routing_weights.projection.accuracy import predicted
from routing_weights.projection.attainable import HOLDS_S, SAME, Hold
from routing_weights.projection.inputs import Forecast, Volume
from routing_weights.projection.outlook import Draws
from routing_weights.projection.project import project
from routing_weights.projection.simulation import Interval
from tests.support.fakes import FakeShares, limits, plan, queue, target

POOL = Ranking("joined")
BLIND, READ, HEARD = (Draws(standings_s, 20) for standings_s in (None, 5.0, 0.0))
THREE = {"ada": 0.4, "ben": 0.35, "cem": 0.25}


def projected(shares=THREE, *, offered=12.0, draws=HEARD, before=POOL, held=0.0, hold_s=10, away=(), **fields):
    """Contacts of 180 s in half an hour: 10 are an erlang. `held` is the share that each member has before."""
    volume = Volume(offered=offered, interval_s=1800, aht_s=180.0, patience_s=120.0)
    members = [Member(user, held, away="OFF_QUEUE" if user in away else None) for user in shares]
    return project(
        plan(member_weights=shares, utilization_target=1.0, **fields),
        queue(*members),
        target(shares),
        Forecast(volume.load, "plan", volume=volume),
        rankings=(before, Ranking("share", share=ShareOptions(hold_s=hold_s))),
        own_goal=(0.5, 20.0),
        limits=limits(required=frozenset({"service_level", "shares"})),
        overflow_gate=False,
        draws=draws,
    )


def shares_of(found):
    return found.document["models"]["simulation"]["shares"]


def gate(found):
    (check,) = [check for check in found.document["checks"] if check["name"] == "shares"]
    return check


def test_shares_that_the_members_have_time_for_are_attained():
    found = projected()
    shares = shares_of(found)
    assert found.document["verdict"] == "pass"
    assert [row["member"] for row in shares["members"]] == ["ada", "ben", "cem"]
    for row in shares["members"]:
        assert row["requested"] == THREE[row["member"]]
        assert row["at_most"] == pytest.approx(1 / 1.2)
        assert row["attainable"]["low"] < row["attainable"]["mean"] < row["attainable"]["high"]
        assert row["attainable"]["mean"] == pytest.approx(row["requested"], abs=0.015)
    deviations = [abs(row["requested"] - row["attainable"]["mean"]) for row in shares["members"]]
    assert shares["share_error"]["mean"] == pytest.approx(sum(deviations) / 3)
    assert gate(found)["value"] == pytest.approx(0.4 * 1.2)
    assert gate(found)["sentence"].startswith("Each share takes at most 48% of its member's time. The 3 shares")


def test_a_share_above_one_by_the_erlangs_needs_approval_and_the_sentence_says_what_is_attainable():
    found = projected({"ada": 0.5, "ben": 0.1, "cem": 0.1, "dua": 0.1, "eve": 0.1}, offered=30.0)
    assert gate(found)["verdict"] == "needs_approval"
    assert gate(found)["value"] == pytest.approx(1.5)
    ada = shares_of(found)["members"][0]
    assert ada["at_most"] == pytest.approx(1 / 3)
    assert 0.25 < ada["attainable"]["mean"] < 1 / 3 + 0.02
    sentence = (
        f"Not attainable at 3.00 erlangs, since an agent's time is limited: ada asks for 50.0% and can have at most "
        f"33.3% (projected: {ada['attainable']['mean']:.1%})."
    )
    assert sentence in found.document["reason"]
    with pytest.raises(ApprovalRequired):
        found.raise_unless_passed()
    accepted = projected(
        {"ada": 0.5, "ben": 0.1, "cem": 0.1, "dua": 0.1, "eve": 0.1}, offered=30.0, accept_uncertain=True
    )
    assert accepted.document["verdict"] == "pass"


def test_known_standings_cost_no_service_and_unknown_ones_do():
    costs = [shares_of(projected(offered=15.0, draws=draws))["cost"] for draws in (HEARD, READ, BLIND)]
    assert [cost["service_level"]["mean"] for cost in costs] == sorted(
        (c["service_level"]["mean"] for c in costs), reverse=True
    )
    assert costs[0]["mean_wait_s"]["mean"] == pytest.approx(0, abs=1e-9)
    assert min(cost["mean_wait_s"]["low"] for cost in costs[1:]) > 0


def test_the_cost_is_that_of_the_hold_and_not_of_the_mechanism_before():
    rings = Ranking("ring", (30.0,) * 5)
    slow = projected(before=rings, draws=BLIND)
    assert shares_of(slow)["cost"] == shares_of(projected(draws=BLIND))["cost"]


def test_shares_before_the_plan_are_simulated_too():
    """Half of the contacts were drawn for nobody. The others waited as they do after the plan."""
    drawn = Ranking("share", share=ShareOptions())
    found = projected(before=drawn, held=1 / 6, draws=BLIND, offered=15.0)
    waits = [found.document["models"]["simulation"][side]["mean_wait_s"]["mean"] for side in ("before", "after")]
    assert waits[0] < waits[1]
    assert shares_of(found)["cost"] == shares_of(projected(draws=BLIND, offered=15.0))["cost"]


def test_what_was_predicted_is_the_service_level_with_shares():
    found = projected(draws=BLIND, offered=15.0).document
    prediction = predicted(found)
    after = found["models"]["simulation"]["after"]["service_level"]
    assert (prediction.service_level.low, prediction.service_level.mean) == (after["low"], after["mean"])


def test_a_member_who_is_not_on_queue_attains_nothing():
    shares = shares_of(projected(away=("cem",)))
    ada, ben, cem = shares["members"]
    assert (cem["attainable"], cem["requested"]) == (None, 0.25)
    assert ada["attainable"]["mean"] > 0.4
    assert ben["attainable"]["mean"] > 0.35
    deviations = [abs(row["requested"] - (row["attainable"] or {"mean": 0.0})["mean"]) for row in shares["members"]]
    assert shares["share_error"]["mean"] == pytest.approx(sum(deviations) / 3)


def test_only_a_dry_run_waits_for_the_frontier_of_errors_and_service():
    """Twelve members at a load of 0.6, in two groups whose shares are one to three. Nothing says who is free."""
    shares = {f"agent-{number:02}": 0.04 if number < 6 else 0.12 for number in range(12)}
    assert shares_of(projected(shares, offered=70.0, draws=BLIND))["frontier"] == []
    frontier = shares_of(projected(shares, offered=70.0, draws=BLIND, hold_s=7, dry_run=True))["frontier"]
    assert [point["hold_s"] for point in frontier] == sorted({*HOLDS_S, 7})
    shortest, longest = frontier[0], frontier[-1]
    assert shortest["service_level"]["low"] > longest["service_level"]["high"]
    assert longest["share_error"]["high"] < shortest["share_error"]["low"]


def test_another_actuator_has_neither_shares_nor_their_gate():
    volume = Volume(offered=12.0, interval_s=1800, aht_s=180.0, patience_s=120.0)
    found = project(
        plan(member_weights=THREE, utilization_target=1.0),
        queue(*(Member(user, 0.0) for user in THREE)),
        target(THREE),
        Forecast(volume.load, "plan", volume=volume),
        rankings=(POOL, POOL),
        own_goal=None,
        limits=limits(),
        overflow_gate=False,
        draws=HEARD,
    )
    assert shares_of(found) is None
    assert "shares" not in {check["name"] for check in found.document["checks"]}


# ---- suggestions -----------------------------------------------------------------------------------------------------

TWELVE = {f"agent-{number:02}": 0.05 if number < 6 else 0.11 for number in range(12)}


class Genesys:
    """A queue of twelve agents that nobody has given a share yet."""

    raise_first, per_write = False, 1

    def __init__(self, actuation, goal):
        self.share, self.goal = actuation.actuator.share, goal

    def read_queue(self, queue_id):
        return queue(*(Member(user, 0.0) for user in TWELVE), queue_id=queue_id)

    def with_skills_in_use(self, held, _requirements):
        return held

    def target(self, wanted, _held):
        return target(wanted.weights)

    def statement(self, _wanted, _target, _held):
        return {"overflow": "gate", "without_effect": None}

    def rankings(self, _held, _target):
        return POOL, Ranking("share", share=self.share)

    def service_goal(self, _held):
        return self.goal, 20.0


def suggested(goal, *, standings_s=None):
    volume = Volume(offered=70.0, interval_s=1800, aht_s=180.0, patience_s=120.0)
    forecasting = SimpleNamespace(forecast_for=lambda _plan, _neighbours: Forecast(volume.load, "plan", volume=volume))
    projector = Projector(
        lambda: forecasting,
        lambda: None,
        limits(required=frozenset({"service_level"})),
        "share",
        0,
        1,
        prices("us-east-1"),
        standings_s,
        20,
        lambda: 1.0,
    )
    draft = plan(member_weights=TWELVE, strategy_reference="share-by-weight", utilization_target=1.0)
    return Suggest(projector, lambda actuation: Genesys(actuation, goal), FakeShares()).suggest(draft, "proportional")


def test_a_suggestion_has_the_hold_time_with_the_smallest_share_error_that_keeps_the_goal():
    found = suggested(0.8)
    frontier = found["projection"]["models"]["simulation"]["shares"]["frontier"]
    kept = [point for point in frontier if point["service_level"]["low"] >= 0.8]
    least = min(point["share_error"]["mean"] for point in kept)
    (own,) = [point for point in kept if point["hold_s"] == found["hold"]["hold_s"]]
    assert own["share_error"]["mean"] <= least + SAME
    assert own["hold_s"] < 10, "the default would miss the goal"
    assert found["passes"]
    assert ShareOptions(**found["plan"]["share"]) == ShareOptions(hold_s=own["hold_s"], then=20)
    assert found["hold"]["why"].startswith(
        f"{len(kept)} of {len(frontier)} hold times keep the goal of 80% within 20 s. Of these"
    )
    assert found["projection"]["models"]["simulation"]["shares"]["hold_s"] == own["hold_s"]
    assert found["tried"][-1]["weights"].endswith(f"and {own['hold_s']} s alone, then 20 s")


def holds(*points):
    """Shares with this frontier: hold time, share error, and the lower end of the service level."""
    shares = projected().outlook.shares
    frontier = (Hold(hold_s, Interval(error, 0.01), Interval(low + 0.01, 0.01)) for hold_s, error, low in points)
    return replace(shares, frontier=tuple(frontier))


@pytest.mark.parametrize(
    ("goal", "hold_s", "why"),
    [
        (
            0.8,
            10,
            "2 of 3 hold times keep the goal of 80% within 20 s. Of these 10 s is the shortest whose share error",
        ),
        (0.9, 5, "1 of 3 hold times keep"),
        (0.95, 5, "No hold time is sure to keep the goal of 95% within 20 s. 5 s comes nearest: 93.0%."),
    ],
)
def test_the_proposed_hold_time_has_the_smallest_error_of_those_that_keep_the_goal(goal, hold_s, why):
    proposal = holds((5, 0.020, 0.92), (10, 0.010, 0.85), (30, 0.005, 0.70)).proposed(goal)
    assert proposal.options == ShareOptions(hold_s=hold_s, then=20)
    assert proposal.why.startswith(why)


def test_of_equal_share_errors_the_shortest_hold_time_is_proposed():
    assert holds((5, 0.0104, 0.9), (10, 0.0102, 0.9), (30, 0.0100, 0.9)).proposed(0.8).options.hold_s == 5
    assert holds((5, 0.0204, 0.9), (10, 0.0102, 0.9), (30, 0.0100, 0.9)).proposed(0.8).options.hold_s == 10
    assert projected().outlook.shares.proposed(0.8) is None
