"""Draws for one queue of 20 members, at a steady rate, and an empty function at the same rate in the same stack."""

import json
import socket
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.config import Config

from bench.distribution import put_queue
from bench.outside import ROOT, Stack, genesys, stack
from bench.starts import functions

QUEUE, MEMBERS = "bench-draws", 20
CALLERS = 16
WARM_UP = 30
EMPTY = """
  EmptyFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: {folder}
      MemorySize: 1024
      LoggingConfig: {{ LogGroup: !Ref DrawLogGroup }}
"""
CODE = """
def handler(event, context):
    return {}
"""


def measure(per_second: int, seconds: float) -> dict[str, Any]:
    """Send `per_second` draws for so many seconds, each for another conversation, and then as many empty invocations.

    `miscounted`: how many of the counted draws the stored counters miss, or have twice.
    """
    with tempfile.TemporaryDirectory() as name, genesys("platform") as simulator:
        put_queue(simulator, QUEUE, MEMBERS)
        with stack(simulator, template=_with_an_empty_function(Path(name))) as running:
            _put_in_force(running)
            rows = []
            for function in ("DrawFunction", "EmptyFunction"):
                invoke = _invoker(running, function)
                with ThreadPoolExecutor(CALLERS) as callers:  # starts the runtimes
                    list(callers.map(invoke, (f"warm-up-{number}" for number in range(WARM_UP))))
                before = _counted(running)
                row = {"function": function} | _at_rate(invoke, per_second, seconds)
                known = sum(row["answers"].get(reason, 0) for reason in ("drawn", "nobody"))
                rows.append(row | {"miscounted": abs(_counted(running) - before - known)})
            without = {kind: _without_the_store(running, kind) for kind in ("hangs", "refuses")}
    return {"members": MEMBERS, "seconds": seconds, "wanted_per_second": per_second} | {
        "rows": rows,
        "without": without,
    }


def _without_the_store(running: Stack, kind: str) -> float:
    """Return how many seconds the first draw of a process takes if DynamoDB does not answer, or is not there."""
    function = functions(running)["draw"]
    with socket.create_server(("127.0.0.1", 0)) as store:
        url = f"http://127.0.0.1:{store.getsockname()[1]}"
        if kind == "refuses":
            store.close()
        alone = replace(function, environment=dict(function.environment) | {"AWS_ENDPOINT_URL": url})
        found = alone.first_event({"queue_id": QUEUE, "conversation_id": "c"})
    if found["error"]:
        raise RuntimeError(f"a draw raised {found['error']}")
    return float(found["event_ms"]) / 1000


def _with_an_empty_function(folder: Path) -> Path:
    """The template with one more function. Its paths are absolute, because it lies in another folder."""
    (folder / "empty").mkdir()
    (folder / "empty" / "app.py").write_text(CODE, encoding="utf-8")
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    for path in ("functions/", "layers/", "statemachine/"):
        text = text.replace(f"Uri: {path}", f"Uri: {ROOT}/{path}")
    text = text.replace("\nOutputs:\n", EMPTY.format(folder=folder / "empty") + "\nOutputs:\n")
    template = folder / "template.yaml"
    template.write_text(text, encoding="utf-8")
    return template


def _put_in_force(running: Stack) -> None:
    weights = {f"agent-{number:03}": 1 / MEMBERS for number in range(1, MEMBERS + 1)}
    document = {"distribution_id": QUEUE, "weights": weights, "share": {"hold_s": 2, "then": 2}}
    item = {"queue_id": {"S": QUEUE}, "kind": {"S": "weights"}, "version": {"N": "1"}}
    running.client("dynamodb").put_item(
        TableName=running.ready["shares_table"], Item=item | {"shares": {"S": json.dumps(document)}}
    )


def _counted(running: Stack) -> int:
    key = {"queue_id": {"S": QUEUE}, "kind": {"S": "tally"}}
    item = running.client("dynamodb").get_item(TableName=running.ready["shares_table"], Key=key, ConsistentRead=True)
    drawn = json.loads(item["Item"]["tally"]["S"])["drawn"]
    return sum(count for bucket in drawn.values() for count in bucket.values())


def _invoker(running: Stack, function: str) -> Callable[[str], str]:
    """Return what invokes a function for a conversation, and gives the reason of its answer, or its error."""
    client = running.client("lambda", Config(max_pool_connections=CALLERS, retries={"total_max_attempts": 1}))

    def invoke(conversation: str) -> str:
        event = {"queue_id": QUEUE, "conversation_id": conversation, "media": "message"}
        response = client.invoke(FunctionName=function, Payload=json.dumps(event))
        answer = json.loads(response["Payload"].read())
        return str(answer.get("errorType") or answer.get("reason") or "empty")

    return invoke


def _at_rate(invoke: Callable[[str], str], per_second: int, seconds: float) -> dict[str, Any]:
    taken: list[float] = []
    answers: Counter[str] = Counter()
    lock, began = threading.Lock(), time.perf_counter() + 0.1

    def call(number: int) -> None:
        time.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        started = time.perf_counter()
        answer = invoke(f"c-{number}")
        with lock:
            taken.append(time.perf_counter() - started)
            answers[answer] += 1

    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(call, range(round(per_second * seconds))))
    took_s = time.perf_counter() - began
    quantiles = statistics.quantiles(taken, n=100)
    return {
        "invocations": len(taken),
        "per_second": len(taken) / took_s,
        "p50_ms": quantiles[49] * 1000,
        "p99_ms": quantiles[98] * 1000,
        "answers": dict(answers),
    }
