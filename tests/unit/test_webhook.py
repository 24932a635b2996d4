"""The public door: whose webhooks are queued, which deliveries are known, and what a refusal shows."""

import base64
import json
import math

import pytest

from routing_weights.adapters.aws.secrets import JsonSecret, WebhookSecrets
from routing_weights.adapters.aws.webhook_inbox import Deliveries as StoredDeliveries
from routing_weights.application.receive_webhook import ReceiveWebhook
from routing_weights.domain.signing import DELIVERY
from routing_weights.errors import ConfigurationInvalid, StoreUnavailable
from tests.support.fakes import FakeQueue, LambdaContext, function_module
from tests.unit.test_signing import NEW, NOW, headers_for

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
def test_a_value_that_is_no_secret_is_none(value, fake_time):
    assert WebhookSecrets(Held(value), clock=fake_time.clock).current() == ()


# ---- the function ----------------------------------------------------------------------------------------------------


class Deliveries:
    """The deliveries of the last day, by name. With `is_down`, DynamoDB does not answer a note."""

    def __init__(self):
        self.noted, self.is_down = {}, False

    def known(self, names, now):
        return any(self.noted.get(name, -math.inf) > now - 86_400 for name in names)

    def note(self, names, now):
        if self.is_down:
            raise StoreUnavailable("Could not note the delivery: InternalServerError.")
        self.noted |= dict.fromkeys(names, now)


class Webhook:
    """The function with fakes. `secrets` is what WebhookSecret holds."""

    def __init__(self, monkeypatch):
        self.secrets = {"current": "new", "previous": "old"}
        self.deliveries, self.queue, self.now, self.bearer = Deliveries(), FakeQueue(), float(NOW), "off"
        self.module = function_module("webhook")
        monkeypatch.setattr(self.module.time, "time", lambda: self.now)
        monkeypatch.setattr(self.module.WebhookSettings, "load", lambda: None)
        monkeypatch.setattr(self.module.bootstrap, "receive_webhook", self.use_case)

    def use_case(self, _settings):
        secrets = WebhookSecrets(Held(self.secrets))
        return ReceiveWebhook(secrets, self.deliveries, self.queue, self.bearer == "on")

    def handle(self, event):
        answer = self.module.handler(event, LambdaContext())
        return answer["statusCode"], json.loads(answer["body"])

    def queued(self):
        return [event.model_dump(exclude_none=True) for event, _ in self.queue.sent]


@pytest.fixture
def app(monkeypatch):
    return Webhook(monkeypatch)


BODY = json.dumps({"eventType": "routing.queue.updated", "queueId": "q-1"}).encode()


def post(app, body=BODY, secret=NEW, *, encoded=False, **headers):
    headers = {**headers_for(body, secret), DELIVERY: "delivery-1", **headers}
    text = base64.b64encode(body).decode() if encoded else body.decode("utf-8", "surrogateescape")
    return app.handle({"headers": headers, "body": text, "isBase64Encoded": encoded})


@pytest.mark.parametrize("secret", ["new", "old"])
@pytest.mark.parametrize("encoded", [False, True])
def test_an_event_is_queued_whichever_of_two_secrets_signed_it(app, secret, encoded):
    assert post(app, secret=secret, encoded=encoded) == (202, {"delivery_id": "delivery-1", "status": "queued"})
    assert app.queued() == [{"delivery_id": "delivery-1", "queue_id": "q-1", "kind": "queue", "about": "settings"}]


def test_a_delivery_is_known_by_its_id_and_by_its_signature_for_a_day(app):
    assert post(app)[0] == 202
    assert post(app) == (200, {"delivery_id": "delivery-1", "status": "known"})
    assert post(app, **{DELIVERY: "another"})[0] == 200
    other = json.dumps({"eventType": "routing.queue.updated", "queueId": "q-2"}).encode()
    assert post(app, other)[0] == 200
    assert len(app.queued()) == 1
    app.now = NOW + 86_400.0
    later = headers_for(other, "new", str(NOW + 86_400))
    assert post(app, other, **later)[0] == 202


def test_a_delivery_that_could_not_be_queued_is_not_noted_so_a_repeat_is_queued(app):
    app.queue.send = lambda _: (_ for _ in ()).throw(StoreUnavailable("Could not queue the event."))
    assert post(app)[0] == 503
    assert app.deliveries.noted == {}


def test_a_delivery_that_was_queued_and_could_not_be_noted_is_accepted(app):
    app.deliveries.is_down = True
    assert post(app)[0] == 202
    assert len(app.queued()) == 1


def test_refusals_are_problems_and_nothing_is_queued(app):
    assert post(app, secret="wrong")[0] == 401
    assert post(app, b"x" * 300_000)[0] == 413
    status, problem = post(app, b'{"a": 1, "a": 2}')
    assert (status, problem["type"], problem["errors"][0]["path"]) == (422, "/problems/webhook-invalid", "a")
    assert app.queued() == []


