"""The audit trail as evidence, through the functions: one chain however many write at once, checkpoints, export."""

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.support.world import WEIGHTS, a_plan

WRITERS = 50


def links_of(world, queue):
    items = world.client("dynamodb").query(
        TableName=world.ready["audit_table"],
        KeyConditionExpression="distribution_id = :chain",
        ExpressionAttributeValues={":chain": {"S": f"chain#{queue}"}},
        ConsistentRead=True,
    )["Items"]
    return [{name: value["S"] for name, value in item.items()} for item in items]


def until_answered(world, plan):
    """Send a plan, and again where DynamoDB was too busy on this machine: a 503 says so."""
    answer = world.post(plan)
    return until_answered(world, plan) if answer.status_code == 503 else answer


def made(world):
    answer = world.http.post(f"{world.api_url}/checkpoints", timeout=60)
    assert answer.status_code == 201, answer.text
    return answer.json()


def findings_of(world, queue):
    """What a verification says of a queue. Other tests of this stack remove records of other queues."""
    answer = world.get("/audit/verification")
    assert answer.status_code == 200, answer.text
    report = answer.json()
    return report, [finding for finding in report["findings"] if queue in finding["sentence"]]


def test_fifty_writers_at_once_leave_one_unbroken_chain_and_a_change_in_it_is_named(world):
    queue = "queue-of-fifty-writers"
    refused = a_plan(queue, {"a": 0.7, "b": 0.7})
    with ThreadPoolExecutor(WRITERS) as pool:
        answers = list(pool.map(lambda _: until_answered(world, refused), range(WRITERS)))
    assert {answer.status_code for answer in answers} == {422}
    ids = {answer.json()["distribution_id"] for answer in answers}

    links = links_of(world, queue)
    assert [int(link["record"]) for link in links] == list(range(1, len(links) + 1))
    assert [link["before"] for link in links] == ["", *(link["hash"] for link in links[:-1])]
    assert all(sum(link["leads_to"] == each for link in links) == 2 for each in ids), "opening and closing"

    first, second = made(world), made(world)
    assert second["number"] == first["number"] + 1
    listed = world.get("/checkpoints").json()["items"]
    assert listed[-2:] == [first, second]
    assert findings_of(world, queue)[1] == []

    key = {"distribution_id": {"S": links[10]["leads_to"]}, "record": {"S": links[10]["kind"]}}
    world.client("dynamodb").update_item(
        TableName=world.ready["audit_table"],
        Key=key,
        UpdateExpression="SET caller = :caller",
        ExpressionAttributeValues={":caller": {"S": "nobody"}},
    )
    report, findings = findings_of(world, queue)
    assert [(finding["kind"], finding["number"]) for finding in findings] == [("altered", 11)]
    assert links[10]["leads_to"] in findings[0]["sentence"]
    assert not report["sound"]
    answer = world.client("lambda").invoke(
        FunctionName="EvidenceFunction", Payload=json.dumps({"source": "aws.events"}).encode()
    )
    assert json.loads(answer["Payload"].read())["finding_count"] == report["finding_count"]


def test_a_queue_is_exported_as_json_lines_and_as_a_table(world, queue):
    run = world.run(a_plan(queue, reason="=1+1")).ends("completed")
    lines = [json.loads(line) for line in exported(world, queue, "jsonl").splitlines()]
    assert [line["record"] for line in lines if line["distribution_id"] == run.distribution_id] == [
        "0-opened",
        "9-closed",
    ]
    assert all(len(line["chain_hash"]) == 64 for line in lines)
    rows = list(csv.DictReader(io.StringIO(exported(world, queue, "csv"))))
    changed = {
        row["Entity"]: (float(row["Old"]), float(row["New"])) for row in rows if row["Level"].startswith("Member")
    }
    assert changed == {
        change["member"]: (change["before"], change["after"]) for change in run.record["changes"] if "member" in change
    }
    assert "completed" in {row["New"] for row in rows}

    image = world.distribution(run.distribution_id)["before_image"]
    world.client("s3").delete_object(Bucket=world.ready["documents_bucket"], Key=image)
    findings = [each for each in findings_of(world, run.distribution_id)[1] if each["kind"] == "document"]
    assert any(image in each["sentence"] and "gone" in each["sentence"] for each in findings), findings


def test_an_unreadable_record_is_named_and_stops_neither_export_nor_listing(world, queue):
    other = {**WEIGHTS, "agent-001": 0.1, "agent-002": 0.2}
    good, poison = (world.run(a_plan(queue, weights)).ends("completed") for weights in (WEIGHTS, other))
    key = {"distribution_id": {"S": poison.distribution_id}, "record": {"S": "9-closed"}}
    world.client("dynamodb").update_item(
        TableName=world.ready["audit_table"],
        Key=key,
        UpdateExpression="SET #status = :none, changes = :none",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":none": {"S": "no status"}},
    )
    page = world.get(f"/queues/{queue}/distributions").json()
    assert [item["distribution_id"] for item in page["items"]] == [good.distribution_id]
    (unreadable,) = page["unreadable"]
    assert (unreadable["distribution_id"], unreadable["record"]) == (poison.distribution_id, "9-closed")
    assert "status" in unreadable["why"]

    lines = [json.loads(line) for line in exported(world, queue, "jsonl").splitlines()]
    assert [line["distribution_id"] for line in lines] == [poison.distribution_id] * 2 + [good.distribution_id] * 2
    rows = list(csv.DictReader(io.StringIO(exported(world, queue, "csv"))))
    assert [(row["Entity"], row["Action"]) for row in rows if row["Property"] == "unreadable"] == [
        (poison.distribution_id, "closed")
    ]
    assert good.distribution_id in {row["Entity"] for row in rows}
    altered = [each for each in findings_of(world, poison.distribution_id)[1] if each["kind"] == "altered"]
    assert [each["record"] for each in altered] == ["9-closed"]


def exported(world, queue, form):
    answer = world.http.get(
        f"{world.api_url}/audit/export", params={"queue_id": queue, "format": form}, allow_redirects=False, timeout=60
    )
    assert answer.status_code == 303, answer.text
    return requests.get(answer.headers["location"], timeout=60).content.decode()
