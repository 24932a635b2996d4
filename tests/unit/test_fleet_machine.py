"""The state machine of fleets, as the door asks it: started once for each attempt, and released once."""

import json

import pytest

from routing_weights.adapters.aws.fleet_machine import FleetMachine
from routing_weights.domain.fleet import Held, Steered
from routing_weights.domain.fleet_steps import Last
from routing_weights.domain.run import Origin
from routing_weights.errors import StoreUnavailable

HELD = Held(token="t-1", wave=0, reason="")


@pytest.fixture
def machine(executions):
    return FleetMachine(executions.state_machine_arn)


def test_an_attempt_is_started_once_under_its_name(machine, aws, started):
    for _ in range(2):
        machine.start("f-1", 1)
    machine.start("f-1", 2)
    assert started() == {"f-1", "f-1.2"}
    execution = aws("stepfunctions").describe_execution(executionArn=machine.execution_arn("f-1", 2))
    assert json.loads(execution["input"]) == {"fleet_id": "f-1", "attempt": 2}
    assert machine.describe(machine.execution_arn("f-1", 1)).status in {"RUNNING", "SUCCEEDED"}
    assert machine.describe(machine.execution_arn("f-1", 3)).status == "UNKNOWN"


def test_an_attempt_that_has_ended_is_not_started_again(machine, aws_answers):
    asked = aws_answers("stepfunctions", "StartExecution", "ExecutionAlreadyExists")
    machine.start("f-1", 1)
    assert len(asked) == 1


def by(action):
    return Steered(action=action, at="2026-01-31T08:00:00.000Z", origin=Origin(door="api", caller="arn:me"))


def test_a_held_fleet_is_released_with_the_decision(machine, aws_answers):
    asked = aws_answers("stepfunctions", "SendTaskSuccess", {})
    assert machine.release(HELD, by("revert"))
    body = json.loads(asked[0]["body"])
    last = Last.model_validate({"step": "hold", **json.loads(body.pop("output"))})
    assert (body, last.release, last.steered) == ({"taskToken": "t-1"}, "revert", by("revert"))


@pytest.mark.parametrize("code", ["TaskDoesNotExist", "TaskTimedOut", "InvalidToken"])
def test_a_fleet_that_is_no_longer_held_is_not_released(machine, aws_answers, code):
    aws_answers("stepfunctions", "SendTaskSuccess", code)
    assert not machine.release(HELD, by("continue"))


def test_a_refusal_of_aws_is_no_answer(machine, aws_answers):
    aws_answers("stepfunctions", "SendTaskSuccess", "AccessDeniedException")
    with pytest.raises(StoreUnavailable, match="Could not release the fleet: AccessDeniedException"):
        machine.release(HELD, by("continue"))
