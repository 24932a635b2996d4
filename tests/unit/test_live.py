"""What the embedded stack shows of itself: one line, a page, and JSON."""

import io
import json

import pytest
from werkzeug.test import Client

from local.stack.alarms import Alarm, Query
from local.stack.live import Live, Ticking, WithMetrics
from local.stack.metrics import Metrics, Series

NOW = 3_600.0
OURS = {"service": "local"}
FAILED = Series.of("AWS/Lambda", "Errors", {"FunctionName": "<b>SweepFunction"})


@pytest.fixture
def live(tmp_path):
    (tmp_path / "log").touch()
    query = Query(FAILED, "Sum", 5)
    alarm = Alarm(
        "SweepFailsAlarm", "A <run> stays.", {"m": query}, "m", "GreaterThanOrEqualToThreshold", 2, 1, 1, "notBreaching"
    )
    metrics = Metrics(tmp_path / "log", clock=lambda: NOW)
    return Live(metrics, (alarm,), clock=lambda: NOW)


def put(live, **values):
    for name, value in values.items():
        live.metrics.put("RoutingWeights", name, OURS, value)


def fail(live):
    for _ in range(2):
        live.metrics.put(FAILED.namespace, FAILED.name, dict(FAILED.dimensions))


def test_the_summary_has_outcomes_time_limits_draws_and_raised_alarms(live):
    assert live.summary() == "distributions 0"
    put(live, DistributionCompleted=1, DistributionLatency=2_400, GenesysRequests=105, GenesysThrottled=0)
    put(live, DistributionSaturationBlocked=1, Drawn=1, DriftFound=2, RestorePartial=1)
    put(live, DistributionCompleted=1)
    assert live.summary() == (
        "distributions 3 · completed 2 · saturation blocked 1 · s median 2.4 · requests to Genesys 105 · "
        "not restored 1 · drift 2 · draws 1"
    )
    fail(live)
    assert live.summary().endswith(" · ALARM SweepFails")


def test_the_document_has_every_series_by_the_minute_and_the_state_of_every_alarm(live):
    put(live, Drawn=1)
    fail(live)
    document = json.loads(json.dumps(live.document()))
    (alarm,) = document["alarms"]
    assert (alarm["name"], alarm["state"], alarm["values"]) == ("SweepFailsAlarm", "ALARM", [2.0])
    assert document["metrics"][1] == {
        "namespace": "RoutingWeights",
        "name": "Drawn",
        "dimensions": OURS,
        "minutes": {"3600": [[1, 1]]},
    }


def test_the_page_escapes_names_and_puts_raised_alarms_first(live):
    fail(live)
    put(live, DistributionCompleted=1)
    page = live.page()
    assert "<b>SweepFunction" not in page
    assert "&lt;b&gt;SweepFunction" in page
    assert "A &lt;run&gt; stays." in page
    assert "1 of 1 alarms" in page
    assert '<tr class="ALARM"><td>SweepFails<td>ALARM<td>2<td>≥ 2<td>' in page
    assert page.count("<rect ") == 2, "a bar for each series"


def test_the_page_is_served_beside_the_api_whose_requests_are_measured(live):
    def api(_environ, start_response):
        start_response("503 Service Unavailable", [])
        return [b"no"]

    client = Client(WithMetrics(api, live, "Api"))
    assert client.get("/plans").status_code == 503
    assert client.get("/metrics", headers={"Accept": "text/html"}).content_type == "text/html; charset=utf-8"
    assert client.get("/metrics", headers={"Accept": "application/json"}).json["metrics"]
    assert client.post("/metrics").status_code == 405
    counted = {series.name: dict(values[60]) for series, values in live.metrics.minutes().items()}
    assert counted["Count"] == counted["5xx"] == {1: 1}
    assert counted["4xx"] == {0: 1}, "requests for the page are not the API's"


@pytest.mark.parametrize(("is_terminal", "printed"), [(True, "\r\x1b[2K{}\n"), (False, "{}\n")])
def test_the_summary_is_printed_once_while_it_does_not_change(live, monkeypatch, is_terminal, printed):
    put(live, DistributionCompleted=1)
    out = io.StringIO()
    out.isatty = lambda: is_terminal
    ticking, waits = Ticking(live, out), iter([False, False, True])
    monkeypatch.setattr(ticking._closing, "wait", lambda _s: next(waits))
    ticking.start()
    ticking.close()
    assert out.getvalue() == printed.format("distributions 1 · completed 1")
