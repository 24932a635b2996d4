"""Executions are started once per intent, and once for the same key and plan."""

import json

import pytest

from routing_weights.domain.inputs import FromPlanRef
from routing_weights.errors import IdempotencyConflict

PLAN_A, PLAN_B = (f"plans/{letter * 64}.json" for letter in "ab")


def kept(plan_ref, origin=None):
    return FromPlanRef(plan_ref=plan_ref, origin=origin or {})


def test_an_execution_has_the_name_of_its_distribution(executions, aws):
    run = executions.start(kept(PLAN_A, {"door": "api", "caller": "ops"}), None)
    execution = aws("stepfunctions").describe_execution(executionArn=run.execution_arn)
    assert execution["name"] == run.distribution_id
    assert json.loads(execution["input"]) == {"plan_ref": PLAN_A, "origin": {"door": "api", "caller": "ops"}}
    assert run.started_at == execution["startDate"]


def test_without_a_key_every_request_is_a_new_intent(executions, started):
    ids = {executions.start(kept(reference), None).distribution_id for reference in (PLAN_A, PLAN_B, PLAN_A)}
    assert len(ids) == 3
    assert started() == ids


@pytest.mark.parametrize("origin", [{"caller": "ops"}, {"caller": "somebody else"}])
def test_the_same_key_and_plan_are_the_same_distribution(executions, started, origin):
    first = executions.start(kept(PLAN_A, {"caller": "ops"}), "key-1")
    second = executions.start(kept(PLAN_A, origin), "key-1")
    assert (second.distribution_id, second.execution_arn, second.started_at) == (
        first.distribution_id,
        first.execution_arn,
        first.started_at,
    )
    assert started() == {first.distribution_id}


def test_the_same_key_with_another_plan_is_a_conflict_that_starts_nothing(executions, started):
    first = executions.start(kept(PLAN_A), "key-1")
    with pytest.raises(IdempotencyConflict) as caught:
        executions.start(kept(PLAN_B), "key-1")
    assert caught.value.details == {"distribution_id": first.distribution_id}
    assert started() == {first.distribution_id}


def test_another_key_is_another_distribution(executions):
    assert executions.start(kept(PLAN_A), "key-1") != executions.start(kept(PLAN_A), "key-2")


@pytest.mark.parametrize("key", ["k", "k" * 255, "spaces and/slashes?", "schlüssel"])
def test_any_key_makes_a_name_that_step_functions_takes(executions, key):
    assert len(executions.start(kept(PLAN_A), key).distribution_id) <= 80
