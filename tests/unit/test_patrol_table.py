"""The table of the patrol: which queues it reads, and when each was last read."""

import pytest

from routing_weights.adapters.aws.patrol_table import Patrols
from tests.support.fakes import FakePatrols

NOW_MS = 1_769_846_400_000


@pytest.fixture(params=["table", "fake"])
def patrols(request):
    """The fake of the use cases' tests does what the table does."""
    return Patrols(request.getfixturevalue("drift_table").table) if request.param == "table" else FakePatrols()


def test_a_reading_is_noted_where_the_queue_is_patrolled_and_never_backwards(patrols):
    patrols.watch("a", 5)
    patrols.looked("a", 9)
    patrols.looked("a", 7)
    patrols.looked("never", 7)
    assert (patrols.due(9), patrols.due(10)) == ([], ["a"])


def test_due_queues_come_in_the_order_of_their_readings(patrols):
    for name, at in (("a", 3), ("b", 1), ("c", 2), ("d", 9)):
        patrols.watch(name, at)
    patrols.forget("c")
    patrols.forget("never")
    assert patrols.due(9) == ["b", "a"]


def test_the_patrols_items_are_in_no_queues_drift(drift_table):
    Patrols(drift_table.table).watch("q-1", NOW_MS)
    listed, _ = drift_table.of_queue("q-1", since="0000", until="9999", limit=9, after=None)
    assert listed == []
