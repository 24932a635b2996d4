"""The end of a deployment: CloudFormation deletes our custom resource, and the token is revoked.

A custom resource gets `RequestType`, and answers with a PUT to `ResponseURL`. CloudFormation waits for the answer.
"""

from collections.abc import Callable
from typing import Any

import requests
from aws_lambda_powertools import Logger

from routing_weights.adapters.genesys.transport import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

logger = Logger(child=True)


def answer(event: dict[str, Any], revoke: Callable[[], None]) -> bool:
    """Revoke the token on `Delete`. Always answer SUCCESS, or CloudFormation could not delete the stack."""
    reason = ""
    if event["RequestType"] == "Delete":
        try:
            revoke()
        except Exception as error:  # the log has the whole error; without an answer, CloudFormation waits for an hour
            reason = f"The token was not revoked. It expires by itself: {type(error).__name__}"
            logger.warning("The token was not revoked", exc_info=error)
    body = {
        "Status": "SUCCESS",
        "Reason": reason,
        "PhysicalResourceId": event.get("PhysicalResourceId", "token"),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    # The URL is signed for a body without a Content-Type.
    response = requests.put(
        event["ResponseURL"], json=body, headers={"Content-Type": ""}, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
    )
    return response.ok
