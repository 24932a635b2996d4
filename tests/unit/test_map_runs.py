"""What the embedded stack refuses of a state machine with maps or nested executions."""

import json

import pytest

from local.stack import map_runs
from local.stack.errors import StackError

NESTED = json.dumps({"States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2"}}})


def a_map(execution_type="STANDARD", **fields):
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": execution_type}}
    return json.dumps({"States": {"Each": {"Type": "Map", "ItemProcessor": processor, **fields}}})


@pytest.mark.parametrize("missing", ["events:PutTargets", "events:PutRule", "events:DescribeRule"])
def test_a_task_that_waits_for_a_nested_execution_needs_every_right_on_the_managed_rule(missing):
    with pytest.raises(StackError, match="role/x' is not authorized to create managed-rule"):
        map_runs.check(NESTED, "role/x", lambda action: action != missing)
    map_runs.check(NESTED, "role/x", lambda _action: True)


@pytest.mark.parametrize("definition", [a_map("EXPRESS"), a_map(ItemSelector={}), a_map(ToleratedFailureCount=1)])
def test_a_map_that_the_stack_would_run_otherwise_than_aws_is_refused(definition):
    with pytest.raises(StackError, match="Each: the embedded stack "):
        map_runs.check(definition, "role/x", lambda _action: False)


def test_a_map_without_nested_executions_needs_no_rule():
    map_runs.check(a_map(MaxConcurrency=5), "role/x", lambda _action: False)
