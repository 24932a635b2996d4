"""How a webhook is signed, what it must prove before it is read, and what is taken from it. No AWS, no HTTP."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from routing_weights.domain import strict_json
from routing_weights.domain.problems import Problem, as_sentence, listed, problem
from routing_weights.domain.types import GenesysId
from routing_weights.errors import WebhookInvalid, WebhookRefused, WebhookTooLarge

TIMESTAMP, DELIVERY, SIGNATURE = "x-webhook-timestamp", "x-webhook-id", "x-webhook-signature"
AUTHORIZATION = "authorization"
MAX_BODY_BYTES = 262_144
"""256 KiB. A real event has one or two."""
TOLERANCE_S = 300
"""How far the sender's clock, its queue and its retries may put the timestamp from now, either way."""

Kind = Literal["queue", "members", "audit", "patrol"]
About = Literal["settings", "members", "membership"]

MAX_USERS = 100
_CHANGED = re.compile(r"QueueMember/[^:]{1,64}:([^:]{1,64})(?::joined)?", re.ASCII)
"""The property of an audit that is about somebody's membership."""
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_DELIVERY = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_DOCUMENT: dict[str, Kind] = {"routing.queue.updated": "queue", "routing.queueMember.updated": "members"}
_TOPICS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"v2\.routing\.queues\.(?P<queue>[^.]+)\.users", re.ASCII), "members"),
    (re.compile(r"v2\.audits\.entitytype\.queue\.entityid\.(?P<queue>[^.]+)", re.ASCII | re.IGNORECASE), "audit"),
)


class WebhookEvent(BaseModel):
    """Something changed in a queue. What it holds now is read from Genesys, never taken from here."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    delivery_id: str
    queue_id: GenesysId
    kind: Kind
    by: str | None = Field(default=None, max_length=200)
    """Who changed it, where the sender tells."""
    about: About | None = None
    """What the sender says was changed: the queue's settings, its members' values, or who is in it and joined."""
    user_ids: tuple[str, ...] | None = Field(default=None, max_length=MAX_USERS)
    """Of membership, whose; None where the sender does not say."""
    at: str | None = Field(default=None, max_length=64)
    """When, as the sender writes it."""
    deferred: str | None = None
    """Not an event from outside: a repair of this drift record was put off until now."""


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The value of `X-Webhook-Signature`: `sha256=` and HMAC-SHA256 (RFC 2104, RFC 4231) of `{timestamp}.{body}`."""
    return f"sha256={hmac_sha256(secret, timestamp.encode() + b'.' + body)}"


def signed(secret: str, event_id: str, body: bytes, now: float) -> dict[str, str]:
    """The headers of a webhook of ours: what `verify` asks of others. An id that is no delivery's is hashed."""
    timestamp = str(int(now))
    delivery_id = event_id if _DELIVERY.fullmatch(event_id) else hashlib.sha256(event_id.encode()).hexdigest()
    return {TIMESTAMP: timestamp, DELIVERY: delivery_id, SIGNATURE: signature(secret.encode(), timestamp, body)}


def hmac_sha256(secret: bytes, data: bytes) -> str:
    """In lower-case hexadecimal."""
    return hmac.new(secret, data, hashlib.sha256).hexdigest()


def require_size(body: bytes) -> None:
    """Raise WebhookTooLarge: the first check, since all others read the body."""
    if len(body) > MAX_BODY_BYTES:
        raise WebhookTooLarge(f"The body has {len(body)} bytes; at most {MAX_BODY_BYTES} are accepted.")


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> None:
    """Check who sent it and when. `headers` have lower-case names; `now` is in epoch seconds.

    While a secret is rotated there are two, and either will do. Every comparison takes the same time, whatever differs.

    Raises:
        WebhookRefused: it says what to look at, and nothing of a secret or of what was expected.
    """
    if not secrets:
        raise WebhookRefused("This deployment has no secret to check webhooks with, so it takes none.")
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
    """Check who sent it, and nothing else: when, and whether the body is the sender's, a bearer secret cannot say.

    Every comparison takes the same time, whatever differs and however long it is.

    Raises:
        WebhookRefused: as `verify` does.
    """
    if not bearers:
        raise WebhookRefused("This deployment has no bearer secret to check webhooks with, so it takes none unsigned.")
    scheme, _, given = headers.get(AUTHORIZATION, "").partition(" ")
    digest = _digest(given.strip())
    fits = [hmac.compare_digest(_digest(bearer), digest) for bearer in bearers]
    if scheme.lower() != "bearer" or not any(fits):
        raise WebhookRefused("Authorization does not hold this deployment's bearer secret, and nothing is signed.")


def unsigned_delivery(body: bytes, now: float) -> str:
    """The id of a delivery that has none: the same body within one second is the same delivery.

    What is dropped so is answered by the reading that the first one leads to, which comes later than that.
    """
    return hashlib.sha256(f"{int(now)}.".encode() + body).hexdigest()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def delivery_of(headers: Mapping[str, str]) -> str:
    """The delivery's id. Raises WebhookInvalid where it has none that could be kept."""
    delivery_id = headers.get(DELIVERY, "")
    if not _DELIVERY.fullmatch(delivery_id):
        raise WebhookInvalid("X-Webhook-Id must be 1 to 128 letters, digits, dots, colons, hyphens or underscores.")
    return delivery_id


