"""Schedules: refusals, and runs compared with a clock that is walked minute by minute."""

import calendar
import json
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing_weights.domain.schedule.calendar import next_runs, skipped_runs
from routing_weights.domain.schedule.clock import expiry_of, zone
from routing_weights.domain.schedule.expression import DAYS, MONTHS, parse_expression
from routing_weights.domain.schedule.schedule import Timing, parse_schedule, require_runs
from routing_weights.errors import ScheduleInvalid

MINUTE = timedelta(minutes=1)
PLAN = {
    "queue_id": "queue-001",
    "member_weights": {"agent-001": 0.5},
    "overflow_threshold": 0.85,
    "utilization_target": 0.8,
    "strategy_reference": "longest-available-agent",
}
DAILY = {"expression": "cron(0 8 * * ? *)", "time_zone": "Europe/Berlin", "plan": PLAN}
CHANGES = {
    "Europe/Berlin": [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 10, 3, 12, tzinfo=UTC), datetime(2026, 4, 4, 12, tzinfo=UTC)],
}
ZONES = [
    *CHANGES,
    *("UTC", "Asia/Kathmandu", "Pacific/Chatham", "Africa/Casablanca", "America/St_Johns", "Africa/Cairo"),
    *("Asia/Beirut", "Pacific/Apia", "America/Santiago", "Antarctica/Troll", "America/Havana"),
]


def timing(expression, time_zone="UTC", **more):
    return Timing.model_validate({"expression": expression, "time_zone": time_zone, **more})


