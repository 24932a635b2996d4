"""What is read out of an incoming webhook: which queue was changed, and what the sender says about the change."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from routing_weights.domain import strict_json
from routing_weights.domain.problems import Problem, as_sentence, listed, problem, sendable
from routing_weights.domain.signing import DELIVERY, delivery_of
from routing_weights.domain.types import GenesysId
from routing_weights.errors import WebhookInvalid

Kind = Literal["queue", "members", "audit", "patrol"]
About = Literal["settings", "members", "membership"]

LONGEST_DELAY_S = 900
"""How far ahead an event can be queued: 15 minutes, which is the limit of SQS."""
MAX_USERS = 100
_CHANGED = re.compile(r"QueueMember/[^:]{1,64}:([^:]{1,64})(?::joined)?", re.ASCII)
"""The property of an audit that is about the membership of one user."""
_DOCUMENT: dict[str, Kind] = {"routing.queue.updated": "queue", "routing.queueMember.updated": "members"}
_TOPICS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"v2\.routing\.queues\.(?P<queue>[^.]+)\.users", re.ASCII), "members"),
    (re.compile(r"v2\.audits\.entitytype\.queue\.entityid\.(?P<queue>[^.]+)", re.ASCII | re.IGNORECASE), "audit"),
)


class ChangeEvent(BaseModel):
    """Something changed in a queue. What the queue holds now is read from Genesys, never taken from the event."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    delivery_id: str
    queue_id: GenesysId
    kind: Kind
    by: str | None = Field(default=None, max_length=200)
    """Who changed it, where the sender says so."""
    about: About | None = None
    """What was changed, where the sender says so: the queue's settings, its members' values, or who is a member."""
    user_ids: tuple[str, ...] | None = Field(default=None, max_length=MAX_USERS)
    """Whose membership was changed; None where the sender does not say."""
    at: str | None = Field(default=None, max_length=64)
    """When, as the sender writes it."""
    deferred: str | None = None
    """The drift entry whose repair was deferred until now: then the event is ours."""


def event_of(body: bytes, delivery_id: str) -> ChangeEvent:
    """Read a verified body, of either shape.

    `{"eventType": "routing.queue.updated" | "routing.queueMember.updated", "queueId"}` is the source document's shape,
    `{"topicName", "eventBody"}` that of Genesys Cloud.

    Raises:
        WebhookInvalid: with every problem, each at its path.
    """
    return _read(_object_in(body), delivery_id)


def event_in(message: str) -> ChangeEvent:
    """Read a message of WebhookQueue: an event that the webhook function queued, or one of a partner's EventBridge bus.

    The envelope of the latter has the id of the delivery, and in `detail` what Genesys Cloud publishes.

    Raises:
        WebhookInvalid: it is neither.
    """
    document = _object_in(message)
    if "detail-type" in document:
        return _read(_object(document.get("detail")), delivery_of({DELIVERY: str(document.get("id", ""))}))
    try:
        return ChangeEvent.model_validate(document)
    except ValidationError:
        raise WebhookInvalid("The message is neither an event that we queued nor one of EventBridge.") from None


def _object_in(body: str | bytes) -> dict[str, Any]:
    document, problems = strict_json.load(body)
    if not problems and not isinstance(document, dict):
        problems = [problem("", "the body is not a JSON object", "object_expected")]
    if problems:
        raise _invalid(*problems)
    return dict(document)


def _read(document: dict[str, Any], delivery_id: str) -> ChangeEvent:
    kind, queue_id, change = _parts(document)
    try:
        return ChangeEvent(
            delivery_id=delivery_id,
            queue_id=queue_id,
            kind=kind,
            by=_by(kind, change),
            at=_at(change),
            **_about(kind, document, change),
        )
    except ValidationError:
        message = "names no queue: 1 to 64 letters, digits, hyphens or underscores"
        raise _invalid(problem("topicName" if "topicName" in document else "queueId", message, "queue_id")) from None


def _parts(document: dict[str, Any]) -> tuple[Kind, Any, dict[str, Any]]:
    """The kind of the event, the queue as it is named, and the part that says who changed it and when."""
    topic, event_type = document.get("topicName"), document.get("eventType")
    if isinstance(topic, str):
        for pattern, kind in _TOPICS:
            if match := pattern.fullmatch(topic):
                return kind, match["queue"], _object(document.get("eventBody"))
        raise _invalid(problem("topicName", "not a topic of a queue's members or of a queue's audit", "topic_unknown"))
    if isinstance(event_type, str) and event_type in _DOCUMENT:
        data = _object(document.get("data"))
        queue_id = document.get("queueId", data.get("queueId"))
        return _DOCUMENT[event_type], queue_id, data | document
    message = f"neither topicName nor one of {', '.join(_DOCUMENT)}"
    raise _invalid(problem("eventType", message, "event_unknown"))


def _about(kind: Kind, document: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """What was changed. An audit of Genesys Cloud is about a membership or a setting, never about a ring or a skill."""
    if "topicName" not in document:
        return {"about": "settings" if kind == "queue" else "members"}
    if kind == "members":
        return {"about": "membership"}
    action, changes = change.get("action"), change.get("propertyChanges")
    if not isinstance(action, str):
        return {}
    if not action.startswith("Member"):
        return {"about": "settings"}
    properties = [_object(entry).get("property") for entry in changes] if isinstance(changes, list) else []
    users = {match[1].lower() for name in properties if (match := _CHANGED.fullmatch(str(name)))}
    return {"about": "membership", "user_ids": sorted(users) if 0 < len(users) <= MAX_USERS else None}


def _by(kind: Kind, change: Mapping[str, Any]) -> str | None:
    """Who changed it. The user of an audit did; the user of any other event is the member who was changed."""
    audited = (change.get("userId"), _object(change.get("user")).get("id")) if kind == "audit" else ()
    for value in (*audited, change.get("modifiedBy"), _object(change.get("modifiedBy")).get("id")):
        if isinstance(value, str) and value:
            return sendable(value[:200])
    return None


def _at(change: Mapping[str, Any]) -> str | None:
    for name in ("eventTime", "eventDate", "dateModified", "timestamp"):
        value = change.get(name)
        if isinstance(value, str) and value:
            return sendable(value[:64])
    return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _invalid(*problems: Problem) -> WebhookInvalid:
    return WebhookInvalid(as_sentence(problems), **listed(problems))
