"""Wires the function Token."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.login_lock import LoginLock
from routing_weights.adapters.aws.secrets import JsonSecret
from routing_weights.adapters.genesys.teardown import answer
from routing_weights.adapters.genesys.tokens import TokenIssuer, platform_request, score_request
from routing_weights.adapters.genesys.transport import Transport, shared_session
from routing_weights.bootstrap.deadlines import deadline, remaining_s
from routing_weights.domain.credentials import credentials_of
from routing_weights.settings import TokenSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.adapters.genesys.tokens import TokenRequest

prepare("dynamodb", "secretsmanager")


def teardown(context: LambdaContext) -> Callable[[dict[str, Any]], bool]:
    """Answers CloudFormation. The settings are read when they are needed: it gets an answer even if they are wrong."""
    return partial(answer, revoke=lambda: issuer(TokenSettings.load(), context).tear_down())


def issuer(settings: TokenSettings, context: LambdaContext) -> TokenIssuer:
    ask = platform_request if settings.genesys_contract == "platform" else score_request

    def token_request() -> TokenRequest:
        client = credentials_of(JsonSecret(settings.credentials_secret).read()).active
        return ask(settings.login_url, client.client_id, client.client_secret)

    return TokenIssuer(
        secret=JsonSecret(settings.token_secret),
        transport=Transport(shared_session(), deadline(context), settings.max_retry_after_s),
        token_request=token_request,
        revoke_url=f"{settings.api_url}/api/v2/tokens/me",
        revoke_refused=settings.genesys_contract == "score",
        lock=LoginLock(settings.budget_table, f"login:{settings.token_secret}", remaining_s(context)),
    )
