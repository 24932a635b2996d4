"""Wires the secrets that sign messages."""

from __future__ import annotations

from functools import cache

from routing_weights.adapters.aws.secrets import JsonSecret, WebhookSecrets


@cache
def webhook_secrets(secret_id: str) -> WebhookSecrets:
    return WebhookSecrets(JsonSecret(secret_id))
