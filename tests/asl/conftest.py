"""Runs that wait (for Retry-After, for attempts to run out, for a read-back) wait together."""

import pytest


@pytest.fixture(scope="module")
def under_way(request, world):
    """The module's UNDER_WAY runs by name, all started at once."""
    runs = {name: scene(world).start() for name, scene in request.module.UNDER_WAY.items()}
    yield runs
    for run in runs.values():
        run.wait()
    assert world.locks() == {}
