"""The calibration of a queue in the table: its executions, its records, and the route that shows it."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest

from routing_weights.adapters.aws.state_machine import Executions
from routing_weights.domain.record import MemberShare
from routing_weights.projection.accuracy import FIGURES
from routing_weights.settings import Settings
from tests.support.fakes import function_module
from tests.unit.test_measure import COMPLETED, OVER, QUEUE, Scene
from tests.unit.test_projection import reported, told

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:distribute"


@pytest.fixture(scope="module")
def document():
    return reported(told(60)).document


@pytest.fixture
def scene(trail, document):
    return Scene(trail, document)


def test_a_projection_that_cannot_be_read_does_not_keep_others_from_being_measured(scene):
    scene.distribution("d-1", projection={"document": "distributions/d-1/lost.json"})
    scene.distribution("d-2", queue="queue-002")
    assert scene.measure() == {"measured": 1, "shared": 0, "failed": 1}
    assert scene.record("d-2")


def test_the_shares_of_5_000_members_are_read_as_they_were_measured(scene):
    weights = {f"1f0b7a52-3c1d-4a0e-8a55-6d0f8c2b{number:04x}": 0.0002 for number in range(5_000)}
    scene.genesys.members = {QUEUE: dict.fromkeys(weights, 1)}
    scene.distribution("d-1", requested_weights=weights)
    assert scene.measure()["shared"] == 1
    shares = scene.trail.find("d-1").shares
    assert (len(shares.shares), shares.contacts, shares.realised_accuracy) == (5_000, 10_000, 100.0)
    assert shares.shares["1f0b7a52-3c1d-4a0e-8a55-6d0f8c2b0007"] == MemberShare(0.0002, 2, 360.0)
    (item,) = scene.page().items
    assert (item.realised_shares.contacts, item.realised_shares.realised_accuracy) == (10_000, 100.0)
    assert scene.measure()["shared"] == 0


def test_executions_are_listed_back_to_a_moment_page_by_page(aws, monkeypatch):
    monkeypatch.setattr("routing_weights.adapters.aws.state_machine.MOST_PAGES", 3)
    pages, asked = iter(range(10)), []

    def hook(params, **_):
        asked.append(json.loads(params["body"]).get("nextToken"))
        page = next(pages)
        found = [{"name": f"d-{page}", "startDate": COMPLETED - timedelta(hours=page)}]
        return SimpleNamespace(status_code=200), {"executions": found, "nextToken": f"page-{page}"}

    aws("stepfunctions").meta.events.register("before-call.stepfunctions.ListExecutions", hook)
    try:
        names = list(Executions(MACHINE).succeeded(COMPLETED - timedelta(minutes=90)))
        assert (names, asked) == (["d-0", "d-1"], [None, "page-0", "page-1"])
        assert len(list(Executions(MACHINE).succeeded(COMPLETED - timedelta(days=9)))) == 3
    finally:
        aws("stepfunctions").meta.events.unregister("before-call.stepfunctions.ListExecutions", hook)


@pytest.fixture
def get(trail, monkeypatch):
    unused = ("ACCESS_TABLE", "BASELINES_TABLE", "PLANS_TABLE", "DRIFT_TABLE", "FORECAST_TABLE", "JWT_ROLES_CLAIM")
    for name in (*unused, "ONE_TIME_GROUP", "STATE_MACHINE_ARN"):
        monkeypatch.setenv(name, "unused")
    monkeypatch.setenv("AUDIT_TABLE", trail.table)
    monkeypatch.setenv("CHAINS_TABLE", trail.chains_table)
    monkeypatch.setenv("DOCUMENTS_BUCKET", "documents-bucket")
    monkeypatch.setenv("GENESYS_CONTRACT", "platform")
    Settings.load.__func__.cache_clear()
    module = function_module("plans")

    def request(**query):
        path = f"/queues/{QUEUE}/calibration"
        caller = {"iam": {"userArn": "arn:aws:iam::123456789012:user/ops"}}
        http = {"http": {"method": "GET", "path": path}, "stage": "$default", "authorizer": caller}
        event = {
            "version": "2.0",
            "rawPath": path,
            "headers": {},
            "requestContext": http,
            "rawQueryString": "&".join(f"{k}={v}" for k, v in query.items()),
            "queryStringParameters": query,
        }
        reply = module.app.resolve(event, None)
        return reply["statusCode"], json.loads(reply["body"])

    yield request
    Settings.load.__func__.cache_clear()


def test_the_route_shows_predicted_against_realised_page_by_page(scene, get):
    scene.distribution("d-1")
    scene.distribution("d-2", at=COMPLETED + timedelta(hours=4))
    scene.distribution("d-3", "dry_run", at=COMPLETED + timedelta(hours=5))
    scene.measure(OVER + timedelta(hours=5))
    status, page = get(limit="2")
    assert (status, page["queue_id"], page["measured"]) == (200, QUEUE, 1)
    assert [item["distribution_id"] for item in page["items"]] == ["d-2"], "a dry run is no distribution to measure"
    status, rest = get(limit="2", next=page["next"])
    (item,) = rest["items"]
    assert (item["distribution_id"], item["state"], item["media"]) == ("d-1", "measured", ["voice"])
    assert set(item["figures"]) == set(FIGURES)
    assert item["figures"]["offered"]["realised"] == 60
    assert set(item["blame"]) == {"erlang_a_forecast", "erlang_a_realised", "by_forecast", "by_model"}
    assert rest["summary"]["offered"]["count"] == 1
    assert rest["next"] is None
    status, none = get(**{"from": "2027-01-01T00:00:00Z"})
    assert (none["items"], none["sentence"]) == ([], "Nothing has been compared yet.")


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"limit": "51"}, "limit"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2027-01-01", "to": "2026-01-01"}, "from"),
        ({"next": "made-up"}, "next"),
    ],
)
def test_a_parameter_that_is_wrong_is_a_problem_with_its_name(get, query, path):
    status, problem = get(**query)
    assert (status, [error["path"] for error in problem["errors"]]) == (422, [path])
