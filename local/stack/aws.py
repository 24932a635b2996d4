"""The AWS services: moto's server in this process, with the resources of the template."""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.test import Client

from local.stack import events, map_runs, moto_app, moto_seam, rules
from local.stack.errors import StackError
from local.stack.faults import Faults
from local.stack.iam import Call, Guard, Permissions
from local.stack.lambdas import CREDENTIALS
from local.stack.rules import MOST_EVENT_BYTES, RequestTooLarge, Throttled, Transactions
from local.stack.serving import KeepAlive
from local.stack.template import (
    ACCOUNT,
    BUCKET,
    BUS,
    FUNCTION,
    KEY,
    QUEUE,
    ROLE,
    ROTATION,
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
    load,
    role_of,
)
from local.stack.ticker import Clock, Ticker, wall_clock
from local.stack.watch import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.stack.runtime import Outcome
    from local.stack.serving import Served
    from local.stack.watch import Watch

SESSION = boto3.Session()
"""Has the models of services that a nursery has read."""
_TABLE_PROPERTIES = (
    *("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema"),
    *("LocalSecondaryIndexes", "ProvisionedThroughput"),
)
_QUEUE_PROPERTIES = (
    *("DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds"),
    *("SqsManagedSseEnabled", "VisibilityTimeout"),
)