def walked(matches, time_zone, begin, end):
    """The rule, minute by minute: skipped times run at the first minute after the gap, repeated ones the first time."""
    there, runs = ZoneInfo(time_zone), []
    now = begin - timedelta(days=1)
    latest = now.astimezone(there).replace(tzinfo=None, fold=0)
    while now < end:
        now += MINUTE
        shown = now.astimezone(there).replace(tzinfo=None, fold=0)
        if shown <= latest:
            continue
        due = [at for at in (shown - n * MINUTE for n in range((shown - latest) // MINUTE)) if matches(at)]
        latest = shown
        if due and begin < now <= end:
            runs.append(now)
    return runs


def of(expression, time_zone, begin, end):
    return [run.at.astimezone(UTC) for run in next_runs(timing(expression, time_zone, end=end), begin, 1_000)]


# ---- changes of the clock --------------------------------------------------------------------------------------------

EXPRESSIONS = {
    "cron(30 2 * * ? *)": lambda at: (at.hour, at.minute) == (2, 30),
    "cron(0 2 * * ? *)": lambda at: (at.hour, at.minute) == (2, 0),
    "cron(30 1 * * ? *)": lambda at: (at.hour, at.minute) == (1, 30),
    "cron(15/20 1-3 * * ? *)": lambda at: at.minute in {15, 35, 55} and at.hour in {1, 2, 3},
    "cron(0 * * * ? *)": lambda at: at.minute == 0,
    "cron(* * * * ? *)": lambda _at: True,
    "cron(45 1,2 ? * SUN *)": lambda at: at.minute == 45 and at.hour in {1, 2} and at.weekday() == 6,
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize(("time_zone", "around"), [(name, at) for name, both in CHANGES.items() for at in both])
def test_runs_across_a_change_equal_those_of_a_walked_clock(time_zone, around, expression):
    begin, end = around - timedelta(hours=4), around + timedelta(hours=12)
    offsets = {at.astimezone(ZoneInfo(time_zone)).utcoffset() for at in (begin, end)}
    assert len(offsets) == 2, "there is no change here"
    assert of(expression, time_zone, begin, end) == walked(EXPRESSIONS[expression], time_zone, begin, end)


@pytest.mark.parametrize(
    ("time_zone", "after", "at", "moved_to"),
    [
        ("Europe/Berlin", "2026-03-28T12:00:00+01:00", "30 2", "2026-03-29T03:00:00+02:00"),
        ("America/New_York", "2026-03-07T12:00:00-05:00", "59 2", "2026-03-08T03:00:00-04:00"),
        ("Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", "15 2", "2026-10-04T02:30:00+11:00"),
        ("Africa/Cairo", "2026-04-23T12:00:00+02:00", "30 0", "2026-04-24T01:00:00+03:00"),
    ],
)
def test_a_skipped_time_runs_at_the_next_valid_minute(time_zone, after, at, moved_to):
    (run,) = next_runs(timing(f"cron({at} * * ? *)", time_zone), datetime.fromisoformat(after), 1)
    assert run.at.isoformat() == moved_to
    minute, hour = map(int, at.split())
    assert [(time.hour, time.minute) for time in run.moved_from] == [(hour, minute)]
    assert not run.merged


def test_a_skipped_day_runs_at_the_first_minute_of_the_next():
    runs = next_runs(timing("cron(0 9,12 * * ? *)", "Pacific/Apia"), datetime(2011, 12, 29, 12, tzinfo=UTC), 4)
    assert [run.at.isoformat() for run in runs] == [
        "2011-12-29T09:00:00-10:00",
        "2011-12-29T12:00:00-10:00",
        "2011-12-31T00:00:00+14:00",
        "2011-12-31T09:00:00+14:00",
    ]
    assert runs[2].merged
    assert [str(time) for time in runs[2].moved_from] == ["2011-12-30 09:00:00", "2011-12-30 12:00:00"]


def test_a_skipped_time_and_the_run_due_then_are_one_run():
    runs = next_runs(timing("cron(30 2,3 * * ? *)", "Europe/Berlin"), datetime(2026, 3, 28, 12, tzinfo=UTC), 2)
    assert [run.at.isoformat() for run in runs] == ["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"]
    (run,) = next_runs(timing("cron(0 2,3 * * ? *)", "Europe/Berlin"), datetime(2026, 3, 28, 12, tzinfo=UTC), 1)
    assert run.merged
    assert run.at.isoformat() == "2026-03-29T03:00:00+02:00"


@pytest.mark.parametrize(
    ("time_zone", "at", "first"),
    [
        ("Europe/Berlin", "at(2026-10-25T02:30:00)", "2026-10-25T02:30:00+02:00"),
        ("America/New_York", "at(2026-11-01T01:30:00)", "2026-11-01T01:30:00-04:00"),
        ("Australia/Lord_Howe", "at(2026-04-05T01:45:00)", "2026-04-05T01:45:00+11:00"),
    ],
)
def test_a_repeated_time_runs_at_the_first(time_zone, at, first):
    runs = next_runs(timing(at, time_zone), datetime(2026, 1, 1, tzinfo=UTC), 5)
    assert [(run.at.isoformat(), run.repeated) for run in runs] == [(first, True)]


def test_a_rate_counts_the_time_that_passes():
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    daily = timing("rate(1 day)", "Europe/Berlin", start=start)
    runs = next_runs(daily, start - MINUTE, 3)
    assert [run.at.isoformat() for run in runs] == [
        "2026-03-28T13:00:00+01:00",
        "2026-03-29T14:00:00+02:00",
        "2026-03-30T14:00:00+02:00",
    ]
    assert next_runs(daily, start, 1)[0].at == runs[1].at
    assert next_runs(daily, start + timedelta(days=700, hours=1), 1)[0].at.astimezone(UTC) == start + timedelta(
        days=701
    )


# ---- temporary plans -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_zone", "until", "begun", "over"),
    [
        ("Europe/Berlin", "17:00", "2026-01-31T08:00:00+01:00", "2026-01-31T17:00:00+01:00"),
        ("Europe/Berlin", "17:00", "2026-01-31T17:00:00+01:00", "2026-02-01T17:00:00+01:00"),
        ("Europe/Berlin", "06:00", "2026-01-31T22:00:00+01:00", "2026-02-01T06:00:00+01:00"),
        ("Europe/Berlin", "17:00", "2026-01-31T16:30:00+00:00", "2026-02-01T17:00:00+01:00"),
        # The day on which the clock goes forward, and a time that it skips.
        ("Europe/Berlin", "17:00", "2026-03-29T01:00:00+01:00", "2026-03-29T17:00:00+02:00"),
        ("Europe/Berlin", "02:30", "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"),
        ("America/New_York", "02:30", "2026-03-08T00:00:00-05:00", "2026-03-08T03:00:00-04:00"),
        ("Australia/Lord_Howe", "02:15", "2026-10-04T00:00:00+10:30", "2026-10-04T02:30:00+11:00"),
        # The day on which it goes back, a time that it shows twice, and a run between the two.
        ("Europe/Berlin", "02:30", "2026-10-25T01:00:00+02:00", "2026-10-25T02:30:00+02:00"),
        ("Europe/Berlin", "02:30", "2026-10-25T02:45:00+02:00", "2026-10-26T02:30:00+01:00"),
        ("America/New_York", "01:30", "2026-11-01T00:00:00-04:00", "2026-11-01T01:30:00-04:00"),
        ("Australia/Lord_Howe", "01:45", "2026-04-05T00:00:00+11:00", "2026-04-05T01:45:00+11:00"),
    ],
)
def test_a_run_expires_when_the_clock_shows_the_time_next(time_zone, until, begun, over):
    found = expiry_of(timing("cron(0 0 * * ? *)", time_zone, until=until), datetime.fromisoformat(begun))
    assert found.isoformat() == over


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.integers(0, 1439),
    st.integers(0, 37 * 8766 * 60).map(lambda minutes: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
)
def test_the_expiry_of_any_run_is_the_next_daily_run_of_that_time(time_zone, minute, begun):
    until = f"{minute // 60:02}:{minute % 60:02}"
    every_day = timing(f"cron({minute % 60} {minute // 60} * * ? *)", time_zone, until=until)
    assert expiry_of(every_day, begun) == next_runs(every_day, begun, 1)[0].at


def test_an_instant_is_the_expiry_of_a_single_run():
    once = timing("at(2026-06-01T08:00:00)", "Europe/Berlin", until="2026-06-03T12:00:00Z")
    assert expiry_of(once, next_runs(once, datetime(2026, 1, 1, tzinfo=UTC), 1)[0].at).isoformat() == (
        "2026-06-03T14:00:00+02:00"
    )
    assert expiry_of(timing("at(2026-06-01T08:00:00)"), datetime(2026, 6, 1, tzinfo=UTC)) is None


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"until": "07:00"}, None),
        ({"until": "17:00", "window_minutes": 30}, None),
        ({"until": "08:02"}, None),
        ({"until": "08:01"}, "may begin 1 min late"),
        ({"until": "08:31", "window_minutes": 30}, "may begin 31 min late"),
        ({"until": "08:00"}, "has begun"),
        (
            {"expression": "cron(0 8,12 * * ? *)", "until": "11:59"},
            "the run of 2026-01-01T12:00:00+01:00 would expire",
        ),
        (
            {"expression": "cron(0 8,12 * * ? *)", "until": "12:00"},
            "the run of 2026-01-01T08:00:00+01:00 would expire",
        ),
        ({"expression": "cron(0 8 ? * MON *)", "until": "07:00"}, None),
        ({"expression": "rate(1 day)", "start": "2026-01-01T05:00:00Z", "until": "17:00"}, None),
        ({"expression": "rate(12 hours)", "start": "2026-01-01T07:00:00Z", "until": "12:00"}, "has begun"),
        ({"expression": "at(2026-06-01T08:00:00)", "until": "17:00"}, None),
        ({"expression": "at(2026-06-01T08:00:00)", "until": "2026-06-01T09:00:00+02:00"}, None),
        ({"expression": "at(2026-06-01T08:00:00)", "until": "2026-06-01T08:00:00+02:00"}, "before it begins"),
        ({"expression": "at(2026-06-01T08:00:00)", "until": "2025-06-01T08:00:00+02:00"}, "before it begins"),
        ({"expression": "at(2026-06-01T08:00:00)", "until": "2027-06-02T08:00:00+02:00"}, "365 days"),
    ],
)
def test_a_run_expires_after_it_begins_and_before_the_next(body, says):
    schedule = parse_schedule("box", json.dumps(DAILY | body))
    if says is None:
        require_runs(schedule, NOW)
        return
    with pytest.raises(ScheduleInvalid, match=re.escape(says)) as refusal:
        require_runs(schedule, NOW)
    assert [error["path"] for error in refusal.value.details["errors"]] == ["until"]


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        ({"until": "2026-06-01T08:00:00Z"}, "until", "needs a time of day"),
        ({"until": "25:00"}, "until", "must be a time of day"),
        ({"until": "8:00"}, "until", "must be a time of day"),
        ({"until": ""}, "until", "must be a time of day"),
        ({"until": 17}, "until", "string"),
        ({"expression": "at(2026-06-01T08:00:00)", "until": "2026-06-01T09:00:00"}, "until", "must be a time of day"),
        ({"plan": PLAN | {"until": "2026-06-01T08:00:00Z"}}, "plan.until", "beside the plan"),
    ],
)
def test_an_invalid_expiry_is_refused(body, path, says):
    (error,) = problems(DAILY | body)
    assert error["path"] == path
    assert says in error["message"]


