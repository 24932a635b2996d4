"""Realised shares: from when on and how long they are measured, and what is recorded of them."""

from datetime import timedelta
from math import comb

import pytest

from routing_weights.api.distributions import distribution
from routing_weights.application.measure_shares import LONGEST_SPAN, SETTLED
from routing_weights.domain.drawn import DrawnBucket
from routing_weights.domain.realised import accuracy_by_chance, interval, realised_accuracy
from routing_weights.domain.record import MemberShare, Records
from routing_weights.errors import GenesysUnavailable
from routing_weights.projection.accuracy import SPAN
from tests.support.fakes import FakeTrail
from tests.unit.test_measure import COMPLETED, OVER, QUEUE, START, Scene

HALF = timedelta(minutes=30)
WEIGHTS = {"a": 0.5, "b": 0.3, "c": 0.1}


class Shares(Scene):
    def __init__(self, trail):
        super().__init__(trail, None)
        self.genesys.members = {QUEUE: {"a": 30, "b": 15, "d": 5}}

    def distribution(self, name="d-1", status="completed", **more):
        super().distribution(name, status, **{"requested_weights": WEIGHTS, **more})

    def shares(self, name="d-1"):
        return self.trail.find(name).shares


@pytest.fixture
def scene():
    return Shares(FakeTrail())


def test_an_hour_with_enough_contacts_has_shares_and_an_accuracy(scene):
    scene.distribution()
    scene.measure(OVER - timedelta(seconds=1))
    assert (scene.shares(), scene.genesys.asked_by_member) == (None, [])
    assert scene.measure() == {"measured": 0, "shared": 1, "failed": 0}
    shares = scene.shares()
    assert scene.genesys.asked_by_member == [([QUEUE], START, START + SPAN)]
    assert (shares.start, shares.end) == ("2026-01-31T08:30:00.000Z", "2026-01-31T09:30:00.000Z")
    assert (shares.contacts, shares.handle_s, shares.why, shares.ended_by) == (100, 18_000.0, None, None)
    assert shares.shares == {
        "a": MemberShare(0.5, 60, 10_800.0),
        "b": MemberShare(0.3, 30, 5_400.0),
        "c": MemberShare(0.1),
    }
    assert shares.realised_accuracy == pytest.approx(100 * (1 - (0.1 + 0.0 + 0.1) / 3))
    scene.measure(OVER + HALF)
    assert (scene.shares(), len(scene.genesys.asked_by_member)) == (shares, 1), "measured once"


def test_draws_stand_beside_what_was_received(scene):
    scene.distribution(actuation={"actuator": "share"})
    scene.history.put(QUEUE, DrawnBucket(START, "d-1", {"a": 40, "b": 21}, 9))
    scene.history.put(QUEUE, DrawnBucket(START + HALF, "d-1", {"a": 15, "d": 2}))
    scene.history.put(QUEUE, DrawnBucket(START + SPAN, "d-1", {"a": 99}))
    scene.measure()
    assert {member: share.drawn for member, share in scene.shares().shares.items()} == {"a": 55, "b": 21, "c": 0}


def test_the_interval_grows_until_there_are_enough_contacts(scene):
    scene.distribution()
    scene.genesys.members = {QUEUE: {"a": 14, "b": 6}}
    for halves in (0, 1, 2):
        assert scene.measure(OVER + halves * HALF)["shared"] == 0, halves
    assert scene.measure(OVER + 3 * HALF)["shared"] == 1
    assert [end for _, _, end in scene.genesys.asked_by_member] == [START + SPAN + n * HALF for n in range(4)]
    assert (scene.shares().contacts, scene.shares().end) == (100, "2026-01-31T11:00:00.000Z")


def test_a_quiet_queue_has_its_shares_and_no_accuracy_after_the_longest_time(scene):
    scene.distribution()
    scene.genesys.members = {QUEUE: {"a": 1, "b": 1}}
    end = START + LONGEST_SPAN + SETTLED
    assert scene.measure(end - HALF)["shared"] == 0
    assert scene.measure(end)["shared"] == 1
    shares = scene.shares()
    assert (shares.contacts, shares.realised_accuracy) == (88, None)
    assert shares.why == "Too few contacts: 88 were answered, and a number takes 100."
    assert shares.shares["a"] == MemberShare(0.5, 44, 7_920.0)


@pytest.mark.parametrize("status", ["completed", "member_update_failed", "interrupted"])
def test_another_distribution_ends_the_measurement(scene, status):
    scene.distribution()
    begun = START + timedelta(minutes=50)
    scene.distribution("d-2", status, at=begun + timedelta(minutes=2), opened=begun)
    scene.measure()
    shares = scene.shares()
    assert (shares.end, shares.ended_by, shares.contacts) == ("2026-01-31T09:00:00.000Z", "d-2", 50)
    assert "Too few contacts: 50" in shares.why


