"""The seams that make moto faster answer as moto does."""

import json
import sys
import threading
from datetime import UTC, datetime

import pytest
from moto.core.serialize import (
    AttributePickerContext,
    BaseJSONSerializer,
    JSONSerializer,
    TimestampSerializer,
    XFormedAttributePicker,
)
from moto.core.utils import get_service_model
from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.stepfunctions.parser import utils

from local.stack import moto_seam


@pytest.fixture(autouse=True)
def _own(monkeypatch):
    """moto as it is."""
    for (owner, name), original in moto_seam._originals.items():
        monkeypatch.setattr(owner, name, original)


@pytest.fixture
def replaced(monkeypatch):
    """Replace a method of moto as `install` does, and return moto's own."""

    def replace(owner, name, ours):
        original = moto_seam._originals.get((owner, name), getattr(owner, name))
        monkeypatch.setitem(moto_seam._originals, (owner, name), original)
        monkeypatch.setattr(owner, name, ours)
        return original

    return replace


class Execution:
    """A result whose class has the name of a prefix."""


def members(shape):
    for key, member in shape.members.items():
        member.parent = shape
        yield key, member
        if member.type_name == "structure":
            yield from members(member)


@pytest.mark.parametrize("service", ["dynamodb", "stepfunctions", "sqs", "secretsmanager", "scheduler", "events"])
def test_a_member_of_a_result_is_looked_for_under_the_same_names(replaced, service):
    original = replaced(XFormedAttributePicker, "get_possible_keys", moto_seam._possible_keys)
    model, picker, asked = get_service_model(service), XFormedAttributePicker(), 0
    shapes = [model.operation_model(name).output_shape for name in model.operation_names]
    for _ in range(2):
        for shape in filter(None, shapes):
            for key, member in members(shape):
                for result in ({}, Execution()):
                    context = AttributePickerContext(result, key, member, service_model=model)
                    assert picker.get_possible_keys(context) == tuple(dict.fromkeys(original(picker, context)))
                    asked += 1
    assert asked > 50


ATTRIBUTES = {
    "id": {"S": "é"},
    "n": {"N": "1.5"},
    "flag": {"BOOL": True},
    "nothing": {"NULL": True},
    "names": {"SS": ["a", "bc"]},
    "list": {"L": [{"S": "a"}, {"M": {"deep": {"L": [{"N": "1"}]}}}]},
    "map": {"M": {"a": {"S": "b"}, "c": {"M": {"d": {"B": "ZQ=="}}}}},
}


def test_an_item_has_the_size_and_the_attributes_that_moto_gives_it(replaced):
    theirs = Item(DynamoType(ATTRIBUTES["id"]), None, ATTRIBUTES)
    sizes = {name: value.size() for name, value in theirs.attrs.items()}
    replaced(Item, "__init__", moto_seam._make_item)
    replaced(DynamoType, "size", moto_seam._size)
    ours = Item(DynamoType(ATTRIBUTES["id"]), None, ATTRIBUTES)
    assert ours.to_json() == theirs.to_json()
    assert {name: value.size() for name, value in ours.attrs.items()} == sizes
    ours.attrs["more"] = DynamoType({"S": "x" * 300_000})
    with pytest.raises(ItemSizeTooLarge):
        ours.attrs["most"] = DynamoType({"S": "x" * 200_000})


@pytest.mark.parametrize(("size", "fits"), [(404_997, True), (404_998, False)])
def test_an_item_is_too_large_by_the_byte(replaced, size, fits):
    replaced(Item, "__init__", moto_seam._make_item)
    attributes = {"id": {"S": "x" * (size - 100)}, "b": {"S": "y" * 100}}
    if fits:
        assert Item(DynamoType({"S": "a"}), None, attributes).size() == 405_000
    else:
        with pytest.raises(ItemSizeTooLarge):
            Item(DynamoType({"S": "a"}), None, attributes)


def test_attributes_are_written_as_moto_writes_them(replaced):
    operation = get_service_model("dynamodb").operation_model("Query")
    item = Item(DynamoType(ATTRIBUTES["id"]), None, ATTRIBUTES | {"bytes": {"B": b"\xff"}, "none": {"M": {}}})

    def written():
        serializer = JSONSerializer(operation_model=operation, value_picker=XFormedAttributePicker())
        result = {"Items": [item.to_json()["Attributes"]], "Count": 1, "ConsumedCapacity": None}
        return serializer.serialize(result)

    theirs = written()
    replaced(BaseJSONSerializer, "_serialize_type_structure", moto_seam._serialize_structure)
    ours = written()
    assert json.loads(ours.pop("body")) == json.loads(theirs.pop("body"))
    assert ours == theirs


def test_the_events_of_a_history_are_written_as_moto_writes_them(replaced):
    operation = get_service_model("stepfunctions").operation_model("GetExecutionHistory")
    events = [
        {"id": 1, "timestamp": "2026-01-02T03:04:05.678Z", "type": "ExecutionStarted"}
        | {"previousEventId": 0, "executionStartedEventDetails": {"input": "{}", "inputDetails": {"truncated": False}}},
        {"id": 2, "timestamp": datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC), "type": "TaskFailed", "unknown": 1}
        | {"previousEventId": 1, "taskFailedEventDetails": {"error": "E", "cause": None, "resource": "invoke"}},
        {
            "id": 3,
            "timestamp": "2026-01-02T03:04:05Z",
            "type": "ExecutionAborted",
            "executionAbortedEventDetails": None,
        },
    ]

    def written():
        serializer = JSONSerializer(operation_model=operation, value_picker=XFormedAttributePicker())
        return json.loads(serializer.serialize({"events": events})["body"])

    theirs = written()
    replaced(BaseJSONSerializer, "_serialize_type_structure", moto_seam._serialize_structure)
    replaced(TimestampSerializer, "_convert_timestamp_to_str", moto_seam._timestamp)
    assert written() == theirs
    assert len(theirs["events"]) == len(events)


@pytest.mark.parametrize("names", [["id"], ["id", "map", "none of them"], ["none of them"], ["list", "n"]])
def test_attributes_are_projected_as_moto_does(replaced, names):
    item, paths = Item(DynamoType(ATTRIBUTES["id"]), None, ATTRIBUTES), [[name] for name in names]
    theirs = item.project(paths)
    replaced(Item, "project", moto_seam._project)
    assert repr(item.project(paths)) == repr(theirs)
    nested = [["map", "a"], ["list[1]"]]
    assert item.project(nested) == moto_seam._originals[Item, "project"](item, nested)


def test_no_module_of_moto_keeps_the_threads_of_executions():
    """moto's list of them is read by nobody, and would grow with each execution."""
    known = [
        module for name, module in sys.modules.items() if name.startswith("moto.") and hasattr(module, "TMP_THREADS")
    ]
    assert len(known) >= 6
    moto_seam.quicken()
    for module in known:
        if module is not utils:
            module.TMP_THREADS.append(threading.current_thread())
            assert len(module.TMP_THREADS) == 0, module.__name__
