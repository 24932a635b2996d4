"""The function that reads the agents of a queue, for the draws."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.client import Patience, client, reported
from routing_weights.errors import StoreUnavailable

logger = Logger(child=True)

ASK_EVERY_S = 1.0
"""How often one process asks for the same queue. Until the function has begun, all draws find a reading due."""
FINISH_S = 0.05
"""How long a draw waits, at its end, until its question is sent: a frozen process would send it with the next draw."""


@dataclass
class StandingsFunction:
    """Invokes the function beside the draw, and does not wait for what it does."""

    name: str
    patience: Patience
    clock: Callable[[], float] = time.monotonic
    _asked_at: dict[str, float] = field(default_factory=dict, init=False)

    def ask(self, queue_id: str) -> Callable[[], None] | None:
        now = self.clock()
        if now - self._asked_at.get(queue_id, -ASK_EVERY_S) < ASK_EVERY_S:
            return None
        self._asked_at[queue_id] = now
        thread = threading.Thread(target=self._invoke, args=(queue_id,), name="standings", daemon=True)
        thread.start()
        return lambda: thread.join(FINISH_S)

    def _invoke(self, queue_id: str) -> None:
        try:
            with reported("ask for a reading of the agents"):
                client("lambda", self.patience).invoke(
                    FunctionName=self.name, InvocationType="Event", Payload=json.dumps({"queue_id": queue_id})
                )
        except StoreUnavailable as error:
            logger.warning("The agents are not read", queue_id=queue_id, reason=error.message)
