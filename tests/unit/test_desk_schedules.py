"""The desk's pages of schedules: the calendar marks changes of the clock, and a form makes the schedule it shows."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from desk.pages.schedules import RUNS, calendar_of, clock_change
from routing_weights.api.schedules import run_view
from routing_weights.domain.schedule.calendar import next_runs
from routing_weights.domain.schedule.timing import TimingFields
from routing_weights.errors import ApiRefused
from tests.unit.test_desk import HOSTILE, OWN, Browser, queue
from tests.unit.test_desk_pages import csrf, shown

BERLIN = ZoneInfo("Europe/Berlin")
LINE = {
    "name": "early",
    "expression": "cron(30 2 ? * * *)",
    "time_zone": "Europe/Berlin",
    "until": None,
    "baseline": None,
    "next_run": "2026-03-28T02:30:00+01:00",
    "next_return": None,
}
PLAN = {"member_weights": {"agent-001": 1.0}, "overflow_threshold": 0.85, "strategy_reference": "by-weight"}
NOT_FOUND = ApiRefused("There is none.", status=404, title="No such schedule", problem={})
FORM = {"queue_id": "queue-001", "name": "storm", "what": "plan:Storm", "day": "SAT", "time": "08:05"}
FORM |= {"time_zone": "Europe/Berlin", "until": "17:00", "expression": ""}


def preview(expression="cron(30 2 ? * * *)", after=datetime(2026, 3, 27, 12, tzinfo=UTC), count=3, until=None):
    """What the API answers, by its own code."""
    timing = TimingFields(expression=expression, time_zone="Europe/Berlin", until=until)
    runs = [run_view(timing, run).model_dump() for run in next_runs(timing, after, count)]
    return {"name": "early", "expression": expression, "time_zone": "Europe/Berlin", "runs": runs}


def days(months):
    return {(month.name, day.number): day for month in months for week in month.weeks for day in week if day.number}


@pytest.fixture
def browser():
    browser = Browser().signed_in()
    browser.desk.answers |= {
        "queues/queue-001": queue(),
        "queues/queue-001/plans": {"items": [{"name": "Storm"}]},
        "queues/queue-001/plans/Storm": {"name": "Storm", "plan": PLAN},
        "queues/queue-001/baselines": {"items": [{"name": "normal"}]},
        "schedules": {"items": [LINE], "next": None},
        "schedules/early": LINE | {"plan": PLAN | {"queue_id": "queue-001"}},
        "schedules/early/preview": preview(),
        "schedules/storm": NOT_FOUND,
    }
    return browser


# ---- the calendar ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "zone", "text"),
    [
        (date(2026, 3, 29), "Europe/Berlin", "Clock forward 1 h"),
        (date(2026, 10, 25), "Europe/Berlin", "Clock back 1 h"),
        (date(2026, 3, 28), "Europe/Berlin", ""),
        (date(2026, 4, 5), "Australia/Lord_Howe", "Clock back 30 min"),
        (date(2026, 3, 29), "UTC", ""),
    ],
)
def test_a_day_says_what_the_clock_does(day, zone, text):
    assert clock_change(day, ZoneInfo(zone)) == text


def test_runs_are_on_their_local_days_and_a_moved_one_says_why():
    months, later = calendar_of(preview())
    of = days(months)
    assert [month.name for month in months] == ["March 2026"]
    assert [run["at"] for run in of["March 2026", 28].runs] == ["02:30"]
    (moved,) = of["March 2026", 29].runs
    assert (moved["at"], of["March 2026", 29].clock) == ("03:00", "Clock forward 1 h")
    assert "skips 02:30" in moved["clock_change"]
    assert (of["March 2026", 27].runs, later) == ([], "")


def test_a_calendar_of_many_runs_leads_to_the_next_ones():
    first = preview(count=RUNS)
    _, later = calendar_of(first)
    assert later == first["runs"][-1]["utc"]
    following = preview(after=datetime.fromisoformat(later), count=1)["runs"]
    assert following == preview(count=RUNS + 1)["runs"][-1:]


def test_a_run_of_each_year_shows_some_months_and_leads_to_the_others():
    yearly = preview("cron(0 6 1 1 ? *)", count=RUNS)
    months, later = calendar_of(yearly)
    assert [month.name for month in months] == [f"January {year}" for year in range(2027, 2033)]
    assert later == yearly["runs"][5]["utc"]


def test_without_runs_there_is_no_calendar():
    assert calendar_of(preview() | {"runs": []}) == ([], "")


# ---- the pages -------------------------------------------------------------------------------------------------------


def test_a_schedule_shows_its_queue_by_name_its_runs_and_the_change_of_the_clock(browser):
    text = shown(browser, "/desk/schedules/early")
    for expected in ("Support", "March 2026", "02:30", "Clock forward 1 h", "2026-03-29 03:00: The clock skips 02:30"):
        assert expected in text, expected
    assert "<time" not in text, "the script would show these times in the browser's own zone"


def test_schedules_are_listed_and_the_chosen_queue_leads_to_a_new_one(browser):
    assert 'href="/desk/schedules/early"' in shown(browser, "/desk/schedules")
    chosen = browser.get("/desk/schedules?queue_id=queue-001")
    assert (chosen["statusCode"], chosen["headers"]["Location"]) == (303, "/desk/queues/queue-001/schedule")
    text = shown(browser, "/desk/queues/queue-001/schedule")
    assert ("plan:Storm" in text, "baseline:normal" in text) == (True, True)


def test_a_form_makes_a_weekly_schedule_with_a_copy_of_the_plan(browser):
    answer = browser.post("/desk/schedules", FORM | {"csrf": csrf(browser, "/desk/queues/queue-001/schedule")})
    assert (answer["statusCode"], answer["headers"]["Location"]) == (303, "/desk/schedules/storm")
    (sent,) = browser.desk.sent
    assert sent == (
        "PUT",
        ("schedules", "storm"),
        {
            "expression": "cron(5 8 ? * SAT *)",
            "time_zone": "Europe/Berlin",
            "until": "17:00",
            "plan": PLAN | {"queue_id": "queue-001"},
        },
    )


def test_an_expression_counts_in_place_of_days_and_a_baseline_goes_by_its_name(browser):
    form = FORM | {"what": "baseline:normal", "expression": "rate(2 hours)", "until": "", "time": "", "day": ""}
    browser.post("/desk/schedules", form | {"csrf": csrf(browser, "/desk/queues/queue-001/schedule")})
    ((_, _, body),) = browser.desk.sent
    baseline = {"queue_id": "queue-001", "name": "normal"}
    assert body == {"expression": "rate(2 hours)", "time_zone": "Europe/Berlin", "baseline": baseline}


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"name": "early"}, 409, "There is a schedule early already"),
        ({"name": " ", "time": "", "day": ""}, 422, "needs a name, a time of day, a day of the week"),
        ({"what": ""}, 422, "needs a plan or a baseline"),
    ],
)
def test_a_form_that_would_replace_a_schedule_or_lacks_something_saves_nothing(browser, changes, status, text):
    form = FORM | changes | {"csrf": csrf(browser, "/desk/queues/queue-001/schedule")}
    answer = browser.post("/desk/schedules", form)
    assert (answer["statusCode"], browser.desk.sent) == (status, [])
    assert text in answer["body"]
    part = browser.post("/desk/schedules", form, **OWN, **{"HX-Request": "true"})["body"]
    assert ("<html" in part, text in part) == (False, True)


def test_a_schedule_is_deleted_by_its_button(browser):
    answer = browser.post("/desk/schedules/early/delete", {"csrf": csrf(browser, "/desk/schedules/early")})
    assert answer["headers"]["Location"] == "/desk/schedules"
    assert browser.desk.sent == [("DELETE", ("schedules", "early"), None)]


def test_hostile_text_is_text(browser):
    browser.desk.answers["schedules/early"] = LINE | {"expression": HOSTILE, "plan": PLAN | {"queue_id": HOSTILE}}
    browser.desk.answers["schedules"] = {"items": [LINE | {"name": HOSTILE, "expression": HOSTILE}], "next": HOSTILE}
    browser.desk.answers["queues/queue-001/plans"] = {"items": [{"name": HOSTILE}]}
    for address in ("/desk/schedules", "/desk/schedules/early", "/desk/queues/queue-001/schedule"):
        assert HOSTILE not in shown(browser, address), address
