"""Where a load comes from: the sources in their order, what each of them knows, and what is pushed for a queue."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.adapters.aws.forecast_table import Forecasts
from routing_weights.api.forecasts import DEFAULT_TTL_S, MAX_TTL_S, forecast_view, new_forecast
from routing_weights.application.forecast import Forecasting
from routing_weights.domain.neighbours import Neighbour, Neighbours
from routing_weights.domain.record import timestamp
from routing_weights.domain.volume import StatedVolume
from routing_weights.errors import (
    Forbidden,
    ForecastMissing,
    GenesysAnswerInvalid,
    GenesysRefused,
    GenesysUnavailable,
    RateLimited,
    RequestInvalid,
    StoreUnavailable,
)
from routing_weights.projection.inputs import Carried, Forecast, History, Observed, Predicted, PushedForecast, Volume
from tests.support.fakes import member, plan, queue

ROOT = Path(__file__).parents[2]
NOW = 1_800_000_000.0
ALL = ("plan", "pushed", "genesys_wfm", "history", "default")
VOLUME = StatedVolume(offered=100, aht_s=180, patience_s=90)
LEAVES = {"offered": 100.0, "aht_s": 180.0}

volumes = st.builds(
    StatedVolume,
    offered=st.floats(0, 1e5),
    interval_s=st.integers(60, 86_400),
    aht_s=st.floats(0.001, 600),
    patience_s=st.none() | st.floats(0.001, 86_400),
    service_level_target=st.none() | st.floats(0, 1),
    answer_within_s=st.none() | st.floats(0.001, 86_400),
)


# ---- what a volume comes to ------------------------------------------------------------------------------------------


def test_a_hundred_calls_of_three_minutes_in_half_an_hour_are_ten_erlangs():
    volume = Volume(100, 1800, 180)
    assert (volume.load, volume.rate) == (10.0, pytest.approx(100 / 1800))


@given(volumes)
def test_load_is_rate_times_handle_time_for_every_interval(forecast):
    volume = Volume.of(forecast)
    assert volume.load == pytest.approx(volume.rate * volume.aht_s)
    halved = replace(volume, offered=volume.offered / 2, interval_s=volume.interval_s / 2)
    assert halved.load == pytest.approx(volume.load)


def test_members_say_how_many_are_on_queue_and_nothing_of_contacts():
    observed = Observed.of_members(queue(member("a"), member("b"), member("c", active=False)), NOW)
    assert (observed.agents, observed.waiting, observed.interacting, observed.source) == (2, None, None, "members")


# ---- what the agents carry for other queues --------------------------------------------------------------------------

loads = st.builds(lambda volume: Forecast(Volume.of(volume).load, "plan", volume=Volume.of(volume)), volumes)
carried = st.builds(
    lambda name, shared, others, forecast: Carried(f"queue-{name}", shared, shared + others, forecast),
    st.integers(0, 99),
    st.integers(1, 50),
    st.integers(0, 50),
    loads | st.builds(Forecast, st.floats(0, 1e4), st.just("default_parameter")),
)


def test_two_queues_with_the_same_agents_have_the_contacts_and_the_erlangs_of_both():
    own = Forecast(10.0, "plan", volume=Volume(100, 1800, 180.0, 90.0, 0.8, 20.0))
    other = Forecast(8.0, "pushed", volume=Volume(30, 900, 240.0, 300.0, 0.9, 10.0))
    found = replace(own, carried=(Carried("queue-b", 5, 5, other),))
    assert found.total == 18.0
    assert found.pooled == Volume(160, 1800, 202.5, 90.0, 0.8, 20.0), "in the queue's own interval, with its own goal"


def test_a_shared_part_of_the_agents_carries_that_part_of_the_load():
    own = Forecast(10.0, "plan", volume=Volume(100, 1800, 180.0))
    load_only = Forecast(6.0, "default_parameter")
    found = replace(own, carried=(Carried("queue-b", 2, 3, load_only),))
    assert found.total == pytest.approx(14.0)
    assert found.pooled.offered == pytest.approx(140.0), "at the queue's own handle time"
    assert found.pooled.aht_s == pytest.approx(180.0)


def test_without_a_volume_of_its_own_a_queue_has_no_pooled_volume():
    other = Forecast(8.0, "pushed", volume=Volume(60, 1800, 240.0))
    found = Forecast(3.0, "plan", carried=(Carried("queue-b", 1, 2, other),))
    assert (found.total, found.pooled) == (7.0, None)


@given(loads, st.lists(carried, max_size=5).flatmap(lambda all_: st.tuples(st.just(all_), st.permutations(all_))))
def test_the_order_of_the_neighbours_does_not_matter_and_the_erlangs_add_up(own, orders):
    found, shuffled = (replace(own, carried=tuple(order)) for order in orders)
    assert (found.total, found.pooled) == (shuffled.total, shuffled.pooled)
    if found.pooled and found.total > 1e-6:
        assert found.pooled.load == pytest.approx(found.total, rel=1e-9)


@given(loads, st.lists(carried, max_size=5), carried)
def test_one_more_neighbour_never_lowers_the_load(own, some, more):
    assert replace(own, carried=(*some, more)).total >= replace(own, carried=tuple(some)).total >= own.load


def neighbour(queue_id, shared=1, agents=2, **states):
    return Neighbour(queue_id=queue_id, shared=shared, agents=agents, **states)


def together(*neighbours, wanted=None, store=None, genesys=None, default=1.5, sources=ALL, **left_out):
    forecasting = Forecasting(sources, store or Store(), genesys, "unit-1", 86_400, default, lambda: NOW)
    return forecasting.forecast_for(wanted or plan(forecast=LEAVES), Neighbours(counted=neighbours, **left_out))


def test_each_neighbour_has_the_first_source_that_knows_its_load():
    class ByQueue(Store):
        def find(self, queue_id):
            self.asked += 1
            return PushedForecast(12.0, None, updated_at=NOW - 90_000) if queue_id == "pushed" else None

    store = ByQueue()
    found = together(
        neighbour("default"),
        neighbour("load", projected_load=9.0),
        neighbour("pushed"),
        neighbour("volume", forecast=VOLUME),
        store=store,
    )
    assert [(each.queue_id, each.load, each.forecast.source) for each in found.carried] == [
        ("pushed", 6.0, "forecast_table"),
        ("volume", 5.0, "plan"),
        ("load", 4.5, "plan"),
        ("default", 0.75, "default_parameter"),
    ]
    assert store.asked == 2, "a load that the plan states is not looked up"
    by_queue = {each.queue_id: each.forecast for each in found.carried}
    assert by_queue["pushed"].stale
    assert by_queue["default"].assumed == ("load 1.5 erlangs", "handle time 180 s")
    assert by_queue["default"].notes[1] == "pushed: nobody has pushed one for this queue."
    assert (found.source, found.load) == ("plan", 10.0)
    assert not [note for note in found.notes if note.startswith("pushed")], "those are the neighbours' notes"


def test_a_source_that_fails_for_one_queue_is_not_asked_for_the_next():
    genesys = Genesys(GenesysUnavailable("Genesys is away."), history=HISTORY)
    found = together(*(neighbour(f"queue-{number:02}") for number in range(20)), genesys=genesys)
    assert {each.forecast.source for each in found.carried} == {"history"}
    assert [queue for _, queue in [asked for asked in genesys.asked if asked[0] == "unit-1"]] == ["queue-00"]
    assert all("genesys_wfm: Genesys is away." in each.forecast.notes for each in found.carried)


def test_a_neighbour_whose_load_nobody_knows_is_an_error_that_names_both_queues():
    with pytest.raises(ForecastMissing) as error:
        together(neighbour("queue-b"), default=None)
    assert "Queue queue-b of the same fleet shares agents with queue queue-001." in error.value.message
    assert (
        "Give forecast or projected_load in its plan, push one with PUT /queues/queue-b/forecast" in error.value.message
    )


def test_a_closed_neighbour_takes_nobodys_time():
    found = together(neighbour("queue-b", forecast=StatedVolume(offered=0)))
    assert (found.total, found.pooled.offered) == (10.0, 100.0)
    assert found.carried[0].forecast.assumed == ()


def test_neighbours_that_are_left_out_are_a_note_with_a_bound():
    found = together(neighbour("queue-b"), left_out=7, agents_left_out=3)
    assert found.left_out == (7, 3)
    assert found.notes[-1] == (
        "At least 7 more queues of the fleet share agents with this one, and are not counted. 3 of its agents serve "
        "them, so they can take up to 3 erlangs."
    )


# ---- the sources in their order --------------------------------------------------------------------------------------


class Store:
    """Holds one pushed forecast, or none, or raises an error."""

    def __init__(self, stored=None):
        self.stored, self.asked = stored, 0

    def find(self, _queue_id):
        self.asked += 1
        if isinstance(self.stored, Exception):
            raise self.stored
        return self.stored


class Genesys:
    """What Genesys knows, or an exception that it raises; counts who asks."""

    def __init__(self, predicted="there is none", history=None):
        self._predicted, self._history, self.asked = predicted, history, []

    def predicted(self, business_unit, queue_id):
        self.asked.append((business_unit, queue_id))
        return self._give(self._predicted)

    def history(self, queue_ids):
        self.asked.append(tuple(queue_ids))
        return dict.fromkeys(queue_ids, self._give(self._history))

    @staticmethod
    def _give(value):
        if isinstance(value, Exception):
            raise value
        return value


HISTORY = History(offered=60.0, aht_s=240.0, patience_s=100.0, weeks=4)
PREDICTED = Predicted(Volume(50, 900, 180), 3600.0, "forecast f-1", ())


def ask(wanted=None, *, stored=None, genesys=None, default=1.5, sources=ALL, unit="unit-1", max_age_s=86_400):
    store = stored if isinstance(stored, Store) else Store(stored)
    forecasting = Forecasting(sources, store, genesys, unit, max_age_s, default, lambda: NOW)
    return forecasting.forecast_for(wanted or plan())


def test_a_plans_load_comes_first_and_nobody_else_is_asked():
    store, genesys = Store(PushedForecast(7.0, None)), Genesys(PREDICTED, HISTORY)
    found = ask(plan(projected_load=6.5), stored=store, genesys=genesys)
    assert found == Forecast(6.5, "plan")
    assert (store.asked, genesys.asked) == (0, [])


def test_a_plans_forecast_is_its_volume():
    found = ask(plan(forecast=LEAVES | {"patience_s": 60, "service_level_target": 0.8, "answer_within_s": 20}))
    assert found == Forecast(10.0, "plan", volume=Volume(100, 1800, 180, 60, 0.8, 20))


def test_a_pushed_forecast_comes_next_with_its_age():
    stored = PushedForecast(10.0, VOLUME, detail="WFM", updated_at=NOW - 600, expires_at=NOW + 1)
    found = ask(stored=stored, genesys=Genesys(PREDICTED))
    assert (found.source, found.load, found.age_s, found.detail, found.stale) == ("pushed", 10.0, 600.0, "WFM", False)
    assert (found.volume, found.assumed) == (Volume.of(VOLUME), ())
    assert found.notes == ("plan: it has neither forecast nor projected_load.",)


def test_an_item_with_a_load_alone_is_a_forecast_without_a_volume():
    found = ask(stored=PushedForecast(2.0, None, detail="Tuesday", updated_at=NOW - 5))
    assert (found.source, found.load, found.age_s, found.detail) == ("forecast_table", 2.0, 5.0, "Tuesday")
    assert (found.volume, found.assumed) == (None, ())


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (None, "nobody has pushed one"),
        (PushedForecast(10.0, VOLUME, expires_at=NOW), "expired"),
        (PushedForecast(2.0, None, expires_at=NOW - 1), "expired"),
        (PushedForecast(10.0, VOLUME, valid_from=NOW + 1, expires_at=NOW + 2), "not yet valid"),
    ],
)
def test_without_a_valid_push_the_next_source_is_asked_and_a_note_says_why(stored, why):
    found = ask(stored=stored, genesys=Genesys(PREDICTED, HISTORY))
    assert found.source == "genesys_wfm"
    assert why in found.notes[1]


@pytest.mark.parametrize(("age", "stale"), [(86_400, False), (86_401, True), (None, False)])
def test_a_forecast_older_than_the_deployment_allows_is_stale(age, stale):
    stored = PushedForecast(10.0, VOLUME, updated_at=None if age is None else NOW - age)
    assert ask(stored=stored).stale is stale
    assert ask(genesys=Genesys(PREDICTED._replace(age_s=age))).stale is stale


def test_wfm_is_asked_for_the_deployments_unit_and_names_its_assumptions():
    genesys = Genesys(PREDICTED._replace(assumed=("equal shares",)))
    found = ask(genesys=genesys)
    assert (found.load, found.age_s, found.detail) == (10.0, 3600.0, "forecast f-1")
    assert found.assumed[0] == "equal shares"
    assert genesys.asked[0] == ("unit-1", "queue-001")


def test_a_queues_history_is_the_next_source():
    found = ask(genesys=Genesys("there is none", HISTORY))
    assert (found.source, found.load, found.volume) == ("history", 8.0, Volume(60, 1800, 240, 100))
    assert "4 weeks" in found.detail
    assert found.assumed == ()


@pytest.mark.parametrize("history", [None, replace(HISTORY, aht_s=None)])
def test_a_queue_with_too_little_history_has_the_assumed_default_load(history):
    found = ask(genesys=Genesys("there is none", history))
    assert (found.source, found.load, found.assumed) == ("default_parameter", 1.5, ("load 1.5 erlangs",))
    assert [note.split(":")[0] for note in found.notes] == ["plan", "pushed", "genesys_wfm", "history"]


# ---- a closed interval, and other media than calls -------------------------------------------------------------------

CLOSED = [{"offered": 0}, {"offered": 0.0, "aht_s": 0}, {"offered": 0, "aht_s": None}]


@pytest.mark.parametrize("forecast", CLOSED)
def test_a_plan_for_a_closed_interval_has_load_0_and_needs_no_handle_time(forecast):
    assert ask(plan(forecast=forecast)) == Forecast(0.0, "plan")


@pytest.mark.parametrize("forecast", CLOSED)
def test_a_closed_interval_that_was_pushed_is_a_load_of_0(table, forecast):
    table.put("queue-001", new_forecast(json.dumps(forecast), "arn:wfm", NOW))
    found = ask(stored=table.find("queue-001"))
    assert (found.load, found.source, found.volume) == (0.0, "pushed", None)


def test_a_closed_interval_of_wfm_has_load_0_and_no_other_source_is_asked():
    closed = PREDICTED._replace(volume=Volume(0.0, 900.0, 0.0), media=("voice",))
    found = ask(genesys=Genesys(closed, HISTORY))
    assert (found.load, found.source, found.volume, found.media) == (0.0, "genesys_wfm", None, ("voice",))


def test_a_closed_half_hour_of_the_history_is_a_load_of_0():
    found = ask(genesys=Genesys("there is none", History(0.0, None, None, 4, {"voice": 0.0})))
    assert (found.load, found.source, found.volume, found.media) == (0.0, "history", None, ("voice",))


def test_a_history_without_calls_is_no_forecast_of_calls():
    found = ask(genesys=Genesys("there is none", History(0.0, None, None, 4, {"email": 30.0, "message": 2.0})))
    assert found.source == "default_parameter"
    assert found.notes[-1] == "history: the last weeks have no calls in this half hour, only email, message."


def test_a_history_says_which_media_were_counted_and_which_were_not():
    found = ask(genesys=Genesys("there is none", replace(HISTORY, by_medium={"email": 9.0, "voice": 60.0})))
    assert (found.load, found.media) == (8.0, ("voice",))
    assert found.detail.endswith("; counted: voice; not counted: email")


@pytest.mark.parametrize(
    "error",
    [
        Forbidden("The OAuth client may not do it."),
        GenesysUnavailable("There was no time left."),
        GenesysRefused("Genesys refuses it.", http_status=400),
        GenesysAnswerInvalid("Genesys answered nonsense."),
        RateLimited("Genesys asks to wait.", retry_after_s=60),
    ],
)
def test_a_failed_source_of_genesys_is_a_note_and_no_error(error):
    found = ask(genesys=Genesys(error, error))
    assert found.source == "default_parameter"
    assert [note for note in found.notes if error.message in note] == [
        f"genesys_wfm: {error.message}",
        f"history: {error.message}",
    ]


def test_a_table_that_cannot_be_read_is_an_error_and_no_default():
    with pytest.raises(StoreUnavailable):
        ask(stored=StoreUnavailable("Could not read the forecast: AccessDeniedException."))


def test_under_contract_score_the_sources_of_genesys_are_left_out():
    found = ask(genesys=None)
    assert found.source == "default_parameter"
    assert found.notes[2:] == (
        "genesys_wfm: contract score has no such source.",
        "history: contract score has no such source.",
    )


def test_without_a_business_unit_wfm_is_not_asked():
    genesys = Genesys(PREDICTED, HISTORY)
    found = ask(genesys=genesys, unit="")
    assert found.source == "history"
    assert "WfmBusinessUnit" in found.notes[2]


def test_an_absurd_load_of_genesys_is_not_believed():
    monstrous = PREDICTED._replace(volume=Volume(1e9, 900, 3600))
    found = ask(genesys=Genesys(monstrous))
    assert found.source == "default_parameter"
    assert "not believable" in found.notes[2]


@pytest.mark.parametrize("first", ["pushed", "genesys_wfm", "history", "default"])
def test_the_order_is_the_deployments(first):
    sources = (first, *(name for name in ALL if name != first))
    found = ask(
        plan(projected_load=6.5), stored=PushedForecast(2.0, None), genesys=Genesys(PREDICTED, HISTORY), sources=sources
    )
    wanted = {"pushed": "forecast_table", "default": "default_parameter"}
    assert found.source == wanted.get(first, first)
    assert found.notes == ()


@pytest.mark.parametrize("default", [0.0, 2.5])
def test_a_queue_without_a_forecast_has_the_assumed_default_load(default):
    found = ask(default=default)
    assert (found.load, found.source, found.age_s) == (default, "default_parameter", None)
    assert "assumed" in found.detail
    assert found.assumed == (f"load {default:g} erlangs",)


def test_a_queue_without_any_load_is_an_error_with_every_way_out():
    with pytest.raises(ForecastMissing) as caught:
        ask(default=None)
    for way in ("projected_load", "PUT /queues/queue-001/forecast", "DefaultProjectedLoad", "ForecastSources"):
        assert way in caught.value.message


@pytest.mark.parametrize(("sources", "default"), [(ALL, None), (("plan",), 1.5)])
def test_without_any_forecast_the_error_names_the_sources_and_the_ways_out(sources, default):
    with pytest.raises(ForecastMissing) as caught:
        ask(sources=sources, default=default, genesys=Genesys())
    assert all(f"{source}: " in caught.value.message for source in sources)
    assert "PUT /queues/queue-001/forecast" in caught.value.message
    assert "ForecastSources" in caught.value.message


# ---- patience --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["plan", "pushed", "genesys_wfm"])
def test_patience_that_the_source_lacks_comes_from_the_history(source):
    genesys = Genesys(PREDICTED, HISTORY)
    stored = PushedForecast(10.0, VOLUME.model_copy(update={"patience_s": None})) if source == "pushed" else None
    found = ask(plan(forecast=LEAVES) if source == "plan" else None, stored=stored, genesys=genesys)
    assert (found.source, found.volume.patience_s, found.assumed) == (source, 100.0, ())
    assert "patience from the queue's history" in found.detail


@pytest.mark.parametrize("history", [None, replace(HISTORY, patience_s=None), Forbidden("Not allowed.")])
def test_unknown_patience_is_assumed_and_a_note_says_so(history):
    found = ask(plan(forecast=LEAVES), genesys=Genesys(PREDICTED, history))
    assert (found.volume.patience_s, found.assumed) == (None, ("patience 120 s",))
    assert found.notes[-1].startswith("patience: ")


@pytest.mark.parametrize(("genesys", "sources"), [(None, ALL), (Genesys(PREDICTED, HISTORY), ("plan", "default"))])
def test_without_history_among_the_sources_patience_is_not_asked_of_it(genesys, sources):
    found = ask(plan(forecast=LEAVES), genesys=genesys, sources=sources)
    assert found.assumed == ("patience 120 s",)
    assert genesys is None or genesys.asked == []


def test_a_load_without_a_volume_needs_no_patience():
    genesys = Genesys(PREDICTED, HISTORY)
    assert ask(plan(projected_load=1), genesys=genesys).assumed == ()
    assert genesys.asked == []


# ---- what is pushed --------------------------------------------------------------------------------------------------

NEW = {"offered": 100, "aht_s": 180}


def pushed(**fields):
    return new_forecast(json.dumps(NEW | fields), "arn:wfm", NOW)


def refused(raw):
    with pytest.raises(RequestInvalid) as caught:
        new_forecast(raw, None, NOW)
    return {problem["path"] for problem in caught.value.details["errors"]}


def rfc3339(at):
    return datetime.fromtimestamp(at, UTC).isoformat()


def test_the_sample_is_a_valid_push():
    stored = new_forecast((ROOT / "events/forecast.json").read_bytes(), None, NOW)
    assert (stored.load, stored.expires_at) == (10.0, NOW + 1800)
    assert Volume.of(stored.volume) == Volume(100, 1800, 180, 120, 0.8, 20)


def test_a_forecast_without_an_end_lasts_a_day():
    stored = pushed(source="Planners")
    assert (stored.updated_at, stored.valid_from, stored.expires_at) == (NOW, None, NOW + DEFAULT_TTL_S)
    assert (stored.detail, stored.pushed_by) == ("Planners", "arn:wfm")


def test_a_time_to_live_counts_from_when_the_forecast_begins():
    stored = pushed(valid_from=rfc3339(NOW + 3600), ttl_s=60)
    assert (stored.state(NOW), stored.state(NOW + 3600), stored.state(NOW + 3660)) == (
        "not_yet_valid",
        "valid",
        "expired",
    )
    assert pushed(valid_from=rfc3339(NOW - 3600), ttl_s=60).expires_at == NOW + 60


def test_an_end_is_rounded_to_the_whole_second_after_it():
    stored = pushed(expires_at="2027-01-15T09:00:00.250+01:00")
    assert stored.expires_at == 1_800_000_001


def test_a_forecast_of_many_intervals_has_the_figures_of_the_one_that_has_begun_and_none_between_them(table):
    later = [{"start": rfc3339(NOW + 900), "offered": 50, "aht_s": 90}, {"start": rfc3339(NOW + 3600), "offered": 0}]
    table.put("queue-001", pushed(interval_s=900, patience_s=60, valid_from=rfc3339(NOW - 300), later=later))
    stored = table.find("queue-001")
    assert stored == pushed(interval_s=900, patience_s=60, valid_from=rfc3339(NOW - 300), later=later)
    at = {after: (stored.state(NOW + after), stored.forecast(NOW + after).load) for after in (0, 599, 900, 1799, 3600)}
    assert at == {
        0: ("valid", 20.0),
        599: ("valid", 20.0),
        900: ("valid", 5.0),
        1799: ("valid", 5.0),
        3600: ("valid", 0),
    }
    assert stored.forecast(NOW + 900).volume == Volume(50, 900, 90, 60)
    states = {after: stored.state(NOW + after) for after in (-301, 600, 1800, 4499, 4500)}
    assert list(states.values()) == ["not_yet_valid", "not_yet_valid", "not_yet_valid", "valid", "expired"]
    view = forecast_view("queue-001", stored, NOW + 900)
    begun, end = (timestamp(datetime.fromtimestamp(NOW + after, UTC)) for after in (900, 4500))
    assert (view.load, view.intervals_to_come, view.valid_from, view.expires_at) == (5.0, 1, begun, end)


FROM_NOW = {"valid_from": rfc3339(NOW)}
INTERVAL = {"start": rfc3339(NOW + 1800), "offered": 1, "aht_s": 60}


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"later": [INTERVAL]}, {"later"}),
        (FROM_NOW | {"later": [INTERVAL], "ttl_s": 60}, {"later"}),
        (FROM_NOW | {"later": [INTERVAL], "expires_at": rfc3339(NOW + 60)}, {"later"}),
        ({"valid_from": rfc3339(NOW + 1), "later": [INTERVAL]}, {"later"}),
        (FROM_NOW | {"later": [INTERVAL, INTERVAL]}, {"later"}),
        (FROM_NOW | {"later": [INTERVAL | {"start": rfc3339(NOW + 32 * 86_400)}]}, {"later"}),
        ({"valid_from": rfc3339(NOW - 99_000), "later": [INTERVAL | {"start": rfc3339(NOW - 3600)}]}, {"later"}),
        (
            {"valid_from": rfc3339(NOW), "later": [INTERVAL | {"aht_s": 0, "colour": 1}]},
            {"later.0.aht_s", "later.0.colour"},
        ),
        ({"interval_s": 60, **FROM_NOW, "later": [INTERVAL | {"offered": 1e6, "aht_s": 99}]}, {"later"}),
        (FROM_NOW | {"later": [{"start": "8:00", "offered": 1, "aht_s": 60}]}, {"later.0.start"}),
        (FROM_NOW | {"later": [INTERVAL] * 2977}, {"later"}),
    ],
)
def test_intervals_that_overlap_or_end_twice_are_refused(fields, paths):
    assert refused(json.dumps(NEW | fields)) == paths


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"ttl_s": 60, "expires_at": rfc3339(NOW + 60)}, {"ttl_s"}),
        ({"ttl_s": 59}, {"ttl_s"}),
        ({"ttl_s": MAX_TTL_S + 1}, {"ttl_s"}),
        ({"ttl_s": True}, {"ttl_s"}),
        ({"expires_at": rfc3339(NOW)}, {"expires_at"}),
        ({"expires_at": rfc3339(NOW + MAX_TTL_S + 1)}, {"expires_at"}),
        ({"valid_from": rfc3339(NOW + 60), "expires_at": rfc3339(NOW + 60)}, {"expires_at"}),
        ({"valid_from": rfc3339(NOW + MAX_TTL_S + 1)}, {"valid_from"}),
        ({"expires_at": "2027-01-16T00:00:00"}, {"expires_at"}),
        ({"expires_at": "2027-01-16"}, {"expires_at"}),
        ({"expires_at": NOW + 60}, {"expires_at"}),
        ({"expires_at": str(NOW + 60)}, {"expires_at"}),
        ({"valid_from": "soon"}, {"valid_from"}),
        ({"source": ""}, {"source"}),
        ({"source": "a\nb"}, {"source"}),
        ({"source": "x" * 201}, {"source"}),
        ({"colour": "red"}, {"colour"}),
        ({"projected_load": 3}, {"projected_load"}),
        ({"aht_s": -1, "offered": -1}, {"aht_s", "offered"}),
        ({"aht_s": 0}, {"aht_s"}),
        ({"aht_s": None}, {"aht_s"}),
        ({"aht_s": 0.0001, "offered": 0}, {"aht_s"}),
        ({"offered": 1e6, "interval_s": 60}, {""}),
    ],
)
def test_an_invalid_push_is_refused_with_its_paths(fields, paths):
    assert refused(json.dumps(NEW | fields)) == paths


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        ("", {""}),
        ("[]", {""}),
        ("null", {""}),
        ("{", {""}),
        (b"\xff", {""}),
        ('{"offered": 1, "offered": 2, "aht_s": 1}', {"offered"}),
        ('{"offered": NaN, "aht_s": 1}', {"offered"}),
        (" " * 1_048_577, {""}),
    ],
)
def test_a_body_that_is_not_a_plain_json_object_is_refused(raw, paths):
    assert refused(raw) == paths


# ---- what is stored --------------------------------------------------------------------------------------------------


@pytest.fixture
def table(aws):
    aws("dynamodb").create_table(
        TableName="forecasts",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "queue_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "queue_id", "KeyType": "HASH"}],
    )
    return Forecasts("forecasts")


def test_a_forecast_is_stored_found_replaced_and_deleted(table, aws):
    first = pushed(source="Planners", patience_s=90, service_level_target=0.8, answer_within_s=20)
    table.put("queue-001", first)
    assert table.find("queue-001") == first
    item = aws("dynamodb").get_item(TableName="forecasts", Key={"queue_id": {"S": "queue-001"}})["Item"]
    assert item["expires_at"] == {"N": str(int(NOW) + DEFAULT_TTL_S)}, "what DynamoDB's TTL reads: whole seconds"
    second = pushed(valid_from=rfc3339(NOW + 5))
    table.put("queue-001", second)
    assert table.find("queue-001") == second
    assert table.find("queue-002") is None
    assert (table.delete("queue-001"), table.delete("queue-001"), table.find("queue-001")) == (True, False, None)


@given(volumes)
def test_numbers_survive_the_table_to_nine_decimals(forecast):
    from routing_weights.adapters.aws.forecast_table import _number, _pushed  # noqa: PLC0415

    numbers = {name: value for name, value in forecast.model_dump().items() if value is not None}
    stored = _pushed({name: {"N": _number(value)} for name, value in numbers.items()})
    assert stored.volume.model_dump() == pytest.approx(forecast.model_dump(), abs=1e-9)


@pytest.mark.parametrize(
    "item",
    [
        {"offered": {"N": "100"}},
        {"offered": {"N": "100"}, "aht_s": {"N": "0"}},
        {"offered": {"N": "1000000"}, "aht_s": {"N": "3600"}},
        {"offered": {"N": "100"}, "aht_s": {"N": "180"}, "expires_at": {"S": "tomorrow"}},
        {"projected_load": {"N": "1000001"}},
        {},
        {"projected_load": {"S": "much"}},
        {"projected_load": {"N": "-1"}},
        {"projected_load": {"N": "1"}, "updated_at": {"S": "yesterday"}},
    ],
)
def test_an_invalid_item_is_an_error_with_two_ways_out(table, aws, item):
    aws("dynamodb").put_item(TableName="forecasts", Item={"queue_id": {"S": "queue-001"}} | item)
    with pytest.raises(StoreUnavailable, match=r"queue-001 .* Replace the item, or delete it\."):
        table.find("queue-001")


def test_an_expired_forecast_is_not_used_while_dynamodb_still_has_it(table):
    table.put("queue-001", replace(pushed(), expires_at=NOW))
    assert ask(stored=table.find("queue-001")).source == "default_parameter"
    table.put("queue-001", replace(pushed(), expires_at=NOW + 1))
    assert ask(stored=table.find("queue-001")).source == "pushed"


def test_an_item_put_by_hand_has_its_age_and_detail(table, aws):
    fields = {"projected_load": {"N": "45.5"}, "updated_at": {"N": f"{NOW - 120:.0f}"}, "detail": {"S": "weekday"}}
    aws("dynamodb").put_item(TableName="forecasts", Item={"queue_id": {"S": "queue-001"}} | fields)
    found = ask(stored=table.find("queue-001"))
    assert (found.load, found.source, found.age_s, found.detail) == (45.5, "forecast_table", 120.0, "weekday")


def test_an_item_without_a_time_is_of_unknown_age(table, aws):
    item = {"queue_id": {"S": "queue-001"}, "projected_load": {"N": "0"}}
    aws("dynamodb").put_item(TableName="forecasts", Item=item)
    found = ask(stored=table.find("queue-001"))
    assert (found.load, found.age_s, found.detail) == (0.0, None, "")


def test_an_expired_forecast_can_still_be_seen_and_says_that_it_is():
    view = forecast_view("queue-001", replace(pushed(), updated_at=NOW - 90, expires_at=NOW), NOW)
    assert (view.state, view.age_s, view.load) == ("expired", 90.0, 10.0)
    assert view.expires_at == "2027-01-15T08:00:00.000Z"
