"""Outgoing: processes the queue of our own events. Each event is a signed POST to the receiver of outcomes."""

import json
from functools import cache
from typing import Any

import requests
from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.event_bus import set_aside
from routing_weights.adapters.aws.secrets import JsonSecret, WebhookSecrets
from routing_weights.adapters.aws.webhook_inbox import put_off
from routing_weights.adapters.http.webhook_sender import Answer, Receiver
from routing_weights.errors import ConfigurationInvalid, RoutingWeightsError
from routing_weights.settings import OutgoingSettings

logger = Logger()
FIRST_PAUSE_S = 1


@cache
def _receiver(url: str) -> Receiver:
    session = requests.Session()
    session.trust_env = False  # a .netrc would add credentials
    return Receiver(url, session)


@cache
def _secrets(secret_id: str) -> WebhookSecrets:
    return WebhookSecrets(JsonSecret(secret_id))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """An SQS batch: what is not taken comes back by itself, and what nobody will ever take is a dead letter at once."""
    settings = OutgoingSettings.load()
    failed = []
    for message in event["Records"]:
        pause_s = 0
        try:
            answer = _tell(message["body"], settings)
            if answer.verdict != "later":
                continue
            pause_s = answer.pause_s
        except RoutingWeightsError as error:
            logger.warning("The event is told later", error_type=type(error).__name__, reason=error.message)
        except Exception:  # a defect of ours: logged, tried again, and at last a dead letter, with an alarm
            logger.exception("Unexpected error", message_id=message["messageId"])
        failed.append({"itemIdentifier": message["messageId"]})
        put_off(settings.outgoing_queue, [message], first_s=FIRST_PAUSE_S, at_least_s=pause_s)
    return {"batchItemFailures": failed}


def _tell(message: str, settings: OutgoingSettings) -> Answer:
    if not settings.outgoing_webhook_url:
        raise ConfigurationInvalid("OutgoingWebhookUrl is empty, so there is nobody to tell.")
    detail = json.loads(message)["detail"]
    secrets = _secrets(settings.outgoing_secret).current()
    if not secrets:
        logger.error("OutgoingSecret holds no secret: put {current: ...} into it. Until then nothing is told")
    answer = _receiver(settings.outgoing_webhook_url).post(detail["id"], json.dumps(detail).encode(), secrets)
    logger.info("The receiver was told", event_id=detail["id"], verdict=answer.verdict, reason=answer.reason)
    if answer.verdict == "never":
        logger.error(
            "The receiver refuses the event, and would again: it is in OutgoingDeadLetters",
            event_id=detail["id"],
            reason=answer.reason,
        )
        set_aside(settings.outgoing_dead_letters, message, answer.reason)
    return answer
