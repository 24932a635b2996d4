"""The embedded stack itself, with a minimal template and minimal handlers."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from local.stack import Stack, StackError, moto_seam, rules, template
from tests.stack.test_rules import in_hand
from tests.support.waiting import DEADLINE_S, until

ROOT = Path(__file__).resolve().parents[2]

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  WordLimitS: {Type: Number, Default: 0.95, MinValue: 0, MaxValue: 5}
  Word: {Type: String, Default: "", AllowedPattern: "^[a-z]*$", ConstraintDescription: must be lower case}
Globals:
  Function: {Runtime: python3.13, Handler: app.handler, Timeout: 3, Layers: [!Ref Layer]}
Resources:
  Layer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer/}}
  Api: {Type: AWS::Serverless::HttpApi}
  DoFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: do/
      Environment:
        Variables:
          {TABLE: !Ref ThingsTable, BUCKET: !Ref ThingsBucket, MACHINE: !Ref FlowMachine,
           OTHER: !GetAtt OneFunction.Arn, LIMIT: !Ref WordLimitS, WORD: !Ref Word}
      Events:
        Post: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: /do, PayloadFormatVersion: "2.0"}}
        Daily: {Type: Schedule, Properties: {Schedule: rate(1 day)}}
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: "/do/{id}", PayloadFormatVersion: "2.0"}}
  OneFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: do/, ReservedConcurrentExecutions: 1, Timeout: 5}
  LoopFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: do/
      Timeout: 20
      Environment: {Variables: {LOOP: !Ref LoopQueue}}
      Policies:
        - Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Action: [sqs:SendMessage, sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes]
              Resource: !GetAtt LoopQueue.Arn
  LoopQueue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 120}}
  LoopMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt LoopQueue.Arn, FunctionName: !GetAtt LoopFunction.Arn, BatchSize: 1}
  FlowMachine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: flow.asl.yaml
      DefinitionSubstitutions: {Do: !GetAtt DoFunction.Arn, Things: !Ref ThingsTable}
      Policies:
        - Statement:
            - {Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt DoFunction.Arn}
            - {Effect: Allow, Action: dynamodb:PutItem, Resource: !GetAtt ThingsTable.Arn}
  InvokingMachine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: flow.asl.yaml
      DefinitionSubstitutions: {Do: !GetAtt DoFunction.Arn, Things: !Ref ThingsTable}
      Policies:
        Statement: [{Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt DoFunction.Arn}]
  PoorMachine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: flow.asl.yaml
      DefinitionSubstitutions: {Do: !GetAtt DoFunction.Arn, Things: !Ref ThingsTable}
  ThingsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}, {AttributeName: kind, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - {IndexName: by_kind, KeySchema: [{AttributeName: kind, KeyType: HASH}], Projection: {ProjectionType: ALL}}
  ThingsBucket: {Type: AWS::S3::Bucket, Properties: {VersioningConfiguration: {Status: Enabled}}}
  KeptSecret: {Type: AWS::SecretsManager::Secret, Properties: {SecretString: "{}"}}
  ClientSecret: {Type: AWS::SecretsManager::Secret}
"""

HANDLER = """
import json, os, time
import greeting
class Refused(Exception): pass
def handler(event, context):
    # It sleeps where a function is to hang until its time-out, or to be at work when it is killed.
    do = event.get("do") or json.loads(event.get("body") or "{}").get("do")
    if event.get("source") == "aws.events": print("The time has come:", event["time"], flush=True)
    if do == "raise": raise Refused(json.dumps({"message": 'a "quoted" word', "retry_after_s": 1}))
    if do == "exit": os._exit(3)
    if do == "hang": time.sleep(60)
    if do == "wait": time.sleep(event["s"]); return os.getpid() if event.get("pid") else None
    if do == "pid": return os.getpid()
    if do == "environment": return dict(os.environ)
    if do == "context": return [context.function_name, context.memory_limit_in_mb, greeting.WORD]
    if do == "null": return None
    if do == "long": return "x" * event["n"]
    if "Records" in event:
        import boto3
        print("Looped", os.environ.get("_X_AMZN_TRACE_ID"), flush=True)
        boto3.client("sqs").send_message(QueueUrl=os.environ["LOOP"], MessageBody="again")
        return {}
    if do == "scan":
        import boto3
        return boto3.client("dynamodb").scan(TableName=os.environ["TABLE"])
    if "requestContext" in event:
        return {"statusCode": 409, "body": json.dumps({"event": event}),
                "headers": {"Content-Type": "application/problem+json", "Location": "/there"}}
    return event
"""

