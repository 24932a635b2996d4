"""The transport: no request too early, no endless retry, no secret in a message."""

import itertools
import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.adapters import meter
from routing_weights.adapters.genesys.transport import (
    BACKOFF_CAP_S,
    LONGEST_WAIT_S,
    MAX_ATTEMPTS,
    MAX_PAUSES,
    Deadline,
    Transport,
    refusal_details,
    requested_pause_s,
)
from routing_weights.adapters.http.retry_after import retry_after_s
from routing_weights.domain.pace import Slot
from routing_weights.errors import GenesysUnavailable, Interrupted, RateLimited, WaitTooLong
from tests.support.fakes import FakeSession, FakeTime, answer

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
TOKEN, SECRET = "token-3f9a", "secret-77c1"
URL = "https://user:pass-word@genesys.example.com/api/v2/x?access=hidden"


def transport(
    time,
    *answers,
    lasts_s=60.0,
    give_up_in_s=math.inf,
    max_retry_after_s=5.0,
    jitter=0.5,
    budget=None,
    insists=False,
    begun_before_s=0.0,
):
    now = time.wall_clock()
    return Transport(
        FakeSession(*answers),
        Deadline(time.now + lasts_s, now + give_up_in_s, now - begun_before_s, insists),
        max_retry_after_s,
        clock=time.clock,
        wall_clock=time.wall_clock,
        sleep=time.sleep,
        jitter=lambda: jitter,
        budget=budget,
    )


def send(sender):
    return sender.send(
        "GET /x", "GET", URL, headers={"Authorization": f"Bearer {TOKEN}"}, json={"client_secret": SECRET}
    )


def http_date(at):
    return format_datetime(at, usegmt=True)


# ---- Retry-After -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), (" 3 ", 3.0), ("0", 0.0), ("2.5", 2.5), ("7.", 7.0), ("-7", 0.0), ("86400", 86_400.0)],
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after_s({"Retry-After": value}, now=0.0) == seconds


def test_retry_after_as_a_date_is_measured_against_the_answers_own_date():
    headers = {"Retry-After": http_date(NOW + timedelta(seconds=7)), "Date": http_date(NOW)}
    assert retry_after_s(headers, now=NOW.timestamp() + 5_000) == 7.0


@pytest.mark.parametrize("date", [{}, {"Date": "yesterday"}])
def test_without_a_date_header_a_retry_after_date_gets_a_second_more(date):
    headers = {"Retry-After": http_date(NOW + timedelta(seconds=7))} | date
    assert retry_after_s(headers, now=NOW.timestamp()) == 8.0


@pytest.mark.parametrize("date", [{}, {"Date": http_date(NOW)}])
def test_retry_after_as_a_date_in_the_past_asks_for_nothing(date):
    headers = {"Retry-After": http_date(NOW - timedelta(hours=1))} | date
    assert retry_after_s(headers, now=NOW.timestamp()) == 0.0


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "NaN",
        "inf",
        "-inf",
        "1e999",
        "1e3",
        "31 Feb 2026",
        "99:99",
        "3 s",
        "1_0",
        "٣",
        "0x10",
        "9" * 400,
    ],
)
def test_retry_after_that_cannot_be_read_is_none(value):
    assert retry_after_s({} if value is None else {"Retry-After": value}, now=0.0) is None


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,5} \d\d:\d\d:\d\d [+-]?\d{0,5}"))
def test_no_retry_after_is_an_error(value):
    asked = retry_after_s({"Retry-After": value, "Date": value}, now=0.0)
    assert asked is None or asked >= 0


# ---- 429 -------------------------------------------------------------------------------------------------------------


def test_a_short_pause_is_slept_and_the_request_is_sent_again(fake_time):
    sender = transport(fake_time, answer(429, Retry_After="3"), answer(200))
    meter.begin(0.0)
    assert send(sender).status_code == 200
    assert fake_time.slept == [3.05]
    counted = meter.effort("patch", 512, 0.0)
    assert (counted.requests, counted.limited) == (2, 1)


