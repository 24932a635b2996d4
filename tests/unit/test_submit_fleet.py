"""How a fleet comes in: all plans or none, the same requests to AWS for any number of plans, and once for each key."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.application.steer_fleet import CancelFleet, ContinueFleet, RevertFleet
from routing_weights.application.submit_fleet import AcceptFleet, SubmitFleet
from routing_weights.domain.fleet import FleetStatus, Held, Line, WaveOutcome, fleet_of
from routing_weights.domain.fleet_request import for_a_cause
from routing_weights.domain.run import Origin
from routing_weights.errors import FleetConflict, FleetInvalid, FleetNotFound, IdempotencyConflict
from tests.support.fakes import SMALLEST_PLAN, FakeFleetDocuments, FakeFleetMachine, FakeFleets

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
OPS = Origin(door="api", caller="arn:user/ops")
DEFAULTS = {name: value for name, value in SMALLEST_PLAN.items() if name not in {"queue_id", "member_weights"}}
UPLOAD = "0f3b6a1e-6c1a-4c0e-9d27-3b1d0a8c2f55"


class Door:
    def __init__(self):
        self.documents, self.fleets, self.machine = FakeFleetDocuments(), FakeFleets(), FakeFleetMachine()
        acceptance = AcceptFleet(self.documents, self.fleets, self.machine, "ring")
        self.submission = SubmitFleet(acceptance, self.fleets, self.machine)

    def submit(self, key=None, now=NOW, **body):
        return self.submission.submit(json.dumps(body), OPS, key, now)

    def refused(self, **body):
        with pytest.raises(FleetInvalid) as refusal:
            self.submit(**body)
        assert (self.fleets.held, self.documents.plans, self.documents.lists, self.machine.started) == ({}, {}, {}, [])
        return refusal.value

    def queues(self, fleet):
        return self.documents.queues(fleet.fleet_id)

    def set(self, **changes):
        ((fleet_id, fleet),) = self.fleets.held.items()
        self.fleets.held[fleet_id] = fleet.model_copy(update=changes)


@pytest.fixture
def door():
    return Door()


def plans(count, **changes):
    return [SMALLEST_PLAN | {"queue_id": f"q-{number}"} | changes for number in range(count)]


def test_a_fleet_is_stored_divided_and_started(door):
    options = {"waves": [{"share": 0.1}], "concurrency": 5}
    fleet = door.submit(plans=plans(12), options=options).fleet
    assert (fleet.total, [wave.count for wave in fleet.waves], fleet.options.concurrency) == (12, [2, 10], 5)
    assert (fleet.status, fleet.origin, fleet.execution_arn) == ("running", OPS, f"arn:execution:{fleet.fleet_id}")
    assert door.fleets.find(fleet.fleet_id) == fleet
    assert door.machine.started == [fleet.execution_arn]
    queues = door.queues(fleet)
    assert [(queue.number, queue.queue_id) for queue in queues] == [(number, f"q-{number}") for number in range(12)]
    assert [queue.wave for queue in queues] == [0, 0] + [1] * 10
    assert queues[7].distribution_id == f"{fleet.fleet_id}.7"
    stored = door.documents.plans[fleet.fleet_id]
    for queue in queues:
        line = Line.parse(stored[queue.start : queue.start + queue.length].decode())
        assert (line.plan["queue_id"], len(line.plan["member_weights"])) == (queue.queue_id, queue.members)


def test_the_neighbours_of_a_plan_are_in_its_line(door):
    documents = [*plans(2), SMALLEST_PLAN | {"queue_id": "alone", "member_weights": {"agent-9": 1}}]
    fleet = door.submit(plans=documents).fleet
    first, _, alone = (Line.parse(text) for text in door.documents.plans[fleet.fleet_id].decode().splitlines())
    assert [neighbour["queue_id"] for neighbour in first.neighbours["counted"]] == ["q-1"]
    assert alone.neighbours == {}


@pytest.mark.parametrize("count", [1, 500])
def test_the_number_of_requests_to_aws_does_not_depend_on_the_number_of_plans(door, count):
    door.documents.uploads[UPLOAD] = b"\n".join(json.dumps(document).encode() for document in plans(count))
    assert door.submit(upload=UPLOAD).fleet.total == count
    assert door.documents.requests == 3
    assert (len(door.fleets.held), len(door.machine.started)) == (1, 1)


def test_one_wrong_plan_refuses_all_and_nothing_is_written(door):
    documents = plans(20)
    documents[7] = documents[7] | {"utilization_target": 80}
    error = door.refused(plans=documents)
    assert error.message == "plans.7.utilization_target: Input should be less than or equal to 1"
    door.documents.uploads[UPLOAD] = "\n".join(map(json.dumps, documents)).encode()
    error = door.refused(upload=UPLOAD)
    assert error.message == "line 8, utilization_target: Input should be less than or equal to 1"
    assert (error.details["errors"][0]["line"], error.details["error_count"]) == (8, 1)


def test_wrong_plans_are_left_out_only_with_skip_invalid(door):
    documents = [*plans(3), SMALLEST_PLAN | {"queue_id": "q-0"}, 7]
    accepted = door.submit(plans=documents, options={"skip_invalid": True})
    assert [queue.queue_id for queue in door.queues(accepted.fleet)] == ["q-1", "q-2"]
    assert [wrong["path"] for wrong in accepted.reading.problems] == ["plans.3.queue_id", "plans.4"]
    assert (accepted.reading.plans, accepted.fleet.total) == (5, 2)


@pytest.mark.parametrize("content", [b"queue;member;wieght\nq-1;a;1", b"queue,member,weight\nq-1,a,0,4\nq-2,a,1", b"7"])
def test_skip_invalid_does_not_accept_a_file_that_cannot_be_read(door, content):
    door.documents.uploads[UPLOAD] = content
    door.refused(upload=UPLOAD, defaults=DEFAULTS, options={"skip_invalid": True})


def test_the_longest_refusal_fits_into_the_cause_of_a_failed_state(door):
    door.documents.uploads[UPLOAD] = ("queue,member,weight" + f",{'ü' * 50}" * 200).encode()
    refusal = door.refused(upload=UPLOAD)
    assert len(json.dumps({"errorMessage": str(refusal)})) > 32_768
    short = for_a_cause(refusal)
    assert len(json.dumps({"errorMessage": str(short)})) < 20_000
    assert (len(short.details["errors"]), short.details["error_count"]) == (20, refusal.details["error_count"])


def test_no_plan_left_is_no_fleet(door):
    assert door.refused(plans=[7, 8], options={"skip_invalid": True}).details["error_count"] == 2


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "plans"),
        ({"plans": plans(1), "upload": UPLOAD}, "plans"),
        ({"plans": []}, "plans"),
        ({"upload": UPLOAD}, "upload"),
        ({"upload": "../plans/x"}, "upload"),
        ({"upload": UPLOAD.upper()}, "upload"),
        ({"plans": plans(1), "options": {"waves": [{"count": 0}]}}, "options.waves.0.count"),
        ({"plans": plans(1), "options": {"atomic": True, "waves": [{}]}}, "options"),
        ({"plans": plans(1), "option": {}}, "option"),
        ({"plans": plans(1), "defaults": {"queue_id": "q"}}, "defaults.queue_id"),
        ({"plans": plans(1), "defaults": {"colour": "red"}}, "defaults.colour"),
        ({"plans": plans(1), "defaults": {"overflow_threshold": 2}}, "defaults.overflow_threshold"),
        ({"plans": plans(1, until="2026-01-31T08:00:30Z")}, "plans.0.until"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_at_its_path(door, body, path):
    assert [error["path"] for error in door.refused(**body).details["errors"]] == [path]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"plans": [1], "plans": [2]}', b" " * 6_291_457])
def test_a_body_that_is_no_request_is_refused(door, raw):
    with pytest.raises(FleetInvalid):
        door.submission.submit(raw, OPS, None, NOW)
    assert door.fleets.held == {}


def test_an_upload_that_is_too_large_is_refused_before_it_is_read(door):
    door.documents.upload = lambda *_: (67_108_865, iter(()))
    assert "at most 67108864" in door.refused(upload=UPLOAD).message


# ---- one fleet for each key ------------------------------------------------------------------------------------------


def test_the_same_key_and_plans_are_the_same_fleet(door):
    first, again = (door.submit("monday", plans=plans(3)) for _ in range(2))
    assert (first.is_new, again.is_new, again.fleet) == (True, False, first.fleet)
    assert first.fleet.fleet_id == fleet_of("monday")
    assert (len(door.machine.started), door.documents.requests) == (1, 3)


@pytest.mark.parametrize(
    "changes", [{"plans": plans(4)}, {"options": {"concurrency": 1}}, {"defaults": {"dry_run": True}}]
)
def test_the_same_key_with_other_plans_or_options_is_a_conflict_and_overwrites_nothing(door, changes):
    fleet = door.submit("monday", plans=plans(3)).fleet
    before = door.documents.plans[fleet.fleet_id]
    with pytest.raises(IdempotencyConflict, match=f"GET /fleets/{fleet.fleet_id} shows it"):
        door.submit("monday", **({"plans": plans(3)} | changes))
    assert door.documents.plans[fleet.fleet_id] == before


def test_posting_again_resumes_a_fleet_whose_execution_broke_off(door):
    fleet = door.submit("monday", plans=plans(3)).fleet
    door.machine.statuses[fleet.execution_arn] = "ABORTED"
    door.submit("monday", plans=plans(3))
    resumed = door.fleets.find(fleet.fleet_id)
    assert (resumed.attempt, resumed.status) == (2, "running")
    assert door.machine.started[1:] == [f"{fleet.execution_arn}.2"]


def test_posting_again_starts_a_fleet_that_was_stored_and_never_started(door):
    fleet = door.submit("monday", plans=plans(3)).fleet
    door.documents.plans.clear()
    door.documents.lists.clear()
    door.machine.statuses.clear()
    door.machine.started.clear()
    door.submit("monday", plans=plans(3), now=NOW + timedelta(hours=1))
    assert (door.machine.started, door.documents.plans.keys()) == ([fleet.execution_arn], {fleet.fleet_id})
    assert door.fleets.find(fleet.fleet_id).attempt == 1


def test_posting_again_stores_documents_that_an_execution_of_the_fleet_has_missed(door):
    fleet = door.submit("monday", plans=plans(3)).fleet
    lost = door.documents.plans.pop(fleet.fleet_id)
    door.documents.lists.clear()
    door.machine.statuses[fleet.execution_arn] = "FAILED"
    door.submit("monday", plans=plans(3))
    assert door.documents.plans == {fleet.fleet_id: lost}
    assert door.machine.started[1:] == [f"{fleet.execution_arn}.2"]


def test_posting_again_does_not_revive_a_fleet_that_was_cancelled_before_its_execution_was_stopped(door):
    fleet = door.submit("monday", plans=plans(3)).fleet
    steer(door, CancelFleet)
    door.machine.statuses[fleet.execution_arn] = "ABORTED"
    door.submit("monday", plans=plans(3))
    assert len(door.machine.started) == 1
    with pytest.raises(FleetConflict, match="The fleet is cancelled"):
        steer(door, ContinueFleet)


def test_posting_again_does_not_revive_a_fleet_that_somebody_cancelled(door):
    fleet = door.submit("monday", plans=plans(3)).fleet
    door.fleets.end(fleet.fleet_id, 1, FleetStatus.CANCELLED, "", NOW)
    door.machine.statuses[fleet.execution_arn] = "FAILED"
    assert door.submit("monday", plans=plans(3)).fleet.status == "cancelled"
    assert len(door.machine.started) == 1


# ---- cancel, continue, revert ----------------------------------------------------------------------------------------

BOB = Origin(door="api", caller="arn:bob", caller_name="Bob")
HELD = {"status": FleetStatus.HELD, "held": Held(token="t-1", wave=0, reason="too few contacts")}
ENDED = [status for status in FleetStatus if status.terminal and status is not FleetStatus.INTERRUPTED]


def steer(door, use_case):
    (fleet_id,) = door.fleets.held
    steering = use_case(door.fleets, door.machine)
    method = {CancelFleet: "cancel", ContinueFleet: "go_on", RevertFleet: "revert"}[use_case]
    getattr(steering, method)(fleet_id, BOB, NOW)
    return door.fleets.find(fleet_id)


def broken_off(door, **changes):
    fleet = door.submit(plans=plans(3)).fleet
    door.machine.statuses[fleet.execution_arn] = "TIMED_OUT"
    door.set(**changes)
    return fleet


def test_a_running_fleet_is_told_to_stop_and_a_held_one_is_released(door):
    door.submit(plans=plans(3))
    assert (steer(door, CancelFleet).stop, door.machine.released) == ("cancel", [])
    door.set(stop=None, **HELD)
    assert (steer(door, CancelFleet).stop, door.machine.released) == (None, [("t-1", "cancel")])


def test_a_cancel_that_comes_after_another_decision_changes_nothing(door):
    door.submit(plans=plans(3))
    door.set(**HELD)
    door.machine.waits, before = False, dict(door.fleets.held)
    with pytest.raises(FleetConflict, match="somebody else has just decided"):
        steer(door, CancelFleet)
    assert door.fleets.held == before


@pytest.mark.parametrize(
    ("until", "verdict", "status"),
    [(NOW + timedelta(hours=9), None, "cancelled"), (NOW, None, "running"), (NOW, "passed", "running")],
)
def test_a_fleet_whose_wave_is_watched_is_cancelled_at_once(door, until, verdict, status):
    """Its execution waits for up to a day, and no queue is being changed."""
    fleet = door.submit(plans=plans(3)).fleet
    door.fleets.of_waves[fleet.fleet_id] = [WaveOutcome(wave=0, baked_until=until.isoformat(), verdict=verdict)]
    cancelled = steer(door, CancelFleet)
    assert (cancelled.status, cancelled.stop) == (status, "cancel")


def test_an_interrupted_fleet_is_closed_by_cancel_and_resumed_by_continue(door):
    fleet = broken_off(door)
    assert steer(door, ContinueFleet).attempt == 2
    door.machine.statuses[f"{fleet.execution_arn}.2"] = "FAILED"
    closed = steer(door, CancelFleet)
    assert (closed.status, closed.attempt) == ("cancelled", 2)
    assert [(each.action, each.origin) for each in closed.steered] == [("continue", BOB), ("cancel", BOB)]
    assert steer(door, CancelFleet) == closed


def test_a_revert_that_broke_off_goes_on_as_a_revert(door):
    fleet = broken_off(door, status=FleetStatus.REVERTING)
    assert steer(door, ContinueFleet).status == "reverting"
    assert door.machine.started[1:] == [f"{fleet.execution_arn}.2"]


@pytest.mark.parametrize(("use_case", "how"), [(ContinueFleet, "continue"), (RevertFleet, "revert")])
def test_a_held_fleet_gets_its_decision_once(door, use_case, how):
    fleet = door.submit(plans=plans(3)).fleet
    door.set(**HELD)
    steer(door, use_case)
    assert door.machine.released == [("t-1", how)]
    door.machine.waits = False
    with pytest.raises(FleetConflict, match=rf"somebody else has just decided\. GET /fleets/{fleet.fleet_id} shows"):
        steer(door, use_case)


@pytest.mark.parametrize("status", [status for status in ENDED if status is not FleetStatus.REVERTED])
def test_a_fleet_that_has_ended_is_reverted_by_a_further_attempt(door, status):
    fleet = door.submit(plans=plans(3)).fleet
    door.fleets.end(fleet.fleet_id, 1, status, "", NOW)
    reverting = steer(door, RevertFleet)
    assert (reverting.status, reverting.attempt, reverting.ended_at) == ("reverting", 2, "")
    assert door.machine.started[1:] == [f"{fleet.execution_arn}.2"]


@pytest.mark.parametrize(
    ("use_case", "status", "advice"),
    [
        *(
            (CancelFleet, status, "POST /fleets/key-[0-9a-f]{64}/revert")
            for status in ENDED
            if status is not FleetStatus.CANCELLED
        ),
        (CancelFleet, FleetStatus.REVERTING, "wait"),
        *((ContinueFleet, status, "submit its plans again") for status in ENDED),
        (ContinueFleet, FleetStatus.RUNNING, "by itself"),
        (ContinueFleet, FleetStatus.REVERTING, "by itself"),
        (RevertFleet, FleetStatus.RUNNING, "cancel it first, with POST /fleets/key-[0-9a-f]{64}/cancel"),
        (RevertFleet, FleetStatus.REVERTING, "nothing more"),
        (RevertFleet, FleetStatus.REVERTED, "nothing more"),
    ],
)
def test_what_a_fleet_cannot_do_now_is_refused_with_what_can_be_done(door, use_case, status, advice):
    door.submit("monday", plans=plans(3))
    door.set(status=status)
    before = dict(door.fleets.held)
    with pytest.raises(FleetConflict, match=rf"The fleet is {status.value}: .*{advice}"):
        steer(door, use_case)
    assert (door.fleets.held, door.machine.released, len(door.machine.started)) == (before, [], 1)


@pytest.mark.parametrize("use_case", [CancelFleet, ContinueFleet, RevertFleet])
def test_a_fleet_that_nobody_submitted_is_not_found(door, use_case):
    steering = use_case(door.fleets, door.machine)
    method = {CancelFleet: "cancel", ContinueFleet: "go_on", RevertFleet: "revert"}[use_case]
    with pytest.raises(FleetNotFound):
        getattr(steering, method)("f-9", BOB, NOW)


def test_a_fleet_that_ends_while_it_is_looked_at_is_not_taken_for_interrupted(door):
    fleet = door.submit(plans=plans(3)).fleet

    def describe(arn):
        door.fleets.end(fleet.fleet_id, 1, FleetStatus.COMPLETED, "", NOW)
        return FakeFleetMachine.describe(door.machine, arn)

    door.machine.statuses[fleet.execution_arn], door.machine.describe = "FAILED", describe
    with pytest.raises(FleetConflict, match="The fleet is completed"):
        steer(door, ContinueFleet)


def test_an_execution_that_has_just_been_started_may_not_show_yet(door):
    fleet = door.submit(plans=plans(3)).fleet
    unknown = door.machine.describe("arn:of-nothing")
    assert fleet.status_with(unknown, NOW + timedelta(seconds=59)) == "running"
    assert fleet.status_with(unknown, NOW + timedelta(seconds=61)) == "interrupted"
