"""The inputs of a projection. Each has its source, its age, and the parts of it that are assumed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, NamedTuple, Self

from routing_weights.domain.queue import Queue
from routing_weights.domain.volume import StatedVolume

ASSUMED_PATIENCE_S = 120.0
"""Used where nobody knows how long contacts wait before they give up. Reported as assumed."""

Source = Literal["plan", "pushed", "forecast_table", "genesys_wfm", "history", "default_parameter"]


@dataclass(frozen=True, slots=True)
class Volume:
    """The contacts that are offered to a queue in one interval. The interval is taken to be stationary."""

    offered: float
    """Contacts per interval, >= 0."""
    interval_s: float
    aht_s: float
    """Average handle time in seconds, > 0; 0: nothing is offered and the time is unknown, so the queue is closed."""
    patience_s: float | None = None
    """Mean patience in seconds, > 0: total wait of all contacts / abandons. None: unknown."""
    service_level_target: float | None = None
    """The share of offered contacts to answer within `answer_within_s`; None: the queue's own."""
    answer_within_s: float | None = None

    @classmethod
    def of(cls, forecast: StatedVolume) -> Self:
        return cls(**forecast.model_dump() | {"aht_s": forecast.aht_s or 0.0})

    @property
    def modelled(self) -> Self | None:
        """The volume for the models; None for a closed queue, which has a load of 0 and no handle time."""
        return self if self.aht_s > 0 else None

    @property
    def rate(self) -> float:
        """Contacts per second."""
        return self.offered / self.interval_s

    @property
    def load(self) -> float:
        """Erlangs: rate x average handle time."""
        return self.offered * self.aht_s / self.interval_s


class LeftOut(NamedTuple):
    """Queues that are not counted. Their load is not known."""

    queues: int
    agents: int
    """How many of the agents serve one of them: they can take at most so many erlangs."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A load with its provenance."""

    load: float
    """Erlangs, >= 0."""
    source: Source
    age_s: float | None = None
    """Seconds since it was made; None: unknown, or without a meaning (the plan)."""
    detail: str = ""
    volume: Volume | None = None
    """What the load is made of; None: the source knows only the load."""
    stale: bool = False
    """True: it is older than the deployment's ForecastMaxAgeS."""
    media: tuple[str, ...] = ()
    """The media that were counted; empty: the source does not say."""
    assumed: tuple[str, ...] = ()
    """Inputs that nobody has given, such as "patience 120 s"."""
    notes: tuple[str, ...] = ()
    """A sentence for each source that was skipped or failed before this one."""
    carried: "tuple[Carried, ...]" = ()
    """What the queue's agents carry for other queues of the fleet, the largest load first."""
    left_out: LeftOut | None = None
    """Further queues of the fleet that some of the agents serve, whose load is not counted."""

    @property
    def total(self) -> float:
        """Erlangs on the queue's agents: its own load, and what they carry for other queues, in whatever order."""
        return math.fsum((self.load, *(each.load for each in self.carried)))

    @property
    def pooled(self) -> Volume | None:
        """The contacts behind `total`, in the queue's own interval, with its own patience and goal.

        The handle time is the mean over all contacts, so that the erlangs add up. A neighbour whose contacts are not
        known has as many as its load means at this queue's handle time. None if the queue's own volume is unknown.
        """
        own = self.volume
        if own is None or not self.carried:
            return own
        offered = math.fsum((own.offered, *(each.offered(own) for each in self.carried)))
        aht_s = self.total * own.interval_s / offered if offered else 0.0
        return replace(own, offered=offered, aht_s=aht_s) if aht_s else own


@dataclass(frozen=True, slots=True)
class Carried:
    """The part of a neighbour's load that a queue's agents carry, since they serve both."""

    queue_id: str
    shared: int
    """How many agents serve both queues."""
    agents: int
    """How many agents serve the neighbour."""
    forecast: Forecast
    """Of the whole neighbour."""

    @property
    def part(self) -> float:
        """In (0, 1]. Every agent of the neighbour is taken to carry as much as any other."""
        return self.shared / self.agents

    @property
    def load(self) -> float:
        """Erlangs."""
        return self.forecast.load * self.part

    def offered(self, own: Volume) -> float:
        """The contacts in an interval of `own`."""
        volume = self.forecast.volume
        if volume is None:
            return self.load * own.interval_s / own.aht_s
        return volume.offered * self.part * own.interval_s / volume.interval_s


