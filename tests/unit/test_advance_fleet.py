"""What the execution of a fleet does next, for every state that a fleet can be in."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from routing_weights.application.advance_fleet import AdvanceFleet
from routing_weights.domain.execution import Execution
from routing_weights.domain.fleet import (
    FLEET_OUTCOME,
    Fleet,
    FleetOptions,
    FleetStatus,
    Held,
    QueueItem,
    QueueOutcome,
    Steered,
    WaveOutcome,
)
from routing_weights.domain.fleet_steps import MOST_TRIES, Bake, End, Hold, Last, RunQueues, Tick
from routing_weights.domain.record import Realised, timestamp
from routing_weights.domain.run import Origin
from routing_weights.domain.status import Status
from routing_weights.errors import FleetConflict, GenesysUnavailable, StoreUnavailable
from tests.support.fakes import FakeBus

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
RAN, REVERTED = Last(step="run", wave=0), Last(step="run", wave=-1)


@dataclass
class Store:
    """A fleet as it is stored, with what was written of it."""

    fleet: Fleet
    done: dict[int, QueueOutcome] = field(default_factory=dict)
    known: dict[int, WaveOutcome] = field(default_factory=dict)
    items: dict[str, list[dict]] = field(default_factory=dict)
    runs: dict[str, Execution] = field(default_factory=dict)
    bus: FakeBus = field(default_factory=FakeBus)

    def find(self, _fleet_id):
        return self.fleet

    def outcomes(self, _fleet_id):
        return [self.done[number] for number in sorted(self.done)]

    def waves(self, _fleet_id):
        return list(self.known.values())

    def end(self, _fleet_id, _attempt, status, reason, now, by=None):
        self.fleet = self.fleet.model_copy(update={"status": status, "reason": reason, "ended_at": str(now)})
        self._note(by)
        return True

    def go_on(self, _fleet_id, _attempt, status, reason, by=None):
        self.fleet = self.fleet.model_copy(update={"status": status, "reason": reason, "stop": None, "held": None})
        self._note(by)
        return True

    def _note(self, by):
        if by:
            self.fleet = self.fleet.model_copy(update={"steered": (*self.fleet.steered, by)})

    def hold(self, _fleet_id, _attempt, held):
        if self.fleet.stop == "cancel":
            return False
        self.fleet = self.fleet.model_copy(update={"status": FleetStatus.HELD, "held": held})
        return True

    def begin_wave(self, _fleet_id, wave, failed):
        self._wave(wave, failed=frozenset(failed), baked_until="")

    def bake(self, _fleet_id, wave, until):
        self._wave(wave, baked_until=until.isoformat())

    def judge(self, _fleet_id, wave, verdict, reasons):
        self._wave(wave, verdict=verdict, reasons=tuple(reasons))

    def _wave(self, number, **changes):
        self.known[number] = self.known.get(number, WaveOutcome(wave=number)).model_copy(update=changes)

    def note(self, _fleet_id, outcome):
        self.done[outcome.number] = outcome

    # ---- the runs of its queues -------------------------------------------------------------------------------------

    def describe(self, distribution_id):
        return self.runs.get(distribution_id, Execution(distribution_id, "UNKNOWN"))

    # ---- its documents ----------------------------------------------------------------------------------------------

    def queues(self, _fleet_id):
        numbers = [wave for wave, part in enumerate(self.fleet.waves) for _ in range(part.count)]
        return [
            QueueItem(
                number=number,
                queue_id=f"queue-{number}",
                distribution_id=f"f.{number}",
                wave=wave,
                start=0,
                length=10,
                members=50,
            )
            for number, wave in enumerate(numbers)
        ]

    def put_items(self, _fleet_id, name, items):
        self.items[name] = list(items)
        return f"fleets/f/{name}.json"

    # ---- what has happened ------------------------------------------------------------------------------------------

    def ended(self, **statuses):
        """Note outcomes: `q0="completed"`."""
        for name, status in statuses.items():
            queue = self.queues("f")[int(name[1:])]
            self.done[queue.number] = QueueOutcome(
                number=queue.number,
                queue_id=queue.queue_id,
                wave=queue.wave,
                distribution_id=queue.distribution_id,
                status=status,
            )
        return self

    def reverted(self, number, status):
        self.done[number] = self.done[number].model_copy(update={"revert_status": Status(status), "reverted_by": "r"})


def stored(total=4, **options):
    given = FleetOptions.model_validate(options)
    return Store(
        Fleet(
            fleet_id="f",
            status=FleetStatus.RUNNING,
            options=given,
            total=total,
            waves=tuple(given.divided(total)),
            submitted_at="2026-01-31T08:00:00.000Z",
        )
    )


@dataclass(frozen=True)
class Service:
    """Genesys's figures: the same for each queue."""

    counted: float
    in_time: float

    def realised(self, queue_ids, _start, _end):
        return {
            queue_id: Realised(counted=self.counted, in_time=self.in_time, wanted=0.8 * self.counted)
            for queue_id in queue_ids
        }


