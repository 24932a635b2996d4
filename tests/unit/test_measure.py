"""Measurements: which distributions are measured, when and how often, and which were not alone on their queue."""

from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.api.accuracy import calibration_page
from routing_weights.api.distributions import distribution
from routing_weights.application.accuracy import CANNOT_TELL, NOT_ALONE, compared
from routing_weights.application.measure import MOST, SETTLED, Measure
from routing_weights.domain.record import Closing, Handled, Measurement, Opening, Realised, RealisedAccuracy, timestamp
from routing_weights.errors import GenesysUnavailable
from routing_weights.projection.accuracy import LOOK_BACK, SPAN
from tests.support.fakes import FakeDrawnHistory, FakeExecutions, FakeTrail
from tests.unit.test_accuracy import realised
from tests.unit.test_projection import reported, told

QUEUE = "queue-001"
COMPLETED = datetime(2026, 1, 31, 8, 10, tzinfo=UTC)
START = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)
OVER = START + SPAN + SETTLED


@pytest.fixture(scope="module")
def document():
    """A recorded projection: 60 contacts of 180 s per half hour, on 11 agents."""
    return reported(told(60)).document


class Reads:
    """Genesys, as far as it is asked what happened."""

    def __init__(self):
        self.asked, self.happened, self.failure = [], {QUEUE: realised()}, None
        self.asked_by_member, self.members = [], {}

    def realised(self, queue_ids, start, end):
        self.asked.append((queue_ids, start, end))
        if self.failure:
            raise self.failure
        return {queue: hour for queue, hour in self.happened.items() if queue in queue_ids}

    def realised_by_member(self, queue_ids, start, end):
        """The contacts of the members for each whole half-hour."""
        self.asked_by_member.append((queue_ids, start, end))
        if self.failure:
            raise self.failure
        halves = (end - start) // timedelta(minutes=30)
        return {
            queue: {user: Handled(contacts * halves, 180.0 * contacts * halves) for user, contacts in users.items()}
            for queue, users in self.members.items()
            if queue in queue_ids
        }


class Scene:
    """Distributions of a queue, and what is measured after them. `trail` is a fake, or the table."""

    def __init__(self, trail, document):
        self.trail, self.document, self.genesys, self.executions = trail, document, Reads(), FakeExecutions()
        self.history = FakeDrawnHistory()

    def distribution(self, name, status="completed", *, queue=QUEUE, at=COMPLETED, opened=None, succeeded=True, **more):
        opened = opened or at - timedelta(minutes=1)
        common = {"distribution_id": name, "queue_id": queue, "started_at": timestamp(opened)}
        first = {"opened_queue_id": queue, "status": "initiated", "timestamp": timestamp(opened)}
        self.trail.append(Opening(**common, **first))
        last = {"status": status, "timestamp": timestamp(at), "projection": self.document} | more
        if status != "initiated":
            self.trail.append(Closing(**common, **last))
        if succeeded:
            self.executions.ended.insert(0, (name, opened))

    def measure(self, now=OVER, genesys=True, has_time=lambda: True):
        genesys = self.genesys if genesys else None
        measure = Measure(self.trail, self.executions, genesys, self.history, has_time)
        return measure.measure(now)

    def record(self, name="d-1"):
        return self.trail.find(name).measurement

    def page(self, now=OVER, can_tell=True):
        listed, token = self.trail.of_queue(QUEUE, since="0000", until="9999", limit=50, after=None)
        completed = [run for run in listed if run.status == "completed"]
        found = self.trail.of_kind(Measurement, [run.distribution_id for run in completed])
        items = compared(completed, found, now, can_tell=can_tell)
        shares = self.trail.of_kind(RealisedAccuracy, [run.distribution_id for run in completed])
        return calibration_page(QUEUE, items, shares, token, can_tell=can_tell)


@pytest.fixture
def scene(document):
    return Scene(FakeTrail(), document)


def test_a_completed_distribution_is_measured_once_after_its_hour(scene):
    scene.distribution("d-1")
    assert scene.measure(OVER - timedelta(seconds=1)) == {"measured": 0, "shared": 0, "failed": 0}
    assert scene.genesys.asked == []
    assert scene.measure() == {"measured": 1, "shared": 0, "failed": 0}
    assert scene.genesys.asked == [([QUEUE], START, START + SPAN)]
    kept = scene.record()
    assert (kept.start, kept.end) == ("2026-01-31T08:30:00.000Z", "2026-01-31T09:30:00.000Z")
    assert (kept.others, kept.alone, kept.predicted.source) == ((), True, "plan")
    assert kept.realised == realised()
    scene.genesys.happened = {}
    assert scene.measure(OVER + timedelta(hours=1)) == {"measured": 0, "shared": 0, "failed": 0}
    assert scene.record() == kept


def test_a_measurement_changes_nothing_of_what_the_api_shows_and_lists(scene):
    scene.distribution("d-1")
    before = distribution(scene.trail.find("d-1"))
    listed = scene.trail.of_queue(QUEUE, since="0000", until="9999", limit=50, after=None)
    scene.measure()
    assert scene.record() is not None
    assert distribution(scene.trail.find("d-1")) == before
    assert scene.trail.of_queue(QUEUE, since="0000", until="9999", limit=50, after=None) == listed


