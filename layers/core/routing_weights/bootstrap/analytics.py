"""What Genesys knows of a queue's load."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from routing_weights.adapters.genesys.analytics import Analytics
from routing_weights.bootstrap import genesys
from routing_weights.bootstrap.deadlines import deadline

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.domain.run import Run
    from routing_weights.settings import GenesysCaller

ANALYTICS_S = 30.0
"""The time for all requests about a queue's load, with retries."""


def analytics(settings: GenesysCaller, context: LambdaContext, run: Run | None = None) -> Analytics | None:
    """What Genesys knows of a queue's load; None under contract `score`, which knows nothing of it.

    It gets some seconds and no more: a projection goes on without it.
    """
    if settings.genesys_contract != "platform":
        return None
    until = deadline(context, run)
    until = replace(until, at=min(until.at, time.monotonic() + ANALYTICS_S))
    return Analytics(genesys.client(settings, genesys.transport(settings, until)))
