"""The roles of the embedded stack: what each call needs, what a role allows, and how each service refuses."""

import io
import json
import re
from types import SimpleNamespace
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from werkzeug.test import Client
from werkzeug.wrappers import Response

from local.stack import template
from local.stack.errors import StackError
from local.stack.iam import Call, Guard, Permissions
from local.stack.template import FUNCTION, POLICY, QUEUE, QUEUE_POLICY, ROLE, STATE_MACHINE, Resource
from tests.support.permissions import EVERYTHING, ROOT, UNMET, complaints, declared, is_of, is_whole

HERE = "us-east-1:123456789012"
DYNAMODB, STATES = f"arn:aws:dynamodb:{HERE}:table", f"arn:aws:states:{HERE}"
MACHINE, EXECUTION = f"{STATES}:stateMachine:Flow", f"{STATES}:execution:Flow:one"
SCHEDULE, SCHEDULE_ROLE = f"arn:aws:scheduler:{HERE}:schedule/group", "arn:aws:iam::123456789012:role/ScheduleRole"
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/Letters"
TOPIC = f"arn:aws:sns:{HERE}:people"
FUNCTION_ARN = f"arn:aws:lambda:{HERE}:function:Other"


def allow(*actions, on, **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def function(*statements, name="Do"):
    return Resource(name, name, FUNCTION, {"Policies": [{"Statement": list(statements)}]})


def permissions(*statements):
    return Permissions([function(*statements)])


def a_schedule(**more):
    target = {"Arn": MACHINE, "RoleArn": SCHEDULE_ROLE}
    of = {"Name": "one", "GroupName": "group", "ScheduleExpression": "rate(1 day)", "Target": target}
    return of | {"FlexibleTimeWindow": {"Mode": "OFF"}} | more


TRANSACTION = {
    "TransactItems": [
        {"Put": {"TableName": "Records", "Item": {"id": {"S": "1"}}}},
        {"ConditionCheck": {"TableName": "Locks", "Key": {"id": {"S": "1"}}, "ConditionExpression": "a = b"}},
        {"Update": {"TableName": "Drift", "Key": {"id": {"S": "1"}}, "UpdateExpression": "SET a = b"}},
        {"Delete": {"TableName": "Old", "Key": {"id": {"S": "1"}}}},
    ]
}
KEY = {"Key": {"id": {"S": "1"}}}
CALLS = [
    ("dynamodb", "get_item", {"TableName": "Things", **KEY}, [("dynamodb:GetItem", f"{DYNAMODB}/Things")]),
    ("dynamodb", "scan", {"TableName": f"{DYNAMODB}/Things"}, [("dynamodb:Scan", f"{DYNAMODB}/Things")]),
    (
        *("dynamodb", "query", {"TableName": "Things", "IndexName": "by", "KeyConditionExpression": "a = b"}),
        [("dynamodb:Query", f"{DYNAMODB}/Things/index/by")],
    ),
    (
        *("dynamodb", "batch_get_item", {"RequestItems": {name: {"Keys": [{"id": {"S": "1"}}]} for name in "AB"}}),
        [("dynamodb:BatchGetItem", f"{DYNAMODB}/A"), ("dynamodb:BatchGetItem", f"{DYNAMODB}/B")],
    ),
    (
        *("dynamodb", "transact_write_items", TRANSACTION),
        [
            ("dynamodb:PutItem", f"{DYNAMODB}/Records"),
            ("dynamodb:ConditionCheckItem", f"{DYNAMODB}/Locks"),
            ("dynamodb:UpdateItem", f"{DYNAMODB}/Drift"),
            ("dynamodb:DeleteItem", f"{DYNAMODB}/Old"),
        ],
    ),
    ("s3", "put_object", {"Bucket": "b", "Key": "a/ö 1", "Body": b"1"}, [("s3:PutObject", "arn:aws:s3:::b/a/ö 1")]),
    ("s3", "delete_object", {"Bucket": "b", "Key": "a"}, [("s3:DeleteObject", "arn:aws:s3:::b/a")]),
    ("s3", "list_objects_v2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "get_object", {"Bucket": "b", "Key": "a"}, [("s3:GetObject", "arn:aws:s3:::b/a")]),
    (
        *("s3", "get_object", {"Bucket": "b", "Key": "a", "VersionId": "1"}),
        [("s3:GetObjectVersion", "arn:aws:s3:::b/a")],
    ),
    (
        *("sqs", "send_message", {"QueueUrl": QUEUE_URL, "MessageBody": "1"}),
        [("sqs:SendMessage", f"arn:aws:sqs:{HERE}:Letters")],
    ),
    (
        *("sqs", "delete_message_batch", {"QueueUrl": QUEUE_URL, "Entries": [{"Id": "1", "ReceiptHandle": "1"}]}),
        [("sqs:DeleteMessage", f"arn:aws:sqs:{HERE}:Letters")],
    ),
    (
        *("secretsmanager", "get_secret_value", {"SecretId": "Token"}),
        [("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:Token")],
    ),
    (
        *("secretsmanager", "put_secret_value", {"SecretId": f"arn:aws:secretsmanager:{HERE}:secret:Token"}),
        [("secretsmanager:PutSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:Token")],
    ),
    ("sns", "publish", {"TopicArn": TOPIC, "Message": "ö"}, [("sns:Publish", TOPIC)]),
    ("lambda", "invoke", {"FunctionName": "Other"}, [("lambda:InvokeFunction", FUNCTION_ARN)]),
    ("lambda", "invoke", {"FunctionName": FUNCTION_ARN}, [("lambda:InvokeFunction", FUNCTION_ARN)]),
    ("stepfunctions", "start_execution", {"stateMachineArn": MACHINE}, [("states:StartExecution", MACHINE)]),
    ("stepfunctions", "describe_execution", {"executionArn": EXECUTION}, [("states:DescribeExecution", EXECUTION)]),
    ("stepfunctions", "list_executions", {"stateMachineArn": MACHINE}, [("states:ListExecutions", MACHINE)]),
    (
        *("events", "put_events", {"Entries": [{"EventBusName": "Bus"}, {"Source": "x"}]}),
        [("events:PutEvents", f"arn:aws:events:{HERE}:event-bus/{name}") for name in ("Bus", "default")],
    ),
    (
        *("scheduler", "create_schedule", a_schedule()),
        [("scheduler:CreateSchedule", f"{SCHEDULE}/one"), ("iam:PassRole", SCHEDULE_ROLE)],
    ),
    (
        *("scheduler", "update_schedule", a_schedule()),
        [("scheduler:UpdateSchedule", f"{SCHEDULE}/one"), ("iam:PassRole", SCHEDULE_ROLE)],
    ),
    (
        "scheduler",
        "get_schedule",
        {"Name": "one", "GroupName": "group"},
        [("scheduler:GetSchedule", f"{SCHEDULE}/one")],
    ),
    ("scheduler", "list_schedules", {"GroupName": "group"}, [("scheduler:ListSchedules", "*")]),
]
NAMES = [f"{service}-{operation}-{number}" for number, (service, operation, *_) in enumerate(CALLS)]
TAKEN = Response("{}", 200)
_PUBLISHED = "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
XML = {"s3": Response("<a/>"), "sns": Response(_PUBLISHED)}
CODES = {
    "s3": ("AccessDenied", 403),
    "sqs": ("AccessDenied", 403),
    "sns": ("AuthorizationError", 403),
    "lambda": ("AccessDeniedException", 403),
    "scheduler": ("AccessDeniedException", 403),
}
TRUST = Resource(
    *("ScheduleRole", "ScheduleRole", ROLE),
    {
        "AssumeRolePolicyDocument": {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "scheduler.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Condition": {
                        "StringEquals": {"aws:SourceArn": [f"arn:aws:scheduler:{HERE}:schedule-group/group"]}
                    },
                }
            ]
        }
    },
)