def prepare(services: Iterable[str]) -> None:
    """Do once what every stack of template.yaml would repeat: read models of services, and parse the state machines."""
    moto_seam.quicken()
    for service in services:
        get_service_model(service)
        for session in (SESSION, boto3):
            session.client(service, "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # type: ignore[call-overload]  # noqa: S106
    path = Path(__file__).resolve().parents[2] / "template.yaml"
    for resource in load(path, {"GENESYS_BASE_URL": "http://localhost"}, "us-east-1").resources:
        if resource.type == STATE_MACHINE:
            moto_seam.parse(definition(resource, path))


class _Handler(KeepAlive, MotoRequestHandler):  # type: ignore[misc]
    """Reads headers as moto does."""


class Aws:
    """Serves every service at one URL. Schedules run by `clock`.

    `told` gets the ARN of each execution that ends, that of its state machine, and its status.
    """

    def __init__(
        self,
        served: Served,
        region: str,
        invoke: Callable[[str, bytes], Outcome],
        permissions: Permissions,
        clock: Clock = wall_clock,
        transactions: Transactions | None = None,
        told: Callable[[str, str, str], None] = lambda *_: None,
        watch: Watch | None = None,
    ) -> None:
        self.url = served.url
        self.region = region
        self.ids: dict[str, str] = {}
        self._made: set[tuple[str, str]] = set()
        self._served = served
        self._clients: dict[tuple[str, str], Any] = {}
        self._making = threading.Lock()
        self._rules: list[events.Rule] = []
        self._creators: dict[str, Callable[[Resource], None]] = {
            BUCKET: self._create_bucket,
            BUS: lambda bus: self.client("events").create_event_bus(Name=bus.name),
            KEY: self._create_key,
            QUEUE: self._create_queue,
            ROTATION: self._create_rotation,
            RULE: self._create_rule,
            SCHEDULE_GROUP: lambda group: self.client("scheduler").create_schedule_group(Name=group.name),
            TABLE: self._create_table,
        }
        self._closing = threading.Event()
        self._tellers = ThreadPoolExecutor(2, "events")
        self._later = ThreadPoolExecutor(2, "asynchronous")
        self._told = told
        self._invoke = invoke
        self._permissions = permissions
        self._ticker = Ticker(moto_seam.schedules, self._start_scheduled, self._delete_schedule, self._invoke_at, clock)
        self._moto = moto_app.application()
        self._app: Any = Guard(self._moto, permissions)
        if watch is not None:
            self._app = Watched(self._app, watch)
        self._watch = watch
        moto_seam.install(
            served.port,
            self._app,
            invoke,
            self._invoke_later,
            self._ended,
            transactions or Transactions(),
            permissions,
        )
        self._reset()
        served.start(Faults(self._app), _Handler)

    def client(self, service: str, role: str = CREDENTIALS["AWS_ACCESS_KEY_ID"]) -> Any:
        """Return the boto3 client of a service, with the permissions of `role` (default: the administrator's).

        Threads may share clients, but not the session that makes them.
        """
        with self._making:
            if (service, role) not in self._clients:
                self._clients[service, role] = SESSION.client(  # type: ignore[call-overload]
                    service,
                    region_name=self.region,
                    endpoint_url=self.url,
                    aws_access_key_id=role,
                    aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
                    config=Config(proxies={}),
                )
                moto_app.connect(self._clients[service, role], self._app)
            return self._clients[service, role]

    def create(self, template: Template, path: Path, secrets: dict[str, str]) -> None:
        """Create the resources of the template. Afterwards, `ids` maps logical ids in snake case to names.

        `secrets` has the values of the secrets that get none from the template. Later templates update the state
        machines, and create what the earlier ones did not have. A running execution keeps its definition.
        """
        definitions = {item.name: definition(item, path) for item in template.resources if item.type == STATE_MACHINE}
        self._rules = events.rules(template.resources)
        for role in self._permissions:  # moto must know the role; `iam` knows what the role allows
            if self._is_new(ROLE, role):
                self.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")
        for function in template.functions:
            if self._is_new(FUNCTION, function.name):
                self._create_function(function)
        # A queue is created after its dead-letter queue, a rule after its bus, and a rotation after its secret.
        for resource in sorted(
            template.resources, key=lambda item: (item.type in {ROTATION, RULE}, "RedrivePolicy" in item.properties)
        ):
            name = resource.name
            is_new = self._is_new(resource.type, name)
            if resource.type == STATE_MACHINE:
                self._put_state_machine(resource, definitions[name], is_new=is_new)
            elif not is_new:
                continue
            elif resource.type == SECRET:
                value = secrets.get(resource.logical_id, resource.properties.get("SecretString"))
                self.client("secretsmanager").create_secret(
                    Name=resource.logical_id, **({} if value is None else {"SecretString": value})
                )
            else:
                self._creators[resource.type](resource)
            self.ids[re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", resource.logical_id).lower()] = name
        if self._is_new("", "ticker"):
            self._ticker.begin(template.regular)

    def _is_new(self, kind: str, name: str) -> bool:
        known = (kind, name) in self._made
        self._made.add((kind, name))
        return not known

    def close(self) -> None:
        self._closing.set()
        self._ticker.close()
        moto_seam.abort_all()
        if self._watch is not None:
            for machine, history in moto_seam.histories():
                self._watch.look_at_history(machine, history)
        self._tellers.shutdown(cancel_futures=True)
        self._later.shutdown(cancel_futures=True)
        for client in self._clients.values():
            client.close()
        self._served.close()

    def _ended(self, arn: str, machine_arn: str, status: str) -> None:
        """Send the rules an event that an execution has ended. Our own thread does it: moto's still ends the run."""
        self._told(arn, machine_arn, status)
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

    def _invoke_later(self, function: str, event: bytes) -> None:
        """Invoke a function asynchronously. A failure is not tried again: the template wants that of StandingsFunction.

        Raises RequestTooLarge.
        """
        if len(event) > MOST_EVENT_BYTES:
            raise RequestTooLarge(function)
        if not self._closing.is_set():
            self._later.submit(self._invoke_patiently, function, event)

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
        if lock := bucket.properties.get("ObjectLockConfiguration"):
            where["ObjectLockEnabledForBucket"] = True
        client.create_bucket(Bucket=bucket.name, **where)
        if lock:
            retention = lock["Rule"]["DefaultRetention"]
            rule = {"DefaultRetention": {**retention, "Days": int(retention["Days"])}}
            client.put_object_lock_configuration(
                Bucket=bucket.name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
            )
        if versioning := bucket.properties.get("VersioningConfiguration"):
            client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration=versioning)

    def _create_key(self, key: Resource) -> None:
        kinds = {name: key.properties[name] for name in ("KeySpec", "KeyUsage")}
        made = self.client("kms").create_key(**kinds)["KeyMetadata"]["KeyId"]
        moto_seam.name_key(self.region, made, key.name)

    def _create_queue(self, queue: Resource) -> None:
        attributes = {name: str(queue.properties[name]) for name in _QUEUE_PROPERTIES if name in queue.properties}
        if redrive := queue.properties.get("RedrivePolicy"):
            attributes["RedrivePolicy"] = json.dumps(redrive)
        self.client("sqs").create_queue(QueueName=queue.logical_id, Attributes=attributes)

    def _create_rotation(self, rotation: Resource) -> None:
        properties = rotation.properties
        days = int(properties["RotationRules"]["AutomaticallyAfterDays"])
        self.client("secretsmanager").rotate_secret(
            SecretId=properties["SecretId"],
            RotationLambdaARN=properties["RotationLambdaARN"],
            RotationRules={"AutomaticallyAfterDays": days},
            RotateImmediately=properties["RotateImmediatelyOnUpdate"],
        )

    def _create_rule(self, rule: Resource) -> None:
        """Create a rule whose targets are queues. moto delivers to no other target, and tries only once."""
        client, of = self.client("events"), {"EventBusName": rule.properties["EventBusName"]}
        if of["EventBusName"].startswith("aws.partner/"):  # on AWS it is an administrator who makes it
            with suppress(client.exceptions.ResourceAlreadyExistsException):  # another rule is on the same bus
                client.create_event_bus(Name=of["EventBusName"].rpartition("/")[2])  # which is all that moto goes by
        client.put_rule(Name=rule.name, EventPattern=json.dumps(rule.properties["EventPattern"]), **of)
        client.put_targets(Rule=rule.name, Targets=rule.properties["Targets"], **of)

    def _put_state_machine(self, machine: Resource, text: str, *, is_new: bool) -> None:
        client = self.client("stepfunctions")
        role = arn("iam", "", f"role/{role_of(machine.logical_id)}")
        rule = arn("events", self.region, f"rule/{rules.MANAGED_RULE}")
        map_runs.check(
            text, role, lambda action: self._permissions.allow(role_of(machine.logical_id), Call(action, rule))
        )
        try:
            if not is_new:
                client.update_state_machine(stateMachineArn=machine.name, definition=text, roleArn=role)
                return
            made = client.create_state_machine(name=machine.logical_id, definition=text, roleArn=role)
        except ClientError as error:
            reason = str(error).partition(" in definition ")[0]  # moto repeats the whole of it
            raise StackError(f"{machine.properties['DefinitionUri']}: {reason}") from error
        if made["stateMachineArn"] != machine.name:
            raise RuntimeError(f"moto named {machine.logical_id} {made['stateMachineArn']}, not {machine.name}")
