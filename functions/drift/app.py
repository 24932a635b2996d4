"""Drift: processes the queue of events. Each event makes it read its queue and record, report or repair drift."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.drift_table import DriftEntries
from routing_weights.adapters.aws.event_bus import Bus
from routing_weights.adapters.aws.patrol_table import Patrol
from routing_weights.adapters.aws.state_machine import Executions
from routing_weights.adapters.aws.webhook_inbox import look_again, put_off, told_by
from routing_weights.application.answer_drift import Repairs
from routing_weights.application.detect_drift import Watch
from routing_weights.application.patrol import PATIENCE_S
from routing_weights.bootstrap import decided, has_time
from routing_weights.domain.change_events import ChangeEvent, event_in
from routing_weights.errors import QueueBusy, QueueNotFound, RoutingWeightsError, WebhookInvalid
from routing_weights.settings import DriftSettings

logger = Logger()
_looked_at_ms: dict[str, int] = {}
"""When this process began its last reading of a queue that came to an end: a burst of events does not need one each."""


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An SQS batch: the events of one queue are answered by one reading, and what fails comes back by itself."""
    settings = DriftSettings.load()
    documents, entries = Documents(settings.documents_bucket), DriftEntries(settings.drift_table)
    repairs = Repairs(
        entries,
        documents,
        Executions(settings.state_machine_arn),
        settings.max_repairs_per_hour,
        settings.repair_after_s,
        lambda event, after_s: look_again(settings.webhook_queue, event, after_s),
        Bus(settings.outgoing_bus),
    )
    watch = Watch(
        AuditTrail(settings.audit_table, documents),
        settings.locks_table,
        entries,
        lambda run, decision: decided(settings, context, run, decision),
        repairs.answer,
    )
    patrol = Patrol(settings.drift_table)
    giving_way = replace(
        watch, contract=lambda run, decision: decided(settings, context, run, decision, patience_s=PATIENCE_S)
    )
    together: dict[str, list[dict[str, Any]]] = {}
    failed: list[dict[str, Any]] = []
    for message in event["Records"]:
        try:
            together.setdefault(event_in(message["body"]).queue_id, []).append(message)
        except WebhookInvalid:  # our door writes no such message, and the rule of the partner bus lets none by
            logger.exception("A message is no event", message_id=message["messageId"])
            failed.append(message)
    for queue_id, messages in together.items():
        if not has_time(context):
            failed += messages
            continue
        events = [event_in(message["body"]) for message in messages]
        # A repair that was put off until now has not been answered by what was seen before.
        if all(
            not event.deferred and told_by(message, _looked_at_ms.get(queue_id, 0))
            for event, message in zip(events, messages, strict=True)
        ):
            continue
        is_patrol = all(event.kind == "patrol" for event in events)
        if _look(giving_way if is_patrol else watch, patrol, queue_id, events):
            continue
        failed += messages
    put_off(settings.webhook_queue, failed)
    return {"batchItemFailures": [{"itemIdentifier": message["messageId"]} for message in failed]}


def _look(watch: Watch, patrol: Patrol, queue_id: str, events: list[ChangeEvent]) -> bool:
    """Look at one queue; False where its events have to come back."""
    now = datetime.now(UTC)
    now_ms = int(now.timestamp() * 1000)
    try:
        watch.look(queue_id, events, now)
        patrol.looked(queue_id, now_ms)
        _looked_at_ms[queue_id] = now_ms
    except QueueNotFound:
        logger.info("Genesys no longer has the queue", queue_id=queue_id)
    except RoutingWeightsError as error:
        is_busy = isinstance(error, QueueBusy)
        left = (is_busy or error.retryable) and all(event.kind == "patrol" for event in events)
        (logger.info if is_busy or left else logger.warning)(
            "Left to the next patrol, which begins with it" if left else "The queue could not be compared",
            queue_id=queue_id,
            error_type=type(error).__name__,
            reason=error.message,
        )
        return left
    except Exception:  # a defect of ours: logged, tried again, and at last a dead letter, with an alarm
        logger.exception("Unexpected error", queue_id=queue_id)
        return False
    return True
