"""Webhook: the public door. What proves to be our sender's is queued; of all else there is but a log line."""

import json
import time
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.secrets import JsonSecret, WebhookSecrets
from routing_weights.adapters.aws.webhook_inbox import Deliveries
from routing_weights.api.body import raw_body
from routing_weights.domain.change_events import event_of
from routing_weights.domain.signing import (
    DELIVERY,
    SIGNATURE,
    delivery_of,
    require_size,
    unsigned_delivery,
    verify,
    verify_bearer,
)
from routing_weights.errors import RoutingWeightsError, StoreUnavailable
from routing_weights.settings import WebhookSettings

logger = Logger()


@cache
def _secrets(secret_id: str) -> WebhookSecrets:
    return WebhookSecrets(JsonSecret(secret_id))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """`POST /webhooks/genesys/callback`: 202 queued, 200 known already, else a problem and nothing queued."""
    try:
        return _take(event)
    except RoutingWeightsError as error:
        # Never the headers and the body: they are a stranger's, and may hold what is secret elsewhere.
        logger.warning("Webhook refused", error_type=type(error).__name__, reason=error.message)
        return _answer(error.http_status, "application/problem+json", _problem(error))
    except Exception:  # a defect of ours: it is logged, and a stranger sees neither its text nor a trace
        logger.exception("Unexpected error")
        unexpected = RoutingWeightsError("Something unexpected went wrong; it is in the log. Send the webhook again.")
        return _answer(unexpected.http_status, "application/problem+json", _problem(unexpected))


def _take(event: dict[str, Any]) -> dict[str, Any]:
    settings, now = WebhookSettings.load(), time.time()
    headers, body = event.get("headers") or {}, raw_body(event)
    require_size(body)
    delivery_id, names = _proven(headers, body, settings, now)
    deliveries = Deliveries(settings.deliveries_table, settings.webhook_queue)
    if deliveries.known(names, now):
        return _accepted(HTTPStatus.OK, delivery_id, "known")
    found = event_of(body, delivery_id)
    # Queued first and noted then: whatever fails between the two, the event is not lost. Two copies that come at the
    # same moment may both be queued; what they lead to is recorded once (store.drift).
    deliveries.enqueue(found)
    try:
        deliveries.note(names, now)
    except StoreUnavailable as error:
        logger.warning("The delivery is queued and could not be noted", reason=error.message)
    return _accepted(HTTPStatus.ACCEPTED, delivery_id, "queued")


def _proven(headers: dict[str, str], body: bytes, settings: WebhookSettings, now: float) -> tuple[str, list[str]]:
    """The delivery's id, and the names that it is remembered by, once its sender is sure."""
    secrets = _secrets(settings.webhook_secret)
    if settings.webhook_bearer == "on" and SIGNATURE not in headers:
        bearers = secrets.bearers()
        if not bearers:
            logger.error(
                "WebhookSecret holds no bearer_current: until then every webhook that is not signed is refused"
            )
        verify_bearer(headers, bearers)
        delivery_id = delivery_of(headers) if DELIVERY in headers else unsigned_delivery(body, now)
        # A name of its own: what is not signed must not make a signed delivery known.
        return delivery_id, [f"unsigned:{delivery_id}"]
    signed_with = secrets.current()
    if not signed_with:
        logger.error("WebhookSecret holds no secret: put {current: ...} into it. Until then every webhook is refused")
    verify(headers, body, signed_with, now)
    delivery_id = delivery_of(headers)
    # The id is not signed: the signature is a name of the delivery too, or a copy with another id would be new.
    return delivery_id, [f"id:{delivery_id}", headers[SIGNATURE]]


def _accepted(status: HTTPStatus, delivery_id: str, what: str) -> dict[str, Any]:
    return _answer(status, "application/json", {"delivery_id": delivery_id, "status": what})


def _problem(error: RoutingWeightsError) -> dict[str, Any]:
    """As `api.problem_of`, whose module is a third of this function's start."""
    listed = {name: error.details[name] for name in ("errors", "error_count") if name in error.details}
    said = {"type": error.problem_type(), "title": error.title, "status": error.http_status, "detail": error.message}
    return said | listed


def _answer(status: int, content_type: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": int(status), "headers": {"Content-Type": content_type}, "body": json.dumps(body)}
