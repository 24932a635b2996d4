"""Contract `platform`: the routing statuses of a queue's members. It reads, in as few requests as there are pages.

A reading may miss a member who slides to another page meanwhile, because the listing is read only once: such a member
counts as away until the next reading, some seconds later.
"""

from dataclasses import dataclass

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts.reading import (
    PAGE_SIZE,
    is_active,
    page_of,
    queue_path,
    routing_status,
    user_id,
)
from routing_weights.domain.agent_events import known_status, seconds_of
from routing_weights.domain.standings import Status


@dataclass(frozen=True)
class AgentStatuses:
    client: GenesysClient

    def of_queue(self, queue_id: str, now: float) -> dict[str, Status | None]:
        """Return the status of each user who is a member, joined and active. None if Genesys shows none that we know.

        A status without a time counts from `now`, epoch seconds. One request for each 100 members.

        Raises:
            RateLimited: the request budget has no slot, or Genesys limits the rate.
        """
        path = f"{queue_path(queue_id)}/members"
        statuses: dict[str, Status | None] = {}
        number: int | None = 1
        while number:
            listing = self.client.get(path, pageSize=PAGE_SIZE, pageNumber=number, expand="routingStatus")
            page = page_of(listing, path, number)
            for entity in page.entities:
                user = entity.get("user")
                if entity.get("joined") is not False and is_active(user if isinstance(user, dict) else {}):
                    text, since = routing_status(entity)
                    status = known_status(text)
                    began = min(now, seconds_of(since) or now)
                    statuses[user_id(entity)] = Status(status, began) if status else None
            more = page.entities and (page.following or page.more)
            number = (page.following or number + 1) if more else None
        return statuses