# ---- any expression --------------------------------------------------------------------------------------------------


@st.composite
def fields(draw, low, high, names=()):
    """A field's text, and the values that it means, made side by side."""
    parts, meant = [], set()
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["*", "value", "range", "step", "every"]))
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        by = draw(st.integers(1, high - low + 1))
        say = draw(st.sampled_from([str, lambda n: names[n - 1]])) if names else str
        text, values = {
            "*": ("*", range(low, high + 1)),
            "value": (say(first), [first]),
            "range": (f"{say(first)}-{say(last)}", range(first, last + 1)),
            "step": (f"{say(first)}-{say(last)}/{by}", range(first, last + 1, by)),
            "every": (f"{say(first)}/{by}", range(first, high + 1, by)),
        }[kind]
        parts.append(text)
        meant |= set(values)
    return ",".join(parts), meant


@st.composite
def crons(draw):
    minutes, minute_set = draw(fields(0, 59))
    hours, hour_set = draw(fields(0, 23))
    months, month_set = draw(fields(1, 12, list(MONTHS)))
    if draw(st.booleans()):
        days, day_set = draw(fields(1, 31))
        return (
            f"cron({minutes} {hours} {days} {months} ? *)",
            lambda at: at.minute in minute_set and at.hour in hour_set and at.month in month_set and at.day in day_set,
        )
    days, day_set = draw(fields(1, 7, list(DAYS)))
    return (
        f"cron({minutes} {hours} ? {months} {days} *)",
        lambda at: (
            at.minute in minute_set
            and at.hour in hour_set
            and at.month in month_set
            and at.isoweekday() % 7 + 1 in day_set
        ),
    )


