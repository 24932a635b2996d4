"""A second deployment: every caller of a function gets the changed function, whatever has changed."""

import copy
import re

import pytest

from tests.template.translated import packaged, translated


def with_few_events(document):
    """Keep one event of each type for each function. A route takes the translator as long as a function."""
    for resource in document["Resources"].values():
        if events := resource.get("Properties", {}).get("Events"):
            by_type = {event["Type"]: (name, event) for name, event in reversed(events.items())}
            resource["Properties"]["Events"] = dict(by_type.values())
    return document


DOCUMENT = with_few_events(packaged())
FUNCTIONS = [name for name, item in DOCUMENT["Resources"].items() if item["Type"] == "AWS::Serverless::Function"]


def values(**changed):
    """Return the value of every parameter: its default, or the changed value."""
    return {name: changed.get(name, rule.get("Default", "x")) for name, rule in DOCUMENT["Parameters"].items()}


def another(parameter):
    """Return a value that the parameter accepts and that is not its default."""
    rule = DOCUMENT["Parameters"][parameter]
    if "AllowedValues" in rule:
        return next(value for value in rule["AllowedValues"] if value != rule["Default"])
    return rule["MaxValue"] if rule["Type"] == "Number" else "another"


def references(value):
    """Return the logical ids that a value refers to."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, item in value.items() if isinstance(value, dict) else ():
        if key == "Ref":
            yield item
        elif key == "Fn::GetAtt":
            yield item[0] if isinstance(item, list) else item.partition(".")[0]
        elif key == "Fn::Sub":
            yield from re.findall(r"\$\{([^.:!}]+)", item if isinstance(item, str) else item[0])
            yield from references(item)
        else:
            yield from references(item)


def resolved(value, resources, parameters):
    """Return a property with the values of parameters and the contents of layers."""
    if isinstance(value, list):
        return [resolved(item, resources, parameters) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Ref"}:
        layer = resources.get(value["Ref"], {})
        if layer.get("Type") == "AWS::Lambda::LayerVersion":
            return resolved(layer["Properties"], resources, parameters)
        return parameters.get(value["Ref"], value)
    return {key: resolved(item, resources, parameters) for key, item in value.items()}


def described(version, parameters):
    """Return the description of a version with the values of parameters. A new layer has a new logical id."""
    text = version["Properties"].get("Description", {}).get("Fn::Sub", "")
    return re.sub(r"\$\{(\w+)\}", lambda name: str(parameters.get(name[1], name[0])), text)


class Deployment:
    """The stack after a deployment, which updates the stack of the `earlier` deployment, if any."""

    def __init__(self, document, parameters, earlier=None):
        resources = translated(copy.deepcopy(document), parameters)
        self.functions = {
            name: resolved(item["Properties"], resources, parameters)
            for name, item in resources.items()
            if item["Type"] == "AWS::Lambda::Function"
        }
        of = {
            name: next(name for name in references(item["Properties"]["FunctionName"]))
            for name, item in resources.items()
            if item["Type"] == "AWS::Lambda::Version"
        }
        # CloudFormation publishes a version if its logical id or its description is new, and never changes it again.
        kept = earlier.published if earlier else {}
        self.published = {
            (name, described(resources[name], parameters)): kept.get(
                (name, described(resources[name], parameters)), self.functions[function]
            )
            for name, function in of.items()
        }
        self.versions = {name: runs for (name, _), runs in self.published.items()}
        aliases = {
            name: next(version for version in references(item["Properties"]["FunctionVersion"]))
            for name, item in resources.items()
            if item["Type"] == "AWS::Lambda::Alias"
        }
        code = self.functions | self.versions | {name: self.versions[version] for name, version in aliases.items()}
        function = {name: name for name in self.functions} | of | {name: of[one] for name, one in aliases.items()}
        self.invoked = {
            (name, function[target]): code[target]
            for name, item in resources.items()
            if name not in of and name not in aliases
            for target in references(item.get("Properties", {}))
            if target in code
        }
        """The version that runs, by the resource that refers to a function and by the function."""
        self.callers = {(resources[name]["Type"], function) for name, function in self.invoked}

    def stale(self):
        """Return the functions that some caller still gets from an earlier deployment."""
        return {function for (_, function), runs in self.invoked.items() if runs != self.functions[function]}


@pytest.fixture(scope="module")
def first():
    return Deployment(DOCUMENT, values())


def assert_it_runs(second, first, changed):
    """Assert that the deployment changes these functions, and that every caller gets the changed ones."""
    assert {name for name in second.functions if second.functions[name] != first.functions[name]} == set(changed)
    assert {function for _, function in second.invoked} == set(FUNCTIONS)
    assert second.stale() == set()
    # Lambda refuses to publish a function that has not changed, and the deployment fails.
    new = second.published.keys() - first.published.keys()
    assert {name.partition("Version")[0] for name, _ in new} == {"DrawFunction"} & set(changed)


def test_one_event_of_each_type_has_all_callers(first):
    whole = Deployment(packaged(), values())
    assert len(whole.invoked) > len(first.invoked)
    assert whole.callers == first.callers


def test_a_new_layer_reaches_every_caller(first):
    document = copy.deepcopy(DOCUMENT)
    document["Resources"]["CoreLayer"]["Properties"]["ContentUri"]["Key"] = "another"
    assert_it_runs(Deployment(document, values(), first), first, FUNCTIONS)


@pytest.mark.parametrize("parameter", DOCUMENT["Parameters"])
def test_a_new_parameter_value_reaches_every_caller(parameter, first):
    inherited = DOCUMENT["Globals"]["Function"]
    own = {name: dict(DOCUMENT["Resources"][name]["Properties"]) for name in FUNCTIONS}
    for properties in own.values():
        properties.pop("DeploymentPreference", None)  # of CodeDeploy
        properties.pop("Policies", None)  # of the role
    using = [name for name in FUNCTIONS if parameter in references([inherited, own[name]])]
    assert_it_runs(Deployment(DOCUMENT, values(**{parameter: another(parameter)}), first), first, using)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Architectures", ["x86_64"]),
        ("CodeUri", {"Bucket": "artifacts", "Key": "another"}),
        ("Description", "another"),
        ("Environment", {"Variables": {"ANOTHER": "1"}}),
        ("EphemeralStorage", {"Size": 1024}),
        ("Handler", "another.handler"),
        ("Layers", ["arn:aws:lambda:eu-central-1:123456789012:layer:another:1"]),
        ("LoggingConfig", {"LogGroup": "another"}),
        ("MemorySize", 2048),
        ("Runtime", "python3.14"),
        ("Timeout", 333),
        ("Tracing", "PassThrough"),
    ],
)
def test_a_new_function_property_reaches_every_caller(name, value, first):
    document = copy.deepcopy(DOCUMENT)
    for function in FUNCTIONS:
        document["Resources"][function]["Properties"][name] = value
    assert_it_runs(Deployment(document, values(), first), first, FUNCTIONS)


def test_the_versions_that_sam_publishes_would_stay_as_they_were():
    """SAM names a version after code, memory and the text of the environment. A new value makes no version."""
    document = copy.deepcopy(DOCUMENT)
    document["Globals"]["Function"]["AutoPublishAlias"] = "live"
    before = Deployment(document, values())
    assert before.stale() == set()
    assert "PlansFunction" in Deployment(document, values(LogLevel="DEBUG"), before).stale()
