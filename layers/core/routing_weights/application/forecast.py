"""Where the load that a plan is projected with comes from: the configured sources, in their order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, assert_never

from routing_weights.domain.neighbours import NONE, Neighbour, Neighbours
from routing_weights.domain.volume import MAX_LOAD, StatedVolume
from routing_weights.errors import ForecastMissing, RoutingWeightsError
from routing_weights.projection.inputs import (
    ASSUMED_PATIENCE_S,
    HISTORY_INTERVAL,
    Carried,
    Forecast,
    LeftOut,
    Volume,
    is_call,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from routing_weights.application.ports import Analytics, Forecasts
    from routing_weights.domain.plan import Plan, SharedQueue
    from routing_weights.settings import ForecastSource

    _Asked = Plan | Neighbour

NO_ANALYTICS = "contract score has no such source"


class _Unknown(Exception):
    """A source knows no forecast. The message says why."""

    def __init__(self, why: str, *, failed: bool = False) -> None:
        super().__init__(why)
        self.failed = failed
        """True if the source did not answer at all."""


@dataclass(frozen=True)
class Forecasting:
    sources: Sequence[ForecastSource]
    pushed: Forecasts
    analytics: Analytics | None
    """None under contract `score`."""
    business_unit: str
    """The id of the WFM business unit; empty if there is none."""
    max_age_s: float
    default_load: float | None
    """The deployment's DefaultProjectedLoad, in erlangs."""
    wall_clock: Callable[[], float]

    def forecast_for(self, plan: Plan, neighbours: Neighbours = NONE) -> Forecast:
        """The forecast of the first source that has one, with a note for each source before it.

        A source of Genesys that fails becomes a note. A pushed forecast that cannot be read is an error: a default must
        not replace it. The same holds for each neighbour, whose load is counted as far as the plan's agents carry it.

        Raises:
            ForecastMissing: no source has a forecast.
            StoreUnavailable: ForecastTable did not answer, or its item is no forecast.
        """
        found = self._first_known([plan, *neighbours.counted])
        own = self._examined(found[plan.queue_id], plan.queue_id)
        return _together(own, neighbours, {queue: self._dated(each) for queue, each in found.items()})

    def _first_known(self, asked: Sequence[_Asked]) -> dict[str, Forecast]:
        """The forecast of each queue, by id. A source of Genesys that fails for one is not asked for the others."""
        known: dict[str, Forecast] = {}
        notes: dict[str, list[str]] = {each.queue_id: [] for each in asked}
        for source in self.sources:
            missing = [each for each in asked if each.queue_id not in known]
            failed: _Unknown | None = None
            for each in missing:
                answer = failed or self._answer(source, each, missing)
                if isinstance(answer, Forecast):
                    known[each.queue_id] = replace(answer, notes=tuple(notes[each.queue_id]))
                    continue
                notes[each.queue_id].append(f"{source}: {answer}.")
                failed = answer if answer.failed else None
        for each in asked:
            if each.queue_id not in known:
                raise _missing(each, asked[0], notes[each.queue_id])
        return known

    def forecast_shared(self, shared: SharedQueue) -> Forecast | None:
        """The forecast of another queue of the agents: the plan's, else the pushed one, else None."""
        try:
            forecast = _stated(shared.forecast) if shared.forecast else self._pushed(shared.queue_id)
        except _Unknown:
            return None
        return self._examined(forecast, shared.queue_id)

    def _dated(self, forecast: Forecast) -> Forecast:
        return replace(forecast, stale=forecast.age_s is not None and forecast.age_s > self.max_age_s)

    def _examined(self, forecast: Forecast, queue_id: str) -> Forecast:
        forecast = self._dated(forecast)
        return forecast if forecast.volume is None else self._with_patience(forecast, forecast.volume, queue_id)

    def _answer(self, source: ForecastSource, asked: _Asked, missing: Sequence[_Asked]) -> Forecast | _Unknown:
        try:
            return self._ask(source, asked, missing)
        except _Unknown as why:
            return why

    def _ask(self, source: ForecastSource, asked: _Asked, missing: Sequence[_Asked]) -> Forecast:
        """Ask for one of the queues that are `missing`: a history is read for all of them at once."""
        match source:
            case "plan":
                return _of_plan(asked)
            case "pushed":
                return self._pushed(asked.queue_id)
            case "genesys_wfm":
                return self._of_genesys(self._predicted, asked.queue_id)
            case "history":
                queues = [each.queue_id for each in missing]
                return self._of_genesys(partial(self._history, queues), asked.queue_id)
            case "default":
                return self._default()
            case _:
                assert_never(source)

    def _of_genesys(self, ask: Callable[[Analytics, str], Forecast], queue_id: str) -> Forecast:
        if self.analytics is None:
            raise _Unknown(NO_ANALYTICS)
        try:
            forecast = ask(self.analytics, queue_id)
        except RoutingWeightsError as error:
            raise _Unknown(_clause(error), failed=True) from error
        if forecast.load > MAX_LOAD:
            raise _Unknown(f"{forecast.load:g} erlangs are not believable")
        return forecast

    def _default(self) -> Forecast:
        if self.default_load is None:
            raise _Unknown("the deployment has no DefaultProjectedLoad")
        return Forecast(
            self.default_load,
            "default_parameter",
            detail="assumed: the deployment's DefaultProjectedLoad",
            assumed=(f"load {self.default_load:g} erlangs",),
        )

    def _pushed(self, queue_id: str) -> Forecast:
        pushed, now = self.pushed.find(queue_id), self.wall_clock()
        if pushed is None:
            raise _Unknown("nobody has pushed one for this queue")
        if (state := pushed.state(now)) != "valid":
            raise _Unknown(f"what was pushed for this queue is {state.replace('_', ' ')}")
        return pushed.forecast(now)

    def _predicted(self, analytics: Analytics, queue_id: str) -> Forecast:
        if not self.business_unit:
            raise _Unknown("the deployment has no WfmBusinessUnit")
        predicted = analytics.predicted(self.business_unit, queue_id)
        if isinstance(predicted, str):
            raise _Unknown(predicted)
        volume, age_s, detail, assumed, media = predicted
        forecast = Forecast(volume.load, "genesys_wfm", age_s, detail, volume.modelled)
        return replace(forecast, assumed=assumed, media=media)

    def _history(self, queues: Sequence[str], analytics: Analytics, queue_id: str) -> Forecast:
        history = analytics.history(queues)[queue_id]
        if history is None:
            raise _Unknown("too few of the last weeks have contacts in this half hour")
        if history.by_medium and not any(map(is_call, history.by_medium)):
            raise _Unknown(f"the last weeks have no calls in this half hour, only {', '.join(history.by_medium)}")
        if history.offered and history.aht_s is None:
            raise _Unknown("none of the last weeks has a handled call in this half hour")
        volume = Volume(history.offered, HISTORY_INTERVAL.total_seconds(), history.aht_s or 0.0, history.patience_s)
        left_out = [medium for medium in history.by_medium if not is_call(medium)]
        detail = f"medians of this half hour (UTC) of the weekday in the last {history.weeks} weeks with contacts"
        detail += f"; counted: {', '.join(history.media) or 'no medium is named'}"
        detail += f"; not counted: {', '.join(left_out)}" if left_out else ""
        return Forecast(volume.load, "history", detail=detail, volume=volume.modelled, media=history.media)

    def _with_patience(self, forecast: Forecast, volume: Volume, queue_id: str) -> Forecast:
        """The forecast with a patience: its own, else that of the queue's history, else an assumed one, and says so."""
        if volume.patience_s is not None:
            return forecast
        note: tuple[str, ...] = ()
        if self.analytics and "history" in self.sources:
            try:
                history = self.analytics.history([queue_id])[queue_id]
            except RoutingWeightsError as error:
                note = (f"patience: {_clause(error)}.",)
            else:
                if history and history.patience_s:
                    detail = "; ".join(filter(None, (forecast.detail, "patience from the queue's history")))
                    return replace(forecast, volume=replace(volume, patience_s=history.patience_s), detail=detail)
                note = ("patience: the queue's history has too few weeks, or no abandons.",)
        assumed = (*forecast.assumed, f"patience {ASSUMED_PATIENCE_S:g} s")
        return replace(forecast, assumed=assumed, notes=forecast.notes + note)


