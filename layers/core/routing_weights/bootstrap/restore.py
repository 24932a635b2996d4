"""Wires the function Restore."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.application.restore import Restore
from routing_weights.bootstrap import genesys, stores
from routing_weights.bootstrap.deadlines import has_time

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.domain.run import Run
    from routing_weights.settings import RestoreSettings

prepare("dynamodb", "lambda", "s3", "secretsmanager")


def restore(settings: RestoreSettings, context: LambdaContext, run: Run, holder: str) -> Restore:
    return Restore(
        stores.documents(settings),
        genesys.reconnect(settings, context, run, settings.locks_table, holder, restoring=True),
        genesys.settling(settings),
        partial(has_time, context),
        context.aws_request_id,
    )
