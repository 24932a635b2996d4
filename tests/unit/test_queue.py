"""Queue and target: what is written, in which order, what is read back, and in which form it is stored."""

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.domain.queue import Member, Queue, QueueSettings, named, require_members, same
from routing_weights.domain.record import balance_accuracy
from routing_weights.domain.target import (
    Target,
    as_targeted,
    members_to_write,
    settings_to_write,
    unsettled,
)
from routing_weights.domain.verify import carried_out, decimals_kept
from routing_weights.errors import MemberNotInQueue, PlanNotApplicable
from tests.support.fakes import member, queue, target

shares = st.floats(0, 1, allow_nan=False)
holdings = st.none() | shares
ids = st.sampled_from([f"m{i}" for i in range(12)])


def written(requested, *members, raise_first=False, **values):
    wanted = target(requested, **values)
    changes = members_to_write(wanted, queue(*members), raise_first=raise_first)
    return [(changed.user_id, wanted.values[changed.user_id]) for changed in changes]


def holding(held):
    """A queue whose members hold these weights."""
    return queue(*(member(name, weight) for name, weight in held.items()))


@st.composite
def sums_of_at_most_one(draw, names):
    """Weights for these names, as people make them: parts of a whole, most of them round."""
    parts = draw(st.lists(st.integers(0, 20), min_size=len(names), max_size=len(names)))
    whole = max(1, sum(parts)) + draw(st.integers(0, 5))
    return {name: part / whole for name, part in zip(names, parts, strict=True)}


# ---- members to write ------------------------------------------------------------------------------------------------


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
    assert unsettled(target(requested), holding(now)) == []


@given(st.data(), st.dictionaries(ids, shares, min_size=1), st.dictionaries(ids, holdings))
def test_each_member_is_written_at_most_once_and_only_when_it_differs(data, requested, held):
    changes = members_to_write(target(requested), holding(held), raise_first=data.draw(st.booleans()))
    assert len({changed.user_id for changed in changes}) == len(changes)
    assert all(not same(changed.weight, requested[changed.user_id]) for changed in changes)
    assert {changed.user_id for changed in changes} == {
        name for name in requested.keys() & held.keys() if not same(held[name], requested[name])
    }


@given(st.dictionaries(ids, shares, min_size=1))
def test_a_queue_that_holds_the_plan_needs_no_write(requested):
    assert written(requested, *(member(name, weight) for name, weight in requested.items())) == []


def test_where_no_sum_is_refused_raising_goes_before_lowering():
    requested = {"a": 0.2, "b": 0.0, "c": 0.3, "d": 0.1}
    held = [member("d", 0.3), member("c", 0.1), member("b", 0.4), member("a", 0.0)]
    assert written(requested, *held, raise_first=True) == [("c", 0.3), ("a", 0.2), ("d", 0.1), ("b", 0.0)]


@given(st.data(), st.dictionaries(ids, st.booleans(), min_size=1))
def test_raising_first_never_leaves_too_few_agents(data, held):
    requested = {name: data.draw(st.booleans()) for name in held}
    weights = {name: float(joined) for name, joined in requested.items()}
    before = [member(name, float(joined), value=joined) for name, joined in held.items()]
    now, fewest = dict(held), min(sum(held.values()), sum(requested.values()))
    for name, joined in written(weights, *before, raise_first=True, values=requested):
        now[name] = joined
        assert sum(now.values()) >= fewest
    assert now == requested


def test_the_value_on_the_wire_is_compared_and_not_the_weight():
    held = [member("a", 0.5, value=3), member("b", 0.5, value=4), member("c", 0.5, value=None)]
    changes = written(dict.fromkeys("abc", 0.5), *held, values=dict.fromkeys("abc", 3), raise_first=True)
    assert changes == [("b", 3), ("c", 3)]


# ---- the queue's own settings ----------------------------------------------------------------------------------------


def test_only_settings_that_differ_from_the_target_are_written():
    held = queue(overflow_threshold=0.85, wrap_up_timeout_s=30.0, skill_evaluation_method="ALL", bullseye_rings=0)
    wanted = target({}, overflow_threshold=0.85 + 1e-10, wrap_up_timeout_s=20, skill_evaluation_method="BEST")
    assert settings_to_write(wanted, held) == {"wrap_up_timeout_s": 20, "skill_evaluation_method": "BEST"}


@pytest.mark.parametrize("held", [{}, {"skill_evaluation_method": None}])
def test_a_setting_that_genesys_does_not_hold_is_written(held):
    assert settings_to_write(target({}, skill_evaluation_method="BEST"), queue(**held)) == {
        "skill_evaluation_method": "BEST"
    }


@pytest.mark.parametrize("held", [0.7, 1, 0, None])
def test_a_queues_overflow_threshold_is_one_of_its_settings(held):
    assert queue(overflow_threshold=held).overflow_threshold == held


