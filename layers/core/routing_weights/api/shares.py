"""The routes of shares: what was asked for, drawn and received in a queue, as figures and as a picture."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, Field

from routing_weights.api.problem import answers
from routing_weights.api.request import QueueId, Since, Until, instant, new_router
from routing_weights.bootstrap import shares as bootstrap
from routing_weights.charts.shares import chart
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.domain.realised import Row, SharesReport, accuracy_by_chance
from routing_weights.domain.record import timestamp
from routing_weights.settings import SharesSettings

router = new_router()

QUARTER = timedelta(minutes=15)
USUAL_SPAN, LONGEST_SPAN = timedelta(days=1), timedelta(days=31)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

PROBLEMS = {
    HTTPStatus.CONFLICT: "The deployment speaks contract score, which does not know what members receive",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A defect of this system, or a parameter or a secret that is wrong",
    HTTPStatus.BAD_GATEWAY: "Genesys refuses the request or the OAuth client",
    HTTPStatus.SERVICE_UNAVAILABLE: "Genesys or an AWS service did not answer, or asks to wait; send it again",
}
SPAN = "`from` (a day before `to`) and `to` (now) are rounded down to quarters of an hour; at most 31 days."


class PlanInForce(BaseModel):
    """A plan, and the part of the span in which it was in force."""

    distribution_id: str
    actuator: str | None = Field(description="Null if the record does not say it.")
    start: str
    end: str
    contacts: int = Field(description="Answered by anybody in this part.")


class ShareView(BaseModel):
    """What one user received of the queue's contacts."""

    user_id: str
    requested: float | None = Field(description="A share of all contacts; null for a user who is in no plan.")
    drawn: int | None = Field(description="How often the user was drawn; null where nothing draws.")
    drawn_share: float | None = Field(description="drawn / all draws, those of nobody included.")
    contacts: int = Field(description="The contacts that the user answered.")
    share: float | None = Field(description="contacts / the contacts of all users; null without contacts.")
    low: float = Field(description="Wilson's 95 % interval of the share.")
    high: float
    handle_s: float = Field(description="Talk, hold and after-call work that ended in the span, in seconds.")
    handle_share: float | None


class SharesPage(BaseModel):
    """Requested, drawn and realised shares of a queue in one span."""

    queue_id: str
    start: str
    end: str
    sentence: str
    contacts: int = Field(description="The sample size: contacts answered by all users.")
    handle_s: float
    realised_accuracy: float | None = Field(
        description="100 x (1 - mean |requested - realised share|) over the members of the plans; null below 100 "
        "contacts."
    )
    accuracy_by_chance: float | None = Field(
        description="The accuracy that as many contacts have on average if each is given at random, with exactly the "
        "requested shares."
    )
    why: str | None = Field(description="Why there is no realised accuracy.")
    draws: int | None = Field(description="All draws of the span, in whole quarters of an hour.")
    drawn_for_nobody: int | None = Field(description="Of these, for the part of the contacts that no weight asks for.")
    plans: list[PlanInForce] = Field(
        description="In the order of time. With several, `requested` is their mean, weighted by their contacts."
    )
    members: list[ShareView] = Field(description="The members of the plans, largest requested share first.")
    others: list[ShareView] = Field(description="Users who took contacts, or were drawn, without being in a plan.")
    notes: list[str]


@router.get(
    "/queues/<queue_id>/shares",
    summary="Requested, drawn and realised shares of a queue",
    description=f"What each member really received, under every actuator, from Genesys's analytics. {SPAN}",
    responses=answers(HTTPStatus.OK, SharesPage, PROBLEMS),
)
def get_shares(queue_id: QueueId, since: Since = "", until: Until = "") -> SharesPage:
    return shares_page(_report(queue_id, since, until))


@router.get(
    "/queues/<queue_id>/shares.svg",
    summary="The chart of a queue's shares",
    description=f"Requested, drawn and realised shares side by side, as a picture (SVG). {SPAN}",
    responses=answers(HTTPStatus.OK, None, PROBLEMS)
    | {HTTPStatus.OK.value: {"description": "OK", "content": {"image/svg+xml": {"schema": {"type": "string"}}}}},
)
def show_chart(queue_id: QueueId, since: Since = "", until: Until = "") -> Response[str]:
    return Response(HTTPStatus.OK, "image/svg+xml", chart(_report(queue_id, since, until)))


def shares_page(report: SharesReport) -> SharesPage:
    rows, plans, accuracy = report.rows(), report.requested(), report.accuracy()
    handle_s = sum(row.handled.handle_s for row in rows)
    known = not isinstance(accuracy, str)
    views = [(row, _view(row, report, handle_s)) for row in rows]
    return SharesPage(
        queue_id=report.queue_id,
        start=timestamp(report.start),
        end=timestamp(report.end),
        sentence=report.sentence(),
        contacts=report.contacts,
        handle_s=round(handle_s, 3),
        realised_accuracy=accuracy if known else None,
        accuracy_by_chance=accuracy_by_chance(plans, report.contacts) if known else None,
        why=None if known else str(accuracy),
        draws=None if report.drawn is None else report.draws,
        drawn_for_nobody=None if report.drawn is None else report.drawn.get("", 0),
        plans=[
            PlanInForce(
                distribution_id=part.distribution_id,
                actuator=part.actuator or None,
                start=timestamp(part.start),
                end=timestamp(part.end),
                contacts=part.contacts,
            )
            for part in report.parts
            if part.distribution_id
        ],
        members=[view for row, view in views if row.requested is not None],
        others=[view for row, view in views if row.requested is None],
        notes=list(report.notes),
    )


def _view(row: Row, report: SharesReport, handle_s: float) -> ShareView:
    return ShareView(
        user_id=row.user_id,
        requested=row.requested,
        drawn=row.drawn,
        drawn_share=row.drawn / report.draws if row.drawn is not None and report.draws else None,
        contacts=row.handled.contacts,
        share=row.share,
        low=row.low,
        high=row.high,
        handle_s=round(row.handled.handle_s, 3),
        handle_share=row.handled.handle_s / handle_s if handle_s else None,
    )


def _report(queue_id: str, since: str, until: str) -> SharesReport:
    now = datetime.now(UTC)
    start, end = span_until(now, since, until)
    return bootstrap.show_shares(SharesSettings.load(), router.lambda_context).show(queue_id, start, end, now)


def span_until(now: datetime, since: str, until: str) -> tuple[datetime, datetime]:
    """The span of a request, at quarters of an hour. What has not happened yet is left out. Raises RequestInvalid."""
    end = min(_quarter("to", until, now), _quarter("to", "", now))
    if end < EARLIEST:
        raise request_invalid(problem("to", f"before {EARLIEST:%Y}: choose a later time", "range_invalid"))
    start = _quarter("from", since, end) if since else end - USUAL_SPAN
    if start >= end:
        message = "not before `to`, or in the future: the span must have begun a quarter of an hour ago or earlier"
        raise request_invalid(problem("from", message, "range_invalid"))
    if end - start > LONGEST_SPAN:
        message = f"more than {LONGEST_SPAN.days} days before `to`: ask for less at once"
        raise request_invalid(problem("from", message, "range_invalid"))
    return start, end


def _quarter(name: str, text: str, default: datetime) -> datetime:
    at = datetime.fromisoformat(instant(name, text, timestamp(default)))
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
