"""The routes of fleets: many plans in one submission."""

from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, Field

from routing_weights.api.access import Owned
from routing_weights.api.problem import FieldProblem, answers
from routing_weights.api.request import (
    After,
    FleetId,
    IdempotencyKey,
    Limit,
    body_of,
    bounds_of,
    new_router,
    origin_of,
    own_key,
    person_of,
)
from routing_weights.bootstrap import fleets as bootstrap
from routing_weights.domain.access import Role
from routing_weights.domain.fleet import MAX_PLANS, Fleet, FleetOptions, FleetStatus, Verdict
from routing_weights.domain.fleet_progress import Progress, QueueProgress, QueueStatus
from routing_weights.domain.record import timestamp
from routing_weights.domain.status import Status
from routing_weights.settings import FleetsSettings

router = new_router()

Start = Annotated[int, Query(alias="next", ge=0, lt=MAX_PLANS, description="The `next` of the previous page.")]
QueueLimit = Annotated[int, Query(ge=1, le=1000)]
OfStatus = Annotated[
    QueueStatus | None,
    Query(alias="status", description="Only queues of this status: a distribution's, waiting or skipped."),
]

NOT_FOUND = {HTTPStatus.NOT_FOUND: "There is no such fleet"}
STEERED = NOT_FOUND | {HTTPStatus.CONFLICT: "The status of the fleet does not allow that; `detail` says what to do"}


def owner(fleet_id: str) -> Owned | None:
    """The queues of a fleet; None if there is no such fleet."""
    fleet = bootstrap.fleets(FleetsSettings.load()).find(fleet_id)
    return _owned(fleet) if fleet else None


def _owned(fleet: Fleet) -> Owned:
    queues = bootstrap.documents(FleetsSettings.load()).queues(fleet.fleet_id)
    return Owned(frozenset(item.queue_id for item in queues), fleet.origin.caller)


class UploadView(BaseModel):
    """Where to put a file of plans."""

    upload_id: str
    method: Literal["PUT"] = "PUT"
    url: str = Field(description="Send the file there, without credentials. Whoever has this address can do so.")
    expires_at: str


class AcceptedFleetView(BaseModel):
    """A fleet was accepted. `Location` says where it is."""

    fleet_id: str
    status: FleetStatus
    execution_arn: str
    total: int = Field(description="How many plans are carried out.")
    waves: list[int] = Field(description="How many of them are in each wave.")
    skipped: int = Field(description="How many plans were left out, because of skip_invalid.")
    errors: list[FieldProblem] = Field(description="What is wrong with those; at most 100 are listed.")
    error_count: int


class WaveView(BaseModel):
    wave: int = Field(description="From 0, as in the list of waves. Sentences count from 1.")
    queues: int
    ended: int
    failed: int
    verdict: Verdict | None = Field(default=None, description="The verdict of the gate after the wave.")
    reasons: list[str] = Field(default_factory=list)


class SpentView(BaseModel):
    """The effort of the fleet's distributions so far, from their records."""

    distributions: int = Field(description="How many are counted: those with an `effort` in their record.")
    requests: int = Field(description="Requests to Genesys.")
    transitions: int
    usd: float = Field(description="US dollars for AWS, at list prices.")


class SteeredView(BaseModel):
    """Somebody cancelled, continued or reverted the fleet."""

    action: Literal["cancel", "continue", "revert"]
    at: str
    by: str | None = Field(default=None, description="The verified caller.")
    by_name: str | None = None


class FleetView(BaseModel):
    """A fleet and how far it has come."""

    fleet_id: str
    status: FleetStatus
    terminal: bool
    sentence: str
    reason: str | None = Field(default=None, description="Why it was stopped, held or reverted.")
    total: int
    queues: dict[str, int] = Field(
        description="The number of queues of each status: that of a distribution, `waiting`, or `skipped` once the "
        "fleet has ended."
    )
    reverted: int = Field(description="How many queues were reverted.")
    wave: int | None = Field(
        default=None,
        description="The wave that is held or under way, from 0; null after the last one. Sentences count from 1.",
    )
    waves: list[WaveView]
    requests_left: int = Field(description="Requests to Genesys for the queues that wait, if all their members change.")
    seconds_left: float | None = Field(
        default=None, description="The time for these requests at RequestsPerMinute; null if they are not paced."
    )
    spent: SpentView
    options: FleetOptions
    submitted_at: str
    ended_at: str | None = None
    door: str
    caller: str | None = None
    caller_name: str | None = None
    steered: list[SteeredView] = Field(
        default_factory=list,
        description="Who cancelled, continued or reverted it, the oldest first. A decision about a held fleet shows "
        "once the fleet has acted on it.",
    )
    attempt: int = Field(description="From 1; continue and revert begin another one.")
    execution_arn: str