# The constructs that statemachine/distribute.asl.yaml uses.
FLOW = """
QueryLanguage: JSONata
TimeoutSeconds: 60
StartAt: Do
States:
  Do:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke
    TimeoutSeconds: 20
    Arguments: {FunctionName: "${Do}", Payload: "{% $states.input %}"}
    Output: {}
    Assign:
      run: "{% $states.result.Payload %}"
      text: 'bare "quoted" text \\ {% 1 %}'
      name: "{% $states.context.Execution.Name %}"
      started: "{% $states.context.Execution.StartTime %}"
      nothing: null
    Next: Write
    Catch:
      - ErrorEquals: [Refused]
        Assign:
          pause: {seconds: "{% $parse($parse($states.errorOutput.Cause).errorMessage).retry_after_s %}", resume: Here}
          why: "{% $parse($parse($states.errorOutput.Cause).errorMessage).message %}"
        Next: Wait
      - ErrorEquals: [States.ALL]
        Assign: {why: "{% $states.errorOutput.Error %}"}
        Next: Failed
  Wait: {Type: Wait, Seconds: "{% $pause.seconds %}", Next: Resume}
  Resume:
    Type: Choice
    Choices:
      - Condition: "{% $pause.resume = 'Here' %}"
        Assign: {why: "{% 'resumed: ' & $why %}"}
        Next: Failed
    Default: Write
  Write:
    Type: Task
    Resource: arn:aws:states:::dynamodb:putItem
    Arguments:
      TableName: ${Things}
      Item:
        id: {S: "{% $run.id ? $run.id : 'none' %}"}
        holder: {S: "{% $name %}"}
        until: {N: "{% $string($floor($millis() / 1000) + 9) %}"}
      ConditionExpression: attribute_not_exists(id) OR holder = :me
      ExpressionAttributeValues: {":me": {S: "{% $name %}"}}
    Output: {}
    Next: Undefined
    Catch:
      - ErrorEquals: [DynamoDB.ConditionalCheckFailedException]
        Assign: {why: busy}
        Next: Failed
  Undefined:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke
    Arguments: {FunctionName: "${Do}", Payload: {never: "{% $run.never %}"}}
    Next: Done
    Catch:
      - ErrorEquals: [States.QueryEvaluationError]
        Next: Done
  Done:
    Type: Pass
    Output: {run: "{% $run %}", text: "{% $text %}", nothing: "{% $nothing %}", started: "{% $started %}"}
    Next: Ended
  Ended: {Type: Succeed}
  Failed: {Type: Fail, Error: "{% $why %}", Cause: "{% 'because ' & $why %}"}
"""


def write_project(folder: Path) -> Path:
    for path, text in {
        "template.yaml": TEMPLATE,
        "flow.asl.yaml": FLOW,
        "do/app.py": HANDLER,
        "layer/greeting.py": "WORD = 'layer'",
    }.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    return folder / "template.yaml"


