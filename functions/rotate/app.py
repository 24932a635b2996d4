"""Rotate: one step of the rotation of the client credentials or of the access tokens, called by Secrets Manager."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import rotate as bootstrap
from routing_weights.settings import RotateSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """`{Step, SecretId, ClientRequestToken}`: the step, the secret's ARN, and the version that becomes current."""
    rotation = bootstrap.rotation(RotateSettings.load(), context, event["SecretId"])
    rotation.rotate(event["Step"], event["ClientRequestToken"])
    logger.info("A step of a rotation is done", step=event["Step"], secret=event["SecretId"])