def client(guard, service, key="DoRole"):
    """A client whose requests go to a guard, without a socket."""
    made = boto3.client(
        *(service, "us-east-1"),
        aws_access_key_id=key,
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, parameter_validation=False),
    )

    def send(request, **_):
        url = urlsplit(request.url)
        target = f"{url.path}?{url.query}"
        headers = {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
        answer = Client(guard).open(target, method=request.method, headers=headers, data=request.body)
        return AWSResponse(request.url, answer.status_code, answer.headers, Raw(answer.data))

    made.meta.events.register_first("before-send.*.*", send)
    return made


class Raw(io.BytesIO):
    """The body of a response, as botocore reads it."""

    def stream(self, **_):
        yield self.read()


def answered(made, operation, parameters):
    """Make a call. Returns the refusal, or None if the call is allowed, whatever its result."""
    try:
        getattr(made, operation)(**parameters)
    except ClientError as error:
        return error.response
    return None


@pytest.mark.parametrize(("service", "operation", "parameters", "wanted"), CALLS, ids=NAMES)
def test_a_call_needs_every_action_on_every_resource(service, operation, parameters, wanted):
    statements = [allow(action, on=resource) for action, resource in wanted]
    guard = Guard(XML.get(service, TAKEN), Permissions([function(*statements), TRUST]))
    assert answered(client(guard, service), operation, parameters) is None
    assert guard.permissions.used == {("DoRole", *each) for each in wanted}
    for missing, (action, resource) in zip(statements, wanted, strict=True):
        guard.permissions = Permissions([function(*(each for each in statements if each != missing)), TRUST])
        refused = answered(client(guard, service), operation, parameters)
        assert (refused["Error"]["Code"], refused["ResponseMetadata"]["HTTPStatusCode"]) == CODES.get(
            service, ("AccessDeniedException", 400)
        )
        named = {"sqs": action.lower(), "sns": "SNS:Publish"}.get(service, action)
        where = f'"{resource}"' if service == "s3" else resource
        assert refused["Error"]["Message"] == (
            f"User: arn:aws:sts::123456789012:assumed-role/DoRole/Do is not authorized to perform: {named} on "
            f"resource: {where} because no identity-based policy allows the {named} action"
        )
        assert guard.permissions.refused == {("DoRole", action, resource)}
    assert answered(client(guard, service, "administrator"), operation, parameters) is None


def test_an_action_that_nobody_knows_is_refused():
    guard = Guard(TAKEN, permissions(allow("ssm:GetParameter", on="*")))
    assert answered(client(guard, "ssm"), "get_parameter", {"Name": "x"}) is None
    for service, operation, parameters in [
        ("ssm", "get_parameters", {"Names": ["x"]}),
        ("dynamodb", "list_tables", {}),
        ("events", "list_rules", {}),
        ("lambda", "list_functions", {}),
        ("scheduler", "list_schedule_groups", {}),
    ]:
        refused = answered(client(guard, service), operation, parameters)
        assert refused["Error"]["Code"] == "AccessDeniedException"


def test_only_a_role_that_may_list_a_bucket_learns_that_an_object_is_missing():
    reading = allow("s3:GetObject", on="arn:aws:s3:::b/*")
    listing = allow("s3:ListBucket", on="arn:aws:s3:::b")
    missing = Response("<Error><Code>NoSuchKey</Code><Message>It is not there.</Message></Error>", 404)
    guard = Guard(missing, permissions(reading))
    refused = answered(client(guard, "s3"), "get_object", {"Bucket": "b", "Key": "k"})["Error"]
    assert refused["Code"] == "AccessDenied"
    assert 's3:ListBucket on resource: "arn:aws:s3:::b"' in refused["Message"]
    guard = Guard(missing, permissions(reading, listing))
    assert answered(client(guard, "s3"), "get_object", {"Bucket": "b", "Key": "k"})["Error"]["Code"] == "NoSuchKey"
    assert ("DoRole", "s3:ListBucket", "arn:aws:s3:::b") in guard.permissions.used


def test_a_schedule_needs_a_role_that_the_scheduler_may_take():
    statements = [allow("scheduler:*", on="*"), allow("iam:PassRole", on="*")]
    guard = Guard(TAKEN, Permissions([function(*statements), TRUST]))
    refused = answered(client(guard, "scheduler"), "create_schedule", a_schedule(GroupName="other"))["Error"]
    assert refused == {
        "Code": "ValidationException",
        "Message": "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
    }
    assert answered(client(guard, "scheduler"), "create_schedule", a_schedule()) is None


# ---- the key ---------------------------------------------------------------------------------------------------------

KEY_ARN = f"arn:aws:kms:{HERE}:key/1"
DECRYPTS, MAKES = "kms:Decrypt", "kms:GenerateDataKey"
USES = [
    ("dynamodb", "get_item", {"TableName": "Things", **KEY}, [DECRYPTS]),
    ("dynamodb", "delete_item", {"TableName": "Things", **KEY}, [DECRYPTS]),
    ("s3", "get_object", {"Bucket": "b", "Key": "k"}, [DECRYPTS]),
    ("s3", "put_object", {"Bucket": "b", "Key": "k", "Body": b"1"}, [MAKES]),
    ("s3", "list_objects_v2", {"Bucket": "b"}, []),
    ("secretsmanager", "get_secret_value", {"SecretId": "s"}, [DECRYPTS]),
    ("secretsmanager", "put_secret_value", {"SecretId": "s", "SecretString": "1"}, [DECRYPTS, MAKES]),
    ("sqs", "send_message", {"QueueUrl": QUEUE_URL, "MessageBody": "1"}, [DECRYPTS, MAKES]),
    ("sqs", "receive_message", {"QueueUrl": QUEUE_URL}, [DECRYPTS]),
    ("sqs", "delete_message", {"QueueUrl": QUEUE_URL, "ReceiptHandle": "1"}, []),
    ("stepfunctions", "start_execution", {"stateMachineArn": MACHINE}, []),
]


@pytest.mark.parametrize(("service", "operation", "parameters", "used"), USES, ids=lambda value: str(value)[:20])
def test_whoever_uses_something_encrypted_needs_the_key_through_its_service(service, operation, parameters, used):
    def guarded(*uses, via=service, key=KEY_ARN):
        condition = {"StringEquals": {"kms:ViaService": f"{via}.us-east-1.amazonaws.com"}}
        of_key = [allow(use, on=KEY_ARN, Condition=condition) for use in uses]
        everything = allow(*(f"{name}:*" for name in ("dynamodb", "s3", "secretsmanager", "sqs", "states")), on="*")
        known = Permissions([function(everything, *of_key)], key)
        return client(Guard(Response("<a/>") if service == "s3" else TAKEN, known), service)

    assert answered(guarded(*used), operation, parameters) is None
    assert answered(guarded(key=""), operation, parameters) is None, "keys of AWS need no permission"
    if used:
        assert "kms:" in answered(guarded(*used, via="sns"), operation, parameters)["Error"]["Message"]
    for missing in used:
        others = [each for each in used if each != missing]
        assert missing in answered(guarded(*others), operation, parameters)["Error"]["Message"]


# ---- evaluation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("dynamodb:GetItem", "arn:one", True),
        ("DynamoDB:getitem", "arn:one", True),
        ("dynamodb:GetItems", "arn:one", False),
        ("dynamodb:GetItem", "ARN:one", False),
        ("dynamodb:GetItem", "arn:one/more", False),
        ("s3:GetObject", "arn:b/plans/1/2", True),
        ("s3:GetObject", "arn:b/plans", False),
        ("s3:GetObjectAcl", "arn:b/plans/1", False),
        ("sqs:SendMessage", "arn:q1", True),
        ("sqs:ReceiveMessage", "arn:q1", True),
        ("sqs:SendMessage", "arn:q12", False),
        ("logs:PutLogEvents", "*", False),
    ],
)
def test_a_permission_is_one_action_on_one_resource(action, resource, allowed):
    known = permissions(
        allow("dynamodb:GetItem", on=["arn:one", "arn:two"]),
        allow("s3:GetObject", on="arn:b/plans/*"),
        allow("sqs:*", on="arn:q?"),
    )
    assert known.allow("DoRole", Call(action, resource)) is allowed


