"""Receives a webhook: once its sender is sure, the change event in it is queued."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aws_lambda_powertools import Logger

from routing_weights.application.ports import ChangeQueue, Deliveries, WebhookSecrets
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
from routing_weights.errors import StoreUnavailable

logger = Logger(child=True)


@dataclass(frozen=True)
class Received:
    delivery_id: str
    status: Literal["queued", "known"]


@dataclass(frozen=True)
class ReceiveWebhook:
    secrets: WebhookSecrets
    deliveries: Deliveries
    queue: ChangeQueue
    accepts_bearer: bool
    """Accept a webhook that has a bearer secret in place of a signature."""

    def receive(self, headers: Mapping[str, str], body: bytes, now: float) -> Received:
        """Queue the event of a webhook, unless the delivery is known. `now` is in epoch seconds.

        Raises:
            WebhookTooLarge, WebhookRefused, WebhookInvalid: nothing is queued.
        """
        require_size(body)
        delivery_id, names = self._verified(headers, body, now)
        if self.deliveries.known(names, now):
            return Received(delivery_id, "known")
        event = event_of(body, delivery_id)
        # Queued first and noted then: whatever fails between the two, the event is not lost. Two copies that come at
        # the same moment may both be queued; the drift that they lead to has one entry.
        self.queue.send(event)
        try:
            self.deliveries.note(names, now)
        except StoreUnavailable as error:
            logger.warning("The delivery is queued and could not be noted", reason=error.message)
        return Received(delivery_id, "queued")

    def _verified(self, headers: Mapping[str, str], body: bytes, now: float) -> tuple[str, list[str]]:
        """The delivery's id, and the names that it is remembered by."""
        if self.accepts_bearer and SIGNATURE not in headers:
            bearers = self.secrets.bearers()
            if not bearers:
                logger.error("WebhookSecret holds no bearer_current: until then every unsigned webhook is refused")
            verify_bearer(headers, bearers)
            delivery_id = delivery_of(headers) if DELIVERY in headers else unsigned_delivery(body, now)
            # A name of its own: an unsigned delivery must not make a signed one known.
            return delivery_id, [f"unsigned:{delivery_id}"]
        secrets = self.secrets.current()
        if not secrets:
            logger.error(
                "WebhookSecret holds no secret: put {current: ...} into it. Until then every webhook is refused"
            )
        verify(headers, body, secrets, now)
        delivery_id = delivery_of(headers)
        # The id is not signed: the signature is a name of the delivery too, or a copy with another id would be new.
        return delivery_id, [f"id:{delivery_id}", headers[SIGNATURE]]
