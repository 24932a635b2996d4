"""NotificationsTable: what was sent on each channel about each distribution, and what names events left out.

Items by `item`: `sent <channel> <about>`, `queue <id>` with its name, `distribution <id>` with its fleet. All of them
expire. Without an item, a message is only less good: a new one instead of an answer, and an id instead of a name.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.notifications import Earlier, Notification

logger = Logger(child=True)

KEPT_S = 400 * 86_400
TAKEN_S = 90
"""Longer than the function runs: whoever took the conversation is dead by then."""
_REFUSED = "ConditionalCheckFailedException"


@dataclass(frozen=True)
class _Items:
    table: str
    wall_clock: Callable[[], float] = time.time

    def _update(self, item: str, expression: str, values: dict[str, Any], **options: Any) -> Any:
        values = (
            values | {":expires": {"N": f"{self.wall_clock() + KEPT_S:.0f}"}} if ":expires" in expression else values
        )
        return client("dynamodb").update_item(
            TableName=self.table,
            Key={"item": {"S": item}},
            UpdateExpression=expression,
            ExpressionAttributeValues=values,
            **options,
        )


class Conversations(_Items):
    """One message at a time: a second function that has an event of the same distribution waits for the first."""

    def begin(self, channel: str, about: str, now: float) -> Earlier | None:
        until = now + TAKEN_S
        try:
            with reported("begin a notification", expected=(_REFUSED,)):
                item = self._update(
                    _key(channel, about),
                    "SET taken_until = :until, expires_at = :expires",
                    {":until": {"N": f"{until:.6f}"}, ":now": {"N": f"{now:.6f}"}},
                    ConditionExpression="attribute_not_exists(taken_until) OR taken_until < :now",
                    ReturnValues="ALL_NEW",
                )["Attributes"]
        except ClientError:
            return None
        return Earlier(
            taken_until=float(item["taken_until"]["N"]),
            reference=item.get("first_message", {}).get("S", ""),
            newest_at=item.get("newest_at", {}).get("S", ""),
            events=frozenset(item.get("sent_events", {}).get("SS", ())),
        )

    def sent(self, channel: str, about: str, earlier: Earlier, notification: Notification, reference: str) -> None:
        newest = max(notification.at, earlier.newest_at)
        self._end(
            channel,
            about,
            earlier,
            "SET first_message = :first, newest_at = :newest REMOVE taken_until ADD sent_events :event",
            {
                ":first": {"S": reference},
                ":newest": {"S": newest},
                ":event": {"SS": [notification.event_id]},
            },
        )

    def give_back(self, channel: str, about: str, earlier: Earlier) -> None:
        self._end(channel, about, earlier, "REMOVE taken_until", {})

    def _end(self, channel: str, about: str, earlier: Earlier, expression: str, values: dict[str, Any]) -> None:
        mine = {":mine": {"N": f"{earlier.taken_until:.6f}"}}
        try:
            with reported("note a notification", expected=(_REFUSED,)):
                self._update(_key(channel, about), expression, values | mine, ConditionExpression="taken_until = :mine")
        except ClientError:
            logger.warning("A notification took too long, so another function may have sent it too", about=about)


class Known(_Items):
    def name_queue(self, queue_id: str, name: str) -> None:
        self._keep(f"queue {queue_id}", "queue_name", name)

    def queue_name(self, queue_id: str) -> str | None:
        return self._find(f"queue {queue_id}", "queue_name")

    def put_in_fleet(self, distribution_id: str, fleet_id: str) -> None:
        self._keep(f"distribution {distribution_id}", "fleet_id", fleet_id)

    def fleet_of(self, distribution_id: str) -> str | None:
        return self._find(f"distribution {distribution_id}", "fleet_id")

    def _keep(self, item: str, name: str, value: str) -> None:
        with reported("note what an event says"):
            self._update(item, f"SET {name} = :value, expires_at = :expires", {":value": {"S": value}})

    def _find(self, item: str, name: str) -> str | None:
        with reported("read what an event has said"):
            found = client("dynamodb").get_item(TableName=self.table, Key={"item": {"S": item}}).get("Item", {})
        value: str | None = found.get(name, {}).get("S")
        return value


def _key(channel: str, about: str) -> str:
    return f"sent {channel} {about}"
