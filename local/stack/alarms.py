"""The alarms of the template, evaluated as CloudWatch does.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html. What the template does not use is
refused: a property that is ignored would make an alarm that fires here and not on AWS.
"""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from local.stack.errors import StackError
from local.stack.metrics import MINUTE_S, Series, statistic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.stack.metrics import Values
    from local.stack.template import Resource

    Read = Callable[[Series, int, int], Values]
    """Returns the values of a series between two minutes: see Metrics.between."""

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_MISSING: Mapping[str, bool | None] = {"breaching": True, "notBreaching": False, "missing": None}
_KNOWN = {
    *("AlarmDescription", "AlarmActions", "OKActions", "ComparisonOperator", "DatapointsToAlarm", "Dimensions"),
    *("EvaluationPeriods", "ExtendedStatistic", "MetricName", "Metrics", "Namespace", "Period", "Statistic"),
    *("Threshold", "TreatMissingData", "Metadata"),  # Metadata: of SAM CLI
}


@dataclass(frozen=True)
class Query:
    """What an alarm asks of one series, in periods of so many minutes."""

    series: Series
    stat: str
    minutes: int


@dataclass(frozen=True)
class Evaluation:
    state: State
    values: tuple[float | None, ...]
    """Of each period, the newest last. None: there was no data."""


@dataclass(frozen=True)
class Alarm:
    """An alarm of the template, by its logical id. `expression` is metric math over the ids of `queries`."""

    name: str
    description: str
    queries: Mapping[str, Query]
    expression: str
    comparison: str
    threshold: float
    periods: int
    datapoints: int
    """How many of the periods must breach."""
    missing: str

    @property
    def minutes(self) -> int:
        """The length of a period."""
        return max(query.minutes for query in self.queries.values())

    def evaluate(self, read: Read, now: float) -> Evaluation:
        """Judge the periods that end with the minute of `now`, in epoch seconds."""
        end = int(now // MINUTE_S) + 1
        starts = [end - self.minutes * (n + 1) for n in reversed(range(self.periods))]
        values = tuple(self._value(read, start) for start in starts)
        breaches = [self._breaches(value) for value in values]
        if sum(breach is True for breach in breaches) >= self.datapoints:
            return Evaluation("ALARM", values)
        unknown = all(breach is None for breach in breaches)
        return Evaluation("INSUFFICIENT_DATA" if unknown else "OK", values)

    def _value(self, read: Read, start: int) -> float | None:
        found: dict[str, float | None] = {}
        for name, query in self.queries.items():
            values = read(query.series, start, start + self.minutes)
            found[name] = statistic(query.stat, values) if values else None
        return _evaluate(ast.parse(self.expression, mode="eval").body, found, self.name)

    def _breaches(self, value: float | None) -> bool | None:
        if value is None:
            return _MISSING[self.missing]
        return _COMPARISONS[self.comparison](value, self.threshold)


def alarm_of(resource: Resource) -> Alarm:
    """Read an alarm. Raises StackError for what the embedded stack does not evaluate."""
    properties = resource.properties
    if unknown := properties.keys() - _KNOWN:
        raise StackError(f"{resource.logical_id}: the embedded stack does not know {', '.join(sorted(unknown))}")
    if properties.get("Metrics"):
        queries = {item["Id"]: _query(item["MetricStat"]) for item in properties["Metrics"] if "MetricStat" in item}
        (expression,) = (
            item.get("Expression", item["Id"]) for item in properties["Metrics"] if item.get("ReturnData", True)
        )
    else:
        stat = properties.get("Statistic") or properties["ExtendedStatistic"]
        queries, expression = {"metric": _query({"Metric": properties, "Stat": stat, **properties})}, "metric"
    if (missing := properties.get("TreatMissingData", "missing")) not in _MISSING:
        raise StackError(f"{resource.logical_id}: the embedded stack does not know TreatMissingData {missing}")
    if len({query.minutes for query in queries.values()}) != 1:
        raise StackError(f"{resource.logical_id}: the embedded stack knows one period for all metrics of an alarm")
    return Alarm(
        name=resource.logical_id,
        description=properties["AlarmDescription"],
        queries=queries,
        expression=expression,
        comparison=properties["ComparisonOperator"],
        threshold=float(properties["Threshold"]),
        periods=int(properties["EvaluationPeriods"]),
        datapoints=int(properties.get("DatapointsToAlarm", properties["EvaluationPeriods"])),
        missing=missing,
    )


def _query(stat: dict[str, Any]) -> Query:
    metric = stat["Metric"]
    dimensions = {item["Name"]: str(item["Value"]) for item in metric.get("Dimensions", [])}
    minutes, rest = divmod(int(stat["Period"]), MINUTE_S)
    if rest:
        raise StackError(f"{metric['MetricName']}: the embedded stack knows periods of whole minutes")
    return Query(Series.of(metric["Namespace"], metric["MetricName"], dimensions), stat["Stat"], minutes)


def _evaluate(node: ast.expr, found: Mapping[str, float | None], alarm: str) -> float | None:
    """Evaluate metric math: numbers, ids, + - * / and FILL(id, number). A value that is missing makes a sum missing."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in found:
            return found[name]
        case ast.Call(func=ast.Name(id="FILL"), args=[of, instead]):
            value = _evaluate(of, found, alarm)
            return _evaluate(instead, found, alarm) if value is None else value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            first, second = _evaluate(left, found, alarm), _evaluate(right, found, alarm)
            if first is None or second is None or (isinstance(op, ast.Div) and second == 0):
                return None
            return _OPERATORS[type(op)](first, second)
        case _:
            raise StackError(f"{alarm}: the embedded stack does not know the expression {ast.unparse(node)}")
