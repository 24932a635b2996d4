"""What a new actuator needs beside its class: a test here, or mypy, names each thing that is forgotten."""

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import ClassVar, get_origin

import pytest

from routing_weights.domain import actuators
from routing_weights.domain.actuators import ACTUATORS, actuator_class, actuator_classes, names_for
from routing_weights.domain.actuators.base import Actuator
from routing_weights.domain.queue import QueueSettings
from routing_weights.domain.requirements import lacking
from routing_weights.domain.strategies import strategies
from routing_weights.errors import PlanNotApplicable
from tests.support.fakes import member, plan, queue, target
from tests.support.mechanisms import MECHANISMS

ROOT = Path(__file__).parents[2]
FILES = sorted(path.stem for path in Path(actuators.__file__).parent.glob("[!_]*.py"))
PLATFORM = names_for("platform")
SKILL = {"skill": "Queue 1"}


def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def rows(name, begins):
    """Return the rows of a page's tables that begin with this text."""
    return [line for line in page(name).splitlines() if line.startswith(f"| {begins}")]


# ---- the class -------------------------------------------------------------------------------------------------------


def test_each_named_class_is_registered_and_has_a_file_of_its_name():
    modules = [importlib.import_module(f"{actuators.__name__}.{file}") for file in FILES]
    named = {
        found.name: (module.__name__.rpartition(".")[2], found)
        for module in modules
        for found in vars(module).values()
        if inspect.isclass(found) and found.__module__ == module.__name__ and issubclass(found, Actuator)
        if hasattr(found, "name")
    }
    assert named == {name: (name, actuator_class(name)) for name in ACTUATORS}


@pytest.mark.parametrize("file", [file for file in FILES if file not in ACTUATORS])
def test_a_file_that_is_no_registered_actuator_is_a_base_of_them(file):
    assert any(kind.__module__ == f"{actuators.__name__}.{file}" for made in actuator_classes() for kind in made.mro())


@pytest.mark.parametrize("name", ACTUATORS)
def test_an_actuator_is_complete(name):
    kind = actuator_class(name)
    assert not inspect.isabstract(kind)
    facts = [
        fact
        for base in kind.mro()
        for fact, annotation in inspect.get_annotations(base).items()
        if get_origin(annotation) is ClassVar
    ]
    assert {"name", "contract", "carrier", "does_not"} <= {*facts}
    assert [fact for fact in facts if not hasattr(kind, fact)] == []


# ---- the advice ------------------------------------------------------------------------------------------------------


def advised(text):
    """Return the strategies that an advice names."""
    return re.findall(r"strategy ([\w-]+)", text)


@pytest.mark.parametrize("name", ACTUATORS)
def test_a_strategy_that_is_advised_accepts_the_actuator_and_gives_it_effect(name):
    kind = actuator_class(name)
    actuator = kind.for_weights([0.4], 1)
    advice = advised(actuator.without_effect(QueueSettings()) or "")
    assert len(advice) == len(kind.uses)
    for strategy in advice:
        assert plan(actuator=name, strategy_reference=strategy, **SKILL).actuator == name
        settings = lacking(strategies()[strategy], actuator, QueueSettings())
        assert actuator.without_effect(QueueSettings().changed(settings)) is None


@pytest.mark.parametrize("name", [kind.name for kind in actuator_classes() if "bullseye_rings" in kind.uses])
def test_the_refusal_of_a_ring_that_is_missing_advises_a_strategy_that_accepts_the_actuator(name):
    actuator = actuator_class(name).for_weights([0.4], 1)
    with pytest.raises(PlanNotApplicable) as caught:
        actuator.require_queue(queue(member("a", 1), bullseye_rings=0), target({"a": 6}))
    assert advised(caught.value.message) == advised(actuator.without_effect(QueueSettings()))


# ---- tests, samples, pages -------------------------------------------------------------------------------------------


def test_the_tests_know_the_formula_of_each_actuator():
    assert MECHANISMS.keys() == {*ACTUATORS}


@pytest.mark.parametrize("name", PLATFORM)
def test_an_actuator_of_the_platform_has_a_sample(name):
    samples = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "events").glob("plan-*.json")]
    assert name in {sample.get("actuator") or strategies()[sample["strategy_reference"]].actuator for sample in samples}


@pytest.mark.parametrize("name", ACTUATORS)
def test_an_actuator_is_explained(name):
    assert len(rows("use/weights.md", f"`{name}` |")) == 1
    assert f"\n## {name.capitalize()}\n" in page("use/weights.md")
    (meaning,) = rows("reference/glossary.md", "**actuator** |")
    assert f"`{name}`" in meaning


@pytest.mark.parametrize("name", PLATFORM)
def test_the_pages_for_administrators_say_what_an_actuator_needs_and_changes(name):
    (parameter,) = rows("administer/deploy.md", "`Actuator` |")
    assert f"`{name}`" in parameter
    assert [row for row in rows("administer/genesys-setup.md", "`routing:") if f"`{name}`" in row.split("|")[3]]
    changes = page("administer/what-changes.md")
    assert re.search(rf"^\| (`\w+`, )*`{name}`(, `\w+`)* \| ", changes, re.MULTILINE), "what is written"
    assert re.search(rf"^ +- (`\w+`, )*`{name}`(, `\w+`)*: ", changes, re.MULTILINE), "how to restore it by hand"