def test_a_denial_wins_over_any_permission():
    known = permissions(allow("s3:*", on="*"), allow("s3:DeleteObject", on="arn:b/*") | {"Effect": "Deny"})
    assert known.allow("DoRole", Call("s3:GetObject", "arn:b/1"))
    assert not known.allow("DoRole", Call("s3:DeleteObject", "arn:b/1"))


def test_a_condition_holds_for_one_of_its_values():
    passed = {"StringEquals": {"iam:PassedToService": ["scheduler.amazonaws.com", "x"]}}
    known = permissions(allow("iam:PassRole", on="arn:role", Condition=passed))
    to_scheduler = {"iam:PassedToService": "scheduler.amazonaws.com"}
    assert known.allow("DoRole", Call("iam:PassRole", "arn:role", to_scheduler))
    assert not known.allow("DoRole", Call("iam:PassRole", "arn:role", {"iam:PassedToService": "lambda.amazonaws.com"}))
    assert not known.allow("DoRole", Call("iam:PassRole", "arn:role"))


def test_a_redundant_permission_does_not_count_as_used():
    known = permissions(allow("s3:GetObject", on="arn:b/*"), allow("s3:GetObject", on="arn:b/plans/*"))
    assert known.allow("DoRole", Call("s3:GetObject", "arn:b/plans/1"))
    assert known.used == set()
    assert known.allow("DoRole", Call("s3:GetObject", "arn:b/other"))
    assert known.used == {("DoRole", "s3:GetObject", "arn:b/*")}