def event_of(body: bytes, delivery_id: str) -> WebhookEvent:
    """Read a verified body, of either shape.

    `{"eventType": "routing.queue.updated" | "routing.queueMember.updated", "queueId"}` is the source document's,
    `{"topicName", "eventBody"}` what Genesys Cloud publishes.

    Raises:
        WebhookInvalid: with every problem, each at its path.
    """
    return _read(_object_of(body), delivery_id)


def event_in(message: str) -> WebhookEvent:
    """What waits in WebhookQueue: an event that our door has read, or one as EventBridge has it from a partner's bus.

    The envelope of the latter has the id of the delivery, and in `detail` what Genesys Cloud publishes.

    Raises:
        WebhookInvalid: it is neither.
    """
    document = _object_of(message.encode())
    if "detail-type" in document:
        return _read(_object(document.get("detail")), delivery_of({DELIVERY: str(document.get("id", ""))}))
    try:
        return WebhookEvent.model_validate(document)
    except ValidationError:
        raise WebhookInvalid("The message is neither an event of our door's nor one of EventBridge's.") from None


def _object_of(body: bytes) -> dict[str, Any]:
    document, problems = strict_json.load(body)
    if not problems and not isinstance(document, dict):
        problems = [problem("", "the body is not a JSON object", "object_expected")]
    if problems:
        raise _invalid(problems)
    return dict(document)


def _read(document: dict[str, Any], delivery_id: str) -> WebhookEvent:
    kind, queue_id, of = _said(document)
    try:
        return WebhookEvent(
            delivery_id=delivery_id,
            queue_id=queue_id,
            kind=kind,
            by=_by(kind, of),
            at=_at(of),
            **_about(kind, document, of),
        )
    except ValidationError:
        message = "names no queue: 1 to 64 letters, digits, hyphens or underscores"
        raise _invalid([problem("topicName" if "topicName" in document else "queueId", message, "queue_id")]) from None


def _said(document: dict[str, Any]) -> tuple[Kind, Any, dict[str, Any]]:
    """The kind of the event, the queue as it is named, and the part that says who and when."""
    topic, event_type = document.get("topicName"), document.get("eventType")
    if isinstance(topic, str):
        for pattern, kind in _TOPICS:
            if found := pattern.fullmatch(topic):
                return kind, found["queue"], _object(document.get("eventBody"))
        raise _invalid(
            [problem("topicName", "not a topic of a queue's members or of a queue's audit", "topic_unknown")]
        )
    if isinstance(event_type, str) and event_type in _DOCUMENT:
        data = _object(document.get("data"))
        queue_id = document.get("queueId", data.get("queueId"))
        return _DOCUMENT[event_type], queue_id, data | document
    message = f"neither topicName nor one of {', '.join(_DOCUMENT)}"
    raise _invalid([problem("eventType", message, "event_unknown")])


def _about(kind: Kind, document: Mapping[str, Any], of: Mapping[str, Any]) -> dict[str, Any]:
    """What was changed. An audit of Genesys Cloud is about a membership or a setting, never about a ring or a skill."""
    if "topicName" not in document:
        return {"about": "settings" if kind == "queue" else "members"}
    if kind == "members":
        return {"about": "membership"}
    action, changes = of.get("action"), of.get("propertyChanges")
    if not isinstance(action, str):
        return {}
    if not action.startswith("Member"):
        return {"about": "settings"}
    properties = [_object(change).get("property") for change in changes] if isinstance(changes, list) else []
    users = {match[1].lower() for name in properties if (match := _CHANGED.fullmatch(str(name)))}
    return {"about": "membership", "user_ids": sorted(users) if 0 < len(users) <= MAX_USERS else None}


def _by(kind: Kind, of: Mapping[str, Any]) -> str | None:
    """Who changed it. Only an audit's user is that: in the others it is the member who was changed."""
    audited = (of.get("userId"), _object(of.get("user")).get("id")) if kind == "audit" else ()
    for value in (*audited, of.get("modifiedBy"), _object(of.get("modifiedBy")).get("id")):
        if isinstance(value, str) and value:
            return _clean(value, 200)
    return None


def _at(of: Mapping[str, Any]) -> str | None:
    for name in ("eventTime", "eventDate", "dateModified", "timestamp"):
        value = of.get(name)
        if isinstance(value, str) and value:
            return _clean(value, 64)
    return None


def _clean(text: str, most: int) -> str:
    """Without half surrogate pairs, which nothing can store."""
    return text[:most].encode("utf-8", "replace").decode()


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _invalid(problems: list[Problem]) -> WebhookInvalid:
    return WebhookInvalid(as_sentence(problems), **listed(problems))
