"""The end of a deployment: CloudFormation deletes a resource of ours, and its token is revoked.

Protocol: a custom resource is told `RequestType` and answers with a PUT to `ResponseURL`; CloudFormation waits for it.
"""

from collections.abc import Callable
from typing import Any

import requests
from aws_lambda_powertools import Logger

from routing_weights.adapters.genesys.transport import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

logger = Logger(child=True)


def answer(event: dict[str, Any], revoke: Callable[[], None]) -> bool:
    """Revoke on `Delete`, and tell CloudFormation to go on in any case: a stack that cannot go helps nobody."""
    reason = ""
    if event["RequestType"] == "Delete":
        try:
            revoke()
        except Exception as error:  # hides nothing: it is logged whole, and CloudFormation would wait for an hour
            reason = f"The token was not revoked, and ends by itself: {type(error).__name__}"
            logger.warning("The token was not revoked", exc_info=error)
    body = {
        "Status": "SUCCESS",
        "Reason": reason,
        "PhysicalResourceId": event.get("PhysicalResourceId", "token"),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    # The URL is signed for a body without a Content-Type.
    told = requests.put(
        event["ResponseURL"], json=body, headers={"Content-Type": ""}, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
    )
    return told.ok
