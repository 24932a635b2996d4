"""The clock of both simulators."""

import pytest

from tests.support.fakes import FakeTime


@pytest.fixture
def fake_time():
    return FakeTime(1000.25)  # a fraction of a second shows what is rounded