def test_one_that_waited_for_the_queue_leaves_nothing_to_measure(scene):
    scene.distribution()
    at, opened = COMPLETED + timedelta(minutes=2), COMPLETED - timedelta(minutes=50)
    scene.distribution("d-2", at=at, opened=opened, succeeded=False)
    scene.measure()
    assert (scene.shares().ended_by, scene.shares().contacts) == ("d-2", 0)
    assert scene.genesys.asked_by_member == []


def test_while_another_distribution_is_under_way_nothing_is_recorded(scene):
    scene.distribution()
    scene.distribution("d-2", "initiated", opened=START + timedelta(minutes=40), succeeded=False)
    assert scene.measure(OVER + HALF)["shared"] == 0
    assert scene.shares() is None


@pytest.mark.parametrize("status", ["dry_run", "saturation_blocked", "queue_busy"])
def test_a_run_that_wrote_nothing_ends_no_measurement(scene, status):
    scene.distribution()
    scene.distribution("d-2", status, at=START + timedelta(minutes=10))
    scene.measure()
    assert (scene.shares().ended_by, scene.shares().contacts) == (None, 100)


def test_queues_with_the_same_interval_are_read_in_one_request(scene):
    for number in range(3):
        scene.distribution(f"d-{number}", queue=f"queue-{number}", at=COMPLETED + timedelta(minutes=number))
    scene.measure()
    assert [queues for queues, _, _ in scene.genesys.asked_by_member] == [["queue-0", "queue-1", "queue-2"]]


def test_a_reading_that_fails_is_tried_again(scene):
    scene.distribution()
    scene.genesys.failure = GenesysUnavailable("Genesys does not answer.")
    assert scene.measure()["failed"] == 1
    scene.genesys.failure = None
    assert scene.measure()["shared"] == 1


def test_without_time_the_rest_waits_for_the_next_run(scene):
    scene.distribution()
    assert scene.measure(has_time=lambda: False)["shared"] == 0
    assert scene.genesys.asked_by_member == []


def test_records_of_earlier_releases_have_no_shares(scene):
    scene.distribution()
    assert Records.parse(scene.trail.records["d-1"].values()).shares is None


def test_the_record_and_the_calibration_show_the_accuracy_with_its_sample_size(scene):
    scene.distribution()
    assert distribution(scene.trail.find("d-1")).realised_shares is None
    scene.measure()
    shown = distribution(scene.trail.find("d-1"))
    (item,) = scene.page().items
    assert item.realised_shares.model_dump() == shown.realised_shares.model_dump(exclude={"members"})
    shares = shown.realised_shares
    assert shown.realised_accuracy == shares.realised_accuracy == pytest.approx(93.333333333)
    assert (shares.contacts, shares.handle_s, shares.ended_by) == (100, 18_000.0, None)
    assert shares.accuracy_by_chance == pytest.approx(accuracy_by_chance(WEIGHTS, 100))
    member = shares.members["a"]
    assert (member.requested, member.share, member.contacts, member.drawn) == (0.5, 0.6, 60, None)
    assert (member.low, member.high) == interval(60, 100)


def test_without_contacts_there_is_no_share_and_no_accuracy_by_chance(scene):
    scene.distribution()
    scene.genesys.members = {}
    scene.measure(START + LONGEST_SPAN + SETTLED)
    shares = distribution(scene.trail.find("d-1")).realised_shares
    assert (shares.realised_accuracy, shares.accuracy_by_chance, shares.contacts) == (None, None, 0)
    assert (shares.members["a"].share, shares.members["a"].low, shares.members["a"].high) == (None, 0.0, 1.0)


# ---- the arithmetic --------------------------------------------------------------------------------------------------


def test_weights_that_are_no_shares_have_no_accuracy():
    assert realised_accuracy({}, {}, 500) == "No share is requested."
    wrong = realised_accuracy({"a": 1.0, "b": 0.6}, {"a": 250, "b": 250}, 500)
    assert wrong == "The weights sum to 1.60: they rank members, and are no shares."


def test_99_contacts_are_too_few_and_100_are_enough():
    assert isinstance(realised_accuracy({"a": 1.0}, {"a": 99}, 99), str)
    assert realised_accuracy({"a": 1.0}, {"a": 100}, 100) == 100.0


def test_a_member_with_weight_0_who_took_all_contacts_is_completely_wrong():
    assert realised_accuracy({"a": 0.0}, {"a": 200}, 200) == 0.0


def test_wilsons_interval_is_that_of_the_textbook():
    """Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263, 15 of 148, 0 of 20 and 29 of 29."""
    cases = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0.0, 0.1611), (29, 29): (0.8830, 1.0)}
    for (contacts, total), bounds in cases.items():
        assert interval(contacts, total) == pytest.approx(bounds, abs=5e-5)
    assert interval(0, 0) == (0.0, 1.0)


def test_the_accuracy_by_chance_is_that_of_exact_binomials():
    p, n = 0.3, 120
    distance = sum(comb(n, k) * p**k * (1 - p) ** (n - k) * abs(k / n - p) for k in range(n + 1))
    assert accuracy_by_chance({"a": p}, n) == pytest.approx(100 * (1 - distance), abs=0.05)
