"""Answers to drift: an event, or one repair, once the change is old enough, and never over a newer change."""

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from local import register
from routing_weights.domain.drift import Difference, fingerprint
from tests.stack.test_alarms import seen, state_since
from tests.stack.test_webhook import all_processed, call, drift, member_event, recorded
from tests.support.waiting import until
from tests.support.world import CLIENT_ID, CLIENT_SECRET, REPAIR_AFTER_S, WEBHOOK_SECRET, WEIGHTS, a_plan


def writes_to(world, queue, since):
    return [one for one in world.requests_about(queue, since) if one["method"] != "GET" and one["status"] != 401]


def distributions(world, queue):
    """Return the ids of the queue's distributions, the newest first."""
    return [item["distribution_id"] for item in world.get(f"/queues/{queue}/distributions").json()["items"]]


FIFTY = {f"agent-{n:03}": 0.02 - n / 10_000 for n in range(1, 51)}


@pytest.fixture
def guarded(world):
    """A queue with a completed distribution whose plan says repair."""

    def make(agents=3, weights=None):
        queue = world.queue(agents=agents)
        run = world.run(a_plan(queue, weights, on_drift="repair")).start("api").ends("completed")
        return queue, run.distribution_id

    return make


def old_event(queue, **more):
    """An event about a change that is old enough to be overwritten."""
    return member_event(queue, timestamp=(datetime.now(UTC) - timedelta(minutes=20)).isoformat(), **more)


def answered(world, queue, action, count=1):
    """Wait for this many drift entries and this answer to the newest, and return it. A repair must have ended."""

    def found():
        items = drift(world, queue)["items"]
        over = items and (action != "repair_started" or items[0]["repair_status"] not in {None, "initiated"})
        return items[0] if over and len(items) == count and items[0]["action"] == action else None

    return until(found, longest_pause_s=0.5)


@pytest.fixture
def echoed(world):
    """Genesys sends an event for every change, also for ours. Call the fixture to wait until all are processed."""
    marker = world.queue()
    world.run(a_plan(marker)).start("api").ends("completed")
    world.sim.change_settings(webhook_secret=WEBHOOK_SECRET)
    environment = {"GENESYS_BASE_URL": world.sim.url, "API_URL": world.api_url}
    environment |= {"GENESYS_CLIENT_ID": CLIENT_ID, "GENESYS_CLIENT_SECRET": CLIENT_SECRET}
    scores = itertools.count(1)

    def all_of_it():
        """Events are sent one after another: once the newest is recorded, all earlier ones are, too."""
        number = next(scores)
        world.sim.edit_member(marker, "agent-001", score=number / 100)
        recorded(world, marker, number)
        all_processed(world)

    assert register.main([], environment) == 0
    yield all_of_it
    world.sim._organisation.webhooks.clear()  # the other tests of this stack send what they send


def test_fifty_changes_by_others_are_repaired_once(world, guarded, echoed):
    began = time.monotonic()
    queue, first = guarded(agents=50, weights=FIFTY)
    echoed()
    assert len(writes_to(world, queue, began)) >= 50
    assert (drift(world, queue)["items"], distributions(world, queue)) == ([], [first])

    since = time.monotonic()
    for number in range(1, 51):
        world.sim.edit_member(queue, f"agent-{number:03}", score=0.01)
    item = answered(world, queue, "repair_started")
    echoed()
    repair = world.distribution(item["repair_id"])
    assert (repair["status"], repair["door"], repair["restores"]["distribution_id"]) == ("completed", "drift", first)
    assert world.held(queue)["scores"] == pytest.approx(FIFTY)
    assert len(writes_to(world, queue, since)) == 50
    assert len(drift(world, queue)["items"]) == 1
    assert distributions(world, queue) == [item["repair_id"], first], "and its echoes led to nothing"