@given(
    st.lists(st.floats(0, 5).map("{:.6f}".format) | st.integers(0, 5).map(str), min_size=1, max_size=10),
    st.floats(0, 1, exclude_max=True),
)
def test_no_request_is_sent_earlier_than_asked(pauses, jitter):
    time = FakeTime()
    sent_at = []

    def note(status, **headers):
        return lambda *_, **__: sent_at.append(time.now) or answer(status, **headers)

    answers = [note(429, Retry_After=pause) for pause in pauses]
    assert send(transport(time, *answers, note(200), lasts_s=1000, jitter=jitter)).status_code == 200
    for (before, after), pause in zip(itertools.pairwise(sent_at), pauses, strict=True):
        assert float(pause) <= after - before + 1e-9
        assert after - before <= float(pause) + 0.1 + 1e-9


@given(st.integers(0, 4), st.floats(0, 0.999), st.floats(0, 1, exclude_max=True))
def test_no_request_is_sent_before_a_date_allows_it(seconds, fraction, jitter):
    """The server's clock shows a `fraction` of a second. Date and Retry-After are cut to whole seconds."""
    time = FakeTime(wall=NOW.timestamp() + fraction)
    allowed_at = time.now + seconds
    headers = {"Date": http_date(NOW), "Retry-After": http_date(NOW + timedelta(seconds=seconds))}
    send(transport(time, answer(429, **{k.replace("-", "_"): v for k, v in headers.items()}), answer(), jitter=jitter))
    assert time.now >= allowed_at


@given(st.floats(5.2, 1e5), st.floats(0, 1, exclude_max=True))
def test_the_state_machine_never_waits_less_than_asked(asked, jitter):
    with pytest.raises(RateLimited) as caught:
        send(transport(FakeTime(), answer(429, Retry_After=str(asked)), jitter=jitter))
    assert asked <= caught.value.details["retry_after_s"] <= asked + 1


def test_the_longest_pause_that_a_function_may_sleep_is_slept(fake_time):
    send(transport(fake_time, answer(429, Retry_After="5"), answer(), jitter=0.999))
    assert 5 <= sum(fake_time.slept) <= 5.1


def test_a_pause_beyond_the_deadline_is_left_to_the_state_machine(fake_time):
    with pytest.raises(RateLimited):
        send(transport(fake_time, answer(429, Retry_After="3"), lasts_s=2))
    assert fake_time.slept == []


@pytest.mark.parametrize(("asked", "whole"), [("6", 6), ("5.2", 6), ("30", 30), ("3600", 3600)])
@pytest.mark.parametrize("status", [429, 503])
def test_a_long_pause_is_left_to_the_state_machine_in_whole_seconds(fake_time, status, asked, whole):
    sender = transport(fake_time, answer(status, Retry_After=asked))
    with pytest.raises(RateLimited) as caught:
        send(sender)
    assert caught.value.details == {"retry_after_s": whole}
    assert caught.value.message == f"Genesys asks to wait {whole} s before GET /x."
    assert (fake_time.slept, len(sender.session.sent)) == ([], 1)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", ["301", "600", "200000000", "9" * 300, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_pause_longer_than_a_run_may_take_fails_and_says_what_to_do(fake_time, status, asked):
    with pytest.raises(WaitTooLong) as caught:
        send(transport(fake_time, answer(status, Retry_After=asked), give_up_in_s=300))
    assert "before GET /x, and the run would take longer than it may" in caught.value.message
    assert "Send the plan again when other integrations are quieter" in caught.value.message
    assert len(caught.value.message) < 250


def test_after_back_off_a_limit_without_a_time_is_left_to_the_state_machine(fake_time):
    sender = transport(fake_time, answer(429), jitter=1.0)
    with pytest.raises(RateLimited, match="limits the rate at GET /x and does not say for how long") as caught:
        send(sender)
    assert fake_time.slept == [0.5, 1.0, 2.0, 4.0, 5.0]
    assert len(sender.session.sent) == MAX_ATTEMPTS
    assert caught.value.details == {"retry_after_s": 15, "guessed": True}


