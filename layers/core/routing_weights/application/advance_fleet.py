"""Advances a fleet: what its execution does next.

Each tick reads everything that is stored of the fleet and decides anew, so an execution that is redriven, or a further
attempt after one that broke off, continues where the last one stopped.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, assert_never

from aws_lambda_powertools import Logger

from routing_weights.domain.execution import FAILURES, NOT_RECORDED
from routing_weights.domain.fleet import (
    FLEET_OUTCOME,
    FleetStatus,
    QueueOutcome,
    WaveOutcome,
    distribution_id,
    fleet_outcome,
    most_at_once,
)
from routing_weights.domain.fleet_steps import MOST_RUNS, MOST_TRIES, Bake, End, Hold, RunQueues, item_of, revert_of
from routing_weights.domain.record import timestamp
from routing_weights.domain.status import Status
from routing_weights.errors import FleetConflict, RoutingWeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from routing_weights.application.ports import Analytics, Bus, FleetDocuments, Fleets, QueueRuns
    from routing_weights.domain.execution import Execution
    from routing_weights.domain.fleet import Fleet, Held, QueueItem, Steered, Verdict, Wave
    from routing_weights.domain.fleet_steps import Last, Step, Tick
    from routing_weights.domain.record import Realised

logger = Logger(child=True)

MOST_QUEUES = 100
"""How many queues one request for their figures names."""
BY_CHANCE = 1.645
"""Standard deviations: of waves whose queues just reach their goals, one in twenty falls short by more than that."""
REVERTS = -1
LOOKS_AGAIN_S = 10
"""After so many seconds, or after a hundredth of the run's age.

A run may wait for approval for days, and the history of an execution has 25,000 events."""


@dataclass(frozen=True)
class AdvanceFleet:
    fleets: Fleets
    documents: FleetDocuments
    runs: QueueRuns
    analytics: Callable[[], Analytics | None]
    """What Genesys knows of the service in queues; None under contract `score`."""
    most_at_once: int
    """The deployment's limit of queues that are worked on at the same time."""
    requests_per_minute: float
    """The rate that the runs share; 0 for no limit."""
    longest_run_s: float
    """How long a run may wait for Genesys."""
    bus: Bus

    def advance(self, tick: Tick, now: datetime) -> Step:
        """What the execution of a fleet does next. Its end is stored before it is returned."""
        fleet = self.fleets.find(tick.fleet_id)
        if fleet is None or fleet.attempt != tick.attempt:
            return End(FleetStatus.INTERRUPTED, "The execution is not the one of the fleet's last attempt.")
        if fleet.ended_at:  # the function may have died before it put the event
            return self.ended(fleet, self.fleets.outcomes(fleet.fleet_id))
        return _Progress(self, fleet, tick, now).step()

    def hold(self, tick: Tick, held: Held, now: datetime) -> None:
        """Keep the token with which somebody's decision ends the hold of a wave.

        Raises:
            FleetConflict: somebody has cancelled the fleet since the wave was judged. Nobody would release it.
        """
        if not self.fleets.hold(tick.fleet_id, tick.attempt, held):
            raise FleetConflict("The fleet is cancelled or over, so it is not held.")
        if fleet := self.fleets.find(tick.fleet_id):
            held_fleet = fleet.model_copy(update={"status": FleetStatus.HELD, "reason": held.reason})
            outcomes = self.fleets.outcomes(tick.fleet_id)
            self.bus.put(FLEET_OUTCOME, fleet_outcome(held_fleet, outcomes, timestamp(now), f"held:{held.wave}"))

    def ended(self, fleet: Fleet, outcomes: Collection[QueueOutcome]) -> End:
        """The end of a fleet whose end is stored. An event reports it."""
        self.bus.put(FLEET_OUTCOME, fleet_outcome(fleet, outcomes, fleet.ended_at, fleet.status.value))
        return End(fleet.status, fleet.reason)


