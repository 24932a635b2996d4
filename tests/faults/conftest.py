"""The queue of a fault test, under either contract."""

import pytest

from tests.faults.scenes import Scene


@pytest.fixture(params=["score", "ring"])
def scene(request, world, platform_world):
    each = world if request.param == "score" else platform_world
    each.sim.clear_faults()
    yield Scene(each, request.param)
    each.sim.clear_faults()
