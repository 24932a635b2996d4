"""The alarms of the embedded stack fire as CloudWatch's do."""

import pytest

from local.stack.alarms import alarm_of
from local.stack.errors import StackError
from local.stack.metrics import Series, Values
from local.stack.template import Resource

FAILED = Series.of("N", "Failed", {"F": "f"})
NOW = 3600.0


def alarm(**changes):
    properties = {
        "AlarmDescription": "A draw failed.",
        "Namespace": "N",
        "MetricName": "Failed",
        "Dimensions": [{"Name": "F", "Value": "f"}],
        "Statistic": "Sum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 2,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    } | changes
    kept = {name: value for name, value in properties.items() if value is not None}
    return alarm_of(Resource("DrawsFailAlarm", "DrawsFailAlarm", "AWS::CloudWatch::Alarm", kept))


def math(expression, *names, **changes):
    parts = [
        {
            "Id": name,
            "ReturnData": False,
            "MetricStat": {
                "Metric": {"Namespace": "N", "MetricName": name, "Dimensions": [{"Name": "F", "Value": "f"}]},
                "Period": 300,
                "Stat": "Sum",
            },
        }
        for name in names
    ]
    simple = dict.fromkeys(("Namespace", "MetricName", "Dimensions", "Statistic", "Period"))
    return alarm(**simple, Metrics=[{"Id": "sum", "Expression": expression}, *parts], **changes)


def put(*points, series=FAILED):
    """Read values that were put: (minutes before the one of NOW, value)."""

    def read(asked, start, end):
        if asked != series:
            return Values()
        return Values(value for ago, value in points if start <= NOW // 60 - ago < end)

    return read


@pytest.mark.parametrize(
    ("points", "state"),
    [
        ([(0, 2)], "ALARM"),
        ([(0, 1), (4, 1)], "ALARM"),
        ([(0, 1), (5, 1)], "OK"),
        ([(0, 1)], "OK"),
        ([], "OK"),
    ],
)
def test_an_alarm_sums_a_period(points, state):
    assert alarm().evaluate(put(*points), NOW).state == state


@pytest.mark.parametrize(
    ("missing", "state"), [("notBreaching", "OK"), ("breaching", "ALARM"), ("missing", "INSUFFICIENT_DATA")]
)
def test_missing_data_is_treated_as_the_alarm_says(missing, state):
    assert alarm(TreatMissingData=missing).evaluate(put(), NOW).state == state


@pytest.mark.parametrize(
    "other",
    [
        Series.of("N", "Failed", {}),
        Series.of("N", "Failed", {"F": "f", "G": "g"}),
        Series.of("N", "Failed", {"F": "other"}),
        Series.of("N", "failed", {"F": "f"}),
        Series.of("n", "Failed", {"F": "f"}),
    ],
)
def test_a_metric_under_another_name_or_other_dimensions_is_another_metric(other):
    assert alarm().evaluate(put((0, 9), series=other), NOW).state == "OK"


def test_two_of_three_periods():
    some = alarm(EvaluationPeriods=3, DatapointsToAlarm=2)
    assert some.evaluate(put((0, 2), (11, 2)), NOW).state == "ALARM"
    assert some.evaluate(put((0, 2), (16, 2)), NOW).state == "OK"
    assert alarm(EvaluationPeriods=3).evaluate(put((0, 2), (6, 2)), NOW).state == "OK"
    assert alarm(EvaluationPeriods=3).evaluate(put((0, 2), (6, 2), (14, 2)), NOW).values == (2, 2, 2)


def test_metric_math_fills_what_is_missing():
    counted = math("FILL(Failed, 0) + FILL(Refused, 0)", "Failed", "Refused")
    assert counted.evaluate(put((0, 2)), NOW) == counted.evaluate(put((0, 2), series=_named("Refused")), NOW)
    assert counted.evaluate(put((0, 2)), NOW).state == "ALARM"
    assert math("Failed + Refused", "Failed", "Refused").evaluate(put((0, 2)), NOW).values == (None,)
    assert math("100 * Failed / Refused", "Failed", "Refused").evaluate(put((0, 2)), NOW).values == (None,)


def _named(name):
    return FAILED._replace(name=name)


@pytest.mark.parametrize(
    "build",
    [
        lambda: alarm(TreatMissingData="ignore"),
        lambda: alarm(Period=10),
        lambda: alarm(Unit="Count"),
        lambda: math("IF(Failed, 1)", "Failed").evaluate(put(), NOW),
        lambda: math("Other", "Failed").evaluate(put(), NOW),
        lambda: alarm(Statistic="tm95").evaluate(put((0, 1)), NOW),
    ],
)
def test_what_the_stack_cannot_evaluate_is_refused(build):
    with pytest.raises(StackError):
        build()