def advance(store, last=None, now=NOW, service=None, rate=0.0):
    use_case = AdvanceFleet(store, store, store, lambda: service, 20, rate, 5400.0, store.bus)
    return use_case.advance(Tick(fleet_id="f", attempt=store.fleet.attempt, last=last), now)


def numbers(store, name):
    return [item["number"] for item in store.items[name]]


def test_a_fleet_runs_its_waves_one_after_the_other_and_completes():
    store = stored(waves=[{"count": 1}])
    assert advance(store) == RunQueues("fleets/f/wave-1-0.json", 20, 0)
    assert numbers(store, "wave-1-0") == [0]
    store.ended(q0="completed")
    assert advance(store, RAN) == RunQueues("fleets/f/wave-1-1.json", 20, 1)
    assert numbers(store, "wave-1-1") == [1, 2, 3]
    store.ended(q1="completed", q2="dry_run", q3="completed")
    assert advance(store, Last(step="run", wave=1)) == End(FleetStatus.COMPLETED, "")
    assert store.fleet.status is FleetStatus.COMPLETED
    assert {wave.verdict for wave in store.known.values()} == {"passed"}


def test_a_fleet_whose_queues_failed_within_the_limit_is_partly_completed():
    store = stored(waves=[{"count": 2, "max_failed": 1}]).ended(q0="queue_busy", q1="completed")
    assert advance(store, RAN).wave == 1
    store.ended(q2="completed", q3="completed")
    assert advance(store, Last(step="run", wave=1)) == End(FleetStatus.PARTLY_COMPLETED, "")


def test_the_input_of_a_queue_is_the_same_in_every_attempt():
    """StartExecution takes the name and input of a running execution for the same start. Another input is refused."""
    store = stored()
    advance(store)
    first = [item["input"] for item in store.items["wave-1-0"]]
    store.fleet = store.fleet.model_copy(update={"attempt": 2})
    advance(store)
    assert [item["input"] for item in store.items["wave-2-0"]] == first
    assert [item["name"] for item in store.items["wave-2-0"]] == ["f.0", "f.1", "f.2", "f.3"]


def test_only_queues_without_an_outcome_begin_again_and_in_a_new_attempt_those_that_were_stopped():
    store = stored().ended(q0="completed", q1="interrupted", q2="member_update_failed")
    advance(store)
    assert numbers(store, "wave-1-0") == [1, 3]
    assert store.known[0].failed == {2}
    advance(store, RAN)
    assert numbers(store, "wave-1-0") == [3]
    assert store.known[0].failed == {1, 2}


def test_queues_that_stay_without_an_outcome_are_begun_a_few_times_only():
    store, last = stored(), None
    for tries in range(1, MOST_TRIES + 1):
        step = advance(store, last)
        assert step.tries == tries
        last = Last(step="run", wave=0, tries=tries)
    assert advance(store, last).status is FleetStatus.INTERRUPTED


@pytest.mark.parametrize(
    ("on_failure", "expected"),
    [
        ("stop", End(FleetStatus.STOPPED, "Wave 1: 1 of 2 queues failed: queue-0.")),
        ("hold", Hold(0, "Wave 1: 1 of 2 queues failed: queue-0.")),
        ("revert", RunQueues("fleets/f/revert-1.json", 20, -1)),
    ],
)
def test_a_failed_wave_does_what_the_fleet_asks_for(on_failure, expected):
    store = stored(waves=[{"count": 2, "max_failed": 0}], on_failure=on_failure)
    store.ended(q0="saturation_blocked", q1="completed")
    assert advance(store, RAN) == expected
    assert (store.known[0].verdict, store.known[0].reasons) == ("failed", ("1 of 2 queues failed: queue-0.",))


