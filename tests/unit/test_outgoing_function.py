"""The function that processes our own events: what comes again, what is set aside, and that each fails alone."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from routing_weights.adapters.http.webhook_sender import Answer, Receiver
from tests.support.fakes import LambdaContext, function_module

ROOT = Path(__file__).parents[2]


@pytest.fixture
def work(aws, monkeypatch):
    """Give the function events by id; a receiver answers each as it is told, or raises what it is told."""
    app = function_module("outgoing")
    dead = aws("sqs").create_queue(QueueName="dead")["QueueUrl"]
    aws("secretsmanager").create_secret(Name="outgoing", SecretString='{"current": "new", "previous": "old"}')
    settings = SimpleNamespace(
        outgoing_webhook_url="https://wfm.example.com",
        outgoing_secret="outgoing",
        outgoing_queue="queue",
        outgoing_dead_letters=dead,
    )
    monkeypatch.setattr(app.OutgoingSettings, "load", lambda: settings)
    paused = {}
    monkeypatch.setattr(
        app, "put_off", lambda _queue, messages, **how: paused.update({m["messageId"]: how for m in messages})
    )
    posted = []

    def run(**answers):
        def post(_self, event_id, body, secrets):
            posted.append((event_id, json.loads(body), secrets))
            if isinstance(answers[event_id], Exception):
                raise answers[event_id]
            return answers[event_id]

        monkeypatch.setattr(Receiver, "post", post)
        records = [{"messageId": f"m-{name}", "body": envelope(name)} for name in answers]
        failed = app.handler({"Records": records}, LambdaContext())["batchItemFailures"]
        return [one["itemIdentifier"] for one in failed]

    run.settings, run.paused, run.posted, run.app = settings, paused, posted, app
    run.dead = lambda: [
        (message["Body"], message["MessageAttributes"]["reason"]["StringValue"])
        for message in aws("sqs").receive_message(QueueUrl=dead, MessageAttributeNames=["All"]).get("Messages", [])
    ]
    return run


def envelope(name):
    return json.dumps({"detail-type": "Distribution Outcome", "detail": {"id": name, "status": "completed"}})


def test_what_is_taken_is_done_and_the_body_is_the_detail(work):
    assert work(a=Answer("taken", "status 204")) == []
    assert work.posted == [("a", {"id": "a", "status": "completed"}, ("new", "old"))]
    assert (work.paused, work.dead()) == ({}, [])


def test_each_event_fails_for_itself_and_as_long_as_the_receiver_asks(work):
    failed = work(
        a=Answer("later", "status 503", 7),
        b=Answer("taken", "status 200"),
        c=RuntimeError("a defect"),
        d=Answer("later", "ReadTimeout"),
    )
    assert failed == ["m-a", "m-c", "m-d"]
    assert {name: how["at_least_s"] for name, how in work.paused.items()} == {"m-a": 7, "m-c": 0, "m-d": 0}
    assert work.dead() == []


def test_what_nobody_will_ever_take_is_a_dead_letter_at_once_and_the_log_says_why(work, logs):
    assert work(a=Answer("never", "status 404")) == []
    assert work.dead() == [(envelope("a"), "status 404")]
    (error,) = [log for log in logs() if log["levelname"] == "ERROR"]
    assert (error["event_id"], error["reason"]) == ("a", "status 404")


def test_what_cannot_be_set_aside_is_not_lost(work, aws_answers):
    aws_answers("sqs", "SendMessage", "ServiceUnavailable")
    assert work(a=Answer("never", "status 404")) == ["m-a"]


def test_a_message_that_is_no_event_comes_again_until_it_is_a_dead_letter(work):
    records = [{"messageId": "m", "body": body} for body in ("no JSON", "{}", '{"detail": {}}')]
    assert len(work.app.handler({"Records": records}, LambdaContext())["batchItemFailures"]) == 3


@pytest.mark.parametrize(("missing", "said"), [("secret", "OutgoingSecret holds no secret"), ("url", "nobody to tell")])
def test_a_missing_set_up_is_reported_and_tried_again(work, aws, logs, missing, said):
    if missing == "secret":
        aws("secretsmanager").put_secret_value(SecretId="outgoing", SecretString="{}")
    else:
        work.settings.outgoing_webhook_url = ""
    assert work(a=Answer("later", "there is no secret to sign with")) == ["m-a"]
    assert any(said in f"{log['msg']} {log.get('reason', '')}" for log in logs())
