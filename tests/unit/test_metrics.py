"""The metrics of the embedded stack: what functions print, by the minute."""

import json

import pytest
from aws_lambda_powertools import Metrics as Powertools

from local.stack.errors import StackError
from local.stack.metrics import KEPT_MINUTES, Metrics, Series, Values, embedded, statistic

OURS = Series.of("RoutingWeights", "Drawn", {"service": "routing-weights"})


def printed(capsys, names, at_ms=None):
    """What Powertools prints for these metrics."""
    powertools = Powertools(namespace="RoutingWeights", service="routing-weights")
    for name, value in names:
        powertools.add_metric(name, "Count", value)
    if at_ms:
        powertools.set_timestamp(at_ms)
    powertools.flush_metrics()
    return capsys.readouterr().out


def test_what_powertools_prints_is_read_with_its_dimensions(capsys):
    line = printed(capsys, [("Drawn", 1), ("Drawn", 2), ("DrawFailed", 0)])
    read = [(series, value) for series, value, _ in embedded(json.loads(line))]
    assert read == [(OURS, 1.0), (OURS, 2.0), (OURS._replace(name="DrawFailed"), 0.0)]


def test_a_log_is_read_once_and_a_half_written_line_when_it_is_whole(tmp_path, capsys):
    log, line = tmp_path / "log", printed(capsys, [("Drawn", 1)])
    metrics, half = Metrics(log), len(line) // 2
    log.write_text(f'START\n{{"message": "quotes \\"_aws\\" only"}}\n{line}{line[:half]}')
    metrics.collect()
    metrics.collect()
    assert sum(metrics.minutes()[OURS].values(), Values()) == {1.0: 1}
    with log.open("a") as more:
        more.write(line[half:])
    metrics.collect()
    assert sum(metrics.minutes()[OURS].values(), Values()) == {1.0: 2}


def test_a_series_is_kept_by_the_minute_and_forgotten_in_time(tmp_path):
    (tmp_path / "log").touch()
    now = [600.0]
    metrics = Metrics(tmp_path / "log", clock=lambda: now[0])
    metrics.put("N", "Errors", {"FunctionName": "F"})
    now[0] += 59
    metrics.put("N", "Errors", {"FunctionName": "F"}, 3)
    series = Series.of("N", "Errors", {"FunctionName": "F"})
    assert metrics.between(series, 10, 11) == {1: 1, 3: 1}
    assert metrics.between(series, 11, 12) == metrics.between(series._replace(dimensions=()), 0, 99) == {}
    now[0] += 60 * KEPT_MINUTES
    metrics.put("N", "Errors", {"FunctionName": "F"})
    assert list(metrics.minutes()[series]) == [10 + KEPT_MINUTES]


def test_a_gauge_is_asked_at_each_collection(tmp_path):
    (tmp_path / "log").touch()
    metrics, depths = Metrics(tmp_path / "log", clock=lambda: 0), [4.0, 7.0]
    metrics.watch(lambda: [(OURS, depths.pop())])
    metrics.collect()
    metrics.collect()
    assert metrics.between(OURS, 0, 1) == {4.0: 1, 7.0: 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [("Sum", 203), ("Minimum", 1), ("Maximum", 100), ("Average", 2.03), ("SampleCount", 100), ("p99", 3), ("p50", 1)],
)
def test_a_statistic(name, value):
    assert statistic(name, Values({100: 1, 1: 97, 3: 2})) == value


def test_an_unknown_statistic_is_refused():
    with pytest.raises(StackError, match="tm95"):
        statistic("tm95", Values({1: 1}))
