"""Fuzzes every parser, and the API over the embedded stack: `python -m local.checks.fuzz --help`.

First, hostile inputs for each parser (`parsers`). Then hostile requests to each route of docs/openapi.json: no answer
of 500 or more, only documented statuses, and no write to Genesys. At last what Schemathesis derives from the document:
every response must have a documented status below 500, and the documented content type, headers and schema. A case that
fails is printed, a request as a curl command. Input n of a seed is always the same.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import re
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "layers" / "core"))
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
SECRET = "a-secret-of-fuzzing"  # noqa: S105  of a simulator and a stack that end with this process
QUEUE = "a-queue-that-no-input-names"
PARAMETERS = {"queue_id": "queue-001", "name": "normal", "distribution_id": "d-1", "fleet_id": "f-1"}
MOST_MEMORY = 100
"""In bytes, for each byte of an input."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.checks.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=60, help="most random requests per operation (%(default)s)")
    parser.add_argument(
        "--least", type=int, default=3_500, help="fail if there were fewer requests altogether (%(default)s)"
    )
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful", help="Schemathesis's (%(default)s)")
    parser.add_argument("--inputs", type=int, default=100_000, help="hostile inputs altogether (%(default)s)")
    parser.add_argument("--requests", type=int, default=3_000, help="how many of them are requests (%(default)s)")
    parser.add_argument("--seed", type=int, help="repeat a run; without it, every run is different")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    found = fuzz_parsers(options.inputs - options.requests, seed) + greedy_parsers()
    with _stack() as (stack, genesys):
        found += hostile_requests(stack, genesys, options.requests, seed)
        genesys.put_queue("queue-001", agents=12)
        more = ["--generation-database", "none", "--seed", str(seed)]
        code, output = fuzz(stack.api_url, options.phases, options.examples, SECRET, *more)
    match = re.search(r"(\d+) generated", output)
    generated = int(match[1]) if match else 0
    print(f"{options.inputs} hostile inputs and {generated} generated requests; {found} findings")
    if generated < options.least:
        print(f"Fewer requests than {options.least}: raise --examples.")
        return 1
    return code or int(found > 0)