CLIENT = {"GENESYS_CLIENT_ID": "me", "GENESYS_CLIENT_SECRET": "hush", "HOME": "/", "UNRELATED": "x"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def ahead():
    """How far the clock of schedules is ahead. A test may set it forward."""
    return [timedelta()]


@pytest.fixture(scope="module")
def stack(project, ahead):
    def clock():
        return datetime.now(UTC) + ahead[0]

    with Stack(project, environment=CLIENT | {"WORD_LIMIT_S": "2.5"}, clock=clock) as stack:
        yield stack


def request(stack, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", int(stack.api_url.rpartition(":")[2]), timeout=DEADLINE_S)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, json.loads(response.read() or "null")
    finally:
        connection.close()


def invoke(stack, event, name="DoFunction"):
    outcome = stack.invoke(name, event)
    return json.loads(outcome.payload), outcome.failed


def run(stack, event, machine="flow_machine", **more):
    client = stack.client("stepfunctions")
    arn = client.start_execution(stateMachineArn=stack.ids[machine], input=json.dumps(event), **more)["executionArn"]

    def ended():
        told = client.describe_execution(executionArn=arn)
        return told if told["status"] != "RUNNING" else None

    return until(ended)


# ---- template ---------------------------------------------------------------------------------------------------


def test_a_variable_is_the_parameter_in_upper_snake_case():
    names = ["GenesysBaseUrl", "MaxRetryAfterS", "SaturationLimit", "VerifyTimeoutS"]
    assert [template.variable_of(name) for name in names] == [
        *("GENESYS_BASE_URL", "MAX_RETRY_AFTER_S"),
        *("SATURATION_LIMIT", "VERIFY_TIMEOUT_S"),
    ]


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("WORD", "Upper", "WORD must be lower case"),
        ("WORD_LIMIT_S", "6", "WORD_LIMIT_S must be a number from 0 to 5"),
        ("WORD_LIMIT_S", "nan", "WORD_LIMIT_S must be a number from 0 to 5"),
        ("WORD_LIMIT_S", "much", "WORD_LIMIT_S must be a number from 0 to 5"),
    ],
)
def test_a_parameter_that_breaks_its_constraint_is_named(project, variable, value, message):
    with pytest.raises(StackError, match=f"^{message}$"):
        template.load(project, {variable: value}, "us-east-1")


def test_the_real_template_is_read_whole():
    real = ROOT / "template.yaml"
    with pytest.raises(StackError, match=r"^GENESYS_REGION must be one of"):
        template.load(real, {"GENESYS_REGION": "eu-north-9"}, "us-east-1")
    loaded = template.load(real, {"GENESYS_BASE_URL": "http://x:1", "LOG_LEVEL": ""}, "us-east-1")
    assert loaded.left_out == ()
    assert {function.name for function in loaded.functions} >= {"PlansFunction", "TokenFunction"}
    machine = next(item for item in loaded.resources if item.type == template.STATE_MACHINE)
    assert ':function:ValidateFunction"' in template.definition(machine, real)


# ---- functions --------------------------------------------------------------------------------------------------


def test_a_function_sees_only_the_environment_of_the_template(stack):
    environment, failed = invoke(stack, {"do": "environment"})
    assert not failed
    assert {key: environment[key] for key in ("TABLE", "BUCKET", "LIMIT", "WORD", "AWS_ENDPOINT_URL")} == {
        "TABLE": "ThingsTable",
        "BUCKET": "thingsbucket",
        "LIMIT": "2.5",
        "WORD": "",
        "AWS_ENDPOINT_URL": stack.aws_endpoint_url,
    }
    assert environment["MACHINE"] == stack.state_machine_arn
    assert environment["OTHER"].endswith(":function:OneFunction")
    assert environment["AWS_LAMBDA_FUNCTION_TIMEOUT"] == "3"
    assert not environment.keys() & {"GENESYS_CLIENT_SECRET", "UNRELATED", "PYTEST_VERSION"}
    assert invoke(stack, {"do": "context"}) == (["DoFunction", "128", "layer"], False)


