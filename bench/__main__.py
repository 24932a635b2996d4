"""`make bench`: the requests, writes and time of a distribution, callbacks, and the import time of each function."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

from local.genesys import GenesysSimulator
from local.stack import Stack

ROOT = Path(__file__).parents[1]
HEADER = "  actuator      members  writes  reads  budget  states  seconds  again"
SIZES = (3, 100, 1000)
IMPORT_RUNS = 7
CALLBACKS = 30
WEBHOOK_SECRET = "of-the-bench"  # noqa: S105  for a stack on loopback only
TIMEOUT_S = 120.0


def main() -> None:
    distributions()
    imports()


def distributions() -> None:
    """Send each plan twice, through API, state machine, real runtimes and simulator on loopback."""
    print("Distributions (requests to Genesys; a change is a member whose weight differs, or the queue's setting)\n")
    print(HEADER)
    with GenesysSimulator(contract="score") as genesys, Stack(environment=_environment(genesys)) as stack:
        for size in SIZES:
            _show(stack, genesys, size, "score")
        callbacks(stack, genesys)
    with GenesysSimulator(contract="platform") as genesys, Stack(environment=_environment(genesys)) as stack:
        from routing_weights.domain.actuators import names_for  # noqa: PLC0415 - the stack has put the layer on the path

        for actuator in names_for("platform"):
            for size in SIZES:
                _show(stack, genesys, size, actuator)
    print(
        "\n  again: writes when the same plan is sent a second time. budget: the most requests that a run may take.\n"
    )


def callbacks(stack: Stack, genesys: GenesysSimulator) -> None:
    """Measure how soon a signed callback is answered, and how soon somebody else's change is recorded as drift."""
    from routing_weights.domain.signing import signed  # noqa: PLC0415 - the stack has put the layer on the path

    answered, recorded = [], []
    for number in range(CALLBACKS):
        queue = f"bench-callback-{number}"
        genesys.put_queue(queue, agents=3, off_queue=0)
        _distribute(stack, genesys, queue, 3, "score")
        genesys.edit_member(queue, "agent-002", score=0.01)
        body = json.dumps({"eventType": "routing.queueMember.updated", "queueId": queue}).encode()
        start = time.monotonic()
        headers = signed(WEBHOOK_SECRET, queue, body, time.time())
        answer = requests.post(f"{stack.api_url}/webhooks/genesys/callback", body, headers=headers, timeout=TIMEOUT_S)
        answer.raise_for_status()
        answered.append((time.monotonic() - start) * 1000)
        while not requests.get(f"{stack.api_url}/queues/{queue}/drift", timeout=TIMEOUT_S).json()["items"]:
            if time.monotonic() - start > TIMEOUT_S:
                raise TimeoutError(f"no drift of {queue} was recorded")
            time.sleep(0.01)
        recorded.append(time.monotonic() - start)
    warm, drift = sorted(answered[1:]), sorted(recorded[1:])
    print(
        f"\n  callbacks: answered in {statistics.median(warm):.0f} ms (at most {warm[-1]:.0f}), "
        f"somebody else's change recorded in {statistics.median(drift):.2f} s (at most {drift[-1]:.2f})\n\n{HEADER}"
    )


def _show(stack: Stack, genesys: GenesysSimulator, size: int, actuator: str) -> None:
    queue = f"bench-{actuator}-{size}"
    spec: dict[str, Any] = {} if actuator == "score" else {"skills": [{"id": queue, "proficiency": 0.1}]}
    if actuator == "ring":
        timeout = {"type": "TIMEOUT_SECONDS", "threshold": 10}
        spec["queue"] = {"bullseye": {"rings": [{"expansionCriteria": [timeout]}] * 6}}
    genesys.put_queue(queue, agents=size, off_queue=0, unjoined=size if actuator == "joined" else 0, **spec)
    first, second = (_distribute(stack, genesys, queue, size, actuator) for _ in range(2))
    budget = size + 2 * -(-size // 100) + 8
    print(
        f"  {actuator:<12} {size:>8} {first['writes']:>7} {first['reads']:>6} {budget:>7} {first['states']:>7} "
        f"{first['seconds']:>8.2f} {second['writes']:>6}"
    )


def _environment(genesys: GenesysSimulator) -> dict[str, str]:
    client = {"GENESYS_CLIENT_ID": genesys.settings.client_id, "GENESYS_CLIENT_SECRET": genesys.settings.client_secret}
    where = {"GENESYS_CONTRACT": genesys.settings.contract, "GENESYS_BASE_URL": genesys.url}
    return where | client | {"WEBHOOK_SECRET": WEBHOOK_SECRET}


def _distribute(stack: Stack, genesys: GenesysSimulator, queue: str, size: int, actuator: str) -> dict[str, Any]:
    total = size * (size + 1) / 2
    weights = {f"agent-{number:03}": 0.9 * number / total for number in range(1, size + 1)}
    plan = {
        "queue_id": queue,
        "member_weights": weights,
        "overflow_threshold": 0.85,
        "utilization_target": 0.8,
        "strategy_reference": "by-weight",
        "projected_load": 1.0,
        "actuator": actuator,
    } | ({"skill": queue} if actuator == "proficiency" else {})
    genesys.clear_requests()
    start = time.monotonic()
    accepted = requests.post(f"{stack.api_url}/plans", json=plan, timeout=TIMEOUT_S).json()
    steps, arn = stack.client("stepfunctions"), accepted["execution_arn"]
    while steps.describe_execution(executionArn=arn)["status"] == "RUNNING" and time.monotonic() - start < TIMEOUT_S:
        time.sleep(0.01)
    seconds = time.monotonic() - start
    history = steps.get_execution_history(executionArn=arn)["events"]
    methods = [entry["method"] for entry in genesys.requests()]
    return {
        "writes": methods.count("PATCH") + methods.count("PUT"),
        "reads": methods.count("GET"),
        "states": sum(event["type"].endswith("StateEntered") for event in history),
        "seconds": seconds,
    }


def imports() -> None:
    """Print the median time and the modules of `import app`, and of a bare interpreter in the same run."""
    print(f"Imports (median of {IMPORT_RUNS} fresh processes; the ratio is to a bare interpreter)\n")
    print(f"  {'function':<12} {'ms':>7} {'ratio':>6} {'modules':>8}")
    bare, modules = _import("pass", ROOT)
    print(f"  {'(bare)':<12} {bare:>7.0f} {1:>6.1f} {modules:>8}")
    for function in sorted(path.parent for path in (ROOT / "functions").glob("*/app.py")):
        took, modules = _import("import app", function)
        print(f"  {function.name:<12} {took:>7.0f} {took / bare:>6.1f} {modules:>8}")


def _import(statement: str, folder: Path) -> tuple[float, int]:
    script = f"import sys, json; sys.path[:0] = {[str(folder), str(ROOT / 'layers' / 'core')]!r}; {statement}"
    command = [sys.executable, "-c", f"{script}; print(json.dumps(len(sys.modules)))"]
    took, modules = [], 0
    for _ in range(IMPORT_RUNS):
        start = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        took.append((time.monotonic() - start) * 1000)
        modules = json.loads(done.stdout)
    return statistics.median(took), modules


if __name__ == "__main__":
    main()
