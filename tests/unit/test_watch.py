"""The search for planted secrets: what it finds, what belongs where it is, and that a run without a search fails."""

import base64
import json

import boto3
import pytest
from botocore.config import Config

from local.planted import found_in, planted
from local.stack import moto_app
from local.stack.iam import credential_of
from local.stack.stack import PERMISSIONS_FOLDER
from local.stack.watch import BELONGS, PLACES, Watch, Watched
from tests.support.leaks import complaints, look_at_received, look_at_requests

SECRET = planted("client-secret", "1")
TOKEN = planted("task-token", "1")


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def send(watch):
    """Send a request to a service that accepts everything, through the watch."""

    def accept(environ, start_response):
        assert credential_of(environ) is not None
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b""]

    def call(service, operation, **request):
        made = boto3.client(
            service,
            region_name="us-east-1",
            aws_access_key_id="DoFunctionRole",
            aws_secret_access_key=planted("aws-key", "1"),
            endpoint_url="http://localhost",
            config=Config(proxies={}, parameter_validation=False),
        )
        moto_app.connect(made, Watched(accept, watch))
        getattr(made, operation)(**request)

    return call


@pytest.fixture
def lines(watch, tmp_path):
    """Return what the run would complain about."""

    def written(log=b""):
        (tmp_path / "functions.log").write_bytes(log)
        watch.look_at_log(tmp_path / "functions.log")
        watch.write(tmp_path)
        return list(complaints(tmp_path, whole=False))

    return written


