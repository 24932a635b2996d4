"""Wires the function Outgoing."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.queues import DeadLetters, Queue
from routing_weights.adapters.genesys.transport import shared_session
from routing_weights.adapters.http.webhook_sender import Receiver
from routing_weights.application.deliver import DeliverOutcomes
from routing_weights.bootstrap.secrets import webhook_secrets

if TYPE_CHECKING:
    from routing_weights.settings import OutgoingSettings

prepare("secretsmanager", "sqs")


def deliver_outcomes(settings: OutgoingSettings) -> DeliverOutcomes:
    return DeliverOutcomes(
        _receiver(settings.outgoing_webhook_url) if settings.outgoing_webhook_url else None,
        webhook_secrets(settings.outgoing_secret),
        Queue(settings.outgoing_queue),
        DeadLetters(settings.outgoing_dead_letters),
    )


@cache
def _receiver(url: str) -> Receiver:
    return Receiver(url, shared_session())
