"""What a distribution writes, in which order, and how exact the result is."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.distribution import (
    Queue,
    Status,
    balance_accuracy,
    named,
    require_members,
    same,
    unsettled,
    writes,
)
from routing_weights.errors import MemberNotInQueue
from tests.unit.fakes import member, queue

shares = st.floats(0, 1, allow_nan=False)
holdings = st.none() | shares
ids = st.sampled_from([f"m{i}" for i in range(12)])


def written(requested, *members):
    return [(changed.user_id, weight) for changed, weight in writes(requested, queue(*members))]


@st.composite
def sums_of_at_most_one(draw, names):
    """Weights for these names, as people make them: parts of a whole, most of them round."""
    parts = draw(st.lists(st.integers(0, 20), min_size=len(names), max_size=len(names)))
    whole = max(1, sum(parts)) + draw(st.integers(0, 5))
    return {name: part / whole for name, part in zip(names, parts, strict=True)}


# ---- writes ----------------------------------------------------------------------------------------------------------


def test_a_member_that_holds_its_weight_is_not_written():
    assert written({"a": 0.5, "b": 0.3}, member("a", 0.5), member("b", 0.2)) == [("b", 0.3)]


@pytest.mark.parametrize("held", [0.3 - 9e-10, 0.1 + 0.2, 0.3 + 9e-10])
def test_a_difference_within_the_tolerance_is_not_written(held):
    assert written({"a": 0.3}, member("a", held)) == []


@pytest.mark.parametrize("held", [0.3 - 2e-9, 0.3 + 2e-9])
def test_a_difference_beyond_the_tolerance_is_written(held):
    assert written({"a": 0.3}, member("a", held)) == [("a", 0.3)]


def test_a_member_without_a_weight_is_written_even_to_zero():
    assert written({"a": 0.0, "b": 0.5}, member("a", None), member("b", None)) == [("a", 0.0), ("b", 0.5)]


def test_a_member_that_the_plan_does_not_name_is_not_written():
    assert written({"a": 0.5}, member("a", 0.0), member("other", 0.4)) == [("a", 0.5)]


def test_lowering_goes_before_raising_and_each_in_the_order_of_the_listing():
    requested = {"a": 0.2, "b": 0.0, "c": 0.3, "d": 0.1}
    held = [member("d", 0.3), member("c", 0.1), member("b", 0.4), member("a", 0.0)]
    assert written(requested, *held) == [("d", 0.1), ("b", 0.0), ("c", 0.3), ("a", 0.2)]


def test_a_swap_of_the_whole_preference_lowers_first():
    assert written({"a": 1.0, "b": 0.0}, member("a", 0.0), member("b", 1.0)) == [("b", 0.0), ("a", 1.0)]


@given(st.data(), st.lists(ids, unique=True, min_size=1))
def test_no_moment_of_the_run_holds_a_sum_above_one(data, names):
    held = data.draw(sums_of_at_most_one(names))
    requested = data.draw(sums_of_at_most_one(names))
    listing = data.draw(st.permutations(names))
    now = dict(held)
    most = max(1 + 1e-9, math.fsum(now.values()))
    for name, weight in written(requested, *(member(name, held[name]) for name in listing)):
        now[name] = weight
        assert math.fsum(now.values()) <= most
    assert unsettled(requested, now) == []


@given(st.dictionaries(ids, shares, min_size=1), st.dictionaries(ids, holdings))
def test_each_member_is_written_at_most_once_and_only_when_it_differs(requested, held):
    changes = writes(requested, queue(*(member(name, weight) for name, weight in held.items())))
    assert len({changed.user_id for changed, _ in changes}) == len(changes)
    assert all(not same(changed.weight, weight) and requested[changed.user_id] == weight for changed, weight in changes)


@given(st.dictionaries(ids, shares, min_size=1))
def test_a_queue_that_holds_the_plan_needs_no_write(requested):
    assert written(requested, *(member(name, weight) for name, weight in requested.items())) == []


# ---- same ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (0.0, 0.0, True),
        (0.3, 0.1 + 0.2, True),
        (1.0, 1.0 + 1e-8, False),
        (0.0, 1e-8, False),
        (None, 0.0, False),
        (0.0, None, False),
        (None, None, False),
        (math.nan, math.nan, False),
        (3600.0, 3600.0 + 1e-6, False),
    ],
)
def test_two_weights_are_the_same_within_a_billionth_and_nothing_equals_none(a, b, equal):
    assert same(a, b) is equal


# ---- require_members -------------------------------------------------------------------------------------------------


def test_members_of_the_queue_may_be_given_weight():
    require_members({"a": 0.5}, queue(member("a"), member("b")))


def test_strangers_are_refused_each_with_a_path_and_a_way_out():
    with pytest.raises(MemberNotInQueue) as caught:
        require_members({"a": 0.5, "y": 0.1, "x": 0.1}, queue(member("a")))
    assert caught.value.message == (
        "Not in queue queue-001: x, y. For each, add it to the queue, or take it out of member_weights. "
        "Nothing was written."
    )
    assert [(p["path"], p["type"]) for p in caught.value.details["errors"]] == [
        ("member_weights.x", "member_not_in_queue"),
        ("member_weights.y", "member_not_in_queue"),
    ]


def test_a_member_that_is_given_no_weight_must_be_in_the_queue_all_the_same():
    with pytest.raises(MemberNotInQueue):
        require_members({"stranger": 0.0}, queue(member("a")))


def test_at_most_a_hundred_strangers_are_listed_and_all_are_counted():
    with pytest.raises(MemberNotInQueue) as caught:
        require_members({f"m{i:03}": 0.001 for i in range(101)}, queue())
    assert (len(caught.value.details["errors"]), caught.value.details["error_count"]) == (100, 101)
    assert "m009 and 91 more." in caught.value.message


@pytest.mark.parametrize(
    ("count", "sentence"),
    [(1, "m0"), (3, "m0, m1, m2"), (4, "m0, m1, m2 and 1 more"), (9, "m0, m1, m2 and 6 more")],
)
def test_a_sentence_names_the_first_members_and_counts_the_others(count, sentence):
    assert named([f"m{i}" for i in range(count)], most=3) == sentence


# ---- read-back -------------------------------------------------------------------------------------------------------


def test_a_member_is_unsettled_until_it_holds_the_requested_weight():
    held = {"c": 0.1, "b": 0.2 + 1e-10, "extra": 0.9, "none": None}
    assert unsettled({"none": 0.0, "c": 0.3, "b": 0.2, "absent": 0.0}, held) == ["absent", "c", "none"]


@pytest.mark.parametrize(
    ("requested", "held", "accuracy"),
    [
        ({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.25}, 87.5),
        ({"a": 0.5}, {"a": 0.5, "not requested": 0.1}, 100.0),
        ({"a": 0.0}, {"a": 1.0}, 0.0),
        ({"a": 0.0}, {"a": None}, 0.0),
        ({"a": 0.5, "b": 0.5}, {"a": 0.5}, 50.0),
        ({"a": 0.5}, {"a": 7.0}, 0.0),
        ({f"m{i}": 0.1 for i in range(10)}, {f"m{i}": 0.0 for i in range(10)}, 90.0),
    ],
)
def test_balance_accuracy_is_a_hundred_less_the_mean_distance(requested, held, accuracy):
    assert balance_accuracy(requested, held) == accuracy


@given(st.dictionaries(ids, shares, min_size=1), st.dictionaries(ids, holdings | st.just(math.nan)))
def test_balance_accuracy_is_a_percentage(requested, held):
    assert 0 <= balance_accuracy(requested, held) <= 100


@given(st.dictionaries(ids, shares, min_size=1), st.data())
def test_balance_accuracy_is_a_hundred_if_and_only_if_all_hold_their_weight(requested, data):
    assert balance_accuracy(requested, dict(requested)) == 100
    one = data.draw(st.sampled_from(sorted(requested)))
    other = data.draw(holdings.filter(lambda weight: weight is None or abs(weight - requested[one]) > 1e-12))
    assert balance_accuracy(requested, requested | {one: other}) < 100


@given(st.dictionaries(ids, shares, min_size=1), st.dictionaries(ids, holdings), st.data())
def test_balance_accuracy_does_not_depend_on_the_order(requested, held, data):
    shuffled = dict(data.draw(st.permutations(list(requested.items()))))
    assert balance_accuracy(shuffled, held) == balance_accuracy(requested, held)


# ---- the before-image ------------------------------------------------------------------------------------------------

members = st.builds(
    member,
    ids,
    holdings,
    active=st.booleans(),
    skills=st.lists(st.text(max_size=5), max_size=3),
    page=st.integers(1, 50),
    routing_type=st.sampled_from(["Automatic", "Manual"]),
)
queues = st.builds(
    lambda found, threshold, wrap_up: queue(*found, overflow_threshold=threshold, wrap_up_timeout_s=wrap_up),
    st.lists(members, max_size=5),
    holdings,
    holdings,
)


@given(queues)
def test_a_queue_comes_back_from_json_as_it_went(before):
    assert Queue.from_json(json.loads(json.dumps(before.to_json()))) == before


def test_a_before_image_says_what_each_member_held():
    assert queue(member("a", 0.5), member("b", None)).weights() == {"a": 0.5, "b": None}


# ---- statuses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", Status)
def test_every_status_but_initiated_is_terminal(status):
    assert status.terminal is (status.value != "initiated")


def test_the_seven_statuses_of_the_source_document_keep_their_words():
    assert {
        "initiated",
        "validation_failed",
        "projection_failed",
        "saturation_blocked",
        "queue_update_failed",
        "member_update_failed",
        "completed",
    } <= {status.value for status in Status}


@pytest.mark.parametrize(
    ("status", "metric"),
    [
        ("completed", "DistributionCompleted"),
        ("saturation_blocked", "DistributionSaturationBlocked"),
        ("dry_run", "DistributionDryRun"),
    ],
)
def test_an_outcome_has_a_metric_of_its_own(status, metric):
    assert Status(status).metric == metric
