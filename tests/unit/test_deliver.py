"""The delivery of outcomes: what comes back, what is a dead letter, and that each event fails alone."""

import json

import pytest

from routing_weights.application.deliver import DeliverOutcomes
from routing_weights.application.messages import Message
from routing_weights.domain.signing import Reply
from tests.support.fakes import FakeDeadLetters, FakeQueue


def body_of(name):
    return json.dumps({"detail-type": "Distribution Outcome", "detail": {"id": name, "status": "completed"}})


class Secrets:
    def __init__(self, *values):
        self.values = values

    def current(self):
        return self.values


class Delivering:
    """The use case with fakes. The receiver replies to each event by its id, or raises the error that it is given."""

    def __init__(self):
        self.queue, self.dead, self.posted, self.replies = FakeQueue(), FakeDeadLetters(), [], {}
        self.use_case = DeliverOutcomes(self, Secrets("new", "old"), self.queue, self.dead)

    def post(self, event_id, body, secrets):
        self.posted.append((event_id, json.loads(body), secrets))
        if isinstance(self.replies[event_id], Exception):
            raise self.replies[event_id]
        return self.replies[event_id]

    def deliver(self, **replies):
        self.replies = replies
        return self.use_case.deliver([Message(f"m-{name}", body_of(name), f"r-{name}", 1, 0) for name in replies])


@pytest.fixture
def outcomes():
    return Delivering()


def test_an_event_that_is_taken_is_done_and_its_body_is_the_detail(outcomes):
    assert outcomes.deliver(a=Reply("taken", "status 204")) == []
    assert outcomes.posted == [("a", {"id": "a", "status": "completed"}, ("new", "old"))]
    assert (outcomes.queue.postponed, outcomes.dead.letters) == ({}, [])


def test_each_event_fails_for_itself_and_waits_as_long_as_the_receiver_asks(outcomes):
    failed = outcomes.deliver(
        a=Reply("later", "status 503", 7),
        b=Reply("taken", "status 200"),
        c=RuntimeError("a defect"),
        d=Reply("later", "ReadTimeout"),
    )
    assert failed == ["m-a", "m-c", "m-d"]
    assert outcomes.queue.postponed == {"r-a": 7, "r-c": 1, "r-d": 1}
    assert outcomes.dead.letters == []


def test_a_permanently_refused_event_is_a_dead_letter_at_once(outcomes, logs):
    assert outcomes.deliver(a=Reply("never", "status 404")) == []
    assert outcomes.dead.letters == [(body_of("a"), "status 404")]
    (error,) = [log for log in logs() if log["levelname"] == "ERROR"]
    assert (error["event_id"], error["reason"]) == ("a", "status 404")


def test_a_dead_letter_that_cannot_be_put_is_not_lost(outcomes):
    outcomes.dead.is_down = True
    assert outcomes.deliver(a=Reply("never", "status 404")) == ["m-a"]


@pytest.mark.parametrize("body", ["no JSON", "{}", '{"detail": {}}'])
def test_a_message_that_is_no_event_comes_again_until_it_is_a_dead_letter(outcomes, body):
    assert outcomes.use_case.deliver([Message("m", body, "r", 3, 0)]) == ["m"]
    assert outcomes.queue.postponed == {"r": 4}


def test_without_a_secret_the_log_says_so_and_the_event_waits(outcomes, logs):
    outcomes.use_case = DeliverOutcomes(outcomes, Secrets(), outcomes.queue, outcomes.dead)
    assert outcomes.deliver(a=Reply("later", "there is no secret to sign with")) == ["m-a"]
    assert any("OutgoingSecret holds no secret" in log["msg"] for log in logs())


def test_without_a_receiver_the_log_says_so_and_the_event_waits(outcomes, logs):
    outcomes.use_case = DeliverOutcomes(None, Secrets("new"), outcomes.queue, outcomes.dead)
    assert outcomes.deliver(a=Reply("taken", "status 204")) == ["m-a"]
    assert any("no system to send outcomes to" in str(log.get("reason")) for log in logs())
