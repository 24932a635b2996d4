"""The routes of baselines: named states of a queue."""

from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel, ConfigDict, Field

from routing_weights.api.problem import answers
from routing_weights.api.request import IdempotencyKey, QueueId, body_as, caller_of, new_router, origin_of, own_key
from routing_weights.api.submissions import INVALID, KEY_TAKEN, Accepted, RestoreOptions, accepted
from routing_weights.bootstrap import plans as bootstrap
from routing_weights.domain.revert import BaselineName
from routing_weights.domain.types import DISTRIBUTION_ID, Name
from routing_weights.settings import PlansSettings

router = new_router()

NameInPath = Annotated[Name, Path(description="The baseline's name.")]


class NewBaseline(BaseModel):
    """The state that a baseline names."""

    model_config = ConfigDict(extra="forbid", strict=True)

    distribution_id: Annotated[str, Field(pattern=DISTRIBUTION_ID)] | None = Field(
        default=None, description="A completed distribution of the queue. When absent, the newest one."
    )


class Baseline(BaseModel):
    """A named state of a queue: what it held after a completed distribution."""

    queue_id: str
    name: str
    distribution_id: str
    set_at: str
    set_by: str | None = None


class Baselines(BaseModel):
    items: list[Baseline]


@router.put(
    "/queues/<queue_id>/baselines/<name>",
    summary="Name what a queue holds after a completed distribution",
    description="Replaces an earlier baseline of that name.",
    responses=answers(
        HTTPStatus.OK, Baseline, {HTTPStatus.CONFLICT: "There is no such completed distribution of the queue"}
    ),
)
def set_baseline(queue_id: QueueId, name: NameInPath) -> Baseline:
    event, now = router.current_event, datetime.now(UTC)
    new = body_as(event, NewBaseline)
    use_case = bootstrap.set_baseline(PlansSettings.load())
    return Baseline(**asdict(use_case.set(queue_id, name, new.distribution_id, caller_of(event), now)))


@router.get(
    "/queues/<queue_id>/baselines",
    summary="The baselines of a queue",
    responses=answers(HTTPStatus.OK, Baselines, {}),
)
def list_baselines(queue_id: QueueId) -> Baselines:
    baselines = bootstrap.baselines(PlansSettings.load()).of_queue(queue_id)
    return Baselines(items=[Baseline(**asdict(baseline)) for baseline in baselines])


@router.post(
    "/queues/<queue_id>/baselines/<name>/restore",
    status_code=HTTPStatus.ACCEPTED,
    summary="Revert a queue to a baseline",
    description="Starts a distribution like any other: projected, locked, read back and audited.",
    responses=answers(
        HTTPStatus.ACCEPTED,
        Accepted,
        INVALID
        | {
            HTTPStatus.NOT_FOUND: "There is no such baseline",
            HTTPStatus.CONFLICT: f"{KEY_TAKEN}, or the baseline has no state to revert to",
        },
    ),
)
def restore_baseline(queue_id: QueueId, name: NameInPath, idempotency_key: IdempotencyKey = None) -> Response[Accepted]:
    revert, event, now = bootstrap.revert_to_baseline(PlansSettings.load()), router.current_event, datetime.now(UTC)
    baseline, options = BaselineName(queue_id=queue_id, name=name), body_as(event, RestoreOptions)
    return accepted(revert.revert(baseline, options, origin_of(event), own_key(event, idempotency_key), now))
