"""POST /plans/suggest: proposes weights that pass the gates, as a plan that can be posted. Writes nothing."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, Field

from routing_weights.api.problem import answers
from routing_weights.api.projection import ProjectionView
from routing_weights.api.request import body_of, bounds_of, new_router
from routing_weights.application.suggest import draft_of
from routing_weights.bootstrap import suggest as bootstrap
from routing_weights.domain.plan import Plan
from routing_weights.domain.run import Run
from routing_weights.domain.types import ShareOptions
from routing_weights.settings import SuggestSettings

router = new_router()

PROBLEMS = {
    HTTPStatus.NOT_FOUND: "Genesys has no such queue, or does not show it to the OAuth client",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The plan breaks a rule, or does not fit the queue; `errors` has each reason",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A defect of this system, or a parameter or a secret that is wrong",
    HTTPStatus.BAD_GATEWAY: "Genesys refuses the request or the OAuth client",
    HTTPStatus.SERVICE_UNAVAILABLE: "Genesys or an AWS service did not answer, or asks to wait; send it again",
}


class Tried(BaseModel):
    """Weights that were projected for a suggestion."""

    weights: str
    verdict: str
    reason: str


class HoldView(ShareOptions):
    """The proposed hold time, for actuator share."""

    why: str


class Draft(Plan):
    """A plan whose weights are to be proposed."""

    member_weights: dict[str, float] = Field(  # for openapi.json: suggest.draft_of reads it
        default_factory=dict, description="Optional. With `proportional` their ratios are kept."
    )
    objective: Literal["proportional", "skill_coverage", "equal_occupancy"] = "equal_occupancy"


class Suggestion(BaseModel):
    """The proposed weights, as a plan that can be posted as it is."""

    objective: str = Field(description="proportional, skill_coverage or equal_occupancy")
    passes: bool = Field(description="False: no plan passes the gates, and this is the best that was tried.")
    plan: dict[str, Any]
    hold: HoldView | None = Field(
        default=None, description="For actuator share: the hold time of the plan, and why. Null for other actuators."
    )
    projection: ProjectionView = Field(description="The projection of that plan: before and after, and the checks.")
    tried: list[Tried]


@router.post(
    "/plans/suggest",
    summary="Propose weights that pass the gates",
    description="Takes a plan, with or without `member_weights`, and an `objective`. For actuator share it proposes a "
    "hold time too. Writes nothing.",
    responses=answers(HTTPStatus.OK, Suggestion, PROBLEMS),
)
def suggest_plan() -> Suggestion:
    event = router.current_event
    draft, objective = draft_of(body_of(event))
    bounds_of(event).require(draft.queues_named)
    run = Run(distribution_id="", execution_arn="", started_at=datetime.now(UTC), queue_id=draft.queue_id)
    suggest = bootstrap.suggest(SuggestSettings.load(), router.lambda_context, run)
    return Suggestion(**suggest.suggest(draft, objective))
