"""Close: writes the closing record of a distribution, and ends what the distribution no longer needs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from aws_lambda_powertools import Logger

from routing_weights.application.account import Account
from routing_weights.application.ports import Documents, FleetSums, OneTimeSchedules, Patrols, Trail
from routing_weights.domain.actuation import Statement, as_kept
from routing_weights.domain.decision import Decision
from routing_weights.domain.effort import Effort, Spent
from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Queue
from routing_weights.domain.record import Closing, closed
from routing_weights.domain.run import Outcome, Run, return_name
from routing_weights.domain.status import Status
from routing_weights.domain.verify import decimals_kept
from routing_weights.errors import StoreUnavailable

logger = Logger(child=True)

AFTER_AUDIT = Effort(transitions=3, dynamodb_writes=1, write_units=1)
"""The end of every run: Unlock with its delete, `Completed?`, and Completed or Failed."""
FLEET_SUM = Effort(dynamodb_writes=1, write_units=1)
"""The run of a fleet adds itself to the sum of the fleet."""
AFTER_RECOVERY = Effort(transitions=2, dynamodb_writes=1, write_units=1)
"""The end of a recovery: Unlock with its delete, and Done."""


class Metric(NamedTuple):
    name: str
    unit: Literal["Count", "Milliseconds", "Percent"]
    value: float


class Closed(NamedTuple):
    record: Closing
    metrics: list[Metric]
    """Empty if the record was written before: its metrics were counted then."""


@dataclass(frozen=True)
class Close:
    documents: Documents
    trail: Trail
    patrols: Patrols
    schedules: OneTimeSchedules
    account: Account
    fleet_sums: FleetSums
    end_approval: Callable[[str], None]
    """Ends the wait of a run: no answer reaches it any more."""

    def close(self, run: Run, outcome: Outcome, holder: str, recovery: str, now: datetime) -> Closed:
        """Write the closing record.

        `recovery` is the execution that recovers an abandoned run, and `holder` the same if it has taken over the lock.
        Both are empty for a run that ends itself.

        Raises:
            Interrupted: somebody else holds the lock of a run that wrote, and so closes its record.
        """
        name = run.distribution_id
        run = run if run.queue_id else self._as_opened(run)
        work = self.documents.find_work(name)
        plan = work.plan if work else self.documents.find_plan(name)
        before = work.before if work else self.documents.find_before(name)
        after = self.documents.find_after(name)
        restoration = self.documents.find_restoration(name) if outcome.status.failed_writing else None
        record = closed(
            run,
            outcome,
            plan=plan,
            before=before,
            projection=self.documents.find_projection(name),
            actuation=_statement(work.decision, after, outcome.status) if work else None,
            restore=restoration,
            may_have_written=restoration is not None or self._may_have_written(name, outcome),
            after=after,
            at=now,
            before_image=self.documents.reference(name, "work" if work else "before") if before else None,
            # Verify of a run that was ended from outside may still write what it read.
            documents=self.documents.read(
                name, "work", "before", *(("after",) if outcome.status is Status.COMPLETED else ())
            ),
        )
        if outcome.status in {Status.INTERRUPTED, Status.APPROVAL_EXPIRED}:  # it may have been waiting
            self.end_approval(name)
        if plan and outcome.status is Status.COMPLETED:  # before the record is closed: a failure is tried again
            self._patrol(plan, now)
        # A record of writes belongs to the holder of the lock: a run that has lost its lock claims nothing any more.
        holder = holder or (run.execution_arn if outcome.status.wrote == "yes" else "")
        end = (AFTER_RECOVERY if recovery else AFTER_AUDIT) + (FLEET_SUM if run.fleet_id else Effort())
        record = self.account.settled(record, end, recovery=recovery, with_lock=bool(holder))
        is_first = self.trail.append(record, holder)
        logger.info("AUDIT", record=record.to_json())
        if is_first and run.fleet_id:
            self._count(run.fleet_id, record)
        if plan and plan.until and outcome.status is not Status.COMPLETED:
            self._cancel_expiry(name)
        return Closed(record, list(_metrics(run, outcome, record)) if is_first else [])

    def _may_have_written(self, distribution_id: str, outcome: Outcome) -> bool:
        """False for a run that was stopped before its first write, for example while it waited for approval."""
        return outcome.status.failed_writing and self.documents.may_have_written(distribution_id)

    def _as_opened(self, run: Run) -> Run:
        """The run with its origin and fleet, of which Step Functions knows nothing if Validate was killed."""
        opening = self.trail.find(run.distribution_id).opening
        if opening is None:
            return run
        return run.model_copy(update={"origin": opening.origin, "fleet_id": opening.fleet_id or ""})

    def _patrol(self, plan: Plan, now: datetime) -> None:
        if plan.on_drift:
            self.patrols.watch(plan.queue_id, int(now.timestamp() * 1000))
        else:
            self.patrols.forget(plan.queue_id)

    def _count(self, fleet_id: str, record: Closing) -> None:
        """Add what the run has taken to the sum of its fleet: at most once, because the record is written once."""
        effort, cost = record.effort, record.cost
        if effort is None or cost is None:
            return
        try:
            self.fleet_sums.add(fleet_id, Spent(1, effort.requests, effort.transitions, cost.usd))
        except StoreUnavailable as error:  # the record has it
            logger.warning("The sum of the fleet lacks a distribution", reason=error.message)

    def _cancel_expiry(self, distribution_id: str) -> None:
        """Delete the schedule that would revert a plan that was not applied."""
        try:
            self.schedules.delete(return_name(distribution_id))
        except StoreUnavailable as error:  # the record stands, and an expiry reads it before it does anything
            logger.warning("A schedule is left that will find nothing to revert", reason=error.message)


def _metrics(run: Run, outcome: Outcome, record: Closing) -> Iterator[Metric]:
    yield Metric(outcome.status.metric, "Count", 1)
    if not (run.approved_at or outcome.status in {Status.REJECTED, Status.APPROVAL_EXPIRED}):
        # The latency of a run that waited is that of a person.
        yield Metric("DistributionLatency", "Milliseconds", record.latency_ms or 0)
    if record.effort:
        yield Metric("GenesysRequests", "Count", record.effort.requests)
        yield Metric("GenesysThrottled", "Count", record.effort.limited)
    if record.balance_accuracy is not None:
        yield Metric("BalanceAccuracy", "Percent", record.balance_accuracy)
    if record.restore:
        yield Metric(f"Restore{record.restore.outcome.title().replace('_', '')}", "Count", 1)


def _statement(decision: Decision, after: Queue | None, status: Status) -> Statement:
    """What was decided, with what Genesys has made of it if it has rounded proficiencies."""
    decimals = decimals_kept(decision.target, after) if after and status is Status.COMPLETED else None
    return decision.statement if after is None or decimals is None else as_kept(decision.statement, after, decimals)
