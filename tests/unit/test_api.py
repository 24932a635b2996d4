"""What the API makes of records, what it reads of a query, and the routes of forecasts."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.state_machine import Entered
from routing_weights.api import distributions as distribution_routes
from routing_weights.api import forecasts as forecast_routes
from routing_weights.api.app import new_app
from routing_weights.api.distributions import distribution
from routing_weights.api.request import instant, span_of
from routing_weights.bootstrap import plans
from routing_weights.domain.actuation import resolve, statement
from routing_weights.domain.actuators import ACTUATORS
from routing_weights.domain.record import ApprovalAsked, Records, closed, opened, timestamp
from routing_weights.domain.run import Outcome
from routing_weights.domain.status import Status
from routing_weights.errors import RequestInvalid
from routing_weights.projection.inputs import PushedForecast
from routing_weights.settings import PlansSettings
from tests.support.fakes import (
    FakeDocuments,
    FakeExecutions,
    FakeForecasts,
    FakeTrail,
    member,
    plan,
    queue,
    run_of,
    target,
    work,
)

START = datetime(2026, 1, 31, 8, 0, 0, 123_456, tzinfo=UTC)
END = START + timedelta(seconds=4)
RUN = run_of(START)
EVENTS = Path(__file__).parents[2] / "events"
NEW = {"offered": 100, "aht_s": 180}


def closing(status, **known):
    before = queue(member("agent-1", 0.1), member("agent-2", 0.35))
    known = {"plan": plan(), "before": before, "projection": None, "actuation": None, "after": None} | known
    return closed(RUN, Outcome(status=status), at=END, restore=None, **known)


def test_a_distribution_is_made_of_both_records():
    records = Records(opening=opened(RUN, plan(), START), closing=closing("dry_run"))
    found = distribution(records)
    assert (found.status, found.terminal) == (Status.DRY_RUN, True)
    assert (found.opened_at, found.closed_at) == (timestamp(START), timestamp(END))


@pytest.mark.parametrize(
    ("records", "terminal"),
    [
        (Records(opening=opened(RUN, plan(), START)), False),
        (Records(closing=closing("completed")), True),
    ],
)
def test_a_distribution_with_one_record_can_be_answered(records, terminal):
    found = distribution(records)
    assert (found.terminal, found.closed_at is not None) == (terminal, terminal)


@pytest.mark.parametrize("actuator", ACTUATORS)
def test_a_distribution_says_how_its_weights_are_carried(actuator):
    wanted = plan(actuator=actuator, skill="Queue 1")
    how = resolve(wanted, deployed="ring")
    stated = statement(wanted, how.target(wanted, {}), how, overflow="gate", notes=["A note."])
    records = Records(closing=closing("dry_run", plan=wanted, actuation=stated))
    found = distribution(records).model_dump()["actuation"]
    assert found == stated
    joined = {isinstance(entry["value"], bool) for entry in found["members"].values()}
    assert joined == {actuator == "joined"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "default"),
        ("2026-01-31", "2026-01-31T00:00:00.000Z"),
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00.000Z"),
        ("2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00.000Z"),
        ("2026-01-31T08:00:00 02:00", "2026-01-31T06:00:00.000Z"),
        ("2026-01-31T08:00:00", "2026-01-31T08:00:00.000Z"),
    ],
)
def test_an_instant_in_a_query_is_a_records_timestamp(text, found):
    assert instant("from", text, "default") == found


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1767225600", "0001-01-01T00:00:00+10:00", "2026"])
def test_an_invalid_instant_is_refused_at_its_parameter(text):
    with pytest.raises(RequestInvalid) as caught:
        instant("from", text, "")
    assert caught.value.details["errors"][0]["path"] == "from"


def test_a_listing_that_ends_before_it_begins_is_refused():
    assert span_of("", "") == ("0000", "9999")
    with pytest.raises(RequestInvalid, match="swap the two"):
        span_of("2026-02-01", "2026-01-31")


# ---- the routes of forecasts -----------------------------------------------------------------------------------------


@pytest.fixture
def forecasts(monkeypatch):
    fake = FakeForecasts()
    monkeypatch.setattr(plans, "forecasts", lambda _settings: fake)
    monkeypatch.setattr(PlansSettings, "load", classmethod(lambda _: SimpleNamespace(forecast_table="forecasts")))
    return fake


@pytest.fixture
def call(forecasts):
    """Send a request to the routes of forecasts."""
    assert forecasts.held == {}
    return requests_to(new_app(Logger(), forecast_routes.router))


def requests_to(app):
    def request(method, body=None, path="/queues/queue-001/forecast", *, encoded=False):
        text = json.dumps(body) if isinstance(body, dict) else body
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {},
            "isBase64Encoded": encoded,
            "requestContext": {
                "http": {"method": method, "path": path},
                "stage": "$default",
                "authorizer": {"iam": {"userArn": "arn:wfm"}},
            },
        }
        if text is not None:
            event["body"] = base64.b64encode(text.encode()).decode() if encoded else text
        reply = app.resolve(event, None)
        return reply["statusCode"], json.loads(reply["body"]) if reply.get("body") else None

    return request


@pytest.mark.parametrize("encoded", [False, True])
def test_a_forecast_is_pushed_shown_and_deleted(call, encoded):
    status, shown = call("PUT", (EVENTS / "forecast.json").read_text(), encoded=encoded)
    assert (status, shown["state"], shown["load"], shown["pushed_by"]) == (200, "valid", 10.0, "arn:wfm")
    status, again = call("GET")
    assert status == 200
    assert again.pop("age_s") < 60
    assert again == {name: value for name, value in shown.items() if name != "age_s"}
    assert call("DELETE") == (204, None)
    for method in ("GET", "DELETE"):
        status, problem = call(method)
        assert (status, problem["type"]) == (404, "/problems/forecast-not-found")
        assert "PUT /queues/queue-001/forecast" in problem["detail"]


def test_an_invalid_push_is_a_problem_with_its_paths_and_replaces_nothing(call):
    assert call("PUT", NEW)[0] == 200
    status, problem = call("PUT", NEW | {"aht_s": 0, "colour": "red"})
    assert (status, problem["type"]) == (422, "/problems/request-invalid")
    assert {entry["path"] for entry in problem["errors"]} == {"aht_s", "colour"}
    assert call("GET")[1]["load"] == 10.0
    assert call("PUT", None)[0] == 422
    assert call("PUT", NEW, path="/queues/not%20an%20id/forecast")[0] == 422


def test_an_item_that_was_put_there_by_hand_is_shown(call, forecasts):
    forecasts.put("queue-001", PushedForecast(2.0, None, detail="Tuesday"))
    status, shown = call("GET")
    assert (status, shown["load"], shown["source"], shown["state"]) == (200, 2.0, "Tuesday", "valid")
    assert shown.get("forecast") is None


# ---- what is planned -------------------------------------------------------------------------------------------------

BEFORE = queue(member("agent-1", 0.5, value=4), member("agent-2", 1.0, value=1))
DECIDED = work(plan(), target({"agent-1": 1.0, "agent-2": 1.0}, values={"agent-1": 1, "agent-2": 1},
                              overflow_threshold=0.9), BEFORE)  # fmt: skip
PROJECTED = dict.fromkeys(["active_agents", "members_read", "capacity", "projected_load"], 1) | {
    "verdict": "pass",
    "reason": "",
    "source": "plan",
    "saturation_ratio": None,
    "saturation_limit": 0.95,
    "skill_coverage": {},
}
PLANNED = [
    {"setting": "overflow_threshold", "before": 0.85, "after": 0.9},
    {"user_id": "agent-1", "before": 4, "after": 1, "weight_before": 0.5, "weight_after": 1.0},
]


@pytest.fixture
def shown(monkeypatch):
    """Return the distribution that GET shows, of records and of what was decided."""

    def show(*records, decided=None, entered=None):
        trail, documents, executions = FakeTrail(), FakeDocuments(), FakeExecutions()
        if entered:
            executions.states[RUN.distribution_id] = entered
        for record in records:
            trail.append(record)
        if decided:
            documents.keep_work(RUN.distribution_id, decided)
        for name, fake in (
            ("trail", trail),
            ("documents", documents),
            ("one_time_schedules", None),
            ("executions", executions),
        ):
            monkeypatch.setattr(plans, name, lambda _settings, fake=fake: fake)
        monkeypatch.setattr(PlansSettings, "load", classmethod(lambda _: None))
        app = new_app(Logger(), distribution_routes.router)
        return requests_to(app)("GET", path=f"/distributions/{RUN.distribution_id}")[1]

    return show


def test_what_is_planned_is_that_of_the_projection(shown):
    other = {"diff": {"settings": [], "members": []}}
    assert shown(closing("dry_run", projection=PROJECTED | {"diff": DECIDED.diff()}))["planned"] == PLANNED
    assert shown(closing("dry_run", projection=PROJECTED | other), decided=DECIDED)["planned"] == []


def test_a_revert_without_a_forecast_and_a_run_that_waits_for_approval_say_what_is_planned(shown):
    assert shown(closing("dry_run"), decided=DECIDED)["planned"] == PLANNED
    asked = {"number": 1, "hash": "0" * 64, "queue_id": "queue-001", "expires_at": timestamp(END)}
    waits = ApprovalAsked(distribution_id=RUN.distribution_id, timestamp=timestamp(START), **asked)
    assert shown(opened(RUN, plan(), START), waits, decided=DECIDED)["planned"] == PLANNED


def test_nothing_is_planned_where_nothing_was_decided(shown):
    assert shown(opened(RUN, plan(), START), decided=DECIDED)["planned"] is None
    assert shown(closing("validation_failed"))["planned"] is None


def test_a_distribution_under_way_says_which_state_it_has_entered_and_one_that_is_over_does_not(shown):
    entered = Entered("Patch members", START)
    progress = shown(opened(RUN, plan(), START), entered=entered)["progress"]
    assert progress == {"state": "Patch members", "since": timestamp(START)}
    assert shown(opened(RUN, plan(), START))["progress"] is None
    assert shown(closing("dry_run"), entered=entered)["progress"] is None
