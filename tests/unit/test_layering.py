"""Imports point one way, functions start fast, and the state machine knows the name of every raised error."""

import ast
import builtins
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from local.checks import architecture
from routing_weights import errors
from routing_weights.adapters.aws import client as aws

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers/core"
PACKAGE = LAYER / "routing_weights"
FUNCTIONS = {path.parent.name: path for path in sorted((ROOT / "functions").glob("*/app.py"))}

PURE = ["domain", "projection"]
CLOUD = {"boto3", "botocore", "requests", "aws_lambda_powertools"}


CEILINGS = {
    "approvals": 465,
    **dict.fromkeys(["draw", "patrol", "recover", "sweep", "webhook"], 295),
    **dict.fromkeys(["audit", "outcomes"], 300),
    "validate": 311,
    "fleets": 460,
    "notify": 430,
    "authorize": 395,
    "desk": 450,
    "outgoing": 415,
    **dict.fromkeys(["rotate", "token"], 395),
    **dict.fromkeys(
        ["advance", "calibrate", "correct", "drift", "patch", "restore", "schedules", "standings", "verify"], 450
    ),
    "plans": 470,
    "project": 466,
    **dict.fromkeys(["directory", "shares"], 577),
    **dict.fromkeys(["checkpoint", "evidence"], 445),
    "suggest": 595,
}
"""Modules after `import app`: all that a function loads, except what is RARE. A count that is much lower deserves a new
number."""


def sources():
    return [*sorted(PACKAGE.rglob("*.py")), *files_of("*")]


def files_of(function):
    return sorted(path for folder in (ROOT / "functions").glob(function) for path in folder.rglob("*.py"))


@cache
def parsed(path):
    return ast.parse(path.read_text())


@cache
def nodes(path):
    return tuple(ast.walk(parsed(path)))


