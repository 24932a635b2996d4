"""The public door for webhooks. It answers without a resolver, which would be most of the function's start."""

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.api.body import raw_body
from routing_weights.api.problem import problem_of
from routing_weights.errors import RoutingWeightsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from routing_weights.application.receive_webhook import ReceiveWebhook

logger = Logger(child=True)


def answer(event: dict[str, Any], use_case: "Callable[[], ReceiveWebhook]", now: float) -> dict[str, Any]:
    """`POST /webhooks/genesys/callback`: 202 queued, 200 known already, else a problem and nothing queued."""
    try:
        received = use_case().receive(event.get("headers") or {}, raw_body(event), now)
    except RoutingWeightsError as error:
        # Never the headers and the body: they are a stranger's, and may hold what is secret elsewhere.
        logger.warning("Webhook refused", error_type=type(error).__name__, reason=error.message)
        return _problem(error)
    except Exception:  # a defect of ours: it is logged, and a stranger sees neither its text nor a trace
        logger.exception("Unexpected error")
        return _problem(RoutingWeightsError("Something went wrong; it is in the log. Send the webhook again."))
    status = HTTPStatus.OK if received.status == "known" else HTTPStatus.ACCEPTED
    return _response(status, "application/json", {"delivery_id": received.delivery_id, "status": received.status})


def _problem(error: RoutingWeightsError) -> dict[str, Any]:
    problem = problem_of(error).model_dump(mode="json", exclude_defaults=True)
    return _response(error.http_status, "application/problem+json", problem)


def _response(status: int, content_type: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": int(status), "headers": {"Content-Type": content_type}, "body": json.dumps(body)}
