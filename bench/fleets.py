"""Fleets through the embedded stack: many plans in one submission."""

import json
import time
from typing import Any

from bench import outside
from bench.distribution import plan, put_queue
from bench.outside import Stack, genesys, peak_mb, stack
from bench.pace import WINDOW_S
from bench.speed import warm_up


def measure(sizes: tuple[int, ...], members: int) -> dict[str, Any]:
    """Fleets of several sizes, with neither a limit nor latency: what the machine itself takes."""
    with genesys("platform") as simulator, stack(simulator) as running:
        warm_up(running)
        rows = [run(running, f"bench-{queues}", queues, members) for queues in sizes]
    return {"members": members, "rows": rows}


def at_rate(per_minute: int, queues: int, members: int) -> dict[str, Any]:
    """One fleet under a limit of `per_minute`: its time, divided by requests ÷ rate."""
    limits = {"rate_limit": round(per_minute * WINDOW_S / 60), "rate_window_s": WINDOW_S}
    with genesys("platform") as simulator, stack(simulator, REQUESTS_PER_MINUTE=per_minute) as running:
        warm_up(running)
        simulator.changes(**limits)
        measured = run(running, "bench-paced", queues, members)
    bound_s = measured["requests"] / (per_minute / 60)
    return measured | {"per_minute": per_minute, "bound_s": bound_s, "ratio": measured["seconds"] / bound_s}


def run(running: Stack, prefix: str, queues: int, members: int) -> dict[str, Any]:
    simulator, names = running.genesys, [f"{prefix}-{number}" for number in range(queues)]
    for name in names:
        put_queue(simulator, name, members, team=name)  # with shared agents the projection would block the plans
    simulator.forgets_requests()
    plans = [plan("platform", name, members, team=name) for name in names]
    started = time.time()
    answer = running.http.post(f"{running.api_url}/fleets", json={"plans": plans}, timeout=outside.TIMEOUT_S)
    assert answer.status_code == 202, answer.text
    accepted_s = time.time() - started
    path = answer.headers["Location"]

    def ended() -> Any:
        answer = running.http.get(f"{running.api_url}{path}", timeout=outside.TIMEOUT_S)
        if answer.status_code == 503:  # a service did not answer; docs/openapi.json says to ask again
            return None
        assert answer.ok, answer.text
        return answer.json() if answer.json()["terminal"] else None

    fleet = outside.until(f"{path} does not end", ended, pause_s=1.0)
    assert fleet["status"] == "completed", fleet
    log = simulator.requests()
    answered = max(entry["answered"] for entry in log if entry["answered"] is not None)
    return {
        "queues": queues,
        "members": members,
        "status": fleet["status"],
        "counts": fleet["queues"],
        "accepted_s": accepted_s,
        "seconds": answered - log[0]["monotonic"],
        "requests": len(log),
        "writes": sum(entry["method"] != "GET" for entry in log),
        "refused": sum(entry["status"] == 429 for entry in log),
        "refused_late": sum(entry["status"] == 429 and entry["monotonic"] - log[0]["monotonic"] > 1 for entry in log),
    }


def door(plans: int, members: int) -> dict[str, Any]:
    """Upload many plans, once with one wrong line and once without, and start them."""
    with genesys("platform") as simulator, stack(simulator) as running:
        lines = [
            json.dumps(plan("platform", f"bench-{number}", members, team=f"team-{number}")) for number in range(plans)
        ]
        wrong = plans // 2
        broken = [*lines[:wrong], lines[wrong].replace('"ring"', '"wrong"'), *lines[wrong + 1 :]]
        before = _written(running)
        refused, refused_s = _submitted(running, broken)
        written = _written(running) - before - 1  # the upload itself
        accepted, accepted_s = _submitted(running, lines)
        memory_mb = peak_mb(running)["fleets"]
        if accepted.status_code == 202:
            running.http.post(f"{running.api_url}{accepted.headers['Location']}/cancel", timeout=outside.TIMEOUT_S)
    return {
        "plans": plans,
        "members": members,
        "accepted": accepted.status_code,
        "accepted_s": accepted_s,
        "refused": refused.status_code,
        "refused_s": refused_s,
        "wrong_line": wrong + 1,
        "lines": [error.get("line") for error in refused.json().get("errors", [])],
        "written_when_refused": written,
        "memory_mb": memory_mb,
    }


def _submitted(running: Stack, lines: list[str]) -> tuple[Any, float]:
    upload = running.http.post(f"{running.api_url}/fleets/uploads", timeout=outside.TIMEOUT_S).json()
    put = running.http.put(upload["url"], data="\n".join(lines).encode(), timeout=outside.TIMEOUT_S)
    assert put.ok, put.text
    started = time.perf_counter()
    body = {"upload": upload["upload_id"]}
    answer = running.http.post(f"{running.api_url}/fleets", json=body, timeout=outside.TIMEOUT_S)
    return answer, time.perf_counter() - started


def _written(running: Stack) -> int:
    """Return the number of documents, records and executions of a stack."""
    s3, dynamodb, steps = (running.client(name) for name in ("s3", "dynamodb", "stepfunctions"))
    objects = sum(s3.list_objects_v2(Bucket=b["Name"]).get("KeyCount", 0) for b in s3.list_buckets()["Buckets"])
    tables = dynamodb.list_tables()["TableNames"]
    items = sum(dynamodb.scan(TableName=table, Select="COUNT")["Count"] for table in tables)
    machines = [machine["stateMachineArn"] for machine in steps.list_state_machines()["stateMachines"]]
    return objects + items + sum(len(steps.list_executions(stateMachineArn=arn)["executions"]) for arn in machines)