def test_every_role_of_a_template_is_known():
    start, send = allow("states:StartExecution", on=MACHINE), allow("sqs:SendMessage", on="arn:q")
    machine = Resource("Flow", MACHINE, STATE_MACHINE, {"Policies": [{"Statement": [send]}], "Events": {"Over": {}}})
    policy = Resource("P", "P", POLICY, {"Roles": ["DoRole", "ScheduleRole"], "PolicyDocument": {"Statement": start}})
    known = Permissions([policy, function(send), machine, TRUST])
    assert {role: [(each.action, each.resource) for each in known.of(role)] for role in known} == {
        "DoRole": [("sqs:SendMessage", "arn:q"), ("states:StartExecution", MACHINE)],
        "FlowRole": [("sqs:SendMessage", "arn:q")],
        "FlowOverRole": [("states:StartExecution", MACHINE)],  # SAM makes this role for the event
        "ScheduleRole": [("states:StartExecution", MACHINE)],
    }


def test_a_queue_accepts_what_its_policy_allows():
    statement = allow("sqs:SendMessage", on="arn:q", Principal={"Service": "events.amazonaws.com"})
    statement["Condition"] = {"ArnEquals": {"aws:SourceArn": "arn:rule"}}
    only_tls = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
    only_tls["Condition"] = {"Bool": {"aws:SecureTransport": "false"}}
    policy = Resource("P", "P", QUEUE_POLICY, {"PolicyDocument": {"Statement": [statement, only_tls]}})
    queues = [Resource(name, name, QUEUE, {}) for name in ("q", "other")]
    known = Permissions([policy, *queues])
    assert known.queue_takes("arn:q", "arn:rule")
    assert not known.queue_takes("arn:q", "arn:other")
    assert not known.queue_takes("arn:other", "arn:rule")
    assert known.queue_takes("arn:somebody-elses", "arn:rule")
    del only_tls["Condition"]
    policy = Resource("P", "P", QUEUE_POLICY, {"PolicyDocument": {"Statement": [statement, only_tls]}})
    assert not Permissions([policy, *queues]).queue_takes("arn:q", "arn:rule")


