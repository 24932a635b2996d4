"""Slack. An incoming webhook only posts; a bot's token can also answer in the thread of a message, and update it.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
https://docs.slack.dev/messaging/modifying-messages
https://docs.slack.dev/apis/web-api/rate-limits
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from routing_weights.adapters.http.chat import Answer, Poster
from routing_weights.domain.notifications import Earlier, Notification, Sent
from routing_weights.domain.signing import Reply

API = "https://slack.com/api"
MOST_FIELDS = 10
"""Of a section."""
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"}
"""Somebody deleted the message, or may no longer edit it: a new one begins."""
_LATER = {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}


@dataclass(frozen=True)
class SlackWebhook:
    poster: Poster
    name: ClassVar[str] = "slack"

    def send(self, notification: Notification, link: str, earlier: Earlier) -> Sent:  # noqa: ARG002  it cannot answer
        return Sent(self.poster.post(self.poster.value("slack_webhook_url"), message(notification, link)).reply)


@dataclass(frozen=True)
class SlackBot:
    """The first message of a conversation always shows the newest state; each result after it is in its thread."""

    poster: Poster
    name: ClassVar[str] = "slack_bot"

    def send(self, notification: Notification, link: str, earlier: Earlier) -> Sent:
        first = earlier.reference
        if first and notification.kind.is_state and notification.at >= earlier.newest_at:
            # The update comes first: sent twice it changes nothing, an answer would be there twice.
            answer = self._call("chat.update", {"ts": first} | message(notification, link))
            if answer.document.get("error") in _GONE:
                first = ""
            elif answer.reply.verdict != "taken":
                return Sent(answer.reply)
        thread = {"thread_ts": first} if first else {}
        answer = self._call("chat.postMessage", thread | message(notification, link))
        if first and answer.document.get("error") in _GONE:
            first, answer = "", self._call("chat.postMessage", message(notification, link))
        return Sent(answer.reply, first or str(answer.document.get("ts", "")))

    def _call(self, method: str, document: dict[str, Any]) -> Answer:
        (api,) = self.poster.secret("slack_api_url") or (API,)
        token, channel = self.poster.value("slack_bot_token"), self.poster.value("slack_channel")
        answer = self.poster.post(
            f"{api.rstrip('/')}/{method}", {"channel": channel} | document, {"Authorization": f"Bearer {token}"}
        )
        if answer.reply.verdict != "taken" or answer.document.get("ok") is True:
            return answer
        error = str(answer.document.get("error", "no answer that can be read"))  # Slack answers 200 to what it refuses
        passes = error in _LATER or "error" not in answer.document
        return replace(answer, reply=Reply("later" if passes else "never", f"{method}: {error[:60]}"))


def message(notification: Notification, link: str) -> dict[str, Any]:
    """Every text from outside is `plain_text`: Slack reads no mention, no link and no formatting in it."""
    facts = [_text(f"{name}\n{value}") for name, value in notification.facts]
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _text(notification.heading)}]
    blocks += [
        {"type": "section", "fields": facts[start : start + MOST_FIELDS]} for start in range(0, len(facts), MOST_FIELDS)
    ]
    if notification.text:
        blocks.append({"type": "section", "text": _text(notification.text)})
    if link:
        opened = {"type": "mrkdwn", "text": f"<{escaped(link)}|Open the record>", "verbatim": True}
        blocks.append({"type": "context", "elements": [opened]})
    return {
        "text": escaped(notification.heading),
        "blocks": blocks,
        # Without these two, chat.update looks for names and addresses in `text`.
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escaped(text: str) -> str:
    """Return text with the three characters replaced that Slack acts on.

    >>> escaped("<!channel>")
    '&lt;!channel&gt;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _text(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}
