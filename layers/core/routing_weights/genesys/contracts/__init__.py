"""The contracts: what the rest of the system needs of Genesys, and which module speaks which dialect."""

from collections.abc import Collection
from typing import Protocol

from routing_weights.distribution import Member, Queue


class Contract(Protocol):
    """One dialect. Reading gives domain objects, writing takes them."""

    def read_queue(self, queue_id: str) -> Queue:
        """The queue with all its members: 1 + ceil(members / 100) requests."""
        ...

    def read_again(self, queue: Queue, user_ids: Collection[str]) -> Queue:
        """`queue` with the given members read anew: only the pages that hold them."""
        ...

    def write_queue(self, queue: Queue, *, overflow_threshold: float, wrap_up_timeout_s: int | None, key: str) -> bool:
        """Set what differs; False when nothing does. `wrap_up_timeout_s` None leaves it alone."""
        ...

    def write_member(self, queue: Queue, member: Member, weight: float, key: str) -> None:
        """Set one member's weight, and nothing else of it. `key` is unique per distribution and write."""
        ...
