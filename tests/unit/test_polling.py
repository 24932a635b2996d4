"""The stack's event source mapping: a failed message comes back, and finally becomes a dead letter."""

import json
from contextlib import contextmanager

import pytest

from local.stack.polling import Poller
from local.stack.runtime import Outcome
from local.stack.template import EventSource
from tests.support.waiting import until


@pytest.fixture
def sqs(aws):
    client = aws("sqs")
    dead = client.create_queue(QueueName="dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": "arn:aws:sqs:eu-central-1:123456789012:dead", "maxReceiveCount": 3}
    attributes = {"VisibilityTimeout": "0", "RedrivePolicy": json.dumps(redrive)}
    client.events = client.create_queue(QueueName="events", Attributes=attributes)["QueueUrl"]
    client.dead = dead
    return client


@contextmanager
def polled(sqs, answer, *, reports_failures=True):
    """Poll with a function that has these outcomes. Returns the bodies of each invocation."""
    got = []

    def invoke(name, payload, _trace=""):
        assert name == "DriftFunction"
        records = json.loads(payload)["Records"]
        got.append([record["body"] for record in records])
        return answer(records)

    source = EventSource("arn:aws:sqs:eu-central-1:123456789012:events", "DriftFunction", 10, reports_failures)
    poller = Poller(sqs, source, "eu-central-1", invoke)
    poller.start()
    try:
        yield got
    finally:
        poller.close()
        assert not poller._thread.is_alive()


def told(answer):
    return Outcome(json.dumps(answer).encode(), failed=False)


def waiting(sqs, queue):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def send(sqs, *bodies):
    for body in bodies:
        sqs.send_message(QueueUrl=sqs.events, MessageBody=body)


def test_a_message_that_a_function_gives_back_ends_as_a_dead_letter(sqs):
    def answer(records):
        bad = [record for record in records if record["body"] == "bad"]
        return told({"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in bad]})

    send(sqs, "good", "bad", "fine")
    with polled(sqs, answer) as got:
        until(lambda: waiting(sqs, sqs.dead) == 1)
    assert sorted(body for batch in got for body in batch) == ["bad", "bad", "bad", "fine", "good"]
    assert waiting(sqs, sqs.events) == 0
    (dead,) = sqs.receive_message(QueueUrl=sqs.dead)["Messages"]
    assert dead["Body"] == "bad"


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(b'{"errorType": "KeyError"}', failed=True),
        told({"batchItemFailures": [{"itemIdentifier": "a stranger"}]}),
        told({"batchItemFailures": [{}]}),
        told({"batchItemFailures": ["x"]}),
        told([1]),
        Outcome(b"not JSON", failed=False),
    ],
)
def test_after_a_failure_a_function_gets_the_whole_batch_again(sqs, outcome):
    send(sqs, "one", "two")
    with polled(sqs, lambda _: outcome) as got:
        until(lambda: waiting(sqs, sqs.dead) == 2)
    assert sorted(body for batch in got for body in batch) == ["one"] * 3 + ["two"] * 3


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_no_failures_are_no_failures(sqs, answer):
    send(sqs, "one")
    with polled(sqs, lambda _: told(answer)) as got:
        until(lambda: got and waiting(sqs, sqs.events) == 0)
    assert (got, waiting(sqs, sqs.dead)) == ([["one"]], 0)


def test_without_the_response_type_the_answer_is_ignored(sqs):
    send(sqs, "one")
    with polled(sqs, lambda _: told({"batchItemFailures": [{"itemIdentifier": "x"}]}), reports_failures=False) as got:
        until(lambda: got and waiting(sqs, sqs.events) == 0)
    assert got == [["one"]]


def test_a_record_looks_like_a_record_of_sqs(sqs):
    records = []
    send(sqs, '{"a": 1}')
    with polled(sqs, lambda found: records.extend(found) or told({})):
        until(lambda: records)
    (record,) = records
    assert (record["body"], record["eventSource"]) == ('{"a": 1}', "aws:sqs")
    assert record["eventSourceARN"] == "arn:aws:sqs:eu-central-1:123456789012:events"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"messageId", "receiptHandle", "md5OfBody", "messageAttributes", "awsRegion"} <= record.keys()