def test_a_raised_exception_is_reported_as_lambda_reports_it(stack):
    report, failed = invoke(stack, {"do": "raise"})
    assert failed
    assert report["errorType"] == "Refused"
    client = stack.client("lambda")
    answer = client.invoke(FunctionName="DoFunction", Payload=b'{"do": "raise"}')
    assert (answer["FunctionError"], json.loads(answer["Payload"].read())["errorType"]) == ("Unhandled", "Refused")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="NoFunction")


def test_an_invocation_ends_at_the_functions_timeout_and_the_next_one_works(stack):
    began = time.monotonic()
    report, failed = invoke(stack, {"do": "hang"})
    assert (failed, report["errorType"]) == (True, "Sandbox.Timedout")
    assert "Task timed out after 3.00 seconds" in report["errorMessage"]
    assert time.monotonic() - began < 5
    # A busy machine may take longer than a second to start the runtime again, and that counts.
    assert until(lambda: invoke(stack, {"a": 1}) == ({"a": 1}, False))


def test_a_runtime_that_exits_or_is_killed_fails_its_invocation_only(stack):
    report, failed = invoke(stack, {"do": "exit"})
    assert (failed, report["errorType"]) == (True, "Runtime.ExitError")
    pid, _ = invoke(stack, {"do": "pid"}, "OneFunction")
    begun = stack.logs.read_text(errors="replace").count("START RequestId")
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(invoke, stack, {"do": "wait", "s": 4}, "OneFunction")
        until(lambda: stack.logs.read_text(errors="replace").count("START RequestId") > begun)
        os.kill(pid, signal.SIGKILL)
        report, failed = waiting.result(DEADLINE_S)
    assert (failed, report["errorType"]) == (True, "Runtime.ExitError")
    pid, _ = invoke(stack, {"do": "pid"}, "OneFunction")
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: invoke(stack, {"a": 2}, "OneFunction") == ({"a": 2}, False))


def test_an_answer_of_more_than_6_mb_is_a_failure(stack):
    report, failed = invoke(stack, {"do": "long", "n": rules.MOST_RESPONSE_BYTES})
    assert (failed, report["errorType"]) == (True, "Function.ResponseSizeTooLarge")


def test_a_function_that_feeds_its_own_queue_is_stopped_after_16_invocations(stack):
    """The count travels as on AWS: in the message, the event, and the header that the SDK adds to a request."""
    client, queue = stack.client("sqs"), stack.ready()["loop_queue"]
    trace = {"DataType": "String", "StringValue": f"Root=1-0-1;Lineage=LoopFunction:{rules.MOST_INVOCATIONS - 2}"}
    client.send_message(QueueUrl=queue, MessageBody="first", MessageSystemAttributes={"AWSTraceHeader": trace})

    def counts():
        return re.findall(r"Looped Root=1-0-1;Lineage=LoopFunction:(\d+)", stack.logs.read_text(errors="replace"))

    until(lambda: len(counts()) == 2 and in_hand(client, queue) == ["0", "1"])
    assert counts() == ["15", "16"]


def test_an_execution_ends_at_the_maximum_of_history_events(stack, monkeypatch):
    monkeypatch.setattr(rules, "MOST_EVENTS", 50)
    client = stack.client("stepfunctions")
    again = {"Type": "Pass", "Next": "Again"}
    machine = client.create_state_machine(
        name="forever",
        definition=json.dumps({"StartAt": "Again", "States": {"Again": again}}),
        roleArn="arn:aws:iam::123456789012:role/machine",
    )
    arn = client.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
    answer = until(lambda: (a := client.describe_execution(executionArn=arn))["status"] != "RUNNING" and a)
    assert (answer["status"], answer["error"]) == ("FAILED", "States.Runtime")
    assert "history events (50)" in answer["cause"]
    client.delete_state_machine(stateMachineArn=machine["stateMachineArn"])


