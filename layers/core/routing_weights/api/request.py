"""What routes read of a request: the body, the caller, and the parameters that several routes have."""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from pydantic import BaseModel

from routing_weights.api.body import raw_body
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.domain.record import timestamp
from routing_weights.domain.run import Origin
from routing_weights.domain.strict_json import read
from routing_weights.domain.types import DISTRIBUTION_ID, GenesysId, Name

Model = TypeVar("Model", bound=BaseModel)

DistributionId = Annotated[str, Path(pattern=DISTRIBUTION_ID, description="An execution's name.")]
QueueId = Annotated[GenesysId, Path(description="The queue's id.")]
BaselineName = Annotated[Name, Path(description="The baseline's name.")]
Since = Annotated[str, Query(alias="from", max_length=40, description="RFC 3339; UTC without an offset.")]
Until = Annotated[str, Query(alias="to", max_length=40, description="RFC 3339; UTC without an offset.")]
Limit = Annotated[int, Query(ge=1, le=50)]
After = Annotated[str, Query(alias="next", max_length=2000, description="The `next` of the previous page.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Send the same key with a repeated request.",
    ),
]


def new_router() -> APIGatewayHttpRouter:
    """The routes of one resource: see `app.new_app`."""
    return APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


def body_of(event: APIGatewayProxyEventV2) -> bytes:
    """The body as it was sent, whatever its content type says: the code that judges it sees all of it.

    No route has a `Body` of Powertools: that reads some content types, and raises for all others.
    """
    return raw_body(event.raw_event)


def body_as(event: APIGatewayProxyEventV2, model: type[Model]) -> Model:
    """The body as a model whose fields are all optional. An empty body has none of them.

    Raises:
        RequestInvalid: with every problem, each at its path.
    """
    new, problems = read(body_of(event) or b"{}", model)
    if problems or new is None:
        raise request_invalid(*problems)
    return new


def caller_of(event: APIGatewayProxyEventV2) -> str:
    """The caller's ARN; empty if the gateway does not say who it is."""
    identity = event.request_context.authorizer.get("iam") or {}
    return str(identity.get("userArn") or "")


def origin_of(event: APIGatewayProxyEventV2) -> Origin:
    return Origin(door="api", caller=caller_of(event))


def span_of(since: str, until: str) -> tuple[str, str]:
    """The bounds of a listing as timestamps of records. Raises RequestInvalid."""
    begin, end = instant("from", since, "0000"), instant("to", until, "9999")
    if begin > end:
        raise request_invalid(problem("from", "later than `to`: swap the two", "range_invalid"))
    return begin, end


def instant(name: str, text: str, default: str) -> str:
    """A query parameter as a record's timestamp. Raises RequestInvalid if it is no RFC 3339 date or time."""
    if not text:
        return default
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a + in a query string arrives as a space
        return timestamp(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        message = "not an RFC 3339 date or time such as 2026-01-31T08:00:00Z"
        raise request_invalid(problem(name, message, "time_invalid")) from None
