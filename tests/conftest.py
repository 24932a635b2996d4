"""One stack and one Genesys per contract for all tests of whole distributions, started when the first of them asks."""

import pytest

from local.genesys import GenesysSimulator
from tests.asl.runner import CLIENT_ID, CLIENT_SECRET, World, served_stack


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


def pytest_terminal_summary(terminalreporter):
    """The size of the fault matrix: a matrix that shrinks should be seen."""
    of_matrix = {
        kind: sum("test_fault_matrix.py" in report.nodeid for report in terminalreporter.stats.get(kind, []))
        for kind in ("passed", "failed", "xfailed")
    }
    if size := sum(of_matrix.values()):
        green, known = of_matrix["passed"], of_matrix["xfailed"]
        terminalreporter.write_line(f"fault matrix: {size} cases, {green} green, {known} expected to fail")