@pytest.mark.parametrize("before", [b"", b"i", b"id", b"id:"])
@pytest.mark.parametrize("after", [b"", b"x", b"xy"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_is_found_in_base64_at_every_offset(before, after, encode):
    (found,) = found_in(b'"' + encode(before + SECRET.encode() + after) + b'"')
    assert found.kind == "encoded"


def test_a_secret_is_found_with_its_kind_and_the_text_around_it():
    assert found_in(b"a text") == []
    found = found_in(f'{{"note": "{SECRET}", "token": "{TOKEN}"}}'.encode())
    assert [each.kind for each in found] == ["client-secret", "task-token"]
    assert '"note": "' in found[0].excerpt


@pytest.mark.parametrize(
    ("service", "operation", "request_", "place"),
    [
        (
            *("dynamodb", "put_item", {"TableName": "AuditTable", "Item": {"reason": {"S": SECRET}}}),
            "dynamodb:PutItem arn:aws:dynamodb:us-east-1:123456789012:table/AuditTable",
        ),
        ("s3", "put_object", {"Bucket": "b", "Key": "k", "Body": SECRET}, "s3:PutObject arn:aws:s3:::b/k"),
        ("s3", "put_object", {"Bucket": "b", "Key": SECRET, "Body": "x"}, f"s3:PutObject arn:aws:s3:::b/{SECRET}"),
        (
            *("sqs", "send_message", {"QueueUrl": "http://localhost/1/Letters", "MessageBody": SECRET}),
            "sqs:SendMessage arn:aws:sqs:us-east-1:123456789012:Letters",
        ),
        (
            *("events", "put_events", {"Entries": [{"EventBusName": "Bus", "Detail": SECRET}]}),
            "events:PutEvents arn:aws:events:us-east-1:123456789012:event-bus/Bus",
        ),
        (
            *("stepfunctions", "start_execution", {"stateMachineArn": "arn:m", "input": SECRET}),
            "states:StartExecution arn:m",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and ":" not in value else "",
)
def test_a_secret_in_a_request_is_found(send, lines, service, operation, request_, place):
    send(service, operation, **request_)
    (line,) = lines()
    assert line.startswith(f"a planted secret leaks: {place}: client-secret: ")


def test_a_secret_in_secrets_manager_belongs_there(send, lines):
    send("secretsmanager", "put_secret_value", SecretId="Token", SecretString=json.dumps({"token": SECRET}))
    assert lines() == []


def test_a_secret_that_is_not_planted_fails_the_run_because_nobody_would_find_it(send, lines):
    pair = {"client_id": "me", "client_secret": SECRET, "others": [{"token": "of another kind", "expires_at": 1}]}
    send("secretsmanager", "create_secret", Name="Credentials", SecretString=json.dumps(pair))
    assert lines() == ["a secret is not planted, so nobody would find it: Credentials: token (local/planted.py)"]


def test_a_task_token_may_be_in_the_table_of_fleets_and_in_no_record(send, lines):
    for table in ("FleetsTable", "AuditTable"):
        send("dynamodb", "put_item", TableName=table, Item={"token": {"S": TOKEN}})
    (line,) = lines()
    assert "table/AuditTable: task-token: " in line


def test_in_a_transaction_a_token_belongs_in_one_table_only(send, lines):
    item = {"token": {"S": TOKEN}}
    tables = ("AuditTable", "ApprovalsTable")
    send(
        *("dynamodb", "transact_write_items"),
        TransactItems=[{"Put": {"TableName": table, "Item": item}} for table in tables],
    )
    (line,) = lines()
    assert "leaks: dynamodb:PutItem arn:aws:dynamodb:us-east-1:123456789012:table/AuditTable: task-token: " in line


def test_the_headers_of_a_request_to_the_api_are_its_callers_and_its_body_is_not(watch, lines):
    event = {"routeKey": "POST /plans", "headers": {"authorization": f"Bearer {SECRET}"}, "rawPath": "/", "body": "{}"}
    watch.look_at_invocation("Plans", json.dumps(event).encode(), "", b"{}")
    assert lines() == []
    watch.look_at_invocation("Plans", json.dumps(event | {"body": SECRET}).encode(), "", b"{}")
    (line,) = lines()
    assert "leaks: event of Plans: " in line


def test_a_secret_is_found_in_an_event_an_answer_a_trace_header_a_history_and_the_log(watch, lines):
    watch.look_at_invocation("Do", SECRET.encode(), "", b"")
    watch.look_at_invocation("Other", b"", f"Root={SECRET}", b"")
    watch.look_at_invocation("Third", b"", "", json.dumps({"errorMessage": SECRET}).encode())
    watch.look_at_history("Flow", f"[{{'cause': '{SECRET}'}}]")
    found = [line.split(": ")[1] for line in lines(b'{"_aws": {}}\n{"message": "' + SECRET.encode() + b'"}\n')]
    assert found == ["answer of Third", "event of Do", "event of Other", "history of Flow", "log of the functions"]


def test_a_whole_run_that_did_not_search_fails(watch, tmp_path):
    assert list(complaints(tmp_path, whole=False)) == []
    assert len(list(complaints(tmp_path))) == len(PLACES)
    for place in PLACES:
        watch.look(place, lambda: "", b"")
    watch.write(tmp_path)
    assert list(complaints(tmp_path)) == []


def test_every_place_where_a_secret_belongs_has_a_reason():
    assert all(reason for _, _, reason in BELONGS)
    assert not any(kind == "*" for place, kind, _ in BELONGS if not place.startswith("secretsmanager:"))


def test_a_secret_that_another_system_gets_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv(PERMISSIONS_FOLDER, str(tmp_path))
    look_at_received("Slack", b'{"text": "no secret"}')
    assert list(complaints(tmp_path, whole=False)) == []
    look_at_received("Slack", json.dumps({"text": f"Approve with {TOKEN}"}).encode())
    (line,) = complaints(tmp_path, whole=False)
    assert line.startswith("a planted secret leaks: received by Slack: task-token: ")


@pytest.mark.parametrize("part", [{"body": {"name": [SECRET]}}, {"path": f"/{SECRET}"}, {"idempotency_key": SECRET}])
def test_a_secret_that_genesys_gets_outside_of_a_login_is_found(monkeypatch, tmp_path, part):
    monkeypatch.setenv(PERMISSIONS_FOLDER, str(tmp_path))
    entry = dict.fromkeys(("path", "query", "body", "idempotency_key", "correlation_id")) | {"authorization": "Bearer"}
    look_at_requests([entry])
    assert list(complaints(tmp_path, whole=False)) == []
    look_at_requests([entry, entry | part])
    (line,) = complaints(tmp_path, whole=False)
    assert line.startswith("a planted secret leaks: received by Genesys: client-secret: ")
