"""The function that processes events: a batch fails in part, and each queue is read once."""

import json
import time
from pathlib import Path

import pytest

from routing_weights.errors import Forbidden, GenesysUnavailable, QueueBusy, QueueNotFound, RateLimited
from tests.support.fakes import function_module

ROOT = Path(__file__).parents[2]


class Context:
    function_name, memory_limit_in_mb, aws_request_id = "drift", 128, "1"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:1:function:drift"
    left_ms = 120_000

    def get_remaining_time_in_millis(self):
        return self.left_ms


@pytest.fixture
def work(monkeypatch):
    """Give the function events of queues; what is known of each queue is what its look raises, or nothing."""
    app = function_module("drift")
    looks, put_off, looked = [], [], []
    monkeypatch.setattr(app.DriftSettings, "load", type("S", (), {"__getattr__": lambda *_: "x"}))
    monkeypatch.setattr(app, "put_off", lambda _queue, messages: put_off.extend(m["messageId"] for m in messages))

    def run(*bodies, left_ms=120_000, sent_ms=0, **errors):
        put_off.clear()

        def look(_self, queue_id, events, _now):
            looks.append((queue_id, [event.delivery_id for event in events]))
            if queue_id in errors:
                raise errors[queue_id]
            return False

        monkeypatch.setattr(app.Watch, "look", look)
        monkeypatch.setattr(app.Patrol, "looked", lambda _self, queue_id, _at: looked.append(queue_id))
        attributes = {"SentTimestamp": str(sent_ms)}
        messages = [{"messageId": f"m{n}", "body": body, "attributes": attributes} for n, body in enumerate(bodies)]
        context = Context()
        context.left_ms = left_ms
        answer = app.handler({"Records": messages}, context)
        failed = [item["itemIdentifier"] for item in answer["batchItemFailures"]]
        assert put_off == failed
        return looks, failed

    run.looked = looked
    return run


def an_event(queue, delivery, **more):
    return json.dumps({"delivery_id": delivery, "queue_id": queue, "kind": "queue", **more})


def test_the_events_of_a_queue_are_answered_by_one_look(work):
    looks, failed = work(an_event("a", "1"), an_event("b", "2"), an_event("a", "3"))
    assert (looks, failed) == ([("a", ["1", "3"]), ("b", ["2"])], [])


def test_an_event_that_an_earlier_reading_has_answered_needs_none(work):
    now_ms = int(time.time() * 1000)
    work(an_event("a", "1"), sent_ms=now_ms - 5_000)
    assert work(an_event("a", "2"), sent_ms=now_ms - 3_000) == ([("a", ["1"])], [])
    looks, _ = work(an_event("a", "3"), sent_ms=now_ms)
    assert looks == [("a", ["1"]), ("a", ["3"])], "a change may be too fresh to show"


def test_a_repair_that_was_put_off_is_looked_at_whatever_was_seen_before(work):
    now_ms = int(time.time() * 1000)
    work(an_event("a", "1"), sent_ms=now_ms)
    looks, _ = work(an_event("a", "2", deferred="a record"), sent_ms=now_ms - 900_000)
    assert looks == [("a", ["1"]), ("a", ["2"])]


def test_a_reading_that_failed_has_answered_nothing(work):
    work(an_event("a", "1"), a=QueueBusy("busy"))
    looks, _ = work(an_event("a", "2"))
    assert [deliveries for _, deliveries in looks] == [["1"], ["2"]]


@pytest.mark.parametrize("error", [QueueBusy("busy"), GenesysUnavailable("down"), KeyError("a defect")])
def test_what_fails_comes_back_and_the_rest_does_not(work, error):
    looks, failed = work(an_event("a", "1"), an_event("b", "2"), an_event("a", "3"), a=error)
    assert [queue for queue, _ in looks] == ["a", "b"]
    assert failed == ["m0", "m2"]


def test_a_queue_that_genesys_no_longer_has_is_done_with(work):
    assert work(an_event("a", "1"), a=QueueNotFound("gone"))[1] == []


@pytest.mark.parametrize("body", ["garbage", "{}", '{"delivery_id": "1", "queue_id": "../x", "kind": "queue"}'])
def test_a_message_that_is_no_event_fails_alone(work, body):
    looks, failed = work(body, an_event("b", "2"))
    assert (looks, failed) == ([("b", ["2"])], ["m0"])


def test_an_event_of_the_partner_bus_is_one_of_its_queues(work):
    sample = (ROOT / "events" / "partner-audit.json").read_text(encoding="utf-8")
    looks, failed = work(an_event("queue-001", "1"), sample)
    assert (looks, failed) == ([("queue-001", ["1", json.loads(sample)["id"]])], [])


def on_patrol(queue, delivery="patrol-1"):
    return json.dumps({"delivery_id": delivery, "queue_id": queue, "kind": "patrol"})


@pytest.mark.parametrize(
    "error", [QueueBusy("busy"), GenesysUnavailable("down"), RateLimited("No room.", retry_after_s=2)], ids=repr
)
def test_a_patrol_gives_way_and_does_not_come_back(work, error):
    looks, failed = work(on_patrol("a"), on_patrol("b"), a=error)
    assert ([queue for queue, _ in looks], failed) == (["a", "b"], [])


@pytest.mark.parametrize("error", [Forbidden("No."), KeyError("a defect")], ids=repr)
def test_a_patrol_that_finds_a_lasting_fault_comes_back_until_it_is_a_dead_letter(work, error):
    assert work(on_patrol("a"), a=error)[1] == ["m0"]


def test_a_patrol_beside_an_event_is_an_event(work):
    assert work(on_patrol("a"), an_event("a", "1"), a=QueueBusy("busy"))[1] == ["m0", "m1"]


def test_every_look_counts_as_one_of_the_patrol_and_one_that_failed_does_not(work):
    work(
        on_patrol("a"), an_event("b", "1"), on_patrol("c"), an_event("d", "2"), c=QueueBusy("busy"), d=Forbidden("No.")
    )
    assert work.looked == ["a", "b"]


def test_when_the_time_is_up_the_rest_comes_back(work):
    assert work(an_event("a", "1"), an_event("b", "2"), left_ms=20_000) == ([], ["m0", "m1"])
