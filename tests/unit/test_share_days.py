"""Days of drawn contacts in a simulated organisation: what agents really receive, in calm and in trouble.

The draw, the reading of agents and the correction are the product's, the rest is `local/genesys/conversations.py`.
"""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.demo_shares import AHT_S, PATIENCE_S, THREE, TWENTY, chart, teams
from local.genesys.conversations import Stream, figures
from local.share_day import DAY_S, QUEUE, ShareDay
from routing_weights.domain.deficit import BOUND, Deficits

HOUR_S = 3600.0
LOADS = {3: 1.2, 20: 12.0}
"""Erlangs by the number of agents."""
POINTS = 0.015
"""How far a realised share of a day may be from the requested one."""
CATCHES_UP = {"nothing": 2 * BOUND + 2, "readings": BOUND + 2, "events": BOUND + 2}
"""The same for hours, in contacts: what a member catches up, at most, and the two that are under way.

Where nobody knows that a member was away, some of its corrections come when it is back: it catches up twice.
"""


def contacts(weights, seed=1):
    stream = Stream(QUEUE, LOADS[len(weights)] / AHT_S, AHT_S, patience_s=PATIENCE_S)
    return stream.contacts(seed=seed, until_s=DAY_S)


def watched(day):
    """Have a day note, for each draw that has an agent, who is drawn and which members are idle."""
    ask, day.draws = day.floor.draw, []

    def noting(conversation_id, queue_id, media, now):
        idle = {user for user in day.floor.members(queue_id) if day.floor.status(user) == "IDLE"}
        agents, scores = ask(conversation_id, queue_id, media, now)
        if agents:
            day.draws.append((agents[0], idle))
        return agents, scores

    day.floor.draw = noting
    return day


def day_of(weights, *, seed=1, **fields):
    return watched(ShareDay(weights, **fields)), contacts(weights, seed)


@cache
def calm_day(agents, knows, *, ranked=False):
    """A day on which nothing happens except contacts. Returns it with its figures."""
    day, calls = day_of(THREE if agents == 3 else TWENTY, knows=knows, ranked=ranked)
    return day, day.run(calls)


def team_of(agents):
    """The demo's team, with its day under each actuator."""
    return next(team for team in teams() if len(team.weights) == agents)


def errors(weights, shares):
    """By user, the realised share minus the requested one."""
    return {user: shares.get(user, 0.0) - weight for user, weight in weights.items()}


def worst(weights, shares):
    return max(abs(error) for error in errors(weights, shares).values())


def assert_nothing_is_counted_twice(day):
    """Every draw that named somebody, or nobody, is counted once, and what is behind and ahead sums to 0."""
    tally = day.tables.tally
    counted = sum(sum(bucket.drawn.values()) + bucket.nobody for bucket in day.tables.buckets)
    counted += sum(sum(counts.values()) for counts in tally.drawn.values())
    assert counted == day.reasons["drawn"] + day.reasons["nobody"]
    assert math.fsum(tally.deficits.values()) + tally.nobody == pytest.approx(0, abs=1e-6)


def in_a_row(first, second):
    """The most draws in a row for one member while another one is free: so many the weights explain."""
    return (BOUND + 1) * (1 + first / second) + 2


def assert_nobody_is_flooded(day, weights):
    row, last = {}, None
    """By another member who was free each time: the draws in a row for `last`."""
    for drawn, idle in day.draws:
        others = idle & weights.keys() - {drawn}
        row = {other: row.get(other, 0) + 1 if drawn == last else 1 for other in others}
        assert all(draws <= in_a_row(weights[drawn], weights[other]) for other, draws in row.items())
        last = drawn


# ---- what agents receive ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("agents", [3, 20])
def test_realised_shares_are_within_a_point_and_a_half_of_what_is_attainable(agents):
    team = team_of(agents)
    assert max(team.weights.values()) < 1 / team.erlangs, "everybody has the time for its share"
    assert worst(team.attainable, team.days["share"].shares) < POINTS
    assert worst(team.weights, team.days["share"].shares) < POINTS


@pytest.mark.parametrize("by", ["ring", "proficiency"])
@pytest.mark.parametrize("agents", [3, 20])
def test_rings_and_proficiencies_rank_and_give_no_shares(agents, by):
    team = team_of(agents)
    shares, last = team.days[by].shares, min(team.weights, key=team.weights.__getitem__)
    assert worst(team.weights, shares) > POINTS
    assert shares[last] < team.weights[last] * 2 / 3


