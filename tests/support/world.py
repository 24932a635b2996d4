"""A fluent runner of whole distributions: `run(plan).with_fault(...).reaches("Read back").ends("completed")`.

The template, the state machine and the handlers are the deployed ones, served by `python -m local.stack` in a process
of its own (moto's state is global to a process, and the stack's own tests start others). The simulator is in this
process, so a test can look into it.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import select
import signal
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import boto3
import requests
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config

from local.planted import planted
from local.stack import nursery
from local.stack.faults import PATH as FAULTS
from local.stack.lambdas import NURSERY
from local.stack.stack import PERMISSIONS_FOLDER
from tests.support.leaks import look_at_requests
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[2]
STACKS = "ROUTING_WEIGHTS_STACKS"
"""The nursery of the run's stacks: the variable that has its socket."""
WEBHOOK_SECRET = planted("webhook-secret", "that-nobody-may-see")
CLIENT_ID, CLIENT_SECRET = "test-client", planted("client-secret", "that-nobody-may-see")
KMS_KEY_ARN = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000001"
MAX_RETRY_AFTER_S, VERIFY_TIMEOUT_S = 1, 2
REPAIR_AFTER_S = 8
SUCCESSFUL = {"completed", "dry_run"}
WEIGHTS = {"agent-001": 0.5, "agent-002": 0.3, "agent-003": 0.2}
WARM = ("Audit", "Patch", "Plans", "Project", "Recover", "Restore", "Token", "Validate", "Verify")
"""The functions that nearly every test of a shared stack needs. The others start when a test needs them."""


HELD_S = 8.0
"""How long a request is held at most: less than the 10 s after which a function takes its answer for lost."""

RINGS = [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 2}]}] * 6
NO_RINGS: dict[str, Any] = {"bullseye": None}


def a_plan(queue_id, weights=None, **changes):
    """Return a valid plan that differs from a fresh queue in everything."""
    return {
        "queue_id": queue_id,
        "member_weights": dict(WEIGHTS if weights is None else weights),
        "overflow_threshold": 0.85,
        "utilization_target": 0.8,
        "strategy_reference": "longest-available-agent",
        "projected_load": 1.0,
        **changes,
    }


def skill_of(queue_id):
    """Return the skill that is dedicated to a queue of a test."""
    return f"skill-of-{queue_id}"


