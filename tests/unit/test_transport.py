"""HTTP with manners: never early, never for ever, never a secret in a message."""

import itertools
import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.errors import GenesysUnavailable, RateLimited
from routing_weights.genesys.transport import (
    BACKOFF_CAP_S,
    MAX_ATTEMPTS,
    MAX_PAUSES,
    Deadline,
    Transport,
    retry_after_s,
    said_by_genesys,
)
from tests.unit.fakes import FakeSession, FakeTime, answer

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
TOKEN, SECRET = "token-3f9a", "secret-77c1"
URL = "https://user:pass-word@genesys.example.com/api/v2/x?access=hidden"


def transport(time, *answers, lasts_s=60.0, give_up_in_s=math.inf, max_retry_after_s=5.0, jitter=0.5):
    return Transport(
        FakeSession(*answers),
        Deadline(at=time.now + lasts_s, give_up_at=time.wall_clock() + give_up_in_s),
        max_retry_after_s,
        clock=time.clock,
        wall_clock=time.wall_clock,
        sleep=time.sleep,
        jitter=lambda: jitter,
    )


def send(sender):
    return sender.send(
        "GET /x", "GET", URL, headers={"Authorization": f"Bearer {TOKEN}"}, json={"client_secret": SECRET}
    )


def http_date(at):
    return format_datetime(at, usegmt=True)


# ---- Retry-After -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"), [("3", 3.0), (" 3 ", 3.0), ("0", 0.0), ("2.5", 2.5), ("-7", 0.0), ("86400", 86_400.0)]
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after_s({"Retry-After": value}, now=0.0) == seconds


def test_retry_after_as_a_date_is_measured_against_the_answers_own_date():
    headers = {"Retry-After": http_date(NOW + timedelta(seconds=7)), "Date": http_date(NOW)}
    assert retry_after_s(headers, now=NOW.timestamp() + 5_000) == 7.0


@pytest.mark.parametrize("date", [{}, {"Date": "yesterday"}])
def test_retry_after_as_a_date_without_a_date_to_compare_adds_a_second_to_our_clock(date):
    headers = {"Retry-After": http_date(NOW + timedelta(seconds=7))} | date
    assert retry_after_s(headers, now=NOW.timestamp()) == 8.0


@pytest.mark.parametrize("date", [{}, {"Date": http_date(NOW)}])
def test_retry_after_as_a_date_in_the_past_asks_for_nothing(date):
    headers = {"Retry-After": http_date(NOW - timedelta(hours=1))} | date
    assert retry_after_s(headers, now=NOW.timestamp()) == 0.0


@pytest.mark.parametrize("value", [None, "", "soon", "NaN", "inf", "-inf", "1e999", "31 Feb 2026", "99:99", "3 s"])
def test_retry_after_that_cannot_be_read_is_none(value):
    assert retry_after_s({} if value is None else {"Retry-After": value}, now=0.0) is None


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,5} \d\d:\d\d:\d\d [+-]?\d{0,5}"))
def test_no_retry_after_is_an_error(value):
    asked = retry_after_s({"Retry-After": value, "Date": value}, now=0.0)
    assert asked is None or asked >= 0


# ---- 429 -------------------------------------------------------------------------------------------------------------


def test_a_short_pause_is_slept_and_the_request_is_sent_again(fake_time):
    sender = transport(fake_time, answer(429, Retry_After="3"), answer(200))
    assert send(sender).status_code == 200
    assert fake_time.slept == [3.05]


