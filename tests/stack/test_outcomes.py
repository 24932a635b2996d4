"""The outcome of every distribution is an event on the bus, whatever fails on the way there."""

import json
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from tests.stack.invoking import invoked
from tests.support.waiting import until
from tests.support.world import a_plan


class Listener:
    """A queue that a rule of the bus fills, as a listening system would have it."""

    def __init__(self, world):
        self.world, self.heard = world, []
        self.url = world.client("sqs").create_queue(QueueName="outcomes-of-test")["QueueUrl"]
        self.listen()

    def listen(self):
        arn = f"arn:aws:sqs:{self.world.ready['region']}:123456789012:outcomes-of-test"
        rule = {"Rule": "outcomes-of-test", "EventBusName": self.world.ready["outgoing_bus"]}
        events = self.world.client("events")
        events.put_rule(
            Name=rule["Rule"],
            EventBusName=rule["EventBusName"],
            EventPattern='{"source": ["routing-weights"], "detail-type": ["Distribution Outcome"]}',
        )
        events.put_targets(**rule, Targets=[{"Id": "queue", "Arn": arn}])

    def of(self, distribution_id):
        """Return all outcomes of a distribution so far."""
        sqs = self.world.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                self.heard.append(json.loads(message["Body"])["detail"])
                sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [outcome for outcome in self.heard if outcome["distribution_id"] == distribution_id]

    def once(self, distribution_id):
        """Return the only outcome of a distribution. A later outcome of another one shows that no second one came."""
        until(lambda: self.of(distribution_id))
        after = self.world.run(None).wait().distribution_id  # refused by the state machine: the quickest distribution
        until(lambda: self.of(after))
        (outcome,) = self.of(distribution_id)
        return outcome

    @contextmanager
    def without_bus(self):
        events, name = self.world.client("events"), self.world.ready["outgoing_bus"]
        events.delete_event_bus(Name=name)
        try:
            yield
        finally:
            events.create_event_bus(Name=name)
            self.listen()


@pytest.fixture(scope="module")
def listener(world):
    return Listener(world)


def test_a_completed_distribution_is_published_once(world, listener):
    run = world.run(a_plan(world.queue(), reason="evening shift")).start("api").ends("completed")
    outcome = listener.once(run.distribution_id)
    assert outcome["id"] == f"{run.distribution_id}:completed"
    assert (outcome["queue_id"], outcome["door"], outcome["reason"]) == (run.queue_id, "api", "evening shift")
    assert (outcome["members"], outcome["changes"]) == (3, {"settings": 1, "members": 3})
    assert (outcome["balance_accuracy"], outcome["errors"], outcome["restore"]) == (100.0, [], None)
    assert outcome["ended_at"] == run.record["timestamp"]
    # One id from the door to Genesys: the distribution's. The opening record leads from there to the access log.
    assert {entry["correlation_id"] for entry in run.requests} == {run.distribution_id}
    assert UUID(run.opened["request_id"])
    whole = world.get(outcome["record"])
    assert (whole.status_code, whole.json()["status"]) == (200, "completed")


def test_a_failed_distribution_is_published_with_its_restore(world, listener):
    run = world.run(a_plan(world.queue())).with_fault("status", "PATCH", "/members/agent-002", status=403)
    run.ends("member_update_failed")
    outcome = listener.once(run.distribution_id)
    assert (outcome["status"], outcome["restore"]["outcome"]) == ("member_update_failed", "restored")
    assert [error["type"] for error in outcome["errors"]] == ["Forbidden"]


def test_a_refused_plan_is_published(world, listener):
    refused = world.post({"queue_id": "queue-001", "member_weights": {"agent-001": 2}})
    assert refused.status_code == 422
    outcome = listener.once(refused.json()["distribution_id"])
    assert (outcome["status"], outcome["queue_id"]) == ("validation_failed", "queue-001")
    assert outcome["error_count"] == len(refused.json()["errors"])


def test_a_plan_of_five_thousand_members_is_published_as_a_summary(world, listener):
    """Its records are larger than an item, so the weights are in the bucket."""
    members = {str(UUID(int=n)): 0.0002 for n in range(1, 5001)}
    run = world.run(a_plan(world.queue(agents=1), members, dry_run=True)).start("api")
    run.ends("validation_failed")  # of the queue's one agent and 4,999 others
    outcome = listener.once(run.distribution_id)
    assert (outcome["status"], outcome["members"], len(outcome["errors"])) == ("validation_failed", 5000, 5)
    assert outcome["error_count"] > 5
    assert len(world.distribution(run.distribution_id)["requested_weights"]) == 5000


def test_an_outcome_can_be_published_again_by_hand(world, listener):
    run = world.run(a_plan(world.queue())).ends("completed")
    listener.once(run.distribution_id)
    told = invoked(world, "OutcomesFunction", {"distribution_ids": [run.distribution_id]})
    assert told == {"put": [f"{run.distribution_id}:completed"]}
    first, second = until(lambda: (heard := listener.of(run.distribution_id))[1:] and heard)
    assert first == second


def test_a_record_whose_writer_died_right_after_is_published(world, listener):
    table = world.ready["audit_table"]
    run = world.run(a_plan(world.queue())).ends("completed")
    key = {"distribution_id": {"S": run.distribution_id}, "record": {"S": "9-closed"}}
    item = world.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    dead = {"distribution_id": {"S": f"{run.distribution_id}-dead"}}
    world.client("dynamodb").put_item(TableName=table, Item=item | dead)
    assert listener.once(f"{run.distribution_id}-dead")["status"] == "completed"


def test_outcomes_are_published_in_order_after_an_outage_of_the_bus(world, listener):
    log = Path(world.ready["logs"])
    with listener.without_bus():
        runs = [world.run(a_plan(world.queue())).ends("completed") for _ in range(2)]
        until(lambda: "Could not put an event on the bus: ResourceNotFoundException" in log.read_text(errors="replace"))
    assert [listener.once(run.distribution_id)["status"] for run in runs] == ["completed"] * 2
    assert [outcome["distribution_id"] for outcome in listener.heard if outcome["status"] == "completed"][-2:] == [
        run.distribution_id for run in runs
    ]
