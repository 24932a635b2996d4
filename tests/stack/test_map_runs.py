"""Distributed Map and nested executions in the embedded stack: each item is an execution of its own, as on AWS."""

import json
import uuid

import pytest

from tests.support.waiting import until
from tests.support.world import a_plan

RUN = {
    "Type": "Task",
    "Resource": "arn:aws:states:::states:startExecution.sync:2",
    "Arguments": {
        "StateMachineArn": "{% $states.input.machine %}",
        "Name": "{% $states.input.name %}",
        "Input": "{% $states.input.plan %}",
    },
    "Output": {
        "status": "{% $states.result.Output.status %}",
        "me": "{% $states.context.Execution.Id %}",
    },
    "Next": "Done",
}


@pytest.fixture
def start(world):
    """Start a map over items, with its states, and return a function that describes its execution."""
    client, made = world.client("stepfunctions"), []

    def begin(items, states, name="", role="machine", **fields):
        key = f"fleets/of-test/{uuid.uuid4()}.json"
        world.client("s3").put_object(Bucket=world.ready["documents_bucket"], Key=key, Body=json.dumps(items).encode())
        a_map = {
            "Type": "Map",
            "Label": "each",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSON"},
                "Arguments": {"Bucket": world.ready["documents_bucket"], "Key": key},
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": next(iter(states)),
                "States": states,
            },
            "End": True,
            **fields,
        }
        definition = {"QueryLanguage": "JSONata", "StartAt": "Each", "States": {"Each": a_map}}
        made.append(
            client.create_state_machine(
                name=name or f"of-test-{uuid.uuid4()}",
                definition=json.dumps(definition),
                roleArn=f"arn:aws:iam::123456789012:role/{role}",
            )["stateMachineArn"]
        )
        arn = client.start_execution(stateMachineArn=made[-1], input="{}")["executionArn"]
        return lambda: client.describe_execution(executionArn=arn)

    yield begin
    for arn in made:
        client.delete_state_machine(stateMachineArn=arn)


def ended(describe):
    return until(lambda: (answer := describe())["status"] != "RUNNING" and answer)


def items_of(world, queues, **changes):
    return [
        {"machine": world.ready["state_machine_arn"], "name": f"{uuid.uuid4()}", "plan": a_plan(queue, **changes)}
        for queue in queues
    ]


def test_each_item_is_an_execution_of_its_own_that_runs_a_nested_one(world, start):
    items = items_of(world, [world.queue(), world.queue()])
    answer = ended(start(items, {"Distribute": RUN, "Done": {"Type": "Succeed"}}, MaxConcurrency=1))
    assert answer["status"] == "SUCCEEDED", answer
    outputs = json.loads(answer["output"])
    assert [output["status"] for output in outputs] == ["completed", "completed"]
    for item, output in zip(items, outputs, strict=True):
        child = world.client("stepfunctions").describe_execution(executionArn=output["me"])
        assert json.loads(child["input"]) == item
        assert child["executionArn"].rpartition(":")[0].endswith("/each")
        assert world.distribution(item["name"])["status"] == "completed"


def test_failed_items_end_the_map_unless_it_tolerates_them(start):
    states = {"Fail?": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input %}", "Next": "Failed"}]}}
    states["Fail?"]["Default"] = "Done"
    states |= {"Failed": {"Type": "Fail"}, "Done": {"Type": "Succeed"}}
    answer = ended(start([True, False, False], states))
    assert answer["status"] == "FAILED"
    assert answer["error"] == "States.ExceedToleratedFailureThreshold"
    tolerant = ended(start([True, False, False], states, ToleratedFailurePercentage=100.0))
    failed, *others = json.loads(tolerant["output"])
    assert (failed["Status"], failed["Input"], others) == ("FAILED", "true", [False, False])


def test_the_results_of_all_items_have_the_limit_of_a_state(start):
    states = {"Done": {"Type": "Succeed", "Output": "x" * 30_000}}
    assert ended(start(list(range(10)), states))["error"] == "States.DataLimitExceeded"


def test_a_stopped_map_stops_its_items_and_what_they_have_started(world, start):
    queues = [world.queue(), world.queue(), world.queue()]
    items = items_of(world, queues)
    client, machine = world.client("stepfunctions"), world.ready["state_machine_arn"]
    arns = [f"{machine.replace(':stateMachine:', ':execution:')}:{item['name']}" for item in items]

    def statuses():
        listed = client.list_executions(stateMachineArn=machine)["executions"]
        return [execution["status"] for arn in arns for execution in listed if execution["executionArn"] == arn]

    with world.holding(*(f"/{queue}" for queue in queues)):
        describe = start(items, {"Distribute": RUN, "Done": {"Type": "Succeed"}}, MaxConcurrency=2)
        until(lambda: statuses() == ["RUNNING", "RUNNING"])
        client.stop_execution(executionArn=describe()["executionArn"])
        until(lambda: statuses() == ["ABORTED", "ABORTED"])
    assert describe()["status"] == "ABORTED"
    until(lambda: not world.locks())


def test_a_map_needs_the_right_to_start_executions_of_its_own_state_machine(start):
    """The role of the fleets may read the items, and start fleets and distributions only."""
    states = {"Done": {"Type": "Succeed"}}
    answer = ended(start([1], states, name="a-map-without-rights", role="FleetStateMachineRole"))
    assert answer["status"] == "FAILED"
    assert "is not authorized to perform: states:StartExecution" in answer["cause"]
