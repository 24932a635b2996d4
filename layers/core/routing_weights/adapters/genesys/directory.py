"""The queues of the organisation, with their names and divisions."""

from dataclasses import dataclass

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts.reading import (
    PAGE_SIZE,
    Entity,
    child,
    children,
    entities,
    get_queue,
    shown_id,
    text,
)
from routing_weights.domain.directory import ListedQueue
from routing_weights.domain.queue import QueueSettings
from routing_weights.errors import QueuesNotListable

QUEUES = "/api/v2/routing/queues"
MOST_PAGES = 100
"""10,000 queues."""


@dataclass(frozen=True)
class PlatformDirectory:
    client: GenesysClient

    def queues(self) -> list[ListedQueue]:
        """Return all queues that the OAuth client may see: one request for each 100, several at once.

        A queue that slides to another page meanwhile may be missing until the next reading.
        """
        first = self.client.get(QUEUES, pageSize=PAGE_SIZE, pageNumber=1)
        pages = first.get("pageCount") if isinstance(first, dict) else None
        rest = range(2, min(pages, MOST_PAGES) + 1) if isinstance(pages, int) else range(0)
        others = self.client.get_in_lanes(
            lambda number: self.client.get(QUEUES, pageSize=PAGE_SIZE, pageNumber=number), rest
        )
        listed = (_listed(entity) for listing in (first, *others) for entity in entities(listing, QUEUES))
        return list({queue.queue_id: queue for queue in listed}.values())

    def queue(self, queue_id: str) -> tuple[ListedQueue, QueueSettings | None]:
        """Return a queue, and its settings as far as they say how it chooses among agents.

        Raises:
            QueueNotFound.
        """
        raw = get_queue(self.client, queue_id)
        settings = QueueSettings(
            skill_evaluation_method=text(raw, "skillEvaluationMethod"),
            bullseye_rings=len(children(child(raw, "bullseye"), "rings")),
            routing_rules=str(len(rules)) if (rules := children(raw, "routingRules")) else None,
        )
        return _listed(raw), settings


@dataclass(frozen=True)
class ScoreDirectory:
    """Contract `score` shows a queue whose id is known, and has no listing of queues."""

    client: GenesysClient

    def queues(self) -> list[ListedQueue]:
        raise QueuesNotListable(
            "Contract score has no listing of queues. Ask for one queue by its id: GET /queues/{queue_id}."
        )

    def queue(self, queue_id: str) -> tuple[ListedQueue, QueueSettings | None]:
        return _listed(get_queue(self.client, queue_id)), None


def _listed(raw: Entity) -> ListedQueue:
    queue_id, count = shown_id(raw).lower(), raw.get("memberCount")
    return ListedQueue(
        queue_id,
        text(raw, "name") or queue_id,
        text(child(raw, "division"), "name"),
        count if isinstance(count, int) and not isinstance(count, bool) else None,
    )