def test_a_change_with_many_events_is_repaired_once(world, guarded):
    queue, first = guarded()
    world.sim.edit_member(queue, "agent-002", score=0.9)
    body = old_event(queue)
    for delivery in ("one", "one", "two", "three"):
        assert call(world, body, delivery=f"{delivery}-{queue}").status_code in {200, 202}

    def work(number):
        """Return the batch that two functions get if a message is delivered twice."""
        event = {"delivery_id": f"m-{number}", "queue_id": queue, "kind": "members", "at": body["timestamp"]}
        attributes = {"SentTimestamp": str(int(time.time() * 1000)), "ApproximateReceiveCount": "1"}
        message = {"messageId": "m", "receiptHandle": "none", "body": json.dumps(event), "attributes": attributes}
        payload = json.dumps({"Records": [message]}).encode()
        return world.client("lambda").invoke(FunctionName="DriftFunction", Payload=payload)

    with ThreadPoolExecutor(4) as workers:
        assert all("FunctionError" not in answer for answer in workers.map(work, range(4)))
    item = answered(world, queue, "repair_started")
    all_processed(world)
    assert distributions(world, queue) == [item["repair_id"], first]
    assert world.held(queue)["scores"] == pytest.approx(WEIGHTS)


def test_a_fresh_edit_is_not_overwritten_before_its_time(world, guarded):
    queue, first = guarded()
    world.sim.edit_member(queue, "agent-002", score=0.9)
    assert call(world, member_event(queue)).status_code == 202
    assert "unless it is taken back or changed again" in answered(world, queue, "repair_deferred")["why"]
    world.sim.edit_member(queue, "agent-002", score=0.8)
    edited = time.monotonic()
    assert call(world, member_event(queue)).status_code == 202
    item = answered(world, queue, "repair_started", 2)
    write, *more = writes_to(world, queue, edited)
    assert write["monotonic"] - edited >= REPAIR_AFTER_S
    assert more == []
    assert world.held(queue)["scores"] == pytest.approx(WEIGHTS)
    all_processed(world)
    assert [one["action"] for one in drift(world, queue)["items"]] == ["repair_started", "repair_dropped"]
    assert distributions(world, queue) == [item["repair_id"], first]


def test_a_delayed_repair_overwrites_no_newer_edit(world, guarded):
    queue, _ = guarded()
    for agent in ("agent-001", "agent-002"):
        world.sim.edit_member(queue, agent, score=0.1)
    slow = {"action": "status", "status": 429, "headers": {"Retry-After": "4"}}
    world.sim.add_faults({"method": "PATCH", "path": f"/{queue}/members/", "skip": 1, **slow})
    since = time.monotonic()
    for number in range(2):
        assert call(world, old_event(queue, number=number)).status_code == 202
    until(lambda: any(write["status"] == 429 for write in writes_to(world, queue, since)))
    one, another = (write["path"].rpartition("/")[2] for write in writes_to(world, queue, since))
    world.sim.edit_member(queue, another, score=0.15)
    item = answered(world, queue, "repair_started")
    assert item["repair_status"] == "member_update_failed"
    (error,) = world.distribution(item["repair_id"])["errors"]
    assert (error["type"], error["fields"]) == ("QueueChanged", [another])
    assert (world.held(queue)["scores"][one], world.held(queue)["scores"][another]) == (0.1, 0.15)


def test_a_setting_edited_while_its_repair_waits_is_left_alone(world, guarded):
    queue, _ = guarded()
    world.sim.edit_queue(queue, utilizationThreshold=0.5)
    slow = {"action": "status", "status": 429, "headers": {"Retry-After": "4"}}
    world.sim.add_faults({"method": "PATCH", "path": f"/{queue}$", **slow})
    since = time.monotonic()
    assert call(world, old_event(queue)).status_code == 202
    until(lambda: writes_to(world, queue, since))
    world.sim.edit_queue(queue, utilizationThreshold=0.6)
    assert answered(world, queue, "repair_started")["repair_status"] == "queue_update_failed"
    assert world.held(queue)["queue"]["utilizationThreshold"] == 0.6
    assert len(writes_to(world, queue, since)) == 1


def test_a_late_repair_does_not_overwrite_a_newer_plan(world, guarded):
    queue, first = guarded()
    world.sim.edit_member(queue, "agent-003", score=0.1)
    drifted = fingerprint(first, [Difference("member", "agent-003", WEIGHTS["agent-003"], 0.1)])
    repair = a_plan(queue, restores={"distribution_id": first, "image": "after", "drift": drifted})
    said = world.run(a_plan(queue, WEIGHTS | {"agent-003": 0.1})).start("api").ends("completed")
    late = world.run(repair).ends("validation_failed")
    assert [error["path"] for error in late.record["errors"]] == ["restores.drift"]
    assert (late.writes, world.held(queue)["scores"]["agent-003"]) == ([], 0.1)
    assert distributions(world, queue) == [late.distribution_id, said.distribution_id, first]