@dataclass(frozen=True, slots=True)
class Observed:
    """A queue at one moment."""

    on_queue: Mapping[str, int]
    """Agents on queue by routing status, such as IDLE and INTERACTING; ON_QUEUE where the status is not known."""
    waiting: int | None
    """Contacts; None: the source does not know."""
    interacting: int | None
    at: float
    """Epoch seconds."""
    source: Literal["observations", "members"]

    @classmethod
    def of_members(cls, queue: Queue, at: float) -> Self:
        """From the members as they were read. Contract `score` has nothing else."""
        return cls({"ON_QUEUE": sum(member.active for member in queue.members)}, None, None, at, "members")

    @property
    def agents(self) -> int:
        return sum(self.on_queue.values())


# ---- where forecasts come from ---------------------------------------------------------------------------------------

Validity = Literal["valid", "not_yet_valid", "expired"]


class Later(NamedTuple):
    """An interval after the first one of a pushed forecast."""

    start: float
    """Epoch seconds."""
    offered: float
    aht_s: float | None


@dataclass(frozen=True)
class PushedForecast:
    """A forecast that was pushed, or put into ForecastTable by hand. Times are epoch seconds."""

    load: float
    """Erlangs."""
    volume: StatedVolume | None
    """None for an item that was put into ForecastTable by hand, with `projected_load` alone."""
    detail: str = ""
    updated_at: float | None = None
    pushed_by: str | None = None
    valid_from: float | None = None
    expires_at: float | None = None
    later: Sequence[Later] = ()
    """The intervals after the first one, in the order of time. Each is as long as the volume's."""

    def state(self, now: float) -> Validity:
        """DynamoDB deletes an expired item only within days, so every reader has to check."""
        if self.expires_at is not None and now >= self.expires_at:
            return "expired"
        current = self.at(now)
        if current.valid_from is None or current.volume is None:
            return "valid"
        between = bool(self.later) and now >= current.valid_from + current.volume.interval_s
        return "not_yet_valid" if between or now < current.valid_from else "valid"

    def at(self, now: float) -> Self:
        """The same with the figures of the interval that has begun last."""
        begun = [each for each in self.later if each.start <= now]
        if not begun or self.volume is None:
            return self
        current = begun[-1]
        volume = self.volume.model_copy(update={"offered": current.offered, "aht_s": current.aht_s})
        return replace(self, load=Volume.of(volume).load, volume=volume, valid_from=current.start)

    def age_s(self, now: float) -> float | None:
        return None if self.updated_at is None else max(0.0, now - self.updated_at)

    def forecast(self, now: float) -> Forecast:
        current = self.at(now)
        volume = Volume.of(current.volume) if current.volume else None
        source: Literal["pushed", "forecast_table"] = "pushed" if volume else "forecast_table"
        modelled = volume.modelled if volume else None
        return Forecast(current.load, source, age_s=self.age_s(now), detail=self.detail, volume=modelled)


HISTORY_INTERVAL = timedelta(minutes=30)
"""The history of a queue is kept by half hour of the week."""
CALLS = ("callback", "voice")
"""The media of calls. A call takes an agent's whole attention, as an erlang does; an e-mail does not.

Route paths have Voice and Callback, analytics voice and callback. An entry without a medium counts as a call.
"""


def is_call(medium: str) -> bool:
    return not medium or medium in CALLS


@dataclass(frozen=True, slots=True)
class History:
    """Medians of the calls of a queue in one interval, over the last weeks that have data."""

    offered: float
    aht_s: float | None
    """None: no call was handled."""
    patience_s: float | None
    """Total wait of all calls / abandons, in the media in which calls are abandoned; None without abandons."""
    weeks: int
    by_medium: Mapping[str, float] = field(default_factory=dict)
    """Contacts offered in each medium that was seen, not only in calls."""

    @property
    def media(self) -> tuple[str, ...]:
        """The media of calls that were seen."""
        return tuple(sorted(medium for medium in self.by_medium if medium in CALLS))

    def offered_in(self, medium: str) -> float:
        return self.by_medium.get(medium, 0.0) if medium else self.offered


class Predicted(NamedTuple):
    """One interval of a WFM forecast, for one queue."""

    volume: Volume
    age_s: float | None
    """Seconds since the forecast was last modified."""
    detail: str
    assumed: tuple[str, ...]
    media: tuple[str, ...] = ()
    """The media that were counted."""
