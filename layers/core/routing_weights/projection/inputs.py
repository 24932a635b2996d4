"""What a projection starts from, each input with where it comes from, how old it is, and what of it is assumed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from routing_weights.domain.queue import Queue
from routing_weights.domain.volume import StatedVolume

ASSUMED_PATIENCE_S = 120.0
"""Where nobody knows how long contacts wait before they give up. Reported as assumed."""

Source = Literal["plan", "pushed", "forecast_table", "genesys_wfm", "history", "default_parameter"]


@dataclass(frozen=True, slots=True)
class Volume:
    """What is offered to a queue in one interval, which is taken to be stationary."""

    offered: float
    """Contacts per interval, >= 0."""
    interval_s: float
    aht_s: float
    """Average handle time in seconds, > 0; 0 where nothing is offered and nobody says: the queue is closed."""
    patience_s: float | None = None
    """Mean patience in seconds, > 0: total wait of all contacts / abandons. None where nobody knows."""
    service_level_target: float | None = None
    """The share of offered contacts to answer within `answer_within_s`; None: the queue's own."""
    answer_within_s: float | None = None

    @classmethod
    def of(cls, forecast: StatedVolume) -> Self:
        return cls(**forecast.model_dump() | {"aht_s": forecast.aht_s or 0.0})

    @property
    def modelled(self) -> Self | None:
        """What the models can work with: a closed queue has a load of 0, and nothing to say about its contacts."""
        return self if self.aht_s > 0 else None

    @property
    def rate(self) -> float:
        """Contacts per second."""
        return self.offered / self.interval_s

    @property
    def load(self) -> float:
        """Erlangs: rate x average handle time."""
        return self.offered * self.aht_s / self.interval_s


@dataclass(frozen=True, slots=True)
class Forecast:
    """A load with its provenance."""

    load: float
    """Erlangs, >= 0."""
    source: Source
    age_s: float | None = None
    """Seconds since it was made; None where that has no meaning (the plan) or is unknown."""
    detail: str = ""
    volume: Volume | None = None
    """What the load is made of; None where the source knows the load alone."""
    stale: bool = False
    """Whether it is older than the deployment's ForecastMaxAgeS."""
    media: tuple[str, ...] = ()
    """The media that were counted; empty where the source does not say."""
    assumed: tuple[str, ...] = ()
    """Inputs that nobody has said, such as "patience 120 s"."""
    notes: tuple[str, ...] = ()
    """A sentence for each source that was skipped or failed before this one."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A queue as it is at one moment."""

    on_queue: Mapping[str, int]
    """Agents on queue by routing status, such as IDLE and INTERACTING; ON_QUEUE where the status is not known."""
    waiting: int | None
    """Contacts; None where the source cannot tell."""
    interacting: int | None
    at: float
    """Epoch seconds."""
    source: Literal["observations", "members"]

    @classmethod
    def of_members(cls, queue: Queue, at: float) -> Self:
        """From the members as they were read: all that contract `score` has."""
        return cls({"ON_QUEUE": sum(member.active for member in queue.members)}, None, None, at, "members")

    @property
    def agents(self) -> int:
        return sum(self.on_queue.values())
