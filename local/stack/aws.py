"""The AWS services: moto's server in this process, with the resources of the template."""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.test import Client

from local.stack import events, map_runs, moto_app, moto_seam, rules
from local.stack.errors import StackError
from local.stack.iam import Call, Guard, Permissions
from local.stack.lambdas import CREDENTIALS
from local.stack.rules import Throttled, Transactions
from local.stack.serving import KeepAlive
from local.stack.template import (
    ACCOUNT,
    BUCKET,
    BUS,
    QUEUE,
    RULE,
    SCHEDULE_GROUP,
    SECRET,
    STATE_MACHINE,
    TABLE,
    Function,
    Resource,
    Template,
    arn,
    definition,
    role_of,
)
from local.stack.ticker import Clock, Ticker, wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local.stack.lambdas import Outcome
    from local.stack.serving import Served

_TABLE_PROPERTIES = (
    *("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema"),
    *("LocalSecondaryIndexes", "ProvisionedThroughput"),
)
_QUEUE_PROPERTIES = (
    *("DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds"),
    *("SqsManagedSseEnabled", "VisibilityTimeout"),
)


class _Handler(KeepAlive, MotoRequestHandler):  # type: ignore[misc]
    """Reads headers as moto does."""


class Aws:
    """Serves every service at one URL. Schedules run by `clock`. `told` gets the ARN of each execution that ends."""

    def __init__(
        self,
        served: Served,
        region: str,
        invoke: Callable[[str, bytes], Outcome],
        permissions: Permissions,
        clock: Clock = wall_clock,
        transactions: Transactions | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self.url = served.url
        self.region = region
        self.ids: dict[str, str] = {}
        self._served = served
        self._clients: dict[tuple[str, str], Any] = {}
        self._making = threading.Lock()
        self._session = boto3.Session(region_name=region)
        self._rules: list[events.Rule] = []
        self._creators: dict[str, Callable[[Resource], None]] = {
            BUCKET: self._create_bucket,
            BUS: lambda bus: self.client("events").create_event_bus(Name=bus.name),
            QUEUE: self._create_queue,
            RULE: self._create_rule,
            SCHEDULE_GROUP: lambda group: self.client("scheduler").create_schedule_group(Name=group.name),
            TABLE: self._create_table,
        }
        self._closing = threading.Event()
        self._tellers = ThreadPoolExecutor(2, "events")
        self._told = told
        self._invoke = invoke
        self._permissions = permissions
        self._ticker = Ticker(moto_seam.schedules, self._start_scheduled, self._delete_schedule, self._invoke_at, clock)
        self._moto = moto_app.application()
        self._app = Guard(self._moto, permissions)
        moto_seam.install(served.port, self._app, invoke, self._ended, transactions or Transactions(), permissions)
        self._reset()
        served.start(self._app, _Handler)

    def client(self, service: str, role: str = CREDENTIALS["AWS_ACCESS_KEY_ID"]) -> Any:
        """Return the boto3 client of a service, with the permissions of `role` (default: the administrator's).

        Threads may share clients, but not the session that makes them.
        """
        with self._making:
            if (service, role) not in self._clients:
                self._clients[service, role] = self._session.client(  # type: ignore[call-overload]
                    service,
                    endpoint_url=self.url,
                    aws_access_key_id=role,
                    aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
                    config=Config(proxies={}),
                )
                moto_app.connect(self._clients[service, role], self._app)
            return self._clients[service, role]

    def create(self, template: Template, path: Path, secrets: dict[str, str]) -> None:
        """Create the resources of the template. Afterwards, `ids` maps logical ids in snake case to names.

        `secrets` has the values of the secrets that get none from the template.
        """
        self._rules = events.rules(template.resources)
        for role in self._permissions:  # moto must know the role; `iam` knows what the role allows
            self.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")
        for function in template.functions:
            self._create_function(function)
        # A queue is created after its dead-letter queue, and a rule after its bus.
        for resource in sorted(
            template.resources, key=lambda item: (item.type == RULE, "RedrivePolicy" in item.properties)
        ):
            name = resource.name
            if resource.type == STATE_MACHINE:
                self._create_state_machine(resource, definition(resource, path))
            elif resource.type == SECRET:
                value = secrets.get(resource.logical_id, resource.properties.get("SecretString"))
                self.client("secretsmanager").create_secret(
                    Name=resource.logical_id, **({} if value is None else {"SecretString": value})
                )
            else:
                self._creators[resource.type](resource)
            self.ids[re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", resource.logical_id).lower()] = name
        self._ticker.begin(template.regular)

    def close(self) -> None:
        self._closing.set()
        self._ticker.close()
        moto_seam.abort_all()
        self._tellers.shutdown(cancel_futures=True)
        for client in self._clients.values():
            client.close()
        self._served.close()
        self._reset()

    def _ended(self, arn: str, machine_arn: str, status: str) -> None:
        """Send the rules an event that an execution has ended. Our own thread does it: moto's still ends the run."""
        if self._told is not None:
            self._told(arn)
        if not self._closing.is_set():
            event = events.execution_ended(arn, machine_arn, status, self.region, ACCOUNT)
            self._tellers.submit(events.deliver, event, self._rules, self._start)

    def _start(self, role: str, machine_arn: str, execution_input: str) -> None:
        client = self.client("stepfunctions", role)
        client.start_execution(stateMachineArn=machine_arn, input=execution_input)

    def _start_scheduled(self, target: dict[str, Any], execution_input: str) -> None:
        """Start the target of a schedule with the schedule's role. A refused start goes to its dead-letter queue."""
        role = target["RoleArn"].rpartition("/")[2]
        if role not in self._permissions:
            return  # without its role, EventBridge Scheduler cannot send to the dead-letter queue either
        try:
            self._start(role, target["Arn"], execution_input)
        except ClientError as error:
            if letters := target.get("DeadLetterConfig"):
                name = letters["Arn"].rpartition(":")[2]
                reason = error.response["Error"]
                texts = {"ERROR_CODE": reason["Code"], "ERROR_MESSAGE": reason["Message"], "TARGET_ARN": target["Arn"]}
                self._send(role, name, execution_input, texts)

    def _send(self, role: str, queue: str, body: str, attributes: dict[str, str]) -> None:
        with suppress(ClientError):  # a role that may not send to the dead-letter queue loses the message
            self.client("sqs", role).send_message(
                QueueUrl=f"https://sqs.{self.region}.amazonaws.com/{ACCOUNT}/{queue}",
                MessageBody=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()
                },
            )

    def _invoke_at(self, function: str, time: str) -> None:
        """Invoke a function as a scheduled rule does. Nobody waits for the result."""
        event = events.time_has_come(time, self.region, ACCOUNT)
        if not self._closing.is_set():
            self._tellers.submit(self._invoke_patiently, function, json.dumps(event).encode())

    def _invoke_patiently(self, function: str, event: bytes) -> None:
        """Invoke a function asynchronously, as Lambda does: try again while the function is throttled."""
        while not self._closing.is_set():
            with suppress(Throttled):
                self._invoke(function, event)
                return
            self._closing.wait(1)

    def _delete_schedule(self, schedule: dict[str, Any]) -> None:
        client = self.client("scheduler")
        with suppress(client.exceptions.ResourceNotFoundException):  # somebody has just deleted it
            client.delete_schedule(GroupName=schedule["GroupName"], Name=schedule["Name"])

    def _reset(self) -> None:
        """Remove the resources of an earlier stack of this process from moto."""
        Client(self._moto).post("/moto-api/reset", headers={"Host": "localhost"})

    def _create_function(self, function: Function) -> None:
        """Register a function, so that callers find it. Its code stays in its folder."""
        code = io.BytesIO()
        zipfile.ZipFile(code, "w").close()
        self.client("lambda").create_function(
            FunctionName=function.name,
            Runtime="python3.13",
            Role=arn("iam", "", f"role/{role_of(function.name)}"),
            Handler=function.handler,
            Code={"ZipFile": code.getvalue()},
            Timeout=function.timeout,
            MemorySize=function.memory,
            Environment={"Variables": function.environment},
        )

    def _create_table(self, table: Resource) -> None:
        client, properties = self.client("dynamodb"), table.properties
        known = {key: properties[key] for key in _TABLE_PROPERTIES if key in properties}
        if stream := properties.get("StreamSpecification"):
            known["StreamSpecification"] = {"StreamEnabled": True, **stream}
        client.create_table(TableName=table.name, **known)
        if ttl := properties.get("TimeToLiveSpecification"):
            client.update_time_to_live(TableName=table.name, TimeToLiveSpecification=ttl)

    def _create_bucket(self, bucket: Resource) -> None:
        where: dict[str, Any] = {}
        if self.region != "us-east-1":
            where = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        client = self.client("s3")
        client.create_bucket(Bucket=bucket.name, **where)
        if versioning := bucket.properties.get("VersioningConfiguration"):
            client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration=versioning)

    def _create_queue(self, queue: Resource) -> None:
        attributes = {name: str(queue.properties[name]) for name in _QUEUE_PROPERTIES if name in queue.properties}
        if redrive := queue.properties.get("RedrivePolicy"):
            attributes["RedrivePolicy"] = json.dumps(redrive)
        self.client("sqs").create_queue(QueueName=queue.logical_id, Attributes=attributes)

    def _create_rule(self, rule: Resource) -> None:
        """Create a rule whose targets are queues. moto delivers to no other target, and tries only once."""
        client, of = self.client("events"), {"EventBusName": rule.properties["EventBusName"]}
        if of["EventBusName"].startswith("aws.partner/"):  # on AWS it is an administrator who makes it
            client.create_event_bus(Name=of["EventBusName"].rpartition("/")[2])  # which is all that moto goes by
        client.put_rule(Name=rule.name, EventPattern=json.dumps(rule.properties["EventPattern"]), **of)
        client.put_targets(Rule=rule.name, Targets=rule.properties["Targets"], **of)

    def _create_state_machine(self, machine: Resource, text: str) -> None:
        client = self.client("stepfunctions")
        role = arn("iam", "", f"role/{role_of(machine.logical_id)}")
        rule = arn("events", self.region, f"rule/{rules.MANAGED_RULE}")
        map_runs.check(
            text, role, lambda action: self._permissions.allow(role_of(machine.logical_id), Call(action, rule))
        )
        try:
            made = client.create_state_machine(name=machine.logical_id, definition=text, roleArn=role)
        except ClientError as error:
            reason = str(error).partition(" in definition ")[0]  # moto repeats the whole of it
            raise StackError(f"{machine.properties['DefinitionUri']}: {reason}") from error
        if made["stateMachineArn"] != machine.name:
            raise RuntimeError(f"moto named {machine.logical_id} {made['stateMachineArn']}, not {machine.name}")
