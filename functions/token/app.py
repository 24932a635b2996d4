"""Token: the only reader of the client credentials. It gets one new token for all who ask at the same time."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import token as bootstrap
from routing_weights.settings import TokenSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, bool]:
    """`{refused, number}`: the fingerprint of the token that Genesys did not accept, empty if there is none.

    A client has up to ten tokens, with numbers from 0.
    `{stored}`: true if a good token is stored now. If it is false, another invocation is getting one.
    CloudFormation calls too, with a `RequestType`: it creates and deletes the resource TokenRevocation.
    """
    if "RequestType" in event:
        return {"answered": bootstrap.teardown(context)(event)}
    refused, number = str(event.get("refused", "")), int(event.get("number", 0))
    return {"stored": bootstrap.issuer(TokenSettings.load(), context).refresh(refused, number)}
