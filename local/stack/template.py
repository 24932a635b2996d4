"""template.yaml, read by SAM CLI's own providers: functions, routes, and the resources to create.

The seam to SAM CLI's template reader. Its hazards:

- A float default (`0.95`) stays an unresolved `{"Ref": ...}`, and an empty override falls back to the default.
  Every value therefore becomes the parameter's `Default`, as text.
- SAM CLI resolves a reference to the logical id, and an `Arn` to that of a function, unless the caller overrides it.
  `_attributes` has the overrides for the resources of this stack. SAM CLI then also renames a resource by its `Ref`.
"""

from __future__ import annotations

import json
import re
import uuid
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from samcli.yamlhelper import intrinsics_multi_constructor

from local.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

ACCOUNT = "123456789012"
ALARM = "AWS::CloudWatch::Alarm"
BUCKET = "AWS::S3::Bucket"
BUS = "AWS::Events::EventBus"
FUNCTION = "AWS::Serverless::Function"
KEY = "AWS::KMS::Key"
MAPPING = "AWS::Lambda::EventSourceMapping"
PERMISSION = "AWS::Lambda::Permission"
POLICY = "AWS::IAM::Policy"
QUEUE = "AWS::SQS::Queue"
QUEUE_POLICY = "AWS::SQS::QueuePolicy"
ROLE = "AWS::IAM::Role"
ROTATION = "AWS::SecretsManager::RotationSchedule"
RULE = "AWS::Events::Rule"
SCHEDULE_GROUP = "AWS::Scheduler::ScheduleGroup"
SECRET = "AWS::SecretsManager::Secret"  # noqa: S105  a type
STATE_MACHINE = "AWS::Serverless::StateMachine"
TABLE = "AWS::DynamoDB::Table"

PEOPLE_API = "PeopleApi"
CUSTOM = "Custom::"

_NO_VALUE = {"Ref": "AWS::NoValue"}
Document = dict[str, Any]

_STREAM = "2026-01-01T00:00:00.000"  # on AWS, the creation time of the stream

_CREATED = {BUCKET, BUS, KEY, QUEUE, ROTATION, RULE, SCHEDULE_GROUP, SECRET, STATE_MACHINE, TABLE}
_GRANTING = {FUNCTION, PERMISSION, POLICY, QUEUE, QUEUE_POLICY, ROLE, STATE_MACHINE}
# Nothing on this machine depends on these types. The stack reports any other unknown type as left out.
_WITHOUT_EFFECT = {
    "AWS::CloudWatch::Dashboard",
    "AWS::Logs::LogGroup",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::Serverless::HttpApi",
    "AWS::Serverless::LayerVersion",
}


@dataclass(frozen=True)
class Function:
    """A function of the template: time-out in seconds, memory in MB, and `reserved` concurrency, if any.

    `alias` names the version that was deployed last, or is None.
    """

    name: str
    arn: str
    code: Path
    handler: str
    timeout: int
    memory: int
    reserved: int | None
    environment: dict[str, str]
    layers: tuple[Path, ...]
    alias: str | None = None


@dataclass(frozen=True)
class Resource:
    """Any other resource: its logical id, its name on this machine, and its properties with references resolved."""

    logical_id: str
    name: str
    type: str
    properties: dict[str, Any]


@dataclass(frozen=True)
class EventSource:
    """A queue, by its ARN, whose messages invoke a function in batches.

    `may_loop`: the function's RecursiveLoop is Allow.
    """

    queue: str
    function: str
    batch_size: int
    reports_failures: bool
    may_loop: bool = False


@dataclass(frozen=True)
class StreamSource:
    """A table's stream, by its ARN. Records that match one of `patterns`, or all if there is none, invoke a function.

    `on_failure` is the ARN of the queue for records that the function never accepted.
    """

    stream: str
    function: str
    batch_size: int
    patterns: tuple[str, ...]
    on_failure: str | None

    @property
    def table(self) -> str:
        return self.stream.split("/")[1]


@dataclass(frozen=True)
class Regularly:
    """A function that an EventBridge rule invokes by a rate or a cron expression, in UTC."""

    function: str
    expression: str


