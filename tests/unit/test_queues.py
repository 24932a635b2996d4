"""Messages in SQS: how long they wait, and what happens where SQS does not answer."""

import json

import pytest

from routing_weights.adapters.aws.queues import ChangeQueue, DeadLetters, Queue
from routing_weights.application.messages import Message, batch_failures
from routing_weights.domain.change_events import ChangeEvent
from routing_weights.errors import StoreUnavailable

URL = "https://sqs.example/q"
EVENT = ChangeEvent(delivery_id="d-1", queue_id="queue-001", kind="members", by="somebody", at="then")


def received(count, sent_ms=0):
    attributes = {"ApproximateReceiveCount": str(count), "SentTimestamp": str(sent_ms)}
    return Message.parse({"messageId": "m", "body": "b", "receiptHandle": "r", "attributes": attributes})


def test_a_message_that_comes_back_waits_longer_each_time():
    assert [received(count).pause_s() for count in (1, 2, 3, 7, 25)] == [5, 10, 20, 300, 300]
    assert [received(count).pause_s(first_s=1) for count in (1, 2, 9, 10)] == [1, 2, 256, 300]
    assert received(1).pause_s(at_least_s=900) == 900


def test_a_reading_answers_the_messages_that_were_sent_two_seconds_before_it_began():
    assert [received(1, sent_ms).is_answered_by(10_000) for sent_ms in (7_999, 8_000, 8_001)] == [True, True, False]


def test_lambda_hears_which_messages_failed():
    assert batch_failures(["a", "b"]) == {"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "b"}]}


def test_a_message_is_postponed_by_its_receipt(aws_answers):
    requests = aws_answers("sqs", "ChangeMessageVisibility", {})
    Queue(URL).postpone("r", 20)
    (request,) = [json.loads(request["body"]) for request in requests]
    assert (request["QueueUrl"], request["ReceiptHandle"], request["VisibilityTimeout"]) == (URL, "r", 20)


def test_a_message_that_cannot_be_postponed_comes_back_all_the_same(aws_answers, logs):
    aws_answers("sqs", "ChangeMessageVisibility", "ServiceUnavailable")
    Queue(URL).postpone("r", 20)
    assert any("could not be postponed" in log["msg"] for log in logs())


def test_an_event_that_has_to_wait_longer_than_a_queue_allows_comes_early(aws_answers):
    requests = aws_answers("sqs", "SendMessage", {})
    for after_s in (0.2, 20_000.0, None):
        ChangeQueue(URL).send(EVENT.model_copy(update={"deferred": "r-1"}), after_s)
    bodies = [json.loads(request["body"]) for request in requests]
    assert [body.get("DelaySeconds") for body in bodies] == [1, 900, None]
    assert ChangeEvent.model_validate_json(bodies[0]["MessageBody"]).deferred == "r-1"


def test_a_dead_letter_has_its_reason(aws):
    url = aws("sqs").create_queue(QueueName="dead")["QueueUrl"]
    DeadLetters(url).put("a body", "status 404")
    (message,) = aws("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert (message["Body"], message["MessageAttributes"]["reason"]["StringValue"]) == ("a body", "status 404")


@pytest.mark.parametrize("send", [lambda: ChangeQueue(URL).send(EVENT), lambda: DeadLetters(URL).put("b", "r")])
def test_a_message_that_sqs_does_not_accept_is_an_error(aws_answers, send):
    aws_answers("sqs", "SendMessage", "ServiceUnavailable")
    with pytest.raises(StoreUnavailable):
        send()
