"""The functions around drift and outcomes: each event of Lambda becomes one call of a use case."""

import json

import pytest

from routing_weights.application.detect_drift import Detected
from tests.support.fakes import LambdaContext, function_module

SQS = {
    "messageId": "m-1",
    "body": "a body",
    "receiptHandle": "r-1",
    "attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1000"},
}


class UseCase:
    """Whatever method is called, it is called with one argument, which is kept."""

    def __init__(self, answer):
        self.answer, self.given = answer, []

    def __getattr__(self, _method):
        return self.call

    def call(self, given):
        self.given.append(given)
        return self.answer


@pytest.fixture
def function(monkeypatch):
    """A function whose builder in bootstrap gives a use case that answers `answer`; its settings are not read."""

    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "test")

    def function(name, builder, settings, answer):
        module, use_case = function_module(name), UseCase(answer)
        monkeypatch.setattr(getattr(module, settings), "load", lambda: None)
        monkeypatch.setattr(module.bootstrap, builder, lambda *_: use_case)
        return lambda event: module.handler(event, LambdaContext()), use_case

    return function


@pytest.mark.parametrize(
    ("name", "builder", "settings", "answer"),
    [
        ("drift", "detect_drift", "DriftSettings", Detected(["m-1"], 2)),
        ("outgoing", "deliver_outcomes", "OutgoingSettings", ["m-1"]),
    ],
)
def test_a_batch_of_messages_is_answered_with_those_that_come_back(function, name, builder, settings, answer):
    call, use_case = function(name, builder, settings, answer)
    assert call({"Records": [SQS]}) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    (((message,)),) = use_case.given
    assert (message.message_id, message.body, message.receipt) == ("m-1", "a body", "r-1")
    assert (message.received, message.sent_at_ms) == (3, 1000)


def test_drift_that_is_new_is_counted(function, capsys):
    call, _ = function("drift", "detect_drift", "DriftSettings", Detected([], 2))
    call({"Records": [SQS]})
    (emitted,) = (json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line)
    assert emitted["DriftFound"] == [2.0]


def test_a_batch_of_the_stream_is_answered_with_the_first_that_comes_back(function):
    call, use_case = function("outcomes", "publish_outcomes", "OutcomesSettings", ["7"])
    keys = {"distribution_id": {"S": "d-1"}, "record": {"S": "9-closed"}}
    record = {"dynamodb": {"Keys": keys, "NewImage": {"status": {"S": "completed"}}, "SequenceNumber": "7"}}
    assert call({"Records": [record]}) == {"batchItemFailures": [{"itemIdentifier": "7"}]}
    (((given,)),) = use_case.given
    assert (given.sequence_number, given.distribution_id) == ("7", "d-1")
    assert given.image == {"status": {"S": "completed"}}


def test_outcomes_are_published_once_more_by_hand(function):
    call, use_case = function("outcomes", "republish_outcomes", "OutcomesSettings", ["d-1:completed"])
    assert call({"distribution_ids": ["d-1"]}) == {"put": ["d-1:completed"]}
    assert use_case.given == [["d-1"]]


def test_the_patrol_says_how_many_events_it_sent(function):
    call, use_case = function("patrol", "patrol", "PatrolSettings", 3)
    assert call({}) == {"sent": 3}
    assert use_case.given[0].tzinfo


def test_calibrate_says_how_many_distributions_it_measured(function):
    call, use_case = function("calibrate", "measure", "CalibrateSettings", {"measured": 1, "failed": 0})
    assert call({}) == {"measured": 1, "failed": 0}
    assert use_case.given[0].tzinfo
