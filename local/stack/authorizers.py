"""The authorizers of HTTP APIs: IAM, a Lambda function with its cache, and JWT.

Sources: "Working with AWS Lambda authorizers for HTTP APIs", "Controlling access to HTTP APIs with JWT authorizers" and
the quotas of HTTP APIs in the developer guide of API Gateway. A missing identity source is a 401 and no invocation. A
refusal is a 403, and is kept like an acceptance. A function that fails is a 500, and is not kept.
"""

from __future__ import annotations

import json
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import requests
from flask import abort, jsonify, make_response
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from local.stack.template import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.stack.runtime import Outcome

_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/")
_ALGORITHMS = ["RS256", "RS384", "RS512"]
_OIDC_S = 1.5

Identity = dict[str, Any]
"""`requestContext.authorizer` of the event."""


class Iam:
    """No signature is checked here. The caller is the user of the access key; without a signature, `embedded`."""

    def __call__(self, request: Any, _event: Mapping[str, Any]) -> Identity:
        signed = _CREDENTIAL.match(request.headers.get("Authorization", ""))
        user = signed[1] if signed else "embedded"
        return {"iam": {"accountId": ACCOUNT, "userId": user, "userArn": f"arn:aws:iam::{ACCOUNT}:user/{user}"}}


class Function:
    """A Lambda authorizer with payload 2.0 and simple responses, whose identity source is the Authorization header."""

    def __init__(
        self,
        invoke: Callable[[str, bytes], Outcome],
        name: str,
        ttl_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._invoke, self._name, self._ttl_s, self._now = invoke, name, ttl_s, now
        self._kept: dict[str, tuple[float, Identity | None]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Any, event: Mapping[str, Any]) -> Identity:
        header = request.headers.get("Authorization", "")
        if not header:
            abort(_message(401, "Unauthorized"))
        with self._lock:
            until, identity = self._kept.get(header, (0.0, None))
            known = self._now() < until
        if not known:
            identity = self._ask(header, event)
            with self._lock:
                self._kept[header] = (self._now() + self._ttl_s, identity)
        if identity is None:
            abort(_message(403, "Forbidden"))
        return identity

    def _ask(self, header: str, event: Mapping[str, Any]) -> Identity | None:
        asked = {**event, "type": "REQUEST", "identitySource": [header], "routeArn": "embedded"}
        asked.pop("body", None)
        outcome = self._invoke(self._name, json.dumps(asked).encode())
        answer = None if outcome.failed else json.loads(outcome.payload)
        if not isinstance(answer, dict) or not isinstance(answer.get("isAuthorized"), bool):
            abort(_message(500, "Internal Server Error"))
        return {"lambda": answer.get("context")} if answer["isAuthorized"] else None


class Jwt:
    """A JWT authorizer: signature by the issuer's keys, issuer, audience, and times."""

    def __init__(self, issuer: str, audience: str, wall: Callable[[], float] = time.time) -> None:
        self._issuer, self._audience, self._wall = issuer, audience, wall
        self._keys: KeySet | None = None

    def __call__(self, request: Any, _event: Mapping[str, Any]) -> Identity:
        token = request.headers.get("Authorization", "")
        try:
            token = jwt.decode(re.sub(r"^Bearer ", "", token, flags=re.IGNORECASE), self._key_set(), _ALGORITHMS)
        except (JoseError, ValueError, requests.RequestException):
            abort(_message(401, "Unauthorized"))
        claims = token.claims
        if not self._is_for_us(claims):
            abort(_message(401, "Unauthorized"))
        return {"jwt": {"claims": {name: _text(value) for name, value in claims.items()}, "scopes": None}}

    def _is_for_us(self, claims: Mapping[str, Any]) -> bool:
        now, audience = self._wall(), claims.get("aud", claims.get("client_id"))
        times = [claims.get("exp"), claims.get("nbf", 0), claims.get("iat", 0)]
        if not all(isinstance(at, int | float) for at in times):
            return False
        expires, *begun = times
        audiences = audience if isinstance(audience, list) else [audience]
        is_ours = claims.get("iss") == self._issuer and self._audience in audiences
        return is_ours and now < expires and all(at <= now for at in begun)

    def _key_set(self) -> KeySet:
        if self._keys is None:
            where = requests.get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration", timeout=_OIDC_S).json()
            self._keys = KeySet.import_key_set(requests.get(where["jwks_uri"], timeout=_OIDC_S).json())
        return self._keys


def _text(value: Any) -> str:
    """Return a claim as the gateway passes it on: a list as `[a b]`."""
    if isinstance(value, list):
        return f"[{' '.join(map(str, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _message(status: int, message: str) -> Any:
    return make_response(jsonify({"message": message}), status)