@dataclass(frozen=True)
class Template:
    functions: tuple[Function, ...]
    resources: tuple[Resource, ...]
    mappings: tuple[EventSource | StreamSource, ...]
    regular: tuple[Regularly, ...]
    custom: tuple[Resource, ...]
    granting: tuple[Resource, ...]  # the resources with permissions: see `iam`
    alarms: tuple[Resource, ...]
    log_groups: dict[str, str]  # the function of each
    left_out: tuple[str, ...]
    parameters: dict[str, str]
    api: Any  # SAM CLI's own Api, which its gateway needs
    people: Document | None  # the definition of PeopleApi, if its condition holds


def variable_of(parameter: str) -> str:
    """Return the environment variable that sets a parameter: `MAX_RETRY_AFTER_S` for `MaxRetryAfterS`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", parameter).upper()


def declared_parameters(path: Path) -> dict[str, dict[str, Any]]:
    """Read the `Parameters` of the template, unchanged."""
    return dict(_read(path).get("Parameters", {}))


def load(path: Path, environment: Mapping[str, str], region: str) -> Template:
    """Read the template with its parameters set from `environment`.

    Raises StackError, which names the wrong variable and the constraint that it breaks.
    """
    document = _read(path)
    parameters = {name: _value(name, rule, environment) for name, rule in document.get("Parameters", {}).items()}
    for name, value in parameters.items():
        document["Parameters"][name]["Default"] = value
    conditions = document.get("Conditions", {})
    document["Resources"] = _chosen(document["Resources"], conditions, parameters)
    attributes = _attributes(document["Resources"], region)
    # SAM CLI would add its routes to those of the other API.
    people = document["Resources"].pop(PEOPLE_API, None)
    resolved, functions, api = _resolve(
        document, {"AWS::Region": region, "AWS::AccountId": ACCOUNT, "AWS::URLSuffix": "amazonaws.com"} | attributes
    )
    resources = [
        Resource(key, name, item["Type"], item.get("Properties", {}))
        for key in document["Resources"]
        for name in [attributes.get(key, {}).get("Ref", key)]
        for item in [resolved[name]]
        if _holds({"Condition": item.get("Condition")}, conditions, parameters)
    ]
    aliases = {item.logical_id: item.properties.get("AutoPublishAlias") for item in resources}
    reserved = {item.logical_id: item.properties.get("ReservedConcurrentExecutions") for item in resources}
    looping = {item.logical_id for item in resources if item.properties.get("RecursiveLoop") == "Allow"}
    return Template(
        functions=tuple(
            _function(item, path.parent, reserved[item.name], aliases[item.name], region)
            for item in functions
            if item.name in reserved
        ),
        resources=tuple(item for item in resources if item.type in _CREATED),
        mappings=tuple(_event_source(item, looping) for item in resources if item.type == MAPPING),
        regular=tuple(
            Regularly(item.logical_id, event["Properties"]["Schedule"])
            for item in resources
            if item.type == FUNCTION
            for event in item.properties.get("Events", {}).values()
            if event["Type"] == "Schedule"
        ),
        custom=tuple(item for item in resources if item.type.startswith(CUSTOM)),
        granting=tuple(item for item in resources if item.type in _GRANTING),
        alarms=tuple(item for item in resources if item.type == ALARM),
        log_groups={
            item.properties["LoggingConfig"]["LogGroup"]: item.logical_id
            for item in resources
            if item.type == FUNCTION and "LoggingConfig" in item.properties
        },
        left_out=tuple(
            f"{item.logical_id} ({item.type})"
            for item in resources
            if item.type not in {ALARM, MAPPING, *_CREATED, *_GRANTING, *_WITHOUT_EFFECT}
            and not item.type.startswith(CUSTOM)
        ),
        parameters=parameters,
        api=api,
        people=_definition(people["Properties"]["DefinitionBody"], parameters)
        if people and _holds({"Condition": people.get("Condition")}, conditions, parameters)
        else None,
    )


def _definition(value: Any, parameters: Mapping[str, str]) -> Any:
    """Return a part of an OpenAPI definition with its parameters resolved. `Fn::Sub` stays: it names a function."""
    match value:
        case {"Ref": str(name)} if name in parameters:
            return parameters[name]
        case dict():
            return {key: _definition(item, parameters) for key, item in value.items()}
        case list():
            return [_definition(item, parameters) for item in value]
    return value


def definition(machine: Resource, template: Path) -> str:
    """Return a state machine's definition as JSON text, with its substitutions."""
    properties = machine.properties
    source = (template.parent / properties["DefinitionUri"]).read_text(encoding="utf-8")
    text = json.dumps(yaml.load(source, Loader=yaml.CSafeLoader), ensure_ascii=False)
    for key, value in properties.get("DefinitionSubstitutions", {}).items():
        text = text.replace(f"${{{key}}}", str(value))
    if left := re.findall(r"\$\{\w+\}", text):
        raise StackError(f"{properties['DefinitionUri']}: DefinitionSubstitutions has no {', '.join(left)}")
    return text


