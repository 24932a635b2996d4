"""How a webhook is signed, and what an incoming one has to prove before it is read."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from routing_weights.errors import WebhookInvalid, WebhookRefused, WebhookTooLarge

TIMESTAMP, DELIVERY, SIGNATURE = "x-webhook-timestamp", "x-webhook-id", "x-webhook-signature"
AUTHORIZATION = "authorization"
MAX_BODY_BYTES = 262_144
"""256 KiB. A real event has one or two."""
TOLERANCE_S = 300
"""How far the timestamp may be from now, either way: it covers the sender's clock, queue and retries."""

_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_DELIVERY = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)


@dataclass(frozen=True)
class Reply:
    """What came of a webhook that was sent."""

    verdict: Literal["taken", "later", "never"]
    reason: str
    """Nothing of the response's body, which is not ours to log."""
    pause_s: int = 0
    """How long the receiver asks to wait."""


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The value of `X-Webhook-Signature`: `sha256=` and HMAC-SHA256 (RFC 2104, RFC 4231) of `{timestamp}.{body}`."""
    return f"sha256={hmac_sha256(secret, timestamp.encode() + b'.' + body)}"


def signed(secret: str, event_id: str, body: bytes, now: float) -> dict[str, str]:
    """The headers of a webhook that we send; `verify` accepts them. An id that does not fit the header is hashed."""
    timestamp = str(int(now))
    delivery_id = event_id if _DELIVERY.fullmatch(event_id) else hashlib.sha256(event_id.encode()).hexdigest()
    return {TIMESTAMP: timestamp, DELIVERY: delivery_id, SIGNATURE: signature(secret.encode(), timestamp, body)}


def hmac_sha256(secret: bytes, data: bytes) -> str:
    """In lower-case hexadecimal."""
    return hmac.new(secret, data, hashlib.sha256).hexdigest()


def require_size(body: bytes) -> None:
    """Raise WebhookTooLarge. This is the first check, since all others read the body."""
    if len(body) > MAX_BODY_BYTES:
        raise WebhookTooLarge(f"The body has {len(body)} bytes; at most {MAX_BODY_BYTES} are accepted.")


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> None:
    """Check who sent it and when. `headers` have lower-case names; `now` is in epoch seconds.

    While a secret is rotated there are two, and either is accepted. Every comparison takes the same time, whatever
    differs.

    Raises:
        WebhookRefused: it says what to check, and nothing of a secret or of what was expected.
    """
    if not secrets:
        raise WebhookRefused("This deployment has no secret to check webhooks with, so it accepts none.")
    timestamp, given = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
    if not _SECONDS.fullmatch(timestamp):
        raise WebhookRefused("X-Webhook-Timestamp is missing, or is not a number of epoch seconds.")
    # Every secret is tried, and bytes are compared: text outside ASCII would be a TypeError.
    fits = [hmac.compare_digest(signature(secret.encode(), timestamp, body).encode(), given.encode("utf-8", "replace"))
            for secret in secrets]  # fmt: skip
    if not any(fits):
        raise WebhookRefused("X-Webhook-Signature does not fit the timestamp and the body.")
    if abs(now - int(timestamp)) > TOLERANCE_S:
        raise WebhookRefused(
            f"X-Webhook-Timestamp is more than {TOLERANCE_S} s from now: sign again, or set the clock."
        )


def verify_bearer(headers: Mapping[str, str], bearers: Sequence[str]) -> None:
    """Check who sent it. A bearer secret says neither when it was sent nor whether the body is the sender's.

    Every comparison takes the same time, whatever differs and however long it is.

    Raises:
        WebhookRefused: as `verify` does.
    """
    if not bearers:
        raise WebhookRefused(
            "This deployment has no bearer secret to check webhooks with, so it accepts no unsigned ones."
        )
    scheme, _, given = headers.get(AUTHORIZATION, "").partition(" ")
    digest = _digest(given.strip())
    fits = [hmac.compare_digest(_digest(bearer), digest) for bearer in bearers]
    if scheme.lower() != "bearer" or not any(fits):
        raise WebhookRefused("Authorization does not hold this deployment's bearer secret, and nothing is signed.")


def delivery_of(headers: Mapping[str, str]) -> str:
    """The delivery's id. Raises WebhookInvalid where the header holds none that can be stored."""
    delivery_id = headers.get(DELIVERY, "")
    if not _DELIVERY.fullmatch(delivery_id):
        raise WebhookInvalid("X-Webhook-Id must be 1 to 128 letters, digits, dots, colons, hyphens or underscores.")
    return delivery_id


def unsigned_delivery(body: bytes, now: float) -> str:
    """The id of a delivery that has none: the same body within one second is the same delivery.

    A copy that is dropped so is answered by the reading that the first one leads to, which comes later.
    """
    return hashlib.sha256(f"{int(now)}.".encode() + body).hexdigest()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
