"""E-mail by SNS. A message cannot answer an earlier one: SNS sets no References and no Message-ID of ours.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from dataclasses import dataclass
from typing import ClassVar

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.notifications import Earlier, Notification, Sent
from routing_weights.domain.signing import Reply

LONGEST_SUBJECT = 99
"""In characters."""
_REFUSED = ("InvalidParameter", "InvalidParameterValue", "NotFound", "AuthorizationError")


@dataclass(frozen=True)
class Topic:
    arn: str
    name: ClassVar[str] = "email"

    def send(self, notification: Notification, link: str, earlier: Earlier) -> Sent:
        """Publish one e-mail. Raises StoreUnavailable where SNS does not answer."""
        try:
            with reported("publish the notification", expected=_REFUSED):
                client("sns").publish(
                    TopicArn=self.arn, Subject=subject(notification), Message=body(notification, link, earlier)
                )
        except ClientError as error:
            return Sent(Reply("never", f"SNS: {error.response['Error']['Code']}"))
        return Sent(Reply("taken", "published"))


def subject(notification: Notification) -> str:
    text = notification.heading
    return text if len(text) <= LONGEST_SUBJECT else f"{text[: LONGEST_SUBJECT - 1]}…"


def body(notification: Notification, link: str, earlier: Earlier) -> str:
    lines = [notification.heading, "", *(f"{name}: {value}" for name, value in notification.facts)]
    lines += ["", notification.text] if notification.text else []
    lines += ["", link] if link else []
    if earlier.events:
        lines += ["", f"An earlier message was about the same: {notification.about}"]
    return "\n".join(lines) + "\n"