def test_a_wave_that_has_failed_already_begins_no_further_queue():
    store = stored(waves=[{"count": 3, "max_failed": 0}]).ended(q0="queue_busy")
    store.fleet = store.fleet.model_copy(update={"stop": "failed"})
    assert advance(store, RAN).status is FleetStatus.STOPPED
    assert not store.items


def test_queues_of_a_wave_that_has_not_failed_after_all_begin():
    """A child of an earlier attempt counted queue 0 as failed, while this one began it again with success."""
    store = stored(waves=[{"count": 3, "max_failed": 1}]).ended(q0="completed", q1="queue_busy")
    store.fleet = store.fleet.model_copy(update={"stop": "failed"})
    assert advance(store, RAN).wave == 0
    assert (numbers(store, "wave-1-0"), store.fleet.stop) == ([2], None)


def test_a_wave_whose_queues_begin_again_is_watched_again():
    store = stored(waves=[{"count": 2, "bake_s": 600}]).ended(q0="completed", q1="interrupted")
    assert advance(store, RAN) == Bake(0, 600)
    later = NOW + timedelta(seconds=500)
    advance(store, None, later)
    store.ended(q1="completed")
    assert advance(store, RAN, later) == Bake(0, 600)


def test_a_fleet_whose_last_wave_failed_after_every_plan_was_tried_is_partly_completed():
    store = stored(2, waves=[{"max_failed": 0}]).ended(q0="queue_busy", q1="completed")
    assert advance(store, RAN).status is FleetStatus.PARTLY_COMPLETED


def test_reverts_begin_with_the_newest_queue_and_name_what_they_revert():
    store = stored(3, atomic=True).ended(q0="completed", q1="completed", q2="member_update_failed")
    advance(store, RAN)
    assert numbers(store, "revert-1") == [1, 0]
    first = store.items["revert-1"][0]
    assert (first["name"], first["input"]["reverts"], first["revert"]) == ("f.1.r1", "f.1", True)
    store.reverted(0, "completed")
    store.reverted(1, "completed")
    assert advance(store, REVERTED).status is FleetStatus.REVERTED


def test_a_queue_that_is_not_reverted_makes_the_revert_incomplete_until_it_is_tried_again():
    store = stored(2, atomic=True).ended(q0="completed", q1="completed")
    store.fleet = store.fleet.model_copy(update={"status": FleetStatus.REVERTING})
    store.reverted(0, "completed")
    store.reverted(1, "validation_failed")
    assert advance(store, REVERTED).status is FleetStatus.REVERT_INCOMPLETE
    store.fleet = store.fleet.model_copy(update={"status": FleetStatus.REVERTING, "ended_at": "", "attempt": 2})
    advance(store)
    assert [item["name"] for item in store.items["revert-2"]] == ["f.1.r2"]


def test_a_revert_finds_the_runs_whose_outcomes_a_stopped_fleet_could_not_store():
    store = stored(6).ended(q0="completed")
    store.fleet = store.fleet.model_copy(update={"status": FleetStatus.REVERTING, "attempt": 2})
    store.runs = {
        "f.1": Execution("f.1", "ABORTED"),
        "f.1.2": Execution("f.1.2", "SUCCEEDED", output='{"status": "completed"}'),
        "f.2": Execution("f.2", "FAILED", error="audit_not_written", cause='{"status": "completed", "sentence": ""}'),
        "f.3": Execution("f.3", "FAILED", error="queue_busy"),
        "f.4": Execution("f.4", "RUNNING"),
    }
    assert advance(store) == Bake(0, 10)
    store.runs["f.4"] = Execution("f.4", "SUCCEEDED", output='{"status": "dry_run"}')
    advance(store, Last(step="bake", wave=0))
    assert [(item["number"], item["input"]["reverts"]) for item in store.items["revert-2"]] == [
        (2, "f.2"),
        (1, "f.1.2"),
        (0, "f.0"),
    ]
    assert {number: outcome.status for number, outcome in store.done.items()} == {
        **dict.fromkeys([0, 1, 2], "completed"),
        4: "dry_run",
    }


