"""What happened after a distribution, from Genesys's aggregates to the operators' API."""

import json
from datetime import UTC, datetime, timedelta

from routing_weights.domain.record import timestamp
from routing_weights.projection.accuracy import SPAN, window_after
from tests.support.world import a_plan

FORECAST = {"offered": 60, "aht_s": 180, "patience_s": 120, "service_level_target": 0.8, "answer_within_s": 20}
AGENTS = 11


def calibrate(world):
    answer = world.client("lambda").invoke(FunctionName="CalibrateFunction", Payload=b"{}")
    assert "FunctionError" not in answer
    return json.loads(answer["Payload"].read())


def completed_two_hours_ago(world, run):
    """Date the closing record back, as if the measured hour were over already."""
    at = timestamp(datetime.now(UTC) - timedelta(hours=2))
    key = {"distribution_id": {"S": run.distribution_id}, "record": {"S": "9-closed"}}
    world.client("dynamodb").update_item(
        TableName=world.ready["audit_table"],
        Key=key,
        UpdateExpression="SET #at = :at",
        ExpressionAttributeNames={"#at": "timestamp"},
        ExpressionAttributeValues={":at": {"S": at}},
    )
    return window_after(at)


def test_a_projection_is_compared_with_what_happened(platform_world):
    world = platform_world
    queue = world.queue(AGENTS, unjoined=0, off_queue=0)
    weights = {f"agent-{number:03}": 0.09 for number in range(1, AGENTS + 1)}
    plan = a_plan(queue, weights, actuator="joined", utilization_target=1.0, forecast=FORECAST, accept_uncertain=True)
    del plan["projected_load"]
    run = world.run(plan).start("api").ends("completed")
    path = f"/queues/{queue}/calibration"
    assert calibrate(world)["failed"] == 0
    (item,) = world.get(path).json()["items"]
    assert (item["distribution_id"], item["state"]) == (run.distribution_id, "pending")

    start = completed_two_hours_ago(world, run)
    hour = {"offered": 180, "answered": 150, "handled": 150, "handle_s": 27_000, "waited": 180, "wait_s": 5_400}
    hour |= {"abandoned": 30, "counted": 180, "in_time": 90, "queueId": queue, "start": start.isoformat()}
    world.sim.put_analytics(contacts=[hour])
    world.sim.clear_requests()
    assert calibrate(world)["failed"] == 0
    (asked,) = [entry for entry in world.sim.requests() if "/aggregates/" in entry["path"]]
    assert asked["body"]["interval"].startswith(f"{start:%Y-%m-%dT%H:%M}")
    calibrate(world)
    assert len([entry for entry in world.sim.requests() if "/aggregates/" in entry["path"]]) == 1, "measured once"

    page = world.get(path).json()
    assert page["measured"] == 1
    assert page["sentence"].startswith("Of 1 projection, 0 had a service level that was within what chance allows;")
    assert "Offered was 50% more than forecast" in page["sentence"]
    (item,) = page["items"]
    assert (item["state"], item["start"], item["end"]) == ("measured", timestamp(start), timestamp(start + SPAN))
    figures = item["figures"]
    assert (figures["offered"]["predicted"], figures["offered"]["realised"]) == (60, 90)
    assert (figures["service_level"]["realised"], figures["aht_s"]["realised"]) == (0.5, 180)
    assert figures["mean_wait_s"]["realised"] == 30
    assert item["blame"]["by_forecast"] < -0.05
    assert set(world.records(run.distribution_id)) == {"0-opened", "5-realised", "9-closed"}
    assert world.distribution(run.distribution_id)["status"] == "completed"


def test_contract_score_has_no_figures_and_the_record_says_so(world, queue):
    world.run(a_plan(queue)).ends("completed")
    assert calibrate(world) == {"measured": 0, "failed": 0}
    page = world.get(f"/queues/{queue}/calibration").json()
    assert page["sentence"].startswith("Contract score has no figures of what happens in a queue")
    assert [item["state"] for item in page["items"]] == ["cannot_tell"]
