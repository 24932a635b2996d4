"""Wires the function Audit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.efforts import FleetSums, Histories
from routing_weights.adapters.aws.patrol_table import Patrols
from routing_weights.adapters.aws.schedule_group import Group
from routing_weights.application.account import Account
from routing_weights.application.close import Close
from routing_weights.bootstrap import stores
from routing_weights.bootstrap.metered import own_effort
from routing_weights.domain.effort import prices

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.settings import AuditSettings

prepare("dynamodb", "s3", "scheduler", "stepfunctions")


def close(settings: AuditSettings, context: LambdaContext) -> Close:
    return Close(
        stores.documents(settings),
        stores.writing_trail(settings, settings.locks_table),
        Patrols(settings.drift_table),
        Group(settings.one_time_group),
        Account(Histories(), own_effort("audit", context), prices(settings.aws_region)),
        FleetSums(settings.fleets_table),
        partial(_end_approval, settings),
    )


def _end_approval(settings: AuditSettings, distribution_id: str) -> None:
    from routing_weights.adapters.aws.approvals_table import Approvals  # noqa: PLC0415 - of a run that was stopped

    Approvals(settings.approvals_table).end(distribution_id)