@given(
    st.lists(st.floats(0, 5).map(str) | st.integers(0, 5).map(str), min_size=1, max_size=10),
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
    """The server's clock stands `fraction` into a second when it writes Date and Retry-After, both cut to seconds."""
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


def test_a_pause_of_exactly_the_most_that_is_slept_is_slept(fake_time):
    send(transport(fake_time, answer(429, Retry_After="5"), answer(), jitter=0.999))
    assert 5 <= sum(fake_time.slept) <= 5.1


def test_a_pause_that_the_deadline_does_not_leave_is_left_to_the_state_machine(fake_time):
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
def test_a_pause_longer_than_a_run_may_take_fails_and_says_what_to_do(fake_time, status):
    with pytest.raises(GenesysUnavailable) as caught:
        send(transport(fake_time, answer(status, Retry_After="600"), give_up_in_s=300))
    assert "600 s before GET /x, longer than a run may take" in caught.value.message
    assert "Send the plan again when other integrations are quieter" in caught.value.message


def test_429_without_retry_after_backs_off_exponentially_and_then_fails(fake_time):
    sender = transport(fake_time, answer(429), jitter=1.0)
    with pytest.raises(GenesysUnavailable, match="still limits the rate at attempt 6 of GET /x"):
        send(sender)
    assert fake_time.slept == [0.5, 1.0, 2.0, 4.0, 5.0]
    assert len(sender.session.sent) == MAX_ATTEMPTS


@pytest.mark.parametrize("asked", ["0", "1", "-3"])
def test_429_that_says_until_when_is_not_obeyed_for_ever(fake_time, asked):
    sender = transport(fake_time, answer(429, Retry_After=asked), lasts_s=1000)
    with pytest.raises(GenesysUnavailable, match="still limits the rate at attempt 20 of GET /x"):
        send(sender)
    assert len(sender.session.sent) == MAX_PAUSES


def test_429_that_says_until_when_may_come_more_often_than_failures(fake_time):
    pauses = [answer(429, Retry_After="1")] * (MAX_PAUSES - 1)
    assert send(transport(fake_time, *pauses, answer())).status_code == 200


def test_a_pause_within_a_runs_time_does_not_fail(fake_time):
    with pytest.raises(RateLimited):
        send(transport(fake_time, answer(429, Retry_After="600"), give_up_in_s=700))


# ---- 5xx and lost connections ----------------------------------------------------------------------------------------

FAILURES = [
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
def test_a_failure_is_not_tried_for_ever(fake_time, failure):
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


def test_a_failure_that_asks_for_a_short_pause_gets_it_and_the_jitter_beside(fake_time):
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


# ---- what is passed on -----------------------------------------------------------------------------------------------


def test_redirects_are_not_followed(fake_time):
    sender = transport(fake_time, answer(307, Location="https://elsewhere.example.com/"))
    send(sender)
    assert sender.session.sent[0]["allow_redirects"] is False


@pytest.mark.parametrize(("left", "read"), [(60, 10.0), (4, 4), (0.2, 1.0)])
def test_every_request_has_a_connect_and_a_read_timeout_within_the_deadline(fake_time, left, read):
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
def test_neither_messages_nor_logs_hold_a_secret(fake_time, failure, logs):
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


def test_an_error_answer_is_quoted_with_its_code_and_correlation_id():
    found = said_by_genesys(answer(400, {"code": "bad.request", "message": "No."}, **{"ININ-Correlation-Id": "c-1"}))
    assert found == {"genesys_code": "bad.request", "genesys_message": "No.", "correlation_id": "c-1"}


def test_an_oauth_error_is_quoted_too():
    found = said_by_genesys(answer(401, {"error": "invalid_client", "error_description": "Wrong."}))
    assert found == {"genesys_code": "invalid_client", "genesys_message": "Wrong."}


@pytest.mark.parametrize("body", [b"", b"<html>", [1], "text", None, {"message": 7, "code": ["x"]}])
def test_an_answer_that_says_nothing_readable_is_quoted_as_nothing(body):
    assert said_by_genesys(answer(400, body)) == {}


def test_a_quotation_is_cut_and_holds_no_control_characters():
    (said,) = said_by_genesys(answer(400, {"message": "a\nb\x1b[31m" + "x" * 1000})).values()
    assert said == "ab[31m" + "x" * 292


def test_a_quotation_hides_the_secrets_that_the_answer_repeats():
    body = {"message": "x" * 295 + TOKEN, "code": f"bad {SECRET}"}
    found = said_by_genesys(answer(400, body), TOKEN, SECRET, "")
    assert found == {"genesys_code": "bad [hidden]", "genesys_message": "x" * 295 + "[hidd"}
