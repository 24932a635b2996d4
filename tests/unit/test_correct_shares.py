"""Corrections: each quarter of an hour counts once, by what really happened, or not at all."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.application.correct_shares import TRIES, CorrectShares
from routing_weights.domain.correction import FEW_DRAWS, GIVE_UP_S, SETTLED_S, due_buckets
from routing_weights.domain.deficit import BOUND
from routing_weights.domain.draw import BUCKET_S, Tally, draw
from routing_weights.domain.drawn import DrawnBucket
from routing_weights.domain.record import Handled
from routing_weights.domain.shares import ShareOptions, SharesInForce
from routing_weights.domain.standings import Standings, Status
from routing_weights.errors import GenesysUnavailable, StoreUnavailable
from tests.support.fakes import (
    FakeAgentStandings,
    FakeDrawnHistory,
    FakeShares,
    FakeTallies,
    LambdaContext,
    function_module,
)

START = 1_800_000_000
"""The start of a bucket, in epoch seconds."""
SHARES = SharesInForce("q-1", "d-1", {"a": 0.5, "b": 0.3, "c": 0.2}, ShareOptions(), 1)


def at(seconds):
    return datetime.fromtimestamp(START + seconds, UTC)


READY = at(BUCKET_S + SETTLED_S)
"""When the first bucket is corrected."""


class Contacts:
    """Genesys, which shows these contacts by bucket, queue and user. An error in their place is raised."""

    def __init__(self, by_bucket):
        self.by_bucket, self.asked = by_bucket, []

    def realised_by_member(self, queue_ids, start, end):
        assert end - start == timedelta(seconds=BUCKET_S)
        self.asked.append((list(queue_ids), int(start.timestamp())))
        shown = self.by_bucket.get(int(start.timestamp()), {})
        if isinstance(shown, Exception):
            raise shown
        return {queue: {user: Handled(n, 60.0 * n) for user, n in users.items()} for queue, users in shown.items()}


def tally(*, corrected_until=START, **drawn):
    """A tally that has counted these draws in the bucket at START."""
    return Tally(1, dict.fromkeys(SHARES.weights, 0.0), drawn={START: drawn}, corrected_until=corrected_until)


def case(counted, contacts, *, in_force=(SHARES,), standings=None, has_time=lambda: True):
    genesys = contacts if isinstance(contacts, Contacts) else Contacts({START: {"q-1": contacts}})
    stores = FakeTallies(**{"q-1": counted}), standings or FakeAgentStandings(), FakeDrawnHistory()
    return CorrectShares(FakeShares(*in_force), *stores, genesys, has_time)


def outcome(use_case, now=READY):
    return {name: number for name, number in use_case.correct(now).items() if number}


def deficits(use_case, queue="q-1"):
    return use_case.tallies.find(queue).deficits


# ---- what a correction does ------------------------------------------------------------------------------------------


def test_whoever_was_drawn_and_got_nothing_is_behind_afterwards():
    use_case = case(tally(a=4, b=2, c=2), {"a": 2, "b": 4, "c": 2})
    assert outcome(use_case) == {"corrected": 1}
    assert deficits(use_case) == pytest.approx({"a": 2, "b": -2, "c": 0})


def test_contacts_that_nobody_was_drawn_for_count_for_whoever_had_them():
    use_case = case(tally(a=1), {"a": 1, "b": 2})
    assert outcome(use_case) == {"corrected": 1}
    assert deficits(use_case) == pytest.approx({"a": 1, "b": -1.4, "c": 0.4})


def test_a_member_who_was_away_gains_nothing():
    standings = FakeAgentStandings()
    standings.note("q-1", "c", Status("OFF_QUEUE", READY.timestamp() - 60), READY.timestamp() - 60)
    use_case = case(tally(a=1, b=1), {"a": 1, "b": 9}, standings=standings)
    outcome(use_case)
    assert deficits(use_case)["c"] <= 0


def test_a_bucket_goes_into_the_history_with_its_draws_and_contacts():
    use_case = case(replace(tally(**{"a": 4, "": 3})), {"a": 2, "stranger": 1})
    outcome(use_case)
    kept = DrawnBucket(at(0), "d-1", {"a": 4}, 3, {"a": 2, "stranger": 1})
    assert list(use_case.history.of_queue("q-1", at(0), READY)) == [kept]


counts = st.dictionaries(st.sampled_from(["a", "b", "c", "", "stranger"]), st.integers(0, 200))
small = st.lists(st.floats(-BOUND, BOUND), min_size=3, max_size=3)


@given(counts, counts, small, st.sampled_from([(0.5, 0.3, 0.2), (0.4, 0.1, 0.1), (1 / 3, 1 / 3, 1 / 3)]))
def test_a_correction_keeps_the_sum_and_never_floods(drawn, realised, before, weights):
    in_force = replace(SHARES, weights=dict(zip("abc", weights, strict=True)))
    counted = replace(tally(**drawn), deficits=dict(zip("abc", before, strict=True)))
    use_case = case(counted, realised, in_force=(in_force,))
    use_case.correct(at(BUCKET_S + GIVE_UP_S))
    after = use_case.tallies.find("q-1")
    if drawn and (any(realised.values()) or sum(drawn.values()) < FEW_DRAWS):
        assert sum(after.deficits.values()) + after.nobody == pytest.approx(0, abs=1e-6)
        assert all(abs(deficit) <= BOUND + 1e-6 for deficit in after.deficits.values())
    else:
        assert after.deficits == counted.deficits


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=40))
def test_after_a_correction_nobody_gets_more_in_a_row_than_the_bound_explains(realised):
    use_case = case(tally(a=len(realised)), Counter(realised))
    use_case.correct(READY)
    state, row, longest = use_case.tallies.find("q-1"), 0, 0
    last = None
    for number in range(60):
        answer, state = draw(SHARES, state, Standings(), f"c-{number}", "voice", START + 3000.0 + 60 * number, 20)
        row = row + 1 if answer.agents[0] == last else 1
        last, longest = answer.agents[0], max(longest, row)
    assert longest <= (2 * BOUND + 2) / (1 - 0.5)


# ---- once, and in order ----------------------------------------------------------------------------------------------


def test_a_bucket_counts_once():
    use_case = case(tally(a=4), {"b": 4})
    outcome(use_case)
    first = use_case.tallies.find("q-1")
    assert outcome(use_case) == {}
    assert outcome(use_case, READY + timedelta(minutes=5)) == {}
    assert use_case.tallies.find("q-1") == first


def test_a_bucket_is_not_corrected_before_its_contacts_are_counted():
    use_case = case(tally(a=4), {"b": 4})
    assert outcome(use_case, READY - timedelta(seconds=1)) == {}
    assert use_case.analytics.asked == []


def test_an_invocation_that_ends_between_its_two_writes_is_repeated_without_harm():
    use_case = case(tally(a=4), {"b": 4})
    use_case.tallies.before_put = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        use_case.correct(READY)
    assert len(use_case.history.buckets) == 1
    assert use_case.tallies.find("q-1") == tally(a=4)
    use_case.tallies.before_put = lambda: None
    assert outcome(use_case) == {"corrected": 1}
    assert len(use_case.history.buckets) == 1
    assert deficits(use_case) == pytest.approx({"a": 4, "b": -4, "c": 0})


def test_of_two_invocations_at_once_one_counts():
    use_case = case(tally(a=4), {"b": 4})

    def meanwhile():
        use_case.tallies.before_put = lambda: None
        assert outcome(use_case) == {"corrected": 1}

    use_case.tallies.before_put = meanwhile
    assert outcome(use_case) == {"corrected": 1}
    assert use_case.tallies.find("q-1").version == 2
    assert deficits(use_case) == pytest.approx({"a": 4, "b": -4, "c": 0})


def test_a_draw_in_between_is_not_lost():
    use_case = case(tally(a=4), {"b": 4})

    def meanwhile():
        use_case.tallies.before_put = lambda: None
        now = READY.timestamp()
        _, after = draw(SHARES, use_case.tallies.find("q-1"), Standings(), "c-1", "voice", now, 20)
        assert use_case.tallies.put("q-1", after)

    use_case.tallies.before_put = meanwhile
    assert outcome(use_case) == {"corrected": 1}
    after = use_case.tallies.find("q-1")
    assert (after.version, sum(after.drawn[START + BUCKET_S].values())) == (3, 1)
    assert after.deficits["b"] == pytest.approx(-3.7)


def test_a_queue_with_too_many_draws_is_left_to_the_next_run():
    use_case = case(tally(a=4), {"b": 4})

    def draws():
        known = use_case.tallies.queues["q-1"]
        use_case.tallies.queues["q-1"] = replace(known, version=known.version + 1)

    use_case.tallies.before_put = draws
    assert outcome(use_case) == {"failed": 1}
    assert use_case.tallies.find("q-1").version == 1 + TRIES
    use_case.tallies.before_put = lambda: None
    assert outcome(use_case) == {"corrected": 1}


def test_a_failing_store_leaves_the_other_queues_alone():
    other = replace(SHARES, queue_id="q-2")
    use_case = case(tally(a=4), Contacts({START: {"q-1": {"b": 4}, "q-2": {"b": 4}}}), in_force=(SHARES, other))
    use_case.tallies.queues["q-2"] = tally(a=4)
    find = use_case.tallies.find
    calls = []

    def failing(queue_id):
        calls.append(queue_id)
        if calls.count("q-1") == 2 and queue_id == "q-1":
            raise StoreUnavailable("no answer")
        return find(queue_id)

    use_case.tallies.find = failing
    assert outcome(use_case) == {"corrected": 1, "failed": 1}
    assert use_case.analytics.asked == [(["q-1", "q-2"], START)], "one request asks for all queues"


def test_counters_that_cannot_be_read_leave_the_other_queues_alone():
    other = replace(SHARES, queue_id="q-2")
    use_case = case(tally(a=4), {"b": 4}, in_force=(other, SHARES))
    find = use_case.tallies.find

    def failing(queue_id):
        if queue_id == "q-2":
            raise StoreUnavailable("no tally")
        return find(queue_id)

    use_case.tallies.find = failing
    assert outcome(use_case) == {"corrected": 1, "failed": 1}


def test_what_there_is_no_time_for_is_done_by_the_next_run():
    other = replace(SHARES, queue_id="q-2")
    time_left = iter([True, True, False])
    contacts = Contacts({START: {"q-1": {"b": 4}, "q-2": {"b": 4}}})
    use_case = case(tally(a=4), contacts, in_force=(SHARES, other), has_time=lambda: next(time_left, True))
    use_case.tallies.queues["q-2"] = tally(a=4)
    assert outcome(use_case) == {"corrected": 1}
    assert outcome(use_case) == {"corrected": 1}
    assert deficits(use_case, "q-2") == deficits(use_case)


def test_without_time_nothing_is_begun():
    use_case = case(tally(a=4), {"b": 4}, has_time=lambda: False)
    assert (outcome(use_case), use_case.analytics.asked) == ({}, [])


# ---- what Genesys does not show --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [GenesysUnavailable("no answer"), {}, {"q-1": {}}])
def test_figures_that_are_late_are_waited_for_and_then_given_up(shown):
    use_case = case(tally(a=4), Contacts({START: shown}))
    assert outcome(use_case) == {"late": 1}
    assert outcome(use_case, at(BUCKET_S + GIVE_UP_S - 1))["late"] == 1
    assert (use_case.history.buckets, use_case.tallies.find("q-1")) == ({}, tally(a=4))
    assert outcome(use_case, at(BUCKET_S + GIVE_UP_S))["skipped"] == 1
    (kept,) = use_case.history.of_queue("q-1", at(0), at(1))
    assert (kept.drawn, kept.realised) == ({"a": 4}, None)
    assert deficits(use_case) == tally(a=4).deficits


def test_of_a_few_draws_none_may_have_been_answered():
    """They were abandoned, or answered in the next quarter of an hour, where they count."""
    use_case = case(tally(a=2), Contacts({START: {}}))
    assert outcome(use_case) == {"corrected": 1}
    assert deficits(use_case) == pytest.approx({"a": 1, "b": -0.6, "c": -0.4})
    (kept,) = use_case.history.of_queue("q-1", at(0), at(1))
    assert (kept.drawn, kept.realised) == ({"a": 2}, {})


def test_later_buckets_wait_for_one_that_is_late():
    contacts = Contacts({START: {}, START + BUCKET_S: {"q-1": {"b": 4}}})
    use_case = case(replace(tally(), drawn={START: {"a": 4}, START + BUCKET_S: {"b": 4}}), contacts)
    later = READY + timedelta(seconds=BUCKET_S)
    assert outcome(use_case, later) == {"late": 1}
    contacts.by_bucket[START] = {"q-1": {"a": 4}}
    assert outcome(use_case, later) == {"corrected": 2}
    assert use_case.tallies.find("q-1").corrected_until == START + 2 * BUCKET_S


@pytest.mark.parametrize(
    "counted",
    [
        replace(tally(a=4), members_since=START),
        replace(tally(a=4), deficits={"a": 0.5, "b": -0.5}),
        replace(tally(a=4), deficits={**tally().deficits, "d": 0.0}),
    ],
    ids=["the members have changed in it", "a member has joined since", "a member has left since"],
)
def test_a_bucket_that_is_not_all_the_members_is_kept_and_not_corrected(counted):
    use_case = case(counted, {"b": 40})
    assert outcome(use_case) == {"corrected": 1}
    assert deficits(use_case) == counted.deficits
    (kept,) = use_case.history.of_queue("q-1", at(0), at(1))
    assert kept.realised == {"b": 40}
    assert use_case.tallies.find("q-1").corrected_until == START + BUCKET_S


def test_other_weights_of_the_same_members_are_no_reason_to_leave_a_bucket_out():
    changed = replace(SHARES, weights={"c": 0.5, "b": 0.3, "a": 0.2}, version=2)
    use_case = case(tally(a=4), {"b": 4}, in_force=(changed,))
    assert outcome(use_case) == {"corrected": 1}
    assert deficits(use_case) == pytest.approx({"a": 4, "b": -4, "c": 0})


def test_the_draws_know_since_when_the_members_have_their_shares():
    state = Tally()
    for number, shares in enumerate([SHARES, SHARES, replace(SHARES, weights={"a": 1.0}), SHARES, SHARES]):
        _, state = draw(shares, state, Standings(), f"c-{number}", "message", START + number * BUCKET_S, 20)
        assert state.members_since == START + (0, 0, 2, 3, 3)[number] * BUCKET_S
    assert Tally.from_json(state.to_json(), state.version).members_since == state.members_since


def test_contract_score_corrects_nothing():
    use_case = replace(case(tally(a=4), {"b": 4}), analytics=None)
    assert outcome(use_case) == {}


def test_the_last_draws_before_shares_ended_go_into_the_history():
    """Afterwards the record of the distribution, and the next plan's page, find them there."""
    ended = replace(SHARES, weights={}, version=2)
    counted = replace(tally(a=4), deficits={"a": 1.0, "b": -1.0, "c": 0.0})
    use_case = case(counted, {"a": 3, "b": 1}, in_force=(ended,))
    assert outcome(use_case) == {"corrected": 1}
    (kept,) = use_case.history.of_queue("q-1", at(0), READY)
    assert (kept.drawn, kept.realised) == ({"a": 4}, {"a": 3, "b": 1})
    assert deficits(use_case) == counted.deficits, "if the same plan comes back, its members go on from there"


