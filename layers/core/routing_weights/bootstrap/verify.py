"""Wires the function Verify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.application.verify import Verify
from routing_weights.bootstrap import genesys, stores

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.domain.run import Run
    from routing_weights.settings import VerifySettings

prepare("dynamodb", "lambda", "s3", "secretsmanager")


def verify(settings: VerifySettings, context: LambdaContext, run: Run) -> Verify:
    connect = genesys.reconnect(settings, context, run)
    return Verify(stores.documents(settings), connect, genesys.settling(settings))