def test_the_picture_of_the_docs_shows_these_days():
    drawn = (Path(__file__).parents[2] / "docs" / "share-day.svg").read_text(encoding="utf-8")
    assert drawn == chart(teams()), "docs/share-day.svg is old: make pictures"


@pytest.mark.parametrize(
    ("agents", "knows"), [(3, "nothing"), (3, "readings"), (3, "events"), (20, "nothing"), (20, "events")]
)
def test_realised_shares_are_the_requested_ones_whatever_is_known_of_agents(agents, knows):
    weights = THREE if agents == 3 else TWENTY
    day, figures = calm_day(agents, knows)
    assert worst(weights, figures.shares) < POINTS
    assert_nothing_is_counted_twice(day)
    assert_nobody_is_flooded(day, weights)


def test_whether_scores_rank_within_a_level_makes_no_difference():
    _, figures = calm_day(3, "readings", ranked=True)
    assert worst(THREE, figures.shares) < POINTS


@pytest.mark.parametrize("knows", ["readings", "events"])
def test_agents_who_look_idle_while_a_call_rings_make_no_difference(knows):
    day, calls = day_of(THREE, knows=knows, rings_s=6.0)
    assert worst(THREE, day.run(calls).shares) < POINTS
    assert_nobody_is_flooded(day, THREE)


PART = {"agent-001": 0.30, "agent-002": 0.25, "agent-003": 0.20}


@pytest.mark.parametrize("knows", ["nothing", "events"])
def test_what_no_weight_asks_for_goes_to_the_agents_without_a_share(knows):
    day = ShareDay(PART, knows=knows, others=("agent-4", "agent-5", "agent-6"))
    assert worst(PART, day.run(contacts(THREE)).shares) < POINTS
    assert_nothing_is_counted_twice(day)


@pytest.mark.parametrize("knows", ["nothing", "events"])
def test_what_no_weight_asks_for_goes_to_the_members_if_there_is_nobody_else(knows):
    day = ShareDay(PART, knows=knows)
    realised = day.run(contacts(THREE)).shares
    assert worst({user: weight + 0.25 / 3 for user, weight in PART.items()}, realised) < POINTS
    assert 0.20 < day.reasons["nobody"] / day.reasons.total() < 0.30


def test_knowing_who_is_free_costs_no_service_level_and_not_knowing_does():
    unknown, read, heard = calm_day(20, "nothing")[1], team_of(20).days["share"], calm_day(20, "events")[1]
    assert unknown.service_level < 0.8 < read.service_level < 0.98 < heard.service_level


WEIGHTS = st.lists(st.floats(0.02, 1), min_size=2, max_size=8).map(lambda parts: [p / math.fsum(parts) for p in parts])
PHASES = st.lists(st.tuples(st.sets(st.integers(0, 7), min_size=1), st.integers(1, 80)), min_size=1, max_size=6)
"""The members who are free, and for how many draws."""


@settings(deadline=None, max_examples=200)
@given(WEIGHTS, PHASES, st.sampled_from([1.0, 0.8]))
def test_nobody_is_drawn_again_and_again_while_another_member_is_free(parts, phases, total):
    weights, row, last = [part * total for part in parts], 0, None
    deficits = Deficits(weights, 1 - math.fsum(weights))
    for chosen, draws in phases:
        free = sorted({place % len(weights) for place in chosen})
        row = 0
        for _ in range(draws):
            deficits = Deficits(weights, 1 - math.fsum(weights), deficits.members, deficits.nobody)  # as it is stored
            drawn = deficits.draw(range(len(weights)), free)
            row, last = row + 1 if drawn == last else 1, drawn
            if drawn is not None:
                assert all(row <= in_a_row(weights[drawn], weights[other]) for other in free if other != drawn)


# ---- in trouble ------------------------------------------------------------------------------------------------------


def received(day, weights, first_h, last_h=24.0):
    """By user and contact, how far the user is above its share since the first hour, in contacts."""
    surplus, rows = dict.fromkeys(weights, 0.0), []
    for item in sorted(day.floor.conversations, key=lambda item: item.answered_s or math.inf):
        if item.answered_s is not None and first_h * HOUR_S <= item.answered_s < last_h * HOUR_S:
            for user, weight in weights.items():
                surplus[user] += (user == item.user_id) - weight
            rows.append(dict(surplus))
    return rows


