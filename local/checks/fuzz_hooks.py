"""Facts about the API that Schemathesis cannot know: useful bodies and ids, and the signature of a webhook."""

import hashlib
import os
import time
from typing import Any

import requests
import schemathesis
from hypothesis import strategies as st

from routing_weights.domain.signing import SIGNATURE, signed

_HELD: dict[str, st.SearchStrategy[str]] = {
    "queue_id": st.just("queue-001"),
    "name": st.sampled_from(["normal", "early", "late"]),
}


@schemathesis.hook
def flatmap_body(context: schemathesis.HookContext, body: Any) -> st.SearchStrategy[Any]:
    """Turn every other body into the operation's example with a few generated fields. Random bodies never pass."""
    example = _example(context)
    if example is None or not isinstance(body, dict):
        return st.just(body)
    changed = st.lists(st.sampled_from(sorted(body)), max_size=2) if body else st.just([])
    return st.one_of(st.just(body), changed.map(lambda names: example | {name: body[name] for name in names}))


@schemathesis.hook
def flatmap_path_parameters(_context: schemathesis.HookContext, values: Any) -> st.SearchStrategy[Any]:
    """Replace every other id by one of a few, so that requests meet what earlier ones have made."""
    if not values:
        return st.just(values)
    known = {name: _HELD[name] for name in values if name in _HELD}
    return st.one_of(st.just(values), st.fixed_dictionaries(known).map(lambda few: values | few))


def _example(context: schemathesis.HookContext) -> dict[str, Any] | None:
    definition = context.operation.definition.raw if context.operation else {}
    content = definition.get("requestBody", {}).get("content", {}).get("application/json", {})
    example: dict[str, Any] | None = content.get("example")
    return example


class Signed(requests.auth.AuthBase):
    """Sign a webhook without a signature. Leave other requests alone."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if (request.path_url or "").endswith("/webhooks/genesys/callback") and SIGNATURE not in request.headers:
            body = request.body or b""
            raw = body.encode() if isinstance(body, str) else bytes(body)
            delivery = hashlib.sha256(raw).hexdigest()
            request.headers.update(signed(os.environ["WEBHOOK_SECRET"], delivery, raw, time.time()))
        return request


schemathesis.auth.set_from_requests(Signed())  # type: ignore[attr-defined]  # it is set at run time