class _Loader(yaml.CSafeLoader):
    """Reads what SAM CLI reads, eight times as fast."""


_Loader.add_multi_constructor("!", intrinsics_multi_constructor)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _loader, node: node.value)  # as text


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise StackError(f"there is no template at {path}")
    document: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  a safe one
    return document


def _resolve(document: dict[str, Any], overrides: dict[str, Any]) -> tuple[dict[str, Any], list[Any], Any]:
    """Let SAM CLI resolve the template: the resources, and its own Functions and Api."""
    # Imported late: the imports take a second, and a busy port is reported before that.
    from samcli.lib.providers.api_provider import ApiProvider  # noqa: PLC0415
    from samcli.lib.providers.sam_function_provider import SamFunctionProvider  # noqa: PLC0415
    from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # SAM CLI calls deprecated parts of the SAM translator
        stacks, _ = SamLocalStackProvider.get_stacks(template_dictionary=document, parameter_overrides=overrides)
        functions = list(SamFunctionProvider(stacks).get_all())
        return dict(stacks[0].resources), functions, ApiProvider(stacks, disable_authorizer=True).api


def _holds(value: Any, conditions: Mapping[str, Any], parameters: Mapping[str, str]) -> bool:
    """Return True if a condition holds, or if there is none. SAM CLI ignores the conditions of resources."""
    ((kind, of),) = value.items()
    if kind == "Condition":
        return of is None or _holds(conditions[of], conditions, parameters)
    if kind == "Fn::Equals":
        left, right = (parameters[item["Ref"]] if isinstance(item, dict) else str(item) for item in of)
        return left == right
    parts = [_holds(part, conditions, parameters) for part in of]
    return {"Fn::Not": not parts[0], "Fn::And": all(parts), "Fn::Or": any(parts)}[kind]


def _chosen(value: Any, conditions: Mapping[str, Any], parameters: Mapping[str, str]) -> Any:
    """Return a part of the template with `Fn::If` decided, and without what has no value."""
    if isinstance(value, list):
        items = (_chosen(item, conditions, parameters) for item in value)
        return [item for item in items if item != _NO_VALUE]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Fn::If"}:
        condition, *branches = value["Fn::If"]
        branch = branches[0 if _holds({"Condition": condition}, conditions, parameters) else 1]
        return _chosen(branch, conditions, parameters)
    fields = {key: _chosen(item, conditions, parameters) for key, item in value.items()}
    return {key: item for key, item in fields.items() if item != _NO_VALUE}