# ---- which buckets are due -------------------------------------------------------------------------------------------


def test_a_quarter_of_an_hour_without_draws_is_not_asked_about():
    """No shares were in force, or nobody came: what agents did then is not charged to them."""
    use_case = case(tally(), {"b": 40})
    assert (outcome(use_case), use_case.analytics.asked) == ({}, [])
    assert list(due_buckets(Tally(), START)) == []


def test_draws_of_long_ago_are_corrected_if_they_are_still_counted():
    use_case = case(tally(a=4), {"b": 4})
    assert outcome(use_case, READY + timedelta(days=1)) == {"corrected": 1}
    assert deficits(use_case) == pytest.approx({"a": 4, "b": -4, "c": 0})


@given(st.lists(st.integers(0, 20 * BUCKET_S), max_size=30), st.integers(0, 30 * BUCKET_S))
def test_a_due_bucket_has_draws_and_has_ended_for_a_time(times, now):
    counted = Tally()
    for number, drawn_at in enumerate(sorted(times)):
        _, counted = draw(SHARES, counted, Standings(), f"c-{number}", "message", START + drawn_at, 20)
    due = due_buckets(counted, START + now)
    assert due == sorted(due)
    assert all(sum(counted.drawn[bucket].values()) > 0 for bucket in due)
    assert all(bucket <= START + now - BUCKET_S - SETTLED_S for bucket in due)


# ---- the function ----------------------------------------------------------------------------------------------------


def test_the_function_counts_what_alarms_watch(monkeypatch, capsys):
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "test")
    app, outcomes = function_module("correct"), {"corrected": 3, "late": 1, "skipped": 2, "failed": 0}
    monkeypatch.setattr(app.CorrectSettings, "load", lambda: None)
    monkeypatch.setattr(app.bootstrap, "correct_shares", lambda *_: SimpleNamespace(correct=lambda _: outcomes))
    assert app.handler({}, LambdaContext()) == outcomes
    (emitted,) = (json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line)
    assert (emitted["CorrectionSkipped"], emitted["CorrectionFailed"]) == ([2.0], [0.0])
