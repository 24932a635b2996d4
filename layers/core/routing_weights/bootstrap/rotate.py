"""Wires the function Rotate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.secret_versions import SecretVersions
from routing_weights.adapters.aws.secrets import JsonSecret
from routing_weights.adapters.genesys.renewals import CredentialsRenewal, Logins, TokensRenewal
from routing_weights.adapters.genesys.tokens import platform_request, score_request
from routing_weights.adapters.genesys.transport import Transport, shared_session
from routing_weights.application.rotate import Rotate
from routing_weights.bootstrap.deadlines import deadline
from routing_weights.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.adapters.genesys.tokens import TokenRequest
    from routing_weights.domain.credentials import OAuthClient
    from routing_weights.settings import RotateSettings

prepare("secretsmanager")


def rotation(settings: RotateSettings, context: LambdaContext, secret_id: str) -> Rotate:
    """The rotation of one of the deployment's two secrets that rotate. Raises ConfigurationInvalid for another one."""
    is_platform = settings.genesys_contract == "platform"

    def token_request(client: OAuthClient) -> TokenRequest:
        ask = platform_request if is_platform else score_request
        return ask(settings.login_url, client.client_id, client.client_secret)

    transport = Transport(shared_session(), deadline(context), settings.max_retry_after_s)
    logins = Logins(transport, token_request, settings.api_url, lists_queues=is_platform)
    if secret_id == settings.credentials_secret:
        return Rotate(SecretVersions(secret_id), CredentialsRenewal(logins))
    if secret_id == settings.token_secret:
        credentials = JsonSecret(settings.credentials_secret).read
        return Rotate(SecretVersions(secret_id), TokensRenewal(logins, credentials, time.time))
    raise ConfigurationInvalid("Only CredentialsSecret and TokenSecret rotate with this function.")
