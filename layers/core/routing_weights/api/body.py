"""The body of a request of API Gateway."""

import base64
from collections.abc import Mapping
from typing import Any


def raw_body(event: Mapping[str, Any]) -> bytes:
    """The bytes as they were sent. Powertools' `decoded_body` raises where they are not UTF-8; we say which byte."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")
