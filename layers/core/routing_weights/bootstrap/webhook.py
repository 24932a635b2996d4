"""Wires the function Webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.queues import ChangeQueue
from routing_weights.adapters.aws.webhook_inbox import Deliveries
from routing_weights.application.receive_webhook import ReceiveWebhook
from routing_weights.bootstrap.secrets import webhook_secrets

if TYPE_CHECKING:
    from routing_weights.settings import WebhookSettings

prepare("dynamodb", "secretsmanager", "sqs")


def receive_webhook(settings: WebhookSettings) -> ReceiveWebhook:
    return ReceiveWebhook(
        webhook_secrets(settings.webhook_secret),
        Deliveries(settings.deliveries_table),
        ChangeQueue(settings.webhook_queue),
        settings.webhook_bearer == "on",
    )
