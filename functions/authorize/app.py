"""Authorize: the gateway asks who the owner of a token is. The answer counts for SignInCacheS."""

import time
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import authorize as bootstrap
from routing_weights.errors import SignInRefused
from routing_weights.settings import AuthorizeSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: "LambdaContext") -> dict[str, Any]:
    """A simple response of payload 2.0. An error becomes a 500 of the gateway, which it does not keep."""
    (header,) = event["identitySource"]
    try:
        signed_in = bootstrap.sign_in(AuthorizeSettings.load()).sign_in(header, time.time())
    except SignInRefused as refusal:
        logger.warning("Sign-in refused", reason=refusal.message)  # never the token
        return {"isAuthorized": False}
    return {"isAuthorized": True, "context": {"person": signed_in.reference, "caller": signed_in.person.id}}
