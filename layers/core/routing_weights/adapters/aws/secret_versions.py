"""Secrets Manager: the versions of a secret that is rotated."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.adapters.aws.secrets import json_object
from routing_weights.errors import StoreUnavailable

TRIES = 3
"""How often a version is promoted if somebody stores another current one at the same moment."""


@dataclass(frozen=True)
class SecretVersions:
    secret_id: str

    def labels(self, version: str) -> Collection[str]:
        """Return the staging labels of a version, none if there is no such version."""
        return self._labels().get(version, [])

    def current(self) -> dict[str, Any]:
        return self._value(VersionStage="AWSCURRENT") or {}

    def previous(self) -> dict[str, Any]:
        return self._value(VersionStage="AWSPREVIOUS") or {}

    def pending(self, version: str) -> dict[str, Any] | None:
        """Return the value of a version, None if it has none."""
        return self._value(VersionId=version, VersionStage="AWSPENDING")

    def store(self, version: str, value: dict[str, Any]) -> None:
        with reported("store a version of a secret"):
            client("secretsmanager").put_secret_value(
                SecretId=self.secret_id,
                ClientRequestToken=version,
                SecretString=json.dumps(value),
                VersionStages=["AWSPENDING"],
            )

    def promote(self, version: str) -> dict[str, Any]:
        """Make a version the current one. Returns the value that it replaces."""
        for _ in range(TRIES):
            before = next(one for one, labels in self._labels().items() if "AWSCURRENT" in labels)
            replaced = self.current()
            try:
                with reported("promote a version of a secret", expected=("InvalidParameterException",)):
                    client("secretsmanager").update_secret_version_stage(
                        SecretId=self.secret_id,
                        VersionStage="AWSCURRENT",
                        MoveToVersionId=version,
                        RemoveFromVersionId=before,
                    )
            except ClientError:  # the label has left `before`
                continue
            return replaced
        raise StoreUnavailable("Somebody stores new values of the secret again and again.")

    def _value(self, **version: str) -> dict[str, Any] | None:
        try:
            with reported("read a version of a secret", expected=("ResourceNotFoundException",)):
                answer = client("secretsmanager").get_secret_value(SecretId=self.secret_id, **version)
        except ClientError:
            return None
        return json_object(answer["SecretString"], self.secret_id)

    def _labels(self) -> dict[str, list[str]]:
        with reported("read the versions of a secret"):
            answer = client("secretsmanager").describe_secret(SecretId=self.secret_id)
        return dict(answer.get("VersionIdsToStages", {}))
