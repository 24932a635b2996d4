"""The routes of pushed forecasts."""

import math
import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, Field, ValidationInfo, field_validator

from routing_weights.api.problem import answers
from routing_weights.api.request import QueueId, body_of, caller_of, new_router
from routing_weights.bootstrap import plans as bootstrap
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.domain.record import timestamp
from routing_weights.domain.strict_json import read
from routing_weights.domain.types import Instant, Line
from routing_weights.domain.volume import Contacts, StatedVolume
from routing_weights.errors import ForecastNotFound
from routing_weights.projection.inputs import Later, PushedForecast, Volume
from routing_weights.settings import PlansSettings

router = new_router()

DEFAULT_TTL_S, MAX_TTL_S = 86_400, 31 * 86_400
MOST_INTERVALS = 31 * 96
"""The quarters of an hour in a month."""
NOT_FOUND = {HTTPStatus.NOT_FOUND: "The queue has no forecast"}


class LaterInterval(Contacts):
    """An interval after the first one, as long as that."""

    start: Instant = Field(description="RFC 3339 with an offset. The interval before must have ended.")


class NewForecast(StatedVolume):
    """A forecast as a WFM system pushes it: of one interval, or of many."""

    source: Line | None = Field(default=None, description="The maker of the forecast, such as the WFM system's name.")
    valid_from: Instant | None = Field(default=None, description="RFC 3339 with an offset. When absent, now.")
    expires_at: Instant | None = Field(default=None, description="RFC 3339 with an offset. Send it or ttl_s.")
    ttl_s: Annotated[int, Field(ge=60, le=MAX_TTL_S)] | None = Field(
        default=None,
        description="Seconds from valid_from, or from now. When neither this nor expires_at is sent, a day.",
    )
    later: Annotated[list[LaterInterval], Field(max_length=MOST_INTERVALS)] = Field(
        default_factory=list,
        description="Further intervals, in the order of time. The first one then begins at valid_from, which is "
        "required, and each ends after interval_s, so there is no expires_at and no ttl_s. Between two intervals the "
        "forecast is not valid.",
    )

    @field_validator("ttl_s")
    @classmethod
    def _is_the_only_end(cls, ttl_s: int | None, info: ValidationInfo) -> int | None:
        if ttl_s is not None and info.data.get("expires_at") is not None:
            raise ValueError("the forecast has expires_at too: send one of them")
        return ttl_s

    @field_validator("later")
    @classmethod
    def _follow(cls, later: list[LaterInterval], info: ValidationInfo) -> list[LaterInterval]:
        if not later or "interval_s" not in info.data or "valid_from" not in info.data:
            return later
        if info.data["valid_from"] is None or info.data.get("expires_at") or info.data.get("ttl_s"):
            raise ValueError("a forecast of several intervals has valid_from, and neither expires_at nor ttl_s")
        ends, length = info.data["valid_from"], timedelta(seconds=info.data["interval_s"])
        for number, each in enumerate(later):
            ends += length
            if each.start < ends:
                raise ValueError(f"number {number}, from 0, begins before the one before it has ended")
            each.load(length.total_seconds())
            ends = each.start
        return later

    @property
    def ends(self) -> datetime | None:
        """The end that it states, or that of its last interval."""
        return self.later[-1].start + timedelta(seconds=self.interval_s) if self.later else self.expires_at


class ForecastView(BaseModel):
    """A pushed forecast, or an item that was put into ForecastTable by hand."""

    queue_id: str
    state: str = Field(description="valid, not_yet_valid or expired. Only a valid forecast is used.")
    load: float = Field(description="Erlangs.")
    forecast: StatedVolume | None = Field(
        default=None, description="Null for an item that was put into ForecastTable with projected_load alone."
    )
    source: str | None = None
    pushed_at: str | None = None
    pushed_by: str | None = Field(default=None, description="The caller's ARN.")
    age_s: float | None = None
    valid_from: str | None = None
    expires_at: str | None = None
    intervals_to_come: int = Field(default=0, description="How many later intervals have not begun yet.")


