"""Notes what events of the partner bus say about agents, in every queue where they have a share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from routing_weights.domain.agent_events import AgentEvent, agent_event_in
from routing_weights.errors import WebhookInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from routing_weights.application.ports import AgentStandings, Shares

logger = Logger(child=True)

INDEX_S = 60.0
"""How old the index of users may be. Events about a new share count after this time; readings know its agents."""


@dataclass
class SharedUsers:
    """The queues in which each user has a share. A process keeps it."""

    shares: Shares
    _queues: dict[str, set[str]] = field(default_factory=dict, init=False)
    _read_at: float = field(default=-math.inf, init=False)

    def queues_of(self, event: AgentEvent, now: float) -> set[str]:
        """Return the queues that an event is about."""
        if now - self._read_at >= INDEX_S:
            queues: dict[str, set[str]] = {}
            for shares in self.shares.in_force():
                for user in shares.weights:
                    queues.setdefault(user, set()).add(shares.queue_id)
            self._queues, self._read_at = queues, now
        queues_of_user = self._queues.get(event.user_id, set())
        return queues_of_user & {event.queue_id} if event.queue_id else queues_of_user


@dataclass(frozen=True)
class NoteStandings:
    users: SharedUsers
    standings: AgentStandings

    def note(self, messages: Sequence[str], now: float) -> int:
        """Note a batch of events. Returns how many facts were new. `now`: epoch seconds.

        An event that cannot be read is logged and lost: its fact would be old before anybody had repaired it.

        Raises:
            StoreUnavailable: the whole batch has to come again. A fact that is noted twice is noted once.
        """
        new = 0
        for message in messages:
            try:
                event = agent_event_in(message, now)
            except WebhookInvalid as error:
                logger.warning("An event is none of an agent", reason=error.message)
                continue
            if event is not None:
                for queue_id in sorted(self.users.queues_of(event, now)):
                    new += self.standings.note(queue_id, event.user_id, event.fact, now)
        return new