class Ends(threading.Thread):
    """The executions that have ended, as a stack prints them. Nobody needs to ask the stack again and again."""

    def __init__(self, lines: Iterable[str]) -> None:
        super().__init__(name="ends", daemon=True)
        self._lines = lines
        self._ended: set[str] = set()
        self._changed = threading.Condition()
        self.start()

    def run(self) -> None:
        for line in self._lines:
            with self._changed:
                self._ended.add(line.removeprefix("ended ").rstrip())
                self._changed.notify_all()

    def __contains__(self, arn: object) -> bool:
        return arn in self._ended

    def wait(self, arn: str) -> None:
        """Wait until an execution has ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: arn in self._ended, DEADLINE_S), f"not within {DEADLINE_S:g} s: {arn}"


class World:
    """The stack, and the Genesys behind it. Each test works on its own queue."""

    def __init__(self, ready: dict[str, Any], sim: Any) -> None:
        self.ready, self.sim = ready, sim
        self.api_url = ready["api_url"]
        self.ends: Ends = ready["ends"]
        self.http = requests.Session()
        self.http.trust_env = False
        self._clients: dict[str, Any] = {}
        self._numbers = itertools.count(1)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.ready["aws_endpoint_url"],
                region_name=self.ready["region"],
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(proxies={}, retries={"total_max_attempts": 1}),
            )
        return self._clients[service]

    def warm(self) -> None:
        """Start the functions of a distribution, all at once. A run would start them one after the other."""
        run = {"distribution_id": "warm-up", "execution_arn": "", "started_at": datetime.now(UTC).isoformat()}
        event = {
            **run,
            "run": run,
            "outcome": {"status": "interrupted"},
            "input": None,
            "target": "queue",
            "settle": True,
            "Records": [],
        }
        # Functions that may not list the bucket, and are refused what is not there, find this.
        work = "distributions/warm-up/work.json"
        self.client("s3").put_object(Bucket=self.ready["documents_bucket"], Key=work, Body=b'{"plan": null}')
        client, payload = self.client("lambda"), json.dumps(event).encode()

        def start(name: str) -> None:
            client.invoke(FunctionName=f"{name}Function", Payload=payload)["Payload"].read()

        with ThreadPoolExecutor(len(WARM) + 1) as callers:
            door = callers.submit(self.get, "/distributions/warm-up")
            list(callers.map(start, WARM))
            door.result()

    def close(self) -> None:
        look_at_requests(self.sim.requests())
        self.http.close()
        for client in self._clients.values():
            client.close()

    # ---- Genesys ----------------------------------------------------------------------------------------------------

    def queue(self, agents: int = 3, **spec: Any) -> str:
        """Make a queue of `agents` members, unless `members` are given. See `put_queue`."""
        queue_id = f"queue-of-test-{next(self._numbers):03}"
        self.put_queue(queue_id, **({"agents": agents} | spec if "members" not in spec else spec))
        return queue_id

    def put_queue(self, queue_id: str, **spec: Any) -> None:
        """Create or replace a queue. Under the platform, it uses rings and proficiencies by default."""
        if self.sim.settings.contract == "platform":
            fields = {"bullseye": {"rings": RINGS}, "skillEvaluationMethod": "BEST"} | spec.get("queue", {})
            spec["queue"] = {name: value for name, value in fields.items() if value is not None}
        self.sim.put_queue(queue_id, **spec)

    def held(self, queue_id: str) -> dict[str, Any]:
        """Return the queue as Genesys holds it: its own fields, its members by id, and their scores."""
        state = self.sim.state_of(queue_id)
        members = {member["user"]["id"]: member for member in state["members"]}
        scores = {user_id: member["score"] for user_id, member in members.items() if "score" in member}
        return {"queue": state["queue"], "members": members, "scores": scores}

    def requests_about(self, queue_id: str, since: float = 0.0) -> list[dict[str, Any]]:
        """Return the requests about the queue, its members, or the skill of `skill_of`."""
        return self.about(queue_id, self.sim.requests(since))

    def about(self, queue_id: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the entries of the log that `requests_about` returns."""
        about = re.compile(f"/queues/{queue_id}(/|$)|/{skill_of(queue_id)}$")
        return [entry for entry in entries if about.search(entry["path"]) or skill_of(queue_id) in str(entry["body"])]

    def by_queue(self, entries: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        """Return the entries that name each queue of `queue`. For many queues: `about` searches all entries for one."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for entry in entries:
            for queue_id in set(re.findall(r"queue-of-test-\d+", f"{entry['path']} {entry['body']}")):
                found[queue_id].append(entry)
        return found

    @contextmanager
    def holding(self, *paths: str, **rule: Any) -> Iterator[None]:
        """Hold the matching requests until the block ends. So a run cannot pass them, however slow the block is.

        After `HELD_S` a request is answered, and its run comes to the next one that is held.
        """
        each = {"action": "delay", "times": None, "delay_s": HELD_S} | rule
        faults = self.sim.add_faults(*(each | {"path": path} for path in paths or [rule["path"]]))
        try:
            yield
        finally:
            self.sim.lift_faults(faults)

    def token_requests(self) -> int:
        return sum(entry["path"] == "/oauth/token" for entry in self.sim.requests())

    # ---- the doors --------------------------------------------------------------------------------------------------

    def run(self, plan: Any) -> Run:
        """Return a distribution of `plan`, which starts in the console by default."""
        return Run(self, plan)

    def post(self, body: Any, key: str | None = None, **headers: str) -> requests.Response:
        """POST /plans. A `body` of text or bytes is sent unchanged."""
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        if key is not None:
            headers["Idempotency-Key"] = key
        headers = {"Content-Type": "application/json", **headers}
        return self.http.post(f"{self.api_url}/plans", data=data, headers=headers, timeout=DEADLINE_S)

    def get(self, path: str, **query: Any) -> requests.Response:
        renamed = {"from": query.pop("since", None), "to": query.pop("to", None), **query}
        return self.http.get(f"{self.api_url}{path}", params=renamed, timeout=DEADLINE_S)

    def distribution(self, distribution_id: str) -> dict[str, Any]:
        answer = self.get(f"/distributions/{quote(distribution_id, safe='')}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    # ---- what is stored ---------------------------------------------------------------------------------------------

    def records(self, distribution_id: str) -> dict[str, dict[str, Any]]:
        """Return the audit items of a distribution, by name."""
        items = self.client("dynamodb").query(
            TableName=self.ready["audit_table"],
            KeyConditionExpression="distribution_id = :id",
            ExpressionAttributeValues={":id": {"S": distribution_id}},
            ConsistentRead=True,
        )["Items"]
        records = [{name: _plain(TypeDeserializer().deserialize(v)) for name, v in item.items()} for item in items]
        return {record["record"]: record for record in records}

    def shares(self, queue_id: str) -> dict[str, Any]:
        """Return the shares in force of a queue, without weights if there are none."""
        key = {"queue_id": {"S": queue_id}, "kind": {"S": "weights"}}
        table = self.ready["shares_table"]
        item = self.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        return json.loads(item["shares"]["S"]) | {"version": int(item["version"]["N"])} if item else {"weights": {}}

    def put_shares(self, queue_id: str, weights: dict[str, float]) -> None:
        """Put shares in force, as a person may who edits the table."""
        held = self.shares(queue_id)
        document = {"distribution_id": "by-hand", "share": {"hold_s": 10, "then": 20}} | held | {"weights": weights}
        version = document.pop("version", 0) + 1
        item = {"queue_id": queue_id, "kind": "weights", "shares": json.dumps(document), "version": version}
        serialized = {name: TypeSerializer().serialize(value) for name, value in item.items()}
        self.client("dynamodb").put_item(TableName=self.ready["shares_table"], Item=serialized)

    def spoil_dynamodb(self, rules: list[dict[str, Any]]) -> None:
        """Replace the faults of DynamoDB: see local/stack/faults.py."""
        self.http.put(f"{self.ready['aws_endpoint_url']}{FAULTS}", json=rules, timeout=DEADLINE_S).raise_for_status()

    def spoilt(self) -> list[int]:
        """Return how often each fault of DynamoDB was met."""
        return self.http.get(f"{self.ready['aws_endpoint_url']}{FAULTS}", timeout=DEADLINE_S).json()

    def locks(self) -> dict[str, str]:
        """Return the holder of each locked queue."""
        items = self.client("dynamodb").scan(TableName=self.ready["locks_table"], ConsistentRead=True)["Items"]
        return {item["queue_id"]["S"]: item["holder"]["S"] for item in items}


class Run:
    """A distribution. Shape it before it starts: the first question starts it and waits for its end."""

    def __init__(self, world: World, plan: Any) -> None:
        self.world, self.plan = world, plan
        self.queue_id = plan.get("queue_id") if isinstance(plan, dict) else None
        self.distribution_id = ""
        self._arn = ""
        self._began = 0.0
        self._execution: dict[str, Any] | None = None

    # ---- before -----------------------------------------------------------------------------------------------------

    def with_fault(self, action: str, method: str = ".*", path: str = "", before: str = "/", **rule: Any) -> Self:
        """Spoil a request about this queue; `path` is what follows the queue's id (`$`: the queue itself)."""
        path = f"{before}{self.queue_id}{path}"
        self.world.sim.add_faults({"action": action, "method": method, "path": path, **rule})
        return self

    def start(self, through: str = "console") -> Self:
        """Start the distribution without waiting."""
        assert not self._arn, "it has started"
        self._began = time.monotonic()
        if through == "api":
            answer = self.world.post(self.plan)
            assert answer.status_code == 202, answer.text
            self._arn = answer.json()["execution_arn"]
        else:
            self._arn = self.world.client("stepfunctions").start_execution(
                stateMachineArn=self.world.ready["state_machine_arn"], input=json.dumps(self.plan)
            )["executionArn"]
        self.distribution_id = self._arn.rpartition(":")[2]
        return self

    # ---- after ------------------------------------------------------------------------------------------------------

    @property
    def arn(self) -> str:
        """The ARN of the execution. Empty before the start."""
        return self._arn

    def abort(self) -> Self:
        self.world.client("stepfunctions").stop_execution(executionArn=self._arn)
        return self

    def wait(self) -> Self:
        if not self._arn:
            self.start()

        if self._execution is None:
            self.world.ends.wait(self._arn)
            client = self.world.client("stepfunctions")
            self._execution = client.describe_execution(executionArn=self._arn)
        return self

    def reaches(self, *states: str) -> Self:
        """Assert that these states were entered in this order, with any others between them."""
        entered = iter(self.states)
        missing = next((state for state in states if state not in entered), None)
        assert missing is None, f"{missing} is not reached, or not in this order: {self.states}"
        return self

    def avoids(self, *states: str) -> Self:
        assert not set(states) & set(self.states), self.states
        return self

    def ends(self, status: str) -> Self:
        """Assert that the run ended with this status, reports it everywhere, and obeyed the rules of every run."""
        self.wait()
        execution = self._execution
        assert execution is not None
        if status in SUCCESSFUL:
            assert execution["status"] == "SUCCEEDED", (execution.get("error"), execution.get("cause"), self.states)
            assert json.loads(execution["output"]) == {"distribution_id": self.distribution_id, "status": status}
        else:
            assert (execution["status"], execution.get("error")) == ("FAILED", status), execution.get("cause")
            assert_is_a_sentence(execution["cause"])
        assert self.record["status"] == status
        assert (self.record["errors"] == []) == (status in SUCCESSFUL)
        assert self._arn not in self.world.locks().values(), "it kept its lock"
        assert early(self.requests) == [], "it asked before Retry-After allowed it"
        written = [(entry["path"], str(entry["body"])) for entry in self.writes if entry["status"] in {200, 202}]
        assert len(written) == len(set(written)), "it repeated a write"
        return self

    @property
    def cause(self) -> str:
        assert self.wait()._execution is not None
        return str(self._execution["cause"])

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        self.wait()
        client, query, events = self.world.client("stepfunctions"), {"executionArn": self._arn}, []
        while True:
            page = client.get_execution_history(**query)
            events += page["events"]
            if "nextToken" not in page:
                return events
            query["nextToken"] = page["nextToken"]

    @property
    def states(self) -> list[str]:
        """Return the entered states, in order."""
        return _entered(self.events)

    @property
    def entered(self) -> list[str]:
        """Return the states that a run has entered so far, in order."""
        return _entered(self.world.client("stepfunctions").get_execution_history(executionArn=self._arn)["events"])

    @property
    def transitions(self) -> int:
        """Return the state transitions as AWS bills them: each state entered, and each retry of a state."""
        scheduled = sum(event["type"] == "TaskScheduled" for event in self.events)
        tasks = sum(event["type"] == "TaskStateEntered" for event in self.events)
        return len(self.states) + scheduled - tasks

    @property
    def record(self) -> dict[str, Any]:
        """Return the closing audit record."""
        return self._records["9-closed"]

    @property
    def opened(self) -> dict[str, Any]:
        return self._records["0-opened"]

    @cached_property
    def _records(self) -> dict[str, dict[str, Any]]:
        return self.wait().world.records(self.distribution_id)

    @cached_property
    def requests(self) -> list[dict[str, Any]]:
        """Return the requests about this queue since the start."""
        self.wait()
        return self.world.requests_about(self.queue_id, self._began) if self.queue_id else []

    @property
    def admitted(self) -> list[dict[str, Any]]:
        """Return the requests with an accepted token. The number of refused ones depends on earlier tests."""
        return [entry for entry in self.requests if entry["status"] != 401]

    @property
    def writes(self) -> list[dict[str, Any]]:
        return [entry for entry in self.admitted if entry["method"] != "GET"]

    @property
    def held(self) -> dict[str, Any]:
        self.wait()
        return self.world.held(self.queue_id)


def assert_is_a_sentence(text: str) -> None:
    """Assert that a person can read a sentence: no JSON, no stack trace, no Python class at its beginning."""
    assert len(text.split()) >= 4, text
    assert not set("{}\\\n") & set(text), text
    assert not any(word in text for word in ("Traceback", "errorType", "errorMessage", "Error:", "Exception")), text


UNDER_WAY_S = 0.5
"""How long after a 429 a request may arrive that was under way already, when several are at once."""


def early(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the requests that came earlier than the Retry-After of an answer to the same token allowed."""
    limits = [entry for entry in entries if entry["retry_after_until"] is not None]
    return [
        entry
        for entry in entries
        for limit in limits
        if entry["token"] == limit["token"]
        and limit["answered"] + UNDER_WAY_S < entry["monotonic"] < limit["retry_after_until"]
    ]


@contextmanager
def served_stack(
    folder: Path, genesys_url: str, contract: str, template: Path = ROOT / "template.yaml", **settings: str
):
    """`python -m local.stack` against `genesys_url`, forked from a nursery; gives what it says when it is ready.

    Nothing is paced unless `settings` say so: one test's 429 would slow all those that come after it. Only a plan that
    asks for approval itself waits for one.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "API_PORT": "0",
        "AWS_PORT": "0",
        "PEOPLE_PORT": "0",
        "APPROVAL_TIMEOUT_S": "0",  # what needs approval ends; tests of approvals have a stack of their own
        "GENESYS_CONTRACT": contract,
        "GENESYS_BASE_URL": genesys_url,
        "GENESYS_CLIENT_ID": CLIENT_ID,
        "GENESYS_CLIENT_SECRET": CLIENT_SECRET,
        "MAX_RETRY_AFTER_S": str(MAX_RETRY_AFTER_S),
        "VERIFY_TIMEOUT_S": str(VERIFY_TIMEOUT_S),
        "REPAIR_AFTER_S": str(REPAIR_AFTER_S),
        "REQUESTS_PER_MINUTE": "0",
        "APPROVAL_POLICY": "[]",
        "DRAW_PATIENCE_S": "5",  # this machine may be slow; that a draw ends in time is a unit test
        "LOG_LEVEL": "DEBUG",
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "KMS_KEY_ARN": KMS_KEY_ARN,
        PERMISSIONS_FOLDER: os.environ.get(PERMISSIONS_FOLDER, ""),
        NURSERY: os.environ.get(NURSERY, ""),
        **settings,
    }
    said, (reading, writing) = folder / "stack.err", os.pipe()
    with said.open("wb") as stderr, os.fdopen(reading) as stdout:
        connection = nursery.request(
            os.environ[STACKS],
            "local.stack",
            ["--die-with-parent", "--print-ends", "--keep-logs", str(folder), "--template", str(template)],
            folder=ROOT,
            environment=environment,
            output=(writing, stderr.fileno()),
        )
        os.close(writing)
        with connection:  # the nursery kills the stack when it is closed
            assert select.select([stdout], [], [], DEADLINE_S)[0], said.read_text()
            word, _, rest = stdout.readline().partition(" ")
            assert word == "ready", said.read_text()
            ready = json.loads(rest) | {"ends": Ends(stdout)}
            try:
                yield ready
            finally:
                os.kill(ready["pid"], signal.SIGTERM)
                connection.settimeout(DEADLINE_S)
                assert connection.recv(16) == b"0", said.read_text()
                ready["ends"].join()


def _entered(events: list[dict[str, Any]]) -> list[str]:
    return [e["stateEnteredEventDetails"]["name"] for e in events if e["type"].endswith("StateEntered")]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | bool | type(None)) else float(value)
