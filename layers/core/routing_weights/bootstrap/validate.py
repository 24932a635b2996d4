"""Wires the function Validate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import routing_weights.domain.fleet  # noqa: F401 - Documents.fleet_line imports it late, as most functions read no fleet
from routing_weights.adapters.aws.baselines_table import BaselineStore
from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.efforts import Histories
from routing_weights.application.account import Account
from routing_weights.application.validate import Validate
from routing_weights.bootstrap import stores
from routing_weights.bootstrap.metered import own_effort
from routing_weights.domain.actuators import actuator_classes
from routing_weights.domain.effort import prices

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.settings import ValidateSettings

prepare("dynamodb", "s3", "stepfunctions")
actuator_classes()  # each is imported when it is asked for, and a plan may name any


def validate(settings: ValidateSettings, context: LambdaContext) -> Validate:
    return Validate(
        stores.documents(settings),
        stores.writing_trail(settings),
        BaselineStore(settings.baselines_table),
        Account(Histories(), own_effort("validate", context), prices(settings.aws_region)),
    )
