"""The account of a run, for the functions that close its record."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from routing_weights.adapters import meter
from routing_weights.adapters.aws.history import Histories
from routing_weights.application.account import Account
from routing_weights.domain.effort import prices

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.settings import Accounting


def account(settings: Accounting, context: LambdaContext, function: str) -> Account:
    """`function` is the one that runs: its own invocation counts as well."""
    own_effort = partial(meter.effort, function, int(context.memory_limit_in_mb))
    return Account(Histories(), own_effort, prices(settings.aws_region))