def test_a_cancelled_fleet_ends_and_one_whose_last_queue_is_done_completes():
    store = stored(waves=[{"count": 2}]).ended(q0="completed", q1="completed")
    store.fleet = store.fleet.model_copy(update={"stop": "cancel"})
    assert advance(store, RAN).status is FleetStatus.CANCELLED
    late = stored(1).ended(q0="completed")
    late.fleet = late.fleet.model_copy(update={"stop": "cancel"})
    assert advance(late, RAN).status is FleetStatus.COMPLETED


# ---- the gate --------------------------------------------------------------------------------------------------------


def baked(service, **wave):
    store = stored(waves=[{"count": 2, "bake_s": 600, **wave}]).ended(q0="completed", q1="completed")
    assert advance(store, RAN, service=service) == Bake(0, 600)
    later = NOW + timedelta(seconds=601)
    return store, advance(store, Last(step="bake", wave=0), later, service)


def test_a_wave_is_watched_for_the_rest_of_its_time_after_a_break():
    store = stored(waves=[{"count": 1, "bake_s": 600}]).ended(q0="completed")
    advance(store, RAN)
    assert advance(store, None, NOW + timedelta(seconds=200)) == Bake(0, 400)


def test_a_wave_whose_queues_reach_their_goals_passes():
    store, step = baked(Service(50, 45))
    assert step.wave == 1
    assert store.known[0].reasons[0].startswith("90% of 100")


def test_a_wave_whose_queues_miss_their_goals_fails():
    store, step = baked(Service(50, 30))
    assert step.status is FleetStatus.STOPPED
    assert store.known[0].reasons == ("60% of 100 contacts were answered in time. The goal is 80%.",)


def test_a_shortfall_that_chance_explains_does_not_fail_a_wave():
    assert baked(Service(50, 38))[1].wave == 1


@pytest.mark.parametrize("service", [Service(5, 5), Service(0, 0)])
def test_a_wave_with_too_few_contacts_is_held(service):
    store, step = baked(service, min_contacts=20)
    assert isinstance(step, Hold)
    assert store.known[0].verdict == "inconclusive"


def test_a_wave_whose_service_cannot_be_read_is_held():
    class Down:
        def realised(self, *_):
            raise GenesysUnavailable("Genesys did not answer.")

    assert "could not be read" in baked(Down())[1].reason


def test_a_contract_that_knows_no_contacts_judges_outcomes_only():
    assert baked(None)[1].wave == 1


# ---- a held wave -----------------------------------------------------------------------------------------------------


def held(release):
    store = stored(waves=[{"count": 2, "max_failed": 0}], on_failure="hold").ended(q0="queue_busy", q1="completed")
    advance(store, RAN)
    return store, advance(store, Last(step="hold", wave=0, release=release))


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("continue", RunQueues("fleets/f/wave-1-1.json", 20, 1)),
        ("revert", RunQueues("fleets/f/revert-1.json", 20, -1)),
        ("cancel", End(FleetStatus.CANCELLED, "Somebody cancelled the held fleet.")),
        (None, End(FleetStatus.STOPPED, "Nobody decided about the held wave in time.")),
    ],
)
def test_somebodys_decision_ends_a_hold(release, expected):
    assert held(release)[1] == expected


@pytest.mark.parametrize("times", [1, 2])
def test_the_revert_of_a_held_wave_is_wanted_by_whoever_decided_it(times):
    """Not by whoever submitted the fleet: nobody approves a revert of their own. A tick may come twice."""
    bob = Steered(action="revert", at=timestamp(NOW), origin=Origin(door="api", caller="arn:bob"))
    store = stored(waves=[{"count": 2, "max_failed": 0}], on_failure="hold").ended(q0="queue_busy", q1="completed")
    advance(store, RAN)
    for _ in range(times):
        advance(store, Last(step="hold", wave=0, release="revert", steered=bob))
    (revert,) = store.items["revert-1"]
    assert (revert["input"]["origin"]["door"], revert["input"]["origin"]["caller"]) == ("fleet", "arn:bob")
    assert store.fleet.steered == (bob,)


def test_a_wave_is_not_held_if_somebody_has_cancelled_the_fleet_since_it_was_judged():
    store = stored(waves=[{"count": 2, "max_failed": 0}], on_failure="hold").ended(q0="queue_busy", q1="completed")
    assert isinstance(advance(store, RAN), Hold)
    store.fleet = store.fleet.model_copy(update={"stop": "cancel"})
    use_case = AdvanceFleet(store, store, store, lambda: None, 20, 0.0, 5400.0, store.bus)
    with pytest.raises(FleetConflict):
        use_case.hold(Tick(fleet_id="f", attempt=1), Held(token="t", wave=0, reason=""), NOW)
    assert store.bus.events == []
    assert store.fleet.status is FleetStatus.RUNNING
    assert advance(store, Last(step="hold", wave=0, release="cancel")).status is FleetStatus.CANCELLED


