"""What all tests share: one stack and one Genesys per contract and worker, and the two nurseries of the whole run."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from local.genesys import GenesysSimulator
from local.stack import nursery, tether
from local.stack.lambdas import NURSERY
from local.stack.stack import PERMISSIONS_FOLDER
from tests.support.permissions import complaints, is_whole
from tests.support.waiting import until
from tests.support.world import CLIENT_ID, CLIENT_SECRET, ROOT, STACKS, World, served_stack

KINDS = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
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


def pytest_sessionfinish(session):
    """A run fails where a role was refused something; a run of all tests also where no test would miss a permission."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    whole = is_whole(config) and session.exitstatus == pytest.ExitCode.OK
    config.stash[COMPLAINTS] = list(complaints(os.environ[PERMISSIONS_FOLDER], whole=whole))
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
        served_stack(folder, sim.url, contract) as ready,
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
    """Print refused calls, unused permissions, and the number of cases in each folder: a suite that shrinks is seen."""
    for line in config.stash.get(COMPLAINTS, []):
        terminalreporter.write_line(f"template.yaml: {line}", red=True)
    reports = [report for kind in KINDS for report in terminalreporter.stats.get(kind, [])]
    cases = {report.nodeid for report in reports if hasattr(report, "nodeid")}
    by_folder = Counter(nodeid.split("/")[1] for nodeid in cases)
    sizes = ", ".join(f"{size} in {folder}" for folder, size in sorted(by_folder.items()))
    of_matrix = sum("test_fault_matrix.py" in nodeid for nodeid in cases)
    terminalreporter.write_line(f"{len(cases)} cases: {sizes} ({of_matrix} of the fault matrix)")
