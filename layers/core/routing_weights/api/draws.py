"""Draws: the door of Genesys's data action, and the route for everybody else.

Both answer without a resolver, which would be most of the function's start: a contact waits for the answer.
"""

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools import Logger
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from routing_weights.api.body import raw_body
from routing_weights.api.problem import problem_of
from routing_weights.domain.draw import Draw, Reason
from routing_weights.domain.problems import problem, problems_of, request_invalid
from routing_weights.domain.strict_json import read
from routing_weights.domain.types import GenesysId, Line
from routing_weights.errors import RouteNotFound, RoutingWeightsError

if TYPE_CHECKING:
    from routing_weights.application.draw import DrawAgents

logger = Logger(child=True)

METRICS: dict[Reason, str] = {
    "drawn": "Drawn",
    "nobody": "DrawnNobody",
    "none_free": "DrawNoneFree",
    "no_shares": "DrawNoShares",
    "uncounted": "DrawUncounted",
    "failed": "DrawFailed",
}
REFUSED = "DrawRefused"
"""The metric of a request over HTTP that breaks a rule."""
_PATH = re.compile(r"/queues/([^/]+)/draws")


class NewDraw(BaseModel):
    """A contact that is about to be transferred to a queue."""

    model_config = ConfigDict(extra="forbid", strict=True)

    conversation_id: Line = Field(
        description="The same conversation gets the same answer for ten minutes, unless 128 others came since, and is "
        "counted once."
    )
    media: Annotated[
        str, StringConstraints(max_length=40), BeforeValidator(lambda value: "voice" if value is None else value)
    ] = Field(
        default="voice",
        description="voice, callback, chat, email or message. An agent with a contact may get another one, except a "
        "call or a callback.",
    )
    dry_run: bool = Field(default=False, description="True: the draw is answered and not counted.")


class DrawRequest(NewDraw):
    """What the data action sends. Fields that are not known here are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)

    queue_id: GenesysId


class DrawAnswer(BaseModel):
    """The preferred agents of a contact, flat, as Architect takes it. Without agents: transfer to the whole queue."""

    agents: list[str] = Field(description="User ids; the drawn agent is the first.")
    scores: list[int] = Field(description="The score of each agent, in the same order.")
    hold_s: int = Field(description="For how many seconds the queue's rules reach the drawn agent alone.")
    distribution_id: str = Field(description="The distribution whose shares are in force; empty if there is none.")
    reason: Reason = Field(
        description="drawn; nobody: the contact belongs to the part without agents; none_free: no member is free; "
        "no_shares: the queue has no shares in force; uncounted: drawn and not counted, because too many draws came at "
        "once; failed: a store did not answer, or the data action sent what cannot be read."
    )


def answer(event: Any, draws: Callable[[], "DrawAgents"], now: float) -> tuple[dict[str, Any], str]:
    """Return the answer to either door, and the metric that counts it. Nothing is raised.

    Whatever fails, the caller gets no agents, and the contact goes to the whole queue.
    """
    if isinstance(event, Mapping) and "requestContext" in event:
        try:
            request = _request_of(event)
        except RoutingWeightsError as error:
            problem = problem_of(error).model_dump(mode="json", exclude_defaults=True)
            return _response(error.http_status, "application/problem+json", problem), REFUSED
        flat, metric = _drawn(request, draws, now)
        return _response(HTTPStatus.OK, "application/json", flat), metric
    try:
        return _drawn(DrawRequest.model_validate(event), draws, now)
    except ValidationError as error:
        logger.warning("The data action sent what cannot be read", problems=problems_of(error))
        return _answered(Draw(reason="failed"))


def _request_of(event: Mapping[str, Any]) -> DrawRequest:
    """Raises RouteNotFound and RequestInvalid."""
    path = str(event.get("rawPath", ""))
    match = _PATH.fullmatch(path)
    if not match:
        raise RouteNotFound(f"There is no POST {path[:200]}.")
    try:
        body = raw_body(event)
    except (ValueError, TypeError, AttributeError):  # a data action that looks like a gateway
        raise request_invalid(problem("", "the body is no text", "json_invalid")) from None
    new, problems = read(body, NewDraw)
    if problems or new is None:
        raise request_invalid(*problems)
    try:
        return DrawRequest(queue_id=match[1], **new.model_dump())
    except ValidationError as error:
        raise request_invalid(*problems_of(error)) from None


def _drawn(request: DrawRequest, draws: Callable[[], "DrawAgents"], now: float) -> tuple[dict[str, Any], str]:
    try:
        draw = draws().draw(request.queue_id, request.conversation_id, request.media, now, dry_run=request.dry_run)
        return _answered(draw)
    except RoutingWeightsError as error:
        logger.warning("The draw failed", queue_id=request.queue_id, reason=error.message)
    except Exception:  # a defect of ours: no contact may wait for its repair
        logger.exception("The draw failed", queue_id=request.queue_id)
    return _answered(Draw(reason="failed"))


def _answered(draw: Draw) -> tuple[dict[str, Any], str]:
    answer = DrawAnswer(
        agents=list(draw.agents),
        scores=list(draw.scores),
        hold_s=draw.hold_s,
        distribution_id=draw.distribution_id,
        reason=draw.reason,
    )
    return answer.model_dump(), METRICS[draw.reason]


def _response(status: int, content_type: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": int(status), "headers": {"Content-Type": content_type}, "body": json.dumps(body)}
