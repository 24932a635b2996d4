"""The control law of the budget: no window has too many slots, none is wasted, and a pause ends."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing_weights.domain.pace import ANNOUNCED_FOR_MS, HEAD, LONGEST_HOLD_MS, Limit, Pace

NOW = 1_800_000_000_000.0
FOR_EVER = NOW * 2


def known(allowed=300, window_s=60):
    """A pace under a limit that Genesys announces."""
    return Pace(announced_until=FOR_EVER, allowed=allowed, allowed_until=FOR_EVER, window_ms=window_s * 1000)


def most_in_a_window(times, window_ms):
    times = sorted(times)
    return max(sum(start <= at < start + window_ms for at in times) for start in times)


def taken_by(pace, limit, requests, gap_ms=0.0):
    """The times of requests that are sent one after another, each as soon as it may."""
    now, times = NOW, []
    for _ in range(requests):
        (at,), pace = pace.take(now, limit)
        now = at + gap_ms
        times.append(at)
    return times


# ---- a limit that Genesys announces ----------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1, 50, 500, 3000, 7000, 61_000]), st.integers(1, 10), st.booleans()),
    min_size=1,
    max_size=60,
)


@settings(max_examples=200)
@given(steps, st.sampled_from([(30, 6), (300, 60), (5, 1), (1, 60)]), st.sampled_from([1.0, 0.7, 0.1]))
def test_no_window_has_more_slots_than_are_granted(steps, announced, share):
    allowed, window_s = announced
    pace, now, times = known(allowed, window_s), NOW, []
    limit = pace.limit(now, 60 * allowed / window_s, share)
    for later_ms, slots, together in steps:
        now += later_ms
        more, pace = pace.take(now, limit, slots, together=together)
        assert min(more) >= now
        times += more
    assert most_in_a_window(times, window_s * 1000) <= max(1, allowed * share)


@given(st.lists(st.floats(0, 1), min_size=20, max_size=20), st.sampled_from([(30, 6, 0.2), (60, 60, 1.2)]))
def test_a_delay_between_slot_and_genesys_is_no_request_too_many(delays, announced):
    allowed, window_s, longest_s = announced
    pace = known(allowed, window_s)
    slots = taken_by(pace, pace.limit(NOW, 300, 1.0), 3 * allowed)
    arrived = [at + delay * longest_s * 1000 for at, delay in zip(slots, itertools.cycle(delays), strict=False)]
    assert most_in_a_window(arrived, window_s * 1000) <= allowed


@pytest.mark.parametrize(
    ("allowed", "window_s", "requests", "gap_ms", "most"),
    [
        (30, 6, 106, 0, 1.0),
        (30, 6, 106, 15, 1.0),
        (300, 60, 1006, 0, 0.95),
        (300, 60, 3000, 20, 1.04),
        (3000, 60, 10_600, 0, 0.95),
    ],
)
def test_the_time_is_that_of_the_granted_rate(allowed, window_s, requests, gap_ms, most):
    """Gaps between requests, as between two functions, cost nothing."""
    pace = known(allowed, window_s)
    times = taken_by(pace, pace.limit(NOW, 60 * allowed / window_s, 1.0), requests, gap_ms)
    assert (times[-1] - NOW) / 1000 <= most * requests / allowed * window_s


def test_most_of_a_window_is_sent_at_once_and_the_rest_is_spread():
    pace = known()
    times = taken_by(pace, pace.limit(NOW, 300, 1.0), 300)
    assert times[: int(HEAD * 300)] == [NOW] * 270
    pauses = [later - earlier for earlier, later in itertools.pairwise(times[270:])]
    assert max(pauses) == pytest.approx(min(pauses))
    assert max(pauses) < 2100


def test_under_a_small_limit_a_run_has_one_long_pause_in_a_window():
    """The state machine waits for it: a wait for each of the spread slots would be three transitions each."""
    pace = known(30, 60)
    times = taken_by(pace, pace.limit(NOW, 30, 1.0), 100)
    assert sum(later - earlier > 5000 for earlier, later in itertools.pairwise(times)) == 3


def test_slots_together_come_at_the_same_time():
    pace = known()
    limit = pace.limit(NOW, 300, 1.0)
    _, pace = pace.take(NOW, limit, 290)
    pair, _ = pace.take(NOW, limit, 2, together=True)
    assert pair[0] == pair[1] > NOW


def test_only_our_share_of_a_limit_is_taken():
    pace = known()
    assert pace.limit(NOW, 300, 0.7).requests == 210
    assert pace.limit(NOW, 100, 1.0).requests == 100
    assert pace.limit(NOW, 9000, 1.0).requests == 300


@pytest.mark.parametrize(("allowed", "window_s", "requests"), [(1, 60, 60), (0, 60, 60), (30, 40, 40), (30, 6, 30)])
def test_an_announced_limit_slows_us_to_one_request_a_second_and_no_further(allowed, window_s, requests):
    assert known(allowed, window_s).limit(NOW, 300, 1.0).requests == requests


def test_a_deployment_that_is_granted_less_than_a_request_a_second_is_paced_by_that():
    assert known(30, 60).limit(NOW, 30, 1.0) == Limit(30, 60_000.0, whole=True)


# ---- a limit that only a 429 shows -----------------------------------------------------------------------------------


def test_a_single_429_is_a_pause_and_nothing_is_paced_afterwards():
    pace = Pace().refused(NOW, NOW - 20, 1000.0)
    assert not pace.is_paced(NOW)
    assert pace.next_at == NOW + 1000


def test_the_429s_of_requests_that_were_under_way_are_one_sign():
    pace = Pace()
    for n in range(16):
        pace = pace.refused(NOW + n, NOW - 20, 1000.0)
    pace = pace.refused(NOW + 1500, NOW + 900, 1000.0)
    assert not pace.is_paced(NOW + 1500)
    assert pace.next_at == NOW + 2500


def test_a_second_429_within_a_minute_paces_for_a_minute_and_then_twice_as_long_each_time():
    pace, now, held = Pace().refused(NOW, NOW, 0.0), NOW + 30_000, []
    for _ in range(6):
        pace = pace.refused(now, now, 0.0)
        ends = next(ms for ms in range(0, 700_000, 1000) if not pace.is_paced(now + ms + 1))
        held.append(round(ends / 60_000))
        now += ends + 20_000
    assert held == [1, 2, 4, 8, 10, 10]
    assert pace.hold_ms == LONGEST_HOLD_MS


def test_a_429_long_after_the_last_one_is_a_pause_again():
    pace = Pace().refused(NOW, NOW, 0.0).refused(NOW + 30_000, NOW + 30_000, 0.0)
    assert pace.is_paced(NOW + 30_001)
    later = NOW + 200_000
    assert not pace.refused(later, later, 1000.0).is_paced(later)


def test_without_an_announced_window_requests_are_spread_evenly():
    limit = Pace().limit(NOW, 300, 1.0)
    times = taken_by(Pace(), limit, 100)
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == pytest.approx([204.0] * 99)


def test_429s_in_spite_of_what_is_announced_spread_requests_evenly():
    """They are of another limit, such as that of an organisation for one route."""
    pace = known().refused(NOW, NOW, 1000.0)
    assert pace.limit(NOW + 2000, 300, 1.0).whole
    pace = pace.refused(NOW + 5000, NOW + 5000, 1000.0)
    limit = pace.limit(NOW + 6000, 300, 1.0)
    assert not limit.whole
    assert limit.interval_ms == pytest.approx(204)
    assert pace.limit(NOW + 66_000, 300, 1.0).whole


# ---- what headers tell -----------------------------------------------------------------------------------------------


def test_the_window_is_the_longest_announced_reset():
    pace = Pace().announced(NOW, 300, 5000.0).announced(NOW, 300, 60_000.0).announced(NOW, 300, 30_000.0)
    assert pace.limit(NOW, 300, 1.0) == Limit(300, 60_000.0, whole=True)
    assert Pace().announced(NOW, 300, 9e9).window_ms == 60_000


def test_the_lowest_announced_limit_holds_for_ten_minutes():
    pace = Pace().announced(NOW, 180, 60_000.0).announced(NOW + 1000, 300, 60_000.0)
    assert pace.limit(NOW + 1000, 300, 1.0).requests == 180
    later = NOW + ANNOUNCED_FOR_MS - 1000
    pace = pace.announced(later, 300, 60_000.0)
    assert pace.limit(later, 300, 1.0).requests == 180
    assert pace.announced(later + 2000, 300, 60_000.0).limit(later + 2000, 300, 1.0).requests == 300


def test_a_known_fact_is_not_noted_again_for_half_a_minute():
    pace = Pace().announced(NOW, 300, 60_000.0)
    assert pace.announced(NOW + 29_000, 300, 60_000.0) is pace
    assert pace.announced(NOW + 30_000, 300, 60_000.0) is not pace


def test_requests_that_genesys_counts_and_we_do_not_know_get_slots():
    pace = known()
    limit = pace.limit(NOW, 300, 1.0)
    _, pace = pace.take(NOW, limit, 10)
    assert pace.counted(NOW + 100, limit, 10) is pace
    pace = pace.counted(NOW + 100, limit, 40)
    assert pace.taken(NOW + 100, limit) == 40
    assert pace.counted(NOW + 200, limit, 9999).taken(NOW + 200, limit) == 300


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0.0, 5.0, 400.0, 2000.0, 20_000.0]), min_size=1, max_size=40), st.data())
def test_the_log_is_in_order_and_has_an_entry_for_a_slice(pauses, data):
    pace, now = known(), NOW
    limit = pace.limit(NOW, 300, 1.0)
    for pause in pauses:
        now += pause
        _, pace = pace.take(now, limit, data.draw(st.integers(1, 30)))
        pace = pace.counted(now, limit, data.draw(st.integers(0, 300)))
    times = [at for at, _ in pace.log]
    assert times == sorted(times)
    # 62 slices of a second count, and 30 slots that are spread take 47 seconds more.
    assert len({int(at // 1000) for at in times}) == len(times) <= 62 + 47