@pytest.mark.parametrize("knows", ["nothing", "readings", "events"])
@pytest.mark.parametrize("trouble", ["away", "silent"])
def test_who_was_away_for_two_hours_has_its_share_again_and_catches_up_a_few_contacts(trouble, knows):
    day, calls = day_of(THREE, knows=knows)
    getattr(day.floor, trouble)("agent-001", 10 * HOUR_S, 12 * HOUR_S)
    day.run(calls)
    without = received(day, THREE, 10, 12)
    assert without[-1]["agent-001"] < -0.4 * len(without) + 2, "it had no contact, except the one under way"
    since = received(day, THREE, 12)
    assert len(since) > 200
    assert max(max(row.values()) for row in since) <= CATCHES_UP[knows]
    assert max(abs(surplus) for surplus in since[-1].values()) <= CATCHES_UP[knows]
    assert_nothing_is_counted_twice(day)
    assert_nobody_is_flooded(day, THREE)


@pytest.mark.parametrize("knows", ["readings", "nothing"])
def test_when_a_member_leaves_the_others_share_its_contacts(knows):
    day, calls = day_of(TWENTY, knows=knows)
    day.floor.leave("agent-001", QUEUE, 10 * HOUR_S)
    day.run(calls)
    left = {user: weight / (1 - TWENTY["agent-001"]) for user, weight in TWENTY.items() if user != "agent-001"}
    assert worst(left, figures(day.floor, day.queue, from_s=10 * HOUR_S).shares) < POINTS
    assert_nobody_is_flooded(day, TWENTY)
    assert_nothing_is_counted_twice(day)


@pytest.mark.parametrize("knows", ["nothing", "readings"])
def test_a_plan_that_changes_at_noon_is_what_the_afternoon_shows(knows):
    day, calls = day_of(THREE, knows=knows)
    after = dict(zip(THREE, reversed(THREE.values()), strict=True))
    day.floor.at(12 * HOUR_S, lambda: day.put_in_force(after))
    day.run(calls)
    for weights, hours in ((THREE, (0, 12)), (after, (12, 24))):
        surplus = received(day, weights, *hours)[-1]
        assert max(map(abs, surplus.values())) <= CATCHES_UP[knows]
    assert_nothing_is_counted_twice(day)


@pytest.mark.parametrize("knows", ["nothing", "readings"])
def test_lost_answers_are_made_good_by_the_correction(knows):
    day, calls = day_of(THREE, knows=knows)
    lottery = Random(1)
    day.lost = {call.conversation_id for call in calls if lottery.random() < 0.05}
    assert worst(THREE, day.run(calls).shares) < POINTS
    assert_nothing_is_counted_twice(day)


def test_a_draw_that_is_asked_twice_is_counted_once():
    once, calls = day_of(THREE)
    twice, _ = day_of(THREE)
    ask = twice.floor.draw

    def again(*question):
        answers = [ask(*question), ask(*question)]
        assert answers[0] == answers[1]
        return answers[0]

    twice.floor.draw = again
    once.run(calls)
    twice.run(calls)
    assert twice.tables.tally == once.tables.tally
    assert [item.user_id for item in twice.floor.conversations] == [item.user_id for item in once.floor.conversations]


def test_two_draws_at_once_are_two_draws():
    """Every fifth contact has a twin, whose draw reads and writes between the reading and the writing of the first."""
    calls = contacts(THREE)
    twins = {call.conversation_id: replace(call, conversation_id=f"{call.conversation_id}-twin") for call in calls[::5]}
    day = watched(ShareDay(THREE))
    ask, answers = day.floor.draw, {}

    def both(conversation_id, queue_id, media, now):
        if conversation_id in twins:
            other = twins[conversation_id].conversation_id

            def meanwhile():
                day.tables.before_write = lambda: None
                answers[other] = day.ask(other, queue_id, media, now)

            day.tables.before_write = meanwhile
        return answers.pop(conversation_id, None) or ask(conversation_id, queue_id, media, now)

    day.floor.draw = both
    realised = day.run(sorted([*calls, *twins.values()], key=lambda call: call.arrives_s))
    assert worst(THREE, realised.shares) < POINTS
    assert_nothing_is_counted_twice(day)