def module_name(path):
    parts = path.relative_to(LAYER).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def path_of(name):
    path = LAYER / Path(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def imports(path):
    """Return the full names that a file imports, at its top or inside a function."""
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides a layer"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@cache
def imports_for_types(path):
    """Return the full names that a file imports for annotations only."""
    guarded = [node for node in nodes(path) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    found = [each for node in guarded for each in ast.walk(node) if isinstance(each, ast.ImportFrom)]
    return {node.module for node in found} | {f"{node.module}.{alias.name}" for node in found for alias in node.names}


@cache
def modules_of(folder=""):
    return sorted(module_name(path) for path in (PACKAGE / folder).rglob("*.py"))


def ours(names):
    """Return the modules of the package among imported names."""
    return set(names) & set(modules_of()) - {"routing_weights"}


def in_layer(name, *layers):
    return any(name == f"routing_weights.{layer}" or name.startswith(f"routing_weights.{layer}.") for layer in layers)


def python(code, cwd=ROOT):
    """Return the JSON that a fresh interpreter prints. It sees the layer and the installed packages, but not pytest."""
    environment = os.environ | {"PYTHONPATH": str(LAYER), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# ---- one way ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for folder in PURE for name in modules_of(folder)])
def test_a_pure_module_imports_neither_cloud_nor_http_nor_a_layer_above(name):
    names = imports(path_of(name))
    assert not {name.split(".")[0] for name in names} & CLOUD
    assert {found for found in ours(names) if not in_layer(found, "errors", *PURE)} == set()


def test_pure_modules_import_where_cloud_and_http_are_missing():
    code = f"""
import importlib, json, sys
for name in {sorted(CLOUD)!r}:
    sys.modules[name] = None
for name in {[name for folder in PURE for name in modules_of(folder)]!r}:
    importlib.import_module(name)
print(json.dumps("ok"))
"""
    assert python(code) == "ok"


def clocks(path):
    """Return the calls of a file that read a clock or sleep."""
    for node in nodes(path):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            yield from ("time" for name in names if name == "time")
        elif isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
            yield ast.unparse(node)


@pytest.mark.parametrize("name", [name for folder in PURE for name in modules_of(folder)])
def test_a_pure_module_has_no_clock_of_its_own(name):
    assert list(clocks(path_of(name))) == []


@pytest.mark.parametrize("name", modules_of("application"))
def test_a_use_case_sees_the_world_through_ports_only(name):
    names = imports(path_of(name))
    assert not {name.split(".")[0] for name in names} & (CLOUD - {"aws_lambda_powertools"})
    assert {found for found in ours(names) if in_layer(found, "adapters", "bootstrap", "api", "charts")} == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_gets_its_adapters_from_bootstrap(function):
    names = {name for path in files_of(function) for name in imports(path) - imports_for_types(path)}
    assert not {name.split(".")[0] for name in names} & (CLOUD - {"aws_lambda_powertools"})
    assert {found for found in ours(names) if in_layer(found, "adapters")} == set()


@pytest.mark.parametrize("name", modules_of("api"))
def test_the_api_gets_its_adapters_from_bootstrap(name):
    assert {found for found in ours(imports(path_of(name))) if in_layer(found, "adapters")} == set()


def test_bootstrap_wires_use_cases_and_knows_no_route():
    names = {name for path in (PACKAGE / "bootstrap").glob("*.py") for name in ours(imports(path))}
    assert {name for name in names if in_layer(name, "api", "charts")} == set()


@pytest.mark.parametrize("layer", ["adapters.aws", "adapters.genesys", "adapters.http"])
def test_an_adapter_knows_nothing_of_the_layers_above_and_of_its_neighbours(layer):
    above = {"application", "api", "charts", "bootstrap", "adapters.aws", "adapters.genesys"} - {layer}
    for path in sorted((PACKAGE / layer.replace(".", "/")).rglob("*.py")):
        assert {name for name in ours(imports(path)) if in_layer(name, *above)} == set(), path


def test_only_the_contracts_read_their_own_notes_on_queues_and_members():
    own = PACKAGE / "adapters/genesys"
    readers = {
        path
        for path in [*PACKAGE.rglob("*.py"), *FUNCTIONS.values()]
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr == "native" and not path.is_relative_to(own)
    }
    # The queue stores them, and a restoration hands those of the before-image to the contract.
    assert readers <= {PACKAGE / "domain/queue.py", PACKAGE / "domain/restore.py"}


def test_nothing_in_the_layer_imports_a_function():
    assert not {name for path in PACKAGE.rglob("*.py") for name in imports(path) if name.split(".")[0] == "app"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_never_import_each_other(function):
    others = {"app", "functions", *FUNCTIONS} - {function}  # its own package may have its name
    assert not {name.split(".")[0] for path in files_of(function) for name in imports(path)} & others


def test_the_imports_of_the_package_have_no_circle():
    needs = {module_name(path): ours(imports(path)) for path in PACKAGE.rglob("*.py")}
    while free := [name for name, others in needs.items() if not others & (needs.keys() - {name})]:
        for name in free:
            del needs[name]
    assert needs == {}


# ---- a fast start ----------------------------------------------------------------------------------------------------

RARE = {
    "routing_weights.charts.projection": "a picture is drawn for whoever asks for one",
    "routing_weights.domain.schedule.occasion": "only a schedule's input needs a calendar",
    "routing_weights.domain.fleet": "Validate reads a fleet's lines, and loads it in its init phase",
    "routing_weights.domain.decision": "doors and Validate read it for a revert",
    "routing_weights.domain.chain": "whoever only reads records hashes nothing",
    "routing_weights.domain.restore": "Audit reads it after a failure",
    "routing_weights.adapters.*.approvals_table": "few runs need approval, and fewer are stopped while they wait",
    "routing_weights.domain.actuators.*": "the actuator that was decided, and no other",
    "routing_weights.projection.attainable": "only actuator share is simulated by draws",
    "routing_weights.adapters.aws.access_table": "only a person who signed in has an entry there",
    "routing_weights.adapters.*.shares*": "only actuator share keeps its values in a table",
}
"""What a function may import after its init phase, and why."""

COLD_START = """
import json, sys, types
# boto3 is the runtime's, and not in the layer: it has no part in these numbers. simplejson is not in the layer.
own = ["boto3", "boto3.dynamodb", "boto3.dynamodb.types", "botocore", "botocore.config", "botocore.exceptions"]
for name in own:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__getattr__ = lambda _: Exception
sys.modules["simplejson"] = None
import app
# requests lists 50 modules of others under a second name.
count = len({id(module) for name, module in sys.modules.items() if module and name not in own})
print(json.dumps([sorted(sys.modules), count]))
"""


@pytest.fixture(scope="module")
def cold_starts():
    """By function: the names of the modules after `import app`, and their number."""
    with ThreadPoolExecutor() as pool:
        starts = pool.map(lambda path: python(COLD_START, cwd=path.parent), FUNCTIONS.values())
        return {name: (set(loaded), count) for name, (loaded, count) in zip(FUNCTIONS, starts, strict=True)}


@pytest.fixture(scope="module")
def loaded(cold_starts):
    return {function: names for function, (names, _) in cold_starts.items()}


@cache
def late_imports(path):
    """Return the modules that the functions of a file import when they are called."""
    found = set()
    for function in (node for node in nodes(path) if isinstance(node, ast.FunctionDef)):
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module)
    return found


def wiring_of(function):
    return PACKAGE / f"bootstrap/{function}.py"


def services_of(path):
    """Return the names of AWS services in the calls `client("...")` or `prepare("...")` of a file."""
    calls = [node for node in nodes(path) if isinstance(node, ast.Call)]
    named = [node for node in calls if ast.unparse(node.func) in {"client", "prepare"}]
    return {arg.value for node in named for arg in node.args if isinstance(arg, ast.Constant)}


def test_every_function_has_a_ceiling():
    assert CEILINGS.keys() == FUNCTIONS.keys()


@pytest.mark.parametrize("function", CEILINGS)
def test_importing_a_function_stays_below_its_ceiling(cold_starts, function):
    _, count = cold_starts[function]
    assert count <= CEILINGS[function]


@pytest.mark.parametrize("function", CEILINGS)
def test_a_function_loads_its_own_wiring_and_that_of_no_other(loaded, function):
    wirings = {f"routing_weights.bootstrap.{name}" for name in FUNCTIONS}
    assert loaded[function] & wirings == {f"routing_weights.bootstrap.{function}"}


@pytest.mark.parametrize("function", CEILINGS)
def test_the_first_event_of_a_function_imports_nothing_but_what_is_rare(loaded, function):
    modules = [name for name in ours(loaded[function]) | {"app"} if name != "routing_weights"]
    files = [FUNCTIONS[function] if name == "app" else path_of(name) for name in modules]
    late = {name for path in files for name in late_imports(path)} - loaded[function]
    assert {name for name in late if not any(fnmatch(name, pattern) for pattern in RARE)} == set()


def test_only_the_rare_imports_are_in_the_list():
    late = {name for path in sources() for name in late_imports(path)}
    assert {pattern for pattern in RARE if not any(fnmatch(name, pattern) for name in late)} == set()


@pytest.mark.parametrize("function", CEILINGS)
def test_a_function_prepares_the_clients_of_its_adapters(loaded, function):
    adapters = [path_of(name) for name in ours(loaded[function]) if in_layer(name, "adapters.aws")]
    assert services_of(wiring_of(function)) == {service for path in adapters for service in services_of(path)}


def test_clients_are_made_in_the_init_phase_of_a_function_and_nowhere_else(monkeypatch):
    made = []
    monkeypatch.setattr(aws, "client", lambda service, _patience: made.append(service))
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)
    aws.prepare("s3", "dynamodb")
    assert made == []
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    aws.prepare("s3", "dynamodb")
    assert made == ["s3", "dynamodb"]


@pytest.mark.parametrize(
    "function", ["validate", "audit", "draw", "outcomes", "plans", "recover", "schedules", "sweep", "webhook"]
)
def test_a_function_that_does_not_talk_to_genesys_imports_no_http_client(loaded, function):
    assert "requests" not in loaded[function]


# ---- errors ----------------------------------------------------------------------------------------------------------

OURS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
BUILTIN = {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)}


@cache
def raised(path):
    """Return what a file raises: names of classes, and of functions that make errors."""
    return frozenset(_raised(nodes(path)))


def _raised(nodes):
    made_before = {
        target.id: node.value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    caught = {node.name for node in nodes if isinstance(node, ast.ExceptHandler)}
    kept = {  # raised again after its handler
        target.id
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in caught
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in nodes:
        if not isinstance(node, ast.Raise) or node.exc is None:
            continue
        if isinstance(node.exc, ast.Name) and node.exc.id in kept:
            continue
        exc = made_before.get(node.exc.id, node.exc) if isinstance(node.exc, ast.Name) else node.exc
        made = exc.func if isinstance(exc, ast.Call) else exc
        for part in [made.body, made.orelse] if isinstance(made, ast.IfExp) else [made]:
            yield part.attr if isinstance(part, ast.Attribute) else part.id


@cache
def signals(path):
    """Return the private exceptions that a file both raises and catches."""
    handlers = [node for node in nodes(path) if isinstance(node, ast.ExceptHandler)]
    caught = {handler.type.id for handler in handlers if isinstance(handler.type, ast.Name)}
    return {
        node.name
        for node in nodes(path)
        if isinstance(node, ast.ClassDef) and node.name.startswith("_") and node.name in caught & raised(path)
    }


@cache
def makers():
    """Return the functions whose annotation returns one of our errors or a builtin, or None."""
    return {
        node.name
        for path in sources()
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef)
        and node.returns
        and ast.unparse(node.returns).removesuffix(" | None") in OURS | BUILTIN
    }


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_everything_raised_is_defined_in_errors_or_a_builtin(path):
    # A validator may raise pydantic's own error, which gives a problem its kind and never leaves the model.
    assert raised(path) <= OURS | BUILTIN | makers() | signals(path) | {"PydanticCustomError"}


def test_no_error_is_defined_anywhere_else():
    for path in sources():
        if path.name != "errors.py":
            own = signals(path)
            classes = [node for node in nodes(path) if isinstance(node, ast.ClassDef) and node.name not in own]
            bases = {ast.unparse(base).split(".")[-1] for node in classes for base in node.bases}
            assert not bases & (OURS | BUILTIN), path


def test_every_error_is_a_direct_subclass_of_our_base():
    assert {cls.__name__ for cls in errors.RoutingWeightsError.__subclasses__()} == OURS - {"RoutingWeightsError"}


def test_every_error_is_raised_somewhere():
    everywhere = {name for path in sources() for name in raised(path)}
    returned = {node.func.id for path in sources() for node in nodes(path)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
    assert OURS - everywhere - returned - {"RoutingWeightsError"} == set()


# ---- the picture -----------------------------------------------------------------------------------------------------


def test_no_folder_imports_against_the_direction_of_the_picture():
    found = {edge for edge in architecture.edges() if edge[0] not in architecture.FOR_ALL}
    assert {folder for folder, _ in found} == {name for row in architecture.ROWS for name, _ in row}
    assert {edge for edge in found if not architecture.is_allowed(*edge)} == set()


def test_the_picture_of_the_folders_shows_their_imports():
    drawn = (ROOT / "docs/architecture.svg").read_text(encoding="utf-8")
    assert drawn == architecture.picture(), "docs/architecture.svg is old: make pictures"


def test_an_import_of_an_adapter_by_a_function_or_of_bootstrap_by_a_use_case_is_against_the_direction():
    assert not architecture.is_allowed("functions", "adapters")
    assert not architecture.is_allowed("application", "bootstrap")
    assert not architecture.is_allowed("application", "adapters")
    assert architecture.is_allowed("adapters", "errors")
