"""Wires the function Desk."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.sessions_table import SessionsTable
from routing_weights.adapters.genesys.code_grant import CodeGrant
from routing_weights.adapters.genesys.own_token import OwnToken
from routing_weights.adapters.genesys.transport import shared_session
from routing_weights.adapters.http.people_api import PeopleApi

if TYPE_CHECKING:
    import requests

    from routing_weights.settings import DeskSettings

PAGE_S = 24.0
"""How long all requests of a page to the API may take. The gateway waits 30 s for the page."""

prepare("dynamodb")


@dataclass(frozen=True)
class Desk:
    sessions: SessionsTable
    login: CodeGrant
    genesys_url: str
    session: requests.Session

    def owner_of(self, token: str) -> OwnToken:
        return OwnToken(self.genesys_url, self.session, token)

    def api(self, origin: str, token: str) -> PeopleApi:
        """The API at the address at which the page itself was asked for: both have the same gateway."""
        return PeopleApi(origin, token, self.session, time.monotonic() + PAGE_S)


def desk(settings: DeskSettings) -> Desk:
    session = shared_session()
    return Desk(
        SessionsTable(settings.sessions_table),
        CodeGrant(settings.login_url, settings.desk_client_id, session),
        settings.api_url,
        session,
    )
