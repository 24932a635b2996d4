"""Contract `platform`: the events that the organisation publishes to Amazon EventBridge, in their envelope.

A member who comes, goes, joins or unjoins causes an event of the queue's `users` and an audit record. The sources are
a screenshot of 2024-06 with six such events (PierrickI3/GenesysCloud-Audit-Events-To-Splunk), and 100 audit records
of one organisation. Changes of rings and proficiencies appear in neither, so they publish nothing here.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.genesys.organisation import Document

SOURCE = "aws.partner/genesys.com/cloud/0f3b6a1e-6c1a-4c0e-9d27-3b1d0a8c2f55/routing-weights"
USERS, AUDITS = "v2.routing.queues.{id}.users", "v2.audits.entitytype.{id}.entityid.{id}"
_AUDITED = {"add": "MemberAdd", "delete": "MemberRemove", "update": "MemberUpdate"}
_TOLD = {"add": "<queue member added>", "delete": "<queue member deleted>"}


class Events(list["Document"]):
    """All published events, oldest first. `by` is the user who made the change; None for a client."""

    def member(self, action: str, queue: Document, user_id: str, *, joined: bool, by: str | None, at: str) -> None:
        """Publish that a member was added or deleted, or has joined or unjoined (`update`).

        An `add` and a `delete` have no `joined`. An `update` with the same CorrelationId has it.
        """
        queue_id, cause = queue["id"], str(uuid.uuid4())
        body = {"id": user_id, "queueId": queue_id, "user": {"id": user_id}}
        counts = {"activeMemberCount": queue["joinedMemberCount"], "memberCount": queue["memberCount"]}
        for step in dict.fromkeys((action, "update")):
            # The screenshot does not show if counts are numbers or text, so both occur here.
            shown = {name: str(count) if step == "update" else count for name, count in counts.items()}
            metadata = {"CorrelationId": cause, "action": step, **shown}
            event = body | ({"joined": joined} if step == "update" else {})
            self._publish(USERS, f"v2.routing.queues.{queue_id}.users", event, metadata, at)
        name = f"QueueMember/{queue_id}:{user_id}"
        change = {"property": name, "oldValues": [], "newValues": [_TOLD.get(action)]}
        if action == "update":
            change = {"property": f"{name}:joined", "oldValues": [], "newValues": [str(joined).lower()]}
        self._audit(_AUDITED[action], queue, [change], by, at)

    def queue(self, queue: Document, changes: list[str], by: str | None, at: str) -> None:
        """Publish that these fields of a queue were changed."""
        properties = [{"property": name, "oldValues": [], "newValues": []} for name in changes]
        self._audit("Update", queue, properties, by, at)

    def _audit(self, action: str, queue: Document, changes: list[Document], by: str | None, at: str) -> None:
        body: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "serviceName": "ContactCenter",
            "eventTime": at,
            "action": action,
            "level": "USER" if by else "SYSTEM",
            "client": {},  # none of the known records has this id
            "entityType": "Queue",
            "entity": {"id": queue["id"], "name": queue["name"]},
            "propertyChanges": changes,
        }
        topic = f"v2.audits.entitytype.Queue.entityid.{queue['id']}"
        who = {"userId": by} if by else {}
        self._publish(AUDITS, topic, body | who, {"CorrelationId": str(uuid.uuid4())}, at)

    def _publish(self, kind: str, topic: str, body: Document, metadata: Document, at: str) -> None:
        detail = {"topicName": topic, "version": "2", "eventBody": body, "metadata": metadata, "timestamp": at}
        self.append(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": kind,
                "source": SOURCE,
                "account": "123456789012",
                "time": f"{at[:19]}Z",
                "region": "eu-central-1",
                "resources": [],
                "detail": detail,
            }
        )
