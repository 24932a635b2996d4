"""Wires the function Calibrate."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.drawn_table import DrawnHistory
from routing_weights.adapters.aws.state_machine import Executions
from routing_weights.application.measure import Measure
from routing_weights.bootstrap import stores
from routing_weights.bootstrap.analytics import analytics
from routing_weights.bootstrap.deadlines import has_time

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.settings import CalibrateSettings

prepare("dynamodb", "lambda", "s3", "secretsmanager", "stepfunctions")


def measure(settings: CalibrateSettings, context: LambdaContext) -> Measure:
    executions = Executions(settings.state_machine_arn)
    return Measure(
        stores.writing_trail(settings),
        executions,
        analytics(settings, context),
        DrawnHistory(settings.shares_table),
        partial(has_time, context),
    )
