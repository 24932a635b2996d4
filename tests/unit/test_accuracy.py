"""Accuracy: a projection against what happened, which part of an error the forecast explains, and what it all means."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.domain.record import Realised
from routing_weights.projection.accuracy import (
    FIGURES,
    SPAN,
    compare,
    predicted,
    sentence,
    summarise,
    window_after,
)
from routing_weights.projection.erlang import erlang_a
from routing_weights.projection.inputs import Carried
from tests.unit.test_projection import reported, told

HOUR = SPAN.total_seconds()


@pytest.fixture(scope="module")
def document():
    """A recorded projection: 60 contacts of 180 s per half hour, on 11 agents."""
    return reported(told(60)).document


@pytest.fixture(scope="module")
def said(document):
    return predicted(document)


def realised(offered=120, level=0.97, aht_s=180.0, **changes):
    """An hour."""
    usual = {
        "offered": offered,
        "answered": offered,
        "handled": offered,
        "handle_s": offered * aht_s,
        "waited": offered,
        "wait_s": offered * 2.0,
        "in_time": offered * level,
        "counted": offered,
    }
    return Realised(**usual | {"media": ("voice",)} | changes)


# ---- figures ---------------------------------------------------------------------------------------------------------


def test_the_prediction_is_taken_from_the_record_as_it_is_stored(document):
    said = predicted(json.loads(json.dumps(document)))
    after = document["models"]["simulation"]["after"]
    assert asdict(said) == {
        "offered": 60,
        "interval_s": 1800,
        "aht_s": 180.0,
        "patience_s": 120.0,
        "source": "plan",
        **{name: after[name] for name in ("service_level", "abandonment", "mean_wait_s")},
        "answer_within_s": 20.0,
        "agents": 11,
        "erlang_a": document["models"]["erlang_a"]["after"]["service_level"],
    }


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (None, "a load alone"),
        ({"models": None}, "a load alone"),
        ({"models": {"indicative": True}}, "indicative"),
    ],
)
def test_without_a_known_volume_there_is_nothing_to_compare_and_a_sentence_says_so(document, why):
    assert why in predicted(document)


def test_a_projection_with_other_queues_of_the_fleet_predicts_the_queue_itself_and_blames_nobody():
    """Erlang A saw the contacts of all queues on the agents: the realised contacts of one explain no error."""
    own = told(40)
    shared = replace(own, carried=(Carried("queue-b", 11, 11, told(20)),))
    prediction = predicted(json.loads(json.dumps(reported(shared).document)))
    assert (prediction.offered, prediction.erlang_a) == (40, None)
    assert compare(prediction, realised(80), HOUR).blame is None
    assert compare(predicted(reported(own).document), realised(80), HOUR).blame is not None


def test_a_projection_that_had_nothing_to_simulate_still_predicts_its_volume():
    said = predicted(reported(told(0)).document)
    figures = compare(said, realised(30), HOUR).figures
    assert (figures["offered"].predicted, figures["offered"].realised, figures["offered"].within_chance) == (
        0,
        15,
        False,
    )
    assert figures["service_level"].predicted is None


def test_each_figure_is_predicted_realised_and_their_difference(said):
    figures = compare(said, realised(144, 0.75, 198.0, abandoned=18), HOUR).figures
    assert tuple(figures) == FIGURES
    offered = figures["offered"]
    assert (offered.predicted, offered.realised, offered.error) == (60, 72, 12)  # per half hour, as the forecast is
    assert figures["aht_s"].error == pytest.approx(18.0)
    assert figures["abandonment"].realised == 0.125
    assert figures["mean_wait_s"].realised == 2.0
    level = figures["service_level"]
    assert level.error == pytest.approx(0.75 - said.service_level.mean)
    assert (level.low, level.high) == (said.service_level.low, said.service_level.high)
    assert (level.inside, level.within_chance) == (False, False)


def test_an_hour_scatters_more_than_the_mean_that_was_projected(said):
    """The interval of a mean is narrow: one hour of a perfect model is often outside of it, by chance."""
    high = said.service_level.high
    level = compare(said, realised(120, min(1.0, high + 0.01)), HOUR).figures["service_level"]
    assert (level.inside, level.within_chance) == (False, True)


def test_an_hour_without_contacts_has_a_volume_and_no_service_level(said):
    found = compare(said, Realised(), HOUR)
    assert found.figures["offered"].realised == 0
    assert [found.figures[name].realised for name in FIGURES[1:]] == [None] * 4
    assert found.blame is None


# ---- whose fault it is -----------------------------------------------------------------------------------------------


def test_a_wrong_forecast_is_not_blamed_on_the_model(said):
    """Half as much again came, and the queue did what Erlang A says of that: the model was right."""
    true = erlang_a(180 / 3600, aht_s=180.0, agents=11, patience_s=120.0, within_s=20.0).service_level
    found = compare(said, realised(180, true), HOUR)
    assert found.blame.erlang_a_realised == pytest.approx(true)
    assert found.blame.by_forecast < -0.1
    assert abs(found.blame.by_model) < 0.02


def test_a_model_that_is_wrong_is_not_excused_by_a_forecast_that_was_right(said):
    found = compare(said, realised(120, 0.6), HOUR)
    assert found.blame.by_forecast == pytest.approx(0.0)
    assert found.blame.by_model == pytest.approx(found.figures["service_level"].error)


hours = st.builds(
    realised,
    st.integers(0, 400),
    st.floats(0, 1),
    st.floats(20, 600),
    abandoned=st.integers(0, 50),
)


@given(hours)
def test_the_two_parts_of_an_error_are_all_of_it(said, hour):
    found = compare(said, hour, HOUR)
    if found.blame:
        total = found.blame.by_forecast + found.blame.by_model
        assert total == pytest.approx(found.figures["service_level"].error)
    assert (found.blame is None) == (hour.counted == 0)


@given(hours)
def test_what_is_inside_the_projected_interval_is_within_chance_too(said, hour):
    for figure in compare(said, hour, HOUR).figures.values():
        assert not (figure.inside and figure.within_chance is False)


@given(st.lists(hours, min_size=1, max_size=8))
def test_a_summary_is_bounded_by_its_parts(said, several):
    found = [compare(said, hour, HOUR) for hour in several]
    for name, summary in summarise(found).items():
        errors = [c.figures[name].error for c in found if c.figures[name].error is not None]
        assert summary.count == len(errors)
        slack = 1e-9 * (1 + max(map(abs, errors)))
        assert min(errors) - slack <= summary.mean_error <= max(errors) + slack
        assert abs(summary.mean_error) <= summary.mean_absolute_error + slack
        assert summary.within_chance is None or 0 <= summary.within_chance <= 1
    assert sentence(found)


# ---- what it means ---------------------------------------------------------------------------------------------------


def test_the_sentence_says_how_many_came_true_and_what_was_wrong(said):
    level = said.service_level.mean
    found = [compare(said, realised(130, level, 180.0), HOUR) for _ in range(10)]
    found += [compare(said, realised(130, 0.5, 180.0), HOUR) for _ in range(2)]
    text = sentence(found)
    assert text.startswith(
        "Of 12 projections, 10 had a service level that was within what chance allows; on average it was "
    )
    assert "points below what was projected." in text
    assert "a wrong forecast explains" in text
    assert "Offered was 8% more than forecast, and handle time was as forecast." in text
    assert "few" not in text


def test_few_projections_are_called_few(said):
    assert sentence([compare(said, realised(), HOUR)]).endswith("These are few: one odd hour weighs much.")
    assert sentence([]) == "Nothing has been compared yet."
    assert "none had contacts" in sentence([compare(said, Realised(), HOUR)])


@pytest.mark.parametrize(
    ("completed", "start"),
    [
        ("2026-01-31T08:10:00.000Z", "08:30"),
        ("2026-01-31T08:30:00.000Z", "08:30"),
        ("2026-01-31T08:30:00.001Z", "09:00"),
        ("2026-01-31T08:59:59.999Z", "09:00"),
    ],
)
def test_the_interval_begins_with_the_first_whole_half_hour(completed, start):
    assert f"{window_after(completed):%H:%M}" == start
