"""Answers to drift under contract `platform`: each actuator's value, a setting, and changes without an event."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.domain.actuators import names_for
from tests.stack.test_on_drift import answered, distributions, writes_to
from tests.stack.test_webhook import all_processed, call, drift, recorded
from tests.support.carriers import Carrier
from tests.support.world import skill_of


@pytest.fixture(scope="module")
def edited(platform_world):
    """A queue for each actuator: one value was edited, and an event says so. The repairs wait together."""
    world, edited = platform_world, {}
    for actuator in names_for("platform"):
        carrier = Carrier(actuator, world)
        queue = carrier.queue()
        plan = carrier.plan(queue, carrier.weights(3), on_drift="repair")
        first = world.run(plan).start("api").ends("completed").distribution_id
        before = carrier.held(queue)
        match actuator:
            case "ring":
                world.sim.edit_member(queue, "agent-001", ringNumber=6)
            case "proficiency":
                world.sim.edit_skill("agent-001", skill_of(queue), 0.5)
            case "joined":
                world.sim.edit_member(queue, "agent-001", joined=False)
            case "share":
                world.put_shares(queue, world.shares(queue)["weights"] | {"agent-001": 0.05})
        assert carrier.held(queue) != before
        changed_at = (datetime.now(UTC) - timedelta(minutes=20)).isoformat()
        changes = [{"property": f"QueueMember/{queue}:agent-001:joined", "oldValues": ["true"], "newValues": ["false"]}]
        body = {"userId": "supervisor-7", "eventTime": changed_at, "action": "MemberUpdate", "propertyChanges": changes}
        event = {"topicName": f"v2.audits.entitytype.Queue.entityid.{queue}", "eventBody": body}
        assert call(world, event).status_code == 202
        edited[actuator] = queue, first, before, changed_at
    return edited


@pytest.mark.parametrize("actuator", names_for("platform"))
def test_each_actuators_value_is_repaired(platform_world, edited, actuator):
    world, (queue, first, before, changed_at) = platform_world, edited[actuator]
    item = answered(world, queue, "repair_started")
    # An audit of a membership does not say who changed a ring or a proficiency.
    who = ("supervisor-7", changed_at) if actuator == "joined" else (None, None)
    assert (item["repair_status"], item["changed_by"], item["changed_at"]) == ("completed", *who)
    assert Carrier(actuator, world).held(queue) == before
    all_processed(world)
    assert distributions(world, queue) == [item["repair_id"], first]


def test_a_setting_is_repaired_by_the_queues_own_date(platform_world):
    world, carrier = platform_world, Carrier("ring", platform_world)
    queue = carrier.queue()
    plan = carrier.plan(queue, carrier.weights(3), on_drift="repair", wrap_up_timeout_s=60)
    first = world.run(plan).start("api").ends("completed").distribution_id
    before, edited = world.held(queue)["queue"], time.monotonic()
    stamp = (datetime.now(UTC) - timedelta(minutes=20)).isoformat().replace("+00:00", "Z")
    world.sim.edit_queue(queue, acwSettings={**before["acwSettings"], "timeoutMs": 99_000}, dateModified=stamp)
    assert call(world, {"topicName": f"v2.routing.queues.{queue}.users", "eventBody": {}}).status_code == 202
    item = answered(world, queue, "repair_started")
    assert (bool(item["changed_by"]), item["changed_at"]) == (True, stamp)
    assert world.held(queue)["queue"]["acwSettings"]["timeoutMs"] == 60_000
    all_processed(world)
    assert distributions(world, queue) == [item["repair_id"], first]
    assert len(writes_to(world, queue, edited)) == 1


def patrol(world):
    answer = world.client("lambda").invoke(FunctionName="PatrolFunction", Payload=b"{}")
    assert "FunctionError" not in answer
    return json.loads(answer["Payload"].read())["sent"]


def looked_at_long_ago(world, queue):
    """A patrol reads queues that nobody has read for half of its period. The test does not wait for that."""
    world.client("dynamodb").update_item(
        TableName="DriftTable",
        Key={"queue_id": {"S": ".patrol"}, "record": {"S": queue}},
        UpdateExpression="SET looked_at = :ever",
        ConditionExpression="attribute_exists(looked_at)",
        ExpressionAttributeValues={":ever": {"N": "0"}},
    )


def test_the_patrol_finds_a_change_without_an_event(platform_world):
    world, carrier = platform_world, Carrier("ring", platform_world)
    watched, other = carrier.queue(), carrier.queue()
    world.run(carrier.plan(watched, carrier.weights(3), on_drift="record")).start("api").ends("completed")
    world.run(carrier.plan(other, carrier.weights(3))).start("api").ends("completed")
    assert patrol(world) == 0, "both have been read just now"
    for queue in (watched, other):
        world.sim.edit_member(queue, "agent-001", ringNumber=6)
    looked_at_long_ago(world, watched)
    assert patrol(world) == 1
    (item,) = recorded(world, watched)
    assert [one["member"] for one in item["differences"]] == ["agent-001"]
    assert (item["changed_by"], item["on_drift"]) == (None, "record")
    assert patrol(world) == 0
    assert drift(world, other)["items"] == [], "its plan names no on_drift"
