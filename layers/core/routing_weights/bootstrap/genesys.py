"""The contract for a plan: connections, tokens, the budget of requests, and the time that is left."""

from __future__ import annotations

import time
from functools import cache, partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.budget_table import RequestBudget, TokenBudget
from routing_weights.adapters.aws.locks_table import fence
from routing_weights.adapters.aws.secrets import JsonSecret
from routing_weights.adapters.aws.token_function import TokenFunction
from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts import platform, score
from routing_weights.adapters.genesys.tokens import StoredTokens
from routing_weights.adapters.genesys.transport import Transport, shared_session
from routing_weights.bootstrap.deadlines import deadline
from routing_weights.domain.actuators.base import SharesItem
from routing_weights.domain.decision import Decision  # noqa: TC001 - Documents.work imports it late
from routing_weights.domain.verify import Settling

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.adapters.genesys.contracts.shares import QueueShares
    from routing_weights.adapters.genesys.transport import Deadline
    from routing_weights.application.ports import Genesys, Reconnect
    from routing_weights.domain.actuation import Actuation
    from routing_weights.domain.run import Run
    from routing_weights.settings import GenesysCaller, PatchSettings, QueueCaller, RestoreSettings, VerifySettings


@cache
def tokens(settings: GenesysCaller) -> StoredTokens:
    return StoredTokens(JsonSecret(settings.token_secret), TokenFunction(settings.token_function).refresh)


@cache
def budget(settings: GenesysCaller) -> RequestBudget | None:
    """One for each token, named by the secret: a deployment has one OAuth client, and one secret for its tokens."""
    if not settings.requests_per_minute:
        return None
    share = 1 - settings.reserved_for_others
    names = [settings.token_secret, *(f"{settings.token_secret}#{n}" for n in range(1, settings.token_pool))]
    return RequestBudget(
        [TokenBudget(settings.budget_table, name, settings.requests_per_minute, share) for name in names]
    )


def transport(
    settings: GenesysCaller,
    until: Deadline,
    fence: Callable[[], None] | None = None,
    *,
    patience_s: float | None = None,
) -> Transport:
    """`patience_s` replaces the deployment's longest pause that is slept."""
    patience = settings.max_retry_after_s if patience_s is None else patience_s
    return Transport(shared_session(), until, patience, budget=budget(settings), fence=fence)


def client(settings: GenesysCaller, transport: Transport, lanes: int = 1, correlation_id: str = "") -> GenesysClient:
    """Authorised by the process's tokens, which are waited for no longer than this invocation may work."""
    authorised = tokens(settings)
    authorised.begin(transport.deadline.at)
    needs = platform.needs if settings.genesys_contract == "platform" else score.needs
    return GenesysClient(settings.api_url, authorised, transport, needs, lanes, correlation_id)


def contract(
    settings: QueueCaller,
    context: LambdaContext,
    run: Run,
    actuation: Actuation,
    fence: Callable[[], None] | None = None,
    *,
    restoring: bool = False,
    patience_s: float | None = None,
) -> Genesys:
    """The deployment's contract for one plan, authorised, with the time that `context` and `run` leave.

    `fence` raises when the run must not write any more: see Transport.
    """
    until = deadline(context, run, restoring=restoring)
    connection = transport(settings, until, fence, patience_s=patience_s)
    authorised = client(settings, connection, settings.max_concurrent_writes, run.distribution_id)
    if settings.genesys_contract == "platform":
        shares = _shares(settings, run) if isinstance(actuation.actuator.carrier, SharesItem) else None
        return platform.PlatformContract(authorised, actuation, shares)
    return score.ScoreContract(authorised, actuation)


def _shares(settings: QueueCaller, run: Run) -> QueueShares:
    from routing_weights.adapters.aws.shares_table import SharesTable  # noqa: PLC0415 - of one actuator
    from routing_weights.adapters.genesys.contracts.shares import QueueShares  # noqa: PLC0415 - as above

    return QueueShares(SharesTable(settings.shares_table), run.distribution_id)


def decided(
    settings: QueueCaller,
    context: LambdaContext,
    run: Run,
    decision: Decision,
    fence: Callable[[], None] | None = None,
    *,
    restoring: bool = False,
    patience_s: float | None = None,
) -> Genesys:
    """The contract for what was decided before.

    Raises:
        PlanNotApplicable: the deployment speaks another contract by now.
    """
    decision.require_contract(settings.genesys_contract)
    return contract(settings, context, run, decision.actuation, fence, restoring=restoring, patience_s=patience_s)


def reconnect(
    settings: QueueCaller,
    context: LambdaContext,
    run: Run,
    locks_table: str = "",
    holder: str = "",
    *,
    restoring: bool = False,
) -> Reconnect:
    """Opens Genesys for what was decided. With a `holder`, it writes only while that execution holds the lock."""
    guard = fence(locks_table, run.queue_id, holder) if holder else None
    return partial(decided, settings, context, run, fence=guard, restoring=restoring)


def settling(settings: VerifySettings | PatchSettings | RestoreSettings) -> Settling:
    return Settling(settings.verify_timeout_s, time.monotonic, time.sleep)
