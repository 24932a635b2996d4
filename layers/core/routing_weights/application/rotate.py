"""Rotate a secret in the four steps of Secrets Manager. Each step may run again, and any step may be the last one.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never

from routing_weights.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from routing_weights.application.ports import Renewal, SecretVersions

Step = Literal["createSecret", "setSecret", "testSecret", "finishSecret"]


@dataclass(frozen=True)
class Rotate:
    """Readers get the value before until `finishSecret` makes the tested value the current one, at once for all."""

    versions: SecretVersions
    renewal: Renewal

    def rotate(self, step: Step, version: str) -> None:
        """Do one step for a version of the secret.

        Raises:
            ConfigurationInvalid: the secret cannot be rotated, nobody has begun to rotate to this version, or somebody
                has stored another value since then.
            Unauthorized, Forbidden: Genesys refuses an OAuth client of the secret.
        """
        labels = self.versions.labels(version)
        if "AWSCURRENT" in labels:
            if step == "finishSecret":  # it may have died, or failed, before it had ended the use of the value before
                self.renewal.retire(self.versions.previous())
            return
        if "AWSPENDING" not in labels:
            raise ConfigurationInvalid("This version of the secret is not pending. Start a rotation of the secret.")
        match step:
            case "createSecret":
                if self.versions.pending(version) is None:
                    self.versions.store(version, self.renewal.renewed(self.versions.current()))
            case "setSecret":
                pass  # Genesys itself chooses new secrets and tokens, so `createSecret` has set what it has stored
            case "testSecret":
                self.renewal.check(self._pending(version), self.versions.current())
            case "finishSecret":
                self._pending(version)
                self.renewal.retire(self.versions.promote(version))
            case _:
                assert_never(step)

    def _pending(self, version: str) -> dict[str, object]:
        value = self.versions.pending(version)
        if value is None:
            raise ConfigurationInvalid("The pending version of the secret has no value: createSecret has failed.")
        return value
