"""Every parser of outside input keeps its promises for hostile inputs: a small, fixed part of `make fuzz`."""

import ast
import json
import logging
import random
import sys
from collections import Counter

import pytest

from local.checks import hostile, parsers
from routing_weights.api import draws
from routing_weights.application.suggest import draft_of
from routing_weights.domain import inputs, strict_json
from routing_weights.domain.agent_events import agent_event_in
from routing_weights.domain.change_events import event_in
from routing_weights.domain.fleet_request import parse_request
from routing_weights.domain.schedule import clock
from routing_weights.errors import FleetInvalid, PlanInvalid, RoutingWeightsError, SignInExpired, WebhookInvalid

EACH = 25
"""Inputs per parser; `make fuzz` gives thousands."""


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_every_parser_in_the_code_is_fuzzed_or_reads_only_what_is_ours():
    fuzzed = {name for parser in parsers.PARSERS.values() for name in parser.covers}
    found = set(parsers.parsers_in_the_code())
    assert found - fuzzed - parsers.OURS.keys() == set(), "give it a place in local/checks/parsers.py"
    assert parsers.OURS.keys() - found == set(), "there is no such parser any more"
    assert parsers.OURS.keys() & fuzzed == set()
    for name in fuzzed:
        module, _, function = name.rpartition(".")
        text = (parsers.PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        defined = {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
        assert function in defined, f"there is no {name} any more"


@pytest.mark.parametrize("name", parsers.PARSERS)
def test_no_hostile_input_breaks_a_parser(name):
    tally = parsers.fuzz(name, EACH, seed=1)
    assert tally.found == []
    assert tally.accepted + tally.refused == EACH


def test_the_fuzzing_sees_what_it_must():
    """A parser that raises anything else, says too much, or starts something and then refuses, is found."""

    def found(read, raises=(PlanInvalid,)):
        with pytest.raises(parsers.Broken) as broken:
            parsers.judge(parsers.Parser((), None, read, raises), "x" * 3_000)
        return str(broken.value)

    def raises(error):
        def read(_given):
            raise error

        return read

    assert "KeyError" in found(raises(KeyError("x")))
    assert "is a 500" in found(raises(RoutingWeightsError("x")), (RoutingWeightsError,))
    assert "3000 characters" in found(raises(PlanInvalid("x" * 3_000)))
    assert "UTF-8" in found(raises(PlanInvalid("\ud800")))
    assert "bytes" in found(raises(PlanInvalid("x", more="y" * 200_000)))
    assert "without path" in found(raises(PlanInvalid("x", errors=[{"path": "a", "message": "b", "type": ""}])))

    def starts(door):
        door.send(event_in(json.dumps({"delivery_id": "d", "queue_id": "q", "kind": "queue"})))
        raise PlanInvalid("x")

    assert "has started" in found(lambda _given: parsers._without_effect(starts))


def test_the_inputs_are_of_many_kinds():
    """Accepted and refused, valid JSON and none, text of every sort."""
    made = [parsers.PARSERS["plan"].make(random.Random(number)) for number in range(150)]
    kinds = Counter(type(strict_json.load(raw)[0]).__name__ for raw in made)
    assert kinds["_Object"] > 60
    assert kinds["NoneType"] > 10
    assert len(set(made)) > 130


# ---- what the fuzzing has found --------------------------------------------------------------------------------------


def test_a_field_that_is_no_unicode_is_a_problem_of_a_revert():
    with pytest.raises(PlanInvalid) as refused:
        inputs.parse({"restore": "d-1", "\ud800": 1})
    assert refused.value.details["error_count"] == 1


@pytest.mark.parametrize("read", [event_in, lambda message: agent_event_in(message, 0.0)], ids=["change", "agent"])
def test_half_a_surrogate_pair_makes_no_message_an_error_of_ours(read):
    with pytest.raises(WebhookInvalid):
        read('{"a": "\ud800"}')


def test_the_problems_of_a_fleets_plans_are_told_from_the_others_in_one_pass(monkeypatch):
    compared = 0

    class Counted(dict):
        __hash__ = None

        def __eq__(self, other):
            nonlocal compared
            compared += 1
            return dict.__eq__(self, other)

    hidden = [Counted(path=f"plans.{n}.a", message="twice", type="duplicate_key") for n in range(500)]
    hidden += [Counted(path=f"k{n}", message="twice", type="duplicate_key") for n in range(500)]
    monkeypatch.setattr(strict_json, "load", lambda *_: ({"plans": [{}]}, hidden))
    with pytest.raises(FleetInvalid) as refused:
        parse_request(b"{}")
    assert refused.value.details["error_count"] == 500
    assert compared == 0


def test_names_of_zones_that_nobody_has_fill_no_memory():
    known = clock.zone.cache_info().maxsize
    assert known is not None
    for number in range(known + 10):
        assert clock.zone(f"No/zone-{number}") is None
    assert clock.zone.cache_info().currsize <= known


def test_a_long_path_is_not_repeated_by_the_answer():
    event = {"requestContext": {}, "rawPath": "/" + "x" * 8_000, "body": "{}"}
    answer, _ = draws.answer(event, lambda: None, 0.0)
    assert answer["statusCode"] == 404
    assert len(answer["body"]) < 1_000


@pytest.mark.parametrize("subject", ["b" * 3_000, "\ud800", "a\nb"])
def test_a_caller_that_no_record_can_keep_has_to_sign_in_again(subject):
    with pytest.raises(SignInExpired):
        parsers.PARSERS["caller by a JWT"].read({"iss": "https://issuer.example.com", "sub": subject})


# ---- no quadratic time -----------------------------------------------------------------------------------------------

LARGE = 400
READERS = {
    "plan": parsers.PARSERS["plan"],
    "fleet": parsers.PARSERS["fleet"],
    "schedule": parsers.PARSERS["schedule"],
    "forecast": parsers.PARSERS["forecast"],
    "draft": parsers.Parser((), None, draft_of, (PlanInvalid,)),
}


@pytest.mark.parametrize("reader", READERS)
def test_the_work_for_an_input_grows_no_faster_than_its_size(reader):
    """Counts lines of Python, as any machine does: four times the input takes at most five times as many."""
    parser = READERS[reader]
    small, large = (dict(hostile.sizes(size)) for size in (LARGE // 4, LARGE))
    for shape in large:
        lines = [_lines(lambda: parsers.judge(parser, raw)) for raw in (small[shape], large[shape])]  # noqa: B023
        assert lines[1] <= 5 * lines[0] + 200, f"{shape}: {lines}"


def _lines(call):
    count = 0

    def trace(_frame, event, _argument):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
