"""Where the load that a plan is projected with comes from: the configured sources in their order."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from routing_weights.adapters.aws.forecast_table import Forecasts
from routing_weights.adapters.genesys.analytics import Analytics
from routing_weights.domain.plan import Plan, SharedQueue
from routing_weights.domain.volume import MAX_LOAD, StatedVolume
from routing_weights.errors import ForecastMissing, RoutingWeightsError
from routing_weights.projection.inputs import ASSUMED_PATIENCE_S, HISTORY_INTERVAL, Forecast, Volume, is_call
from routing_weights.settings import ForecastSource

NO_ANALYTICS = "contract score has no such source"


class _Unknown(Exception):
    """A source does not know; its message says why."""


@dataclass(frozen=True)
class Forecasting:
    sources: Sequence[ForecastSource]
    stored: Forecasts
    analytics: Analytics | None
    """None under contract `score`."""
    business_unit: str
    """The WFM business unit's id; empty where there is none."""
    max_age_s: float
    wall_clock: Callable[[], float] = time.time

    def forecast_for(self, plan: Plan) -> Forecast:
        """The first source that knows, with a note for each one before it.

        A source of Genesys that fails is a note and not a failure. What was stored for the queue and cannot be read is
        a failure: it must not be replaced by a default.

        Raises:
            ForecastMissing: no source knows.
            StoreUnavailable: ForecastTable did not answer, or holds something that is no forecast.
        """
        notes: list[str] = []
        for source in self.sources:
            try:
                found = self._ask(source, plan)
                break
            except _Unknown as why:
                notes.append(f"{source}: {why}.")
        else:
            tried = " ".join(notes)
            raise ForecastMissing(
                f"None of the forecast sources knows what load queue {plan.queue_id} expects. {tried} Give forecast or "
                f"projected_load in the plan, push one with PUT /queues/{plan.queue_id}/forecast, or add a source to "
                "the deployment's ForecastSources."
            )
        return self._examined(replace(found, notes=tuple(notes)), plan.queue_id)

    def forecast_shared(self, shared: SharedQueue) -> Forecast | None:
        """What another queue of the agents expects: as the plan says, else as it was pushed; None: neither."""
        try:
            found = _stated(shared.forecast) if shared.forecast else self._pushed(shared.queue_id)
        except _Unknown:
            return None
        return self._examined(found, shared.queue_id)

    def _examined(self, found: Forecast, queue_id: str) -> Forecast:
        found = replace(found, stale=found.age_s is not None and found.age_s > self.max_age_s)
        return found if found.volume is None else self._with_patience(found, found.volume, queue_id)

    def _ask(self, source: ForecastSource, plan: Plan) -> Forecast:
        match source:
            case "plan":
                return _of_plan(plan)
            case "pushed":
                return self._pushed(plan.queue_id)
            case "default":
                if self.stored.default_load is None:
                    raise _Unknown("the deployment has no DefaultProjectedLoad")
                return self.stored.default(plan.queue_id)
        try:
            found = self._predicted(plan.queue_id) if source == "genesys_wfm" else self._history(plan.queue_id)
        except RoutingWeightsError as error:
            raise _Unknown(_clause(error)) from error
        if found.load > MAX_LOAD:
            raise _Unknown(f"{found.load:g} erlangs are not believable")
        return found

    def _pushed(self, queue_id: str) -> Forecast:
        stored, now = self.stored.find(queue_id), self.wall_clock()
        if stored is None:
            raise _Unknown("nobody has pushed one for this queue")
        if (state := stored.state(now)) != "valid":
            raise _Unknown(f"what was pushed for this queue is {state.replace('_', ' ')}")
        return stored.forecast(now)

    def _predicted(self, queue_id: str) -> Forecast:
        if self.analytics is None:
            raise _Unknown(NO_ANALYTICS)
        if not self.business_unit:
            raise _Unknown("the deployment has no WfmBusinessUnit")
        found = self.analytics.predicted(self.business_unit, queue_id)
        if isinstance(found, str):
            raise _Unknown(found)
        volume, age_s, detail, assumed, media = found
        known = Forecast(volume.load, "genesys_wfm", age_s, detail, volume.modelled)
        return replace(known, assumed=assumed, media=media)

    def _history(self, queue_id: str) -> Forecast:
        if self.analytics is None:
            raise _Unknown(NO_ANALYTICS)
        found = self.analytics.history([queue_id])[queue_id]
        if found is None:
            raise _Unknown("too few of the last weeks have contacts in this half hour")
        if found.by_medium and not any(map(is_call, found.by_medium)):
            raise _Unknown(f"the last weeks have no calls in this half hour, only {', '.join(found.by_medium)}")
        if found.offered and found.aht_s is None:
            raise _Unknown("none of the last weeks has a handled call in this half hour")
        volume = Volume(found.offered, HISTORY_INTERVAL.total_seconds(), found.aht_s or 0.0, found.patience_s)
        left_out = [medium for medium in found.by_medium if not is_call(medium)]
        detail = f"medians of this half hour (UTC) of the weekday in the last {found.weeks} weeks with contacts"
        detail += f"; counted: {', '.join(found.media) or 'no medium is said'}"
        detail += f"; not counted: {', '.join(left_out)}" if left_out else ""
        return Forecast(volume.load, "history", detail=detail, volume=volume.modelled, media=found.media)

    def _with_patience(self, found: Forecast, volume: Volume, queue_id: str) -> Forecast:
        """Patience from the queue's history where its source does not know it; else it is assumed, and said so."""
        if volume.patience_s is not None:
            return found
        note: tuple[str, ...] = ()
        if self.analytics and "history" in self.sources:
            try:
                known = self.analytics.history([queue_id])[queue_id]
            except RoutingWeightsError as error:
                note = (f"patience: {_clause(error)}.",)
            else:
                if known and known.patience_s:
                    detail = "; ".join(filter(None, (found.detail, "patience from the queue's history")))
                    return replace(found, volume=replace(volume, patience_s=known.patience_s), detail=detail)
                note = ("patience: the queue's history has too few weeks, or no abandons.",)
        assumed = (*found.assumed, f"patience {ASSUMED_PATIENCE_S:g} s")
        return replace(found, assumed=assumed, notes=found.notes + note)


def _stated(forecast: StatedVolume) -> Forecast:
    volume = Volume.of(forecast)
    return Forecast(volume.load, "plan", volume=volume.modelled)


def _of_plan(plan: Plan) -> Forecast:
    if plan.forecast is not None:
        return _stated(plan.forecast)
    if plan.projected_load is not None:
        return Forecast(plan.projected_load, "plan")
    raise _Unknown("it has neither forecast nor projected_load")


def _clause(error: RoutingWeightsError) -> str:
    return error.message.removesuffix(".")