@settings(max_examples=60, deadline=None)
@given(
    crons(),
    st.sampled_from(ZONES),
    st.one_of(
        st.sampled_from([at for both in CHANGES.values() for at in both]),
        st.integers(0, 37 * 8766).map(lambda hours: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(hours=hours)),
    ),
)
def test_any_cron_in_any_zone_runs_as_on_a_walked_clock(cron, time_zone, about):
    expression, matches = cron
    begin = about.replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)
    end = begin + timedelta(hours=16)
    assert of(expression, time_zone, begin, end) == walked(matches, time_zone, begin, end)[:1_000]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 31), st.integers(1, 7), st.integers(1, 5), st.integers(1975, 2190))
def test_last_nearest_and_nth_days_equal_those_of_a_calendar(day, weekday, nth, year):
    def days(field):
        after = datetime(year, 1, 1, tzinfo=UTC) - MINUTE
        runs = next_runs(timing(f"cron(0 0 {field} {year})"), after, 100)
        return [(run.at.month, run.at.day) for run in runs]

    weeks = {month: calendar.Calendar().monthdayscalendar(year, month) for month in range(1, 13)}
    python_day = (weekday + 5) % 7  # Sunday is 1 here, and 6 there
    of_day = {month: [week[python_day] for week in rows if week[python_day]] for month, rows in weeks.items()}
    name = list(DAYS)[weekday - 1]
    lasts = {month: max(map(max, rows)) for month, rows in weeks.items()}
    assert days("L * ?") == list(lasts.items())
    assert days(f"? * {weekday}L") == days(f"? * {name}L") == [(month, found[-1]) for month, found in of_day.items()]
    nths = [(month, found[nth - 1]) for month, found in of_day.items() if len(found) >= nth]
    assert days(f"? * {weekday}#{nth}") == days(f"? * {name}#{nth}") == nths

    def nearest(month):
        working = [at for rows in weeks[month] for at in rows[:5] if at]
        return min(working, key=lambda at: abs(at - day))

    assert days(f"{day}W * ?") == [(month, nearest(month)) for month in weeks if day <= lasts[month]]


