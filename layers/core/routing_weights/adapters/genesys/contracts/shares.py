"""The values of actuator `share`: the shares of a queue, in this system's own table.

One conditional write changes all of them: the old shares are in force, or the new ones, and nothing between.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from routing_weights.domain.queue import SHARE_OPTIONS, Queue, Setting, holds, named
from routing_weights.domain.shares import SharesInForce
from routing_weights.domain.types import ShareOptions
from routing_weights.errors import QueueChanged


class Shares(Protocol):
    """The shares in force, by queue."""

    def find(self, queue_id: str) -> SharesInForce | None: ...

    def put(self, shares: SharesInForce, expected: int) -> None:
        """Put shares in force. Raises QueueChanged unless those of version `expected` are in force; 0: none."""
        ...


@dataclass(frozen=True)
class QueueShares:
    """The shares of one queue, for one distribution."""

    store: Shares
    distribution_id: str

    def read(self, queue_id: str) -> SharesInForce | None:
        return self.store.find(queue_id.lower())

    @staticmethod
    def note(shares: SharesInForce) -> dict[str, Any]:
        """Return the shares for Queue.native."""
        return {"shares": {"queue_id": shares.queue_id, "text": shares.to_json(), "version": shares.version}}

    def write(
        self,
        before: Queue,
        values: Mapping[str, float],
        options: Setting,
        fence: Callable[[], None] | None,
        *,
        as_read: bool = True,
    ) -> None:
        """Give members their shares, and change nobody else's. Whoever is not in `before` loses the share.

        If that gives the queue the shares that its before-image has, these are put in force as they were, with their
        distribution and with members who have left. They may sum to more than 1 if somebody has edited the table: the
        draws take them in proportion.

        Args:
            before: the queue, with the shares of the before-image in its notes.
            values: the shares of members, by id.
            options: how strict the shares are, as text. None leaves that.
            fence: raises if the run must not write any more.
            as_read: refuse the write unless all shares are still those of `before`.

        Raises:
            QueueChanged: somebody else has changed the shares since they were read. Nothing was written.
        """
        now, then, users = self.read(before.queue_id), _kept(before.native), {m.user_id for m in before.members}
        held = now.weights if now else {}
        made = SharesInForce(
            before.queue_id.lower(),
            self.distribution_id,
            {user: weight for user, weight in {**held, **values}.items() if weight and user in users},
            ShareOptions.parse(str(options)) if options else now.options if now else ShareOptions(),
            (now.version if now else 0) + 1,
        )
        if then and _in_force(made, users) == _in_force(then, users):
            made = replace(then, version=made.version)
        if now and (made.weights, made.options) == (now.weights, now.options):
            return  # an attempt whose answer was lost has written it
        if as_read and (edited := _edited(before, now)):
            raise QueueChanged(
                f"The shares of queue {before.queue_id} were changed by somebody after this run had read them "
                f"({named(edited)}). Nothing was overwritten: look at the change, then send the plan again.",
                fields=edited,
            )
        if fence:
            fence()
        self.store.put(made, now.version if now else 0)


def _kept(native: Mapping[str, Any]) -> SharesInForce | None:
    return SharesInForce.from_json(**native["shares"]) if "shares" in native else None


def _edited(before: Queue, now: SharesInForce | None) -> list[str]:
    """Return the members whose share is not that of `before`, and the options if they are others."""
    held = now.weights if now else {}
    edited = sorted(m.user_id for m in before.members if not holds(held.get(m.user_id, 0.0), m.value))
    options = str(now.options) if now and now.weights else None
    return edited + [SHARE_OPTIONS] * (options != before.settings.share_options)


def _in_force(shares: SharesInForce, users: set[str]) -> tuple[dict[str, float], ShareOptions]:
    """Return what of the shares has an effect on these members."""
    return {user: weight for user, weight in shares.weights.items() if user in users}, shares.options
