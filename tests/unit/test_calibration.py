"""Predicted against realised: figures, whose fault an error is, what it all means, and what is measured when."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.adapters.aws.state_machine import Executions
from routing_weights.api.accuracy import calibration_page
from routing_weights.api.distributions import distribution
from routing_weights.application.accuracy import CANNOT_TELL, NOT_ALONE, compared
from routing_weights.application.measure import MOST, SETTLED, Calibration
from routing_weights.domain.record import Closing, Measurement, Opening, Realised, timestamp
from routing_weights.errors import GenesysUnavailable
from routing_weights.projection.accuracy import (
    FIGURES,
    LOOK_BACK,
    SPAN,
    compare,
    predicted,
    sentence,
    summarise,
    window_after,
)
from routing_weights.projection.erlang import erlang_a
from routing_weights.settings import Settings
from tests.support.fakes import function_module
from tests.unit.test_projection import reported, told

ROOT = Path(__file__).resolve().parents[2]
HOUR = SPAN.total_seconds()
QUEUE = "queue-001"
COMPLETED = datetime(2026, 1, 31, 8, 10, tzinfo=UTC)
START = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)
OVER = START + SPAN + SETTLED
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:distribute"


@pytest.fixture(scope="module")
def document():
    """A recorded projection: 60 contacts of 180 s per half hour, on 11 agents."""
    return reported(told(60)).document


@pytest.fixture(scope="module")
def said(document):
    return predicted(document)


def realised(offered=120, level=0.97, aht_s=180.0, **changes):
    """An hour."""
    usual = {
        "offered": offered,
        "answered": offered,
        "handled": offered,
        "handle_s": offered * aht_s,
        "waited": offered,
        "wait_s": offered * 2.0,
        "in_time": offered * level,
        "counted": offered,
    }
    return Realised(**usual | {"media": ("voice",)} | changes)


# ---- figures ---------------------------------------------------------------------------------------------------------


def test_what_was_predicted_is_taken_from_the_record_as_it_is_stored(document):
    said = predicted(json.loads(json.dumps(document)))
    after = document["models"]["simulation"]["after"]
    assert asdict(said) == {
        "offered": 60,
        "interval_s": 1800,
        "aht_s": 180.0,
        "patience_s": 120.0,
        "source": "plan",
        **{name: after[name] for name in ("service_level", "abandonment", "mean_wait_s")},
        "answer_within_s": 20.0,
        "agents": 11,
        "erlang_a": document["models"]["erlang_a"]["after"]["service_level"],
    }


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (None, "a load alone"),
        ({"models": None}, "a load alone"),
        ({"models": {"indicative": True}}, "indicative"),
    ],
)
def test_without_a_known_volume_there_is_nothing_to_compare_and_a_sentence_says_so(document, why):
    assert why in predicted(document)


def test_a_projection_that_had_nothing_to_simulate_still_predicts_its_volume():
    said = predicted(reported(told(0)).document)
    figures = compare(said, realised(30), HOUR).figures
    assert (figures["offered"].predicted, figures["offered"].realised, figures["offered"].within_chance) == (
        0,
        15,
        False,
    )
    assert figures["service_level"].predicted is None


def test_each_figure_is_predicted_realised_and_their_difference(said):
    figures = compare(said, realised(144, 0.75, 198.0, abandoned=18), HOUR).figures
    assert tuple(figures) == FIGURES
    offered = figures["offered"]
    assert (offered.predicted, offered.realised, offered.error) == (60, 72, 12)  # per half hour, as the forecast is
    assert figures["aht_s"].error == pytest.approx(18.0)
    assert figures["abandonment"].realised == 0.125
    assert figures["mean_wait_s"].realised == 2.0
    level = figures["service_level"]
    assert level.error == pytest.approx(0.75 - said.service_level.mean)
    assert (level.low, level.high) == (said.service_level.low, said.service_level.high)
    assert (level.inside, level.within_chance) == (False, False)


def test_an_hour_scatters_more_than_the_mean_that_was_projected(said):
    """The interval of a mean is narrow: one hour of a perfect model is often outside of it, by chance."""
    high = said.service_level.high
    level = compare(said, realised(120, min(1.0, high + 0.01)), HOUR).figures["service_level"]
    assert (level.inside, level.within_chance) == (False, True)


def test_an_hour_without_contacts_has_a_volume_and_no_service_level(said):
    found = compare(said, Realised(), HOUR)
    assert found.figures["offered"].realised == 0
    assert [found.figures[name].realised for name in FIGURES[1:]] == [None] * 4
    assert found.blame is None


# ---- whose fault it is -----------------------------------------------------------------------------------------------


def test_a_wrong_forecast_is_not_blamed_on_the_model(said):
    """Half as much again came, and the queue did what Erlang A says of that: the model was right."""
    true = erlang_a(180 / 3600, aht_s=180.0, agents=11, patience_s=120.0, target_s=20.0).service_level
    found = compare(said, realised(180, true), HOUR)
    assert found.blame.erlang_a_realised == pytest.approx(true)
    assert found.blame.by_forecast < -0.1
    assert abs(found.blame.by_model) < 0.02


def test_a_model_that_is_wrong_is_not_excused_by_a_forecast_that_was_right(said):
    found = compare(said, realised(120, 0.6), HOUR)
    assert found.blame.by_forecast == pytest.approx(0.0)
    assert found.blame.by_model == pytest.approx(found.figures["service_level"].error)


hours = st.builds(
    realised,
    st.integers(0, 400),
    st.floats(0, 1),
    st.floats(20, 600),
    abandoned=st.integers(0, 50),
)


@given(hours)
def test_the_two_parts_of_an_error_are_all_of_it(said, hour):
    found = compare(said, hour, HOUR)
    if found.blame:
        total = found.blame.by_forecast + found.blame.by_model
        assert total == pytest.approx(found.figures["service_level"].error)
    assert (found.blame is None) == (hour.counted == 0)


@given(hours)
def test_what_is_inside_the_projected_interval_is_within_chance_too(said, hour):
    for figure in compare(said, hour, HOUR).figures.values():
        assert not (figure.inside and figure.within_chance is False)


@given(st.lists(hours, min_size=1, max_size=8))
def test_a_summary_is_bounded_by_its_parts(said, several):
    found = [compare(said, hour, HOUR) for hour in several]
    for name, summary in summarise(found).items():
        errors = [c.figures[name].error for c in found if c.figures[name].error is not None]
        assert summary.count == len(errors)
        slack = 1e-9 * (1 + max(map(abs, errors)))
        assert min(errors) - slack <= summary.mean_error <= max(errors) + slack
        assert abs(summary.mean_error) <= summary.mean_absolute_error + slack
        assert summary.within_chance is None or 0 <= summary.within_chance <= 1
    assert sentence(found)


# ---- what it means ---------------------------------------------------------------------------------------------------


def test_the_sentence_says_how_many_came_true_and_what_was_wrong(said):
    level = said.service_level.mean
    found = [compare(said, realised(130, level, 180.0), HOUR) for _ in range(10)]
    found += [compare(said, realised(130, 0.5, 180.0), HOUR) for _ in range(2)]
    text = sentence(found)
    assert text.startswith(
        "Of 12 projections, 10 had a service level that was within what chance allows; on average it was "
    )
    assert "points below what was projected." in text
    assert "points are a wrong forecast's" in text
    assert "Offered was 8% more than forecast, and handle time was as forecast." in text
    assert "few" not in text


def test_few_projections_are_called_few_and_none_nothing(said):
    assert sentence([compare(said, realised(), HOUR)]).endswith("These are few: one odd hour weighs much.")
    assert sentence([]) == "Nothing has been compared yet."
    assert "none had contacts" in sentence([compare(said, Realised(), HOUR)])


@pytest.mark.parametrize(
    ("completed", "start"),
    [
        ("2026-01-31T08:10:00.000Z", "08:30"),
        ("2026-01-31T08:30:00.000Z", "08:30"),
        ("2026-01-31T08:30:00.001Z", "09:00"),
        ("2026-01-31T08:59:59.999Z", "09:00"),
    ],
)
def test_the_interval_begins_with_the_first_whole_half_hour(completed, start):
    assert f"{window_after(completed):%H:%M}" == start


# ---- what is measured ------------------------------------------------------------------------------------------------


class Reads:
    """Genesys, as far as it is asked what happened."""

    def __init__(self):
        self.asked, self.happened, self.failure = [], {QUEUE: realised()}, None

    def realised(self, queue_ids, start, end):
        self.asked.append((queue_ids, start, end))
        if self.failure:
            raise self.failure
        return {queue: hour for queue, hour in self.happened.items() if queue in queue_ids}


class Scene:
    def __init__(self, trail, document, aws):
        self.trail, self.document, self.genesys, self.listed = trail, document, Reads(), []

        def hook(params, **_):
            self.query = json.loads(params["body"])
            return SimpleNamespace(status_code=200), {"executions": self.listed}

        self.hook, self.events = hook, aws("stepfunctions").meta.events
        self.events.register("before-call.stepfunctions.ListExecutions", hook)

    def close(self):
        self.events.unregister("before-call.stepfunctions.ListExecutions", self.hook)

    def distribution(self, name, status="completed", *, queue=QUEUE, at=COMPLETED, opened=None, succeeded=True, **more):
        opened = opened or at - timedelta(minutes=1)
        common = {"distribution_id": name, "queue_id": queue, "started_at": timestamp(opened)}
        first = {"opened_queue_id": queue, "status": "initiated", "timestamp": timestamp(opened)}
        self.trail.append(Opening(**common, **first))
        last = {"status": status, "timestamp": timestamp(at), "projection": self.document} | more
        if status != "initiated":
            self.trail.append(Closing(**common, **last))
        if succeeded:
            self.listed.insert(0, {"name": name, "startDate": opened, "status": "SUCCEEDED"})

    def measure(self, now=OVER, genesys=True, has_time=lambda: True):
        calibration = Calibration(self.trail, Executions(MACHINE), self.genesys if genesys else None)
        return calibration.measure(now, has_time)

    def record(self, name="d-1"):
        return self.trail.find(name).measurement

    def page(self, now=OVER, can_tell=True):
        listed, token = self.trail.of_queue(QUEUE, since="0000", until="9999", limit=50, after=None)
        completed = [run for run in listed if run.status == "completed"]
        found = self.trail.of_kind(Measurement, [run.distribution_id for run in completed])
        items = compared(completed, found, now, can_tell=can_tell)
        return calibration_page(QUEUE, items, token, can_tell=can_tell)


@pytest.fixture
def scene(trail, document, aws):
    scene = Scene(trail, document, aws)
    yield scene
    scene.close()


def test_a_completed_distribution_is_measured_once_its_hour_is_over_and_never_again(scene):
    scene.distribution("d-1")
    assert scene.measure(OVER - timedelta(seconds=1)) == {"measured": 0, "failed": 0}
    assert scene.genesys.asked == []
    assert scene.measure() == {"measured": 1, "failed": 0}
    assert scene.genesys.asked == [([QUEUE], START, START + SPAN)]
    kept = scene.record()
    assert (kept.start, kept.end) == ("2026-01-31T08:30:00.000Z", "2026-01-31T09:30:00.000Z")
    assert (kept.others, kept.alone, kept.predicted.source) == ((), True, "plan")
    assert kept.realised == realised()
    scene.genesys.happened = {}
    assert scene.measure(OVER + timedelta(hours=1)) == {"measured": 0, "failed": 0}
    assert scene.record() == kept


def test_what_shows_and_lists_distributions_does_not_notice_the_record(scene):
    scene.distribution("d-1")
    before = distribution(scene.trail.find("d-1"))
    listed = scene.trail.of_queue(QUEUE, since="0000", until="9999", limit=50, after=None)
    scene.measure()
    assert scene.record() is not None
    assert distribution(scene.trail.find("d-1")) == before
    assert scene.trail.of_queue(QUEUE, since="0000", until="9999", limit=50, after=None) == listed


def test_a_queue_without_contacts_is_on_record_as_one(scene):
    scene.distribution("d-1")
    scene.genesys.happened = {}
    assert scene.measure()["measured"] == 1
    assert scene.record().realised == Realised()
    (item,) = scene.page().items
    assert (item.state, item.figures["offered"].realised) == ("measured", 0)


def test_queues_with_the_same_interval_are_read_in_one_request(scene):
    for number in range(3):
        scene.distribution(f"d-{number}", queue=f"queue-{number}", at=COMPLETED + timedelta(minutes=number))
    scene.distribution("d-9", at=COMPLETED - timedelta(minutes=30))
    scene.measure()
    asked = [queues for queues, _, _ in scene.genesys.asked]
    assert asked == [[QUEUE], ["queue-0", "queue-1", "queue-2"]]


@pytest.mark.parametrize("status", ["dry_run", "member_update_failed", "queue_busy"])
def test_what_did_not_complete_is_not_measured(scene, status):
    scene.distribution("d-1", status)
    assert scene.measure()["measured"] == 0
    assert scene.record() is None


def test_what_cannot_be_compared_is_on_record_with_the_reason_and_read_once(scene):
    scene.distribution("d-1", projection=scene.document | {"models": None})
    assert scene.measure() == {"measured": 0, "failed": 0}
    assert scene.genesys.asked == []
    assert "a load alone" in scene.record().why
    (item,) = scene.page().items
    assert (item.state, item.why) == ("not_comparable", scene.record().why)


def test_a_reading_that_fails_is_logged_and_tried_again(scene, logs):
    scene.distribution("d-1")
    scene.genesys.failure = GenesysUnavailable("Genesys does not answer.")
    assert scene.measure() == {"measured": 0, "failed": 1}
    assert scene.record() is None
    (line,) = [line for line in logs() if "Not measured" in line["msg"]]
    assert (line["distributions"], line["reason"]) == (["d-1"], "Genesys does not answer.")
    assert scene.page().items[0].state == "pending"
    scene.genesys.failure = None
    assert scene.measure(OVER + timedelta(hours=5)) == {"measured": 1, "failed": 0}


def test_a_projection_that_cannot_be_read_does_not_keep_others_from_being_measured(scene):
    scene.distribution("d-1", projection={"document": "distributions/d-1/lost.json"})
    scene.distribution("d-2", queue="queue-002")
    assert scene.measure() == {"measured": 1, "failed": 1}
    assert scene.record("d-2")


def test_an_interval_that_was_never_measured_counts_as_missed(scene):
    scene.distribution("d-1")
    late = COMPLETED + LOOK_BACK + timedelta(minutes=1)
    assert scene.measure(late) == {"measured": 0, "failed": 0}
    (item,) = scene.page(late).items
    assert item.state == "missed"
    assert "CalibrateFunction" in item.why


def test_under_contract_score_nothing_is_listed_and_the_api_says_why(scene):
    scene.distribution("d-1")
    assert scene.measure(genesys=False) == {"measured": 0, "failed": 0}
    assert not hasattr(scene, "query")
    page = scene.page(can_tell=False)
    assert (page.sentence, page.items[0].state, page.measured) == (CANNOT_TELL, "cannot_tell", 0)


def test_without_time_the_rest_waits_for_the_next_run(scene):
    scene.distribution("d-1")
    assert scene.measure(has_time=lambda: False) == {"measured": 0, "failed": 0}
    assert scene.measure()["measured"] == 1


def test_one_run_takes_the_oldest_so_many(scene, monkeypatch):
    monkeypatch.setattr("routing_weights.application.measure.MOST", 2)
    assert MOST == 100
    for number in range(3):
        scene.distribution(f"d-{number}", queue=f"queue-{number}", at=COMPLETED + timedelta(minutes=number))
    assert scene.measure()["measured"] == 2
    assert scene.record("d-2") is None
    assert scene.measure()["measured"] == 1


# ---- not alone -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "member_update_failed", "interrupted", "initiated"])
def test_a_distribution_that_came_in_between_is_named_and_the_figures_do_not_count(scene, status):
    scene.distribution("d-1")
    scene.distribution("d-2", status, at=START + timedelta(minutes=40), succeeded=False)
    scene.measure()
    assert (scene.record().others, scene.record().alone) == (("d-2",), False)
    page = scene.page()
    item = next(item for item in page.items if item.distribution_id == "d-1")
    assert (item.state, item.why, item.others) == ("not_alone", NOT_ALONE, ["d-2"])
    assert item.figures["offered"].realised == 60
    assert (page.measured, page.summary, page.sentence) == (0, {}, "Nothing has been compared yet.")


def test_one_that_was_opened_earlier_and_waited_for_the_queue_came_in_between_too(scene):
    scene.distribution("d-1")
    later = COMPLETED + timedelta(minutes=2)
    scene.distribution("d-2", at=later, opened=COMPLETED - timedelta(minutes=50), succeeded=False)
    scene.measure()
    assert scene.record().others == ("d-2",)


@pytest.mark.parametrize(
    ("status", "minutes"),
    [("completed", -5), ("dry_run", 40), ("saturation_blocked", 40), ("queue_busy", 40), ("completed", 90)],
)
def test_what_wrote_nothing_in_the_meantime_does_not_matter(scene, status, minutes):
    scene.distribution("d-1")
    at = COMPLETED + timedelta(minutes=minutes)
    scene.distribution("d-2", status, at=at, succeeded=False)
    scene.measure()
    assert (scene.record().others, scene.record().alone) == ((), True)


# ---- executions and the route ----------------------------------------------------------------------------------------


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
    for name in ("BASELINES_TABLE", "DRIFT_TABLE", "FORECAST_TABLE", "ONE_TIME_GROUP", "STATE_MACHINE_ARN"):
        monkeypatch.setenv(name, "unused")
    monkeypatch.setenv("AUDIT_TABLE", trail.table)
    monkeypatch.setenv("DOCUMENTS_BUCKET", "documents-bucket")
    monkeypatch.setenv("GENESYS_CONTRACT", "platform")
    Settings.load.__func__.cache_clear()
    module = function_module("plans")

    def request(**query):
        path = f"/queues/{QUEUE}/calibration"
        http = {"http": {"method": "GET", "path": path}, "stage": "$default"}
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
