"""The door of fleets, as people come in: the page's commands, the sample, a held wave, and a key that is sent twice."""

import json
import re
import shutil
from pathlib import Path

import pytest
import requests

from routing_weights.domain.fleet import fleet_of
from tests.stack.test_documents import blocks, run_script
from tests.support.waiting import until
from tests.support.world import WEIGHTS, a_plan

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/use/fleets.md"


def post(world, path, body=None, key=None):
    headers = {"Idempotency-Key": key} if key else {}
    return requests.post(f"{world.api_url}{path}", data=json.dumps(body), headers=headers, timeout=60)


def fleet_in(answer):
    assert answer.status_code == 202, answer.text
    location = answer.headers["Location"]
    assert location == f"/fleets/{answer.json()['fleet_id']}"
    return location


def ended(world, location):
    return until(lambda: (shown := world.get(location).json())["terminal"] and shown)


@pytest.mark.skipif(not shutil.which("curl"), reason="the page's commands use curl, and there is none here")
def test_the_commands_of_the_page_submit_the_file_of_the_page(world, tmp_path):
    (tmp_path / "fleet.csv").write_text(*blocks(PAGE, "csv"), encoding="utf-8")
    (script,) = blocks(PAGE, "sh")
    printed = run_script(f"cd {tmp_path}\n{script}", world, GENESYS=world.sim.url)
    (location,) = re.findall(r"^Location: (\S+)", printed, re.MULTILINE)
    fleet = ended(world, location)
    assert (fleet["status"], fleet["queues"]) == ("completed", {"dry_run": 2})
    assert fleet["spent"]["distributions"] == 2
    assert fleet["spent"]["requests"] > 0


def test_the_sample_is_a_fleet_in_two_waves_whose_queues_have_records(world):
    for name in ("queue-001", "queue-002"):  # as they were created, whatever an earlier test has written
        world.put_queue(name, agents=12)
    before = world.held("queue-001")["scores"]
    answer = post(world, "/fleets", json.loads((ROOT / "events/fleet.json").read_text(encoding="utf-8")))
    assert (answer.json()["total"], answer.json()["waves"]) == (2, [1, 1])
    location = fleet_in(answer)
    fleet = ended(world, location)
    assert (fleet["status"], fleet["queues"]) == ("completed", {"completed": 1, "dry_run": 1})
    (queue,) = world.get(f"{location}/queues", status="completed").json()["items"]
    record = world.distribution(queue["distribution_id"])
    assert (record["door"], record["fleet_id"], record["reason"]) == ("fleet", fleet["fleet_id"], "evening shift")
    assert world.held("queue-001")["scores"] != before
    assert post(world, f"{location}/revert").status_code == 202
    reverted = ended(world, location)
    assert (reverted["status"], reverted["reverted"], reverted["attempt"]) == ("reverted", 1, 2)
    assert world.held("queue-001")["scores"] == before


def test_a_held_fleet_is_reverted_on_request_and_a_key_is_one_fleet(world):
    first, second = world.queue(), world.queue()
    before = world.held(first)["scores"]
    # The two queues have the same agents, who must carry both loads.
    plans = [a_plan(queue, projected_load=0.1) for queue in (first, "no-such-queue", second)]
    options = {"waves": [{"count": 2, "max_failed": 0}], "on_failure": "hold"}
    body = {"plans": plans, "options": options}
    location = fleet_in(post(world, "/fleets", body, key="monday"))
    held = until(lambda: (shown := world.get(location).json())["status"] == "held" and shown)
    assert (held["wave"], held["queues"]) == (0, {"completed": 1, "projection_failed": 1, "waiting": 1})
    assert world.held(first)["scores"] == WEIGHTS
    assert post(world, "/fleets", body, key="monday").headers["Location"] == location
    other = post(world, "/fleets", {"plans": plans[:1]}, key="monday")
    assert (other.status_code, other.json()["type"]) == (409, "/problems/idempotency-conflict")
    assert post(world, f"{location}/revert").status_code == 202
    fleet = ended(world, location)
    assert (fleet["status"], fleet["reverted"], fleet["queues"]["skipped"]) == ("reverted", 1, 1)
    me = "arn:aws:iam::123456789012:user/embedded"
    assert [(each["action"], each["by"]) for each in fleet["steered"]] == [("revert", me)]
    newest = world.get("/fleets?limit=1").json()["items"][0]
    assert (newest["fleet_id"], newest["status"], newest["total"]) == (fleet["fleet_id"], "reverted", 3)
    assert newest["ended_at"] == fleet["ended_at"]
    assert world.held(first)["scores"] == before
    refused = post(world, f"{location}/continue")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/fleet-conflict")


def test_one_wrong_line_of_an_upload_is_named_and_nothing_is_stored(world, queue):
    upload = post(world, "/fleets/uploads").json()
    content = f"queue;member;weight\n{queue};agent-001;0,4\n{queue};agent-002;zero\n"
    assert requests.put(upload["url"], data=content, timeout=60).status_code == 200
    defaults = {"overflow_threshold": 0.85, "utilization_target": 0.8, "strategy_reference": "by-weight"}
    refused = post(world, "/fleets", {"upload": upload["upload_id"], "defaults": defaults}, key="wrong")
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/fleet-invalid")
    (error,) = refused.json()["errors"]
    assert (error["line"], error["column"], error["type"]) == (3, "weight", "cell_invalid")
    other = f"00000000-0000-4000-8000-{upload['upload_id'][-12:]}"
    nothing = post(world, "/fleets", {"upload": other, "defaults": defaults})
    assert (nothing.status_code, nothing.json()["errors"][0]["type"]) == (422, "reference_invalid")
    assert world.get(f"/fleets/{fleet_of('wrong')}").status_code == 404
    prefix = f"fleets/{fleet_of('wrong')}/"
    assert world.client("s3").list_objects_v2(Bucket=world.ready["documents_bucket"], Prefix=prefix)["KeyCount"] == 0
