"""What is known of a queue's agents: from readings and events, which come in any order and grow old."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.domain.agent_events import AgentEvent, agent_event_in
from routing_weights.domain.standings import (
    ALIVE_READ_S,
    ALIVE_S,
    AWAY_S,
    CLAIM_S,
    KNOWN_S,
    LAG_S,
    STATUSES,
    Membership,
    Standings,
    Status,
)
from routing_weights.errors import WebhookInvalid

ROOT = Path(__file__).parents[2]
NOW = 1_800_000_000.0


def read(at=NOW, **listed):
    """What is known after a reading of the users `a` and `b`."""
    return Standings().after_reading({user: Status(status, at - 60) for user, status in listed.items()}, {"a", "b"}, at)


@pytest.mark.parametrize(
    ("status", "call", "message"),
    [
        ("IDLE", "free", "free"),
        ("INTERACTING", "busy", "free"),
        ("COMMUNICATING", "busy", "busy"),
        ("NOT_RESPONDING", "away", "away"),
        ("OFF_QUEUE", "away", "away"),
    ],
)
def test_a_status_is_a_standing_for_a_medium(status, call, message):
    known = read(a=status)
    assert [known.of("a", media, NOW) for media in ("voice", "CALLBACK", "")] == [call] * 3
    assert known.of("a", "message", NOW) == message


def test_a_member_whom_the_reading_does_not_list_is_away_however_old_it_is():
    assert read(a="IDLE").of("b", "voice", NOW + 10 * AWAY_S) == "away"


def test_a_user_without_any_fact_is_unknown():
    assert Standings().of("a", "voice", NOW) is None


def test_free_and_busy_are_unknown_after_half_a_minute_and_away_after_ten():
    known = read(a="INTERACTING", b="OFF_QUEUE")
    assert [known.of("a", "voice", NOW + after) for after in (KNOWN_S, KNOWN_S + 1)] == ["busy", None]
    assert [known.of("b", "voice", NOW + after) for after in (AWAY_S, AWAY_S + 1)] == ["away", None]


def test_while_events_come_a_status_holds_until_the_next_one():
    known = Standings({"a": Status("INTERACTING", NOW - 300)}, heard_at=NOW - ALIVE_S)
    assert known.of("a", "voice", NOW) == "busy"
    assert known.of("a", "voice", NOW + 1) is None


def test_a_reading_is_due_by_its_age_and_rarely_while_events_come():
    known = read(a="IDLE")
    assert [known.reading_is_due(NOW + after, 5) for after in (4, 5)] == [False, True]
    assert not known.reading_is_due(NOW + 1e6, 0)
    alive = Standings(read_at=NOW, heard_at=NOW)
    assert [alive.reading_is_due(NOW + after, 5) for after in (ALIVE_READ_S - 1, ALIVE_READ_S)] == [False, True]


def test_nobody_reads_a_queue_that_somebody_has_claimed():
    claimed = Standings(claimed_until=NOW + CLAIM_S)
    assert [claimed.reading_is_due(NOW + after, 5) for after in (CLAIM_S - 1, CLAIM_S)] == [False, True]
    assert claimed.after_reading({}, (), NOW).claimed_until == 0


def test_an_event_that_is_younger_than_the_reading_stays():
    known = Standings({"a": Status("INTERACTING", NOW + 1)}, {"b": Membership(joined=False, since=NOW + 1)})
    after = known.after_reading({"a": Status("IDLE", NOW - 60), "b": Status("IDLE", NOW - 60)}, {"a", "b"}, NOW)
    assert (after.of("a", "voice", NOW + 2), after.of("b", "voice", NOW + 2)) == ("busy", "away")


def test_an_event_that_the_reading_does_not_show_yet_stays_and_one_that_it_has_overtaken_does_not():
    known = Standings({"a": Status("INTERACTING", NOW - 2)})
    assert known.after_reading({"a": Status("IDLE", NOW - 60)}, {"a"}, NOW).of("a", "voice", NOW) == "busy"
    assert known.after_reading({"a": Status("IDLE", NOW - 1)}, {"a"}, NOW).of("a", "voice", NOW) == "free"


def test_a_reading_replaces_older_facts_of_both_kinds():
    old = NOW - LAG_S - 1
    known = Standings({"a": Status("OFF_QUEUE", old), "c": Status("IDLE", old)}, {"a": Membership(False, old)})
    after = known.after_reading({"a": Status("IDLE", NOW - 3600)}, {"a"}, NOW)
    assert after.of("a", "voice", NOW) == "free"
    assert "c" not in after.statuses, "a user without a share is forgotten"


facts = st.dictionaries(st.sampled_from("abc"), st.builds(Status, st.sampled_from(STATUSES), st.floats(-60, 60)))


@given(facts, facts)
def test_a_reading_leaves_each_user_with_the_newest_of_what_is_young_enough(events, listed):
    after = Standings(events).after_reading(listed, "abc", 0.0)
    for user in "abc":
        young = [events[user].since] if user in events and events[user].since > -LAG_S else []
        newest = max([*young, *([listed[user].since] if user in listed else [])], default=None)
        assert (user in after.statuses) == (newest is not None)
        assert newest is None or after.statuses[user].since == newest


# ---- events ----------------------------------------------------------------------------------------------------------


def event(topic, body, timestamp="2027-01-15T08:00:00.000Z", **metadata):
    """NOW is that timestamp."""
    detail = {"topicName": topic, "version": "2", "eventBody": body, "metadata": metadata, "timestamp": timestamp}
    return json.dumps({"detail-type": "v2.users.{id}.routingStatus", "detail": detail})


def routing(status, start="2027-01-15T07:59:50.000Z"):
    return {"id": "U-1", "routingStatus": {"status": status, "startTime": start}}


def test_a_routing_status_counts_from_its_start():
    text = event("v2.users.U-1.routingStatus", routing("INTERACTING"))
    assert agent_event_in(text, NOW + 5) == AgentEvent("u-1", Status("INTERACTING", NOW - 10))


@pytest.mark.parametrize(
    ("presence", "status"),
    [("On Queue", "IDLE"), ("ON_QUEUE", "IDLE"), ("Break", "OFF_QUEUE"), ("AVAILABLE", "OFF_QUEUE")],
)
def test_an_activity_with_another_presence_than_on_queue_is_off_queue(presence, status):
    body = routing("IDLE") | {
        "presence": {"presenceDefinition": {"systemPresence": presence}, "modifiedDate": "2027-01-15T07:59:55.000Z"}
    }
    since = NOW - (5 if status == "OFF_QUEUE" else 10)
    assert agent_event_in(event("v2.users.u-1.activity", body), NOW) == AgentEvent("u-1", Status(status, since))


@pytest.mark.parametrize(
    ("body", "action", "joined"),
    [
        ({"id": "U-1", "user": {"id": "U-1"}, "joined": True}, "update", True),
        ({"id": "U-1", "joined": False}, "update", False),
        ({"id": "U-1", "user": {"id": "U-1"}}, "delete", False),
    ],
)
def test_a_membership_is_of_one_queue(body, action, joined):
    text = event("v2.routing.queues.Q-1.users", body, action=action)
    assert agent_event_in(text, NOW) == AgentEvent("u-1", Membership(joined, NOW), "q-1")


@pytest.mark.parametrize(
    "text",
    [
        event("v2.routing.queues.q-1.users", {"id": "u-1"}, action="add"),
        event("v2.users.u-1.routingStatus", {"id": "u-1", "errorInfo": {"errorCode": "x"}}),
        event("v2.users.u-1.routingStatus", routing("A_STATUS_OF_TOMORROW")),
    ],
)
def test_an_event_that_says_nothing_is_nothing(text):
    assert agent_event_in(text, NOW) is None


@pytest.mark.parametrize(
    ("sample", "fact", "queue"),
    [
        ("partner-routing-status", Status("INTERACTING", 1_783_800_207.12), None),
        ("partner-activity", Status("OFF_QUEUE", 1_783_800_302.004), None),
        ("partner-queue-user", Membership(joined=False, since=1_783_800_401.018), "queue-001"),
    ],
)
def test_a_sample_of_the_partner_bus_says_this(sample, fact, queue):
    text = (ROOT / "events" / f"{sample}.json").read_text(encoding="utf-8")
    assert agent_event_in(text, NOW) == AgentEvent("agent-001", fact, queue)


def test_no_fact_is_of_the_future():
    text = event("v2.users.u-1.routingStatus", routing("IDLE", "2099-01-01T00:00:00Z"), "2099-01-01T00:00:00Z")
    assert agent_event_in(text, NOW).fact.since == NOW


@pytest.mark.parametrize("text", ["", "[]", "{}", event("v2.users.not/an/id.activity", {}), event("v2.x", {})])
def test_another_text_is_refused(text):
    with pytest.raises(WebhookInvalid):
        agent_event_in(text, NOW)