def test_an_edit_that_is_undone_or_planned_is_not_repaired(world, guarded):
    taken_back, planned = guarded()[0], guarded()[0]
    for queue in (taken_back, planned):
        world.sim.edit_member(queue, "agent-002", score=0.4)
        assert call(world, member_event(queue)).status_code == 202
    world.sim.edit_member(planned, "agent-003", score=0.1)
    for queue in (taken_back, planned):
        answered(world, queue, "repair_deferred")
    since = time.monotonic()
    world.sim.edit_member(taken_back, "agent-002", score=WEIGHTS["agent-002"])
    weights = {"agent-001": 0.5, "agent-002": 0.4, "agent-003": 0.1}
    run = world.run(a_plan(planned, weights, on_drift="repair")).start("api").ends("completed")
    for queue in (taken_back, planned):
        answered(world, queue, "repair_dropped")
    all_processed(world)
    assert writes_to(world, taken_back, since) == writes_to(world, planned, since) == run.writes == []
    assert (len(distributions(world, taken_back)), len(distributions(world, planned))) == (1, 2)
    assert world.held(planned)["scores"] == pytest.approx(weights)


def test_repairs_end_at_the_hourly_limit(world, guarded):
    queue, first = guarded()
    ids = [first]
    for number in (1, 2):
        world.sim.edit_member(queue, "agent-002", score=0.9)
        assert call(world, old_event(queue)).status_code == 202
        ids.insert(0, answered(world, queue, "repair_started", number)["repair_id"])
        assert world.held(queue)["scores"] == pytest.approx(WEIGHTS)
    world.sim.edit_member(queue, "agent-002", score=0.9)
    assert call(world, old_event(queue)).status_code == 202
    refused = answered(world, queue, "repair_refused", 3)
    assert "MaxRepairsPerHour" in refused["why"]
    assert refused["repair_id"] is None
    all_processed(world)
    assert distributions(world, queue) == ids
    assert len(set(ids)) == 3
    assert world.held(queue)["scores"]["agent-002"] == 0.9


@contextmanager
def unreadable_claims(world, queue):
    """Have every repair of a queue fail. A message that fails for ever would hold up all later ones of this stack."""
    key = {"TableName": world.ready["drift_table"], "Key": {"queue_id": {"S": queue}, "record": {"S": "repairs"}}}
    item = key["Key"] | {"claims": {"S": "no JSON"}}
    world.client("dynamodb").put_item(TableName=key["TableName"], Item=item)
    try:
        yield
    finally:
        world.client("dynamodb").delete_item(**key)


def test_an_interrupted_repair_is_made_when_the_event_comes_back(world, guarded):
    queue, first = guarded()
    with unreadable_claims(world, queue):
        world.sim.edit_member(queue, "agent-002", score=0.9)
        assert call(world, old_event(queue)).status_code == 202
        assert recorded(world, queue)[0]["action"] in {"recorded", "repair_deferred"}
    item = answered(world, queue, "repair_started")
    all_processed(world)
    assert distributions(world, queue) == [item["repair_id"], first]


def test_a_repair_happens_after_hours_too(world, guarded):
    queue, _ = guarded()
    world.sim.edit_member(queue, "agent-002", score=0.9)
    for agent in WEIGHTS:
        world.sim.edit_member(queue, agent, routingStatus={"status": "OFF_QUEUE"})
    assert call(world, old_event(queue)).status_code == 202
    repaired = answered(world, queue, "repair_started")
    assert repaired["repair_status"] == "completed"
    assert world.held(queue)["scores"]["agent-002"] == WEIGHTS["agent-002"]


def refused_repair(world, guarded):
    """A queue with somebody's change, an event about it, and a repair that Genesys refuses."""
    queue, first = guarded()
    world.sim.edit_member(queue, "agent-002", score=0.9)
    world.sim.add_faults(
        {"method": "PATCH", "path": f"{queue}/members/agent-002", "action": "status", "status": 403, "times": None}
    )
    assert call(world, old_event(queue)).status_code == 202
    return queue, first


