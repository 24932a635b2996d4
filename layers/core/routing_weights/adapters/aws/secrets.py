"""Secrets Manager: the client credentials, the token, and what webhooks are signed with."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from routing_weights import errors
from routing_weights.adapters.aws.client import client, reported


@dataclass(frozen=True)
class JsonSecret:
    """A secret whose text is a JSON object. Read anew each time: who calls decides what to keep."""

    secret_id: str

    def read(self) -> dict[str, Any]:
        """The object; empty where no value was ever put."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            with reported("read a secret", expected=("ResourceNotFoundException",)):
                text = client("secretsmanager").get_secret_value(SecretId=self.secret_id).get("SecretString", "")
        except ClientError:  # the secret exists from the template; it has no value yet
            return {}
        try:
            value = json.loads(text or "{}")
        except ValueError:  # the text itself must not travel with the error
            value = None
        if not isinstance(value, dict):
            raise errors.ConfigurationInvalid(f"The secret {self.secret_id} does not hold a JSON object.") from None
        return value

    def write(self, value: dict[str, Any]) -> None:
        with reported("store the token"):
            client("secretsmanager").put_secret_value(SecretId=self.secret_id, SecretString=json.dumps(value))


@dataclass(frozen=True)
class TokenFunction:
    """The function that issues tokens, as the Genesys-calling functions see it."""

    name: str

    def refresh(self, refused: str) -> bool:
        """Have the stored token replaced, unless it already was; failures are raised as their own class.

        False: somebody else is getting a token, or Lambda throttled the invocation (429). Ask again.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            with reported("invoke the token function", expected=("TooManyRequestsException",)):
                answer = client("lambda").invoke(FunctionName=self.name, Payload=json.dumps({"refused": refused}))
                payload = json.loads(answer["Payload"].read())
        except ClientError:
            return False
        if answer.get("FunctionError"):
            raise errors.from_wire(
                str(payload.get("errorType", "Lambda.Unknown")), str(payload.get("errorMessage", ""))
            )
        return bool(payload["stored"])


@dataclass
class WebhookSecrets:
    """What webhooks are checked or signed with, read anew once it is `KEPT_S` old."""

    KEPT_S: ClassVar[float] = 60.0

    secret: JsonSecret
    clock: Callable[[], float] = time.monotonic
    _read_at: float = field(default=-math.inf, init=False)
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def current(self) -> tuple[str, ...]:
        """`current`, and while it rotates `previous`; empty where no value was ever put."""
        return self._held("current", "previous")

    def bearers(self) -> tuple[str, ...]:
        """The same of those that are sent as they are: `bearer_current`, `bearer_previous`."""
        return self._held("bearer_current", "bearer_previous")

    def _held(self, *names: str) -> tuple[str, ...]:
        now = self.clock()
        if now - self._read_at >= self.KEPT_S:
            self._kept = self.secret.read()
            self._read_at = now
        found = (self._kept.get(name) for name in names)
        return tuple(value for value in found if isinstance(value, str) and value)
