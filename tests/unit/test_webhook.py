"""Webhooks: what proves a sender, what is read of a body, and what leads to a record."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.adapters.aws.secrets import JsonSecret, WebhookSecrets
from routing_weights.domain.change_events import event_in, event_of
from routing_weights.domain.signing import (
    DELIVERY,
    SIGNATURE,
    TIMESTAMP,
    delivery_of,
    hmac_sha256,
    require_size,
    signature,
    verify,
)
from routing_weights.errors import ConfigurationInvalid, WebhookInvalid, WebhookRefused, WebhookTooLarge
from routing_weights.settings import WebhookSettings
from tests.support.fakes import LambdaContext, function_module

ROOT = Path(__file__).parents[2]
NOW = 1_790_000_000
SECRET, NEW = "secret", "new"
SECRETS = st.text(min_size=1, max_size=80).filter(lambda text: text.isprintable())

RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than block-size data. "
            b"The key needs to be hashed before being used by the HMAC algorithm."
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]
TRUNCATED = (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b")


@pytest.mark.parametrize(("key", "data", "digest"), RFC_4231)
def test_the_vectors_of_rfc_4231(key, data, digest):
    assert hmac_sha256(key, data) == digest


def test_the_truncated_vector_of_rfc_4231():
    key, data, digest = TRUNCATED
    assert hmac_sha256(key, data)[:32] == digest


def headers_for(body, secret=SECRET, timestamp=str(NOW)):
    return {TIMESTAMP: timestamp, SIGNATURE: signature(secret.encode(), timestamp, body)}


# ---- who sent it, and when -------------------------------------------------------------------------------------------


@given(body=st.binary(max_size=300), secret=SECRETS, late=st.integers(-300, 300))
def test_what_is_signed_within_five_minutes_is_taken(body, secret, late):
    verify(headers_for(body, secret), body, ["another", secret], NOW + late)


@given(body=st.binary(min_size=1, max_size=200), at=st.integers(0, 199), flip=st.integers(1, 255))
def test_any_other_byte_in_the_body_is_refused(body, at, flip):
    changed = bytearray(body)
    changed[at % len(body)] ^= flip
    with pytest.raises(WebhookRefused):
        verify(headers_for(body), bytes(changed), ["secret"], NOW)


@given(body=st.binary(max_size=50), at=st.integers(0, 9), digit=st.sampled_from("0123456789 x-.\u0661"))
def test_any_other_character_in_the_timestamp_is_refused(body, at, digit):
    timestamp = str(NOW)
    changed = timestamp[:at] + digit + timestamp[at + 1 :]
    if changed != timestamp:
        with pytest.raises(WebhookRefused):
            verify(headers_for(body) | {TIMESTAMP: changed}, body, ["secret"], NOW)


@given(secret=SECRETS, other=SECRETS)
def test_any_other_secret_is_refused(secret, other):
    # HMAC fills a key up with zeros, and printable text has none.
    if secret != other:
        with pytest.raises(WebhookRefused):
            verify(headers_for(b"{}", secret), b"{}", [other], NOW)


@given(at=st.integers(0, 70), to=st.characters())
def test_any_other_character_in_the_signature_is_refused(at, to):
    headers = headers_for(b"{}")
    good = headers[SIGNATURE]
    changed = good[:at] + to + good[at + 1 :]
    if changed != good:
        with pytest.raises(WebhookRefused):
            verify(headers | {SIGNATURE: changed}, b"{}", ["secret"], NOW)


@given(st.dictionaries(st.sampled_from([TIMESTAMP, SIGNATURE, DELIVERY]), st.text()))
def test_whatever_headers_are_sent_the_answer_is_a_refusal(headers):
    with pytest.raises(WebhookRefused) as refusal:
        verify(headers, b"{}", ["secret"], NOW)
    assert "secret" not in refusal.value.message


@pytest.mark.parametrize("late", [-301, 301, 86_400, -NOW])
def test_a_stale_timestamp_is_refused_however_well_it_is_signed(late):
    with pytest.raises(WebhookRefused, match="300 s"):
        verify(headers_for(b"{}"), b"{}", ["secret"], NOW + late)


def test_without_a_secret_everything_is_refused_even_what_is_signed_with_nothing():
    with pytest.raises(WebhookRefused, match="no secret"):
        verify(headers_for(b"{}", ""), b"{}", [], NOW)


def test_a_body_may_have_256_kib_and_no_more():
    require_size(b"x" * 262_144)
    with pytest.raises(WebhookTooLarge, match="262145 bytes"):
        require_size(b"x" * 262_145)


@pytest.mark.parametrize("delivery_id", ["", "a b", "a\n", "é", "x" * 129])
def test_an_id_that_cannot_be_kept_is_refused(delivery_id):
    with pytest.raises(WebhookInvalid):
        delivery_of({DELIVERY: delivery_id})


# ---- what is read ----------------------------------------------------------------------------------------------------


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


def test_what_waits_in_the_queue_is_an_event_of_our_door_or_an_envelope_of_the_partner_bus():
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


# ---- the secret ------------------------------------------------------------------------------------------------------


class Held:
    def __init__(self, value):
        self.value, self.reads = value, 0

    def read(self):
        self.reads += 1
        return self.value


def test_a_secret_is_kept_for_a_minute(fake_time):
    held = Held({"current": "new", "previous": "old"})
    secrets = WebhookSecrets(held, clock=fake_time.clock)
    assert secrets.current() == secrets.current() == ("new", "old")
    held.value = {"current": "newer"}
    fake_time.sleep(59)
    assert (secrets.current(), held.reads) == (("new", "old"), 1)
    fake_time.sleep(1)
    assert (secrets.current(), held.reads) == (("newer",), 2)


@pytest.mark.parametrize("value", [{}, {"current": ""}, {"current": None}, {"current": 5, "previous": []}])
def test_what_is_no_secret_is_none(value, fake_time):
    assert WebhookSecrets(Held(value), clock=fake_time.clock).current() == ()


# ---- the function ----------------------------------------------------------------------------------------------------


@pytest.fixture
def app(aws, monkeypatch):
    """The function, with its queue, its table and its secret."""
    module = function_module("webhook")
    aws("dynamodb").create_table(
        TableName="deliveries",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "delivery", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "delivery", "KeyType": "HASH"}],
    )
    queue = aws("sqs").create_queue(QueueName="events")["QueueUrl"]
    aws("secretsmanager").create_secret(Name="webhooks", SecretString='{"current": "new", "previous": "old"}')
    for name, value in (("DELIVERIES_TABLE", "deliveries"), ("WEBHOOK_QUEUE", queue), ("WEBHOOK_SECRET", "webhooks")):
        monkeypatch.setenv(name, value)
    WebhookSettings.load.cache_clear()
    monkeypatch.setattr(module.time, "time", lambda: float(NOW))
    module.queued = lambda: [
        json.loads(message["Body"])
        for message in aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    ]
    yield module
    WebhookSettings.load.cache_clear()


BODY = json.dumps({"eventType": "routing.queue.updated", "queueId": "q-1"}).encode()


def post(app, body=BODY, secret=NEW, *, encoded=False, **headers):
    headers = {**headers_for(body, secret), DELIVERY: "delivery-1", **headers}
    text = base64.b64encode(body).decode() if encoded else body.decode("utf-8", "surrogateescape")
    answer = app.handler({"headers": headers, "body": text, "isBase64Encoded": encoded}, LambdaContext())
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("secret", ["new", "old"])
@pytest.mark.parametrize("encoded", [False, True])
def test_an_event_is_queued_whichever_of_two_secrets_signed_it(app, secret, encoded):
    assert post(app, secret=secret, encoded=encoded) == (202, {"delivery_id": "delivery-1", "status": "queued"})
    assert app.queued() == [{"delivery_id": "delivery-1", "queue_id": "q-1", "kind": "queue", "about": "settings"}]


def test_a_delivery_is_known_by_its_id_and_by_its_signature_for_a_day(app, monkeypatch):
    assert post(app)[0] == 202
    assert post(app) == (200, {"delivery_id": "delivery-1", "status": "known"})
    assert post(app, **{DELIVERY: "another"})[0] == 200
    other = json.dumps({"eventType": "routing.queue.updated", "queueId": "q-2"}).encode()
    assert post(app, other)[0] == 200
    assert len(app.queued()) == 1
    monkeypatch.setattr(app.time, "time", lambda: NOW + 86_400.0)
    later = headers_for(other, "new", str(NOW + 86_400))
    assert post(app, other, **later)[0] == 202


def test_what_could_not_be_queued_is_not_noted_so_a_repeat_is_queued(app, aws, aws_answers):
    aws_answers("sqs", "SendMessage", "ServiceUnavailable")
    assert post(app)[0] == 503
    assert aws("dynamodb").scan(TableName="deliveries")["Items"] == []


def test_what_was_queued_and_could_not_be_noted_is_taken(app, aws_answers):
    aws_answers("dynamodb", "BatchWriteItem", "InternalServerError")
    assert post(app)[0] == 202
    assert len(app.queued()) == 1


def test_refusals_are_problems_and_nothing_is_queued(app):
    assert post(app, secret="wrong")[0] == 401
    assert post(app, b"x" * 300_000)[0] == 413
    status, problem = post(app, b'{"a": 1, "a": 2}')
    assert (status, problem["type"], problem["errors"][0]["path"]) == (422, "/problems/webhook-invalid", "a")
    assert app.queued() == []


def test_without_a_secret_everything_is_refused_and_the_log_says_why(app, aws, logs):
    aws("secretsmanager").put_secret_value(SecretId="webhooks", SecretString="{}")
    status, problem = post(app)
    assert (status, problem["detail"]) == (
        401,
        "This deployment has no secret to check webhooks with, so it takes none.",
    )
    assert any("WebhookSecret holds no secret" in record["msg"] for record in logs())
    assert app.queued() == []


# ---- a bearer secret, where the deployment takes one -----------------------------------------------------------------

BEARERS = '{"current": "new", "bearer_current": "token-new", "bearer_previous": "token-old"}'


@pytest.fixture
def bearer_app(app, aws, monkeypatch):
    """The function where WebhookBearer is on."""
    aws("secretsmanager").put_secret_value(SecretId="webhooks", SecretString=BEARERS)
    monkeypatch.setenv("WEBHOOK_BEARER", "on")
    WebhookSettings.load.cache_clear()
    return app


def send(app, authorization="Bearer token-new", body=BODY, **headers):
    """An unsigned webhook, without an id unless `headers` have one."""
    headers = {"authorization": authorization} | headers
    answer = app.handler({"headers": headers, "body": body.decode()}, LambdaContext())
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize(
    "authorization", ["Bearer token-new", "Bearer token-old", "bearer token-new", "BEARER  token-new "]
)
def test_what_has_a_bearer_secret_is_queued_while_one_replaces_the_other(bearer_app, authorization):
    assert send(bearer_app, authorization)[0] == 202
    assert [event["queue_id"] for event in bearer_app.queued()] == ["q-1"]


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer token",
        "Bearer token-newer",
        "Basic token-new",
        "token-new",
        "Bearer new",
        "Bearer \u00e9",
    ],
)
def test_any_other_authorization_is_refused(bearer_app, authorization, logs):
    status, problem = send(bearer_app, authorization)
    assert (status, problem["type"]) == (401, "/problems/webhook-refused")
    assert bearer_app.queued() == []
    assert not any(secret in json.dumps([problem, *map(str, logs())]) for secret in ("token-new", "token-old"))


def test_off_is_the_default_and_then_no_bearer_secret_is_taken(app, aws):
    aws("secretsmanager").put_secret_value(SecretId="webhooks", SecretString=BEARERS)
    assert send(app)[0] == 401
    assert post(app)[0] == 202


def test_what_is_signed_has_to_be_signed_well_whatever_it_bears(bearer_app):
    assert post(bearer_app, secret="wrong", authorization="Bearer token-new")[0] == 401
    assert post(bearer_app)[0] == 202


def test_a_secret_to_sign_with_is_no_bearer_and_without_one_the_log_says_why(bearer_app, aws, logs):
    aws("secretsmanager").put_secret_value(SecretId="webhooks", SecretString='{"current": "new", "previous": "old"}')
    assert send(bearer_app, "Bearer new")[0] == 401
    assert any("holds no bearer_current" in log["msg"] for log in logs())


def test_without_an_id_the_same_body_is_one_delivery_within_a_second_and_another_one_then(bearer_app, monkeypatch):
    assert [send(bearer_app)[0] for _ in range(2)] == [202, 200]
    other = json.dumps({"eventType": "routing.queue.updated", "queueId": "q-2"}).encode()
    assert send(bearer_app, body=other)[0] == 202
    monkeypatch.setattr(bearer_app.time, "time", lambda: NOW + 1.0)
    assert send(bearer_app)[0] == 202, "a change that is a second younger has to be looked at too"
    assert len({event["delivery_id"] for event in bearer_app.queued()}) == 3


def test_with_an_id_it_is_one_delivery_for_a_day(bearer_app, monkeypatch):
    named = {DELIVERY: "flow-1"}
    assert send(bearer_app, **named) == (202, {"delivery_id": "flow-1", "status": "queued"})
    monkeypatch.setattr(bearer_app.time, "time", lambda: NOW + 3600.0)
    assert send(bearer_app, **named)[0] == 200
    assert send(bearer_app, **{DELIVERY: "a b"})[0] == 422


def test_a_secret_that_is_no_json_is_our_fault_and_not_shown(aws):
    aws("secretsmanager").create_secret(Name="broken", SecretString="hush")
    with pytest.raises(ConfigurationInvalid) as error:
        WebhookSecrets(JsonSecret("broken")).current()
    assert "hush" not in str(error.value)


def test_a_defect_is_an_answer_without_a_trace(app, monkeypatch):
    def broken(*_):
        raise KeyError("secret of ours")

    monkeypatch.setattr(app, "event_of", broken)
    status, problem = post(app)
    assert (status, problem["type"]) == (500, "/problems/routing-weights-error")
    assert "ours" not in json.dumps(problem)
