"""The patrol: which queues are due, in which order, how many at once, and when each is read."""

from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.application.patrol import Patrol
from tests.support.fakes import FakePatrols, FakeQueue

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
MINUTE_MS = 60_000


@pytest.fixture
def patrols():
    return FakePatrols()


def sent(patrols, *, every_minutes=15, requests_per_minute=300, now=NOW):
    queue = FakeQueue()
    count = Patrol(patrols, queue, every_minutes, requests_per_minute).patrol(now)
    assert count == len(queue.sent)
    return [(event.queue_id, after_s) for event, after_s in queue.sent]


def test_the_queue_with_the_oldest_reading_goes_first(patrols):
    for name, minutes_ago in (("a", 20), ("b", 40), ("c", 1), ("d", 30), ("e", 7)):
        patrols.watch(name, NOW_MS - minutes_ago * MINUTE_MS)
    assert [queue for queue, _ in sent(patrols)] == ["b", "d", "a"]


def test_a_queue_that_is_forgotten_is_not_read(patrols):
    patrols.watch("a", 0)
    patrols.watch("b", 0)
    patrols.forget("a")
    patrols.forget("never")
    assert [queue for queue, _ in sent(patrols)] == ["b"]


def test_no_queue_is_on_patrol_at_first(patrols):
    assert sent(patrols) == []


def test_the_readings_are_spread_until_the_next_patrol(patrols):
    for name in "abcd":
        patrols.watch(name, 0)
    assert [after_s for _, after_s in sent(patrols)] == [0.0, 180.0, 360.0, 540.0]
    assert max(after_s for _, after_s in sent(patrols, every_minutes=59)) < 900, "what SQS allows"


@pytest.mark.parametrize(
    ("requests_per_minute", "every_minutes", "most"), [(300, 1, 18), (16, 5, 5), (0, 1, 18), (1, 1, 1)]
)
def test_a_patrol_takes_a_quarter_of_the_budget_and_the_rest_is_next(patrols, requests_per_minute, every_minutes, most):
    for number in range(30):
        patrols.watch(f"q-{number:02}", number)
    asked = {"requests_per_minute": requests_per_minute, "every_minutes": every_minutes}
    first = [queue for queue, _ in sent(patrols, **asked)]
    assert first == [f"q-{number:02}" for number in range(most)]
    for queue in first:
        patrols.looked(queue, NOW_MS)
    then = sent(patrols, **asked, now=NOW + timedelta(minutes=every_minutes))
    assert then[0][0] == f"q-{most:02}"