def test_l_as_a_day_of_the_week_is_saturday():
    (run,) = next_runs(timing("cron(0 0 ? * L *)"), datetime(2026, 7, 1, tzinfo=UTC), 1)
    assert run.at.weekday() == 5


# ---- what EventBridge Scheduler leaves out ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "time_zone", "moved"),
    [
        ("cron(30 2 * * ? *)", "Europe/Berlin", ["2026-03-29T03:00:00+02:00", "2027-03-28T03:00:00+02:00"]),
        ("cron(30 2 ? * SUN *)", "America/New_York", ["2026-03-08T03:00:00-04:00", "2027-03-14T03:00:00-04:00"]),
        ("cron(15 2 * * ? *)", "Australia/Lord_Howe", ["2026-10-04T02:30:00+11:00"]),
        ("cron(30 * * * ? *)", "Europe/Berlin", ["2026-03-29T03:00:00+02:00", "2027-03-28T03:00:00+02:00"]),
        # A run that is due at that minute anyway is not left out.
        ("cron(0 * * * ? *)", "Europe/Berlin", []),
        ("cron(0/30 2,3 * * ? *)", "Europe/Berlin", []),
        ("cron(* * * * ? *)", "America/New_York", []),
        ("cron(45 2 * * ? *)", "Australia/Lord_Howe", []),  # the clock skips 02:00 to 02:30
        ("cron(30 2 ? * MON-SAT *)", "Europe/Berlin", []),
        ("cron(30 2 * * ? *)", "UTC", []),
        ("at(2026-03-29T02:30:00)", "Europe/Berlin", []),
    ],
)
def test_only_runs_of_skipped_times_are_left_out(expression, time_zone, moved):
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 5, 1, tzinfo=UTC)
    found = list(skipped_runs(timing(expression, time_zone), begin, end))
    assert [run.at.isoformat() for run in found] == moved
    assert all(run.moved_from and run.skipped for run in found)


@settings(max_examples=60, deadline=None)
@given(crons(), st.sampled_from(ZONES), st.integers(0, 30 * 8766))
def test_the_skipped_runs_of_any_cron_are_among_its_runs(cron, time_zone, hours):
    begin = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    schedule = timing(cron[0], time_zone, end=begin + timedelta(days=200))
    runs = next_runs(schedule, begin, 1_000)
    end = runs[-1].at if runs else begin + timedelta(days=200)
    assert list(skipped_runs(schedule, begin, end)) == [run for run in runs if run.skipped]


def test_skipped_runs_are_within_start_and_end_and_after_now():
    begin, gap = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)
    daily, year = "cron(30 2 * * ? *)", timedelta(days=300)
    for bounds, count in (
        ({"start": gap}, 1),
        ({"start": gap + MINUTE}, 0),
        ({"end": gap}, 1),
        ({"end": gap - MINUTE}, 0),
    ):
        assert len(list(skipped_runs(timing(daily, "Europe/Berlin", **bounds), begin, begin + year))) == count
    whole = timing(daily, "Europe/Berlin")
    assert [len(list(skipped_runs(whole, gap - late, gap + year))) for late in (MINUTE, timedelta(0))] == [1, 0]
    assert [len(list(skipped_runs(whole, begin, gap - early))) for early in (timedelta(0), MINUTE)] == [1, 0]