def test_a_scheduled_function_is_invoked_once_for_all_missed_times(stack, ahead):
    def told():
        return [line for line in stack.logs.read_text(errors="replace").splitlines() if "The time has come" in line]

    for days in (1, 4):
        ahead[0] = timedelta(days=days, minutes=1)
        until(lambda: len(told()) == (1 if days == 1 else 2))  # noqa: B023  asked at once
    first, second = (datetime.fromisoformat(line.rpartition(" ")[2]) for line in told())
    assert second - first == timedelta(days=3)


def test_an_invocation_beyond_the_reserved_concurrency_is_refused(stack):
    client = boto3.client(
        "lambda",
        endpoint_url=stack.aws_endpoint_url,
        region_name=stack.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )
    begun = stack.logs.read_text(errors="replace").count("START RequestId")
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(invoke, stack, {"do": "wait", "s": 0.9}, "OneFunction")
        until(lambda: stack.logs.read_text(errors="replace").count("START RequestId") > begun)
        with pytest.raises(client.exceptions.TooManyRequestsException) as refused:
            client.invoke(FunctionName="OneFunction", Payload=b"{}")
        assert first.result(DEADLINE_S) == (None, False)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert invoke(stack, {"a": 1}, "OneFunction") == ({"a": 1}, False)

    def two_at_once():
        with ThreadPoolExecutor(2) as callers:
            answers = list(callers.map(lambda _: invoke(stack, {"do": "wait", "s": 0.5, "pid": True}), range(2)))
        return [failed for _, failed in answers] == [False, False] and len({pid for pid, _ in answers}) == 2

    assert until(two_at_once), "one runtime each, so neither waits for the other"


# ---- API Gateway ------------------------------------------------------------------------------------------------


def test_the_response_of_the_function_reaches_the_client(stack):
    status, headers, body = request(stack, "GET", "/do/a%20b?x=1", headers={"X-Some": "Thing"})
    assert (status, headers["Location"], headers["Content-Type"]) == (409, "/there", "application/problem+json")
    event = body["event"]
    assert (event["routeKey"], event["pathParameters"]) == ("GET /do/{id}", {"id": "a b"})
    assert (event["headers"]["x-some"], event["rawQueryString"]) == ("Thing", "x=1")
    other = request(stack, "GET", "/do/1")[2]["event"]
    assert other["requestContext"]["requestId"] != event["requestContext"]["requestId"]


def test_bodies_are_text_or_base64_and_have_a_limit(stack):
    as_json = {"Content-Type": "application/json"}
    event = request(stack, "POST", "/do", '{"a": "ü"}'.encode(), as_json)[2]["event"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"a": "ü"}', False)
    status, _, body = request(stack, "POST", "/do", b" " * (10 * 1024 * 1024 + 1), as_json)
    assert (status, body) == (413, {"message": "Request Entity Too Large"})
    assert request(stack, "POST", "/do", b"\xff", as_json)[0] == 500  # base64, which this handler cannot read


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/do"), ("HEAD", "/do/1")])
def test_an_unknown_route_is_not_found(stack, method, path):
    status, _, body = request(stack, method, path)
    assert (status, body) == (404, None if method == "HEAD" else {"message": "Not Found"})


def test_a_failed_function_is_an_internal_server_error(stack):
    body = json.dumps({"do": "raise"}).encode()
    answer = request(stack, "POST", "/do", body, {"Content-Type": "application/json"})
    assert (answer[0], answer[2]) == (500, {"message": "Internal Server Error"})


# ---- Step Functions, and the rest of AWS --------------------------------------------------------------------------


def test_a_state_machine_runs_to_its_end(stack):
    ended = run(stack, {"id": "first", "null": None, "quote": '"\\'})
    assert ended["status"] == "SUCCEEDED"
    output = json.loads(ended["output"])
    assert output["run"] == {"id": "first", "null": None, "quote": '"\\'}
    assert (output["text"], output["nothing"]) == ('bare "quoted" text \\ {% 1 %}', None)
    assert output["started"].endswith("Z")


