"""How far a fleet has come, as GET shows it."""

from datetime import UTC, datetime

import pytest

from routing_weights.application.show_fleet import ListFleets, ListQueues, ShowFleet
from routing_weights.domain.effort import Spent
from routing_weights.domain.fleet import Fleet, FleetOptions, FleetStatus, QueueItem, QueueOutcome, WaveOutcome
from routing_weights.domain.status import Status
from routing_weights.errors import FleetNotFound
from tests.support.fakes import FakeFleetDocuments, FakeFleetMachine, FakeFleets, FakeFleetSums

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
TOTAL = 6


def outcome(number, status="completed", **more):
    fields = {"number": number, "queue_id": f"q-{number}", "wave": int(number >= 2), "distribution_id": f"f-1.{number}"}
    return QueueOutcome(**fields, status=Status(status), **more)


class Stored:
    """A fleet of six queues, two of them in the first wave, each with 150 members."""

    def __init__(self, status=FleetStatus.RUNNING):
        self.fleets, self.documents, self.machine = FakeFleets(), FakeFleetDocuments(), FakeFleetMachine()
        self.sums = FakeFleetSums()
        options = FleetOptions.model_validate({"waves": [{"count": 2}]})
        self.fleets.create(
            Fleet(
                fleet_id="f-1",
                status=status,
                options=options,
                total=TOTAL,
                waves=tuple(options.divided(TOTAL)),
                submitted_at="2026-01-31T07:00:00.000Z",
                execution_arn="arn:execution:f-1",
            )
        )
        items = [
            QueueItem(
                number=number,
                queue_id=f"q-{number}",
                distribution_id=f"f-1.{number}",
                wave=int(number >= 2),
                start=0,
                length=1,
                members=150,
            )
            for number in range(TOTAL)
        ]
        self.documents.put_queues("f-1", items)
        self.machine.start("f-1", 1)

    def show(self, requests_per_minute=300):
        show = ShowFleet(self.fleets, self.sums, self.documents, self.machine, requests_per_minute)
        return show.show("f-1", NOW)

    def page(self, status=None, start=0, limit=100):
        queues = ListQueues(self.fleets, self.documents, self.machine)
        page, following = queues.list("f-1", status, start, limit, NOW)
        return [(queue.number, queue.status) for queue in page], following


@pytest.fixture
def stored():
    stored = Stored()
    stored.fleets.queues["f-1"] = [outcome(1), outcome(0, "member_update_failed"), outcome(3)]
    stored.fleets.of_waves["f-1"] = [
        WaveOutcome(wave=0, failed=frozenset({0}), verdict="passed", reasons=("1 failed",))
    ]
    return stored


def test_queues_are_counted_by_status_and_waves_by_how_their_queues_ended(stored):
    progress = stored.show()
    assert progress.queues == {"member_update_failed": 1, "completed": 2, "waiting": 3}
    first, second = progress.waves
    assert (first.queues, first.ended, first.failed, first.verdict, first.reasons) == (2, 2, 1, "passed", ("1 failed",))
    assert (second.queues, second.ended, second.failed, second.verdict) == (4, 1, 0, None)


def test_the_time_left_is_the_requests_left_at_the_granted_rate(stored):
    """A queue of 150 members: 1 + 2 pages before and after, 150 writes, the queue's own settings."""
    progress = stored.show(requests_per_minute=300)
    assert (progress.requests_left, progress.seconds_left) == (3 * (6 + 150 + 2), 94.8)
    assert stored.show(requests_per_minute=0).seconds_left is None


def test_queues_that_an_ended_fleet_has_not_begun_are_skipped(stored):
    stored.fleets.end("f-1", 1, FleetStatus.STOPPED, "", NOW)
    progress = stored.show()
    assert (progress.status, progress.queues["skipped"], progress.requests_left) == ("stopped", 3, 0)


def test_a_fleet_whose_execution_broke_off_is_interrupted_and_its_queues_still_wait(stored):
    stored.machine.statuses["arn:execution:f-1"] = "ABORTED"
    progress = stored.show()
    assert (progress.status, progress.queues["waiting"]) == ("interrupted", 3)


def test_the_effort_of_its_distributions_is_shown(stored):
    stored.sums.add("f-1", Spent(1, 12, 14, 0.0004))
    assert stored.show().spent == Spent(1, 12, 14, 0.0004)


def test_reverted_queues_are_counted(stored):
    stored.fleets.queues["f-1"] = [
        outcome(0, reverted_by="r-0", revert_status=Status.COMPLETED),
        outcome(1, reverted_by="r-1", revert_status=Status.MEMBER_UPDATE_FAILED),
        outcome(2),
    ]
    assert stored.show().reverted == 1


def test_queues_are_listed_in_pages_all_or_those_of_a_status(stored):
    everything = [
        *((0, "member_update_failed"), (1, "completed"), (2, "waiting")),
        *((3, "completed"), (4, "waiting"), (5, "waiting")),
    ]
    assert stored.page() == (everything, None)
    assert stored.page(limit=4) == (everything[:4], 4)
    assert stored.page(start=4) == (everything[4:], None)
    assert stored.page("waiting", limit=2) == ([(2, "waiting"), (4, "waiting")], 5)
    assert stored.page("waiting", start=5) == ([(5, "waiting")], None)
    assert stored.page(Status.COMPLETED) == ([(1, "completed"), (3, "completed")], None)
    assert stored.page("skipped") == ([], None)


def test_a_fleet_that_nobody_submitted_is_not_found(stored):
    with pytest.raises(FleetNotFound):
        ShowFleet(stored.fleets, stored.sums, stored.documents, stored.machine, 300).show("f-2", NOW)


# ---- the list --------------------------------------------------------------------------------------------------------


class Listed(Stored):
    """One more fleet, which has ended."""

    def __init__(self):
        super().__init__()
        self.described = []
        ended = {"fleet_id": "f-0", "status": FleetStatus.COMPLETED, "submitted_at": "2026-01-31T06:00:00.000Z"}
        self.fleets.create(self.fleets.find("f-1").model_copy(update=ended | {"execution_arn": "arn:execution:f-0"}))

    def describe(self, arn):
        self.described.append(arn)
        return FakeFleetMachine.describe(self.machine, arn)

    def list(self):
        self.machine.describe = self.describe
        page, following = ListFleets(self.fleets, self.machine).list(20, None, NOW)
        assert following is None
        return [(fleet.fleet_id, status) for fleet, status in page]


def test_only_the_executions_of_fleets_that_have_not_ended_are_looked_at():
    listed = Listed()
    assert listed.list() == [("f-1", "running"), ("f-0", "completed")]
    assert listed.described == ["arn:execution:f-1"]


def test_a_listed_fleet_whose_execution_broke_off_is_interrupted():
    listed = Listed()
    listed.machine.statuses["arn:execution:f-1"] = "ABORTED"
    assert listed.list()[0] == ("f-1", "interrupted")


def test_a_list_that_is_older_than_the_last_attempt_does_not_show_it_as_interrupted():
    listed = Listed()
    listed.machine.statuses["arn:execution:f-1"] = "ABORTED"
    old = listed.fleets.newest(20, None)
    listed.fleets.begin_again("f-1", 1, FleetStatus.RUNNING, "arn:execution:f-1.2", NOW, None)
    listed.machine.start("f-1", 2)
    listed.fleets.newest = lambda *_: old
    assert listed.list()[0] == ("f-1", "running")
