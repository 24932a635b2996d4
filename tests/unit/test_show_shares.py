"""The shares of a queue in a span of time: which plans were in force, what was drawn, and what everybody received."""

from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.api.shares import shares_page, span_until
from routing_weights.application.show_shares import MAX_PARTS, ShowShares
from routing_weights.domain.draw import Tally
from routing_weights.domain.drawn import DrawnBucket
from routing_weights.domain.realised import interval
from routing_weights.domain.record import Closing, Handled, Opening, timestamp
from routing_weights.errors import RequestInvalid, SharesNotMeasurable
from tests.support.fakes import FakeDrawnHistory, FakeTallies, FakeTrail

QUEUE = "queue-001"
FROM = datetime(2026, 3, 2, 8, tzinfo=UTC)
TO = datetime(2026, 3, 2, 18, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = TO + timedelta(hours=1)


class Genesys:
    """What each user received in each hour."""

    def __init__(self):
        self.asked, self.hours = [], {}

    def received(self, start, end, **contacts):
        """Every hour from `start` to `end`."""
        while start < end:
            self.hours[start] = {user: Handled(count, 200.0 * count) for user, count in contacts.items()}
            start += timedelta(hours=1)

    def realised_by_member(self, queue_ids, start, end):
        self.asked.append((queue_ids, start, end))
        users = {}
        for at, hour in self.hours.items():
            if start <= at < end:
                for user, handled in hour.items():
                    known = users.get(user, Handled())
                    users[user] = Handled(known.contacts + handled.contacts, known.handle_s + handled.handle_s)
        return {QUEUE: users} if users else {}


class Scene:
    def __init__(self):
        self.trail, self.genesys = FakeTrail(), Genesys()
        self.tallies, self.history = FakeTallies(), FakeDrawnHistory()

    def plan(self, name, at, weights, *, actuator="share", status="completed", opened=None):
        opened = opened or at - timedelta(minutes=1)
        common = {"distribution_id": name, "queue_id": QUEUE, "started_at": timestamp(opened)}
        first = {"opened_queue_id": QUEUE, "status": "initiated", "timestamp": timestamp(opened)}
        self.trail.append(Opening(**common, **first))
        last = {"status": status, "timestamp": timestamp(at), "requested_weights": weights}
        self.trail.append(Closing(**common, **last, actuation={"actuator": actuator}))

    def show(self, start=FROM, end=TO, now=NOW, genesys=True):
        show = ShowShares(self.trail, self.genesys if genesys else None, self.tallies, self.history)
        return show.show(QUEUE, start, end, now)


@pytest.fixture
def scene():
    return Scene()


YESTERDAY = FROM - timedelta(days=1)


def test_requested_and_realised_stand_side_by_side(scene):
    scene.plan("d-1", YESTERDAY, {"a": 0.5, "b": 0.3, "away": 0.1}, actuator="ring")
    scene.genesys.received(FROM, TO, a=30, b=8, c=2)
    scene.genesys.received(TO, NOW, a=999)
    report = scene.show()
    page = shares_page(report)
    assert scene.genesys.asked == [([QUEUE], FROM, TO)]
    assert (page.start, page.end) == ("2026-03-02T08:00:00.000Z", "2026-03-02T18:00:00.000Z")
    assert (page.contacts, page.handle_s, page.draws, page.drawn_for_nobody) == (400, 80_000.0, None, None)
    (plan,) = page.plans
    assert (plan.distribution_id, plan.actuator, plan.contacts) == ("d-1", "ring", 400)
    assert [member.user_id for member in page.members] == ["a", "b", "away"]
    first, _, away = page.members
    assert (first.requested, first.contacts, first.share, first.handle_s) == (0.5, 300, 0.75, 60_000.0)
    assert (first.low, first.high) == interval(300, 400)
    assert (first.handle_share, first.drawn, first.drawn_share) == (0.75, None, None)
    assert (away.contacts, away.share, away.low) == (0, 0.0, 0.0)
    (other,) = page.others
    assert (other.user_id, other.requested, other.contacts, other.share) == ("c", None, 20, 0.05)
    assert page.realised_accuracy == pytest.approx(100 * (1 - (0.25 + 0.1 + 0.1) / 3))
    assert page.sentence == (
        "Of 400 contacts, the realised shares are 15.0 points from the requested ones on average. If each contact "
        "were given at random, it would be 1.7 points."
    )
    assert (page.why, page.notes) == (None, [])


def test_after_a_plan_that_changed_requested_is_the_mean_by_the_contacts_of_each_part(scene):
    scene.plan("d-1", YESTERDAY, {"a": 0.8, "b": 0.2})
    scene.plan("d-2", NOON, {"b": 0.6, "c": 0.4}, actuator="proficiency")
    scene.genesys.received(FROM, NOON, a=24, b=6)  # 120
    scene.genesys.received(NOON, TO, b=6, c=4)  # 60
    report = scene.show()
    assert report.requested() == pytest.approx({"a": 0.8 * 2 / 3, "b": (0.2 * 2 + 0.6) / 3, "c": 0.4 / 3})
    assert report.accuracy() == pytest.approx(100.0), "each plan was met exactly"
    assert [(part.distribution_id, part.start, part.end) for part in report.parts] == [
        ("d-1", FROM, NOON),
        ("d-2", NOON, TO),
    ]
    (note,) = report.notes[-1:]
    assert note.startswith("2 plans were in force one after the other: `requested` is their mean")


def test_without_contacts_the_mean_is_by_time_and_there_is_no_accuracy(scene):
    scene.plan("d-1", YESTERDAY, {"a": 1.0})
    scene.plan("d-2", NOON, {"a": 0.5})
    page = shares_page(scene.show())
    assert page.members[0].requested == pytest.approx(0.4 * 1.0 + 0.6 * 0.5)
    assert (page.realised_accuracy, page.accuracy_by_chance, page.members[0].share) == (None, None, None)
    assert page.why == page.sentence == "Too few contacts: 0 were answered, and a number takes 100."


def test_the_figures_begin_with_the_first_plan(scene):
    begun = NOON + timedelta(minutes=3, milliseconds=250)
    scene.plan("d-1", begun, {"a": 1.0}, actuator="joined")
    scene.genesys.received(FROM, TO, a=10)
    report = scene.show()
    assert (report.start, report.contacts) == (begun.replace(microsecond=0), 50)
    assert report.notes == ("No plan was in force before 2026-03-02T12:03:00.000Z: the figures begin there.",)


def test_without_any_plan_everybody_is_shown_with_nothing_requested(scene):
    scene.plan("d-1", NOON, {"a": 1.0}, status="dry_run")
    scene.plan("d-2", TO + timedelta(minutes=1), {"a": 1.0})
    scene.genesys.received(FROM, TO, a=10, b=20)
    page = shares_page(scene.show())
    assert (page.members, page.plans, page.why) == ([], [], "No share is requested.")
    assert [(row.user_id, row.contacts) for row in page.others] == [("b", 200), ("a", 100)]
    assert page.notes == ["No plan was in force in this time: nothing is requested."]


def test_a_run_that_failed_changes_no_plan_and_is_named(scene):
    scene.plan("d-1", YESTERDAY, {"a": 1.0})
    scene.plan("d-2", NOON, {"b": 1.0}, status="member_update_failed")
    report = scene.show()
    assert report.requested() == {"a": 1.0}
    failed = "Distribution d-2 failed in this time, and may have changed the queue for some of it: "
    assert report.notes == (
        f"{failed}A member could not be written.",
        "No contact was drawn, although shares are in force: does the queue's flow draw?",
    )


def test_the_plan_in_force_is_the_one_that_completed_last_and_not_the_one_that_was_opened_last(scene):
    scene.plan("d-1", FROM - timedelta(minutes=5), {"a": 1.0}, opened=FROM - timedelta(hours=2))
    scene.plan("d-2", FROM - timedelta(minutes=50), {"b": 1.0})
    assert scene.show().requested() == {"a": 1.0}


def test_more_plans_than_requests_that_fit_are_refused(scene):
    for number in range(MAX_PARTS + 1):
        scene.plan(f"d-{number}", FROM + timedelta(minutes=number), {"a": 1.0})
    with pytest.raises(RequestInvalid) as refusal:
        scene.show()
    assert "21 plans were in force in this span, and at most 20 fit: ask for less time" in str(refusal.value)
    assert len(scene.show(end=FROM + timedelta(minutes=15)).parts) == 15


def test_contract_score_is_refused_with_what_to_do(scene):
    with pytest.raises(SharesNotMeasurable, match="GenesysContract=platform"):
        scene.show(genesys=False)


def test_figures_of_the_last_quarter_of_an_hour_may_still_grow(scene):
    scene.plan("d-1", YESTERDAY, {"a": 1.0}, actuator="joined")
    assert scene.show(now=TO + timedelta(minutes=15)).notes == ()
    assert "figures still grow" in scene.show(now=TO + timedelta(minutes=14)).notes[0]


# ---- what was drawn --------------------------------------------------------------------------------------------------


def test_draws_come_from_the_history_and_from_the_tally_and_no_quarter_counts_twice(scene):
    scene.plan("d-1", YESTERDAY, {"a": 0.6, "b": 0.3})
    quarter = timedelta(minutes=15)

    def bucket(start, nobody=0, **drawn):
        scene.history.put(QUEUE, DrawnBucket(start, "d-1", drawn, nobody))

    bucket(FROM - quarter, a=99)
    bucket(FROM, nobody=1, a=6, b=3)
    bucket(TO - 2 * quarter, nobody=2, a=5)
    tally = {TO - 2 * quarter: {"a": 77}, TO - quarter: {"a": 1, "gone": 2, "": 1}, TO: {"a": 99}}
    scene.tallies.queues[QUEUE] = Tally(drawn={int(at.timestamp()): counts for at, counts in tally.items()})
    page = shares_page(scene.show())
    assert (page.draws, page.drawn_for_nobody) == (21, 4)
    assert [(row.user_id, row.drawn) for row in page.members] == [("a", 12), ("b", 3)]
    assert page.members[0].drawn_share == pytest.approx(12 / 21)
    assert [(row.user_id, row.drawn, row.contacts) for row in page.others] == [("gone", 2, 0)]


def test_a_flow_that_does_not_draw_is_noticed(scene):
    scene.plan("d-1", YESTERDAY, {"a": 1.0})
    page = shares_page(scene.show())
    assert (page.draws, page.members[0].drawn, page.members[0].drawn_share) == (0, 0, None)
    assert page.notes == ["No contact was drawn, although shares are in force: does the queue's flow draw?"]


def test_after_shares_have_ended_nobody_is_told_that_they_are_in_force(scene):
    scene.plan("d-1", YESTERDAY - timedelta(days=1), {"a": 1.0})
    scene.plan("d-2", YESTERDAY, {})
    scene.genesys.received(FROM, TO, a=30)
    page = shares_page(scene.show())
    assert (page.notes, page.draws, page.why) == ([], None, "No share is requested.")


def test_time_in_which_nothing_was_requested_is_in_no_accuracy(scene):
    """Half of the contacts came after the revert: the members would seem to have twice what was asked for."""
    scene.plan("d-1", YESTERDAY, {"a": 0.5, "b": 0.5}, actuator="ring")
    scene.plan("d-2", NOON, {}, actuator="ring")
    scene.genesys.received(FROM, TO, a=50, b=50)
    page = shares_page(scene.show())
    assert page.realised_accuracy is None
    assert page.why == "In a part of this time no shares were requested: ask for the time of the other plans alone."
    assert shares_page(scene.show(end=NOON)).realised_accuracy == pytest.approx(100.0)
    scene.genesys.received(NOON, TO)
    assert shares_page(scene.show()).realised_accuracy == pytest.approx(100.0), "no contact came in that part"


# ---- the span of a request -------------------------------------------------------------------------------------------


def test_the_usual_span_is_the_last_day_in_quarters_of_an_hour():
    now = datetime(2026, 3, 2, 18, 14, 59, tzinfo=UTC)
    assert span_until(now, "", "") == (YESTERDAY.replace(hour=18), TO)
    assert span_until(now, "2026-03-02T09:20:00+01:00", "2026-03-02T12:14:00Z") == (
        datetime(2026, 3, 2, 8, 15, tzinfo=UTC),
        NOON,
    )
    assert span_until(now, "2026-03-02", "2030-01-01") == (datetime(2026, 3, 2, tzinfo=UTC), TO)
    assert span_until(now, "", "2026-03-02T12:00:00Z") == (NOON - timedelta(days=1), NOON)
    assert span_until(now, "2026-01-30T18:00:00Z", "")[0] == TO - timedelta(days=31)


@pytest.mark.parametrize(
    ("since", "until", "path", "words"),
    [
        ("2026-03-02T18:00:00Z", "", "from", "not before `to`, or in the future"),
        ("2026-03-02T12:05:00Z", "2026-03-02T12:14:00Z", "from", "a quarter of an hour ago or earlier"),
        ("2030-01-01", "", "from", "or in the future"),
        ("2026-01-30T17:45:00Z", "", "from", "more than 31 days before `to`: ask for less at once"),
        ("0001-01-01", "", "from", "more than 31 days before `to`"),
        ("yesterday", "", "from", "not an RFC 3339 date or time such as"),
        ("", "2026-03-02T25:00:00Z", "to", "not an RFC 3339 date or time such as"),
        ("", "0001-01-01T00:10:00Z", "to", "before 2000: choose a later time"),
    ],
)
def test_a_span_that_cannot_be_shown_is_a_problem_that_says_what_to_do(since, until, path, words):
    with pytest.raises(RequestInvalid) as refusal:
        span_until(datetime(2026, 3, 2, 18, 1, tzinfo=UTC), since, until)
    (problem,) = refusal.value.details["errors"]
    assert problem["path"] == path
    assert words in problem["message"]
