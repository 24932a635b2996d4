"""The route that makes a checkpoint."""

from datetime import UTC, datetime
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from routing_weights.api.checkpoint_view import CheckpointView, view_of
from routing_weights.api.problem import answers
from routing_weights.api.request import new_router
from routing_weights.bootstrap import checkpoint as bootstrap
from routing_weights.settings import EvidenceSettings

router = new_router()


@router.post(
    "/checkpoints",
    summary="Sign what the chains of all records are now",
    description="Besides the daily one. Whatever is older than a checkpoint cannot be rewritten unnoticed.",
    responses=answers(
        HTTPStatus.CREATED, CheckpointView, {HTTPStatus.CONFLICT: "Another checkpoint was made at this moment"}
    ),
)
def make_checkpoint() -> Response[CheckpointView]:
    made = bootstrap.make_checkpoint(EvidenceSettings.load()).make(datetime.now(UTC))
    return Response(HTTPStatus.CREATED, "application/json", view_of(made))