@pytest.fixture(scope="module")
def deployed():
    """The roles of template.yaml, with every resource regardless of its condition."""
    return list(template.load(ROOT / "template.yaml", EVERYTHING, "us-east-1").granting)


def sample(permission):
    """A call that a permission allows."""
    wanted = permission.condition.get("StringEquals", {})
    context = {key: texts[0] if isinstance(texts, list) else texts for key, texts in wanted.items()}
    return Call(permission.action, permission.resource.replace("*", "some/thing"), context)


def test_without_a_permission_of_the_template_its_call_is_refused(deployed):
    """No other permission replaces it, so a test with the call would fail without it (tests/support/permissions.py)."""
    known = Permissions(deployed)
    assert len(list(known)) > 15
    for role in known:
        for permission in known.of(role):
            assert Permissions(deployed).allow(role, sample(permission)), permission
            assert not without(deployed, role, permission).allow(role, sample(permission)), permission


def without(resources, role, permission):
    """The roles without a certain permission of one of them."""
    known = Permissions(resources)
    known._roles[role].remove(permission)
    return known


@pytest.mark.parametrize("unmet", UNMET, ids=str)
def test_every_exempt_permission_is_in_the_template(unmet):
    about = {role for role, *what in declared() if is_of(unmet, role, *what)}
    assert unmet[0] == "*" or about in ({unmet[0]}, {f"{name}FunctionRole" for name in unmet[0].split()})
    assert about


