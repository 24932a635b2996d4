"""Draws of one queue: who is drawn, who follows, and what is counted."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.domain.actuators.share import MAX_SHARED
from routing_weights.domain.deficit import BOUND
from routing_weights.domain.draw import BUCKET_S, BUCKETS, RECENT, RECENT_S, RINGS_S, Draw, Tally, draw
from routing_weights.domain.shares import ShareOptions, SharesInForce
from routing_weights.domain.standings import KNOWN_S, Membership, Standings, Status

NOW = 1_770_000_000.0
WEIGHTS = {"ann": 0.4, "bob": 0.35, "cyd": 0.25}


def shares(weights=WEIGHTS, hold_s=10, distribution="d-1"):
    return SharesInForce("q-1", distribution, weights, ShareOptions(hold_s=hold_s), 1)


def reading(statuses, now):
    """What a reading that began at `now` shows: a status by user. None: the user has left the queue."""
    return Standings(
        {user: Status(status, 0.0) for user, status in statuses.items() if status},
        {user: Membership(joined=False, since=now) for user, status in statuses.items() if not status},
        read_at=now,
    )


class Queue:
    """Draws one after another, a minute apart, each with a reading of its time."""

    def __init__(self, **options):
        self.shares, self.tally, self.now, self.number = shares(**options), Tally(), NOW, 0
        self.statuses = dict.fromkeys(self.shares.weights, "IDLE")

    def draw(self, conversation=None, media="voice", limit=20):
        self.now, self.number = self.now + 60, self.number + 1
        standings = reading(self.statuses, self.now) if self.statuses else Standings()
        name = conversation or f"c-{self.number}"
        answer, self.tally = draw(self.shares, self.tally, standings, name, media, self.now, limit)
        return answer

    def counts(self, draws):
        return Counter(agents[0] if (agents := self.draw().agents) else None for _ in range(draws))


# ---- shares ----------------------------------------------------------------------------------------------------------


def test_the_drawn_agent_is_alone_at_the_top_and_the_others_follow_by_deficit():
    first = Queue().draw()
    assert (first.agents, first.scores) == (("ann", "bob", "cyd"), (100, 80, 60))
    assert (first.hold_s, first.distribution_id, first.reason) == (10, "d-1", "drawn")


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 50), min_size=1), st.integers(0, 50))
def test_with_everybody_free_each_count_is_within_one_contact_of_the_share(parts, rest):
    total = sum(parts.values()) + rest
    queue = Queue(weights={user: part / total for user, part in parts.items()})
    counts = queue.counts(60)
    assert all(abs(counts[user] - 60 * part / total) < 1 + 1e-6 for user, part in [*parts.items(), (None, rest)])


def test_the_part_without_a_share_gets_no_agents():
    queue = Queue(weights={"ann": 0.5, "bob": 0.25})
    assert queue.counts(100) == {"ann": 50, "bob": 25, None: 25}
    assert {draw.reason for _, draw in queue.tally.recent.values() if not draw.agents} == {"nobody"}


def test_the_list_has_at_most_so_many_agents_and_five_levels():
    queue = Queue(weights={f"u{number:02}": 0.02 for number in range(50)})
    assert queue.draw(limit=7).scores == (100, 80, 60, 40, 20, 20, 20)
    assert len(queue.draw(limit=100).agents) == 50


# ---- standings -------------------------------------------------------------------------------------------------------


def test_a_member_that_is_away_is_in_no_list_and_gets_no_more_than_its_share_later():
    queue = Queue()
    queue.statuses["cyd"] = "OFF_QUEUE"
    assert not any("cyd" in queue.draw().agents for _ in range(120))
    queue.statuses["cyd"] = "IDLE"
    assert queue.counts(100)["cyd"] == pytest.approx(25, abs=1)


def test_a_member_who_left_is_not_drawn():
    queue = Queue()
    queue.statuses["bob"] = None
    assert not any("bob" in queue.draw().agents for _ in range(20))


def test_a_busy_member_is_not_drawn_but_follows_the_free_ones():
    queue = Queue()
    queue.statuses["ann"] = "INTERACTING"
    assert queue.draw().agents == ("bob", "cyd", "ann")


def test_a_member_that_was_busy_for_hours_catches_up_by_at_most_the_bound():
    queue = Queue()
    queue.statuses["cyd"] = "INTERACTING"
    queue.counts(120)
    queue.statuses["cyd"] = "IDLE"
    assert 0 < queue.counts(200)["cyd"] - 50 <= BOUND + 1


def test_if_nobody_is_free_nobody_waits_and_nothing_is_counted():
    queue = Queue()
    queue.statuses = dict.fromkeys(WEIGHTS, "INTERACTING")
    assert (queue.draw().agents, queue.draw().reason, queue.tally) == ((), "none_free", Tally())


@pytest.mark.parametrize(("media", "is_drawn"), [("voice", False), ("callback", False), ("message", True)])
def test_a_busy_member_gets_a_second_contact_of_media_that_allow_several(media, is_drawn):
    queue = Queue()
    queue.statuses = dict.fromkeys(WEIGHTS, "INTERACTING")
    assert bool(queue.draw(media=media).agents) == is_drawn


def test_a_reading_that_is_too_old_says_nothing():
    busy = reading(dict.fromkeys(WEIGHTS, "INTERACTING"), NOW)
    for age, is_drawn in ((KNOWN_S, False), (KNOWN_S + 1, True)):
        answer, _ = draw(shares(), Tally(), busy, "c-1", "voice", NOW + age, 20)
        assert bool(answer.agents) == is_drawn


def test_without_a_reading_everybody_may_be_drawn():
    queue = Queue()
    queue.statuses = None
    assert queue.counts(20) == {"ann": 8, "bob": 7, "cyd": 5}


def test_whoever_was_just_drawn_is_not_drawn_again_before_the_hold_is_over_or_a_later_reading_says_more():
    held, idle = shares({"ann": 0.98, "bob": 0.02}, hold_s=30), {"ann": "IDLE", "bob": "IDLE"}
    first, tally = draw(held, Tally(), reading(idle, NOW), "c-1", "voice", NOW, 20)
    assert first.agents[0] == "ann"
    for after_s, read_s, media, drawn in [
        (1, 0, "voice", "bob"),
        (9, 9, "voice", "bob"),  # it still rings
        (RINGS_S, RINGS_S, "voice", "ann"),
        (29.9, 0, "voice", "bob"),
        (30, 0, "voice", "ann"),
        (1, None, "voice", "bob"),
        (1, 0, "message", "ann"),
    ]:
        standings = Standings() if read_s is None else reading(idle, NOW + read_s)
        assert draw(held, tally, standings, "c-2", media, NOW + after_s, 20)[0].agents[0] == drawn


# ---- the same conversation -------------------------------------------------------------------------------------------


def test_the_same_conversation_gets_the_same_answer_and_is_counted_once():
    queue = Queue()
    first = queue.draw("c")
    known = queue.tally
    assert (queue.draw("c"), queue.tally is known) == (first, True)
    queue.draw("other")
    assert (queue.draw("c"), sum(queue.tally.drawn.popitem()[1].values())) == (first, 2)


def test_the_same_conversation_gets_the_same_answer_after_the_plan_has_changed():
    queue = Queue()
    first = queue.draw("c")
    queue.shares = shares({"dan": 1.0}, distribution="d-2")
    queue.statuses = {"dan": "IDLE"}
    assert queue.draw("d").agents == ("dan",)
    assert queue.draw("c") == first


def test_the_newest_answers_are_known_until_they_are_too_old():
    queue, tally = Queue(), Tally()
    for number in range(RECENT + 5):
        _, tally = draw(queue.shares, tally, Standings(), f"c-{number}", "message", NOW + number, 20)
    assert [tally.answer_to(f"c-{number}", NOW) is None for number in (4, 5)] == [True, False]
    newest = NOW + RECENT + 4
    assert tally.answer_to(f"c-{RECENT + 4}", newest + RECENT_S - 1)
    assert tally.answer_to(f"c-{RECENT + 4}", newest + RECENT_S) is None


# ---- another plan ----------------------------------------------------------------------------------------------------


def test_a_plan_that_changes_at_noon_keeps_the_deficits_of_those_who_stay():
    queue = Queue()
    queue.statuses["bob"] = "INTERACTING"
    queue.counts(9)
    queue.statuses = {"bob": "IDLE", "ann": "IDLE", "dan": "IDLE"}
    queue.shares = shares({"ann": 0.3, "bob": 0.3, "dan": 0.4}, distribution="d-2")
    draws = [queue.draw() for _ in range(200)]
    assert {draw.distribution_id for draw in draws} == {"d-2"}
    assert queue.tally.deficits.keys() == {"ann", "bob", "dan"}
    counts = Counter(draw.agents[0] for draw in draws)
    assert draws[0].agents[0] == draws[1].agents[0] == "bob"
    assert 0 < counts["bob"] - 0.3 * 200 < BOUND + 1
    assert counts["dan"] == pytest.approx(80, abs=1)


# ---- counts ----------------------------------------------------------------------------------------------------------


def test_draws_are_counted_by_quarters_of_an_hour_for_two_hours():
    queue = Queue(weights={"ann": 0.5})
    queue.counts(180)
    assert len(queue.tally.drawn) == BUCKETS
    assert all(start % BUCKET_S == 0 for start in queue.tally.drawn)
    *whole, _ = queue.tally.drawn.values()
    assert sum(sum(counts.values()) for counts in whole) == 15 * (BUCKETS - 1)
    assert sum(counts["ann"] for counts in whole) == pytest.approx(sum(counts[""] for counts in whole), abs=1)


def test_contacts_that_others_took_are_made_up_for():
    queue = Queue()
    drawn = queue.counts(40)
    bucket = min(queue.tally.drawn)
    in_bucket = queue.tally.drawn[bucket]
    moved = Counter(in_bucket) - Counter({"ann": 3}) + Counter({"cyd": 3})
    queue.tally = queue.tally.corrected(queue.shares, bucket, moved)
    assert bucket not in queue.tally.drawn
    assert queue.tally.corrected_until == bucket + BUCKET_S
    total = drawn + queue.counts(60)
    assert total["ann"] - 40 == pytest.approx(3, abs=1)
    assert total["cyd"] - 25 == pytest.approx(-3, abs=1)


def test_contacts_of_users_without_a_share_are_those_of_other_agents():
    queue = Queue(weights={"ann": 0.5})
    queue.counts(4)
    corrected = queue.tally.corrected(queue.shares, min(queue.tally.drawn), {"ann": 2, "zoe": 1, "": 1})
    assert corrected.deficits["ann"] == pytest.approx(queue.tally.deficits["ann"])


# ---- the stored form -------------------------------------------------------------------------------------------------


def test_a_stored_tally_is_read_as_it_was():
    queue = Queue(weights={"ann": 0.4, "bob": 0.3})
    queue.counts(50)
    stored = replace(queue.tally, corrected_until=int(NOW))
    read = Tally.from_json(stored.to_json(), stored.version)
    assert read == replace(stored, deficits=read.deficits, nobody=read.nobody)
    assert read.deficits == pytest.approx(stored.deficits)
    assert read.nobody == pytest.approx(stored.nobody)
    assert Tally.from_json(Tally().to_json(), 0) == Tally()


def test_a_stored_tally_of_a_changed_plan_names_the_users_of_old_draws():
    queue = Queue()
    queue.counts(5)
    queue.shares, queue.statuses = shares({"dan": 1.0}, distribution="d-2"), {"dan": "IDLE"}
    queue.draw()
    read = Tally.from_json(queue.tally.to_json(), queue.tally.version)
    assert (read.drawn, read.recent, read.drawn_at) == (queue.tally.drawn, queue.tally.recent, queue.tally.drawn_at)
    assert read.deficits == {"dan": 0.0}


def test_the_largest_tally_fits_into_an_item_of_dynamodb():
    users = [f"{number:036}" for number in range(500)]
    answer = Draw(tuple(users[-100:]), 10, f"key-{'f' * 64}")
    tally = Tally(
        deficits=dict.fromkeys(users, -4.123456789012),
        drawn_at=dict.fromkeys(users, NOW),
        drawn={int(NOW) + bucket: dict.fromkeys(["", *users], 100) for bucket in range(BUCKETS)},
        recent={f"{number:08}": (NOW, answer) for number in range(RECENT)},
    )
    assert Tally.from_json(tally.to_json(), 0) == tally
    assert len(tally.to_json().encode()) < 120_000  # less than a third of what an item may have


def test_the_largest_tally_fits_an_item_of_dynamodb():
    """Half of its 400 KB: 500 members, each drawn in all eight buckets, and 128 answers of 100 agents."""
    users = [f"{number:08}-c0de-4bad-8bad-123456789abc" for number in range(MAX_SHARED)]
    answer = Draw(tuple(users[-100:]), 600, "d" * 80)
    largest = Tally(
        7,
        dict.fromkeys(users, -1.123456789012),
        drawn_at=dict.fromkeys(users, NOW + 0.123),
        drawn={1_770_000_300 + number * BUCKET_S: dict.fromkeys(users, 9999) for number in range(BUCKETS)},
        recent={f"{number:08}": (NOW + 0.123, answer) for number in range(RECENT)},
    )
    text = largest.to_json()
    assert len(text.encode()) < 200_000
    assert Tally.from_json(text, 7) == largest
