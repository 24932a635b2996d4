"""Notifies people of events: one message for each event and channel, and later ones answer it where the channel can."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger

from routing_weights.application.messages import Message
from routing_weights.application.ports import Channel, Conversations, DeadLetters, Known, Postpone
from routing_weights.domain.events import DistributionAnswered, DistributionMeasured, DistributionOutcome, DriftFound
from routing_weights.domain.fleet import FleetOutcome
from routing_weights.domain.notifications import Earlier, Event, Kind, Notification, OfQueue, event_of, notification_of
from routing_weights.domain.signing import Reply
from routing_weights.errors import RoutingWeightsError

logger = Logger(child=True)

FIRST_PAUSE_S = 1
_DONE = Reply("taken", "nothing to send")


@dataclass(frozen=True)
class Notify:
    channels: Sequence[Channel]
    conversations: Conversations
    known: Known
    queue: Postpone
    dead_letters: DeadLetters
    link_base: str
    """Empty: messages have no link."""
    wall_clock: Callable[[], float]

    def notify(self, messages: Sequence[Message]) -> list[str]:
        """The ids of the messages that have to come back, for the channels that did not take them.

        What a channel refuses for ever is a dead letter, once no other channel wants it later. If it is sent again by
        hand, the other channels know that they have it.
        """
        failed = []
        for message in messages:
            replies = self._replies(message)
            if any(reply.verdict == "later" for reply in replies):
                failed.append(message.message_id)
                pause_s = max(reply.pause_s for reply in replies)
                self.queue.postpone(message.receipt, message.pause_s(first_s=FIRST_PAUSE_S, at_least_s=pause_s))
        return failed

    def _replies(self, message: Message) -> list[Reply]:
        try:
            notification = self._notification(event_of(json.loads(message.body)["detail"]))
            replies = [self._reply(channel, notification) for channel in self.channels] if notification else [_DONE]
            refused = [reply.reason for reply in replies if reply.verdict == "never"]
            if refused and not any(reply.verdict == "later" for reply in replies):
                self.dead_letters.put(message.body, "; ".join(refused))
        except Exception as error:  # noqa: BLE001  it is logged, tried again, and at last a dead letter, with an alarm
            return [_later(error, message_id=message.message_id)]
        return replies

    def _reply(self, channel: Channel, notification: Notification) -> Reply:
        """No channel waits for another one that fails."""
        try:
            return self._send(channel, notification)
        except Exception as error:  # noqa: BLE001  as above
            return _later(error, channel=channel.name, event_id=notification.event_id)

    def _notification(self, event: Event) -> Notification | None:
        if isinstance(event, FleetOutcome):
            return notification_of(event, None)
        name = self._queue_name(event)
        notification = notification_of(event, name)
        if notification is None:
            return None
        fleet_id = self._fleet_of(event)
        return notification.for_fleet(fleet_id) if fleet_id else notification

    def _queue_name(self, event: OfQueue) -> str | None:
        """The name as Genesys showed it last: an event about a queue that was not read does not have it."""
        if event.queue_id is None:
            return None
        if isinstance(event, DriftFound | DistributionMeasured | DistributionAnswered) or not event.queue_name:
            return self.known.queue_name(event.queue_id)
        self.known.name_queue(event.queue_id, event.queue_name)
        return event.queue_name

    def _fleet_of(self, event: OfQueue) -> str | None:
        """The fleet of the distribution, or of the one that the event is about."""
        if isinstance(event, DriftFound | DistributionMeasured | DistributionAnswered):
            return self.known.fleet_of(event.distribution_id)
        if event.fleet_id:
            self.known.put_in_fleet(event.distribution_id, event.fleet_id)
            return event.fleet_id
        reverts = event.reverts if isinstance(event, DistributionOutcome) else None
        return self.known.fleet_of(reverts) if reverts else None

    def _send(self, channel: Channel, notification: Notification) -> Reply:
        about = notification.about
        earlier = self.conversations.begin(channel.name, about, self.wall_clock())
        if earlier is None:
            return Reply("later", "another message about the same distribution is being sent")
        reply, reference = _DONE, earlier.reference
        try:
            if not _is_known(notification, earlier) and not _has_no_start(notification, earlier):
                link = f"{self.link_base}{notification.path}" if self.link_base else ""
                sent = channel.send(notification, link, earlier)
                reply, reference = sent.reply, sent.reference or reference
        except BaseException:
            self.conversations.give_back(channel.name, about, earlier)
            raise
        if reply.verdict == "taken":
            self.conversations.sent(channel.name, about, earlier, notification, reference)
        else:
            self.conversations.give_back(channel.name, about, earlier)
        log = logger.error if reply.verdict == "never" else logger.info
        log(
            "A notification was sent" if reply.verdict == "taken" else "A channel did not take a notification",
            channel=channel.name,
            event_id=notification.event_id,
            kind=notification.kind.value,
            verdict=reply.verdict,
            reason=reply.reason,
        )
        return reply


def _later(error: Exception, **context: Any) -> Reply:
    if isinstance(error, RoutingWeightsError):
        logger.warning(
            "The notification is sent later", error_type=type(error).__name__, reason=error.message, **context
        )
    else:
        logger.error("Unexpected error", exc_info=error, **context)
    return Reply("later", type(error).__name__)


def _is_known(notification: Notification, earlier: Earlier) -> bool:
    """True for a copy, and for a question or an approval that arrives after what came of it."""
    is_late = notification.kind.is_step and notification.at < earlier.newest_at
    return notification.event_id in earlier.events or is_late


def _has_no_start(notification: Notification, earlier: Earlier) -> bool:
    """True for a measurement of a distribution without a message, because the channel was off."""
    return notification.kind is Kind.MEASURED and not earlier.events
