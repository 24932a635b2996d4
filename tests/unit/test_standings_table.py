"""Two stores of SharesTable: what is known of agents, and the history of draws."""

from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.adapters.aws.drawn_table import DrawnHistory
from routing_weights.adapters.aws.standings_table import AgentStandings, standings_of
from routing_weights.domain.drawn import DrawnBucket
from routing_weights.domain.standings import Membership, Standings, Status
from routing_weights.errors import StoreUnavailable
from tests.support.fakes import FakeAgentStandings, FakeDrawnHistory

NOW = 1_800_000_000.0
START = datetime(2027, 1, 15, 8, tzinfo=UTC)


@pytest.fixture(params=["table", "fake"])
def standings(request):
    """The fake of the use cases' tests does what the table does."""
    return AgentStandings(request.getfixturevalue("shares_table")) if request.param == "table" else FakeAgentStandings()


@pytest.fixture(params=["table", "fake"])
def history(request):
    return DrawnHistory(request.getfixturevalue("shares_table")) if request.param == "table" else FakeDrawnHistory()


def test_a_queue_without_an_item_is_unknown(standings):
    assert standings.find("q-1") == Standings()


def test_of_two_who_know_the_same_one_gets_the_claim(standings):
    known = standings.find("q-1")
    assert standings.claim("q-1", known, NOW + 20)
    assert not standings.claim("q-1", known, NOW + 20)
    again = standings.find("q-1")
    assert again.claimed_until == NOW + 20
    assert standings.claim("q-1", again, NOW + 40)


def test_a_stored_reading_ends_the_claim_and_comes_back_as_it_was(standings):
    standings.claim("q-1", Standings(), NOW + 20)
    known = standings.find("q-1").after_reading({"a": Status("IDLE", NOW - 7.25)}, {"a", "b"}, NOW)
    assert standings.replace("q-1", known)
    stored = standings.find("q-1")
    assert (stored.statuses, stored.read_at, stored.claimed_until) == ({"a": Status("IDLE", NOW - 7.25)}, NOW, 0)
    assert stored.memberships == {"b": Membership(joined=False, since=NOW)}


def test_a_reading_is_not_stored_over_an_event_that_it_has_not_seen(standings):
    known = standings.find("q-1")
    standings.note("q-1", "a", Status("INTERACTING", NOW), NOW)
    assert not standings.replace("q-1", known.after_reading({"a": Status("IDLE", NOW - 9)}, {"a"}, NOW))
    assert standings.find("q-1").statuses == {"a": Status("INTERACTING", NOW)}


def test_an_older_event_never_replaces_a_newer_one(standings):
    assert standings.note("q-1", "a", Status("INTERACTING", NOW), NOW)
    assert not standings.note("q-1", "a", Status("IDLE", NOW - 0.001), NOW + 1)
    assert not standings.note("q-1", "a", Status("INTERACTING", NOW), NOW + 1)
    assert standings.note("q-1", "a", Status("IDLE", NOW + 0.001), NOW + 2)
    known = standings.find("q-1")
    assert (known.statuses, known.heard_at) == ({"a": Status("IDLE", NOW + 0.001)}, NOW + 2)


def test_a_status_and_a_membership_do_not_replace_each_other(standings):
    standings.note("q-1", "a", Membership(joined=False, since=NOW), NOW)
    assert standings.find("q-1").heard_at == 0, "a bus without the topics of agents has such events, too"
    standings.note("q-1", "a", Status("IDLE", NOW - 5), NOW)
    known = standings.find("q-1")
    assert (known.statuses["a"].status, known.memberships["a"].joined) == ("IDLE", False)


def test_an_event_finds_an_item_that_has_only_a_claim(standings):
    standings.claim("q-1", Standings(), NOW + 20)
    assert standings.note("q-1", "a", Status("IDLE", NOW), NOW)
    assert standings.find("q-1").claimed_until == NOW + 20


def test_a_time_before_the_epoch_is_the_epoch(standings):
    assert standings.note("q-1", "a", Status("IDLE", -5e9), NOW)
    assert standings.find("q-1").statuses["a"].since == 0


def test_a_status_of_another_release_is_left_out():
    item = {"statuses": {"M": {"a": {"S": "1800000000000 NAPPING"}}}, "version": {"N": "3"}, "new": {"S": "x"}}
    assert standings_of(item) == Standings(version=3)


@pytest.mark.parametrize("fact", [{"S": "soon IDLE"}, {"M": {}}])
def test_facts_that_cannot_be_read_are_unknown_until_the_next_reading_replaces_them(aws, shares_table, fact):
    item = {"queue_id": {"S": "q-1"}, "kind": {"S": "standings"}, "statuses": {"M": {"a": fact}}}
    aws("dynamodb").put_item(TableName=shares_table, Item=item | {"version": {"N": "3"}})
    standings = AgentStandings(shares_table)
    known = standings.find("q-1")
    assert known == Standings(version=3)
    assert standings.claim("q-1", known, NOW + 20)
    assert standings.replace("q-1", standings.find("q-1").after_reading({"a": Status("IDLE", NOW)}, {"a"}, NOW))
    assert standings.find("q-1").statuses == {"a": Status("IDLE", NOW)}


def test_a_quarter_of_an_hour_that_cannot_be_read_is_an_error_of_the_store(aws, shares_table):
    item = {"queue_id": {"S": "q-1"}, "kind": {"S": "drawn#2027-01-15T08:00:00Z"}, "bucket": {"S": "{}"}}
    aws("dynamodb").put_item(TableName=shares_table, Item=item)
    with pytest.raises(StoreUnavailable, match="drawn#2027-01-15T08:00:00Z"):
        list(DrawnHistory(shares_table).of_queue("q-1", START, START + timedelta(hours=1)))


def test_the_items_expire(aws, shares_table):
    AgentStandings(shares_table).note("q-1", "a", Status("IDLE", NOW), NOW)
    DrawnHistory(shares_table).put("q-1", DrawnBucket(START, "d-1"))
    items = aws("dynamodb").scan(TableName=shares_table)["Items"]
    ends = {item["kind"]["S"]: int(item["expires_at"]["N"]) for item in items}
    assert ends == {
        "standings": int(NOW) + 86_400,
        "drawn#2027-01-15T08:00:00Z": int((START + timedelta(days=400)).timestamp()),
    }


def test_the_history_of_a_queue_comes_by_time_with_the_last_version_of_each_bucket(history):
    quarter = timedelta(minutes=15)
    for number in (2, 0, 3, 1):
        history.put("q-1", DrawnBucket(START + number * quarter, "d-1", {"a": number}, number))
    history.put("q-2", DrawnBucket(START, "d-2"))
    last = DrawnBucket(START + quarter, "d-1", {"a": 9}, 1, {"a": 8, "x": 1})
    history.put("q-1", last)
    found = list(history.of_queue("q-1", START, START + 3 * quarter))
    assert [bucket.nobody for bucket in found] == [0, 1, 2]
    assert found[1] == last
