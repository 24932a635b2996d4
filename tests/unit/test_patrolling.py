"""The patrol: which queues are due, in which order, how many at once, and when each is looked at."""

from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.adapters.aws.drift_table import DriftEntries
from routing_weights.adapters.aws.patrol_table import Patrol
from routing_weights.application.patrol import send_out

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
MINUTE_MS = 60_000


@pytest.fixture
def patrol(aws):
    aws("dynamodb").create_table(
        TableName="drift",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("queue_id", "record")],
        KeySchema=[
            {"AttributeName": "queue_id", "KeyType": "HASH"},
            {"AttributeName": "record", "KeyType": "RANGE"},
        ],
    )
    return Patrol("drift")


def sent(patrol, *, every_minutes=15, requests_per_minute=300, now=NOW):
    told = []
    count = send_out(
        patrol,
        lambda event, after_s: told.append((event.queue_id, after_s)),
        now,
        every_minutes=every_minutes,
        requests_per_minute=requests_per_minute,
    )
    assert count == len(told)
    return told


def test_who_was_looked_at_the_longest_ago_goes_first_and_who_was_just_now_not_at_all(patrol):
    for name, minutes_ago in (("a", 20), ("b", 40), ("c", 1), ("d", 30), ("e", 7)):
        patrol.watch(name, NOW_MS - minutes_ago * MINUTE_MS)
    assert [queue for queue, _ in sent(patrol)] == ["b", "d", "a"]


def test_a_queue_that_is_forgotten_is_not_looked_at(patrol):
    patrol.watch("a", 0)
    patrol.watch("b", 0)
    patrol.forget("a")
    patrol.forget("never")
    assert [queue for queue, _ in sent(patrol)] == ["b"]


def test_a_look_is_noted_where_the_queue_is_patrolled_and_never_backwards(patrol):
    patrol.watch("a", 5)
    patrol.looked("a", 9)
    patrol.looked("a", 7)
    patrol.looked("never", 7)
    assert (patrol.due(9), patrol.due(10)) == ([], ["a"])


def test_nobody_is_on_patrol_at_first(patrol):
    assert sent(patrol) == []


def test_the_looks_are_spread_until_the_next_patrol(patrol):
    for name in "abcd":
        patrol.watch(name, 0)
    assert [after_s for _, after_s in sent(patrol)] == [0.0, 180.0, 360.0, 540.0]
    assert max(after_s for _, after_s in sent(patrol, every_minutes=59)) < 900, "what SQS allows"


@pytest.mark.parametrize(
    ("requests_per_minute", "every_minutes", "most"), [(300, 1, 18), (16, 5, 5), (0, 1, 18), (1, 1, 1)]
)
def test_a_patrol_takes_a_quarter_of_the_budget_and_the_rest_is_next(patrol, requests_per_minute, every_minutes, most):
    for number in range(30):
        patrol.watch(f"q-{number:02}", number)
    asked = {"requests_per_minute": requests_per_minute, "every_minutes": every_minutes}
    first = [queue for queue, _ in sent(patrol, **asked)]
    assert first == [f"q-{number:02}" for number in range(most)]
    for queue in first:
        patrol.looked(queue, NOW_MS)
    then = sent(patrol, **asked, now=NOW + timedelta(minutes=every_minutes))
    assert then[0][0] == f"q-{most:02}"


def test_the_patrols_items_are_in_no_queues_drift(patrol):
    patrol.watch("q-1", NOW_MS)
    listed, _ = DriftEntries("drift").of_queue("q-1", since="0000", until="9999", limit=9, after=None)
    assert listed == []
