"""Audit: closes the record of a distribution, as an item, as one log line, and as metrics."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.documents import Documents, reference_of
from routing_weights.adapters.aws.patrol_table import Patrol
from routing_weights.adapters.aws.schedule_group import Group
from routing_weights.domain.actuation import as_kept
from routing_weights.domain.decision import Decision
from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Queue, decimals_kept
from routing_weights.domain.record import closed
from routing_weights.domain.run import Outcome, Run, return_name
from routing_weights.domain.status import Status
from routing_weights.errors import StoreUnavailable
from routing_weights.settings import AuditSettings

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    settings, run, outcome = (
        AuditSettings.load(),
        Run.model_validate(event["run"]),
        Outcome.model_validate(event["outcome"]),
    )
    logger.append_keys(distribution_id=run.distribution_id)
    documents = Documents(settings.documents_bucket)
    work = documents.find_work(run.distribution_id)
    wanted, before = (work.plan, work.before) if work else _undecided(run.distribution_id, documents)
    read_back = documents.find(run.distribution_id, "after")
    after = Queue.from_json(read_back) if read_back else None
    record = closed(
        run,
        outcome,
        plan=wanted,
        before=before,
        projection=documents.find(run.distribution_id, "projection"),
        actuation=_statement(work.decision, after, outcome.status) if work else None,
        restore=documents.find(run.distribution_id, "restore") if outcome.status.failed_writing else None,
        after=after,
        at=(now := datetime.now(UTC)),
        before_image=reference_of(run.distribution_id, "work" if work else "before") if before else None,
    )
    if wanted and outcome.status is Status.COMPLETED:  # before the record is closed: a failure is tried again
        patrol = Patrol(settings.drift_table)
        if wanted.on_drift:
            patrol.watch(run.queue_id, int(now.timestamp() * 1000))
        else:
            patrol.forget(run.queue_id)
    # The record of what was written is its writer's: one whose lock was taken over claims nothing any more.
    holder = event.get("holder") or (run.execution_arn if outcome.status.wrote == "yes" else "")
    first = AuditTrail(settings.audit_table, documents, settings.locks_table).append(record, holder)
    logger.info("AUDIT", record=record)
    if first:
        metrics.add_metric(outcome.status.metric, MetricUnit.Count, 1)
        metrics.add_metric("DistributionLatency", MetricUnit.Milliseconds, record["latency_ms"])
        if record.get("balance_accuracy") is not None:
            metrics.add_metric("BalanceAccuracy", MetricUnit.Percent, record["balance_accuracy"])
        if record.get("restore"):
            outcome_of_restore = record["restore"]["outcome"].title().replace("_", "")
            metrics.add_metric(f"Restore{outcome_of_restore}", MetricUnit.Count, 1)
    if record.get("until") and outcome.status is not Status.COMPLETED:
        try:
            Group(settings.one_time_group).delete(return_name(run.distribution_id))
        except StoreUnavailable as error:  # the record stands, and a return asks for it before it does anything
            logger.warning("A return is left that will find nothing to put back", reason=error.message)
    return {"status": outcome.status.value, "message": outcome.message()}


def _undecided(distribution_id: str, documents: Documents) -> tuple[Plan | None, Queue | None]:
    """The plan, and the queue where it was read, of a run that was refused before anything was decided."""
    plan, before = (documents.find(distribution_id, name) for name in ("plan", "before"))
    return Plan.model_validate(plan) if plan else None, Queue.from_json(before) if before else None


def _statement(decision: Decision, after: Queue | None, status: Status) -> Mapping[str, Any]:
    """What the decision says, with what Genesys has made of it where it has rounded proficiencies."""
    decimals = decimals_kept(decision.target, after) if after and status is Status.COMPLETED else None
    return decision.statement if after is None or decimals is None else as_kept(decision.statement, after, decimals)
