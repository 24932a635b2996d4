"""Secrets Manager: the client credentials, the token, and the secrets of webhooks."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from routing_weights import errors
from routing_weights.adapters.aws.client import client, reported


def json_object(text: str, secret_id: str) -> dict[str, Any]:
    """Parse a secret's text. Raises ConfigurationInvalid, without the text."""
    try:
        value = json.loads(text or "{}")
    except ValueError:  # the error must not carry the text
        value = None
    if not isinstance(value, dict):
        raise errors.ConfigurationInvalid(f"The secret {secret_id} does not hold a JSON object.") from None
    return value


@dataclass(frozen=True)
class JsonSecret:
    """A secret whose text is a JSON object. Every call reads it anew; a caller may keep what it reads."""

    secret_id: str

    def read(self) -> dict[str, Any]:
        """Return the object. It is empty if the secret never got a value."""
        try:
            with reported("read a secret", expected=("ResourceNotFoundException",)):
                text = client("secretsmanager").get_secret_value(SecretId=self.secret_id).get("SecretString", "")
        except ClientError:  # the template makes the secret, without a value
            return {}
        return json_object(text, self.secret_id)

    def write(self, value: dict[str, Any]) -> None:
        with reported("store the token"):
            client("secretsmanager").put_secret_value(SecretId=self.secret_id, SecretString=json.dumps(value))


@dataclass
class KeptSecret:
    """A secret that is read again once it is `KEPT_S` old."""

    KEPT_S: ClassVar[float] = 60.0

    secret: JsonSecret
    clock: Callable[[], float] = time.monotonic
    _read_at: float = field(default=-math.inf, init=False)
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def texts(self, *names: str) -> tuple[str, ...]:
        """Return the values of these names, without those that are empty or missing."""
        now = self.clock()
        if now - self._read_at >= self.KEPT_S:
            self._kept = self.secret.read()
            self._read_at = now
        values = (self._kept.get(name) for name in names)
        return tuple(value for value in values if isinstance(value, str) and value)


class WebhookSecrets(KeptSecret):
    """The secrets that verify or sign webhooks."""

    def current(self) -> tuple[str, ...]:
        """Return `current`, and during a rotation `previous`. Empty if the secret never got a value."""
        return self.texts("current", "previous")

    def bearers(self) -> tuple[str, ...]:
        """Return the bearer secrets in the same way: `bearer_current`, `bearer_previous`."""
        return self.texts("bearer_current", "bearer_previous")