def test_refused_calls_and_unused_permissions_are_reported(
    tmp_path,
):
    used = sorted(declared())
    (tmp_path / "1.json").write_text(json.dumps({"used": used[:9], "refused": []}))
    (tmp_path / "2.json").write_text(json.dumps({"used": used[9:], "refused": []}))
    assert list(complaints(tmp_path)) == []
    lost = ("DriftFunctionRole", "dynamodb:GetItem", f"{DYNAMODB}/LocksTable")
    assert lost in used
    used.remove(lost)
    (tmp_path / "1.json").write_text(json.dumps({"used": used, "refused": []}))
    (tmp_path / "2.json").write_text(json.dumps({"used": [], "refused": [lost]}))
    assert list(complaints(tmp_path)) == [
        f"AccessDenied: DriftFunctionRole was refused dynamodb:GetItem on {lost[2]}",
        f"DriftFunctionRole may dynamodb:GetItem on {lost[2]}, and no test uses it: write one, or take it away",
    ]


def test_a_run_of_some_tests_reports_only_refused_calls(tmp_path):
    lost = ("DriftFunctionRole", "dynamodb:GetItem", f"{DYNAMODB}/LocksTable")
    written = tmp_path / "1.json"
    written.write_text(json.dumps({"used": [], "refused": []}))
    assert list(complaints(tmp_path, whole=False)) == []
    written.write_text(json.dumps({"used": [], "refused": [lost]}))
    assert len(list(complaints(tmp_path, whole=False))) == 1


@pytest.mark.parametrize(
    ("source", "args", "option", "whole"),
    [
        ("TESTPATHS", [], {"keyword": "", "markexpr": "", "deselect": None, "lf": False}, True),
        ("ARGS", ["tests/faults", "tests/stack", "tests/asl"], {}, True),
        ("ARGS", ["tests/faults", "tests/stack", "tests/asl"], {"keyword": "drift"}, False),
        ("ARGS", ["tests/faults", "tests/stack", "tests/asl/test_flow.py"], {}, False),
        ("INVOCATION_DIR", [], {}, False),
        ("TESTPATHS", [], {"keyword": "drift"}, False),
        ("TESTPATHS", [], {"lf": True}, False),
        ("TESTPATHS", [], {"collectonly": True}, False),
        ("TESTPATHS", [], {"deselect": ["tests/unit/test_iam.py"]}, False),
    ],
)
def test_a_run_of_all_tests_of_stacks_is_recognised(source, args, option, whole):
    config = SimpleNamespace(args_source=pytest.Config.ArgsSource[source], args=args, option=SimpleNamespace(**option))
    assert is_whole(config) is whole


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"Role": "arn:mine"}, "the role that SAM makes"),
        ({"Policies": ["AmazonDynamoDBFullAccess"]}, "policies with statements only"),
        ({"Policies": [{"Statement": allow("s3:*", on={"Fn::ImportValue": "x"})}]}, "could not resolve"),
        (
            {"Policies": [{"Statement": allow("s3:*", on="*", Condition={"Null": {"a": "b"}})}]},
            "the condition Null",
        ),
        ({"Policies": [{"Statement": allow("s3:*", on="*", NotResource="x")}]}, "NotResource"),
    ],
)
def test_a_condition_that_cannot_be_evaluated_is_an_error(properties, message):
    with pytest.raises(StackError, match=re.escape(message)):
        Permissions([Resource("Do", "Do", FUNCTION, properties)])