class FleetSummary(BaseModel):
    """A fleet in the list."""

    fleet_id: str
    status: FleetStatus
    terminal: bool
    total: int = Field(description="How many plans it has.")
    submitted_at: str
    ended_at: str | None = None
    door: str
    caller: str | None = None
    caller_name: str | None = None


class FleetPage(BaseModel):
    """Fleets, newest first."""

    items: list[FleetSummary]
    next: str | None = Field(default=None, description="Send it as `next` to read on; null on the last page.")


class FleetQueueView(BaseModel):
    """One queue of a fleet."""

    number: int = Field(description="From 0, in the order of the submission.")
    queue_id: str
    wave: int
    status: QueueStatus
    distribution_id: str | None = Field(default=None, description="Its record: GET /distributions/{distribution_id}.")
    sentence: str | None = None
    reverted_by: str | None = Field(default=None, description="The distribution that reverted the queue.")
    revert_status: Status | None = None


class FleetQueuePage(BaseModel):
    """Queues of a fleet, in the order of the submission."""

    items: list[FleetQueueView]
    next: int | None = Field(default=None, description="Send it as `next` to read on; null on the last page.")


class SteeredFleet(BaseModel):
    """The request was accepted. `Location` says where the fleet is."""

    fleet_id: str


@router.post(
    "/fleets/uploads",
    status_code=HTTPStatus.CREATED,
    summary="Get an address for a file of plans",
    description="Put JSON Lines (one plan in each line) or CSV there, at most 64 MiB. Then name it in POST /fleets. "
    "Files are deleted after 7 days.",
    responses=answers(HTTPStatus.CREATED, UploadView, {}),
)
def open_upload() -> Response[UploadView]:
    upload = bootstrap.open_upload(FleetsSettings.load()).open(datetime.now(UTC), bounds_of(router.current_event).space)
    body = UploadView(upload_id=upload.upload_id, url=upload.url, expires_at=timestamp(upload.expires_at))
    return Response(HTTPStatus.CREATED, content_types.APPLICATION_JSON, body)


@router.post(
    "/fleets",
    status_code=HTTPStatus.ACCEPTED,
    summary="Submit many plans",
    description="Every plan is validated at once. If one is wrong, nothing is started, unless options.skip_invalid is "
    "set. The same Idempotency-Key and plans lead to the same fleet; one that broke off is resumed.",
    responses=answers(
        HTTPStatus.ACCEPTED,
        AcceptedFleetView,
        {
            HTTPStatus.UNPROCESSABLE_ENTITY: "The request or a plan breaks a rule; `errors` has each one with its path "
            "or its line and column",
            HTTPStatus.CONFLICT: "The Idempotency-Key has started another fleet",
        },
    ),
)
def submit_fleet(idempotency_key: IdempotencyKey = None) -> Response[AcceptedFleetView]:
    submit, event = bootstrap.submit_fleet(FleetsSettings.load()), router.current_event
    key, bounds = own_key(event, idempotency_key), bounds_of(event)
    accepted = submit.submit(body_of(event), origin_of(event), key, datetime.now(UTC), bounds)
    fleet, reading = accepted.fleet, accepted.reading
    body = AcceptedFleetView(
        fleet_id=fleet.fleet_id,
        status=fleet.status,
        execution_arn=fleet.execution_arn,
        total=fleet.total,
        waves=[wave.count or 0 for wave in fleet.waves],
        skipped=reading.plans - len(reading.accepted),
        errors=[FieldProblem.model_validate(found) for found in reading.problems],
        error_count=reading.problem_count,
    )
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, body, _location(fleet.fleet_id))


@router.get(
    "/fleets",
    summary="The fleets",
    description="Newest first. A fleet and its changes show within seconds. Whoever may see some queues only gets the "
    "fleets that have no others.",
    responses=answers(HTTPStatus.OK, FleetPage, {}),
)
def list_fleets(limit: Limit = 20, after: After = "") -> FleetPage:
    fleets, person = bootstrap.list_fleets(FleetsSettings.load()), person_of(router.current_event)

    def is_shown(fleet: Fleet) -> bool:
        return person.queues is None or _owned(fleet).is_for(person, Role.VIEWER)

    page, following = fleets.list(limit, after or None, datetime.now(UTC), is_shown)
    return FleetPage(items=[fleet_summary(fleet, status) for fleet, status in page], next=following)


@router.get("/fleets/<fleet_id>", summary="One fleet", responses=answers(HTTPStatus.OK, FleetView, NOT_FOUND))
def get_fleet(fleet_id: FleetId) -> FleetView:
    return fleet_view(bootstrap.show_fleet(FleetsSettings.load()).show(fleet_id, datetime.now(UTC)))


