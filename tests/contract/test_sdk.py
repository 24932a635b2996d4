"""The official Python SDK drives the simulator's contract `platform`: each accepts what the other sends.

The SDK runs once, in its own process and environment: see sdk_driver.py.
"""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from local.genesys import GenesysSimulator, publicapi

QUEUE = "queue-001"
ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv/sdk/bin/python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="the official SDK is not installed: make .venv/sdk")


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """The results of the SDK, and the simulator that it has driven."""
    home = tmp_path_factory.mktemp("home")
    outside = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with GenesysSimulator(contract="platform", agents=6, off_queue=1, unjoined=1) as simulator:
        finished = subprocess.run(
            [PYTHON, Path(__file__).with_name("sdk_driver.py"), simulator.url],
            env=outside | {"HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        yield SimpleNamespace(results=json.loads(finished.stdout), simulator=simulator)


def test_the_sdk_gets_a_token(driven):
    assert driven.results["client"] == "demo-client"
    asked = driven.simulator.requests()[0]
    assert (asked["path"], asked["authorization"], asked["content_type"]) == ("/oauth/token", "basic", publicapi.FORM)
    assert asked["body"] == {"grant_type": "client_credentials"}


def test_the_sdk_lists_the_joined_members(driven):
    assert driven.results["members"] == [
        [
            ["agent-001", 1, "user", "IDLE", "active", [1.5, 2.5]],
            ["agent-002", 4, "user", "INTERACTING", "active", [3.0]],
        ],
        [
            ["agent-004", 1, "user", "COMMUNICATING", "active", [3.0]],
            ["agent-005", 1, "user", "OFF_QUEUE", "active", [1.5]],
        ],
    ]


def test_the_sdk_writes_rings_joining_and_proficiencies(driven):
    results = driven.results
    assert (results["no_ring"]["status"], results["rings"], results["ring"]) == (400, 4, None)
    assert results["replaced"] == [["skill-billing", 1.5, "active"]]
    assert results["bulk"] == [["agent-003", False]]
    assert results["proficiency"] == 2.5
    assert results["assigned"] == [2, {"skill-support": 2.5, "skill-billing": 1.5}]
    assert results["skills"] == ["Support"]
    state = driven.simulator.state()
    assert [skill["proficiency"] for skill in state["users"]["agent-001"]["skills"]] == [1.5, 2.5]
    members = {member["id"]: member for member in state["queues"][QUEUE]["members"]}
    assert (members["agent-002"]["ringNumber"], members["agent-003"]["joined"]) == (4, False)


def test_the_sdk_writes_the_queue_that_it_read(driven):
    assert driven.results["queue"] == [f"Queue {QUEUE}", "BEST", "demo-client", True]
    assert driven.results["listed"] == [[QUEUE, 6]]
    with GenesysSimulator(contract="platform", agents=6, off_queue=1, unjoined=1) as other:
        fresh, held = (one.state()["queues"][QUEUE]["queue"] for one in (other, driven.simulator))
    assert held.pop("bullseye")["rings"] == [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 5}]}] * 4
    changed = {"skillEvaluationMethod", "modifiedBy", "dateModified", "dateCreated", "joinedMemberCount"}
    assert fresh.keys() == held.keys()
    assert {name for name in fresh if fresh[name] != held[name]} == changed


def test_the_sdk_reads_the_refusals(driven):
    refused = driven.results["refused"]
    assert (refused["status"], refused["code"]) == (400, "invalid.property")
    assert "Value [score] is not a valid property for object [QueueMember]" in refused["said"]["message"]
    assert [driven.results[name]["status"] for name in ("unknown", "revoked")] == [404, 401]


def test_every_request_of_the_sdk_matches_the_public_api(driven):
    """The judge of requests must accept every request of the official client, except the body that is wrong."""
    log = driven.simulator.requests()
    found = {entry["index"]: publicapi.breaches(entry) for entry in log}
    wrong = [entry["index"] for entry in log if entry["body"] == {"score": 0.4}]
    assert {index for index, breaches in found.items() if breaches} == set(wrong)
    assert any("expand=skills%2CroutingStatus" in entry["query"] for entry in log)
