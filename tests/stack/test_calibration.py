"""What happened after a distribution, from Genesys's aggregates to the operators' API."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from routing_weights.domain.record import timestamp
from routing_weights.projection.accuracy import SPAN, window_after
from tests.stack.invoking import in_the_bucket
from tests.support.world import a_plan

FORECAST = {"offered": 60, "aht_s": 180, "patience_s": 120, "service_level_target": 0.8, "answer_within_s": 20}
AGENTS = 11


def calibrate(world):
    answer = world.client("lambda").invoke(FunctionName="CalibrateFunction", Payload=b"{}")
    assert "FunctionError" not in answer
    return json.loads(answer["Payload"].read())


def completed_two_hours_ago(world, run):
    """Date the records back, as if the measured hour were over already."""
    at = timestamp(datetime.now(UTC) - timedelta(hours=2))
    for record in ("0-opened", "9-closed"):
        world.client("dynamodb").update_item(
            TableName=world.ready["audit_table"],
            Key={"distribution_id": {"S": run.distribution_id}, "record": {"S": record}},
            UpdateExpression="SET #at = :at",
            ExpressionAttributeNames={"#at": "timestamp"},
            ExpressionAttributeValues={":at": {"S": at}},
        )
    return window_after(at)


def drawn(world, queue, start, **counts):
    bucket = json.dumps({"distribution_id": "d-1", "drawn": counts, "nobody": 1, "realised": None})
    item = {"queue_id": {"S": queue}, "kind": {"S": f"drawn#{start:%Y-%m-%dT%H:%M:%SZ}"}, "bucket": {"S": bucket}}
    world.client("dynamodb").put_item(TableName=world.ready["shares_table"], Item=item)


def asked_about(world, queue):
    """The questions about this queue's past. Schedules of the deployment ask about others."""
    entries = [entry for entry in world.sim.requests() if "/aggregates/" in entry["path"]]
    return [entry for entry in entries if queue in str(entry["body"]["filter"])]


def shares_are_shown(world, queue, run, start, shown):
    """The same hour as a page and as a picture, beside a draw of the history."""
    total = shown["realised_shares"]["contacts"]
    drawn(world, queue, start, **{"agent-001": 9})
    path = f"/queues/{queue}/shares"
    span = {"from": timestamp(start), "to": timestamp(start + SPAN)}
    page = world.get(path, **span).json()
    assert (page["start"], page["end"], page["contacts"]) == (span["from"], span["to"], total)
    (plan,) = page["plans"]
    assert (plan["distribution_id"], plan["actuator"], plan["contacts"]) == (run.distribution_id, "joined", total)
    assert (len(page["members"]), page["others"], page["draws"]) == (AGENTS, [], 10)
    assert round(page["realised_accuracy"], 6) == round(shown["realised_accuracy"], 6)
    first = page["members"][0]
    assert (first["user_id"], first["requested"], first["contacts"], first["drawn"]) == ("agent-001", 0.09, 11, 9)
    picture = world.get(f"{path}.svg", **span)
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert page["sentence"].split(" on average")[0].split(",")[0] in picture.text
    refusal = world.get(path, **{"from": "2020-01-01"})
    assert (refusal.status_code, refusal.headers["Content-Type"]) == (422, "application/problem+json")
    assert refusal.json()["errors"][0]["message"] == "more than 31 days before `to`: ask for less at once"


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
    taken = [
        {"userId": f"agent-{number:03}", "answered": 10 + number, "handled": 10 + number, "handle_s": 1_800}
        for number in range(1, AGENTS + 1)
    ]
    own = {"queueId": queue, "mediaType": "email", "start": start.isoformat()}
    world.sim.put_analytics(contacts=[hour] + [own | figures for figures in taken])
    world.sim.clear_requests()
    assert calibrate(world)["failed"] == 0
    asked = asked_about(world, queue)
    assert [entry["body"]["groupBy"][1] for entry in asked] == ["mediaType", "userId"]
    assert all(entry["body"]["interval"].startswith(f"{start:%Y-%m-%dT%H:%M}") for entry in asked)
    calibrate(world)
    assert len(asked_about(world, queue)) == 2, "measured once"

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
    assert set(world.records(run.distribution_id)) == {"0-opened", "5-realised", "6-shares", "9-closed"}
    shown = world.distribution(run.distribution_id)
    shares, total = shown["realised_shares"], 176
    assert (shown["status"], {**item["realised_shares"], "members": shares["members"]}) == ("completed", shares)
    assert (shares["contacts"], shares["handle_s"]) == (total, 1_800 * AGENTS)
    assert shares["members"]["agent-011"]["share"] == 21 / total
    distances = [abs(0.09 - (10 + number) / total) for number in range(1, AGENTS + 1)]
    assert round(shown["realised_accuracy"], 6) == round(100 * (1 - sum(distances) / AGENTS), 6)

    shares_are_shown(world, queue, run, start, shown)


def test_the_shares_of_a_large_plan_are_measured_beside_its_draws(platform_world):
    """The weights that it asks for, and what its members received, are larger than an item."""
    world = platform_world
    queue = world.queue(unjoined=0, off_queue=0)
    run = world.run(a_plan(queue, strategy_reference="share-by-weight")).start("api").ends("completed")
    in_the_bucket(world, run, "9-closed", "requested_weights", {str(UUID(int=n)): 0.0 for n in range(3_000)})
    start = completed_two_hours_ago(world, run)
    drawn(world, queue, start, **{"agent-001": 50})
    contact = {"queueId": queue, "mediaType": "email", "start": start.isoformat()}
    taken = {"agent-001": 60, "agent-002": 36, "agent-003": 24}
    world.sim.put_analytics(contacts=[contact | {"userId": user, "answered": n} for user, n in taken.items()])
    assert calibrate(world)["failed"] == 0
    assert world.records(run.distribution_id)["6-shares"]["shares"].keys() == {"document", "sha256"}
    shown = world.distribution(run.distribution_id)
    assert (shown["realised_accuracy"], shown["realised_shares"]["contacts"]) == (100, 120)
    members = shown["realised_shares"]["members"]
    assert [(members[user]["contacts"], members[user]["drawn"]) for user in taken] == [(60, 50), (36, 0), (24, 0)]
    page = world.get(f"/queues/{queue}/shares", **{"from": timestamp(start), "to": timestamp(start + SPAN)}).json()
    assert (len(page["members"]), page["draws"], page["realised_accuracy"]) == (3_003, 51, 100)


def test_contract_score_has_no_figures_and_the_record_says_so(world, queue):
    world.run(a_plan(queue)).ends("completed")
    assert calibrate(world) == {"measured": 0, "shared": 0, "failed": 0}
    page = world.get(f"/queues/{queue}/calibration").json()
    assert page["sentence"].startswith("Contract score has no figures of what happens in a queue")
    assert [item["state"] for item in page["items"]] == ["cannot_tell"]
    refusal = world.get(f"/queues/{queue}/shares")
    assert (refusal.status_code, refusal.json()["type"]) == (409, "/problems/shares-not-measurable")
