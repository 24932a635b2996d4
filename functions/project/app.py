"""Project: reads the queue, keeps the before-image, says what the plan will do. Writes nothing to Genesys."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.distribution import members_to_write, require_members, settings_by_part
from routing_weights.errors import ForecastMissing
from routing_weights.genesys.connect import contract
from routing_weights.plan import Plan
from routing_weights.planning import Planner
from routing_weights.putting_back import require_known_drift, target_of
from routing_weights.record import last_completed
from routing_weights.returning import require_still_applied, require_time_left
from routing_weights.run import Run
from routing_weights.settings import ProjectSettings
from routing_weights.store.audit import AuditTrail
from routing_weights.store.documents import Documents
from routing_weights.store.skills import SkillOwners

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    settings, run = ProjectSettings.load(), Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    documents = Documents(settings.documents_bucket)
    plan = Plan.model_validate(documents.get(run.distribution_id, "plan"))
    if run.returns and plan.restores:
        trail = AuditTrail(settings.audit_table, documents)
        also = require_still_applied(run.returns, plan.queue_id, trail)
        plan = plan.model_copy(update={"restores": plan.restores.model_copy(update={"also": also})})
        documents.put(run.distribution_id, "plan", plan.model_dump(exclude_defaults=True))

    genesys = contract(settings, context, run, plan)
    queue = genesys.read_queue(plan.queue_id)
    documents.put(run.distribution_id, "before", queue.to_json())
    if plan.restores is None:
        require_members(plan.weights, queue)
    target = target_of(genesys, plan, queue, documents.find)
    documents.put(run.distribution_id, "target", target.to_json())
    if plan.restores and plan.is_repair:
        last = last_completed(AuditTrail(settings.audit_table, documents).newest(plan.queue_id))
        require_known_drift(plan.restores, target, queue, last)
    if queue.skill_id:
        SkillOwners(settings.skills_table).require(queue.skill_id, plan.queue_id)
    statement = genesys.statement(plan, target, queue)
    documents.put(run.distribution_id, "actuation", statement)

    planner = Planner(settings, context, run)
    if not plan.restores:
        queue = genesys.with_skills_in_use(queue, plan.requirements)
    try:
        found = planner.project(plan, queue, target, planner.forecast_for(plan), genesys, statement)
    except ForecastMissing:
        if not plan.restores:
            raise
    else:
        documents.put(run.distribution_id, "projection", found.document)
        # A revert's is shown, and decides nothing: what was there before must not be out of reach since the agents have
        # gone home, a forecast has risen, or a skill is gone.
        if not plan.restores:
            found.raise_unless_passed()
    changes = members_to_write(target, queue, raise_first=genesys.raise_first)
    require_time_left(run.until, datetime.now(UTC))  # last: reading a queue that is slow takes up to two minutes
    return {"writes": len(changes), "settings_last": bool(settings_by_part(target, queue)["last"])}
