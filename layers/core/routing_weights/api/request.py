"""What routes read of a request: the body, the caller, and the parameters that several routes have."""

import base64
import json
import re
import time
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from pydantic import BaseModel

from routing_weights.api.body import raw_body
from routing_weights.bootstrap import people as bootstrap
from routing_weights.domain.access import Bounds, Person, Role, everywhere, plain_name
from routing_weights.domain.problems import problem, request_invalid
from routing_weights.domain.record import timestamp
from routing_weights.domain.run import LONGEST_CALLER, Origin
from routing_weights.domain.strict_json import read
from routing_weights.domain.types import DISTRIBUTION_ID, GenesysId, Name
from routing_weights.domain.types import FleetId as IdOfFleet
from routing_weights.errors import SignInExpired

Model = TypeVar("Model", bound=BaseModel)

DistributionId = Annotated[str, Path(pattern=DISTRIBUTION_ID, description="An execution's name.")]
FleetId = Annotated[IdOfFleet, Path(description="The `fleet_id` of POST /fleets.")]
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


def person_of(event: APIGatewayProxyEventV2) -> Person:
    """The caller, as the gateway's authorizer verified it. No header, parameter or body has a say in it.

    Raises:
        SignInExpired: the gateway does not say who calls, or what this system knew of the caller has expired.
    """
    match dict(event.request_context.authorizer):
        case {"iam": {"userArn": str(arn)}} if arn:
            return Person(arn, "", "iam", everywhere(Role))
        case {"jwt": {"claims": {"iss": str(issuer), "sub": str(subject), **claims}}} if issuer and subject:
            name = bootstrap.roles_claim()
            roles = _roles_in(claims.get(name), _in_token(event.headers.get("authorization", ""), name))
            return Person(_kept(f"jwt:{issuer}#{subject}"), plain_name(claims.get("name")), "jwt", everywhere(roles))
        case {"lambda": {"person": str(reference)}} if reference:
            person = bootstrap.signed_in(reference, time.time())
            if person is not None:
                return person
    raise SignInExpired("Your sign-in is over. Get a new token, and send the request again.")


def _kept(caller: str) -> str:
    """A caller as records can keep it. Raises SignInExpired for one that they cannot."""
    if len(caller) > LONGEST_CALLER or not caller.isprintable():
        message = f"Issuer and subject of the token are longer than {LONGEST_CALLER} characters, or not printable."
        raise SignInExpired(f"{message} Records could not keep who you are: get another token.")
    return caller


def _roles_in(claim: object, in_token: object) -> list[Role]:
    """The roles that a claim names: the words of a text, or the entries of a list.

    The gateway turns the list `["Junior planner"]` into the text `[Junior planner]`, which does not show where an entry
    ends. So the list is taken from the token that the gateway has verified, and counts only if it gives this text.
    """
    if not isinstance(claim, str):
        return []
    if not claim.startswith("["):
        named = claim.split()
    elif isinstance(in_token, list) and claim == f"[{' '.join(map(str, in_token))}]":
        named = in_token
    else:
        named = []
    return [role for role in Role if role.value in named]


def _in_token(header: str, name: str) -> object:
    """A claim of a JWT that is not verified here."""
    _, *parts = re.sub(r"^Bearer +", "", header, flags=re.IGNORECASE).split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(f"{parts[0]}==")) if parts else None
    except (ValueError, RecursionError):
        return None
    return claims.get(name) if isinstance(claims, dict) else None


def caller_of(event: APIGatewayProxyEventV2) -> str:
    """What records keep of the caller."""
    return person_of(event).id


def origin_of(event: APIGatewayProxyEventV2) -> Origin:
    person = person_of(event)
    request_id = event.request_context.request_id
    return Origin(door="api", request_id=request_id, caller=person.id, caller_name=person.name or None)


def bounds_of(event: APIGatewayProxyEventV2) -> Bounds:
    """What the caller may plan, for the routes whose body names queues."""
    person = person_of(event)
    return Bounds(person.queues_for(Role.PLANNER), "" if person.kind == "iam" else person.id)


def own_key(event: APIGatewayProxyEventV2, key: str | None) -> str | None:
    """An Idempotency-Key as it is stored. Each person's keys are apart; callers by IAM share theirs."""
    space = bounds_of(event).space
    return f"{space}\n{key}" if key and space else key


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
