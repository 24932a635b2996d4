"""Validate: what a valid plan is, for every door. Opens the audit record; a refused plan's is closed at once."""

from typing import Any

from aws_lambda_powertools import Logger

from routing_weights import bootstrap
from routing_weights.application.submit import accept_input, open_distribution
from routing_weights.domain.run import Run
from routing_weights.settings import ValidateSettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    settings = ValidateSettings.load()
    documents, trail = bootstrap.documents(settings), bootstrap.trail(settings)
    run = Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    run, plan = accept_input(run, event["input"], trail, documents, bootstrap.baselines(settings.baselines_table))
    documents.save_plan(run.distribution_id, plan)
    open_distribution(run, plan, trail)
    return run.model_dump(mode="json")
