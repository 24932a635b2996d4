"""Microsoft Teams: a workflow with the trigger "When a Teams webhook request is received" posts an Adaptive Card.

It posts, and can neither answer nor update: that needs a bot. The older Microsoft 365 connectors are retired.
https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
https://learn.microsoft.com/adaptive-cards/schema-explorer/text-run
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from routing_weights.adapters.http.chat import Poster
from routing_weights.domain.notifications import Earlier, Notification, Sent

CARD = "application/vnd.microsoft.card.adaptive"
LARGEST_BYTES = 28_000
"""Of a whole message."""
_COLORS = {"good": "Good", "warning": "Warning", "bad": "Attention"}


@dataclass(frozen=True)
class Teams:
    poster: Poster
    name: ClassVar[str] = "teams"

    def send(self, notification: Notification, link: str, earlier: Earlier) -> Sent:  # noqa: ARG002  it cannot answer
        return Sent(self.poster.post(self.poster.value("teams_webhook_url"), message(notification, link)).reply)


def message(notification: Notification, link: str) -> dict[str, Any]:
    """Every text is a TextRun, in which Teams reads no Markdown. A mention would need an entity, and there is none."""
    color = _COLORS[notification.tone]
    body = [_block([_run(notification.heading, size="Large", weight="Bolder", color=color)])]
    body += [_block([_run(f"{name}: ", weight="Bolder"), _run(value)]) for name, value in notification.facts]
    body += [_block([_run(notification.text)])] if notification.text else []
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": notification.heading,
        "body": body,
    }
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the record", "url": link}]
    return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": card}]}


def _block(runs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "spacing": "Small", "inlines": list(runs)}


def _run(text: str, **looks: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **looks}
