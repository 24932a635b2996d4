"""Deficits: shares that are exact to one contact, and a memory that is bounded."""

import math
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routing_weights.domain.deficit import BOUND, Deficits

WEIGHTS = st.lists(st.integers(1, 1000), min_size=1, max_size=25)


def shares(parts, nobody):
    total = sum(parts) + nobody
    return [part / total for part in parts], nobody / total


def everybody(deficits):
    return [*deficits.members, deficits.nobody]


@given(WEIGHTS, st.integers(0, 1000), st.integers(1, 400))
@example([1, 3, 1, 25, 59, 34], 0, 120)  # the most behind first would leave one 1.07 contacts behind
def test_with_everybody_free_each_count_is_within_one_contact_of_the_share(parts, rest, draws):
    weights, nobody = shares(parts, rest)
    deficits, members = Deficits(weights, nobody), range(len(weights))
    counts = Counter()
    for n in range(1, draws + 1):
        counts[deficits.draw(members, members)] += 1
        for member, weight in [*enumerate(weights), (None, nobody)]:
            assert abs(counts[member] - weight * n) < 1 + 1e-6


@st.composite
def histories(draw):
    """Weights, the rest, and steps: who is present and who of them is free."""
    parts = draw(st.lists(st.integers(1, 1000), min_size=1, max_size=6))
    members = st.sampled_from(range(len(parts)))
    steps = st.tuples(st.sets(members), st.sets(members)).map(lambda both: (sorted(both[0]), sorted(both[0] & both[1])))
    return *shares(parts, draw(st.integers(0, 500))), draw(st.lists(steps, max_size=60))


@given(histories())
@settings(max_examples=300)
def test_whoever_is_busy_or_away_the_sum_is_zero_and_no_deficit_is_beyond_the_bound(history):
    weights, nobody, steps = history
    deficits = Deficits(weights, nobody)
    for present, free in steps:
        before = deficits.members
        drawn = deficits.draw(present, free)
        assert drawn in free or (drawn is None and (nobody > 0 or not free))
        is_bounded = any(abs(value) > BOUND - 1 for value in [*before, deficits.nobody])
        assert is_bounded or all(deficits.members[i] == before[i] for i in range(len(weights)) if i not in present)
        assert math.fsum(everybody(deficits)) == pytest.approx(0, abs=1e-9)
        assert all(abs(value) <= BOUND + 1e-9 for value in everybody(deficits))


@given(histories())
def test_deficits_that_are_stored_after_each_draw_lead_to_the_same_draws(history):
    weights, nobody, steps = history
    kept, stored = Deficits(weights, nobody), Deficits(weights, nobody)
    for present, free in steps:
        stored = Deficits(weights, nobody, stored.members, stored.nobody)
        assert stored.draw(present, free) == kept.draw(present, free)
    assert everybody(stored) == pytest.approx(everybody(kept), abs=1e-6)


def test_if_nobody_is_free_nothing_is_counted():
    deficits = Deficits([0.5, 0.3], 0.2)
    assert deficits.draw([0, 1], []) is None
    assert everybody(deficits) == [0, 0, 0]


def test_a_member_that_was_away_gets_no_more_than_its_share_afterwards():
    deficits = Deficits([0.4, 0.35, 0.25], 0)
    for _ in range(500):
        deficits.draw([0, 1], [0, 1])
    back = Counter(deficits.draw([0, 1, 2], [0, 1, 2]) for _ in range(100))
    assert back[2] == pytest.approx(25, abs=1)


@pytest.mark.parametrize("weights", [[0.4, 0.35, 0.25], [0.9, 0.05, 0.05], [0.05, 0.05, 0.9]])
def test_a_member_that_was_busy_for_hours_catches_up_by_at_most_the_bound(weights):
    deficits = Deficits(weights, 0)
    for _ in range(500):
        deficits.draw([0, 1, 2], [0, 1])
    assert BOUND - 1 < deficits.members[2] <= BOUND
    back = Counter(deficits.draw([0, 1, 2], [0, 1, 2]) for _ in range(1000))
    assert 3 < back[2] - 1000 * weights[2] <= BOUND + 1


def test_a_member_that_had_all_contacts_for_hours_is_ahead_by_at_most_the_bound():
    deficits = Deficits([0.3, 0.3, 0.4], 0)
    for _ in range(500):
        assert deficits.draw([0, 1, 2], [0]) == 0
    waits = 0
    while deficits.draw([0, 1, 2], [0, 1, 2]) != 0:
        waits += 1
    assert BOUND / 0.3 <= waits <= (BOUND + 1) / 0.3


@given(histories(), st.data())
def test_of_two_who_are_free_none_is_drawn_again_and_again(history, data):
    weights, nobody, steps = history
    deficits = Deficits(weights, nobody)
    for present, free in steps:
        deficits.draw(present, free)
    free = sorted(data.draw(st.sets(st.sampled_from(range(len(weights))), min_size=1)))
    present = sorted({*free, *data.draw(st.sets(st.sampled_from(range(len(weights)))))})
    last, times = None, 0
    for _ in range(100):
        drawn = deficits.draw(present, free)
        times = times + 1 if drawn == last else 1
        last = drawn
        if drawn is not None and len(free) > 1:
            least = min(weights[other] for other in free if other != drawn)
            assert times <= (BOUND + 1) * (1 + weights[drawn] / least) + 2


