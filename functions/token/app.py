"""Token: the only reader of the client credentials. Refreshes once for everybody who asks at the same time."""

from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.genesys import teardown
from routing_weights.bootstrap import issuer
from routing_weights.settings import TokenSettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, bool]:
    """`{refused}`: the fingerprint of the token that Genesys did not accept, empty where there is none.

    `{stored}`: whether a good token is stored now. Else another invocation is getting one.
    CloudFormation calls too, with a `RequestType`: it creates and deletes the resource TokenRevocation.
    """
    if "RequestType" in event:
        return {"answered": teardown.answer(event, lambda: issuer(TokenSettings.load(), context).tear_down())}
    return {"stored": issuer(TokenSettings.load(), context).refresh(str(event.get("refused", "")))}
