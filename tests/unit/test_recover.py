"""Abandoned executions: who may take a lock over, what is left to do, and how long a blocked plan waits."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from routing_weights.application.recover import (
    APPROVED_PAUSE_S,
    APPROVED_S,
    LOOK_BACK,
    RECOVERY_S,
    Recover,
    Sweep,
    Unblock,
)
from routing_weights.domain.execution import FAILURES, Execution, Report
from routing_weights.domain.record import Closing, opened
from routing_weights.domain.run import MOST_ASKS, Lock, Origin, Outcome, Run
from routing_weights.errors import QueueBusy, StoreUnavailable
from tests.support.fakes import FakeTrail, LambdaContext, function_module, plan

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:distribute"
RECOVER = "arn:aws:states:eu-central-1:123456789012:stateMachine:recover"
START = datetime(2026, 1, 31, 8, tzinfo=UTC)
NOW = START + timedelta(minutes=10)
QUEUE = "queue-001"


def execution(name, machine=MACHINE):
    return f"{machine.replace(':stateMachine:', ':execution:')}:{name}"


DEAD, ME, OTHER = execution("d-1"), execution("r-1", RECOVER), execution("r-2", RECOVER)


class Executions:
    """Step Functions in memory: what it describes, and the recoveries that were started with their queues."""

    def __init__(self):
        self.known, self.started, self.queues = {}, [], {}

    def put(self, arn, status, **more):
        self.known[arn] = Execution(arn, status, **{"started_at": START, "input": "{}"} | more)

    def describe(self, arn):
        return self.known.get(arn) or Execution(arn, "UNKNOWN")

    def failed(self, since):
        return [e.arn for e in self.known.values() if e.status in FAILURES and e.started_at >= since]

    def start(self, arn, queue_id):
        self.started.append(arn)
        self.queues[arn] = queue_id

    def includes(self, arn):
        return ":execution:recover:" in arn


class Locks:
    """The locks of the queues in memory."""

    def __init__(self):
        self.held = {}

    def put(self, holder, queue_id=QUEUE, taken_at=START):
        self.held[queue_id] = Lock(queue_id, holder, taken_at)

    def holder(self, queue_id=QUEUE):
        return self.held[queue_id].holder if queue_id in self.held else None

    def find(self, queue_id):
        return self.held.get(queue_id)

    def all(self):
        return iter(self.held.values())

    def take_over(self, queue_id, owners, me, now):
        if self.holder(queue_id) not in owners:
            return False
        self.put(me, queue_id, now)
        return True


@pytest.fixture
def executions():
    return Executions()


@pytest.fixture
def locks():
    return Locks()


@pytest.fixture
def trail():
    return FakeTrail()


class Recovery:
    """The three use cases over the same ports."""

    def __init__(self, trail, locks, executions):
        self.unblock = Unblock(locks, executions, executions).unblock
        self.sweep = Sweep(trail, locks, executions, executions).sweep
        self.recover = Recover(trail, locks, executions, executions).recover

    def begin(self, arn, me, now, *, queue_id="", **told):
        """As the state machine calls it, and what it gets."""
        return self.recover(arn, me, queue_id, Report.model_validate(told), now).to_json()


@pytest.fixture
def recovery(trail, locks, executions):
    return Recovery(trail, locks, executions)


RUN = Run(
    distribution_id="d-1",
    execution_arn=DEAD,
    started_at=START,
    queue_id=QUEUE,
    origin=Origin(door="api", caller="arn:user/ops"),
)


def open_record(trail, run=RUN):
    trail.append(opened(run, plan(queue_id=run.queue_id), START))


def close_record(trail, name="d-1"):
    trail.append(Closing(distribution_id=name, timestamp="2026-01-31T08:00:00.000Z", status="member_update_failed"))


@pytest.fixture
def left_behind(recovery, executions, trail, locks):
    """d-1 was aborted in the middle: its record is open, its lock is there."""
    executions.put(DEAD, "ABORTED", stopped_at=START + timedelta(seconds=9))
    executions.put(ME, "RUNNING")
    open_record(trail)
    locks.put(DEAD)
    return recovery


def what_is_left(begun):
    return {name for name in ("restore", "open", "locked") if begun[name]}


# ---- the recovery's beginning ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("left_behind")
def test_an_aborted_run_is_restored_closed_and_unlocked(recovery, locks):
    begun = recovery.begin(DEAD, ME, NOW)
    assert what_is_left(begun) == {"restore", "open", "locked"}
    assert locks.holder() == ME
    assert Run.model_validate(begun["run"]) == RUN
    assert begun["outcome"]["status"] == "interrupted"
    (error,) = Outcome.model_validate(begun["outcome"]).errors()
    assert error == {
        "type": "Interrupted",
        "message": "The execution was aborted at 2026-01-31T08:00:09Z. See in the record what was restored.",
    }


@pytest.mark.parametrize(
    ("ended", "sentence"),
    [
        ({"status": "TIMED_OUT"}, "The execution ran out of time at 2026-01-31T08:00:09Z. See"),
        (
            {"status": "FAILED", "error": "States.Runtime", "cause": "An error occurred."},
            "The execution broke off at 2026-01-31T08:00:09Z: States.Runtime An error occurred.. See",
        ),
        ({"status": "FAILED", "error": "States.Runtime"}, "The execution broke off at 2026-01-31T08:00:09Z: States."),
    ],
)
@pytest.mark.usefixtures("left_behind")
def test_how_an_execution_ended_is_on_record(recovery, executions, ended, sentence):
    executions.put(DEAD, **ended, stopped_at=START + timedelta(seconds=9))
    begun = recovery.begin(DEAD, ME, NOW)
    assert what_is_left(begun) == {"restore", "open", "locked"}
    assert Outcome.model_validate(begun["outcome"]).message().startswith(sentence)


@pytest.mark.parametrize("described", ["RUNNING", None])
@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"status": "ABORTED", "error": "", "cause": None}, "interrupted"),
        ({"status": "TIMED_OUT"}, "interrupted"),
        ({"status": "FAILED", "error": "States.Runtime", "cause": "An error occurred."}, "interrupted"),
        (
            {
                "status": "FAILED",
                "error": "audit_not_written",
                "cause": '{"status": "completed", "sentence": "The outcome completed could not be recorded: X."}',
            },
            "completed",
        ),
    ],
)
@pytest.mark.usefixtures("left_behind")
def test_an_event_is_believed_if_the_description_is_older(recovery, executions, described, told, status):
    """DescribeExecution is eventually consistent."""
    del executions.known[DEAD]
    if described:
        executions.put(DEAD, described)
    begun = recovery.begin(DEAD, ME, NOW, queue_id=QUEUE, **told)
    assert begun["outcome"]["status"] == status
    assert (begun["restore"], begun["open"], begun["locked"]) == (status == "interrupted", True, True)


@pytest.mark.usefixtures("left_behind")
def test_a_failure_without_a_cause_yet_is_looked_at_again(recovery, executions, locks):
    """It may have completed, and only its record could not be written: a restore would undo it."""
    executions.put(DEAD, "RUNNING")
    with pytest.raises(StoreUnavailable, match="how it ended"):
        recovery.begin(DEAD, ME, NOW, status="FAILED")
    assert locks.holder() == DEAD
    unrecorded(executions, "completed")
    assert recovery.begin(DEAD, ME, NOW, status="FAILED")["outcome"]["status"] == "completed"


@pytest.mark.usefixtures("left_behind")
def test_an_event_that_is_older_than_a_redrive_ends_nothing(recovery, executions, locks):
    executions.put(DEAD, "RUNNING", is_redriven=True)
    assert what_is_left(recovery.begin(DEAD, ME, NOW, status="ABORTED")) == set()
    assert locks.holder() == DEAD


@pytest.mark.usefixtures("left_behind")
def test_a_run_that_goes_on_is_not_recovered_whatever_an_input_says(recovery, executions, locks):
    executions.put(DEAD, "RUNNING")
    for status in ("", "RUNNING", "SUCCEEDED"):
        assert what_is_left(recovery.begin(DEAD, ME, NOW, status=status)) == set()
    assert locks.holder() == DEAD


def unrecorded(executions, status):
    sentence = f"The outcome {status} could not be recorded: StoreUnavailable. The queue stays locked until it is."
    cause = json.dumps({"status": status, "sentence": sentence})
    executions.put(DEAD, "FAILED", error="audit_not_written", cause=cause)
    return sentence


@pytest.mark.parametrize(("status", "restores"), [("completed", False), ("member_update_failed", True)])
@pytest.mark.usefixtures("left_behind")
def test_an_outcome_that_could_not_be_recorded_is_recorded_now(recovery, executions, status, restores):
    cause = unrecorded(executions, status)
    begun = recovery.begin(DEAD, ME, NOW)
    assert (begun["restore"], begun["open"], begun["locked"]) == (restores, True, True)
    assert begun["outcome"]["status"] == status
    # A completed run has no error.
    assert begun["outcome"]["error"] == ({} if status == "completed" else {"Error": "Interrupted", "Cause": cause})


@pytest.mark.parametrize("status", ["dry_run", "saturation_blocked", "validation_failed", "projection_failed"])
@pytest.mark.usefixtures("left_behind")
def test_a_run_that_ended_before_its_first_write_is_not_restored(recovery, executions, status):
    unrecorded(executions, status)
    assert recovery.begin(DEAD, ME, NOW)["restore"] is False


@pytest.mark.usefixtures("left_behind")
def test_an_unknown_status_is_not_believed(recovery, executions):
    unrecorded(executions, "splendid")
    assert recovery.begin(DEAD, ME, NOW)["outcome"]["status"] == "interrupted"


@pytest.mark.usefixtures("left_behind")
def test_a_run_whose_record_is_closed_is_only_unlocked(recovery, trail, locks):
    close_record(trail)
    assert what_is_left(recovery.begin(DEAD, ME, NOW)) == {"locked"}
    assert locks.holder() == ME


def test_a_run_that_ended_as_it_should_leaves_nothing_to_do(recovery, executions, trail):
    executions.put(DEAD, "FAILED", error="member_update_failed", cause="No.")
    open_record(trail)
    close_record(trail)
    assert what_is_left(recovery.begin(DEAD, ME, NOW)) == set()


def test_a_run_without_a_lock_wrote_nothing_and_is_only_closed(recovery, executions, trail):
    executions.put(DEAD, "ABORTED")
    open_record(trail)
    assert what_is_left(recovery.begin(DEAD, ME, NOW)) == {"open"}


def test_a_run_that_was_aborted_before_its_opening_is_closed(recovery, executions):
    executions.put(DEAD, "ABORTED")
    begun = recovery.begin(DEAD, ME, NOW)
    assert what_is_left(begun) == {"open"}
    run = Run.model_validate(begun["run"])
    assert (run.distribution_id, run.queue_id, run.origin) == ("d-1", "", Origin())


def test_a_lock_of_another_run_is_not_touched(recovery, executions, trail, locks):
    executions.put(DEAD, "ABORTED")
    open_record(trail)
    locks.put(execution("d-2"))
    assert what_is_left(recovery.begin(DEAD, ME, NOW)) == {"open"}
    assert locks.holder() == execution("d-2")


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
@pytest.mark.usefixtures("left_behind")
def test_a_run_that_is_not_over_is_left_alone(recovery, executions, locks, status):
    executions.put(DEAD, status)
    assert what_is_left(recovery.begin(DEAD, ME, NOW)) == set()
    assert locks.holder() == DEAD


@pytest.mark.usefixtures("left_behind")
def test_the_lock_that_a_successful_run_has_left_is_released(recovery, executions, trail, locks):
    executions.put(DEAD, "SUCCEEDED")
    close_record(trail)
    assert recovery.sweep(NOW) == 1
    assert what_is_left(recovery.begin(DEAD, ME, NOW)) == {"locked"}
    assert locks.holder() == ME


# ---- two recoveries, and recoveries of recoveries --------------------------------------------------------------------


@pytest.mark.usefixtures("left_behind")
def test_only_one_recovery_has_the_lock(recovery, executions, locks):
    executions.put(OTHER, "RUNNING")
    assert recovery.begin(DEAD, ME, NOW)["locked"]
    second = recovery.begin(DEAD, OTHER, NOW)
    assert (second["restore"], second["locked"]) == (False, False)
    assert locks.holder() == ME


@pytest.mark.usefixtures("left_behind")
def test_a_second_recovery_leaves_the_record_to_the_first(recovery, executions):
    executions.put(OTHER, "RUNNING")
    recovery.begin(DEAD, ME, NOW)
    assert what_is_left(recovery.begin(DEAD, OTHER, NOW)) == set()


@pytest.mark.usefixtures("left_behind")
def test_a_repeated_attempt_finds_the_same(recovery):
    assert recovery.begin(DEAD, ME, NOW) == recovery.begin(DEAD, ME, NOW)


@pytest.fixture
def recovery_is_over(left_behind, executions):
    """r-1 has taken the lock of d-1 over, and is over itself."""
    left_behind.begin(DEAD, ME, NOW)
    executions.put(ME, "TIMED_OUT", input=json.dumps({"executionArn": DEAD}))
    executions.put(OTHER, "RUNNING", input=json.dumps({"executionArn": ME}))


@pytest.mark.usefixtures("recovery_is_over")
def test_a_recovery_that_is_over_is_recovered_itself(recovery, executions, locks):
    begun = recovery.begin(ME, OTHER, NOW)
    assert what_is_left(begun) == {"restore", "open", "locked"}
    assert Run.model_validate(begun["run"]) == RUN
    assert "The execution was aborted" in begun["outcome"]["error"]["Cause"]
    assert locks.holder() == OTHER
    executions.put(OTHER, "FAILED", input=json.dumps({"executionArn": ME}))
    third = execution("r-3", RECOVER)
    assert what_is_left(recovery.begin(OTHER, third, NOW)) == {"restore", "open", "locked"}
    assert locks.holder() == third


@pytest.mark.usefixtures("recovery_is_over")
def test_a_recovery_that_is_still_under_way_is_not_recovered(recovery, executions, locks):
    executions.put(ME, "RUNNING", input=json.dumps({"executionArn": DEAD}))
    assert what_is_left(recovery.begin(ME, OTHER, NOW)) == set()
    assert locks.holder() == ME


# ---- a plan whose queue is locked ------------------------------------------------------------------------------------


def blocked(**changes):
    return RUN.model_copy(update={"distribution_id": "d-2", "execution_arn": execution("d-2")} | changes)


def after(seconds):
    return START + timedelta(seconds=seconds)


def test_a_lock_that_is_gone_is_tried_again_at_once(recovery):
    assert recovery.unblock(blocked(), after(500)) == 1


def test_a_plan_that_does_not_wait_is_told_which_run_holds_the_lock(recovery, executions, locks):
    executions.put(DEAD, "RUNNING")
    locks.put(DEAD)
    with pytest.raises(QueueBusy, match=f"Another distribution, d-1, is running on queue {QUEUE}.*wait_for_lock_s"):
        recovery.unblock(blocked(), after(0))
    assert executions.started == []


@pytest.mark.parametrize(("waited", "pause"), [(0, 2), (7.5, 2), (8.5, 1), (9.9, 1)])
def test_a_plan_waits_two_seconds_at_a_time_as_long_as_it_says(recovery, executions, locks, waited, pause):
    executions.put(DEAD, "RUNNING")
    locks.put(DEAD)
    assert recovery.unblock(blocked(wait_for_lock_s=10), after(waited)) == pause
    with pytest.raises(QueueBusy):
        recovery.unblock(blocked(wait_for_lock_s=10), after(10))


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT", "SUCCEEDED"])
def test_every_plan_waits_for_the_recovery_of_a_dead_holder(recovery, executions, locks, status):
    executions.put(DEAD, status)
    locks.put(DEAD)
    assert recovery.unblock(blocked(), after(RECOVERY_S - 1)) == 1
    assert executions.started == [DEAD]
    with pytest.raises(QueueBusy):
        recovery.unblock(blocked(), after(RECOVERY_S))


def test_a_recovery_under_way_is_not_started_again(recovery, executions, locks):
    executions.put(ME, "RUNNING", input=json.dumps({"executionArn": DEAD}))
    locks.put(ME)
    assert recovery.unblock(blocked(), after(3)) == 2
    assert recovery.unblock(blocked(wait_for_lock_s=600), after(300)) == 2
    with pytest.raises(QueueBusy):
        recovery.unblock(blocked(wait_for_lock_s=1), after(RECOVERY_S))
    assert executions.started == []


def test_a_blocked_plan_starts_the_recovery_of_a_dead_recovery(recovery, executions, locks):
    executions.put(ME, "TIMED_OUT", input=json.dumps({"executionArn": DEAD}))
    locks.put(ME)
    assert recovery.unblock(blocked(), after(3)) == 2
    assert executions.started == [ME]


def test_the_longest_wait_fits_into_the_history_of_an_execution(recovery, executions, locks):
    """Step Functions ends an execution at 25,000 events; a turn of Lock, Recover and the pause makes 12."""
    longest = plan(wait_for_lock_s=3600).wait_for_lock_s
    executions.put(DEAD, "RUNNING")
    locks.put(DEAD)
    pause = recovery.unblock(blocked(wait_for_lock_s=longest), after(0))
    approved = MOST_ASKS * APPROVED_S / recovery.unblock(blocked(approved_at=after(0)), after(0))
    assert (longest / pause + approved) * 12 < 24_000


def test_a_run_that_was_approved_waits_from_then_on_whatever_its_plan_says(recovery, executions, locks):
    executions.put(DEAD, "RUNNING")
    locks.put(DEAD)
    approved = blocked(approved_at=after(7200), wait_for_lock_s=0)
    assert recovery.unblock(approved, after(7200)) == APPROVED_PAUSE_S
    assert recovery.unblock(approved, after(7200 + APPROVED_S - 3)) == 3
    with pytest.raises(QueueBusy):
        recovery.unblock(approved, after(7200 + APPROVED_S))


# ---- the sweeper -----------------------------------------------------------------------------------------------------


def test_a_sweep_finds_dead_locks_and_open_records_once_each(recovery, executions, trail, locks):
    runs = {name: execution(name) for name in ("alive", "closed", "open", "locked", "both", "old")}
    executions.put(runs["alive"], "RUNNING")
    for name in ("closed", "open", "both"):
        executions.put(runs[name], "ABORTED" if name == "both" else "TIMED_OUT")
    executions.put(runs["locked"], "FAILED")
    executions.put(runs["old"], "FAILED", started_at=NOW - LOOK_BACK - timedelta(seconds=1))
    for number, name in enumerate(("alive", "locked", "both")):
        locks.put(runs[name], f"queue-{number}")
    for name in ("closed", "locked"):
        close_record(trail, name)
    assert recovery.sweep(NOW) == 3
    assert sorted(executions.started) == sorted(runs[name] for name in ("open", "locked", "both"))


def test_a_sweep_with_nothing_to_find_starts_nothing(recovery, executions):
    assert recovery.sweep(NOW) == 0
    assert executions.started == []


def test_a_run_that_step_functions_has_forgotten_is_as_good_as_aborted(recovery, executions, trail, locks):
    executions.put(ME, "RUNNING")
    open_record(trail)
    locks.put(DEAD)
    assert recovery.sweep(NOW) == 1
    assert executions.started == [DEAD]
    begun = recovery.begin(DEAD, ME, NOW)
    assert what_is_left(begun) == {"restore", "open", "locked"}
    assert Run.model_validate(begun["run"]).started_at == START
    assert begun["outcome"]["error"]["Cause"].startswith("The execution is not known to Step Functions any more. ")


def test_an_unknown_run_is_left_alone_for_a_minute_after_its_lock(recovery, executions, locks):
    """DescribeExecution is eventually consistent."""
    locks.put(DEAD)
    a_minute_later = START + timedelta(minutes=1)
    with pytest.raises(QueueBusy):
        recovery.unblock(blocked(), a_minute_later)
    assert recovery.sweep(a_minute_later) == 0
    assert what_is_left(recovery.begin(DEAD, ME, a_minute_later, queue_id=QUEUE)) == set()
    assert (locks.holder(), executions.started) == (DEAD, [])
    assert recovery.sweep(a_minute_later + timedelta(seconds=1)) == 1


def test_an_unknown_recovery_is_left_alone_for_a_minute_after_its_lock(recovery, executions, trail, locks):
    executions.put(DEAD, "ABORTED")
    close_record(trail)
    locks.put(DEAD)
    recovery.begin(DEAD, ME, NOW, queue_id=QUEUE)
    assert locks.find(QUEUE).taken_at == NOW
    assert recovery.sweep(NOW) == 0
    assert what_is_left(recovery.begin(ME, OTHER, NOW, queue_id=QUEUE)) == set()
    assert locks.holder() == ME


def test_a_repeated_attempt_for_a_forgotten_run_keeps_its_lock(recovery, locks):
    locks.put(DEAD)
    first = recovery.begin(DEAD, ME, NOW, queue_id=QUEUE)
    assert first["locked"]
    assert recovery.begin(DEAD, ME, NOW, queue_id=QUEUE) == first


def test_a_lock_without_any_record_is_released(recovery, executions, locks):
    executions.put(ME, "RUNNING")
    locks.put(DEAD)
    recovery.sweep(NOW)
    assert executions.queues == {DEAD: QUEUE}
    begun = recovery.begin(DEAD, ME, NOW, queue_id=QUEUE)
    assert begun["locked"]
    assert begun["run"]["queue_id"] == QUEUE
    assert locks.holder() == ME


def test_a_record_that_is_closed_while_the_lock_is_taken_over_is_seen(left_behind, trail, locks, monkeypatch):
    """The run was aborted while its Audit was at work: Audit came first, so what it completed stays."""
    take_over = locks.take_over

    def late(*arguments):
        close_record(trail)
        return take_over(*arguments)

    monkeypatch.setattr(locks, "take_over", late)
    assert what_is_left(left_behind.begin(DEAD, ME, NOW)) == {"locked"}


# ---- the functions ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("left_behind")
def test_the_function_takes_the_state_machine_of_recoveries_from_its_event(recovery, monkeypatch):
    app = function_module("recover")
    monkeypatch.setattr(app.RecoverSettings, "load", lambda: None)
    asked = []
    for name, use_case in (("recover", recovery), ("unblock", recovery)):
        monkeypatch.setattr(app.bootstrap, name, lambda _, arn, use_case=use_case: asked.append(arn) or use_case)
    told = {"status": "", "error": None, "cause": ""}
    begin = {"begin": DEAD, "me": ME, "queue_id": "", "told": told, "recover_with": RECOVER}
    assert what_is_left(app.handler(begin, LambdaContext())) == {"restore", "open", "locked"}
    waits = blocked(started_at=datetime.now(UTC)).model_dump(mode="json")
    assert app.handler({"blocked": waits, "recover_with": RECOVER}, LambdaContext())["wait_s"] == 2
    assert asked == [RECOVER, RECOVER]


def test_the_sweep_says_how_many_it_found_and_how_many_wait_for_approval(left_behind, monkeypatch, logs, capsys):
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "test")
    app = function_module("sweep")
    monkeypatch.setattr(app.SweepSettings, "load", lambda: None)
    monkeypatch.setattr(app.bootstrap, "sweep", lambda _: left_behind)
    monkeypatch.setattr(app.bootstrap, "approvals", lambda _: SimpleNamespace(waiting=lambda _: iter("ab")))
    assert app.handler({}, LambdaContext()) == {"found": 1}
    assert any("left behind" in str(entry.get("msg")) for entry in logs())
    (emitted,) = (json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line)
    assert emitted["ApprovalsWaiting"] == [2.0]
