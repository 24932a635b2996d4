"""Sweep: on a schedule, finds the runs that were left behind and that no event has reported."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.documents import Documents
from routing_weights.application.recover import Recovery
from routing_weights.settings import SweepSettings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(_event: dict[str, Any], _context: Any) -> dict[str, int]:
    settings = SweepSettings.load()
    trail = AuditTrail(settings.audit_table, Documents(settings.documents_bucket))
    recovery = Recovery(settings.locks_table, trail, settings.recover_state_machine_arn)
    found = recovery.sweep(settings.state_machine_arn, datetime.now(UTC))
    if found:
        logger.warning("Runs were left behind, and nothing had noticed", count=found)
    return {"found": found}
