"""The six forms of an execution's input: read from anything, and written by every producer."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given, strategies
from jsonata.jsonata import Jsonata

from routing_weights.api.submissions import RestoreOptions
from routing_weights.domain import inputs
from routing_weights.domain.inputs import (
    BarePlan,
    Expiry,
    FromBaseline,
    FromFleet,
    FromPlanRef,
    Revert,
    claimed_origin,
    origin_of,
    parse,
    scheduled,
)
from routing_weights.domain.revert import RevertOptions
from routing_weights.domain.run import Origin
from routing_weights.domain.schedule.occasion import occasion_of
from routing_weights.domain.schedule.schedule import parse_schedule
from routing_weights.errors import PlanInvalid
from tests.support.fakes import SMALLEST_PLAN

MACHINE = Path(__file__).parents[2] / "statemachine" / "distribute.asl.yaml"
PLAN_REF = f"plans/{'a' * 64}.json"
ORIGIN = {"door": "api", "caller": "arn:user/ops"}
LINE = {"fleet": "f-1", "number": 3, "start": 100, "length": 412}
BASELINE = {"queue_id": "queue-001", "name": "normal"}
NOW = datetime(2030, 5, 1, 8, 10, tzinfo=UTC)
OPTIONS = {
    "dry_run": True,
    "wait_for_lock_s": 60,
    "requested_by": "Ada",
    "reason": "The evening is over.",
    "until": "2030-05-01T20:00:00Z",
}


def schedule(**changes):
    body = {"expression": "cron(0 8 * * ? *)", "time_zone": "Europe/Berlin", "plan": SMALLEST_PLAN, **changes}
    return parse_schedule("early", json.dumps(body))


def at_its_time(made):
    """The input as EventBridge Scheduler sends it."""
    return json.loads(json.dumps(made.to_json()).replace(inputs.SCHEDULED_TIME, "2030-05-02T06:00:00Z"))


def paths(document):
    with pytest.raises(PlanInvalid) as refusal:
        parse(document)
    return {(error["path"], error["type"]) for error in refusal.value.details["errors"]}


@pytest.mark.parametrize(
    ("form", "document"),
    [
        (BarePlan, SMALLEST_PLAN),
        (FromPlanRef, {"plan_ref": PLAN_REF, "origin": ORIGIN}),
        (Revert, {"restore": "d-1"}),
        (Revert, {"restore": "d-1", "image": "after", **OPTIONS}),
        (FromBaseline, {"baseline": BASELINE, "origin": ORIGIN}),
        (Expiry, {"returns": "d-1"}),
        (FromFleet, {**LINE, "origin": {"door": "fleet", "caller": "arn:user/ops"}}),
    ],
)
def test_each_form_is_read_and_written_again_as_it_was(form, document):
    read = parse(document)
    assert type(read) is form
    assert read.to_json() == document


@pytest.mark.parametrize("document", [None, 7, "plan", [], {}, {"queue_id": 7}, {"origin": ORIGIN}, {"schedule": {}}])
def test_anything_without_the_key_of_another_form_is_a_bare_plan(document):
    assert parse(document) == BarePlan(document=document)


def test_a_bare_plan_and_a_revert_by_hand_claim_no_origin():
    assert origin_of(parse(SMALLEST_PLAN | {"origin": ORIGIN})) == origin_of(parse({"restore": "d-1"})) == Origin()


def test_an_expiry_says_which_distribution_it_ends():
    assert origin_of(parse({"returns": "d-1"})) == Origin(door="schedule", caller="return of d-1")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"plan_ref": 7}, ("plan_ref", "reference_invalid")),
        ({"plan_ref": "plans/../x.json"}, ("plan_ref", "reference_invalid")),
        ({"plan_ref": f"{PLAN_REF}\n"}, ("plan_ref", "reference_invalid")),
        ({"origin": {"door": "window"}}, ("origin", "origin_invalid")),
        ({"origin": None}, ("origin", "origin_invalid")),
        ({"baseline": {"queue_id": "../x", "name": "normal"}}, ("baseline", "reference_invalid")),
        ({"baseline": None}, ("baseline", "reference_invalid")),
        ({"returns": None}, ("returns", "reference_invalid")),
        ({"returns": "a b"}, ("returns", "reference_invalid")),
        ({"schedule": {"until": "18:00"}}, ("schedule", "reference_invalid")),
    ],
)
def test_an_input_that_no_door_of_ours_makes_is_refused_at_its_field(changes, problem):
    assert paths({"plan_ref": PLAN_REF, "origin": ORIGIN, **changes}) == {problem}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("fleet", value) for value in ("../f-1", "f 1", "x" * 69, 7, None)),
        *(("start", value) for value in (-1, "0", 1.5, None)),
        *(("length", value) for value in (0, 4_194_305, True)),
        ("number", -1),
    ],
)
def test_a_line_of_a_fleet_that_no_fleet_can_have_is_refused_at_its_field(field, value):
    assert paths(LINE | {field: value}) == {(field, "reference_invalid")}


def test_every_mistake_of_a_revert_by_hand_is_named_at_once():
    document = {"restore": 7, "image": "now", "member_weights": {}, "dry_run": "yes", "reason": "a\nb", "until": "soon"}
    assert paths(document) == {
        ("restore", "reference_invalid"),
        ("image", "image_unknown"),
        ("member_weights", "extra_forbidden"),
        ("dry_run", "bool_type"),
        ("reason", "string_pattern_mismatch"),
        ("until", "value_error"),
    }


@given(
    strategies.dictionaries(
        strategies.sampled_from(["restore", "image", "returns", "baseline", "plan_ref", "origin", "schedule", "until"]),
        strategies.recursive(
            strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(max_size=8),
            lambda inner: (
                strategies.lists(inner, max_size=2)
                | strategies.dictionaries(strategies.text(max_size=5), inner, max_size=2)
            ),
            max_leaves=4,
        ),
    )
)
def test_any_input_is_read_or_refused_with_paths_and_claims_an_origin_that_is_one(document):
    assert isinstance(claimed_origin(document), Origin)
    try:
        read = parse(document)
    except PlanInvalid:
        assert paths(document)
    else:
        assert parse(read.to_json()) == read


# ---- every producer makes what `parse` reads -------------------------------------------------------------------------


def test_a_schedules_run_has_its_plan_and_the_end_of_its_time_of_day():
    read = parse(at_its_time(scheduled(schedule(until="17:00"), PLAN_REF, "arn:me", NOW)))
    assert (read.plan_ref, origin_of(read)) == (PLAN_REF, Origin(door="schedule", caller="early"))
    assert occasion_of(read).until == "2030-05-02T15:00:00Z"


def test_a_schedules_run_has_the_name_of_its_baseline():
    read = parse(at_its_time(scheduled(schedule(plan=None, baseline=BASELINE), None, "arn:me", NOW)))
    assert (read.baseline.model_dump(), occasion_of(read)) == (BASELINE, None)


def test_a_temporary_run_without_its_time_is_refused():
    read = parse(scheduled(schedule(until="17:00"), PLAN_REF, "", NOW).to_json())
    with pytest.raises(PlanInvalid, match="scheduled_at"):
        occasion_of(read)


def test_the_state_machine_starts_the_expiry_of_its_own_distribution():
    states = yaml.safe_load(MACHINE.read_text(encoding="utf-8"))["States"]
    (target,) = [
        state["Arguments"]["Target"]
        for state in states.values()
        if state.get("Resource", "").endswith("scheduler:createSchedule")
    ]
    expression = Jsonata(target["Input"].removeprefix("{%").removesuffix("%}"))
    expression.assign("run", {"distribution_id": "d-1"})
    assert parse(json.loads(expression.evaluate(None))) == Expiry(returns="d-1")


def test_a_restore_at_the_api_may_say_what_one_by_hand_may_say():
    assert RestoreOptions.model_fields.keys() == RevertOptions.model_fields.keys()
    assert RestoreOptions.model_validate(OPTIONS).model_dump(exclude_defaults=True) == OPTIONS
