"""Wires the function Shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.drawn_table import DrawnHistory
from routing_weights.adapters.aws.tally_table import TallyTable
from routing_weights.application.show_shares import ShowShares
from routing_weights.bootstrap import stores
from routing_weights.bootstrap.analytics import analytics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.settings import SharesSettings

prepare("dynamodb", "lambda", "s3", "secretsmanager")


def show_shares(settings: SharesSettings, context: LambdaContext) -> ShowShares:
    return ShowShares(
        stores.trail(settings),
        analytics(settings, context),
        TallyTable(settings.shares_table),
        DrawnHistory(settings.shares_table),
    )
