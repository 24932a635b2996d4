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
    """`{refused}`: the fingerprint of the token that Genesys did not accept, empty if there is none.

    `{stored}`: true if a good token is stored now. If it is false, another invocation is getting one.
    CloudFormation calls too, with a `RequestType`: it creates and deletes the resource TokenRevocation.
    """
    if "RequestType" in event:
        return {"answered": bootstrap.teardown(context)(event)}
    return {"stored": bootstrap.issuer(TokenSettings.load(), context).refresh(str(event.get("refused", "")))}