# ---- ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 0 31 2 ? *)",
        "cron(0 0 30W 2 ? *)",
        "cron(0 0 * * ? 1999)",
        "cron(0 0 29 2 ? 2027)",
        "at(1999-01-01T00:00:00)",
    ],
)
def test_an_expression_without_a_day_has_no_runs(expression):
    assert next_runs(timing(expression, "Europe/Berlin"), datetime(2026, 1, 1, tzinfo=UTC), 5) == []


def test_runs_are_within_start_and_end():
    start, end = datetime(2026, 5, 1, 8, tzinfo=UTC), datetime(2026, 5, 3, 8, tzinfo=UTC)
    runs = next_runs(timing("cron(0 8 * * ? *)", start=start, end=end), datetime(2026, 1, 1, tzinfo=UTC), 10)
    assert [run.at.day for run in runs] == [1, 2, 3]
    assert next_runs(timing("cron(0 8 * * ? *)", end=end), end, 10) == []


@pytest.mark.parametrize("time_zone", ["Pacific/Apia", "America/New_York", "Etc/GMT-14", "Etc/GMT+12"])
def test_the_first_and_the_last_year_have_runs(time_zone):
    daily = timing("cron(0 0 * * ? *)", time_zone)
    for offset in ("+00:00", "+14:00", "-12:00"):
        (run,) = next_runs(daily, datetime.fromisoformat(f"0001-01-01T00:00:00{offset}"), 1)
        assert run.at.year in {1969, 1970}
        assert next_runs(daily, datetime.fromisoformat(f"9999-12-31T23:59:00{offset}"), 1) == []


def test_leap_days_are_found_and_counted():
    runs = next_runs(timing("cron(0 0 29 2 ? *)"), datetime(2026, 1, 1, tzinfo=UTC), 3)
    assert [run.at.year for run in runs] == [2028, 2032, 2036]
    assert len(next_runs(timing("cron(* * * * ? *)"), datetime(2026, 1, 1, tzinfo=UTC), 5_000)) == 1_000


# ---- what is refused -------------------------------------------------------------------------------------------------


def problems(body, name="weekend"):
    with pytest.raises(ScheduleInvalid) as refusal:
        parse_schedule(name, body if isinstance(body, str | bytes) else json.dumps(body))
    return refusal.value.details["errors"]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("cron(0 8 * * * *)", ["exactly one of day of month and day of week must be ?"]),
        ("cron(0 8 ? * ? *)", ["exactly one of day of month and day of week must be ?"]),
        (
            "cron(60 24 * * ? *)",
            ["minutes: '60' is not a value from 0 to 59", "hours: '24' is not a"],
        ),
        ("cron(0 8 * * ?)", ["cron needs six fields"]),
        ("cron(0  8 * * ? *)", ["cron needs six fields"]),
        ("cron(0 8 32 13 ? 1969)", ["month: '13'", "year: '1969'", "day of month: '32'"]),
        ("cron(0 8 ? * MON-DAY *)", ["day of week: 'DAY' is not a value from 1 to 7 or SUN to SAT"]),
        ("cron(0 8 ? * FRI-MON *)", ["day of week: FRI-MON ends before it begins"]),
        ("cron(0 8 ? * 6#6 *)", ["day of week: '6' is not a value from 1 to 5"]),
        ("cron(0 8 ? * 3#1,6#3 *)", ["day of week: '1,6#3' is not"]),
        ("cron(0 8 LW * ? *)", ["day of month: LW is not known"]),
        ("cron(0 8 L,15 * ? *)", ["day of month: L,15 is not known"]),
        ("cron(0 8 32W * ? *)", ["day of month: '32' is not"]),
        ("cron(0/0 8 * * ? *)", ["minutes: '0' is not a step from 1 to 60"]),
        ("cron(/5 8 * * ? *)", ["minutes: '' is not a value"]),
        ("cron(0,,1 8 * * ? *)", ["minutes: '' is not a value"]),
        ("cron(٣ 8 * * ? *)", ["minutes: '٣' is not a value"]),
        ("rate(0 minutes)", ["rate(0 minutes) must be"]),
        ("rate(5 weeks)", ["rate(5 weeks) must be"]),
        ("at(2026-02-30T00:00:00)", ["at(2026-02-30T00:00:00) is not a local time"]),
        ("at(2026-02-03)", ["at(2026-02-03) is not a local time"]),
        ("0 8 * * *", ["must be cron("]),
        ("cron(0 8 * * ? *", ["must be cron("]),
    ],
)
def test_an_expression_is_refused_with_every_problem(expression, says):
    parsed, wrong = parse_expression(expression)
    assert parsed is None
    assert len(wrong) == len(says)
    assert all(text.startswith(start) for text, start in zip(wrong, says, strict=True)), wrong
    found = [entry for entry in problems(DAILY | {"expression": expression}) if entry["path"] == "expression"]
    assert [entry["message"] for entry in found] == wrong


