"""What all tests share: one stack and one Genesys per contract and worker, and the two nurseries of the whole run."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from local.genesys import GenesysSimulator
from local.genesys.platform_organisation import ORGANISATION
from local.stack import nursery, tether
from local.stack.lambdas import NURSERY
from local.stack.stack import PERMISSIONS_FOLDER
from tests.support import leaks
from tests.support.permissions import complaints, is_whole
from tests.support.waiting import until
from tests.support.world import CLIENT_ID, CLIENT_SECRET, ROOT, STACKS, World, served_stack

FIRST = (
    *("stack/test_on_drift.py", "faults/test_fault_matrix.py", "faults/test_killed.py"),
    *("stack/test_alarms.py", "stack/test_desk_page.py"),
    *("stack/test_both_contracts.py", "stack/test_webhook.py", "faults/test_fleets.py"),
    # Each of six workers has one of these at hand while it runs one of those.
    *("stack/test_nursery.py", "stack/test_documents.py", "stack/test_fleets.py"),
    *("stack/test_rare_paths.py", "stack/test_rules.py", "stack/test_runtime.py"),
    *("stack/test_until.py", "stack/test_doors.py", "faults/test_one_queue.py", "faults/test_sequences.py"),
    *("faults/test_kth_write.py", "stack/test_outgoing.py", "asl/test_flow_tokens.py", "stack/test_demo.py"),
    *("stack/test_stack.py", "stack/test_revert.py", "stack/test_schedules.py", "asl/test_flow.py"),
)
"""The files that take longest, so that the last minute of a run is not that of one worker."""
KINDS = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
OF_PEOPLE = {
    "PEOPLE_SIGN_IN": "genesys",
    "GENESYS_ORGANISATION_ID": ORGANISATION["id"],
    "SIGN_IN_CACHE_S": "2",
    "DESK_CLIENT_ID": "desk",
}
COMPLAINTS = pytest.StashKey[list[str]]()


def pytest_configure(config):
    """Have every stack write what its roles used. Stacks and their runtimes are forked from two nurseries.

    The workers inherit the environment. A nursery imports nothing before the first request.
    """
    if not hasattr(config, "workerinput") and PERMISSIONS_FOLDER not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="routing-weights-")
        config.add_cleanup(folder.cleanup)
        os.environ[PERMISSIONS_FOLDER] = folder.name
        for variable, kind in ((NURSERY, ["runtimes", str(ROOT / "layers" / "core")]), (STACKS, ["stacks"])):
            os.environ[variable] = str(Path(folder.name, kind[0]))
            process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", tether.__file__, str(os.getpid())),
                    *(sys.executable, nursery.__file__, os.environ[variable], *kind),
                ],
                env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            config.add_cleanup(process.wait)
            config.add_cleanup(process.kill)
        for variable in (NURSERY, STACKS):
            until(Path(os.environ[variable]).exists)


def pytest_collection_modifyitems(items):
    """Put the longest files first."""
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(places)))


def pytest_sessionfinish(session):
    """A run fails where a role was refused something, and where a planted secret was found.

    A run of all stacks also fails where no test would miss a permission, or where nothing was searched.
    """
    config = session.config
    if hasattr(config, "workerinput"):
        return
    whole = is_whole(config) and session.exitstatus == pytest.ExitCode.OK
    folder = os.environ[PERMISSIONS_FOLDER]
    config.stash[COMPLAINTS] = [f"template.yaml: {line}" for line in complaints(folder, whole=whole)]
    config.stash[COMPLAINTS] += leaks.complaints(folder, whole=whole)
    config.cache.set("suite/complaints", config.stash[COMPLAINTS])  # for local.checks.again
    if config.stash[COMPLAINTS] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    yield from serve("score", tmp_path_factory)


@pytest.fixture(scope="session")
def platform_world(tmp_path_factory):
    yield from serve("platform", tmp_path_factory)


def serve(contract, tmp_path_factory):
    folder = tmp_path_factory.mktemp(contract)
    with (
        GenesysSimulator(contract=contract, client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as sim,
        served_stack(folder, sim.url, contract, **(OF_PEOPLE if contract == "platform" else {})) as ready,
    ):
        world = World(ready, sim)
        world.warm()
        yield world
        world.close()


@pytest.fixture
def queue(world):
    """A new queue of three agents that hold no weight."""
    return world.queue()


@pytest.fixture
def run(world):
    return world.run


def pytest_terminal_summary(terminalreporter, config):
    """Print refusals, unused permissions, leaks, and how many cases each folder has: a suite that shrinks is seen."""
    for line in config.stash.get(COMPLAINTS, []):
        terminalreporter.write_line(line, red=True)
    reports = [report for kind in KINDS for report in terminalreporter.stats.get(kind, [])]
    cases = {report.nodeid for report in reports if hasattr(report, "nodeid")}
    by_folder = Counter(nodeid.split("/")[1] for nodeid in cases)
    sizes = ", ".join(f"{size} in {folder}" for folder, size in sorted(by_folder.items()))
    of_matrix = sum("test_fault_matrix.py" in nodeid for nodeid in cases)
    terminalreporter.write_line(f"{len(cases)} cases: {sizes} ({of_matrix} of the fault matrix)")