def test_a_queue_without_the_setting_has_no_overflow_threshold():
    assert Queue("queue-001", QueueSettings(), ()).overflow_threshold is None


def test_settings_that_a_later_or_an_earlier_release_stored_are_left_out():
    assert QueueSettings.from_json({"bullseye_rings": 6, "colour": "red"}) == QueueSettings(bullseye_rings=6)


@pytest.mark.parametrize(("native", "skill_id"), [({}, None), ({"skill_id": None}, None), ({"skill_id": "s"}, "s")])
def test_a_stored_queue_names_the_skill_that_carries_its_weights(native, skill_id):
    stored = queue().to_json() | {"native": native}
    assert (Queue.from_json(stored).skill_id, Queue.from_json(stored).native) == (skill_id, {})


def test_what_is_known_of_a_member_is_stored_as_earlier_releases_read_it():
    by_group = dataclasses.replace(member("a", 0.4, value=2, by_group=True, page=3), assignment_inactive=True)
    stored = by_group.to_json()
    assert stored["native"] == {"page": 3, "value": 2, "by_group": True, "inactive": True}
    assert Member.from_json(json.loads(json.dumps(stored))) == by_group


def test_the_form_in_which_a_queue_is_stored_stays_the_same():
    before = queue(
        member("a", 0.4, value=2, page=1), native={"raw": {"id": "queue-001"}}, skill=("s-1", "S"), bullseye_rings=6
    )
    stored = before.to_json()
    assert stored["native"] == {"raw": {"id": "queue-001"}, "skill_id": "s-1", "skill_name": "S"}
    assert stored["settings"] == {"overflow_threshold": 0.85, "wrap_up_timeout_s": 30.0, "bullseye_rings": 6}
    assert stored["members"] == [
        {
            "user_id": "a",
            "weight": 0.4,
            "joined": True,
            "away": None,
            "skills": {},
            "native": {"page": 1, "value": 2},
        }
    ]


# ---- the queue as it will be -----------------------------------------------------------------------------------------


def active_after(values, *members, joins=True):
    wanted = target(dict.fromkeys(values, 0.0), values=values, joins=joins)
    return [held.user_id for held in as_targeted(queue(*members), wanted).members if held.active]


def test_those_who_will_be_joined_and_are_on_queue_will_be_active():
    held = [
        member("joins", joined=False),
        member("stays"),
        member("leaves"),
        member("off queue", active=False, joined=False),
        member("not named"),
    ]
    values = {"joins": True, "stays": True, "leaves": False, "off queue": True}
    assert active_after(values, *held) == ["joins", "stays", "not named"]


@given(st.dictionaries(ids, st.booleans(), min_size=1))
def test_a_plan_that_takes_everybody_out_leaves_no_active_agent(held):
    members = [member(name, joined=joined) for name, joined in held.items()]
    assert active_after(dict.fromkeys(held, False), *members) == []


@pytest.mark.parametrize("values", [{"a": False}, {"a": 6}, {"a": 0.0}])
def test_where_the_values_do_not_join_everybody_stays_as_it_is(values):
    before = queue(member("a"), member("b", joined=False))
    assert as_targeted(before, target({"a": 0.0}, values=values)) == before


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
        (3, 3.0, True),
        (True, True, True),
        (True, False, False),
        ("BEST", "BEST", True),
        ("BEST", "ALL", False),
        ("BEST", None, False),
        (None, "BEST", False),
        ("1", 1.0, False),
    ],
)
def test_two_values_are_the_same_within_a_billionth_and_nothing_equals_none(a, b, equal):
    assert same(a, b) is equal


# ---- require_members -------------------------------------------------------------------------------------------------


def test_members_of_the_queue_may_be_given_weight():
    require_members({"a": 0.5}, queue(member("a"), member("b")))


def test_strangers_are_refused_each_with_a_path_and_a_way_out():
    with pytest.raises(MemberNotInQueue) as caught:
        require_members({"a": 0.5, "y": 0.1, "x": 0.1}, queue(member("a")))
    assert caught.value.message == (
        "Not in queue queue-001: x, y. For each, add it to the queue, or take it out of member_weights."
    )
    assert [(p["path"], p["type"]) for p in caught.value.details["errors"]] == [
        ("member_weights.x", "member_not_in_queue"),
        ("member_weights.y", "member_not_in_queue"),
    ]


def test_a_member_that_is_given_no_weight_must_be_in_the_queue_all_the_same():
    with pytest.raises(MemberNotInQueue):
        require_members({"stranger": 0.0}, queue(member("a")))


