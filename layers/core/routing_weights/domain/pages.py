"""Page tokens: the position in a listing, as text that a caller sends back. No token is trusted."""

import base64
import json
from typing import Any

from routing_weights.domain.problems import problem, request_invalid
from routing_weights.errors import RequestInvalid


def token_of(key: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def key_in(token: str) -> Any:
    """Return any JSON value, which the caller of this function must check. Raises RequestInvalid if it is no token."""
    try:
        return json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        raise token_invalid() from None


def token_invalid() -> RequestInvalid:
    """Return the error for a `next` that is no page token of the requested listing."""
    message = "not a token of this listing: use the `next` of the previous page"
    return request_invalid(problem("next", message, "token_invalid"))
