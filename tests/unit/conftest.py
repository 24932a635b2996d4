"""Fixtures of unit tests: no sockets, fakes of time and HTTP, and moto in this process."""

import json
import math
import socket
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from moto import mock_aws

from local.stack import moto_app, moto_seam, nursery
from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.client import client
from routing_weights.adapters.aws.documents import Documents
from routing_weights.adapters.aws.drift_table import DriftEntries
from routing_weights.adapters.aws.fleets_table import Fleets
from routing_weights.adapters.aws.state_machine import Executions
from routing_weights.domain.strategies import strategies
from tests.support.fakes import FakeTime

moto_app.mock(moto_app.application())
moto_seam.quicken()
nursery.sign_with_the_scope("v4")  # not S3: over TLS, its signature also says how the body is sent
settings.register_profile("unit", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _no_sockets(monkeypatch):
    def refuse(*_):
        raise AssertionError("a unit test opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)


@pytest.fixture
def fake_time():
    return FakeTime()


@pytest.fixture
def own_strategy(monkeypatch):
    """Add a strategy `own` to the shipped ones. It requires nothing except `fields`."""

    def add(**fields):
        entry = strategies()["longest-available-agent"].model_copy(update=fields)
        monkeypatch.setitem(strategies(), "own", entry)
        return {"strategy_reference": "own"}

    return add


@pytest.fixture
def aws(monkeypatch):
    """moto in this process, empty at the start. Returns the package's own clients by service name."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield client


@pytest.fixture
def trail(aws, documents):
    keys = ("distribution_id", "record", "opened_queue_id", "timestamp")
    by_queue = [
        {"AttributeName": "opened_queue_id", "KeyType": "HASH"},
        {"AttributeName": "timestamp", "KeyType": "RANGE"},
    ]
    aws("dynamodb").create_table(
        TableName="audit",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        KeySchema=[
            {"AttributeName": "distribution_id", "KeyType": "HASH"},
            {"AttributeName": "record", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {"IndexName": "by_queue", "KeySchema": by_queue, "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ],
    )
    aws("dynamodb").create_table(
        TableName="chains",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "chain", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "chain", "KeyType": "HASH"}],
    )
    return AuditTrail("audit", documents, "locks", "chains")


@pytest.fixture
def drift_table(aws):
    aws("dynamodb").create_table(
        TableName="drift",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "queue_id", "AttributeType": "S"},
            {"AttributeName": "record", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "queue_id", "KeyType": "HASH"},
            {"AttributeName": "record", "KeyType": "RANGE"},
        ],
    )
    return DriftEntries("drift")


@pytest.fixture
def shares_table(aws):
    """SharesTable, empty. Returns its name."""
    keys = {"queue_id": "HASH", "kind": "RANGE"}
    aws("dynamodb").create_table(
        TableName="shares",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in (*keys, "in_force")],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "in_force",
                "KeySchema": [
                    {"AttributeName": "in_force", "KeyType": "HASH"},
                    {"AttributeName": "queue_id", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return "shares"


@pytest.fixture
def fleets(aws):
    by_time = [
        {"AttributeName": "kind", "KeyType": "HASH"},
        {"AttributeName": "submitted_at", "KeyType": "RANGE"},
    ]
    aws("dynamodb").create_table(
        TableName="fleets",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("fleet_id", "part", "kind", "submitted_at")
        ],
        KeySchema=[
            {"AttributeName": "fleet_id", "KeyType": "HASH"},
            {"AttributeName": "part", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {"IndexName": "by_time", "KeySchema": by_time, "Projection": {"ProjectionType": "ALL"}}
        ],
    )
    return Fleets("fleets")


@pytest.fixture
def executions(aws):
    role = "arn:aws:iam::123456789012:role/machine"
    machine = aws("stepfunctions").create_state_machine(
        name="distribute",
        definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
        roleArn=role,
    )
    return Executions(machine["stateMachineArn"])


@pytest.fixture
def started(aws, executions):
    """Return the names of all executions."""

    def names():
        listed = aws("stepfunctions").list_executions(stateMachineArn=executions.state_machine_arn)
        return {execution["name"] for execution in listed["executions"]}

    return names


@pytest.fixture
def aws_answers(aws):
    """Answer an operation instead of AWS, through botocore's own hook: with an error code, or with a parsed answer.

    The first `times` calls are answered, or all.
    """
    registered = []

    def answer_with(service, operation, reply, times=math.inf):
        requests = []

        def hook(params, **_):
            if len(requests) >= times:
                return None
            requests.append(params)
            if isinstance(reply, str):
                raise ClientError({"Error": {"Code": reply}}, operation)
            return SimpleNamespace(status_code=200), reply

        event = f"before-call.{service}.{operation}"
        aws(service).meta.events.register(event, hook)
        registered.append((service, event, hook))
        return requests

    yield answer_with
    for service, event, hook in registered:
        aws(service).meta.events.unregister(event, hook)


@pytest.fixture
def documents(aws):
    aws("s3").create_bucket(Bucket="documents-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return Documents("documents-bucket")


@pytest.fixture
def logs(caplog):
    """Return every log record so far as a dictionary, with all its fields."""
    return lambda: [vars(record) for record in caplog.records]
