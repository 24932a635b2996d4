"""Project: reads the queue, keeps the before-image, says what the plan will do. Writes nothing to Genesys."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.skills_table import SkillOwners
from routing_weights.application.expire import require_still_applied, require_time_left
from routing_weights.application.ports import Genesys
from routing_weights.bootstrap import contract, planner
from routing_weights.domain.actuation import resolve
from routing_weights.domain.decision import Decision, Image, Work
from routing_weights.domain.images import images_of, require_known_drift, target_of
from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Queue, Target, require_members
from routing_weights.domain.record import last_completed
from routing_weights.domain.run import Run
from routing_weights.errors import ForecastMissing, RoutingWeightsError
from routing_weights.settings import ProjectSettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    settings, run = ProjectSettings.load(), Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    documents = Documents(settings.documents_bucket)
    trail = AuditTrail(settings.audit_table, documents)
    plan = Plan.model_validate(documents.get(run.distribution_id, "plan"))
    if run.returns and plan.restores:
        also = require_still_applied(run.returns, plan.queue_id, trail)
        plan = plan.model_copy(update={"restores": plan.restores.model_copy(update={"also": also})})

    images = images_of(plan, documents.find_image)
    if images:
        images[0].decision.require_contract(settings.genesys_contract)
    actuation = images[0].decision.for_revert() if images else resolve(plan, deployed=settings.deployed_actuator)
    genesys = contract(settings, context, run, actuation)
    queue = genesys.read_queue(plan.queue_id)
    try:
        target = _target(genesys, plan, images, queue, trail)
        if queue.skill_id:
            SkillOwners(settings.skills_table).require(queue.skill_id, plan.queue_id)
        statement = genesys.statement(plan, target, queue)
    except RoutingWeightsError:  # nothing is decided; the record says all the same what the queue held
        documents.put(run.distribution_id, "before", queue.to_json())
        raise
    decision = Decision.of(
        settings.genesys_contract, actuation, target, queue, statement, raise_first=genesys.raise_first
    )
    documents.keep_work(run.distribution_id, Work(plan, decision, queue))

    use_case = planner(settings, context, run)
    if not images:
        queue = genesys.with_skills_in_use(queue, plan.requirements)
    try:
        found = use_case.project(plan, queue, target, use_case.forecast_for(plan), genesys, statement)
    except ForecastMissing:
        if not images:
            raise
    else:
        documents.put(run.distribution_id, "projection", found.document)
        # A revert's is shown, and decides nothing: what was there before must not be out of reach since the agents have
        # gone home, a forecast has risen, or a skill is gone.
        if not images:
            found.raise_unless_passed()
    require_time_left(run.until, datetime.now(UTC))  # last: reading a queue that is slow takes up to two minutes
    return {"writes": len(decision.order), "settings_last": bool(decision.parts["last"])}


def _target(genesys: Genesys, plan: Plan, images: Sequence[Image], queue: Queue, trail: AuditTrail) -> Target:
    """What the queue will hold: the plan's weights, or the state that it puts back."""
    if not images:
        require_members(plan.weights, queue)
        return genesys.target(plan, queue)
    target = target_of(genesys, images, queue)
    if plan.restores and plan.is_repair:
        require_known_drift(plan.restores, target, queue, last_completed(trail.newest(plan.queue_id)))
    return target
