"""Close: a record is closed once; a temporary plan that was not applied has no expiry; metrics are data."""

from datetime import UTC, datetime

import pytest

from routing_weights.application.close import Close, Metric
from routing_weights.domain.effort import Effort
from routing_weights.domain.record import opened
from routing_weights.domain.restore import Restoration
from routing_weights.domain.run import Origin, Outcome
from routing_weights.errors import Interrupted
from tests.support.fakes import (
    FakeApprovals,
    FakeDocuments,
    FakeFleetSums,
    FakePatrols,
    FakeSchedules,
    FakeTrail,
    account,
    member,
    plan,
    queue,
    run_of,
    target,
    work,
)

START, NOW = datetime(2026, 1, 31, 8, tzinfo=UTC), datetime(2026, 1, 31, 8, 1, tzinfo=UTC)
UNTIL = {"until": "2026-01-31T17:00:00Z"}


class Closer:
    """The use case with fakes; runs `d-1`, `d-2`, ... hold the lock of their queue."""

    def __init__(self):
        self.documents, self.trail, self.patrols = FakeDocuments(), FakeTrail(), FakePatrols()
        self.approvals = FakeApprovals()
        self.schedules, self.fleets = FakeSchedules("return.d-1", "return.d-2"), FakeFleetSums()
        counted = account(**{f"arn:d-{number}": Effort(requests=7, transitions=4) for number in (1, 2, 3)})
        self.use_case = Close(
            self.documents, self.trail, self.patrols, self.schedules, counted, self.fleets, self.approvals.end
        )

    def close(self, status, name="d-1", holder="", fleet_id="", **changes):
        """Close the record of a run whose plan was accepted, and which decided nothing."""
        update = {"distribution_id": name, "execution_arn": f"arn:{name}", "fleet_id": fleet_id}
        run = run_of(START).model_copy(update=update)
        self.documents.save_plan(name, plan(**changes))
        self.trail.holders["queue-001"] = holder or f"arn:{name}"
        green = status in {"completed", "dry_run"}
        outcome = Outcome(status=status, error=None if green else {"Error": "QueueBusy", "Cause": "{}"})
        return self.use_case.close(run, outcome, holder, holder, NOW)

    def record(self, name="d-1"):
        return self.trail.find(name).closing


@pytest.fixture
def closer():
    return Closer()


@pytest.mark.parametrize("status", ["queue_busy", "member_update_failed", "interrupted", "dry_run"])
def test_the_expiry_of_a_plan_that_was_not_applied_is_cancelled(closer, status):
    closer.close(status, **UNTIL)
    assert (closer.record().status, closer.record().until) == (status, UNTIL["until"])
    assert closer.schedules.names == {"return.d-2"}


@pytest.mark.parametrize(("status", "fields"), [("completed", UNTIL), ("queue_busy", {})])
def test_a_completed_plan_keeps_its_expiry_and_a_permanent_one_has_none(closer, status, fields):
    closer.close(status, **fields)
    assert closer.schedules.names == {"return.d-1", "return.d-2"}


def test_an_expiry_that_cannot_be_cancelled_does_not_keep_the_record_open(closer, logs):
    closer.schedules.is_down = True
    closer.close("queue_busy", **UNTIL)
    assert closer.record().status == "queue_busy"
    assert any("A schedule is left" in str(entry.get("msg")) for entry in logs())


def test_a_run_of_a_fleet_is_counted_once_in_the_sum_of_its_fleet(closer):
    for name in ("d-1", "d-2", "d-2"):
        closer.close("queue_busy", name, fleet_id="f-1")
    closer.close("queue_busy", "d-3")
    effort = closer.record().effort
    assert closer.fleets.find("f-1").distributions == 2
    assert closer.fleets.find("f-1").transitions == 2 * effort.transitions > 0
    assert closer.fleets.sums.keys() == {"f-1"}


def test_a_sum_that_cannot_be_written_does_not_keep_the_record_open(closer, logs):
    closer.fleets.is_down = True
    closer.close("queue_busy", fleet_id="f-1")
    assert (closer.record().status, closer.record().fleet_id) == ("queue_busy", "f-1")
    assert any("lacks a distribution" in str(entry.get("msg")) for entry in logs())