def test_a_repair_that_genesys_refuses_is_not_repeated_and_leaves_a_record_and_an_alarm(world, guarded):
    """The person then does what the runbook says."""
    earlier = seen(world)[1]
    queue, first = refused_repair(world, guarded)
    refused = answered(world, queue, "repair_started")
    assert refused["repair_status"] == "member_update_failed"
    record = world.distribution(refused["repair_id"])
    assert record["door"] == "drift"
    assert record["caller"].startswith(refused["at"])
    assert record["errors"]
    assert until(lambda: state_since(world, "DistributionsFail", earlier) == "ALARM")
    assert call(world, old_event(queue, again=True)).status_code == 202
    all_processed(world)
    assert drift(world, queue)["items"] == [refused], "and it is not tried again"
    assert distributions(world, queue) == [refused["repair_id"], first]
    assert world.held(queue)["scores"]["agent-002"] == 0.9

    world.sim.clear_faults()
    world.run(a_plan(queue, on_drift="repair")).start("api").ends("completed")
    assert world.held(queue)["scores"]["agent-002"] == WEIGHTS["agent-002"]


def test_a_repair_with_an_unrecorded_start_is_not_started_twice(world, guarded):
    """The function died between start and note. The drift is still there, so the event leads to it again."""
    queue, first = refused_repair(world, guarded)
    repair = answered(world, queue, "repair_started")["repair_id"]
    all_processed(world)
    db, table = world.client("dynamodb"), world.ready["drift_table"]

    def begun():
        of_queue = {":queue": {"S": queue}}
        found = db.query(
            TableName=table, KeyConditionExpression="queue_id = :queue", ExpressionAttributeValues=of_queue
        )
        return [item for item in found["Items"] if "begun" in item]

    (item,) = begun()
    key = {name: item[name] for name in ("queue_id", "record")}
    db.update_item(TableName=table, Key=key, UpdateExpression="REMOVE begun")
    assert call(world, old_event(queue, again=True)).status_code == 202
    until(begun)
    all_processed(world)
    assert distributions(world, queue) == [repair, first]


@pytest.fixture(scope="module")
def told(world):
    """The events on the bus about a queue's drift so far."""
    name, arn = "drift-of-test", f"arn:aws:sqs:{world.ready['region']}:123456789012:drift-of-test"
    url = world.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    rule = {"Rule": name, "EventBusName": world.ready["outgoing_bus"]}
    pattern = json.dumps({"source": ["routing-weights"], "detail-type": ["Drift Found"]})
    world.client("events").put_rule(Name=name, EventBusName=rule["EventBusName"], EventPattern=pattern)
    world.client("events").put_targets(**rule, Targets=[{"Id": "queue", "Arn": arn}])
    heard = []

    def of(queue):
        while got := world.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in got:
                heard.append(json.loads(message["Body"])["detail"])
                world.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [event for event in heard if event["queue_id"] == queue]

    yield of
    world.client("events").remove_targets(**rule, Ids=["queue"])
    world.client("events").delete_rule(Name=name, EventBusName=rule["EventBusName"])


def test_notify_puts_an_event_on_the_bus_and_writes_nothing(world, told):
    queue = world.queue()
    world.run(a_plan(queue, on_drift="notify")).start("api").ends("completed")
    world.sim.edit_member(queue, "agent-002", score=0.9)
    since = time.monotonic()
    for number in range(3):
        assert call(world, member_event(queue, number=number)).status_code == 202
    item = answered(world, queue, "notified")
    (event,) = until(lambda: told(queue))
    assert event["differences"] == [{"member": "agent-002", "expected": 0.3, "held": 0.9}]
    assert (event["distribution_id"], event["version"]) == (item["distribution_id"], "1")
    at = event["at"]
    assert event["record"] == f"/queues/{queue}/drift?from={at}&to={at}"
    assert world.get(event["record"]).json()["items"] == [item]
    all_processed(world)
    assert (told(queue), writes_to(world, queue, since), len(distributions(world, queue))) == ([event], [], 1)


def test_each_step_of_a_repair_is_an_event(world, guarded, told):
    queue, _ = guarded()
    world.sim.edit_member(queue, "agent-002", score=0.9)
    assert call(world, member_event(queue)).status_code == 202
    item = answered(world, queue, "repair_started")
    deferred, started = until(lambda: len(events := told(queue)) == 2 and events)
    assert (deferred["action"], started["action"]) == ("repair_deferred", "repair_started")
    assert (deferred["repair_id"], started["repair_id"]) == (None, item["repair_id"])
