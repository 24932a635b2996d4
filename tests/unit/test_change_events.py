"""Change events: what is read of both shapes of a webhook and of the partner bus, and that no JSON is a surprise."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.domain.change_events import event_in, event_of
from routing_weights.errors import WebhookInvalid

ROOT = Path(__file__).parents[2]


def read(document):
    return event_of(json.dumps(document).encode(), "delivery-1")


@pytest.mark.parametrize(
    ("document", "kind", "by", "at"),
    [
        ({"eventType": "routing.queue.updated", "queueId": "q-1"}, "queue", None, None),
        ({"eventType": "routing.queue.updated", "data": {"queueId": "q-1"}}, "queue", None, None),
        (
            {"eventType": "routing.queueMember.updated", "queueId": "q-1", "userId": "member", "modifiedBy": "me"},
            "members",
            "me",
            None,
        ),
        (
            {"topicName": "v2.routing.queues.q-1.users", "eventBody": {"user": {"id": "member"}, "joined": True}},
            "members",
            None,
            None,
        ),
        (
            {
                "topicName": "v2.audits.entitytype.Queue.entityid.q-1",
                "eventBody": {"userId": "who", "eventTime": "2026-07-11T20:03:27.000Z"},
            },
            "audit",
            "who",
            "2026-07-11T20:03:27.000Z",
        ),
        ({"topicName": "v2.audits.entitytype.queue.entityid.q-1", "eventBody": None}, "audit", None, None),
    ],
)
def test_both_shapes_are_read(document, kind, by, at):
    event = read(document)
    assert (event.delivery_id, event.queue_id, event.kind, event.by, event.at) == ("delivery-1", "q-1", kind, by, at)


FIELDS = ["eventType", "queueId", "topicName", "eventBody", "userId", "user", "data", "eventTime"]
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(FIELDS), inner),
)


@given(DOCUMENTS)
def test_whatever_json_comes_is_an_event_or_a_refusal(document):
    for base in ({}, {"eventType": "routing.queue.updated"}, {"topicName": "v2.routing.queues.q.users"}):
        try:
            event = read(base | document if isinstance(document, dict) else document)
        except WebhookInvalid:
            continue
        event.model_dump_json().encode()


@given(st.binary(max_size=200))
def test_whatever_bytes_come_are_refused(body):
    with pytest.raises(WebhookInvalid):
        event_of(body, "delivery-1")


def test_half_a_surrogate_pair_is_no_reason_to_fail():
    body = b'{"eventType": "routing.queue.updated", "queueId": "q", "modifiedBy": "\\ud800"}'
    assert event_of(body, "d").by == "?"


SAMPLE = json.loads((ROOT / "events" / "partner-audit.json").read_text(encoding="utf-8"))


def users_event(action, **body):
    """As Genesys Cloud publishes it: no ring, nobody who did it; `joined` only with action update."""
    return {
        "detail-type": "v2.routing.queues.{id}.users",
        "id": "delivery-1",
        "source": "aws.partner/genesys.com/cloud/an-organisation/routing-weights",
        "detail": {
            "topicName": "v2.routing.queues.q-1.users",
            "version": "2",
            "eventBody": {"id": "agent-1", "queueId": "q-1", "user": {"id": "agent-1"}} | body,
            "metadata": {"CorrelationId": "c", "action": action, "activeMemberCount": "7", "memberCount": 9},
            "timestamp": "2024-06-05T13:01:02.345Z",
        },
    }


@pytest.mark.parametrize(("action", "body"), [("add", {}), ("delete", {}), ("update", {"joined": True})])
@pytest.mark.parametrize("counts", ["7", 7, None])
def test_an_event_of_a_member_leads_to_a_look_and_names_nobody(action, body, counts):
    document = users_event(action, **body)
    document["detail"]["metadata"] |= {"activeMemberCount": counts, "memberCount": counts}
    event = event_in(json.dumps(document))
    assert (event.queue_id, event.kind, event.by, event.about) == ("q-1", "members", None, "membership")


@pytest.mark.parametrize(
    ("body", "about", "user_ids"),
    [
        ({"action": "Update"}, "settings", None),
        ({"action": "MemberUpdate", "propertyChanges": []}, "membership", None),
        (
            {"action": "MemberUpdate", "propertyChanges": [{"property": "QueueMember/q-1:A-1:joined"}]},
            "membership",
            ("a-1",),
        ),
        ({"action": "MemberAdd", "propertyChanges": [{"property": "QueueMember/q-1:a-1"}]}, "membership", ("a-1",)),
        ({"action": "MemberRemove", "propertyChanges": [7, {"property": None}]}, "membership", None),
        ({"action": "MemberRemove", "propertyChanges": "none"}, "membership", None),
        ({"action": ["Update"]}, None, None),
        ({}, None, None),
    ],
)
def test_what_an_audit_is_about(body, about, user_ids):
    event = read({"topicName": "v2.audits.entitytype.Queue.entityid.q-1", "eventBody": {"userId": "who"} | body})
    assert (event.by, event.about, event.user_ids) == ("who", about, user_ids)


def test_a_message_is_an_event_of_our_door_or_of_the_partner_bus():
    ours = event_of(b'{"eventType": "routing.queue.updated", "queueId": "q-1"}', "d-1")
    assert event_in(ours.model_dump_json()) == ours
    theirs = event_in(json.dumps(SAMPLE))
    assert (theirs.delivery_id, theirs.queue_id, theirs.kind) == (SAMPLE["id"], "queue-001", "audit")
    assert (theirs.by, theirs.at) == ("supervisor-7", "2026-07-11T20:03:27.000Z")
    users = SAMPLE | {"detail": {"topicName": "v2.routing.queues.q-2.users", "eventBody": {"id": "agent-1"}}}
    assert event_in(json.dumps(users)).kind == "members"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "no JSON",
        "{}",
        '{"delivery_id": "d", "queue_id": "../x", "kind": "queue"}',
        *(json.dumps(SAMPLE | {"detail": detail}) for detail in (None, [], {}, {"topicName": "v2.users.a.presence"})),
        json.dumps(SAMPLE | {"detail": SAMPLE["detail"] | {"topicName": "v2.routing.queues.a b.users"}}),
        json.dumps(SAMPLE | {"id": None, "detail": {}}),
        json.dumps({name: value for name, value in SAMPLE.items() if name != "detail"}),
    ],
)
def test_a_message_that_is_neither_is_refused(message):
    with pytest.raises(WebhookInvalid):
        event_in(message)


@pytest.mark.parametrize("queue_id", ["../users", "", None, 5, "a" * 65, "\ud800", "a.b"])
def test_a_queue_that_is_none_is_refused_at_its_path(queue_id):
    with pytest.raises(WebhookInvalid) as refusal:
        read({"eventType": "routing.queue.updated", "queueId": queue_id})
    assert [error["path"] for error in refusal.value.details["errors"]] == ["queueId"]
