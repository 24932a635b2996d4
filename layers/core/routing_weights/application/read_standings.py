"""Reads who of a queue's agents is free, because a draw has asked for it.

Distributions have precedence: a reading that gets no slot of the request budget is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aws_lambda_powertools import Logger

from routing_weights.domain.standings import CLAIM_S
from routing_weights.errors import RoutingWeightsError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from routing_weights.application.ports import AgentStandings, AgentStatuses, Shares

logger = Logger(child=True)

PATIENCE_S = 0.5
"""How long a request of a reading waits for a slot: the distance of two slots, if only readings take them."""
STORE_TRIES = 4
"""How often a reading is stored, if events change the same item meanwhile."""

Outcome = Literal["read", "not_due", "dropped"]


@dataclass(frozen=True)
class ReadStandings:
    shares: Shares
    standings: AgentStandings
    connect: Callable[[], AgentStatuses]
    """Opens Genesys, with the time that is left."""
    every_s: float
    """The age from which a reading is old, in seconds."""

    def read(self, queue_id: str, now: float) -> Outcome:
        """Read the agents of a queue, unless somebody else does, or has just done it. `now`: epoch seconds.

        Raises:
            StoreUnavailable: as AWS reports it.
            RoutingWeightsError: Genesys refuses the reading, so the next one would fail as well.
        """
        known = self.standings.find(queue_id)
        if not known.reading_is_due(now, self.every_s):
            return "not_due"
        shares = self.shares.find(queue_id)
        if shares is None or not self.standings.claim(queue_id, known, now + CLAIM_S):
            return "not_due"
        try:
            listed = self.connect().of_queue(queue_id, now)
        except RoutingWeightsError as error:
            if not error.retryable:
                raise
            logger.info("The reading of the agents gives way", queue_id=queue_id, reason=error.message)
            return "dropped"
        for _ in range(STORE_TRIES):
            after = self.standings.find(queue_id).after_reading(listed, shares.weights, now)
            if self.standings.replace(queue_id, after):
                return "read"
        raise StoreUnavailable(f"Could not store the standings of the agents: {STORE_TRIES} events were faster.")
