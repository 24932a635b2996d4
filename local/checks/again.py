"""Runs tests, and those that failed once more, one after another in one process.

`python -m local.checks.again tests/stack -- --numprocesses 6`: the options after `--` are for the first run only.
CI uses it for the tests of stacks, where many processes share a busy machine. A test that fails twice fails the build.
One that passes alone is named: its order of events depends on the machine's speed, and it has to be fixed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FAILED = 1
"""What pytest exits with if tests failed. Anything else is an interruption or a wrong usage."""


def run(cache: Path, *options: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={cache}", *options]
    return subprocess.run(command, check=False).returncode  # noqa: S603


def noted(cache: Path, name: str) -> Any:
    """What pytest, or the suite's conftest.py, wrote into the cache."""
    file = cache / "v" / name
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def main(arguments: list[str]) -> int:
    tests, options = arguments, []
    if "--" in arguments:
        place = arguments.index("--")
        tests, options = arguments[:place], arguments[place + 1 :]
    with TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        exit_code = run(cache, *options, *tests)
        failed = sorted(noted(cache, "cache/lastfailed"))
        if exit_code != FAILED or not failed:
            return exit_code
        if noted(cache, "suite/complaints"):
            print("No test is run again: the run has complaints that are of no single test.")
            return exit_code
        print(f"\nOnce more, alone: {len(failed)} tests that failed beside others.\n", flush=True)
        exit_code = run(cache, "--last-failed", "--last-failed-no-failures", "none", *tests)
        still = set(noted(cache, "cache/lastfailed"))
    for name in failed:
        said = "FAILED TWICE" if name in still else "FAILED BESIDE OTHERS, PASSED ALONE: FIX IT"
        print(f"{said}: {name}")
    print("A run with failures does not check that every permission is used and every place is searched.")
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