@pytest.mark.parametrize("policy", ["record", "notify", "repair"])
def test_a_completed_plan_starts_or_ends_the_patrol_of_its_queue(closer, policy):
    closer.close("completed", on_drift=policy)
    assert closer.patrols.queues == {"queue-001": NOW.timestamp() * 1000}
    closer.close("completed", "d-2")
    assert closer.patrols.queues == {}


@pytest.mark.parametrize("status", ["dry_run", "member_update_failed", "queue_busy"])
def test_a_run_that_did_not_complete_leaves_the_patrol_as_it_is(closer, status):
    closer.close(status, on_drift="repair")
    assert closer.patrols.queues == {}
    closer.close("completed", "d-2", on_drift="repair")
    closer.close(status, "d-3")
    assert closer.patrols.queues.keys() == {"queue-001"}


# ---- whose record it is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "member_update_failed"])
def test_a_run_that_wrote_and_lost_its_lock_closes_nothing(closer, status):
    run = run_of(START)
    closer.trail.holders["queue-001"] = "arn:recovery"
    with pytest.raises(Interrupted):
        closer.use_case.close(run, Outcome(status=status), "", "", NOW)
    assert not closer.trail.find("d-1")


@pytest.mark.parametrize("status", ["queue_busy", "validation_failed", "dry_run"])
def test_a_run_that_wrote_nothing_needs_no_lock_to_close_its_record(closer, status):
    closer.trail.holders["queue-001"] = "arn:another"
    assert closer.use_case.close(run_of(START), Outcome(status=status), "", "", NOW).metrics
    assert closer.record().status == status


def test_a_recovery_closes_the_record_under_the_lock_that_it_took_over(closer):
    closer.close("interrupted", holder="arn:recovery")
    assert closer.record().status == "interrupted"


def test_the_record_of_a_run_whose_validate_was_killed_has_the_origin_and_fleet_of_its_opening(closer):
    run = run_of(START).model_copy(update={"fleet_id": "fleet-1"})
    closer.documents.save_plan("d-1", plan())
    closer.trail.append(opened(run, plan(), START))
    # What the state machine knows then: neither the queue nor who started the run.
    unknown = run.model_copy(update={"queue_id": "", "fleet_id": "", "origin": Origin()})
    failure = {"Error": "Runtime.ExitError", "Cause": "{}"}
    closer.use_case.close(unknown, Outcome(status="validation_failed", error=failure), "", "", NOW)
    record = closer.record()
    assert (record.queue_id, record.fleet_id, record.door, record.caller) == (
        "queue-001",
        "fleet-1",
        "api",
        "arn:user/ops",
    )


# ---- metrics ---------------------------------------------------------------------------------------------------------


def test_metrics_are_of_the_first_closing_only(closer):
    assert closer.close("dry_run").metrics == [
        Metric("DistributionDryRun", "Count", 1),
        Metric("DistributionLatency", "Milliseconds", 60_000),
        Metric("GenesysRequests", "Count", closer.record().effort.requests),
        Metric("GenesysThrottled", "Count", 0),
    ]
    assert closer.close("dry_run").metrics == []


def test_a_run_has_the_metric_of_its_accuracy_or_of_its_restore(closer):
    wanted, before = plan(), queue(member("agent-1"), member("agent-2"), member("agent-3"))
    after = queue(member("agent-1", 0.4), member("agent-2", 0.35), member("agent-3", 0.25))
    for name in ("d-1", "d-2"):
        closer.documents.keep_work(name, work(wanted, target(wanted.weights), before))
        closer.documents.save_after(name, after)
    closer.documents.save_restoration("d-2", Restoration("partial", 1, ["agent-2"]))
    names = {metric.name: metric.value for metric in closer.close("completed").metrics}
    of_genesys = {"GenesysRequests": closer.record().effort.requests, "GenesysThrottled": 0}
    assert names == {"DistributionCompleted": 1, "DistributionLatency": 60_000, "BalanceAccuracy": 100.0} | of_genesys
    names = {metric.name for metric in closer.close("member_update_failed", "d-2").metrics}
    assert "RestorePartial" in names
    assert closer.record().before_image == "distributions/d-1/work.json"
