"""Wires the function Suggest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.shares_table import SharesTable
from routing_weights.application.suggest import Suggest
from routing_weights.bootstrap import genesys
from routing_weights.bootstrap.projector import projector
from routing_weights.domain.actuators import actuator_classes

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.domain.run import Run
    from routing_weights.settings import ProjectionSettings

prepare("dynamodb", "lambda", "secretsmanager")
actuator_classes()  # each is imported when it is asked for, and a plan may name any


def suggest(settings: ProjectionSettings, context: LambdaContext, run: Run) -> Suggest:
    return Suggest(
        projector(settings, context, run),
        partial(genesys.contract, settings, context, run),
        SharesTable(settings.shares_table),
    )