@router.put(
    "/queues/<queue_id>/forecast",
    summary="Push a queue's forecast",
    description="Replaces an earlier one. Plans without a load of their own are projected with it until it expires.",
    responses=answers(
        HTTPStatus.OK,
        ForecastView,
        {HTTPStatus.UNPROCESSABLE_ENTITY: "The forecast breaks a rule; `errors` has each one"},
    ),
)
def push_forecast(queue_id: QueueId) -> ForecastView:
    event, now = router.current_event, time.time()
    pushed = new_forecast(body_of(event), caller_of(event) or None, now)
    bootstrap.forecasts(PlansSettings.load()).put(queue_id, pushed)
    return forecast_view(queue_id, pushed, now)


@router.get(
    "/queues/<queue_id>/forecast",
    summary="The pushed forecast of a queue",
    responses=answers(HTTPStatus.OK, ForecastView, NOT_FOUND),
)
def get_forecast(queue_id: QueueId) -> ForecastView:
    pushed = bootstrap.forecasts(PlansSettings.load()).find(queue_id)
    if pushed is None:
        raise _no_forecast(queue_id)
    return forecast_view(queue_id, pushed, time.time())


@router.delete(
    "/queues/<queue_id>/forecast",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Delete a queue's forecast",
    responses=answers(HTTPStatus.NO_CONTENT, None, NOT_FOUND),
)
def delete_forecast(queue_id: QueueId) -> Response[None]:
    if not bootstrap.forecasts(PlansSettings.load()).delete(queue_id):
        raise _no_forecast(queue_id)
    return Response(HTTPStatus.NO_CONTENT)


def _no_forecast(queue_id: str) -> ForecastNotFound:
    return ForecastNotFound(f"Queue {queue_id} has no stored forecast. Push one with PUT /queues/{queue_id}/forecast.")


def new_forecast(raw: str | bytes, pushed_by: str | None, now: float) -> PushedForecast:
    """Read a pushed forecast from JSON text. `now` is in epoch seconds. Raises RequestInvalid with every problem."""
    new, problems = read(raw, NewForecast)
    if new is not None:
        begins = max(now, new.valid_from.timestamp()) if new.valid_from else now
        expires = new.ends.timestamp() if new.ends else begins + (new.ttl_s or DEFAULT_TTL_S)
        if new.valid_from and begins > now + MAX_TTL_S:
            problems.append(problem("valid_from", "must be within 31 days from now", "time_invalid"))
        elif not begins < expires <= begins + MAX_TTL_S:
            message = "must be after now and after valid_from, by at most 31 days"
            problems.append(problem("later" if new.later else "expires_at", message, "time_invalid"))
    if problems or new is None:
        raise request_invalid(*problems)
    volume = StatedVolume.model_validate(new.model_dump(include=set(StatedVolume.model_fields)))
    return PushedForecast(
        Volume.of(volume).load,
        volume,
        detail=new.source or "",
        updated_at=now,
        pushed_by=pushed_by,
        valid_from=new.valid_from.timestamp() if new.valid_from else None,
        expires_at=math.ceil(expires),
        later=[Later(each.start.timestamp(), each.offered, each.aht_s) for each in new.later],
    )


def forecast_view(queue_id: str, pushed: PushedForecast, now: float) -> ForecastView:
    current = pushed.at(now)
    return ForecastView(
        queue_id=queue_id,
        state=pushed.state(now),
        load=current.load,
        forecast=current.volume,
        source=pushed.detail or None,
        pushed_at=_shown(pushed.updated_at),
        pushed_by=pushed.pushed_by,
        age_s=pushed.age_s(now),
        valid_from=_shown(current.valid_from),
        expires_at=_shown(pushed.expires_at),
        intervals_to_come=sum(each.start > now for each in pushed.later),
    )


def _shown(at: float | None) -> str | None:
    return None if at is None else timestamp(datetime.fromtimestamp(at, UTC))
