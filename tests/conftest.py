"""One stack and one Genesys for all tests of whole distributions, started when the first of them asks."""

import pytest

from local.genesys import GenesysSimulator, Settings
from tests.asl.runner import CLIENT_ID, CLIENT_SECRET, World, served_stack

SETTINGS = Settings(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    with GenesysSimulator(SETTINGS) as sim, served_stack(folder, sim.url) as ready:
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