@pytest.mark.parametrize(
    ("taken_s", "shortest", "longest"), [(0, 8, 15), (40, 20, 53), (200, 100, 213), (5000, 150, 300)]
)
def test_without_a_time_the_state_machine_waits_as_long_as_the_run_has_taken(taken_s, shortest, longest):
    for jitter, seconds in ((0.0, shortest), (1.0, longest)):
        with pytest.raises(RateLimited) as caught:
            send(transport(FakeTime(), answer(429), begun_before_s=taken_s, jitter=jitter))
        assert caught.value.details["retry_after_s"] == seconds


@given(st.floats(0, 1, exclude_max=True))
def test_a_limit_without_an_end_takes_few_waits(jitter):
    """As the state machine does: wait, and invoke the function again, until the function gives up."""
    time, waits, began = FakeTime(), [], FakeTime().wall_clock()
    for _ in range(1000):
        taken = time.wall_clock() - began
        try:
            send(transport(time, answer(429), give_up_in_s=5400 - taken, begun_before_s=taken, jitter=jitter))
        except RateLimited as limited:
            waits.append(limited.details["retry_after_s"])
            time.now += waits[-1]
        except WaitTooLong:
            break
    assert 5400 - LONGEST_WAIT_S - 20 <= time.wall_clock() - began <= 5400 + 20
    assert len(waits) < 50


@pytest.mark.parametrize("asked", ["0", "1", "-3"])
def test_a_repeated_limit_with_a_time_is_left_to_the_state_machine(fake_time, asked):
    sender = transport(fake_time, answer(429, Retry_After=asked), lasts_s=1000)
    with pytest.raises(RateLimited) as caught:
        send(sender)
    assert len(sender.session.sent) == MAX_PAUSES
    assert caught.value.details["guessed"] is True


def test_a_restore_asks_early_rather_than_never(fake_time):
    """The queue is wrong for as long as a restore waits."""
    waits, left = [], 9900.0
    while True:
        sender = transport(fake_time, answer(429, Retry_After="200000000"), give_up_in_s=left, insists=True)
        try:
            send(sender)
        except RateLimited as limited:
            waits.append(limited.details["retry_after_s"])
            left -= waits[-1]
        except WaitTooLong:
            break
    assert waits[:3] == [900, 900, 900]
    assert waits[-1] >= 60
    assert 0 <= left < 120
    assert len(waits) < 20


def test_a_restore_waits_as_long_as_asked_if_it_has_the_time(fake_time):
    with pytest.raises(RateLimited) as caught:
        send(transport(fake_time, answer(429, Retry_After="1800"), give_up_in_s=1900, insists=True))
    assert caught.value.details == {"retry_after_s": 1800}


