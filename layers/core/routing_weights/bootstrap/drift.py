"""Wires the function Drift."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.drift_table import DriftEntries
from routing_weights.adapters.aws.event_bus import Bus
from routing_weights.adapters.aws.locks_table import Locks
from routing_weights.adapters.aws.patrol_table import Patrols
from routing_weights.adapters.aws.queues import ChangeQueue
from routing_weights.application.answer_drift import AnswerDrift
from routing_weights.application.detect_drift import PATROL_PATIENCE_S, CompareQueue, DetectDrift
from routing_weights.bootstrap import genesys, stores
from routing_weights.bootstrap.deadlines import has_time
from routing_weights.bootstrap.submitting import submit

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.settings import DriftSettings

prepare("dynamodb", "events", "lambda", "s3", "secretsmanager", "sqs", "stepfunctions")


def detect_drift(settings: DriftSettings, context: LambdaContext) -> DetectDrift:
    compare = CompareQueue(
        stores.trail(settings),
        Locks(settings.locks_table),
        DriftEntries(settings.drift_table),
        stores.documents(settings),
        partial(genesys.decided, settings, context),
        answer_drift(settings).answer,
    )
    on_patrol = replace(compare, connect=partial(genesys.decided, settings, context, patience_s=PATROL_PATIENCE_S))
    return DetectDrift(
        compare.compare,
        on_patrol.compare,
        Patrols(settings.drift_table),
        ChangeQueue(settings.webhook_queue),
        _readings_ms(),
        partial(has_time, context),
        partial(datetime.now, UTC),
    )


def answer_drift(settings: DriftSettings) -> AnswerDrift:
    return AnswerDrift(
        DriftEntries(settings.drift_table),
        stores.documents(settings),
        submit(settings),
        ChangeQueue(settings.webhook_queue),
        Bus(settings.outgoing_bus),
        settings.max_repairs_per_hour,
        settings.repair_after_s,
    )


@cache
def _readings_ms() -> dict[str, int]:
    """Kept for the whole process: see DetectDrift."""
    return {}
