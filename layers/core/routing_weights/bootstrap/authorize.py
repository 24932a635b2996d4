"""Wires the function Authorize."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.access_table import AccessTable
from routing_weights.adapters.aws.client import Patience, prepare
from routing_weights.adapters.genesys.own_token import OwnToken
from routing_weights.adapters.genesys.transport import shared_session
from routing_weights.application.sign_in import SignIn
from routing_weights.domain.access import Role

if TYPE_CHECKING:
    from routing_weights.settings import AuthorizeSettings

PATIENCE = Patience(1, 1, 2)
"""The gateway waits 10 s for the authorizer, and Genesys needs most of them."""

prepare("dynamodb", patience=lambda: PATIENCE)


def sign_in(settings: AuthorizeSettings) -> SignIn:
    return SignIn(
        partial(OwnToken, settings.api_url, shared_session()),
        AccessTable(settings.access_table, PATIENCE),
        settings.genesys_organisation_id,
        {Role.APPROVER: settings.approver_role, Role.OPERATOR: settings.operator_role},
        settings.sign_in_cache_s,
    )