def test_a_caught_error_is_parsed_waited_for_and_ends_in_fail(stack):
    ended = run(stack, {"do": "raise"})
    assert (ended["status"], ended["error"]) == ("FAILED", 'resumed: a "quoted" word')
    assert ended["cause"] == 'because resumed: a "quoted" word'
    assert run(stack, {"do": "hang"})["error"] == "Sandbox.Timedout"
    assert run(stack, {"do": "exit"})["error"] == "Runtime.ExitError"


def test_a_conditional_write_that_fails_is_caught_by_its_name(stack):
    assert run(stack, {"id": "taken"})["status"] == "SUCCEEDED"
    ended = run(stack, {"id": "taken"})
    assert (ended["status"], ended["error"]) == ("FAILED", "busy")


def test_a_state_machine_may_do_what_its_own_role_allows(stack):
    """A refusal has the name of AWS's SDK for errors outside the service's model."""
    ended = run(stack, {"id": "refused"}, "invoking_machine")
    assert (ended["status"], ended["error"]) == ("FAILED", "DynamoDB.AmazonDynamoDBException")
    assert "InvokingMachineRole/InvokingMachine is not authorized to perform: dynamodb:PutItem on" in ended["cause"]
    assert run(stack, {}, "poor_machine")["error"] == "Lambda.AWSLambdaException"


def test_a_function_may_do_what_its_role_allows(stack):
    environment, _ = invoke(stack, {"do": "environment"})
    assert environment["AWS_ACCESS_KEY_ID"] == "DoFunctionRole"
    scanning, failed = invoke(stack, {"do": "scan"})
    assert (failed, scanning["errorType"]) == (True, "ClientError")
    assert "DoFunctionRole/DoFunction is not authorized to perform: dynamodb:Scan on" in scanning["errorMessage"]


def test_an_input_of_the_largest_size_is_evaluated(stack):
    ended = run(stack, {"id": "large", "rows": [{"user": f"user-{n}", "weight": n / 9} for n in range(5_000)]})
    assert ended["status"] == "SUCCEEDED"


def test_an_execution_has_a_name_and_one_name_is_one_execution(stack):
    client = stack.client("stepfunctions")
    assert len(run(stack, {"id": "unnamed"})["name"]) == 36

    def start(_):
        return client.start_execution(stateMachineArn=stack.state_machine_arn, name="one", input='{"do": "hang"}')

    with ThreadPoolExecutor(4) as callers:
        assert len({answer["startDate"] for answer in callers.map(start, range(4))}) == 1
    with pytest.raises(client.exceptions.InvalidName):
        run(stack, {}, name="not a name")


def test_a_stopped_execution_is_aborted_at_once(stack):
    client = stack.client("stepfunctions")
    arn = client.start_execution(stateMachineArn=stack.state_machine_arn, input='{"do": "wait", "s": 0.7, "id": "x"}')[
        "executionArn"
    ]
    assert client.stop_execution(executionArn=arn)["stopDate"]
    assert client.describe_execution(executionArn=arn)["status"] == "ABORTED"

    def last_event():
        events = client.get_execution_history(executionArn=arn)["events"]
        return events[-1]["type"] == "ExecutionAborted"

    assert until(last_event)
    assert client.describe_execution(executionArn=arn)["status"] == "ABORTED"
    assert "Item" not in stack.client("dynamodb").get_item(TableName="ThingsTable", Key={"id": {"S": "x"}})


def test_the_other_resources_are_the_templates(stack):
    secrets = stack.client("secretsmanager")
    values = {name: secrets.get_secret_value(SecretId=name)["SecretString"] for name in ("KeptSecret", "ClientSecret")}
    assert values == {"KeptSecret": "{}", "ClientSecret": '{"client_id": "me", "client_secret": "hush"}'}
    table = stack.client("dynamodb").describe_table(TableName=stack.ids["things_table"])["Table"]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["by_kind"]
    put = stack.client("s3").put_object(Bucket=stack.ids["things_bucket"], Key="k", Body=b"v")
    assert put["VersionId"] != "null"


