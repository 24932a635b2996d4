"""What the events of Genesys's partner bus say about an agent: a routing status, or a membership of a queue.

The shapes are those of the notification topics `v2.users.{id}.routingStatus` (UserRoutingStatusUserRoutingStatus),
`v2.users.{id}.activity` (AgentActivityChangedTopicAgentActivity) and `v2.routing.queues.{id}.users`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from routing_weights.domain import strict_json
from routing_weights.domain.problems import as_sentence, listed, problem
from routing_weights.domain.standings import STATUSES, Membership, RoutingStatus, Status
from routing_weights.errors import WebhookInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

ON_QUEUE = "ON_QUEUE"
"""The system presence of an agent who takes contacts."""
_TOPIC = re.compile(
    r"v2\.(?:users\.(?P<user>[A-Za-z0-9_-]{1,64})\.(?:routingstatus|activity)"
    r"|routing\.queues\.(?P<queue>[A-Za-z0-9_-]{1,64})\.users)",
    re.ASCII | re.IGNORECASE,
)
_USER = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class AgentEvent(NamedTuple):
    """A fact about one user. It is of all the user's queues, or, if it names one, of that queue."""

    user_id: str
    fact: Status | Membership
    queue_id: str | None = None


def agent_event_in(message: str, now: float) -> AgentEvent | None:
    """Read an event of EventBridge, with a topic of agents in `detail`. None if it says nothing about the agent.

    The time of the fact is when Genesys says that it began, but never later than `now`.

    Raises:
        WebhookInvalid: it is no such event.
    """
    envelope, problems = strict_json.load(message)
    if problems:
        raise WebhookInvalid(as_sentence(problems), **listed(problems))
    detail = _object(_object(envelope).get("detail"))
    topic = _TOPIC.fullmatch(str(detail.get("topicName")))
    if topic is None:
        raise _invalid("detail.topicName", "not a topic of an agent's status or of a queue's members")
    body = _object(detail.get("eventBody"))
    at = min(now, seconds_of(detail.get("timestamp")) or now)
    if topic["user"]:
        return _status(topic["user"].lower(), body, at)
    return _membership(topic["queue"].lower(), body, _object(detail.get("metadata")), at)


def _status(user_id: str, body: Mapping[str, Any], at: float) -> AgentEvent | None:
    routing, presence = _object(body.get("routingStatus")), _object(body.get("presence"))
    system = _object(presence.get("presenceDefinition")).get("systemPresence")
    since = min(at, seconds_of(routing.get("startTime")) or at)
    if isinstance(system, str) and system.strip().upper().replace(" ", "_") != ON_QUEUE:
        changed = min(at, seconds_of(presence.get("modifiedDate")) or at)
        return AgentEvent(user_id, Status("OFF_QUEUE", max(since, changed)))
    status = known_status(routing.get("status"))
    return AgentEvent(user_id, Status(status, since)) if status else None


def _membership(queue_id: str, body: Mapping[str, Any], metadata: Mapping[str, Any], at: float) -> AgentEvent | None:
    """A user who is added or removed causes two events. The one without `joined` counts only for a removal."""
    user = _object(body.get("user")).get("id") or body.get("id")
    if not isinstance(user, str) or not _USER.fullmatch(user):
        raise _invalid("detail.eventBody.user.id", "names no user")
    joined = False if metadata.get("action") == "delete" else body.get("joined")
    return AgentEvent(user.lower(), Membership(joined, at), queue_id) if isinstance(joined, bool) else None


def known_status(text: Any) -> RoutingStatus | None:
    """Return the routing status that Genesys writes, whatever its case; None for one that this release does not know.

    EMPTY is how some listings write that there is none.
    """
    upper = text.upper() if isinstance(text, str) else ""
    if upper == "EMPTY":
        return "OFF_QUEUE"
    return next((status for status in STATUSES if status == upper), None)


def seconds_of(text: Any) -> float | None:
    """Return an RFC 3339 time as epoch seconds; None if it is none. Without an offset it is in UTC."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if at is None else (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _invalid(path: str, message: str) -> WebhookInvalid:
    problems = [problem(path, message, "agent_event")]
    return WebhookInvalid(as_sentence(problems), **listed(problems))
