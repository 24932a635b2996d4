"""Project: what is kept when a plan is refused, and what an expiry says that it has to leave."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from routing_weights.application.project import Project
from routing_weights.domain.actuators.joined import Joined
from routing_weights.domain.record import Closing, Opening
from routing_weights.domain.status import Status
from routing_weights.errors import ForecastMissing, MemberNotInQueue
from tests.support.fakes import (
    RING,
    FakeDocuments,
    FakeTrail,
    PlainContract,
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
        return {"overflow": "none", "without_effect": None, "members": {}}


def no_forecast(_plan):
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
    return Project(documents, trail, None, connect, projector, "platform", lambda: START).project


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
