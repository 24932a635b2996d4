"""Project: reads the queue, keeps the before-image, says what the plan will do. Writes nothing to Genesys."""

from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.distribution import require_members, writes
from routing_weights.genesys.connect import contract
from routing_weights.plan import Plan
from routing_weights.projection import Forecast, project
from routing_weights.run import Run
from routing_weights.settings import ProjectSettings
from routing_weights.store.documents import Documents
from routing_weights.store.forecasts import Forecasts

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    settings, run = ProjectSettings.load(), Run.model_validate(event)
    logger.append_keys(distribution_id=run.distribution_id)
    documents = Documents(settings.documents_bucket)
    plan = Plan.model_validate(documents.get(run.distribution_id, "plan"))

    queue = contract(settings, context, run).read_queue(plan.queue_id)
    documents.put(run.distribution_id, "before", queue.to_json())
    require_members(plan.weights, queue)
    if plan.projected_load is None:
        forecast = Forecasts(settings.forecast_table, settings.default_projected_load).forecast_for(plan.queue_id)
    else:
        forecast = Forecast(plan.projected_load, "plan")
    projection = project(plan, queue, forecast, limit=settings.saturation_limit)
    documents.put(run.distribution_id, "projection", projection.to_json())
    projection.raise_if_blocked()
    return {"writes": len(writes(plan.weights, queue)), "saturation_ratio": projection.saturation_ratio}
