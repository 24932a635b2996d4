"""Signs a person in: the owner of a Genesys token, with what Genesys lets the owner see and change."""

from __future__ import annotations

import math
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing_weights.domain.access import Person, plain_name, reach_of
from routing_weights.errors import SignInRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from routing_weights.application.ports import Access, OwnToken
    from routing_weights.domain.access import Role

SEE, CHANGE = "routing:queue:view", "routing:queue:edit"
"""The permissions of Genesys that make a viewer and a planner."""
_BEARER = re.compile(r"Bearer ([A-Za-z0-9._~+/-]{16,4096}={0,2})", re.IGNORECASE)
_USER_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_MARGIN_S = 60
"""The gateway keeps an answer from its arrival on, and a request may take 30 s after that."""


@dataclass(frozen=True)
class SignedIn:
    reference: str
    person: Person


@dataclass(frozen=True)
class SignIn:
    connect: Callable[[str], OwnToken]
    access: Access
    organisation_id: str
    role_names: Mapping[Role, str]
    """The names of the Genesys roles that make an approver and an operator."""
    cache_s: int

    def sign_in(self, header: str, now: float) -> SignedIn:
        """`header` is the Authorization header. What the person may do is stored until the gateway asks again.

        Raises:
            SignInRefused: the header is no bearer token, Genesys refuses the token, the user is not active or belongs
                to another organisation, or has no role here.
            GenesysUnavailable, GenesysAnswerInvalid, StoreUnavailable: nobody knows. The next request asks again.
        """
        bearer = _BEARER.fullmatch(header)
        if bearer is None:
            raise SignInRefused("The Authorization header is not a bearer token.")
        token = self.connect(bearer[1])
        user = token.user()
        if user.organisation_id.lower() != self.organisation_id.lower():
            raise SignInRefused("The token belongs to another organisation.")
        if user.state != "active" or not _USER_ID.fullmatch(user.user_id):
            raise SignInRefused(f"The user is {user.state!r:.40}, or has no id.")
        granted = token.granted()
        roles = {role: granted[name] for role, name in self.role_names.items() if name in granted}
        reach = reach_of(token.divisions(SEE), token.divisions(CHANGE), roles, token.queues)
        if not reach:
            raise SignInRefused(f"User {user.user_id} has neither {SEE} nor a role of this system.")
        person = Person(f"genesys:{user.user_id}", plain_name(user.name), "genesys", reach)
        reference = str(uuid.uuid4())
        self.access.put(reference, person, math.ceil(now) + self.cache_s + _MARGIN_S)
        return SignedIn(reference, person)
