"""Suggest: proposes weights that pass the gate, as a plan that can be posted. Writes nothing."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.api.app import answers, body_of, new_app
from routing_weights.api.views import Suggestion
from routing_weights.application.suggest import draft_of
from routing_weights.bootstrap import suggest
from routing_weights.domain.run import Run
from routing_weights.settings import ProjectionSettings

logger = Logger()
app = new_app(logger)

MEANINGS = {
    HTTPStatus.NOT_FOUND: "Genesys has no such queue, or does not show it to the OAuth client",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The plan breaks a rule, or does not fit the queue; `errors` has each reason",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A defect of this system, or a parameter or a secret that is wrong",
    HTTPStatus.BAD_GATEWAY: "Genesys refuses the request or the OAuth client",
    HTTPStatus.SERVICE_UNAVAILABLE: "Genesys or an AWS service did not answer, or asks to wait; send it again",
}


@app.post(
    "/plans/suggest",
    summary="Propose weights that pass the gate",
    description="Takes a plan, with or without `member_weights`, and an `objective`. Writes nothing.",
    responses=answers(HTTPStatus.OK, Suggestion, MEANINGS, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY),
)
def suggest_plan() -> Suggestion:
    draft, objective = draft_of(body_of(app))
    run = Run(distribution_id="", execution_arn="", started_at=datetime.now(UTC), queue_id=draft.queue_id)
    return Suggestion(**suggest(ProjectionSettings.load(), app.lambda_context, run).suggest(draft, objective))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
