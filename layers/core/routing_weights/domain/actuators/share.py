"""Actuator `share`: the weight itself, as a share of the queue's contacts.

The shares in force are in this system's own table (domain.shares). A call flow asks for a draw at each contact and
passes the drawn agents to Genesys as preferred agents; the queue's routing rules hold the contact for them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self, final

from routing_weights.domain.actuators.base import Actuator, Carrier, ContractName, Listed, Ranking, SharesItem
from routing_weights.domain.problems import not_applicable
from routing_weights.domain.queue import Queue, QueueSettings, SettingName, Value
from routing_weights.domain.target import Target
from routing_weights.domain.types import ShareOptions

MAX_SHARED = 500
"""The most members with a share: the counters of a queue's draws are one item of DynamoDB."""


@final
@dataclass(frozen=True)
class Share(Actuator):
    hold_s: int
    then: int
    name: ClassVar[str] = "share"
    strategy: ClassVar[str] = "share-by-weight"
    contract: ClassVar[ContractName] = "platform"
    carrier: ClassVar[Carrier] = SharesItem()
    uses: ClassVar[frozenset[SettingName]] = frozenset({"routing_rules"})
    takes_share: ClassVar[bool] = True
    together: ClassVar[bool] = True
    does_not: ClassVar[str] = (
        "Shares come true as far as agents are free, and only for contacts whose flow asks for a draw: a contact that "
        "waited for its drawn agent in vain goes to others. Transfers by agents, outbound calls and contacts that "
        "last-agent routing takes are not drawn."
    )

    @classmethod
    def for_weights(cls, weights: Collection[float], digits: int) -> Self:  # noqa: ARG003 - there is no scale
        return cls(**ShareOptions().model_dump())

    def with_share(self, options: ShareOptions | None) -> Self:
        return type(self)(**options.model_dump()) if options else self

    @property
    def share(self) -> ShareOptions:
        return ShareOptions(hold_s=self.hold_s, then=self.then)

    def value(self, weight: float, share: Fraction) -> float:  # noqa: ARG002 - only the weight counts
        return weight

    def weight(self, value: Value) -> float:
        return float(value)

    def read(self, member: Listed) -> float:
        return member.share

    def ranking(self, settings: QueueSettings, ring_timeouts_s: tuple[float, ...]) -> Ranking:  # noqa: ARG002
        """Without shares in force, or without routing rules, nobody is drawn."""
        if settings.share_options is None or self.without_effect(settings):
            return Ranking("joined")
        return Ranking("share", share=ShareOptions.parse(settings.share_options))

    def without_effect(self, settings: QueueSettings) -> str | None:
        if settings.routing_rules:
            return None
        return (
            "The weights have no effect: the queue has no routing rules, so no contact waits for a preferred agent. "
            f"Take strategy {self.strategy}, which sets them"
        )

    def require_queue(self, before: Queue, target: Target) -> None:  # noqa: ARG002 - of any queue
        shared = sum(1 for value in target.values.values() if value)
        if shared > MAX_SHARED:
            message = f"{shared} members have a share, and a queue can have {MAX_SHARED}: give the others weight 0"
            raise not_applicable("member_weights", message, "too_many_shares")