def test_a_deleted_user_is_refused_with_its_path_and_a_way_out():
    held = queue(
        member("a"), Member("b", 0.0, away="user deleted"), Member("c", 0.0, joined=False, away="user deleted")
    )
    with pytest.raises(
        PlanNotApplicable, match=r"Deleted in Genesys: b, c\. Take them out of member_weights\."
    ) as caught:
        require_members({"a": 0.5, "c": 0.1, "b": 0.0}, held)
    assert [(p["path"], p["type"]) for p in caught.value.details["errors"]] == [
        ("member_weights.b", "member_deleted"),
        ("member_weights.c", "member_deleted"),
    ]
    require_members({"a": 0.5}, held)


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
    wanted = target({"none": 0.0, "c": 0.3, "b": 0.2, "absent": 0.0})
    assert unsettled(wanted, holding(held)) == ["absent", "c", "none"]


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


# ---- decimals that Genesys does not keep -----------------------------------------------------------------------------


WRITTEN = Target({}, {"a": 5.0, "b": 4.375, "c": 1.25, "d": None}, actuator="proficiency")


def proficiencies(**values):
    return holding({"a": 5.0, "b": 4.375, "c": 1.25, "d": None} | values)


@pytest.mark.parametrize(
    ("held", "kept"),
    [
        ({}, None),
        ({"b": 4.38}, 2),
        ({"b": 4.37}, 2),
        ({"b": 4.4, "c": 1.3}, 1),
        ({"b": 4.4, "c": 1.2}, 1),
        ({"b": 4.0, "c": 1.0}, 0),
        ({"b": 4.3, "c": 1.2}, 1),
        ({"b": 4.3, "c": 1.3}, None),
        ({"b": 4.38, "c": 1.3}, None),
        ({"b": 4.4}, None),
        ({"b": 4.0, "c": 2.0}, None),
        ({"b": None, "c": 1.3}, None),
        ({"b": 4.4, "c": 1.3, "d": 0.0}, None),
    ],
)
def test_values_that_are_all_rounded_or_cut_off_alike_hold_the_target(held, kept):
    assert decimals_kept(WRITTEN, proficiencies(**held)) == kept


def test_nothing_but_a_proficiency_is_rounded():
    assert decimals_kept(dataclasses.replace(WRITTEN, actuator="score"), proficiencies(b=4.4, c=1.3)) is None


def test_a_member_who_is_gone_does_not_hold_a_rounded_value():
    assert decimals_kept(WRITTEN, holding({"a": 5.0, "b": 4.4, "d": None})) is None


@pytest.mark.parametrize(
    ("held", "ours"),
    [
        ({}, "abcd"),
        ({"b": 4.38, "c": 3.0}, "abd"),
        ({"a": 1.0, "b": 4.4, "c": 1.0}, "bcd"),
        ({"b": 4.0, "c": 2.0}, "abd"),
        ({"a": 1.0, "b": 4.3, "c": 1.2}, "bcd"),
        ({"b": 4.0}, "acd"),  # 1.25 has been kept, so nothing of ours was rounded to 4
        ({"d": 0.0}, "abc"),
    ],
)
def test_a_rounded_value_is_ours_as_far_as_the_others_do_not_show_more_decimals(held, ours):
    assert carried_out(WRITTEN, proficiencies(**held)) == set(ours)


# ---- the before-image ------------------------------------------------------------------------------------------------

members = st.builds(
    member,
    ids,
    holdings,
    active=st.booleans(),
    skills=st.lists(st.text(max_size=5), max_size=3),
    page=st.integers(1, 50),
    routing_type=st.sampled_from(["Automatic", "Manual"]),
    value=st.none() | st.booleans() | st.integers(1, 6) | shares,
)
queues = st.builds(
    lambda found, threshold, wrap_up, method, native, skill: queue(
        *found,
        overflow_threshold=threshold,
        wrap_up_timeout_s=wrap_up,
        skill_evaluation_method=method,
        native=native,
        skill=(skill, skill),
    ),
    st.lists(members, max_size=5),
    holdings,
    holdings,
    st.none() | st.sampled_from(["BEST", "ALL"]),
    st.dictionaries(st.sampled_from(["raw", "more"]), st.none() | st.text(max_size=5) | st.just({"rules": [1]})),
    st.none() | st.text(max_size=5),
)


@given(queues)
def test_a_queue_comes_back_from_json_as_it_went(before):
    assert Queue.from_json(json.loads(json.dumps(before.to_json()))) == before


def test_a_before_image_says_what_each_member_held():
    assert queue(member("a", 0.5), member("b", None)).weights() == {"a": 0.5, "b": None}


def test_the_name_of_a_queue_is_stored_and_an_earlier_image_has_none():
    stored = dataclasses.replace(queue(), name="Support").to_json()
    assert Queue.from_json(json.loads(json.dumps(stored))).name == "Support"
    assert Queue.from_json({name: value for name, value in stored.items() if name != "name"}).name is None
