"""How each function starts, and how much memory it needs: its imports, and its first event, each in a fresh process.

The events of a run's states are those of a real run with many members, taken from its history, so memory is that of a
large queue. The others are the smallest event that reaches their use case.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.distribution import Measured, distribute, history, plan, put_queue
from bench.outside import ROOT, Stack, genesys, stack

LAYER = ROOT / "layers" / "core"
QUEUE = "bench-starts"
OF_A_QUEUE = ("patch", "verify", "restore", "project")
"""Functions that hold a whole queue in memory. They run with a tenth of its members, too: their memory grows."""
FIRST_EVENT = """
import json, sys, time
event = json.load(sys.stdin)
def peak_mb():
    status = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
before, cpu = set(sys.modules), time.process_time()
import app
imported = {"import_ms": (time.process_time() - cpu) * 1000, "modules": len(sys.modules.keys() - before),
            "idle_mb": peak_mb()}
class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "bench", 512, "arn:bench", "bench"
    def get_remaining_time_in_millis(self): return 290_000
before, cpu, wall, error = set(sys.modules), time.process_time(), time.perf_counter(), ""
if event is not None:
    try:
        app.handler(event, Context())
    except Exception as raised:
        error = type(raised).__name__
print()
print(json.dumps(imported | {
    "event_cpu_ms": (time.process_time() - cpu) * 1000, "event_ms": (time.perf_counter() - wall) * 1000,
    "later": sorted(sys.modules.keys() - before), "error": error,
    "peak_mb": peak_mb()}))
"""


@dataclass(frozen=True)
class Function:
    """A function of the template, with the environment that it has in a running stack."""

    name: str
    timeout_s: int
    memory_mb: int
    environment: Mapping[str, str]

    def first_event(self, event: Any) -> dict[str, Any]:
        """Import the function in a fresh process, and handle an event there; None is no event."""
        folder = ROOT / "functions" / self.name
        environment = dict(self.environment) | {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{folder}{os.pathsep}{LAYER}",
            "AWS_LAMBDA_RUNTIME_API": "none: only its presence counts",
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", FIRST_EVENT],
            input=json.dumps(event),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{self.name} does not start: {done.stderr}")
        measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return measured


def functions(of: Stack) -> dict[str, Function]:
    from local.stack import template as templates  # noqa: PLC0415  it imports the SAM CLI

    region = of.ready["region"]
    where = {"AWS_ENDPOINT_URL": of.ready["aws_endpoint_url"], "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    template = templates.load(ROOT / "template.yaml", of.environment, region)
    return {
        item.code.name: Function(item.code.name, item.timeout, item.memory, item.environment | where)
        for item in template.functions
    }


def measure(members: int, runs: int) -> dict[str, Any]:
    with genesys("platform") as simulator, stack(simulator) as running:
        put_queue(simulator, QUEUE, members)
        distributed = distribute(running, plan("platform", QUEUE, members))
        found = functions(running)
        events = _events(running, found, distributed, members)
        # In the order of a run. Project decides anew, so its before-image is the state after the run. Sweep ends runs.
        order = sorted(
            found, key=lambda name: (OF_A_QUEUE.index(name) if name in OF_A_QUEUE else len(OF_A_QUEUE), name)
        )
        rows = [_row(found[name], events.get(name), runs) for name in order]
        put_queue(simulator, f"{QUEUE}-small", members // 10)
        small = distribute(running, plan("platform", f"{QUEUE}-small", members // 10))
        few = _events(running, found, small, members // 10)
        for row in rows:
            if row["function"] in OF_A_QUEUE:
                first = found[row["function"]].first_event(few[row["function"]])
                row |= {"peak_mb_small": first["peak_mb"], "event_cpu_ms_small": first["event_cpu_ms"]}
    return {"members": members, "runs": runs, "functions": rows}


def _row(function: Function, event: Any, runs: int) -> dict[str, Any]:
    idle = [function.first_event(None) for _ in range(runs)]
    row: dict[str, Any] = {
        "function": function.name,
        "memory_mb": function.memory_mb,
        "timeout_s": function.timeout_s,
        "import_ms": statistics.median(run["import_ms"] for run in idle),
        "modules": idle[0]["modules"],
        "idle_mb": idle[0]["idle_mb"],
        "event": event is not None,
    }
    if event is not None:
        first = function.first_event(event)
        row |= {name: first[name] for name in ("event_cpu_ms", "event_ms", "later", "error", "peak_mb")}
    return row


def _events(running: Stack, found: Mapping[str, Function], distributed: Measured, members: int) -> dict[str, Any]:
    """By function: the last event of the run that reached it, or a small one."""
    events: dict[str, Any] = {}
    arn = distributed.execution_arn
    for event in history(running, arn):
        if event["type"] == "TaskScheduled":
            called = json.loads(event["taskScheduledEventDetails"]["parameters"])
            name = str(called.get("FunctionName", "")).rpartition(":")[2].removesuffix("Function").lower()
            if name in found:
                events[name] = called["Payload"]
    run = {name: events["verify"][name] for name in ("distribution_id", "execution_arn", "started_at", "queue_id")}
    events["patch"] |= {"target": "members", "next": 0}
    events["restore"] = events["verify"] | {"accepted": members, "settings_left": {}}
    locks = found["patch"].environment["LOCKS_TABLE"]
    lock = {"queue_id": {"S": run["queue_id"]}, "holder": {"S": arn}, "taken_at": {"N": "0"}}
    running.client("dynamodb").put_item(TableName=locks, Item=lock)  # who writes must hold the lock
    asked = plan("platform", run["queue_id"], members) | {"objective": "equal_occupancy"}
    message = {
        "messageId": "m", "receiptHandle": "r", "body": json.dumps({"source": "patrol", "queue_id": run["queue_id"]}),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"},
    }  # fmt: skip
    fleet = {"plans": [plan("platform", f"bench-fleet-{number}", 5) for number in range(200)]}
    return events | {
        "advance": {"accept": fleet, "fleet_id": f"{QUEUE}-{members}", "execution_arn": arn},
        "fleets": _http("POST", "/fleets", fleet),
        "plans": _http("GET", f"/distributions/{run['distribution_id']}"),
        "schedules": _http("GET", "/schedules"),
        "suggest": _http("POST", "/plans/suggest", asked),
        "webhook": _http("POST", "/webhooks/genesys/callback", {}),
        "draw": {"queue_id": run["queue_id"], "conversation_id": "bench"},
        "drift": {"Records": [message]},
        "outcomes": {"distribution_ids": [run["distribution_id"]]},
        "outgoing": {"Records": []},
        "patrol": {},
        "calibrate": {},
        "sweep": {},
        "token": {"refused": ""},
        "recover": {"blocked": events["verify"], "recover_with": running.ready["state_machine_arn"]},
    }


def _http(method: str, path: str, body: Any = None) -> dict[str, Any]:
    """The event of API Gateway's HTTP API, format 2.0."""
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench"}
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": http, "stage": "$default", "requestId": "bench", "accountId": "123456789012"},
        "body": json.dumps(body) if body is not None else None,
        "isBase64Encoded": False,
    }
