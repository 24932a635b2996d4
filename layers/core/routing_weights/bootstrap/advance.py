"""Wires the function Advance."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.event_bus import Bus
from routing_weights.adapters.aws.fleet_documents import FleetDocuments
from routing_weights.adapters.aws.fleets_table import Fleets
from routing_weights.adapters.aws.own_execution import OwnExecution
from routing_weights.adapters.aws.queue_runs import QueueRuns
from routing_weights.application.advance_fleet import AdvanceFleet
from routing_weights.application.submit_fleet import AcceptFleet
from routing_weights.bootstrap.analytics import analytics
from routing_weights.bootstrap.deadlines import MAX_RUN_S

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.settings import AdvanceSettings

prepare("dynamodb", "events", "lambda", "s3", "secretsmanager", "stepfunctions")


def advance(settings: AdvanceSettings, context: LambdaContext) -> AdvanceFleet:
    return AdvanceFleet(
        Fleets(settings.fleets_table),
        FleetDocuments(settings.documents_bucket),
        QueueRuns(settings.state_machine_arn),
        partial(analytics, settings, context),
        settings.fleet_concurrency,
        settings.our_requests_per_minute,
        MAX_RUN_S,
        Bus(settings.outgoing_bus),
    )


def accept_fleet(settings: AdvanceSettings, execution_arn: str) -> AcceptFleet:
    """For a fleet that was started in the console: its execution runs before the fleet is accepted."""
    return AcceptFleet(
        FleetDocuments(settings.documents_bucket),
        Fleets(settings.fleets_table),
        OwnExecution(execution_arn),
        settings.deployed_actuator,
    )