class _Progress:
    """A fleet at one moment, with everything that is stored of it."""

    def __init__(self, ports: AdvanceFleet, fleet: Fleet, tick: Tick, now: datetime) -> None:
        self.ports, self.fleet, self.tick, self.now = ports, fleet, tick, now
        self.queues = ports.documents.queues(fleet.fleet_id)
        self.outcomes = {outcome.number: outcome for outcome in ports.fleets.outcomes(fleet.fleet_id)}
        self.waves = {outcome.wave: outcome for outcome in ports.fleets.waves(fleet.fleet_id)}

    def step(self) -> Step:
        last = self.tick.last
        if last and last.step == "hold" and (step := self._decided(last)):
            return step
        if self.fleet.status is FleetStatus.REVERTING:
            return self._revert()
        for number, wave in enumerate(self.fleet.waves):
            known = self.waves.get(number)
            if known and known.verdict == "passed":
                step = self._finish(number, wave)
            else:
                step = self._work_on(number, wave, known)
            if step:
                return step
        green = all(outcome.status.green for outcome in self.outcomes.values())
        return self._end(FleetStatus.COMPLETED if green else FleetStatus.PARTLY_COMPLETED, "")

    def _decided(self, held: Last) -> Step | None:
        """The next step after somebody's decision about a held wave. None to continue with the fleet."""
        by = held.steered if held.steered not in self.fleet.steered else None  # a tick may be repeated
        match held.release:
            case "continue":
                self._judge(held.wave, "passed", ["Somebody decided to continue."])
                self._go_on(FleetStatus.RUNNING, "", by)
                return None
            case "revert":
                return self._begin_to_revert("Somebody decided to revert a held wave.", by)
            case "cancel":
                return self._end(FleetStatus.CANCELLED, "Somebody cancelled the held fleet.", by)
            case None:
                return self._end(FleetStatus.STOPPED, "Nobody decided about the held wave in time.")
            case _:
                assert_never(held.release)

    # ---- a wave -----------------------------------------------------------------------------------------------------

    def _finish(self, number: int, wave: Wave) -> Step | None:
        """The next step of a wave that has passed, None if all its queues have ended.

        Somebody may have decided to continue a wave that its failures had stopped.
        """
        left = self._left(number)
        if left and self.fleet.stop == "cancel":
            return self._end(FleetStatus.CANCELLED, "Somebody cancelled the fleet.")
        return self._run(number, wave.model_copy(update={"max_failed": None}), left) if left else None

    def _work_on(self, number: int, wave: Wave, known: WaveOutcome | None) -> Step | None:
        """The next step of a wave. None once it has passed its gate."""
        left = self._left(number)
        if self.fleet.stop == "cancel":
            if left or number + 1 < len(self.fleet.waves):
                return self._end(FleetStatus.CANCELLED, "Somebody cancelled the fleet.")
        elif left and not self._too_many(number, wave):
            if self.fleet.stop:  # a queue that begins again had counted as failed
                self._go_on(FleetStatus.RUNNING, "")
            return self._run(number, wave, left)
        if self._too_many(number, wave):
            failed = self._failed(number)
            reason = f"{failed[0].queue_id} and {len(failed) - 1} others" if len(failed) > 1 else failed[0].queue_id
            return self._not_passed(number, "failed", [f"{len(failed)} of {wave.count} queues failed: {reason}."])
        if wave.bake_s:
            until = datetime.fromisoformat(known.baked_until) if known and known.baked_until else None
            if until is None:
                until = self.now + timedelta(seconds=wave.bake_s)
                self.ports.fleets.bake(self.fleet.fleet_id, number, until)
            if until > self.now:
                return Bake(number, math.ceil((until - self.now).total_seconds()))
            verdict, reasons = self._service(number, wave, until)
            if verdict != "passed":
                return self._not_passed(number, verdict, reasons)
        else:
            reasons = []
        self._judge(number, "passed", reasons)
        return None

    def _left(self, wave: int) -> list[QueueItem]:
        return [queue for queue in self.queues if queue.wave == wave and self._is_open(queue)]

    def _is_open(self, queue: QueueItem) -> bool:
        """True for a queue without an outcome; in a new execution also for one whose run was stopped."""
        outcome = self.outcomes.get(queue.number)
        return outcome is None or (self.tick.last is None and outcome.status is Status.INTERRUPTED)

    def _failed(self, wave: int) -> list[QueueOutcome]:
        return [outcome for outcome in self.outcomes.values() if outcome.wave == wave and not outcome.status.green]

    def _too_many(self, number: int, wave: Wave) -> bool:
        """Queues that begin again in this execution have not failed yet."""
        failed = [each for each in self._failed(number) if self.tick.last or each.status is not Status.INTERRUPTED]
        return wave.max_failed is not None and len(failed) > wave.max_failed

    def _run(self, number: int, wave: Wave, left: Sequence[QueueItem]) -> Step:
        last = self.tick.last
        tries = last.tries + 1 if last and last.step == "run" and last.wave == number else 1
        if tries > MOST_TRIES:
            return self._end(FleetStatus.INTERRUPTED, f"{len(left)} queues were begun {MOST_TRIES} times, without end.")
        again = {queue.number for queue in left}
        failed = [outcome.number for outcome in self._failed(number) if outcome.number not in again]
        self.ports.fleets.begin_wave(self.fleet.fleet_id, number, failed)
        items = [item_of(self.fleet, queue, wave.max_failed) for queue in left]
        name = f"wave-{self.fleet.attempt}-{number}"
        return self._run_items(name, items, number, max(queue.members for queue in left), tries)

    def _run_items(self, name: str, items: Sequence[Mapping[str, object]], wave: int, members: int, tries: int) -> Step:
        key = self.ports.documents.put_items(self.fleet.fleet_id, name, items)
        ports = self.ports
        wanted = self.fleet.options.concurrency or ports.most_at_once
        at_once = most_at_once(wanted, ports.most_at_once, ports.requests_per_minute, members, ports.longest_run_s)
        return RunQueues(key, at_once, wave, tries)

    # ---- its gate ---------------------------------------------------------------------------------------------------

    def _service(self, number: int, wave: Wave, until: datetime) -> tuple[Verdict, list[str]]:
        """Judge the service of the queues that are done while the wave was watched."""
        done = [
            each.queue_id for each in self.outcomes.values() if each.wave <= number and each.status is Status.COMPLETED
        ]
        try:
            analytics = self.ports.analytics()
            if analytics is None or not done:
                return "passed", []
            since = until - timedelta(seconds=wave.bake_s)
            realised = [each for part in _parts(done) for each in analytics.realised(part, since, until).values()]
        except RoutingWeightsError as error:
            logger.warning("The service of a wave could not be read", reason=error.message)
            return "inconclusive", [f"The service level could not be read: {error.message}"]
        return _judged(realised, wave.min_contacts, len(done))

    def _not_passed(self, number: int, verdict: Verdict, reasons: Sequence[str]) -> Step:
        self._judge(number, verdict, reasons)
        reason = f"Wave {number + 1}: " + " ".join(reasons)
        if verdict == "inconclusive":
            return Hold(number, reason)
        match self.fleet.options.after_failure:
            case "hold":
                return Hold(number, reason)
            case "revert":
                return self._begin_to_revert(reason)
            case "stop":
                left = len(self.outcomes) < len(self.queues)
                return self._end(FleetStatus.STOPPED if left else FleetStatus.PARTLY_COMPLETED, reason)
            case _:
                assert_never(self.fleet.options.after_failure)

    # ---- reverts ----------------------------------------------------------------------------------------------------

    def _begin_to_revert(self, reason: str, by: Steered | None = None) -> Step:
        self._go_on(FleetStatus.REVERTING, reason, by)
        return self._revert()

    def _revert(self) -> Step:
        """Revert what the fleet has changed, newest first: queues begin in the order of their numbers."""
        last = self.tick.last
        was_reverting = last is not None and last.step == "run" and last.wave == REVERTS
        if not was_reverting and (running := self._completed_unnoted()):
            queue, execution = running
            age_s = (self.now - (execution.started_at or self.now)).total_seconds()
            return Bake(queue.wave, max(LOOKS_AGAIN_S, int(age_s / 100)))
        done = [outcome for outcome in self.outcomes.values() if outcome.status is Status.COMPLETED]
        left = [
            outcome
            for outcome in sorted(done, key=lambda outcome: outcome.number, reverse=True)
            if outcome.revert_status is None or (not was_reverting and not outcome.revert_status.green)
        ]
        tries = last.tries + 1 if last and was_reverting else 1
        if left and tries <= MOST_TRIES:
            members = {queue.number: queue.members for queue in self.queues}
            items = [revert_of(self.fleet, outcome) for outcome in left]
            largest = max(members[outcome.number] for outcome in left)
            return self._run_items(f"revert-{self.fleet.attempt}", items, REVERTS, largest, tries)
        reverted = all(outcome.revert_status and outcome.revert_status.green for outcome in done)
        status = FleetStatus.REVERTED if reverted else FleetStatus.REVERT_INCOMPLETE
        return self._end(status, self.fleet.reason)

    def _completed_unnoted(self) -> tuple[QueueItem, Execution] | None:
        """Note queues that were changed, and whose child executions were stopped before they could.

        Children begin in the order of the queues, at most `most_at_once` at the same time. Returns a queue whose run is
        still under way, with the run.
        """
        unknown = [queue for queue in self.queues if queue.number not in self.outcomes]
        for queue in unknown[: self.ports.most_at_once]:
            for run in range(1, MOST_RUNS + 1):
                name = distribution_id(self.fleet.fleet_id, queue.number, run)
                execution = self.ports.runs.describe(name)
                if execution.status not in FAILURES or execution.error == NOT_RECORDED:
                    break
            if execution.status == "RUNNING":
                return queue, execution
            if execution.status == "SUCCEEDED" or execution.error == NOT_RECORDED:
                status = Status(json.loads(execution.output or execution.cause)["status"])
                outcome = QueueOutcome(
                    number=queue.number, queue_id=queue.queue_id, wave=queue.wave, distribution_id=name, status=status
                )
                self.ports.fleets.note(self.fleet.fleet_id, outcome)
                self.outcomes[queue.number] = outcome
        return None

    # ---- what is stored ---------------------------------------------------------------------------------------------

    def _judge(self, wave: int, verdict: Verdict, reasons: Sequence[str]) -> None:
        self.ports.fleets.judge(self.fleet.fleet_id, wave, verdict, reasons)
        known = self.waves.get(wave, WaveOutcome(wave=wave))
        self.waves[wave] = known.model_copy(update={"verdict": verdict})

    def _go_on(self, status: FleetStatus, reason: str, by: Steered | None = None) -> None:
        self.ports.fleets.go_on(self.fleet.fleet_id, self.fleet.attempt, status, reason, by)
        steered = (*self.fleet.steered, by) if by else self.fleet.steered
        changes = {"status": status, "reason": reason, "stop": None, "held": None, "steered": steered}
        self.fleet = self.fleet.model_copy(update=changes)

    def _end(self, status: FleetStatus, reason: str, by: Steered | None = None) -> Step:
        self.ports.fleets.end(self.fleet.fleet_id, self.fleet.attempt, status, reason, self.now, by)
        ended = {"status": status, "reason": reason, "ended_at": timestamp(self.now)}
        return self.ports.ended(self.fleet.model_copy(update=ended), self.outcomes.values())


def _parts(queues: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(queues), MOST_QUEUES):
        yield queues[start : start + MOST_QUEUES]


def _judged(realised: Sequence[Realised], min_contacts: int, queues: int) -> tuple[Verdict, list[str]]:
    """The verdict on the service of several queues, all contacts together.

    A shortfall that chance explains does not count: see BY_CHANCE.
    """
    counted = sum(each.counted for each in realised)
    if counted < max(1, min_contacts):
        return "inconclusive", [f"{counted:.0f} contacts in {queues} queues: at least {min_contacts} are needed."]
    in_time, wanted = (sum(getattr(each, name) for each in realised) for name in ("in_time", "wanted"))
    level, goal = in_time / counted, wanted / counted
    sentence = f"{level:.0%} of {counted:.0f} contacts were answered in time. The goal is {goal:.0%}."
    spread = math.sqrt(wanted * max(0.0, 1 - goal))
    return ("failed" if in_time < wanted - BY_CHANCE * spread else "passed"), [sentence]
