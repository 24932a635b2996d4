"""Wires the function Patrol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.patrol_table import Patrols
from routing_weights.adapters.aws.queues import ChangeQueue
from routing_weights.application.patrol import Patrol

if TYPE_CHECKING:
    from routing_weights.settings import PatrolSettings

prepare("dynamodb", "sqs")


def patrol(settings: PatrolSettings) -> Patrol:
    return Patrol(
        Patrols(settings.drift_table),
        ChangeQueue(settings.webhook_queue),
        settings.drift_patrol_minutes,
        settings.our_requests_per_minute,
    )