def _missing(asked: _Asked, first: _Asked, notes: Sequence[str]) -> ForecastMissing:
    queue_id, tried = asked.queue_id, " ".join(notes)
    shared = "" if asked is first else f"Queue {queue_id} of the same fleet shares agents with queue {first.queue_id}. "
    return ForecastMissing(
        f"{shared}None of the forecast sources knows what load queue {queue_id} expects. {tried} Give forecast or "
        f"projected_load in {'the' if asked is first else 'its'} plan, push one with PUT /queues/{queue_id}/forecast, "
        "or add a source to the deployment's ForecastSources."
    )


def _together(own: Forecast, neighbours: Neighbours, forecasts: Mapping[str, Forecast]) -> Forecast:
    """A queue's forecast with the parts of its neighbours' loads that its agents carry."""

    def of(neighbour: Neighbour) -> Forecast:
        forecast = forecasts[neighbour.queue_id]
        if own.volume is None or forecast.volume or not forecast.load:
            return forecast
        return replace(forecast, assumed=(*forecast.assumed, f"handle time {own.volume.aht_s:g} s"))

    carried = [Carried(each.queue_id, each.shared, each.agents, of(each)) for each in neighbours.counted]
    left_out, notes = None, own.notes
    if neighbours.left_out:
        left_out = LeftOut(neighbours.left_out, neighbours.agents_left_out)
        notes += (_not_counted(left_out),)
    ranked = sorted(carried, key=lambda each: (-each.load, each.queue_id))
    return replace(own, carried=tuple(ranked), left_out=left_out, notes=notes)


def _not_counted(left_out: LeftOut) -> str:
    return (
        f"At least {left_out.queues} more queues of the fleet share agents with this one, and are not counted. "
        f"{left_out.agents} of its agents serve them, so they can take up to {left_out.agents} erlangs."
    )


def _stated(stated: StatedVolume) -> Forecast:
    volume = Volume.of(stated)
    return Forecast(volume.load, "plan", volume=volume.modelled)


def _of_plan(plan: _Asked) -> Forecast:
    if plan.forecast is not None:
        return _stated(plan.forecast)
    if plan.projected_load is not None:
        return Forecast(plan.projected_load, "plan")
    raise _Unknown("it has neither forecast nor projected_load")


def _clause(error: RoutingWeightsError) -> str:
    return error.message.removesuffix(".")