def test_a_queue_without_contacts_has_a_measurement(scene):
    scene.distribution("d-1")
    scene.genesys.happened = {}
    assert scene.measure()["measured"] == 1
    assert scene.record().realised == Realised()
    (item,) = scene.page().items
    assert (item.state, item.figures["offered"].realised) == ("measured", 0)


def test_queues_with_the_same_interval_are_read_in_one_request(scene):
    for number in range(3):
        scene.distribution(f"d-{number}", queue=f"queue-{number}", at=COMPLETED + timedelta(minutes=number))
    scene.distribution("d-9", at=COMPLETED - timedelta(minutes=30))
    scene.measure()
    asked = [queues for queues, _, _ in scene.genesys.asked]
    assert asked == [[QUEUE], ["queue-0", "queue-1", "queue-2"]]


@pytest.mark.parametrize("status", ["dry_run", "member_update_failed", "queue_busy"])
def test_a_run_that_did_not_complete_is_not_measured(scene, status):
    scene.distribution("d-1", status)
    assert scene.measure()["measured"] == 0
    assert scene.record() is None


def test_an_incomparable_projection_is_recorded_with_the_reason(scene):
    scene.distribution("d-1", projection=scene.document | {"models": None})
    assert scene.measure() == {"measured": 0, "shared": 0, "failed": 0}
    assert scene.genesys.asked == []
    assert "a load alone" in scene.record().why
    (item,) = scene.page().items
    assert (item.state, item.why) == ("not_comparable", scene.record().why)


def test_a_reading_that_fails_is_logged_and_tried_again(scene, logs):
    scene.distribution("d-1")
    scene.genesys.failure = GenesysUnavailable("Genesys does not answer.")
    assert scene.measure() == {"measured": 0, "shared": 0, "failed": 2}, "the projection, and the shares"
    assert scene.record() is None
    lines = [line for line in logs() if "Not measured" in line["msg"]]
    assert [(line["distributions"], line["reason"]) for line in lines] == [(["d-1"], "Genesys does not answer.")] * 2
    assert scene.page().items[0].state == "pending"
    scene.genesys.failure = None
    assert scene.measure(OVER + timedelta(hours=5)) == {"measured": 1, "shared": 0, "failed": 0}


def test_an_interval_that_was_never_measured_counts_as_missed(scene):
    scene.distribution("d-1")
    late = COMPLETED + LOOK_BACK + timedelta(minutes=1)
    assert scene.measure(late) == {"measured": 0, "shared": 0, "failed": 0}
    (item,) = scene.page(late).items
    assert item.state == "missed"
    assert "CalibrateFunction" in item.why


def test_under_contract_score_nothing_is_listed_and_the_api_says_why(scene):
    scene.distribution("d-1")
    assert scene.measure(genesys=False) == {"measured": 0, "shared": 0, "failed": 0}
    assert scene.genesys.asked == []
    page = scene.page(can_tell=False)
    assert (page.sentence, page.items[0].state, page.measured) == (CANNOT_TELL, "cannot_tell", 0)


def test_without_time_the_rest_waits_for_the_next_run(scene):
    scene.distribution("d-1")
    assert scene.measure(has_time=lambda: False) == {"measured": 0, "shared": 0, "failed": 0}
    assert scene.measure()["measured"] == 1


def test_one_invocation_measures_the_oldest_ones(scene, monkeypatch):
    monkeypatch.setattr("routing_weights.application.measure.MOST", 2)
    assert MOST == 100
    for number in range(3):
        scene.distribution(f"d-{number}", queue=f"queue-{number}", at=COMPLETED + timedelta(minutes=number))
    assert scene.measure()["measured"] == 2
    assert scene.record("d-2") is None
    assert scene.measure()["measured"] == 1


# ---- not alone -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "member_update_failed", "interrupted", "initiated"])
def test_a_distribution_that_came_in_between_is_named_and_the_figures_do_not_count(scene, status):
    scene.distribution("d-1")
    scene.distribution("d-2", status, at=START + timedelta(minutes=40), succeeded=False)
    scene.measure()
    assert (scene.record().others, scene.record().alone) == (("d-2",), False)
    page = scene.page()
    item = next(item for item in page.items if item.distribution_id == "d-1")
    assert (item.state, item.why, item.others) == ("not_alone", NOT_ALONE, ["d-2"])
    assert item.figures["offered"].realised == 60
    assert (page.measured, page.summary, page.sentence) == (0, {}, "Nothing has been compared yet.")


def test_one_that_was_opened_earlier_and_waited_for_the_queue_came_in_between_too(scene):
    scene.distribution("d-1")
    later = COMPLETED + timedelta(minutes=2)
    scene.distribution("d-2", at=later, opened=COMPLETED - timedelta(minutes=50), succeeded=False)
    scene.measure()
    assert scene.record().others == ("d-2",)


@pytest.mark.parametrize(
    ("status", "minutes"),
    [("completed", -5), ("dry_run", 40), ("saturation_blocked", 40), ("queue_busy", 40), ("completed", 90)],
)
def test_a_run_that_wrote_nothing_in_the_meantime_does_not_matter(scene, status, minutes):
    scene.distribution("d-1")
    at = COMPLETED + timedelta(minutes=minutes)
    scene.distribution("d-2", status, at=at, succeeded=False)
    scene.measure()
    assert (scene.record().others, scene.record().alone) == ((), True)