@router.get(
    "/fleets/<fleet_id>/queues",
    summary="The queues of a fleet",
    description="In the order of the submission.",
    responses=answers(HTTPStatus.OK, FleetQueuePage, NOT_FOUND),
)
def list_queues(
    fleet_id: FleetId, status: OfStatus = None, limit: QueueLimit = 100, start: Start = 0
) -> FleetQueuePage:
    queues = bootstrap.list_queues(FleetsSettings.load())
    page, following = queues.list(fleet_id, status, start, limit, datetime.now(UTC))
    return FleetQueuePage(items=[queue_view(queue) for queue in page], next=following)


@router.post(
    "/fleets/<fleet_id>/cancel",
    status_code=HTTPStatus.ACCEPTED,
    summary="Cancel a fleet",
    description="No further queue begins. Queues that are being changed are finished, or restored if they fail.",
    responses=answers(HTTPStatus.ACCEPTED, SteeredFleet, STEERED),
)
def cancel_fleet(fleet_id: FleetId) -> Response[SteeredFleet]:
    bootstrap.cancel_fleet(FleetsSettings.load()).cancel(fleet_id, origin_of(router.current_event), datetime.now(UTC))
    return _steered(fleet_id)


@router.post(
    "/fleets/<fleet_id>/continue",
    status_code=HTTPStatus.ACCEPTED,
    summary="Let a fleet go on",
    description="A held fleet finishes its wave and begins the next one. A fleet whose execution broke off is resumed.",
    responses=answers(HTTPStatus.ACCEPTED, SteeredFleet, STEERED),
)
def continue_fleet(fleet_id: FleetId) -> Response[SteeredFleet]:
    bootstrap.continue_fleet(FleetsSettings.load()).go_on(fleet_id, origin_of(router.current_event), datetime.now(UTC))
    return _steered(fleet_id)


@router.post(
    "/fleets/<fleet_id>/revert",
    status_code=HTTPStatus.ACCEPTED,
    summary="Revert what a fleet has changed",
    description="Queue by queue, the newest first, each by a distribution like any other.",
    responses=answers(HTTPStatus.ACCEPTED, SteeredFleet, STEERED),
)
def revert_fleet(fleet_id: FleetId) -> Response[SteeredFleet]:
    bootstrap.revert_fleet(FleetsSettings.load()).revert(fleet_id, origin_of(router.current_event), datetime.now(UTC))
    return _steered(fleet_id)


def fleet_view(progress: Progress) -> FleetView:
    fleet = progress.fleet
    current = next((wave.wave for wave in progress.waves if wave.ended < wave.queues), None)
    return FleetView(
        fleet_id=fleet.fleet_id,
        status=progress.status,
        terminal=progress.status.terminal,
        sentence=progress.status.sentence,
        reason=fleet.reason or (fleet.held.reason if fleet.held else None),
        total=fleet.total,
        queues=progress.queues,
        reverted=progress.reverted,
        wave=fleet.held.wave if fleet.held else current,
        waves=[WaveView(**asdict(wave)) for wave in progress.waves],
        requests_left=progress.requests_left,
        seconds_left=progress.seconds_left,
        spent=SpentView(**asdict(progress.spent)),
        options=fleet.options,
        submitted_at=fleet.submitted_at,
        ended_at=fleet.ended_at or None,
        door=fleet.origin.door,
        caller=fleet.origin.caller or None,
        caller_name=fleet.origin.caller_name,
        steered=[
            SteeredView(action=each.action, at=each.at, by=each.origin.caller or None, by_name=each.origin.caller_name)
            for each in fleet.steered
        ],
        attempt=fleet.attempt,
        execution_arn=fleet.execution_arn,
    )


def fleet_summary(fleet: Fleet, status: FleetStatus) -> FleetSummary:
    return FleetSummary(
        fleet_id=fleet.fleet_id,
        status=status,
        terminal=status.terminal,
        total=fleet.total,
        submitted_at=fleet.submitted_at,
        ended_at=fleet.ended_at or None,
        door=fleet.origin.door,
        caller=fleet.origin.caller or None,
        caller_name=fleet.origin.caller_name,
    )


def queue_view(queue: QueueProgress) -> FleetQueueView:
    outcome: dict[str, Any] = {}
    if queue.outcome:
        names = ("distribution_id", "sentence", "reverted_by", "revert_status")
        outcome = {name: getattr(queue.outcome, name) or None for name in names}
    return FleetQueueView(number=queue.number, queue_id=queue.queue_id, wave=queue.wave, status=queue.status, **outcome)


def _steered(fleet_id: str) -> Response[SteeredFleet]:
    body = SteeredFleet(fleet_id=fleet_id)
    return Response(HTTPStatus.ACCEPTED, content_types.APPLICATION_JSON, body, _location(fleet_id))


def _location(fleet_id: str) -> dict[str, str]:
    return {"Location": f"/fleets/{fleet_id}"}
