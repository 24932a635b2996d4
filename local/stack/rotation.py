"""Secrets Manager calls the function of a rotation: four steps, one after another, until one fails.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html and
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html. AWS also tries a failed rotation
again later, which this does not.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.stack.runtime import Outcome

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
SERVICE = "secretsmanager.amazonaws.com"
PENDING, CURRENT = "AWSPENDING", "AWSCURRENT"


def run(invoke: Callable[[str, bytes], Outcome], function: str, secret_arn: str, version: str) -> bool:
    """Run the steps for a version. Returns True if all of them succeeded."""
    return all(step(invoke, function, secret_arn, version, name) for name in STEPS)


def step(invoke: Callable[[str, bytes], Outcome], function: str, secret_arn: str, version: str, name: str) -> bool:
    event = {"Step": name, "SecretId": secret_arn, "ClientRequestToken": version}
    return not invoke(function, json.dumps(event).encode()).failed
