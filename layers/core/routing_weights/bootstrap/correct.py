"""Wires the function Correct."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.drawn_table import DrawnHistory
from routing_weights.adapters.aws.shares_table import SharesTable
from routing_weights.adapters.aws.standings_table import AgentStandings
from routing_weights.adapters.aws.tally_table import TallyTable
from routing_weights.application.correct_shares import CorrectShares
from routing_weights.bootstrap.analytics import analytics
from routing_weights.bootstrap.deadlines import has_time

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.settings import CorrectSettings

prepare("dynamodb", "lambda", "secretsmanager")


def correct_shares(settings: CorrectSettings, context: LambdaContext) -> CorrectShares:
    table = settings.shares_table
    return CorrectShares(
        SharesTable(table),
        TallyTable(table),
        AgentStandings(table),
        DrawnHistory(table),
        analytics(settings, context),
        partial(has_time, context),
    )
