"""Wires the function Draw."""

from __future__ import annotations

import time
from functools import cache

from routing_weights.adapters.aws.client import Patience, prepare
from routing_weights.adapters.aws.standings_function import StandingsFunction
from routing_weights.adapters.aws.tally_table import TallyTable
from routing_weights.application.draw import DrawAgents
from routing_weights.settings import DrawSettings

CONNECT, READ, LAST_REQUEST = 0.3, 0.3, 0.35
"""Parts of a draw's patience: both time-outs of a request, and when the last request begins. 0.05 are left for us."""


def patience(settings: DrawSettings) -> Patience:
    """One attempt: the use case decides on the next one, and it knows how much time is left."""
    return Patience(CONNECT * settings.draw_patience_s, READ * settings.draw_patience_s, 1)


prepare("dynamodb", "lambda", patience=lambda: patience(DrawSettings.load()))


def draw(settings: DrawSettings) -> DrawAgents:
    return DrawAgents(
        TallyTable(settings.shares_table, patience(settings)),
        _readings(settings.standings_function, patience(settings)),
        settings.draw_limit,
        settings.standings_read_seconds,
        LAST_REQUEST * settings.draw_patience_s,
        time.monotonic,
        time.sleep,
    )


@cache
def _readings(name: str, patience: Patience) -> StandingsFunction:
    """One per process: it remembers for which queues it has just asked."""
    return StandingsFunction(name, patience)
