"""Patrol: on a schedule, queues a reading of each queue whose changes may come without an event."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.patrol_table import Patrol
from routing_weights.adapters.aws.webhook_inbox import look_again
from routing_weights.application.patrol import send_out
from routing_weights.settings import PatrolSettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], _context: Any) -> dict[str, int]:
    settings = PatrolSettings.load()
    sent = send_out(
        Patrol(settings.drift_table),
        lambda event, after_s: look_again(settings.webhook_queue, event, after_s),
        datetime.now(UTC),
        every_minutes=settings.drift_patrol_minutes,
        requests_per_minute=settings.requests_per_minute * (1 - settings.reserved_for_others),
    )
    return {"sent": sent}
