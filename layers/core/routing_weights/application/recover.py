"""Recover: ends abandoned executions. Their locks still have an owner that is over, and their records are open."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from routing_weights.application.ports import EndedExecutions, Locks, Recoveries, Trail
from routing_weights.domain.execution import Execution, Report
from routing_weights.domain.run import LONGEST_RUN, Outcome, Run
from routing_weights.errors import QueueBusy

RECOVERY_S = 60
"""How long a plan waits for the recovery of the run before it, whatever the plan says about waiting."""
APPROVED_S = 600
"""How long a run that somebody has approved waits, whatever the plan says: nobody is to be asked again for nothing."""
PAUSE_S, APPROVED_PAUSE_S = 2, 10
"""The longest pauses between two tries. A run may wait after each of three approvals, and its history is limited."""
LOOK_BACK = LONGEST_RUN + timedelta(days=1)
"""Executions are listed by their start."""


@dataclass(frozen=True)
class Unblock:
    """For a distribution whose queue is locked."""

    locks: Locks
    executions: EndedExecutions
    recoveries: Recoveries

    def unblock(self, run: Run, now: datetime) -> int:
        """How many seconds to wait before `run` tries to lock its queue again.

        If the holder of the lock is over, its recovery is started.

        Raises:
            QueueBusy: the plan does not want to wait any longer.
        """
        lock = self.locks.find(run.queue_id)
        if lock is None:
            return 1
        is_over = self.executions.describe(lock.holder).is_over(lock, now)
        if is_over:
            self.recoveries.start(lock.holder, run.queue_id)
        is_recovered = is_over or self.recoveries.includes(lock.holder)
        wanted_s = APPROVED_S if run.approved_at else run.wait_for_lock_s
        patience_s = max(wanted_s, RECOVERY_S) if is_recovered else wanted_s
        waited_s = (now - run.since).total_seconds()
        if waited_s >= patience_s:
            raise QueueBusy(
                f"Another distribution, {lock.holder.rpartition(':')[2]}, is running on queue {run.queue_id}. Nothing "
                "was written; send the plan again when it has ended, or let it wait with wait_for_lock_s."
            )
        return max(1, min(APPROVED_PAUSE_S if run.approved_at else PAUSE_S, int(patience_s - waited_s)))


@dataclass(frozen=True)
class Abandoned:
    """The open tasks for an execution that has ended."""

    restore: bool = False
    """The run may have left values of its own in the queue."""
    open: bool = False
    """True if its record is open."""
    locked: bool = False
    """The lock of its queue now belongs to the recovery."""
    run: Run | None = None
    outcome: Outcome | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"restore": self.restore, "open": self.open, "locked": self.locked}
        if self.run and self.outcome:
            document |= {"run": self.run.model_dump(mode="json"), "outcome": self.outcome.to_json()}
        return document


@dataclass(frozen=True)
class Recover:
    """For the state machine of recoveries."""

    trail: Trail
    locks: Locks
    executions: EndedExecutions
    recoveries: Recoveries

    def recover(self, arn: str, me: str, queue_id: str, report: Report, now: datetime) -> Abandoned:
        """Take over the lock of an execution that is over, as `me`, and find out what is left to do for it.

        `queue_id` is the queue of the lock that led here: an execution that nobody knows any more cannot tell it.

        Raises:
            StoreUnavailable: the execution is over, and Step Functions does not show yet how it ended.
        """
        origin = self._origin_of(arn)
        execution = self.executions.describe(origin)
        if origin == arn:
            execution = execution.as_reported(report)
        lock = self.locks.find(queue_id) if queue_id else None
        is_over = execution.is_over(lock, now)
        if is_over and origin != arn:
            is_over = self.executions.describe(arn).is_over(lock, now)
        if not is_over:
            return Abandoned()
        run = self._run(execution, queue_id, now)
        locked = bool(run.queue_id) and self.locks.take_over(run.queue_id, {arn, origin, me}, me, now)
        holder = None if locked or not run.queue_id else self.locks.find(run.queue_id)
        if holder and self.recoveries.includes(holder.holder):
            return Abandoned()  # that recovery closes the record; if it leaves it open, the sweep finds it
        # Read after the lock was taken: from then on nobody else closes a record of what was written.
        is_open = self.trail.find(run.distribution_id).closing is None
        outcome = execution.outcome(now)
        # Writes happen under the lock only. A run that verified its writes, or came to none, is not restored.
        restore = locked and is_open and outcome.status.failed_writing
        return Abandoned(restore, is_open, locked, run, outcome)

    def _run(self, execution: Execution, queue_id: str, now: datetime) -> Run:
        """The run of an execution, as its opening record has it."""
        name = execution.arn.rpartition(":")[2]
        opening = self.trail.find(name).opening
        known = {"distribution_id": name, "execution_arn": execution.arn}
        if opening is None:
            return Run(**known, started_at=execution.started_at or now, queue_id=queue_id)
        return Run(
            **known,
            started_at=execution.started_at or opening.started_at or now,
            queue_id=opening.queue_id or queue_id,
            origin=opening.origin,
            fleet_id=opening.fleet_id or "",
        )

    def _origin_of(self, arn: str) -> str:
        """The distribution that a recovery was to recover. Any other execution is its own origin."""
        while self.recoveries.includes(arn):
            given = json.loads(self.executions.describe(arn).input or "{}")
            if "executionArn" not in given:
                break
            arn = given["executionArn"]
        return arn


@dataclass(frozen=True)
class Sweep:
    """Finds the abandoned executions that no event has reported."""

    trail: Trail
    locks: Locks
    executions: EndedExecutions
    recoveries: Recoveries

    def sweep(self, now: datetime) -> int:
        """Start the recovery of every abandoned execution, and return how many there were."""
        abandoned = {
            lock.holder: lock.queue_id
            for lock in self.locks.all()
            if self.executions.describe(lock.holder).is_over(lock, now)
        }
        for arn in self.executions.failed(now - LOOK_BACK):
            if self.trail.find(arn.rpartition(":")[2]).closing is None:
                abandoned.setdefault(arn, "")
        for arn, queue_id in abandoned.items():
            self.recoveries.start(arn, queue_id)
        return len(abandoned)
