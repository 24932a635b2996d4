"""Distributed Map and nested executions, as Step Functions runs them. moto_seam.py installs what is here.

moto evaluates the items of a Distributed Map inside the execution that has the map: its items see the parent's
variables and context, end with the parent's state, and cannot be described or stopped. On AWS each item is an execution
of its own, of a state machine `<name>/<label>`, with a history, a name and a limit of its own:
https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html.

moto waits for a nested execution by asking every half second over HTTP, and leaves it running when the task is aborted.
Step Functions stops it: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-sync.

moto has no RedriveExecution, and neither has this stack.
"""

from __future__ import annotations

import copy
import json
import threading
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local.stack import rules
from local.stack.errors import StackError
from local.stack.template import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    from moto.stepfunctions.parser.asl.eval.environment import Environment

_KNOWN = {
    *("Type", "Label", "Comment", "ItemReader", "MaxConcurrency", "ToleratedFailurePercentage", "ItemProcessor"),
    *("Output", "Assign", "Retry", "Catch", "Next", "End", "QueryLanguage"),
}
_changed = threading.Condition()
"""Told when an execution ends or is stopped."""
_adding = threading.Lock()


class TooManyFailures(Exception):
    """More items failed than the map tolerates."""


class TooLarge(Exception):
    """An item, or the results of all items, are larger than what a state may get or give."""


def run(env: Environment, state: str, items: list[Any], record: Any, stop: Callable[[Any], None]) -> list[Any]:
    """Run one execution per item, in their order, at most MaxConcurrency at once. Returns what they put out.

    If the execution of the map is stopped, `stop` ends those of its items.

    Raises:
        TooManyFailures, TooLarge.
    """
    backend, parent = _found(env.states.context_object.context_object_data["Execution"]["Id"])
    machine = _machine_of(backend, parent.state_machine, state, record.map_state_machine_arn)
    most = min(record.max_concurrency or rules.MOST_CHILDREN, rules.MOST_CHILDREN)
    waiting, running, begun = list(reversed(items)), list[Any](), list[Any]()
    record.item_counter.total.count(len(items))
    while env.is_running() and (waiting or running):
        while waiting and len(running) < most:
            item = waiting.pop()
            if rules.is_too_large(item):
                raise TooLarge
            text = json.dumps(item, separators=(",", ":"))
            running.append(backend.start_execution(machine.arn, str(uuid.uuid4()), text))
            begun.append(running[-1])
        _wait(env, running)
        running = [execution for execution in running if not _is_over(execution)]
    for execution in running:
        stop(execution)
    succeeded = [execution for execution in begun if execution.exec_status == ExecutionStatus.SUCCEEDED]
    failed = len(begun) - len(succeeded)
    record.item_counter.succeeded.count(len(succeeded))
    record.item_counter.failed.count(failed)
    if failed * 100 > record.tolerated_failure_percentage * len(items):
        raise TooManyFailures(f"{failed} of {len(items)} items failed.")
    outputs = [_result(execution) for execution in begun]
    if rules.is_too_large(outputs):
        raise TooLarge
    return outputs


def _result(execution: Any) -> Any:
    """Return what a map without ResultWriter has of an item: its output, or the whole execution if it has failed.

    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
    """
    if execution.exec_status == ExecutionStatus.SUCCEEDED:
        return execution.output
    return {
        "ExecutionArn": execution.exec_arn,
        "Input": json.dumps(execution.input_data),
        "Status": execution.exec_status,
        "Error": execution.error,
        "Cause": execution.cause,
    }


def wait(client: Any, env: Environment, execution_arn: str) -> None:
    """Wait until a nested execution has ended. If the task's own execution is stopped, stop the nested one, too.

    Step Functions tries that once, with the rights of the task's state machine.
    """
    _, execution = _found(execution_arn)
    _wait(env, [execution])
    if isinstance(env.program_state(), ProgramStopped) and not _is_over(execution):
        with suppress(ClientError):
            client.stop_execution(executionArn=execution_arn)


def told() -> None:
    """Wake everybody who waits: an execution has ended, or was stopped."""
    with _changed:
        _changed.notify_all()


def check(definition: str, role: str, may: Callable[[str], bool]) -> None:
    """Refuse a definition that AWS refuses, or that has a field of a Distributed Map that this stack would ignore.

    `may(action)` says whether its role may do that with the rule rules.MANAGED_RULE. Raises StackError.
    """
    waits = ":states:startExecution.sync" in definition
    if waits and not all(may(f"events:{action}") for action in ("PutTargets", "PutRule", "DescribeRule")):
        raise StackError(f"'{role}' is not authorized to create managed-rule.")
    for name, state in json.loads(definition).get("States", {}).items():
        if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") != "DISTRIBUTED":
            continue
        if unknown := state.keys() - _KNOWN:
            raise StackError(f"{name}: the embedded stack does not know {', '.join(sorted(unknown))} of a map")
        if state["ItemProcessor"]["ProcessorConfig"].get("ExecutionType") != "STANDARD":
            raise StackError(f"{name}: the embedded stack knows child executions of type STANDARD only")


def _wait(env: Environment, executions: list[Any]) -> None:
    """Wait until one of the executions has ended, or the one of `env` is stopped."""
    with _changed:
        _changed.wait_for(lambda: not env.is_running() or any(map(_is_over, executions)))


def _is_over(execution: Any) -> bool:
    return bool(execution.exec_status != ExecutionStatus.RUNNING)


def _found(execution_arn: str) -> tuple[Any, Any]:
    """Return the backend of an execution, and the execution."""
    backend = stepfunctions_parser_backends[ACCOUNT][execution_arn.split(":")[3]]
    return backend, backend.describe_execution(execution_arn)


def _machine_of(backend: Any, parent: Any, state: str, arn: str) -> Any:
    """Return the state machine of a map's children. Its definition is the map's ItemProcessor."""
    with _adding:
        for machine in backend.state_machines:
            if machine.arn == arn:
                return machine
        whole = json.loads(parent.definition)
        processor = whole["States"][state]["ItemProcessor"]
        machine = copy.copy(parent)
        machine.arn, machine.name, machine.executions = arn, arn.rpartition(":")[2], []
        machine.definition = json.dumps(
            {"QueryLanguage": whole.get("QueryLanguage", "JSONPath")}
            | {name: value for name, value in processor.items() if name != "ProcessorConfig"}
        )
        backend.state_machines.append(machine)
        return machine
