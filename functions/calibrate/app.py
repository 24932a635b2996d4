"""Calibrate: on a schedule, measures what happened in a queue after a distribution."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from routing_weights.bootstrap import calibrate as bootstrap
from routing_weights.settings import CalibrateSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], context: "LambdaContext") -> dict[str, int]:
    return bootstrap.measure(CalibrateSettings.load(), context).measure(datetime.now(UTC))
