"""Calibrate: on a schedule, stores what happened in a queue after a distribution, beside what was projected."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.state_machine import Executions
from routing_weights.application.measure import Calibration
from routing_weights.bootstrap import analytics, has_time
from routing_weights.settings import CalibrateSettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
    settings = CalibrateSettings.load()
    trail = AuditTrail(settings.audit_table, Documents(settings.documents_bucket))
    calibration = Calibration(trail, Executions(settings.state_machine_arn), analytics(settings, context))
    return calibration.measure(datetime.now(UTC), lambda: has_time(context))
