"""Wires the function Notify."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.client import prepare
from routing_weights.adapters.aws.notification_topic import Topic
from routing_weights.adapters.aws.notifications_table import Conversations, Known
from routing_weights.adapters.aws.queues import DeadLetters, Queue
from routing_weights.adapters.aws.secrets import JsonSecret, KeptSecret
from routing_weights.adapters.genesys.transport import shared_session
from routing_weights.adapters.http.chat import Poster
from routing_weights.adapters.http.slack import SlackBot, SlackWebhook
from routing_weights.adapters.http.teams import Teams
from routing_weights.application.notify import Notify

if TYPE_CHECKING:
    from routing_weights.application.ports import Channel
    from routing_weights.settings import NotifySettings

prepare("dynamodb", "secretsmanager", "sns", "sqs")


def notify(settings: NotifySettings) -> Notify:
    return Notify(
        _channels(settings),
        Conversations(settings.notifications_table),
        Known(settings.notifications_table),
        Queue(settings.notify_queue),
        DeadLetters(settings.notify_dead_letters),
        settings.link_base_url,
        time.time,
    )


def _channels(settings: NotifySettings) -> list[Channel]:
    poster = _poster(settings.notify_secret)
    channels: list[Channel] = []
    if settings.notify_slack != "off":
        channels.append(SlackBot(poster) if settings.notify_slack == "bot" else SlackWebhook(poster))
    if settings.notify_teams == "on":
        channels.append(Teams(poster))
    if settings.notify_topic_arn:
        channels.append(Topic(settings.notify_topic_arn))
    return channels


@cache
def _poster(secret_id: str) -> Poster:
    return Poster(shared_session(), KeptSecret(JsonSecret(secret_id)).texts)