def test_a_seam_that_moto_no_longer_has_is_named():
    with pytest.raises(RuntimeError, match=r"moto no longer has Environment\.gone"):
        moto_seam._replace(moto_seam.Environment, "gone", None)


# ---- the process ------------------------------------------------------------------------------------------------


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def descendants(pid):
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = parent_of(path.parent.name)
        except OSError:
            continue
    found, layer = set(), {pid}
    while layer := {child for child, parent in parents.items() if parent in layer}:
        found |= layer
    return found


def gone(pids):
    def state(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return "X"

    return all(state(pid) in "XZ" for pid in pids)


def start(*options, **variables):
    return subprocess.Popen(
        [sys.executable, "-m", "local.stack", *options],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/", "API_PORT": "0", "AWS_PORT": "0", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def started(*options, **variables):
    process = start(*options, **variables)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ready(process):
    if not select.select([process.stdout], [], [], 2 * DEADLINE_S)[0]:
        process.kill()
        pytest.fail(f"no line within the deadline: {process.stderr.read()}")
    word, _, rest = process.stdout.readline().partition(" ")
    assert word == "ready", process.stderr.read()
    return json.loads(rest)


def test_a_signal_to_another_thread_stops_the_stack_too(project):
    """The kernel may do so if the main thread is busy. The stack must not miss the signal."""
    with started("--template", str(project), **CLIENT) as process:
        ready(process)
        others = {int(path.name) for path in Path(f"/proc/{process.pid}/task").iterdir()} - {process.pid}
        assert ctypes.CDLL(None).tgkill(process.pid, min(others), signal.SIGTERM) == 0
        assert process.wait(DEADLINE_S) == 0


def test_two_stacks_run_side_by_side_and_leave_nothing_behind(project):
    with started() as real, started("--template", str(project), **CLIENT) as tiny:
        told = ready(real), ready(tiny)
        assert told[0].keys() >= {"audit_table", "locks_table", "forecast_table", "documents_bucket", "contract"}
        assert told[0]["genesys_url"].startswith("http://127.0.0.1:")
        assert told[1]["genesys_url"] is None
        port = int(told[1]["api_url"].rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        connection.request("GET", "/do/1")
        assert connection.getresponse().status == 409
        connection.close()
        children = descendants(real.pid), descendants(tiny.pid)
        assert len(children[0]) == 2  # its nursery and the simulator
        assert len(children[1]) == 2  # its nursery, which has forked a runtime

        real.send_signal(signal.SIGTERM)
        assert real.wait(DEADLINE_S) == 0
        assert gone(children[0])
        assert not Path(told[0]["logs"]).exists()

        tiny.kill()
        assert until(lambda: gone(children[1]))


def test_a_busy_port_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = start(API_PORT=port)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (1, "")
    assert err == f"stack: port {port} for the API: Address already in use; set API_PORT to another\n"


def test_help_names_every_variable():
    process = start("--help")
    out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (0, "")
    assert all(name in out for name in ("API_PORT", "AWS_PORT", "GENESYS_CLIENT_SECRET", "MAX_RETRY_AFTER_S"))


@pytest.mark.parametrize(("word", "made"), [("", False), ("a", True), ("b", True), ("c", False)])
def test_a_resource_whose_condition_does_not_hold_is_not_made(tmp_path, word, made):
    text = TEMPLATE + (
        "  Q: {Type: AWS::SQS::Queue, Condition: Wanted}\n"
        "Conditions:\n"
        "  Named: !Not [!Equals [!Ref Word, '']]\n"
        "  Wanted: !And [!Condition Named, !Or [!Equals [!Ref Word, a], !Equals [b, !Ref Word]]]\n"
    )
    (tmp_path / "template.yaml").write_text(text)
    found = template.load(tmp_path / "template.yaml", {"WORD": word}, "us-east-1")
    assert ("Q" in {resource.logical_id for resource in found.resources}) is made