def fuzz_parsers(count: int, seed: int) -> int:
    """Give hostile inputs to every parser, in as many processes as there are processors. Returns the findings."""
    from local.checks.parsers import PARSERS  # noqa: PLC0415  the product, which --help does without

    each = -(-count // len(PARSERS))
    found = 0
    with ProcessPoolExecutor(initializer=partial(logging.disable, logging.CRITICAL)) as pool:
        futures = {name: pool.submit(_fuzzed, name, each, seed) for name in PARSERS}
        for name, future in futures.items():
            tally = future.result()
            print(f"  {name:<26} {tally.accepted:>6} accepted, {tally.refused:>6} refused", flush=True)
            for one in tally.found[:5]:
                print(f"    input {one.number}: {one.what}\n      {one.given}")
            found += len(tally.found)
    return found


def _fuzzed(name: str, count: int, seed: int) -> Any:
    from local.checks.parsers import fuzz as fuzz_parser  # noqa: PLC0415

    return fuzz_parser(name, count, seed)


def greedy_parsers() -> int:
    """Find parsers of bodies that take more memory than MOST_MEMORY for each byte of large, odd inputs."""
    from local.checks import hostile  # noqa: PLC0415
    from local.checks.parsers import PARSERS, judge  # noqa: PLC0415

    most, found = 0.0, 0
    for name in ("plan", "fleet", "schedule", "forecast"):
        for shape, raw in hostile.sizes(30_000):
            tracemalloc.start()
            judge(PARSERS[name], raw)
            taken = tracemalloc.get_traced_memory()[1] / len(raw)
            tracemalloc.stop()
            most = max(most, taken)
            if taken > MOST_MEMORY:
                print(f"    {name}: {shape}, {taken:.0f} bytes for each of the input")
                found += 1
    print(f"  memory: at most {most:.0f} bytes for each byte of an input")
    return found


def hostile_requests(stack: Any, genesys: Any, count: int, seed: int) -> int:
    """Send hostile bodies, ids, queries and keys to each route. Genesys has no queue that any of them names.

    Returns how many were answered with 500 or more or with an undocumented status, and how many writes Genesys got.
    """
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    routes = [(method, path, operation) for path, of in document["paths"].items() for method, operation in of.items()]
    answers: Counter[int] = Counter()
    found, began = 0, time.monotonic()
    with requests.Session() as session:
        session.trust_env = False
        for number in range(count):
            rng = random.Random(f"{seed} request {number}")  # noqa: S311  no secret
            method, path, operation = routes[number % len(routes)]
            request = _hostile(rng, method, stack.api_url + path, operation)
            answer = session.send(session.prepare_request(request), timeout=60, allow_redirects=False)
            answers[answer.status_code] += 1
            # A hostile id may lead to another path, or to none.
            documented = {int(status) for status in operation["responses"]} | {403, 404, 405, 413}
            if answer.status_code >= 500 or answer.status_code not in documented:  # noqa: PLR2004
                found += 1
                print(f"    request {number}: {method} {path} got {answer.status_code}: {answer.text[:300]}")
    _wait_for_the_end_of_what_was_accepted(stack)
    written = [entry for entry in genesys.requests(began) if _is_write(entry)]
    for entry in written[:5]:
        print(f"    Genesys got {entry['method']} {entry['path']}")
    print(f"  {count} requests: " + ", ".join(f"{status} {n} times" for status, n in sorted(answers.items())))
    return found + len(written)


def _wait_for_the_end_of_what_was_accepted(stack: Any) -> None:
    running = {"stateMachineArn": stack.state_machine_arn, "statusFilter": "RUNNING"}
    for _ in range(240):
        if not stack.client("stepfunctions").list_executions(**running)["executions"]:
            return
        time.sleep(0.5)
    raise TimeoutError("an execution that a hostile input has started does not end")


def _hostile(rng: random.Random, method: str, url: str, operation: dict[str, Any]) -> requests.Request:
    """Make a request of an operation, with something odd at one or more of its places."""
    from local.checks import hostile  # noqa: PLC0415
    from routing_weights.domain.signing import signed  # noqa: PLC0415

    ids = {name: hostile.text(rng, held) if rng.random() < 0.15 else held for name, held in PARAMETERS.items()}  # noqa: PLR2004
    quoted = {name: quote(text.encode("utf-8", "replace"), safe="") for name, text in ids.items()}
    query = {
        parameter["name"]: hostile.text(rng, "2026-01-01T00:00:00Z").encode("utf-8", "replace")
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query" and rng.random() < 0.5  # noqa: PLR2004
    }
    headers = {"Content-Type": "application/json"}
    if rng.random() < 0.2:  # noqa: PLR2004
        printable = "".join(c for c in hostile.text(rng, "key") if "!" <= c <= "~")
        headers["Idempotency-Key"] = printable
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = b""
    if "requestBody" in operation:
        body = hostile.body(rng, json.dumps(content.get("example", {"a": 1})).encode())[:6_000_000]
    if operation.get("security") == [] and rng.random() < 0.8:  # noqa: PLR2004
        headers |= signed(SECRET, f"delivery-{rng.random()}", body, time.time())
    return requests.Request(method, url.format_map(quoted), headers, data=body, params=query)


def _is_write(entry: dict[str, Any]) -> bool:
    return entry["method"] != "GET" and not entry["path"].startswith(("/oauth", "/api/v2/analytics/"))


def fuzz(url: str, phases: str, examples: int, webhook_secret: str, *more: str) -> tuple[int, str]:
    """Send requests to an API on this machine, and print Schemathesis's output. Returns its exit status and output.

    `phases` are those of Schemathesis. `examples` is the number of requests per operation in a random phase.
    """
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", str(ROOT / "docs" / "openapi.json")]
    command += ["--url", url, "--phases", phases, "--max-examples", str(examples), "--checks", ",".join(CHECKS)]
    command += ["--request-timeout", "30", "--suppress-health-check", "all", "--warnings", "off", "--no-color"]
    command += ["--output-truncate", "false", *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "layers" / "core"), "WEBHOOK_SECRET": webhook_secret}
    environment["SCHEMATHESIS_HOOKS"] = "local.checks.fuzz_hooks"
    lines = []
    with subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


@contextmanager
def _stack() -> Iterator[tuple[Any, Any]]:
    """Start a simulator and a stack, and yield the stack and the simulator."""
    from local.genesys import GenesysSimulator  # noqa: PLC0415  a second of imports, which --help does without
    from local.stack.stack import DEMO_CLIENT, Stack  # noqa: PLC0415

    client_id, client_secret = DEMO_CLIENT["client_id"], DEMO_CLIENT["client_secret"]
    with GenesysSimulator(queue_id=QUEUE, client_id=client_id, client_secret=client_secret) as genesys:
        environment = {"PATH": os.environ["PATH"], "GENESYS_CONTRACT": "platform", "GENESYS_BASE_URL": genesys.url}
        environment |= {"REQUESTS_PER_MINUTE": "0", "WEBHOOK_SECRET": SECRET}
        with Stack(environment=environment) as stack:
            yield stack, genesys


if __name__ == "__main__":
    sys.exit(main())
