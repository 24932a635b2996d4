"""The stack refuses where AWS refuses (local/stack/rules.py), and the product copes with that."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from local.stack import rules
from tests.support.waiting import until
from tests.support.world import a_plan

PLANS = 8


# ---- DynamoDB --------------------------------------------------------------------------------------------------------


def test_door_and_run_may_write_a_record_at_once(world):
    """Both open the record, moments apart. DynamoDB refuses transactions that overlap."""
    for _ in range(PLANS):
        run = world.run(a_plan(world.queue(), dry_run=True)).start("api").ends("dry_run")
        assert run.opened["door"] == "api"


# ---- Step Functions --------------------------------------------------------------------------------------------------


@pytest.fixture
def execute(world):
    """Run a machine with these states on an input, and return error and cause of its failure."""
    client, made = world.client("stepfunctions"), []

    def run(states, execution_input):
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}
        made.append(
            client.create_state_machine(
                name=f"of-test-{uuid.uuid4()}",
                definition=json.dumps(definition),
                roleArn="arn:aws:iam::123456789012:role/machine",
            )["stateMachineArn"]
        )
        return failure(world, client.start_execution(stateMachineArn=made[-1], input=json.dumps(execution_input)))

    yield run
    for arn in made:
        client.delete_state_machine(stateMachineArn=arn)


def failure(world, started):
    def ended():
        answer = world.client("stepfunctions").describe_execution(executionArn=started["executionArn"])
        return answer if answer["status"] != "RUNNING" else None

    answer = until(ended)
    assert answer["status"] == "FAILED", answer
    return answer["error"], answer["cause"]


def test_a_wait_state_waits_no_longer_than_three_years(execute):
    states = {"Wait": {"Type": "Wait", "Seconds": "{% $states.input.s %}", "End": True}}
    error, cause = execute(states, {"s": 100_000_000})
    assert error == "States.QueryEvaluationError"
    assert "100000000" in cause


def test_a_task_with_too_large_an_input_ends_the_execution(execute):
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "SweepFunction", "Payload": "{% $states.input.text & $states.input.text %}"},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
        "End": True,
    }
    error, _ = execute({"Task": task, "Caught": {"Type": "Succeed"}}, {"text": "x" * 140_000})
    assert error == "States.DataLimitExceeded"


def test_a_state_that_is_too_large_is_recorded_as_a_failure(world):
    """The console accepts 256 KiB, and Validate gets more than the input. No state can catch that."""
    text = json.dumps(a_plan("queue-001", reason=""))
    text = text[:-2] + "x" * (rules.MOST_STATE_BYTES - len(text) - 10) + text[-2:]
    started = world.client("stepfunctions").start_execution(
        stateMachineArn=world.ready["state_machine_arn"], input=text
    )
    assert failure(world, started)[0] == "States.DataLimitExceeded"
    record = until(lambda: world.records(started["executionArn"].rpartition(":")[2]).get("9-closed"))
    assert record["status"] == "interrupted"
    until(lambda: world.locks() == {})  # the record is closed before the recovery ends


# ---- sizes and names -------------------------------------------------------------------------------------------------


def send(world, text):
    world.client("sqs").send_message(QueueUrl=world.ready["outgoing_dead_letters"], MessageBody=text)


def put_events(world, text):
    entry = {"Source": "test", "DetailType": "test", "Detail": json.dumps({"text": text})}
    world.client("events").put_events(Entries=[{**entry, "EventBusName": world.ready["outgoing_bus"]}])


def put_schedule(world, name):
    world.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression="rate(1 day)",
        State="DISABLED",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": world.ready["state_machine_arn"], "RoleArn": "arn:aws:iam::123456789012:role/x"},
    )


def put_item(world, text):
    item = {"queue_id": {"S": "queue-of-no-test"}, "projected_load": {"S": text}}
    world.client("dynamodb").put_item(TableName=world.ready["forecast_table"], Item=item)


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        pytest.param(
            lambda world: world.client("lambda").invoke(
                FunctionName="SweepFunction", Payload=json.dumps("x" * rules.MOST_REQUEST_BYTES)
            ),
            "RequestTooLargeException",
            id="an event of more than 6 MB",
        ),
        pytest.param(
            lambda world: world.client("lambda").invoke(
                FunctionName="SweepFunction", InvocationType="Event", Payload=json.dumps("x" * rules.MOST_EVENT_BYTES)
            ),
            "RequestTooLargeException",
            id="an asynchronous event of more than 1 MB",
        ),
        pytest.param(
            lambda world: world.client("lambda").invoke(FunctionName="NoFunction", InvocationType="Event"),
            "ResourceNotFoundException",
            id="an asynchronous event for a function that does not exist",
        ),
        pytest.param(
            lambda world: send(world, "ä" * (rules.MOST_MESSAGE_BYTES // 2 + 1)),
            "InvalidParameterValue",
            id="a message of more than 1 MiB, counted in bytes",
        ),
        pytest.param(
            lambda world: put_events(world, "x" * rules.MOST_ENTRIES_BYTES),
            "ValidationException",
            id="events of more than 1 MiB",
        ),
        pytest.param(lambda world: put_item(world, "x" * 410_000), "ValidationException", id="an item over 400 KB"),
        pytest.param(
            lambda world: put_schedule(world, "x" * 65),
            "ValidationException",
            id="a schedule's name over 64 characters",
        ),
        pytest.param(
            lambda world: world.client("stepfunctions").start_execution(
                stateMachineArn=world.ready["state_machine_arn"], name="x" * 81
            ),
            "ValidationException",
            id="an execution's name over 80 characters",
        ),
        pytest.param(
            lambda world: world.client("s3").put_object(
                Bucket=world.ready["documents_bucket"], Key="ä" * 513, Body=b""
            ),
            "KeyTooLongError",
            id="a key of more than 1,024 bytes",
        ),
    ],
)
def test_what_is_too_large_is_refused(world, ask, error):
    with pytest.raises(ClientError) as refused:
        ask(world)
    assert refused.value.response["Error"]["Code"] == error


# ---- chains of requests ----------------------------------------------------------------------------------------------


def test_a_repair_that_was_deferred_many_times_still_happens(world):
    """The reading of a queue may be deferred for a day, 15 minutes at a time. Lambda drops the 17th of a chain."""
    queue, client = world.ready["webhook_queue"], world.client("sqs")
    event = {"delivery_id": "d-17", "queue_id": "queue-of-no-test", "kind": "queue", "deferred": "2026-01-01"}
    trace = {"DataType": "String", "StringValue": f"Root=1-0-1;Lineage=DriftFunction:{rules.MOST_INVOCATIONS}"}
    client.send_message(
        QueueUrl=queue,
        MessageBody=json.dumps(event),
        DelaySeconds=0,
        MessageSystemAttributes={"AWSTraceHeader": trace},
    )
    assert until(lambda: in_hand(client, queue) == ["0", "0"])


def in_hand(client, queue):
    """Return how many messages a queue holds, visible or in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = client.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return [attributes[name] for name in names]