@pytest.mark.parametrize(
    "name",
    ["Europe", "Europe/Atlantis", "../etc/passwd", "/etc/localtime", "localtime", "right/UTC", "posix/UTC", "", "CEST ",
     "Europe/Berlin\n", "Factory", "europe/berlin"],
)  # fmt: skip
def test_an_unknown_time_zone_is_refused(name):
    assert zone(name) is None
    assert {entry["path"] for entry in problems(DAILY | {"time_zone": name})} == {"time_zone"}


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"plan": None}, {"plan"}),
        ({"baseline": {"queue_id": "queue-001", "name": "normal"}}, {"plan"}),
        ({"plan": None, "baseline": {"queue_id": "../x"}}, {"baseline.queue_id", "baseline.name"}),
        ({"plan": PLAN | {"overflow_threshold": 2, "colour": "red"}}, {"plan.overflow_threshold", "plan.colour"}),
        ({"plan": [1]}, {"plan"}),
        ({"plan": PLAN | {"member_weights": {"a": 0.6, "b": 0.6}}}, {"plan.member_weights"}),
        ({"until": "PT2H"}, {"until"}),
        ({"name": "other"}, {"name"}),
        ({"window_minutes": 1441}, {"window_minutes"}),
        ({"window_minutes": "5"}, {"window_minutes"}),
        ({"colour": "red"}, {"colour"}),
        ({"start": "2026-05-01"}, {"start"}),
        ({"start": "2026-05-01T00:00:00"}, {"start"}),
        ({"start": 5}, {"start"}),
        ({"start": "0001-01-01T00:00:00+14:00", "end": "9999-12-31T23:59:59-12:00"}, {"start", "end"}),
        ({"start": "2026-05-02T00:00:00Z", "end": "2026-05-01T00:00:00Z"}, {"end"}),
        ({"expression": "rate(1 day)"}, {"start"}),
        ({"expression": "at(2026-05-01T00:00:00)", "end": "2026-05-01T00:00:00Z"}, {"end"}),
        ({"expression": 5, "time_zone": None}, {"expression", "time_zone"}),
    ],
)
def test_a_schedule_is_refused_with_every_problem(changes, paths):
    assert {entry["path"] for entry in problems(DAILY | changes)} == paths


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff", b'"x"', "[" * 50_000])
def test_a_body_that_is_no_object_is_refused(body):
    assert [entry["path"] for entry in problems(body)] == [""]


def test_a_duplicate_key_is_refused_at_its_path():
    text = json.dumps(DAILY).replace('"agent-001": 0.5', '"agent-001": 0.5, "agent-001": 0.4')
    assert [entry["path"] for entry in problems(text)] == ["plan.member_weights.agent-001"]


def test_a_path_is_no_name():
    assert [entry["path"] for entry in problems(DAILY, "a.b")] == ["name"]


def test_a_schedule_is_read_with_its_plan_or_its_baseline():
    schedule = parse_schedule("weekday", json.dumps(DAILY))
    assert (schedule.name, schedule.plan.queue_id, schedule.window_minutes) == ("weekday", "queue-001", 0)
    back = {key: value for key, value in DAILY.items() if key != "plan"}
    back |= {"baseline": {"queue_id": "queue-001", "name": "normal"}, "end": "2027-01-01T00:00:00+01:00"}
    assert parse_schedule("back", json.dumps(back)).baseline.name == "normal"
