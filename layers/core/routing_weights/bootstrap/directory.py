"""Wires the function Directory."""

from __future__ import annotations

import time
from functools import cache, partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.approvals_table import Approvals
from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.drift_table import DriftEntries
from routing_weights.adapters.aws.newest_runs import NewestRuns
from routing_weights.adapters.genesys.directory import PlatformDirectory, ScoreDirectory
from routing_weights.application.show_queues import (
    KnownQueues,
    ListKnownQueues,
    ShowMembers,
    ShowQueue,
    StatesOfQueues,
)
from routing_weights.bootstrap import genesys, stores
from routing_weights.bootstrap.deadlines import deadline
from routing_weights.domain.actuation import Actuation
from routing_weights.domain.actuators import actuator_class, actuator_classes
from routing_weights.domain.run import Run
from routing_weights.domain.strategies import Strategy

if TYPE_CHECKING:
    from datetime import datetime

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.application.ports import Directory
    from routing_weights.settings import DirectorySettings

prepare("dynamodb", "lambda", "s3", "secretsmanager")
actuator_classes()  # each is imported when it is asked for, and any may be in force


def list_queues(settings: DirectorySettings, context: LambdaContext) -> ListKnownQueues:
    return ListKnownQueues(_directory(settings, context), _known(settings), _states(settings))


def show_queue(settings: DirectorySettings, context: LambdaContext) -> ShowQueue:
    return ShowQueue(_directory(settings, context), _states(settings), stores.trail(settings))


def show_members(settings: DirectorySettings, context: LambdaContext, queue_id: str, now: datetime) -> ShowMembers:
    run = Run(distribution_id="", execution_arn="", started_at=now, queue_id=queue_id)
    return ShowMembers(
        stores.trail(settings),
        stores.documents(settings),
        partial(genesys.contract, settings, context, run),
        _deployed(settings),
    )


def _directory(settings: DirectorySettings, context: LambdaContext) -> Directory:
    connection = genesys.transport(settings, deadline(context))
    authorised = genesys.client(settings, connection, settings.max_concurrent_writes)
    return PlatformDirectory(authorised) if settings.genesys_contract == "platform" else ScoreDirectory(authorised)


def _states(settings: DirectorySettings) -> StatesOfQueues:
    trail = stores.trail(settings)
    return StatesOfQueues(
        trail, NewestRuns(trail), DriftEntries(settings.drift_table), Approvals(settings.approvals_table)
    )


def _deployed(settings: DirectorySettings) -> Actuation:
    """For a queue in which nothing is in force: no plan gives the actuator a scale or a skill."""
    kind = actuator_class(settings.deployed_actuator)
    strategy = Strategy(description="nothing is in force")
    return Actuation(kind.for_weights([1.0], strategy.proficiency_digits), strategy, None, ())


@cache
def _known(_settings: DirectorySettings) -> KnownQueues:
    """Kept for the whole process."""
    return KnownQueues(time.monotonic)
