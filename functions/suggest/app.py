"""Suggest: proposes weights that pass the gate, as a plan that can be posted. Writes nothing."""

import base64
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.api import Suggestion, problem_of
from routing_weights.errors import RoutingWeightsError
from routing_weights.planning import Planner, draft_of
from routing_weights.run import Run
from routing_weights.settings import ProjectionSettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`POST /plans/suggest`: a plan whose `member_weights` may be left out, and an `objective`."""
    try:
        body = event.get("body") or ""
        draft, objective = draft_of(base64.b64decode(body) if event.get("isBase64Encoded") else body)
        run = Run(distribution_id="", execution_arn="", started_at=datetime.now(UTC), queue_id=draft.queue_id)
        found = Planner(ProjectionSettings.load(), context, run).suggest(draft, objective)
        return _answer(HTTPStatus.OK, "application/json", Suggestion(**found).model_dump_json())
    except RoutingWeightsError as error:
        if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.exception("Request failed", error_type=type(error).__name__, reason=error.message)
        problem = problem_of(error)
        return _answer(problem.status, "application/problem+json", problem.model_dump_json(exclude_none=True))


def _answer(status: int, content_type: str, body: str) -> dict[str, Any]:
    return {"statusCode": int(status), "headers": {"Content-Type": content_type}, "body": body}
