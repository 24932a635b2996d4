"""The dashboard, the alarms and the page on metrics name what the code emits, under the dimensions that it emits."""

import ast
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from routing_weights.api.draws import METRICS, REFUSED
from routing_weights.domain.restore import Restoration
from routing_weights.domain.status import Status
from tests.template.test_template import ALARMS, ROOT, TEMPLATE

COMPUTED = {
    "functions/audit/app.py: metric.name": [],  # those of application/close.py
    "functions/draw/app.py: metric": [*METRICS.values(), REFUSED],
    "functions/correct/app.py: f'Correction{outcome.title()}'": ["CorrectionSkipped", "CorrectionFailed"],
    "layers/core/routing_weights/application/close.py: outcome.status.metric": [
        status.metric for status in Status if status.terminal
    ],
    "layers/core/routing_weights/application/close.py: f'Restore{record.restore.outcome.title().replace('_', '')}'": [
        f"Restore{outcome.title().replace('_', '')}" for outcome in get_args(Restoration.__annotations__["outcome"])
    ],
}
"""The metrics whose name is computed where they are counted."""
OF_AWS = {
    "AWS/Lambda": {"FunctionName": "AWS::Serverless::Function"},
    "AWS/SQS": {"QueueName": "AWS::SQS::Queue"},
    "AWS/States": {"StateMachineArn": "AWS::Serverless::StateMachine"},
}
"""By namespace: the dimensions, and the type of the resource that each names."""


def counted():
    """The names in all calls of `add_metric` and `Metric`: literal ones, and where they are computed."""
    literal, computed = set(), set()
    for path in [*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers/core/routing_weights").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr="add_metric") | ast.Name(id="Metric"), args=[name, *_]):
                    if isinstance(name, ast.Constant):
                        literal.add(name.value)
                    else:
                        text = ast.unparse(name).replace('"', "'")  # the versions of Python quote differently
                        computed.add(f"{path.relative_to(ROOT)}: {text}")
    return literal, computed


LITERAL, _COMPUTED = counted()
EMITTED = LITERAL.union(*COMPUTED.values())


def shown():
    """Each metric of the dashboard: namespace, name, and dimensions."""
    text = TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for widget in json.loads(text)["widgets"]:
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], str):
                names = [part for part in metric if isinstance(part, str)]
                yield names[0], names[1], dict(zip(names[2::2], names[3::2], strict=True))


def watched():
    """The same of each metric of an alarm, with its references as in the dashboard."""
    for alarm in ALARMS.values():
        properties = alarm["Properties"]
        parts = [item["MetricStat"]["Metric"] for item in properties.get("Metrics", []) if "MetricStat" in item]
        for metric in parts or [properties]:
            dimensions = {item["Name"]: reference(item["Value"]) for item in metric["Dimensions"]}
            yield metric["Namespace"], metric["MetricName"], dimensions


def reference(value):
    match value:
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"${{{resource}.{attribute}}}"
    return value


def test_every_metric_with_a_computed_name_is_known():
    assert COMPUTED.keys() == _COMPUTED


@pytest.mark.parametrize(
    "metric", [*shown(), *watched()], ids=lambda metric: f"{metric[1]}-{next(iter(metric[2].values()))}"
)
def test_a_metric_that_is_shown_or_watched_is_emitted(metric):
    namespace, name, dimensions = metric
    if namespace == "RoutingWeights":
        assert name in EMITTED
        assert dimensions == {"service": "${AWS::StackName}"}
        return
    assert dimensions.keys() == OF_AWS[namespace].keys()
    for dimension, value in dimensions.items():
        resource = re.fullmatch(r"\$\{(\w+)(?:\.QueueName)?\}", value)[1]
        assert TEMPLATE["Resources"][resource]["Type"] == OF_AWS[namespace][dimension]
        assert value.endswith(".QueueName}") == (namespace == "AWS/SQS"), "a Ref of a queue is its URL"


def test_the_dimension_of_our_metrics_is_the_stack():
    """Two stacks in one account must not raise each other's alarms."""
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "RoutingWeights"


def test_the_dashboard_shows_every_outcome_and_every_metric_of_ours():
    assert {name for namespace, name, _ in shown() if namespace == "RoutingWeights"} == EMITTED


def test_the_page_explains_every_metric():
    page = (ROOT / "docs/operate/observability.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)
    explained = set(re.findall(r"`(\w+)`", " ".join(rows)))
    ours = {name for name in EMITTED if not name.startswith("Distribution")} | {"DistributionLatency"}
    assert explained == ours, "an outcome is explained with its status"


def test_the_widgets_do_not_overlap():
    text = TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    places = [(each["x"], each["y"]) for each in json.loads(text)["widgets"]]
    assert len(set(places)) == len(places)
    assert all((each["width"], each["height"]) == (8, 6) for each in json.loads(text)["widgets"])


def test_functions_and_state_machines_are_traced_without_the_sdk():
    assert TEMPLATE["Globals"]["Function"]["Tracing"] == "Active"
    machines = [item for item in TEMPLATE["Resources"].values() if item["Type"] == "AWS::Serverless::StateMachine"]
    assert machines
    assert all(machine["Properties"]["Tracing"] == {"Enabled": True} for machine in machines)
    locked = Path(ROOT / "layers/core/requirements.txt").read_text(encoding="utf-8")
    assert "aws-xray-sdk" not in locked