def test_a_wave_that_is_continued_begins_the_queues_that_its_failures_had_stopped():
    store = stored(waves=[{"count": 3, "max_failed": 0}], on_failure="hold").ended(q0="queue_busy")
    store.fleet = store.fleet.model_copy(update={"stop": "failed"})
    assert isinstance(advance(store, RAN), Hold)
    assert advance(store, Last(step="hold", wave=0, release="continue")).wave == 0
    assert numbers(store, "wave-1-0") == [1, 2]
    assert {item["max_failed"] for item in store.items["wave-1-0"]} == {-1}
    store.ended(q1="completed", q2="completed")
    assert advance(store, RAN).wave == 1


# ---- what is not this fleet's business any more ----------------------------------------------------------------------


def test_an_execution_of_an_earlier_attempt_does_nothing():
    store = stored()
    store.fleet = store.fleet.model_copy(update={"attempt": 2})
    step = AdvanceFleet(store, store, store, lambda: None, 20, 0, 5400.0, store.bus).advance(
        Tick(fleet_id="f", attempt=1), NOW
    )
    assert step.status is FleetStatus.INTERRUPTED
    assert not store.fleet.ended_at


def test_a_fleet_that_has_ended_is_not_changed_by_a_redrive():
    store = stored().ended(q0="completed")
    store.fleet = store.fleet.model_copy(update={"status": FleetStatus.CANCELLED, "ended_at": "then", "reason": "x"})
    assert advance(store) == End(FleetStatus.CANCELLED, "x")


# ---- the event of its end --------------------------------------------------------------------------------------------


def test_the_end_of_a_fleet_is_one_event_however_often_it_is_put():
    store = stored(3).ended(q0="completed", q1="verification_failed", q2="completed")
    store.bus.is_down = True
    with pytest.raises(StoreUnavailable):
        advance(store)
    assert store.fleet.status is FleetStatus.PARTLY_COMPLETED, "the end is stored, and the tick comes again"
    store.bus.is_down = False
    assert advance(store, now=NOW + timedelta(minutes=1)) == End(FleetStatus.PARTLY_COMPLETED, "")
    advance(store)
    ((kind, first), (_, second)) = store.bus.events
    assert (kind, first.id, second.id) == (FLEET_OUTCOME, "f:1:partly_completed", "f:1:partly_completed")
    assert (first.queues, first.total) == ({"completed": 2, "verification_failed": 1}, store.fleet.total)
    assert first.status == "partly_completed"


def test_a_held_fleet_says_why():
    store = stored(waves=[{"count": 2, "max_failed": 0}], on_failure="hold").ended(q0="queue_busy", q1="completed")
    use_case = AdvanceFleet(store, store, store, lambda: None, 20, 0.0, 5400.0, store.bus)
    use_case.hold(Tick(fleet_id="f", attempt=1), Held(token="a-secret-token", wave=0, reason="1 of 2 failed"), NOW)
    ((_, event),) = store.bus.events
    assert (event.id, event.status, event.reason) == ("f:1:held:0", "held", "1 of 2 failed")
    assert event.queues == {"queue_busy": 1, "completed": 1}
    assert "token" not in event.model_dump_json()


def test_the_event_counts_the_queues_that_were_reverted():
    store = stored(2, atomic=True).ended(q0="completed", q1="queue_busy")
    store.done[0] = store.done[0].model_copy(update={"revert_status": Status.COMPLETED})
    store.fleet = store.fleet.model_copy(update={"status": FleetStatus.REVERTING})
    assert advance(store, REVERTED).status is FleetStatus.REVERTED
    ((_, event),) = store.bus.events
    assert event.reverted == 1


# ---- how many at once ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "at_once"), [(0, 20), (3000, 20), (300, 20), (30, 20), (6, 4), (0.6, 1)])
def test_queues_share_the_rate_so_that_each_ends_in_time(rate, at_once):
    assert advance(stored(), rate=rate).concurrency == at_once
