"""Advance: judges what has been done of a fleet, and returns the next step of its execution."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from routing_weights.bootstrap import advance as bootstrap
from routing_weights.domain.fleet import Held
from routing_weights.domain.fleet_request import for_a_cause
from routing_weights.domain.fleet_steps import Tick
from routing_weights.domain.run import Origin
from routing_weights.errors import FleetInvalid
from routing_weights.settings import AdvanceSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """`{fleet_id, attempt, last}`, where `last` is the step before; with `hold`, keep the token of a held wave.

    `{accept, fleet_id, execution_arn}`: a fleet that somebody started in the console.
    """
    settings, now = AdvanceSettings.load(), datetime.now(UTC)
    if "accept" in event:
        acceptance = bootstrap.accept_fleet(settings, event["execution_arn"])
        try:
            acceptance.accept(event["fleet_id"], json.dumps(event["accept"]), Origin(), now)
        except FleetInvalid as refusal:
            raise for_a_cause(refusal) from refusal
        return {}
    tick = Tick.model_validate(event)
    logger.append_keys(fleet_id=tick.fleet_id)
    advance = bootstrap.advance(settings, context)
    if "hold" in event:
        advance.hold(tick, Held.model_validate(event["hold"]), now)
        metrics.add_metric("FleetHeld", MetricUnit.Count, 1)
        return {}
    return advance.advance(tick, now).to_json()
