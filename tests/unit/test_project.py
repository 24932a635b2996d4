"""Project: what is kept when a plan is refused, what an expiry leaves, and what a repeated plan does not write."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from routing_weights.application.project import Project, Projector, beside_shares
from routing_weights.domain.actuation import resolve, statement
from routing_weights.domain.actuators.base import Ranking
from routing_weights.domain.actuators.joined import Joined
from routing_weights.domain.actuators.proficiency import Proficiency
from routing_weights.domain.effort import prices
from routing_weights.domain.fleet import Line
from routing_weights.domain.neighbours import Neighbour, Neighbours
from routing_weights.domain.queue import QueueSettings
from routing_weights.domain.record import Closing, Opening
from routing_weights.domain.shares import SharesInForce
from routing_weights.domain.status import Status
from routing_weights.domain.types import ShareOptions
from routing_weights.errors import ForecastMissing, MemberNotInQueue, StoreUnavailable
from routing_weights.projection.inputs import Carried, Forecast
from routing_weights.projection.verdict import Judgement
from tests.support.fakes import (
    RING,
    FakeDocuments,
    FakeShares,
    FakeTrail,
    PlainContract,
    gate,
    limits,
    member,
    plan,
    queue,
    run_of,
    target,
    work,
)

START = datetime(2026, 1, 31, 8, tzinfo=UTC)
UNTIL = "2026-01-31T17:00:00Z"
HELD = queue(member("agent-1", 0.4))


class Genesys(PlainContract):
    """A queue that holds `HELD`, under contract platform."""

    raise_first, per_write = True, 1

    def read_queue(self, _queue_id):
        return HELD

    def statement(self, *_):
        return {"overflow": "none", "without_effect": None, "members": {}, "notes": []}


def no_forecast(_plan, _neighbours):
    raise ForecastMissing("Nobody knows the load.")


@pytest.fixture
def documents():
    return FakeDocuments()


@pytest.fixture
def trail():
    return FakeTrail()


@pytest.fixture
def project(documents, trail):
    """The use case, for a queue without a forecast."""
    projector = SimpleNamespace(forecast_for=no_forecast, deployed_actuator="ring")
    connect = lambda _actuation: Genesys()  # noqa: E731
    return Project(documents, trail, None, FakeShares(), connect, projector, "platform", lambda: START, gate()).project


def test_a_plan_that_does_not_fit_the_queue_leaves_its_before_image_for_the_record(project, documents):
    documents.save_plan("d-1", plan(projected_load=1.0))
    with pytest.raises(MemberNotInQueue):
        project(run_of(START))
    assert documents.find_before("d-1") == HELD
    assert documents.find_work("d-1") is None


@pytest.mark.parametrize(("beneath", "also"), [(RING, ["first"]), (Joined(0.4), [])], ids=["same", "another"])
def test_an_expiry_reverts_the_plan_beneath_or_says_that_it_stays(project, documents, trail, beneath, also):
    for minute, (name, actuator) in enumerate((("first", beneath), ("second", RING))):
        reached = target({"agent-1": 0.4}, values={"agent-1": 1})
        documents.keep_work(name, work(plan(), reached, queue(member("agent-1", 0.1, value=6)), actuator))
        common = {"distribution_id": name, "queue_id": "queue-001", "until": UNTIL, "started_at": UNTIL}
        at = {"timestamp": f"2026-01-31T08:0{minute}:00.000Z"}
        trail.append(Opening(**common, **at, opened_queue_id="queue-001", status=Status.INITIATED))
        trail.append(Closing(**common, **at, status=Status.COMPLETED))
    restores = {"distribution_id": "second", "image": "before"}
    documents.save_plan("d-1", plan(restores=restores, reason="The plan has expired."))
    project(run_of(START).model_copy(update={"returns": "second"}))
    decided = documents.work("d-1").plan
    assert decided.restores.also == also
    left = "" if also else (
        " Distribution first beneath it has expired too, and stays: another mechanism carried it. To revert it, send "
        "POST /distributions/first/restore."
    )  # fmt: skip
    assert decided.reason == f"The plan has expired.{left}"


# ---- a plan that is sent again, where Genesys keeps fewer decimals ---------------------------------------------------

WEIGHTS = {"agent-1": 0.4, "agent-2": 0.13}
KEPT = {"agent-1": 5.0, "agent-2": 1.6}
"""What Genesys makes of the proficiencies 5 and 1.625."""


def holding(values):
    weight = Proficiency(0.4, 6).weight
    held = (member(user, weight(value), value=value) for user, value in values.items())
    return queue(*held, skill=("s-1", "Skill 1"))


class SameSkill(Genesys):
    """A queue whose members hold these proficiencies."""

    def __init__(self, actuation, values):
        self.actuation, self.values = actuation, values

    def read_queue(self, _queue_id):
        return holding(self.values)

    def target(self, wanted, _before):
        return self.actuation.target(wanted, {})

    def statement(self, wanted, target_, _before):
        return statement(wanted, target_, self.actuation, overflow="gate", notes=[])

    def with_skills_in_use(self, before, _required):
        return before


class AnySkill:
    def require(self, skill_id, queue_id):
        assert (skill_id, queue_id) == ("s-1", "queue-001")


@pytest.fixture
def send(documents, trail, own_strategy):
    """Run a plan on a queue that holds these values; returns the decision. The run completes with `after`."""
    own_strategy(proficiency_digits=6, actuator="proficiency")

    def send(name, values, after=None, *, minute=0, weights=WEIGHTS):
        document = {"member_weights": weights, "strategy_reference": "own", "skill": "Skill 1"}
        documents.save_plan(name, plan(**document))
        projector = SimpleNamespace(
            forecast_for=lambda *_: None,
            project=lambda *_: SimpleNamespace(
                document={}, judgement=Judgement("pass", "", ()), raise_if_blocked=lambda: None
            ),
            deployed_actuator="ring",
        )
        connect = lambda actuation: SameSkill(actuation, values)  # noqa: E731
        project = Project(
            documents, trail, AnySkill(), FakeShares(), connect, projector, "platform", lambda: START, gate()
        )
        project.project(run_of(START).model_copy(update={"distribution_id": name}))
        common = {"distribution_id": name, "queue_id": "queue-001", "started_at": UNTIL}
        at = {"timestamp": f"2026-01-31T08:0{minute}:00.000Z"}
        trail.append(Opening(**common, **at, opened_queue_id="queue-001", status=Status.INITIATED))
        if after:
            documents.save_after(name, holding(after))
            trail.append(Closing(**common, **at, status=Status.COMPLETED))
        return documents.work(name).decision

    return send


def test_a_repeated_plan_writes_nothing_although_genesys_rounds(send):
    assert send("first", {"agent-1": 1.0, "agent-2": 1.0}, KEPT).order == ("agent-1", "agent-2")
    for minute, name in enumerate(("second", "third"), 1):
        again = send(name, KEPT, KEPT, minute=minute)
        assert (again.order, again.target.values) == ((), KEPT)
        assert again.target.weights == {"agent-1": 0.4, "agent-2": pytest.approx(0.128)}
        line = again.statement["members"]["agent-2"]
        assert (line["requested"], line["value"], line["error"]) == (0.13, 1.6, pytest.approx(0.002))
        assert "Genesys has kept 1 decimal of the proficiencies" in again.statement["notes"][-1]


@pytest.mark.parametrize(
    ("first", "after", "now"),
    [
        (WEIGHTS, KEPT, KEPT | {"agent-2": 2.0}),
        (WEIGHTS, KEPT, KEPT | {"agent-2": 1.7}),
        (WEIGHTS, {"agent-1": 5.0, "agent-2": 1.625}, KEPT),
        ({"agent-1": 0.4, "agent-2": 0.129}, KEPT, KEPT),
        (WEIGHTS, None, KEPT),
    ],
    ids=["edited to a rounder value", "edited", "kept in full before", "another plan before", "never completed"],
)
def test_a_value_that_genesys_did_not_make_of_this_plan_is_written(send, first, after, now):
    send("first", {"agent-1": 1.0, "agent-2": 1.0}, after, weights=first)
    again = send("second", now, minute=1)
    assert again.order == ("agent-2",)
    assert again.target.values == {"agent-1": 5.0, "agent-2": 1.625}


# ---- the other queues of its fleet -----------------------------------------------------------------------------------

OF_FLEET = run_of(START).model_copy(update={"fleet_id": "f-1", "fleet_line": (400, 120)})
OTHER = Neighbour(queue_id="queue-b", shared=1, agents=2)


class InFleet(Genesys):
    def target(self, wanted, _queue):
        return target(wanted.weights)

    def with_skills_in_use(self, held, _requirements):
        return held


@pytest.fixture
def in_fleet(documents, trail):
    """Make the use case for a plan that is kept, with a function that knows its forecast."""

    def project(forecast_for):
        projector = SimpleNamespace(forecast_for=forecast_for, deployed_actuator="ring")
        documents.save_plan("d-1", plan(member_weights={"agent-1": 0.4}))
        return Project(
            documents, trail, None, FakeShares(), lambda _: InFleet(), projector, "platform", lambda: START, gate()
        ).project

    return project


RULED = replace(HELD, settings=QueueSettings(routing_rules="100 for 10 s"))
GOES_ON, HARDLY = (
    "Shares of distribution d-0 are in force: a flow that draws goes on",
    "The weights have hardly any effect",
)


@pytest.mark.parametrize(
    ("actuator", "contract", "weights", "held", "noted"),
    [
        ("ring", "platform", {"agent-1": 0.3}, RULED, HARDLY),
        ("joined", "platform", {"agent-1": 0.3}, RULED, GOES_ON),
        ("ring", "platform", {"agent-1": 0.3}, HELD, GOES_ON),
        ("ring", "platform", {}, RULED, None),
        ("share", "platform", {"agent-1": 0.3}, RULED, None),
        ("score", "score", {"agent-1": 0.3}, RULED, None),
    ],
)
def test_shares_that_another_actuator_leaves_in_force_are_noted_and_a_ranking_beside_them_needs_approval(
    documents, trail, actuator, contract, weights, held, noted
):
    class Ruled(InFleet):
        def read_queue(self, _queue_id):
            return held

    shares = FakeShares(SharesInForce("queue-001", "d-0", weights, ShareOptions(), 1))
    projector = SimpleNamespace(forecast_for=no_forecast, deployed_actuator=actuator)
    connect = lambda _actuation: Ruled()  # noqa: E731
    project = Project(documents, trail, None, shares, connect, projector, contract, lambda: START, gate())
    documents.save_plan("d-1", plan(member_weights={"agent-1": 0.4}))
    with pytest.raises(ForecastMissing):
        project.project(run_of(START))
    stated = documents.work("d-1").decision.statement
    assert [note.startswith(noted) for note in stated["notes"]] == [True] * bool(noted)
    assert (stated["without_effect"] or "").startswith(HARDLY) is (noted == HARDLY)
    assert all("no longer ends them. To end them, revert that distribution, or" in note for note in stated["notes"])


def test_a_revert_beside_shares_in_force_is_noted_and_needs_no_approval():
    shares = FakeShares(SharesInForce("queue-001", "d-0", {"agent-1": 0.3}, ShareOptions(), 1))
    reverts = plan(restores={"distribution_id": "d-1"})
    stated = {"without_effect": None, "notes": []}
    stated = beside_shares(stated, reverts, resolve(plan(), deployed="ring"), RULED, shares)
    assert (stated["without_effect"], stated["notes"][0].startswith(GOES_ON)) == (None, True)


def test_a_plan_of_a_fleet_is_projected_with_the_neighbours_of_its_line(documents, in_fleet):
    asked = []

    def forecast_for(wanted, neighbours):
        asked.append((wanted.queue_id, neighbours))
        raise ForecastMissing("That is enough for this test.")

    project = in_fleet(forecast_for)
    documents.fleet_lines["f-1", 400, 120] = Line({}, Neighbours(counted=(OTHER,)).to_json())
    for run in (OF_FLEET, run_of(START)):
        with pytest.raises(ForecastMissing):
            project(run)
    assert asked == [("queue-001", Neighbours(counted=(OTHER,))), ("queue-001", Neighbours())]


def test_a_plan_of_a_fleet_whose_line_is_gone_is_not_projected_alone(in_fleet):
    with pytest.raises(StoreUnavailable, match="line of fleet f-1"):
        in_fleet(no_forecast)(OF_FLEET)


@pytest.mark.parametrize(
    ("own", "counted"), [({}, 30.0), ({"projected_load": 7.0}, None)], ids=["nothing stated", "its own plan states it"]
)
def test_a_queue_that_shares_agents_by_plan_and_by_fleet_is_counted_once(own, counted):
    """As a neighbour: with the load of its own plan, else with what this plan states of it."""
    asked = []
    forecasting = SimpleNamespace(forecast_for=lambda _plan, neighbours: asked.append(neighbours))
    projector = Projector(
        lambda: forecasting, lambda: None, limits(), "ring", 0, 1, prices("us-east-1"), None, 20, lambda: 1.0
    )
    shared = {"queue_id": "queue-b", "forecast": {"offered": 30, "aht_s": 180}}
    wanted = plan(member_weights={"agent-1": 0.4}, shared_with=[shared])
    projector.forecast_for(wanted, Neighbours(counted=(OTHER.model_copy(update=own),)))
    (neighbour,) = asked[0].counted
    assert (neighbour.forecast and neighbour.forecast.offered) == counted
    assert neighbour.projected_load == own.get("projected_load")

    carried = Carried("queue-b", 1, 2, Forecast(3.0, "plan"))
    genesys = SimpleNamespace(
        rankings=lambda *_: (Ranking("joined"), Ranking("joined")),
        service_goal=lambda _queue: None,
        raise_first=True,
        per_write=1,
        read_queue=None,
    )
    forecast = Forecast(1.0, "plan", carried=(carried,))
    found = projector.project(
        wanted, HELD, target({"agent-1": 0.4}), forecast, genesys, {"overflow": "none", "without_effect": None}
    )
    assert found.saturation.projected_load == 2.5
