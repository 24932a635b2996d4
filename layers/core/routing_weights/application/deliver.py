"""Delivers outcomes to a system outside: each event is a signed POST."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from routing_weights.application.messages import Message
from routing_weights.application.ports import DeadLetters, Postpone, Receiver, WebhookSecrets
from routing_weights.domain.signing import Reply
from routing_weights.errors import ConfigurationInvalid, RoutingWeightsError

logger = Logger(child=True)

FIRST_PAUSE_S = 1


@dataclass(frozen=True)
class DeliverOutcomes:
    receiver: Receiver | None
    """None where the deployment names no system."""
    secrets: WebhookSecrets
    queue: Postpone
    dead_letters: DeadLetters

    def deliver(self, messages: Sequence[Message]) -> list[str]:
        """The ids of the messages that have to come back. A message that is refused for ever is a dead letter."""
        failed = []
        for message in messages:
            pause_s = 0
            try:
                reply = self._send(message.body)
                if reply.verdict != "later":
                    continue
                pause_s = reply.pause_s
            except RoutingWeightsError as error:
                logger.warning("The event is sent later", error_type=type(error).__name__, reason=error.message)
            except Exception:  # a defect of ours: logged, tried again, and at last a dead letter, with an alarm
                logger.exception("Unexpected error", message_id=message.message_id)
            failed.append(message.message_id)
            self.queue.postpone(message.receipt, message.pause_s(first_s=FIRST_PAUSE_S, at_least_s=pause_s))
        return failed

    def _send(self, body: str) -> Reply:
        if self.receiver is None:
            raise ConfigurationInvalid("OutgoingWebhookUrl is empty, so there is no system to send outcomes to.")
        detail = json.loads(body)["detail"]
        secrets = self.secrets.current()
        if not secrets:
            logger.error("OutgoingSecret holds no secret: put {current: ...} into it. Until then nothing is sent")
        reply = self.receiver.post(detail["id"], json.dumps(detail).encode(), secrets)
        logger.info("The event was sent", event_id=detail["id"], verdict=reply.verdict, reason=reply.reason)
        if reply.verdict == "never":
            logger.error(
                "The receiver refuses the event for ever: it is in OutgoingDeadLetters",
                event_id=detail["id"],
                reason=reply.reason,
            )
            self.dead_letters.put(body, reply.reason)
        return reply