def _attributes(resources: dict[str, Any], region: str) -> dict[str, Any]:
    """Return `!Ref` and `!GetAtt` of each resource for which SAM CLI would return something else."""
    of_type: dict[str, Callable[[str], dict[str, str]]] = {
        BUCKET: lambda key: {"Ref": key.lower(), "Arn": f"arn:aws:s3:::{key.lower()}"},
        BUS: lambda key: {"Arn": arn("events", region, f"event-bus/{key}")},
        KEY: lambda key: {"Ref": _key_id(key), "Arn": arn("kms", region, f"key/{_key_id(key)}")},
        QUEUE: lambda key: {
            "Ref": f"https://sqs.{region}.amazonaws.com/{ACCOUNT}/{key}",
            "Arn": arn("sqs", region, key),
            "QueueName": key,
        },
        ROLE: lambda key: {"Arn": arn("iam", "", f"role/{key}")},
        RULE: lambda key: {"Arn": arn("events", region, f"rule/{key}")},
        SCHEDULE_GROUP: lambda key: {"Arn": arn("scheduler", region, f"schedule-group/{key}")},
        SECRET: lambda key: {"Ref": arn("secretsmanager", region, f"secret:{key}")},
        STATE_MACHINE: lambda key: {"Ref": arn("states", region, f"stateMachine:{key}"), "Name": key},
        TABLE: lambda key: {
            "Arn": arn("dynamodb", region, f"table/{key}"),
            "StreamArn": arn("dynamodb", region, f"table/{key}/stream/{_STREAM}"),
        },
    }
    return {key: of_type[item["Type"]](key) for key, item in resources.items() if item["Type"] in of_type}


def _key_id(logical_id: str) -> str:
    """Return the id of a KMS key, which looks like one of AWS."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, logical_id))


def role_of(name: str) -> str:
    """Return the name of the role that SAM makes for a function, a state machine, or one of its events."""
    return f"{name}Role"


def arn(service: str, region: str, resource: str) -> str:
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


def _event_source(mapping: Resource, looping: set[str]) -> EventSource | StreamSource:
    properties = mapping.properties
    source, function = properties["EventSourceArn"], named_by(properties["FunctionName"])
    batch_size = int(properties.get("BatchSize", 10))
    if ":dynamodb:" in source:
        filters = properties.get("FilterCriteria", {}).get("Filters", [])
        patterns = tuple(rule["Pattern"] for rule in filters)
        on_failure = properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        return StreamSource(source, function, batch_size, patterns, on_failure)
    reports = "ReportBatchItemFailures" in properties.get("FunctionResponseTypes", [])
    return EventSource(source, function, batch_size, reports, function in looping)


def named_by(arn: str) -> str:
    """Return the name at the end of the ARN of a function or a queue."""
    return arn.rpartition(":")[2]


def _function(item: Any, folder: Path, reserved: int | None, alias: str | None, region: str) -> Function:
    environment = (item.environment or {}).get("Variables", {})
    if unresolved := [key for key, value in environment.items() if isinstance(value, dict | list)]:
        raise StackError(f"{item.name}: SAM CLI could not resolve {', '.join(unresolved)}")
    return Function(
        name=item.name,
        arn=arn("lambda", region, f"function:{item.name}"),
        code=folder / item.codeuri,
        handler=item.handler,
        timeout=int(item.timeout or 3),
        memory=int(item.memory or 128),
        reserved=reserved,
        environment={key: str(value) for key, value in environment.items()},
        layers=tuple(folder / layer.codeuri for layer in item.layers),
        alias=alias,
    )


def _value(name: str, rule: dict[str, Any], environment: Mapping[str, str]) -> str:
    variable = variable_of(name)
    value = environment.get(variable, "")
    if not value:
        if "Default" not in rule:
            raise StackError(f"{variable} must be set: {rule.get('Description', name)}")
        return str(rule["Default"])
    if constraint := _broken(rule, value):
        raise StackError(f"{variable} {constraint}")
    return value


def _broken(rule: dict[str, Any], value: str) -> str | None:
    """Return the constraint that a value breaks."""
    if allowed := rule.get("AllowedValues"):
        options = [str(option) for option in allowed]
        return None if value in options else f"must be one of {', '.join(options)}"
    if rule["Type"] == "Number":
        low, high = float(rule.get("MinValue", "-inf")), float(rule.get("MaxValue", "inf"))
        try:
            within = low <= float(value) <= high
        except ValueError:
            within = False
        return None if within else f"must be a number from {rule.get('MinValue')} to {rule.get('MaxValue')}"
    if "AllowedPattern" in rule and not re.fullmatch(rule["AllowedPattern"], value):
        return str(rule.get("ConstraintDescription") or f"must match {rule['AllowedPattern']}")
    return None