def test_without_a_secret_everything_is_refused_and_the_log_says_why(app, logs):
    app.secrets = {}
    status, problem = post(app)
    assert (status, problem["detail"]) == (
        401,
        "This deployment has no secret to check webhooks with, so it accepts none.",
    )
    assert any("WebhookSecret holds no secret" in record["msg"] for record in logs())
    assert app.queued() == []


# ---- a bearer secret, where the deployment takes one -----------------------------------------------------------------

BEARERS = {"current": "new", "bearer_current": "token-new", "bearer_previous": "token-old"}


@pytest.fixture
def bearer_app(app):
    """The function where WebhookBearer is on."""
    app.secrets, app.bearer = BEARERS, "on"
    return app


def send(app, authorization="Bearer token-new", body=BODY, **headers):
    """An unsigned webhook, without an id unless `headers` have one."""
    headers = {"authorization": authorization} | headers
    return app.handle({"headers": headers, "body": body.decode()})


@pytest.mark.parametrize(
    "authorization", ["Bearer token-new", "Bearer token-old", "bearer token-new", "BEARER  token-new "]
)
def test_a_webhook_with_either_bearer_secret_is_queued(bearer_app, authorization):
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


def test_off_is_the_default_and_then_no_bearer_secret_is_accepted(app):
    app.secrets = BEARERS
    assert send(app)[0] == 401
    assert post(app)[0] == 202


def test_a_wrong_signature_is_refused_whatever_bearer_secret_comes_with_it(bearer_app):
    assert post(bearer_app, secret="wrong", authorization="Bearer token-new")[0] == 401
    assert post(bearer_app)[0] == 202


def test_a_secret_to_sign_with_is_no_bearer_and_without_one_the_log_says_why(bearer_app, logs):
    bearer_app.secrets = {"current": "new", "previous": "old"}
    assert send(bearer_app, "Bearer new")[0] == 401
    assert any("holds no bearer_current" in log["msg"] for log in logs())


def test_without_an_id_the_same_body_is_one_delivery_within_a_second(bearer_app):
    assert [send(bearer_app)[0] for _ in range(2)] == [202, 200]
    other = json.dumps({"eventType": "routing.queue.updated", "queueId": "q-2"}).encode()
    assert send(bearer_app, body=other)[0] == 202
    bearer_app.now = NOW + 1.0
    assert send(bearer_app)[0] == 202, "a change that is a second younger has to be looked at too"
    assert len({event["delivery_id"] for event in bearer_app.queued()}) == 3


def test_an_unsigned_webhook_with_an_id_is_one_delivery_for_a_day(bearer_app):
    named = {DELIVERY: "flow-1"}
    assert send(bearer_app, **named) == (202, {"delivery_id": "flow-1", "status": "queued"})
    bearer_app.now = NOW + 3600.0
    assert send(bearer_app, **named)[0] == 200
    assert send(bearer_app, **{DELIVERY: "a b"})[0] == 422


def test_a_secret_that_is_no_json_is_our_fault_and_not_shown(aws):
    aws("secretsmanager").create_secret(Name="broken", SecretString="hush")
    with pytest.raises(ConfigurationInvalid) as error:
        WebhookSecrets(JsonSecret("broken")).current()
    assert "hush" not in str(error.value)


def test_a_defect_is_an_answer_without_a_trace(app):
    def broken(*_):
        raise KeyError("secret of ours")

    app.deliveries.known = broken
    status, problem = post(app)
    assert (status, problem["type"]) == (500, "/problems/routing-weights-error")
    assert "ours" not in json.dumps(problem)


# ---- the table -------------------------------------------------------------------------------------------------------


@pytest.fixture
def deliveries(aws):
    aws("dynamodb").create_table(
        TableName="deliveries",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "delivery", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "delivery", "KeyType": "HASH"}],
    )
    return StoredDeliveries("deliveries")


@pytest.mark.parametrize("make", ["table", "fake"])
def test_a_delivery_is_known_by_each_of_its_names_for_a_day(request, make):
    stored = request.getfixturevalue("deliveries") if make == "table" else Deliveries()
    assert not stored.known(["id:a", "signature"], NOW)
    stored.note(["id:a", "signature"], NOW)
    assert stored.known(["id:a", "another"], NOW + 86_399)
    assert stored.known(["another", "signature"], NOW)
    assert not stored.known(["another"], NOW)
    assert not stored.known(["id:a", "signature"], NOW + 86_400)


def test_a_table_that_answers_in_part_makes_no_delivery_known(deliveries, aws_answers):
    deliveries.note(["id:a"], NOW)
    unanswered = {"deliveries": {"Keys": [{"delivery": {"S": "id:a"}}]}}
    aws_answers("dynamodb", "BatchGetItem", {"Responses": {}, "UnprocessedKeys": unanswered})
    assert not deliveries.known(["id:a"], NOW)
