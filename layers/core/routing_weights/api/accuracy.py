"""The route of accuracy: what was projected for a queue, and what then happened."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from pydantic import BaseModel, Field

from routing_weights.api.problem import answers
from routing_weights.api.realised import RealisedAccuracyView, realised_accuracy
from routing_weights.api.request import After, Limit, QueueId, Since, Until, new_router, span_of
from routing_weights.application.accuracy import CANNOT_TELL, Compared, compared
from routing_weights.bootstrap import plans as bootstrap
from routing_weights.domain.record import Measurement, RealisedAccuracy
from routing_weights.domain.status import Status
from routing_weights.projection.accuracy import Blame, Figure, Summary, sentence, summarise
from routing_weights.settings import PlansSettings

router = new_router()


class MeasurementView(BaseModel):
    """What was projected for one completed distribution, and what then happened."""

    distribution_id: str
    state: str = Field(
        description="measured; not_alone (another distribution was at work, so this one does not count); "
        "not_comparable, pending or missed (no figures); cannot_tell (contract score)"
    )
    why: str | None = Field(default=None, description="A sentence for every state but measured.")
    completed_at: str
    start: str | None = Field(default=None, description="The interval that was measured.")
    end: str | None = None
    others: list[str] = Field(default_factory=list, description="The other distributions that were at work.")
    source: str | None = Field(default=None, description="Where the forecast came from.")
    media: list[str] = Field(default_factory=list)
    figures: dict[str, Figure] = Field(
        default_factory=dict,
        description="offered (per interval of the forecast), aht_s, service_level, abandonment and mean_wait_s. error "
        "is realised - predicted. low to high is the projected 95 % interval of the mean; inside is true if the "
        "realised value is in it. within_chance widens the interval by the scatter of as many independent contacts.",
    )
    blame: Blame | None = Field(
        default=None,
        description="The error of the service level in two parts: by_forecast is the difference in Erlang A between "
        "the forecast and the realised volume, by_model is the rest.",
    )
    realised_shares: RealisedAccuracyView | None = Field(
        default=None,
        description="How near what the members received came to the plan; null before it is measured. The record of "
        "the distribution has each member.",
    )


class CalibrationPage(BaseModel):
    """Predicted against realised, for the completed distributions of a queue, newest first."""

    queue_id: str
    measured: int = Field(description="How many of the items are in `summary` and `sentence`.")
    sentence: str
    summary: dict[str, Summary] = Field(
        description="By figure. mean_error is the bias; inside and within_chance are shares of count."
    )
    items: list[MeasurementView]
    next: str | None = Field(default=None, description="Send it as `next` to read on; null on the last page.")


@router.get(
    "/queues/<queue_id>/calibration",
    summary="What was projected for a queue, and what then happened",
    description="For the queue's completed distributions, newest first. `from` and `to` are inclusive and refer to "
    "their opening. `summary` and `sentence` are of this page.",
    responses=answers(HTTPStatus.OK, CalibrationPage, {}),
)
def get_calibration(
    queue_id: QueueId,
    since: Since = "",
    until: Until = "",
    limit: Limit = 20,
    after: After = "",
) -> CalibrationPage:
    settings, (begin, end) = PlansSettings.load(), span_of(since, until)
    trail = bootstrap.trail(settings)
    runs, token = trail.of_queue(queue_id, since=begin, until=end, limit=limit, after=after or None)
    completed = [run for run in runs if run.status is Status.COMPLETED]
    measurements = trail.of_kind(Measurement, [run.distribution_id for run in completed])
    can_tell = settings.genesys_contract == "platform"
    items = compared(completed, measurements, datetime.now(UTC), can_tell=can_tell)
    shares = trail.of_kind(RealisedAccuracy, [run.distribution_id for run in completed])
    return calibration_page(queue_id, items, shares, token, can_tell=can_tell)


def calibration_page(
    queue_id: str,
    items: Sequence[Compared],
    shares: Mapping[str, RealisedAccuracy],
    token: str | None,
    *,
    can_tell: bool,
) -> CalibrationPage:
    counted = [item.comparison for item in items if item.state == "measured" and item.comparison]
    return CalibrationPage(
        queue_id=queue_id,
        measured=len(counted),
        sentence=sentence(counted) if can_tell or counted else CANNOT_TELL,
        summary=summarise(counted),
        items=[measurement(item, shares.get(item.run.distribution_id)) for item in items],
        next=token,
    )


def measurement(item: Compared, shares: RealisedAccuracy | None) -> MeasurementView:
    view = MeasurementView(
        distribution_id=item.run.distribution_id,
        completed_at=item.run.timestamp,
        state=item.state,
        why=item.why,
        realised_shares=realised_accuracy(shares) if shares else None,
    )
    after, comparison = item.measurement, item.comparison
    if after is None or comparison is None or after.predicted is None or after.realised is None:
        return view
    return view.model_copy(
        update={
            "start": after.start,
            "end": after.end,
            "others": list(after.others),
            "source": after.predicted.source,
            "media": list(after.realised.media),
            "figures": comparison.figures,
            "blame": comparison.blame,
        }
    )
