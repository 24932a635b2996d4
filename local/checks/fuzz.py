"""Fuzzes the API by docs/openapi.json, over the embedded stack: `python -m local.checks.fuzz --help`.

Every response must have a documented status below 500, and the documented content type, headers and schema. A case
that fails is printed as a curl command.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
SECRET = "a-secret-of-fuzzing"  # noqa: S105  of a simulator and a stack that end with this process


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.checks.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=60, help="most random requests per operation (%(default)s)")
    parser.add_argument(
        "--least", type=int, default=3_500, help="fail if there were fewer requests altogether (%(default)s)"
    )
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful", help="Schemathesis's (%(default)s)")
    parser.add_argument("--seed", type=int, help="repeat a run; without it, every run is different")
    options = parser.parse_args()
    with _stack() as url:
        seed = ["--generation-database", "none"]
        seed += [] if options.seed is None else ["--seed", str(options.seed)]
        code, output = fuzz(url, options.phases, options.examples, SECRET, *seed)
    match = re.search(r"(\d+) generated", output)
    requests = int(match[1]) if match else 0
    print(f"{requests} requests")
    if requests < options.least:
        print(f"Fewer than {options.least}: raise --examples.")
        return 1
    return code


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
def _stack() -> Iterator[str]:
    """Start a stack and a simulator, and yield the API's address."""
    from local.genesys import GenesysSimulator  # noqa: PLC0415  a second of imports, which --help does without
    from local.stack.stack import DEMO_CLIENT, Stack  # noqa: PLC0415

    client_id, client_secret = DEMO_CLIENT["client_id"], DEMO_CLIENT["client_secret"]
    with GenesysSimulator(contract="platform", client_id=client_id, client_secret=client_secret) as genesys:
        genesys.put_queue("queue-001", agents=12)
        environment = {"PATH": os.environ["PATH"], "GENESYS_CONTRACT": "platform", "GENESYS_BASE_URL": genesys.url}
        environment |= {"REQUESTS_PER_MINUTE": "0", "WEBHOOK_SECRET": SECRET}
        with Stack(environment=environment) as stack:
            yield stack.api_url


if __name__ == "__main__":
    sys.exit(main())
