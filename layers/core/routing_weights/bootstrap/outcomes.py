"""Wires the function Outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.event_bus import Bus
from routing_weights.adapters.aws.queues import DeadLetters
from routing_weights.application.publish import PublishOutcomes, RepublishOutcomes
from routing_weights.bootstrap import stores

if TYPE_CHECKING:
    from routing_weights.settings import OutcomesSettings

prepare("dynamodb", "events", "s3", "sqs")


def publish_outcomes(settings: OutcomesSettings) -> PublishOutcomes:
    dead_letters = DeadLetters(settings.outcome_dead_letters)
    return PublishOutcomes(stores.trail(settings), Bus(settings.outgoing_bus), dead_letters)


def republish_outcomes(settings: OutcomesSettings) -> RepublishOutcomes:
    return RepublishOutcomes(stores.trail(settings), Bus(settings.outgoing_bus))
