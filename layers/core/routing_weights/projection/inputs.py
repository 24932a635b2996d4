"""What a projection starts from, each input with where it comes from, how old it is, and what of it is assumed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, NamedTuple, Self

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


# ---- where forecasts come from ---------------------------------------------------------------------------------------

StoredState = Literal["valid", "not_yet_valid", "expired"]


@dataclass(frozen=True)
class StoredForecast:
    """Times are epoch seconds."""

    load: float
    """Erlangs."""
    volume: StatedVolume | None
    """None for an item that somebody put there by hand with `projected_load` alone."""
    detail: str = ""
    updated_at: float | None = None
    pushed_by: str | None = None
    valid_from: float | None = None
    expires_at: float | None = None

    def state(self, now: float) -> StoredState:
        """DynamoDB deletes an expired item within days, so whoever reads one has to look."""
        if self.expires_at is not None and now >= self.expires_at:
            return "expired"
        return "not_yet_valid" if self.valid_from is not None and now < self.valid_from else "valid"

    def age_s(self, now: float) -> float | None:
        return None if self.updated_at is None else max(0.0, now - self.updated_at)

    def forecast(self, now: float) -> Forecast:
        volume = Volume.of(self.volume) if self.volume else None
        source: Literal["pushed", "forecast_table"] = "pushed" if volume else "forecast_table"
        said = volume.modelled if volume else None
        return Forecast(self.load, source, age_s=self.age_s(now), detail=self.detail, volume=said)


HISTORY_INTERVAL = timedelta(minutes=30)
"""Of the history of a queue: a half hour of the week."""
CALLS = ("callback", "voice")
"""The media of calls: either takes an agent's whole attention, as an erlang does, and an e-mail does not.

Route paths say Voice and Callback, analytics voice and callback. What says no medium at all is counted.
"""


def is_call(medium: str) -> bool:
    return not medium or medium in CALLS


@dataclass(frozen=True, slots=True)
class History:
    """A queue's interval in the last weeks that have data: medians of its calls."""

    offered: float
    aht_s: float | None
    """None where no call was handled."""
    patience_s: float | None
    """Total wait of all calls / abandons, in the media in which calls are abandoned; None without abandons."""
    weeks: int
    by_medium: Mapping[str, float] = field(default_factory=dict)
    """Contacts offered in each medium that was seen, others than calls too."""

    @property
    def media(self) -> tuple[str, ...]:
        """Those that count."""
        return tuple(sorted(medium for medium in self.by_medium if medium in CALLS))

    def offered_in(self, medium: str) -> float:
        return self.by_medium.get(medium, 0.0) if medium else self.offered


class Predicted(NamedTuple):
    """A WFM forecast's interval, for one queue."""

    volume: Volume
    age_s: float | None
    """Since it was last modified."""
    detail: str
    assumed: tuple[str, ...]
    media: tuple[str, ...] = ()
    """Those that were counted."""
