"""Advance: judges what has been done of a fleet, and says what its execution does next."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from routing_weights.bootstrap import advance as bootstrap
from routing_weights.domain.fleet import Held
from routing_weights.domain.fleet_steps import Tick
from routing_weights.settings import AdvanceSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """`{fleet_id, attempt, last}`, where `last` is the step before; with `hold`, keep the token of a held wave."""
    tick = Tick.model_validate(event)
    logger.append_keys(fleet_id=tick.fleet_id)
    advance = bootstrap.advance(AdvanceSettings.load(), context)
    if "hold" in event:
        advance.hold(tick, Held.model_validate(event["hold"]))
        metrics.add_metric("FleetHeld", MetricUnit.Count, 1)
        return {}
    return advance.advance(tick, datetime.now(UTC)).to_json()
