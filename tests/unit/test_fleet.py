"""A fleet: how its queues are divided into waves, which options contradict each other, and its names."""

import pytest
from hypothesis import given, strategies
from pydantic import ValidationError

from routing_weights.domain.fleet import (
    MAX_PLANS,
    FleetOptions,
    FleetStatus,
    Line,
    Wave,
    distribution_id,
    execution_name,
    fleet_of,
    waves_by_number,
)


def options(**fields):
    return FleetOptions.model_validate(fields)


def sizes(total, **fields):
    return [wave.count for wave in options(**fields).divided(total)]


@pytest.mark.parametrize(
    ("total", "waves", "counts"),
    [
        (7, [], [7]),
        (100, [{"share": 0.05}], [5, 95]),
        (100, [{"share": 0.05}, {"share": 0.95}], [5, 95]),
        (10, [{"share": 0.01}, {}], [1, 9]),
        (100, [{"count": 10}, {"share": 0.2}, {}], [10, 20, 70]),
        (3, [{"count": 10}, {"count": 5}, {}], [3]),
        (3, [{"share": 0.1}, {"share": 0.1}, {"share": 0.1}, {"share": 0.1}], [1, 1, 1]),
        (30, [{"share": 0.1}, {}], [3, 27]),
    ],
)
def test_waves_take_queues_in_the_order_of_the_submission(total, waves, counts):
    assert sizes(total, waves=waves) == counts


def test_a_wave_keeps_its_conditions_and_the_rest_has_none():
    first, rest = options(waves=[{"count": 2, "bake_s": 60, "max_failed": 0, "min_contacts": 5}]).divided(9)
    assert first == Wave(count=2, bake_s=60, max_failed=0, min_contacts=5)
    assert rest == Wave(count=7)


def test_an_atomic_fleet_is_one_wave_that_reverts_at_its_first_failure():
    atomic = options(atomic=True)
    assert (atomic.divided(9), atomic.after_failure) == ([Wave(count=9, max_failed=0)], "revert")
    assert options().after_failure == "stop"


@given(
    total=strategies.integers(1, MAX_PLANS),
    waves=strategies.lists(
        strategies.fixed_dictionaries({"share": strategies.floats(1e-9, 0.1)})
        | strategies.fixed_dictionaries({"count": strategies.integers(1, 400)}),
        max_size=9,
    ),
)
def test_each_queue_is_in_exactly_one_wave(total, waves):
    divided = options(waves=waves).divided(total)
    assert sum(wave.count for wave in divided) == total == len(waves_by_number(divided))
    assert all(wave.count >= 1 and wave.share is None for wave in divided)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"atomic": True, "waves": [{"count": 1}]}, "leave out waves"),
        ({"atomic": True, "on_failure": "stop"}, "leave out on_failure"),
        ({"waves": [{}, {"count": 1}]}, "only the last wave"),
        ({"waves": [{"share": 0.6}, {"share": 0.6}]}, "sum to more than 1"),
        ({"waves": [{"share": 0.6, "count": 6}]}, "a share or a count"),
        ({"waves": [{"share": 0}]}, "greater than 0"),
        ({"waves": [{"count": 1}] * 51}, "at most 50"),
        ({"waves": [{"bake_s": 86_401}]}, "86400"),
        ({"concurrency": 0}, "greater than or equal to 1"),
        ({"skip_invalid": "yes"}, "valid boolean"),
        ({"on_failure": "panic"}, "'stop', 'revert' or 'hold'"),
        ({"wave": []}, "not permitted"),
    ],
)
def test_options_that_contradict_or_are_unknown_are_refused(fields, part):
    with pytest.raises(ValidationError, match=part):
        options(**fields)


def test_names_of_executions_have_at_most_80_characters():
    fleet_id = fleet_of("x" * 255)
    assert len(distribution_id(fleet_id, MAX_PLANS - 1, 9_999)) <= 80
    assert distribution_id("f-1", 7) == "f-1.7"
    assert distribution_id("f-1", 7, 2) == "f-1.7.2"
    assert (execution_name("f-1", 1), execution_name("f-1", 3)) == ("f-1", "f-1.3")


def test_a_green_fleet_has_ended_and_every_status_has_its_own_sentence():
    assert {status for status in FleetStatus if status.green} == {FleetStatus.COMPLETED}
    assert {status for status in FleetStatus if not status.terminal} == {"running", "held", "reverting"}
    assert len({status.sentence for status in FleetStatus}) == len(FleetStatus)


def test_a_line_is_read_as_it_was_written():
    written = Line.text('{"queue_id":"q"}', {"left_out": 3})
    assert Line.parse(written) == Line({"queue_id": "q"}, {"left_out": 3})


@pytest.mark.parametrize(
    "text",
    ["", "{", "7", "[]", "{}", '{"plan": 7, "neighbours": {}}', '{"plan": {}}', '{"plan": {}, "neighbours": []}'],
)
def test_a_text_that_no_fleet_has_stored_is_no_line(text):
    assert Line.parse(text) is None
