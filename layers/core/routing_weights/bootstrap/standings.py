"""Wires the function Standings."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.shares_table import SharesTable
from routing_weights.adapters.aws.standings_table import AgentStandings
from routing_weights.adapters.genesys.agent_statuses import AgentStatuses
from routing_weights.application.note_standings import NoteStandings, SharedUsers
from routing_weights.application.read_standings import PATIENCE_S, ReadStandings
from routing_weights.bootstrap import genesys
from routing_weights.bootstrap.deadlines import deadline

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.settings import StandingsSettings

prepare("dynamodb", "lambda", "secretsmanager")


def read_standings(settings: StandingsSettings, context: LambdaContext) -> ReadStandings:
    def connect() -> AgentStatuses:
        transport = genesys.transport(settings, deadline(context), patience_s=PATIENCE_S)
        return AgentStatuses(genesys.client(settings, transport))

    every_s = settings.standings_read_seconds if settings.genesys_contract == "platform" else 0.0
    return ReadStandings(
        SharesTable(settings.shares_table),
        AgentStandings(settings.shares_table),
        connect,
        every_s,
    )


def note_standings(settings: StandingsSettings) -> NoteStandings:
    return NoteStandings(_users(settings.shares_table), AgentStandings(settings.shares_table))


@cache
def _users(table: str) -> SharedUsers:
    """Kept for the whole process."""
    return SharedUsers(SharesTable(table))