REAL_429 = {
    "message": "Rate limit exceeded the maximum. Retry the request in [42] seconds",
    "code": "too.many.requests.retry.after",
    "status": 429,
}


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        (REAL_429, {}, 42.0),
        (REAL_429, {"Retry-After": "7"}, 7.0),
        (REAL_429, {"Retry-After": "soon"}, 42.0),
        (REAL_429, {"inin-ratelimit-reset": "12"}, 42.0),
        ({"message": "Slow down, retry in 2.5s."}, {}, 2.5),
        ({"error": "invalid_request", "error_description": "rate limit exceeded; wait 30 sec"}, {}, 30.0),
        ({"message": "Rate limit of 300 requests in 60 seconds"}, {"inin-ratelimit-reset": "61"}, 61.0),
        ({"message": "No."}, {"inin-ratelimit-reset": "1764489600"}, 120.0),
        ({"message": "No."}, {"inin-ratelimit-reset": "0"}, None),
        ({"message": "No."}, {"inin-ratelimit-reset": "NaN"}, None),
        ({"message": ["Retry in [5] seconds"]}, {}, 5.0),
        ({"message": "Retry the request in [%s] seconds"}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_time_of_a_limit_is_found(body, headers, seconds):
    assert requested_pause_s(headers, body, now=0.0) == seconds


def test_the_state_machine_waits_as_long_as_the_body_of_a_429_asks(fake_time):
    with pytest.raises(RateLimited) as caught:
        send(transport(fake_time, answer(429, REAL_429)))
    assert caught.value.details == {"retry_after_s": 42}


def test_a_429_with_a_time_may_come_more_often_than_a_failure(fake_time):
    pauses = [answer(429, Retry_After="1")] * (MAX_PAUSES - 1)
    assert send(transport(fake_time, *pauses, answer())).status_code == 200


def test_a_pause_within_a_runs_time_does_not_fail(fake_time):
    with pytest.raises(RateLimited):
        send(transport(fake_time, answer(429, Retry_After="600"), give_up_in_s=700))


# ---- 5xx and lost connections ----------------------------------------------------------------------------------------

FAILURES = [
    answer(408),
    answer(500),
    answer(503),
    answer(599),
    requests.ConnectionError("reset"),
    requests.ReadTimeout("late"),
    requests.exceptions.ChunkedEncodingError("cut"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_a_failure_is_tried_again(fake_time, failure):
    sender = transport(fake_time, failure, failure, answer(204))
    assert send(sender).status_code == 204
    assert fake_time.slept == [0.125, 0.25]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_a_failure_is_not_retried_for_ever(fake_time, failure):
    sender = transport(fake_time, failure, jitter=1.0)
    with pytest.raises(GenesysUnavailable) as caught:
        send(sender)
    assert fake_time.slept == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert len(sender.session.sent) == MAX_ATTEMPTS
    assert "at attempt 6" in caught.value.message
    assert "Check the Genesys status page" in caught.value.message


@given(st.floats(0, 1, exclude_max=True), st.floats(0.1, 100))
def test_backing_off_stays_within_its_bounds_and_its_deadline(jitter, lasts_s):
    time = FakeTime()
    sender = transport(time, answer(500), lasts_s=lasts_s, jitter=jitter)
    with pytest.raises(GenesysUnavailable):
        send(sender)
    assert all(wait <= min(BACKOFF_CAP_S, 0.25 * 2**n) for n, wait in enumerate(time.slept))
    assert sum(time.slept) <= lasts_s
    assert len(sender.session.sent) <= MAX_ATTEMPTS


def test_a_short_pause_that_a_failure_asks_for_gets_jitter_on_top(fake_time):
    send(transport(fake_time, answer(503, Retry_After="3"), answer(503, Retry_After="3"), answer()))
    assert fake_time.slept == [3.125, 3.25]


def test_nothing_is_sent_after_the_deadline(fake_time):
    sender = transport(fake_time, answer(), lasts_s=0)
    with pytest.raises(GenesysUnavailable, match="no time left for GET /x"):
        send(sender)
    assert sender.session.sent == []


@pytest.mark.parametrize("status", [200, 202, 204, 301, 302, 307, 400, 401, 403, 404, 409, 499])
def test_any_other_answer_is_returned_at_once(fake_time, status):
    sender = transport(fake_time, answer(status))
    assert send(sender).status_code == status
    assert (len(sender.session.sent), fake_time.slept) == (1, [])


# ---- the budget ------------------------------------------------------------------------------------------------------


class FakeBudget:
    """Returns these waits in turn, and then the last one for ever. Several slots are a second apart."""

    def __init__(self, *waits, tokens=1, late_s=math.inf):
        self.waits, self.asked, self.told, self.tokens, self.late_s = list(waits), [], [], tokens, late_s

    def reserve(self, longest_wait_s, slots=1):
        wait = self.waits.pop(0) if len(self.waits) > 1 else self.waits[0]
        self.asked.append((longest_wait_s, slots))
        if wait > longest_wait_s:
            raise RateLimited("No room.", retry_after_s=math.ceil(wait))
        return [Slot(wait + n, len(self.asked) % self.tokens, self.late_s) for n in range(slots)]

    def limited(self, _token, _headers, retry_after_s, _age_s):
        self.told.append(retry_after_s)

    def seen(self, _token, headers):
        self.told.append(dict(headers))

    def has_others(self):
        return self.tokens > 1


def test_every_attempt_waits_for_its_slot(fake_time):
    budget = FakeBudget(0.0, 1.5, 0.25)
    send(transport(fake_time, answer(503), requests.ConnectionError("reset"), answer(), budget=budget))
    assert [slots for _, slots in budget.asked] == [1, 1, 1]
    assert fake_time.slept == [0.125, 1.5, 0.25, 0.25]


def test_a_process_that_slept_too_long_takes_another_slot(fake_time):
    budget, sleep = FakeBudget(1.5, 0.5, late_s=0.2), fake_time.sleep
    sender = transport(fake_time, answer(), budget=budget)
    sender.sleep = lambda seconds: sleep(seconds + (0.3 if seconds == 1.5 else 0.1))
    send(sender)
    assert len(budget.asked) == 2
    assert fake_time.slept == pytest.approx([1.8, 0.6])


def test_a_body_that_was_just_read_is_sent_even_if_its_slot_is_late(fake_time):
    budget = FakeBudget(0.0, late_s=0.2)
    sender = transport(fake_time, answer(), answer(), budget=budget)

    def read():
        send(sender)
        fake_time.now += 1.5
        return {}

    sender.send("PUT /x", "PUT", URL, json=read)
    assert budget.asked == [(5, 2)]


def test_the_budget_sees_every_answer(fake_time):
    budget = FakeBudget(0.0)
    answers = [answer(429, Retry_After="2", x="1"), answer(429), answer(503, x="2"), answer(404, x="3")]
    send(transport(fake_time, *answers, budget=budget))
    assert budget.told == [2.0, None, {"x": "2"}, {"x": "3"}]


def test_a_slot_too_far_away_is_left_to_the_state_machine_in_whole_seconds(fake_time):
    sender = transport(fake_time, answer(), budget=FakeBudget(5.2))
    with pytest.raises(RateLimited) as caught:
        send(sender)
    assert caught.value.details == {"retry_after_s": 6}
    assert caught.value.message == "The request budget asks to wait 6 s before GET /x."
    assert (fake_time.slept, sender.session.sent) == ([], [])


def test_after_its_first_request_a_run_waits_twice_as_long_for_a_slot(fake_time):
    sender = transport(fake_time, answer(), budget=FakeBudget(4.0, 9.9, 10.1))
    send(sender)
    send(sender)
    assert fake_time.slept == pytest.approx([4.0, 9.9])
    with pytest.raises(RateLimited):
        send(sender)


def test_a_slot_beyond_the_deadline_is_left_to_the_state_machine(fake_time):
    with pytest.raises(RateLimited):
        send(transport(fake_time, answer(), lasts_s=2, budget=FakeBudget(3.0)))
    assert fake_time.slept == []


def test_a_slot_later_than_a_run_may_take_fails_and_says_what_to_do(fake_time):
    with pytest.raises(WaitTooLong, match="The request budget asks to wait 6 s before GET /x") as caught:
        send(transport(fake_time, answer(), give_up_in_s=4, budget=FakeBudget(5.5)))
    assert "Send the plan again when other integrations are quieter" in caught.value.message


def test_after_the_deadline_no_slot_is_reserved(fake_time):
    budget = FakeBudget(0.0)
    with pytest.raises(GenesysUnavailable, match="no time left for GET /x"):
        send(transport(fake_time, answer(), lasts_s=0, budget=budget))
    assert budget.asked == []


def test_the_fence_is_checked_shortly_before_the_slot(fake_time):
    def fence():
        asked_at.append(fake_time.now - 1000.0)
        fake_time.now += 0.1  # the time that a store needs

    asked_at, sender = [], transport(fake_time, answer(), budget=FakeBudget(2.0))
    sender.fence = fence
    times = when_sent(sender, fake_time)
    sender.send("PUT /x", "PUT", URL)
    sender.send("GET /x", "GET", URL)
    assert times == pytest.approx([2.0, 4.0])
    assert asked_at == [1.75]


def body_of(sender, *requests_before):
    """A body that is built from a reading right before it is sent."""

    def body():
        for answered in requests_before:
            sender.session.answers.insert(0, answered)
            sender.send("GET /x", "GET", URL)
        return {"made": "now"}

    return body


def when_sent(sender, time):
    times, request = [], sender.session.request
    sender.session.request = lambda *args, **options: times.append(time.now - 1000.0) or request(*args, **options)
    return times


def test_a_body_is_sent_right_after_it_was_read(fake_time):
    sender = transport(fake_time, answer(204), budget=FakeBudget(2.0, 4.0))
    times = when_sent(sender, fake_time)
    sender.send("PUT /x", "PUT", URL, json=body_of(sender, answer()))
    assert times == [2.0, 3.0]
    assert sender.budget.asked == [(5.0, 2)]


def test_a_body_that_needs_two_requests_gets_slots_for_both(fake_time):
    sender = transport(fake_time, answer(204), budget=FakeBudget(2.0, 4.0, 0.5))
    times = when_sent(sender, fake_time)
    sender.send("PUT /x", "PUT", URL, json=body_of(sender, answer(), answer(), answer()))
    assert times == [2.0, 3.0, 7.0, 7.5]


def test_the_slot_of_a_body_that_is_not_sent_is_dropped(fake_time):
    class NothingToWrite(Exception):
        pass

    def body():
        sender.send("GET /x", "GET", URL)
        raise NothingToWrite

    sender = transport(fake_time, answer(), budget=FakeBudget(1.0, 4.0))
    times = when_sent(sender, fake_time)
    with pytest.raises(NothingToWrite):
        sender.send("PUT /x", "PUT", URL, json=body)
    send(sender)
    assert times == [1.0, 5.0]


def test_with_several_tokens_a_throttled_request_goes_to_another_one_at_once(fake_time):
    sender = transport(fake_time, answer(429, Retry_After="30"), answer(), budget=FakeBudget(0.0, tokens=2))
    sender.send("GET /x", "GET", URL, bearer=lambda number: f"token-{number}")
    assert [sent["headers"]["Authorization"] for sent in sender.session.sent] == ["Bearer token-1", "Bearer token-0"]
    assert fake_time.slept == []
    assert sender.budget.told[0] == 30.0


def test_with_several_tokens_a_request_is_not_repeated_for_ever(fake_time):
    sender = transport(fake_time, answer(429, Retry_After="1"), budget=FakeBudget(0.0, tokens=2))
    with pytest.raises(RateLimited):
        send(sender)
    assert len(sender.session.sent) == MAX_PAUSES


@pytest.mark.parametrize("said", [{}, {"Retry_After": "0"}])
def test_with_several_tokens_a_limit_without_a_time_is_backed_off_from(fake_time, said):
    limit = answer(429, **said)
    sender = transport(fake_time, limit, limit, answer(), budget=FakeBudget(0.0, tokens=2))
    send(sender)
    assert len(fake_time.slept) == 2
    assert min(fake_time.slept) > 0


def test_a_pause_that_is_asked_for_while_a_slot_is_awaited_holds_its_request(fake_time):
    sender, sleep = transport(fake_time, answer(), budget=FakeBudget(2.0, 1.0)), fake_time.sleep

    def another_request_is_limited(seconds):
        sleep(seconds)
        if len(fake_time.slept) == 1:
            sender._held_until = fake_time.now + 4

    sender.sleep = another_request_is_limited
    times = when_sent(sender, fake_time)
    send(sender)
    assert times == [7.0]


@pytest.mark.parametrize("fails", ["bearer", "fence"])
def test_the_slot_of_a_request_that_is_not_sent_is_dropped(fake_time, fails):
    def refuse(*_):
        raise Interrupted("The lock is lost.")

    sender = transport(fake_time, answer(), budget=FakeBudget(1.0, 0.0))
    sender.fence = refuse if fails == "fence" else None
    with pytest.raises(Interrupted):
        sender.send("PUT /x", "PUT", URL, bearer=refuse if fails == "bearer" else None)
    sender.fence = None
    fake_time.sleep(30)
    times = when_sent(sender, fake_time)
    send(sender)
    assert times == [fake_time.now - 1000]
    assert len(sender.budget.asked) == 2


def test_a_pause_of_one_request_holds_the_others_too(fake_time):
    sender = transport(fake_time, answer(429, Retry_After="3"), answer())
    sender._held_until = fake_time.now + 2
    times = when_sent(sender, fake_time)
    send(sender)
    assert times == pytest.approx([2.0, 5.05])


# ---- what is passed on -----------------------------------------------------------------------------------------------


def test_redirects_are_not_followed(fake_time):
    sender = transport(fake_time, answer(307, Location="https://elsewhere.example.com/"))
    send(sender)
    assert sender.session.sent[0]["allow_redirects"] is False


@pytest.mark.parametrize(("left", "read"), [(60, 10.0), (4, 4), (0.2, 1.0)])
def test_every_request_has_timeouts_within_the_deadline(fake_time, left, read):
    sender = transport(fake_time, answer(), lasts_s=left)
    send(sender)
    assert sender.session.sent[0]["timeout"] == pytest.approx((3.05, read))


def test_a_repeated_request_is_the_same_request(fake_time):
    sender = transport(fake_time, answer(500), answer(429, Retry_After="1"), answer())
    send(sender)
    timeless = [{name: value for name, value in sent.items() if name != "timeout"} for sent in sender.session.sent]
    assert timeless[0] == timeless[1] == timeless[2]


# ---- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        requests.ConnectionError(f"HTTPSConnectionPool: {URL} Bearer {TOKEN} {SECRET}"),
        requests.exceptions.InvalidHeader(f"Bearer {TOKEN}"),
        answer(502, {"message": f"{URL} {TOKEN} {SECRET}"}),
        answer(429, {"message": f"{URL} {TOKEN} {SECRET}"}),
        answer(429, Retry_After="300"),
    ],
    ids=["connection", "header", "5xx", "429", "long pause"],
)
def test_messages_and_logs_contain_no_secret(fake_time, failure, logs):
    with pytest.raises((GenesysUnavailable, RateLimited)) as caught:
        send(transport(fake_time, failure))
    said = str(caught.value) + json.dumps(caught.value.details) + repr(logs())
    for secret in (TOKEN, SECRET, "pass-word", "hidden", "example.com"):
        assert secret not in said


def test_a_retry_is_logged_with_its_reason(fake_time, logs):
    send(transport(fake_time, answer(503), answer()))
    (line,) = logs()
    assert (line["request"], line["reason"], line["attempt"], line["wait_s"]) == ("GET /x", "status 503", 1, 0.125)


# ---- what Genesys says -----------------------------------------------------------------------------------------------


def test_a_refusal_has_code_message_and_correlation_id():
    found = refusal_details(answer(400, {"code": "bad.request", "message": "No."}, **{"ININ-Correlation-Id": "c-1"}))
    assert found == {"genesys_code": "bad.request", "genesys_message": "No.", "correlation_id": "c-1"}


def test_an_oauth_error_has_details_too():
    found = refusal_details(answer(401, {"error": "invalid_client", "error_description": "Wrong."}))
    assert found == {"genesys_code": "invalid_client", "genesys_message": "Wrong."}


@pytest.mark.parametrize("body", [b"", b"<html>", [1], "text", None, {"message": 7, "code": ["x"]}])
def test_an_unreadable_answer_has_no_details(body):
    assert refusal_details(answer(400, body)) == {}


def test_a_message_is_cut_and_has_no_control_characters():
    (said,) = refusal_details(answer(400, {"message": "a\nb\x1b[31m" + "x" * 1000})).values()
    assert said == "ab[31m" + "x" * 292


def test_secrets_that_an_answer_repeats_are_hidden():
    body = {"message": "x" * 295 + TOKEN, "code": f"bad {SECRET}"}
    found = refusal_details(answer(400, body), TOKEN, SECRET, "")
    assert found == {"genesys_code": "bad [hidden]", "genesys_message": "x" * 295 + "[hidd"}