def test_members_at_the_bound_share_the_contacts_of_the_busy_too():
    deficits = Deficits([0.4, 0.2, 0.2, 0.2], 0)
    for _ in range(200):
        deficits.draw([0, 1, 2, 3], [0, 1])
    counts = Counter(deficits.draw([0, 1, 2, 3], [0, 1]) for _ in range(300))
    assert counts[0] == pytest.approx(200, abs=3)


def test_members_who_are_all_behind_by_the_bound_are_drawn_in_turn():
    deficits = Deficits([0.4, 0.2, 0.2, 0.2], 0, [BOUND, BOUND, -BOUND, -BOUND])
    assert deficits.draw([0, 1], [0, 1]) == 1
    assert everybody(deficits) == pytest.approx([5, 13 / 3, -14 / 3, -14 / 3, 0])
    counts = Counter(deficits.draw([0, 1], [0, 1]) for _ in range(90))
    assert counts[0] == pytest.approx(60, abs=3)


def test_those_who_are_free_share_the_contacts_of_the_busy_in_proportion_to_their_weights():
    deficits = Deficits([0.4, 0.2, 0.4], 0)
    counts = Counter(deficits.draw([0, 1, 2], [0, 1]) for _ in range(900))
    assert counts[0] == pytest.approx(600, abs=4)


def test_rounding_errors_of_a_million_draws_are_far_below_a_contact():
    weights = [1 / 3, 0.1, 0.2]
    deficits = Deficits(weights, 1 - math.fsum(weights))
    for _ in range(1_000_000 // 20):
        deficits.draw((0, 1, 2), (0, 1, 2))
    assert abs(math.fsum(everybody(deficits))) < 1e-9 / 20  # the error grows at most with the number of draws


def test_weights_that_sum_to_one_except_for_rounding_leave_nobody_no_contact():
    deficits = Deficits([0.7, 0.3], 1 - math.fsum([0.7, 0.3 - 1e-16]))
    assert None not in {deficits.draw([0, 1], [1]) for _ in range(50)}


# ---- plans that change -----------------------------------------------------------------------------------------------


@given(histories(), st.lists(st.floats(-20, 20), min_size=6, max_size=6), st.floats(-20, 20))
def test_deficits_of_another_plan_are_balanced(history, old, of_nobody):
    weights, nobody, _ = history
    deficits = Deficits(weights, nobody, old[: len(weights)], of_nobody)
    assert math.fsum(everybody(deficits)) == pytest.approx(0, abs=1e-9)
    assert all(abs(value) <= BOUND + 1e-9 for value in everybody(deficits))


def test_members_who_stay_keep_their_order():
    deficits = Deficits([0.2, 0.5, 0.3], 0, [1.5, -0.5, 0.0])
    left = sorted(range(3), key=lambda member: deficits.members[member])
    assert left == [1, 2, 0]
    assert deficits.members == [0.5, -0.5, 0.0]


def test_a_rest_that_ends_has_no_deficit():
    deficits = Deficits([0.5, 0.5], 0.0, [0.5, 0.5], -1.0)
    assert deficits.nobody == 0
    assert deficits.members == [0, 0]


# ---- what really happened --------------------------------------------------------------------------------------------


def test_a_contact_that_another_member_took_moves_both_deficits():
    deficits = Deficits([0.5, 0.5], 0)
    deficits.correct({0: 2, 1: 2}, {0: 1, 1: 3}, [0, 1])
    assert deficits.members == pytest.approx([1, -1])


def test_contacts_that_were_not_drawn_count_as_shares():
    deficits = Deficits([0.6, 0.2], 0.2)
    deficits.correct({}, {0: 5, None: 5}, [0, 1])
    assert everybody(deficits) == pytest.approx([1, 2, -3])


def test_without_other_agents_the_contacts_drawn_for_nobody_are_nobodys():
    deficits = Deficits([0.4, 0.2], 0.4)
    deficits.correct({0: 4, 1: 2, None: 4}, {0: 6, 1: 4}, [0, 1])
    assert everybody(deficits) == pytest.approx([4 - 3.6, 2 - 2.4, 0])


def test_contacts_that_were_abandoned_are_taken_from_all():
    deficits = Deficits([0.5, 0.5], 0)
    deficits.correct({0: 6, 1: 2}, {0: 4, 1: 2}, [0, 1])
    assert deficits.members == pytest.approx([1, -1])


def test_contacts_of_agents_without_a_share_do_not_count_if_the_weights_fill_the_whole():
    deficits = Deficits([0.5, 0.5], 0)
    deficits.correct({0: 2, 1: 2}, {0: 1, 1: 3, None: 30}, [0, 1])
    assert everybody(deficits) == pytest.approx([1, -1, 0])


def test_a_member_that_is_away_gains_nothing_by_a_correction():
    deficits = Deficits([0.4, 0.4, 0.2], 0)
    deficits.correct({}, {0: 2, 1: 2}, [0, 1])
    assert deficits.members == [0, 0, 0]


@given(histories(), st.dictionaries(st.integers(0, 5), st.integers(0, 40)), st.integers(0, 40))
def test_a_correction_keeps_the_sum_and_the_bound(history, realised, others):
    weights, nobody, _ = history
    members = range(len(weights))
    deficits, drawn = Deficits(weights, nobody), Counter()
    for _ in range(30):
        drawn[deficits.draw(members, members)] += 1
    received = {member: count for member, count in realised.items() if member in members}
    deficits.correct(drawn, received | {None: others}, members)
    assert math.fsum(everybody(deficits)) == pytest.approx(0, abs=1e-9)
    assert all(abs(value) <= BOUND + 1e-9 for value in everybody(deficits))
