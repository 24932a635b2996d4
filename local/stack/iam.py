"""IAM in front of moto: a call that the caller's role does not allow is refused, in the words of its service.

The access key of a call is the name of the caller's role. A function has the key in its environment; the stack makes
clients with the right key for state machines, mappings, schedules and rules. Any other key is an administrator's: that
of the stack, of a test, or yours. No signature is checked, and the port is on loopback.

moto's own access control (moto.iam.access_control) ignores Resource and Condition, counts a transaction as one action,
and words nearly every refusal in the same way.

Sources: AWS's service authorization reference for actions and resources, "Policy evaluation logic" in the IAM user
guide, and public bug reports for the words of a refusal.
"""

from __future__ import annotations

import html
import io
import json
import re
import uuid
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote

from werkzeug.wrappers import Response

from local.stack.errors import StackError
from local.stack.template import (
    ACCOUNT,
    FUNCTION,
    PERMISSION,
    POLICY,
    QUEUE,
    QUEUE_POLICY,
    ROLE,
    STATE_MACHINE,
    arn,
    named_by,
    role_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from local.stack.template import Resource

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/[^/]*/([^/]*)/([^/]*)/")
_NOTHING: Mapping[str, str] = {}


class Call(NamedTuple):
    """An action on a resource (its ARN), with the condition keys of the request."""

    action: str
    resource: str
    context: Mapping[str, str] = _NOTHING


class Permission(NamedTuple):
    """An action on a resource of a statement, as the template writes them, with wildcards."""

    effect: str
    action: str
    resource: str
    condition: Mapping[str, Mapping[str, Any]]

    def covers(self, call: Call) -> bool:
        return bool(_pattern(self.resource).fullmatch(call.resource)) and all(
            call.context.get(key) is not None
            and any(_fits(operator, text, call.context[key]) for text in _listed(texts))
            for operator, wanted in self.condition.items()
            for key, texts in wanted.items()
        )


class Permissions:
    """The permissions of a template's roles, with a record of used permissions and refused calls."""

    def __init__(self, resources: Iterable[Resource], key: str = "") -> None:
        """Read the policies. `key` is the ARN of the KMS key that encrypts everything, if any.

        Raises StackError for a policy that the embedded stack cannot evaluate exactly.
        """
        self._key = key
        resources = tuple(resources)
        self._roles = _roles(resources)
        self._trusts = {
            item.logical_id: _permissions(item.logical_id, _trust(item), {"Resource": "*"})
            for item in resources
            if item.type == ROLE
        }
        self._invokers = {
            (named_by(item.properties["FunctionName"]), item.properties["Principal"], item.properties["SourceAccount"])
            for item in resources
            if item.type == PERMISSION and "SourceAccount" in item.properties  # those of PeopleApi name an ARN
        }
        self._queues = {item.logical_id for item in resources if item.type == QUEUE}
        self._of_queues = [
            permission
            for item in resources
            if item.type == QUEUE_POLICY
            for permission in _permissions(item.logical_id, item.properties["PolicyDocument"]["Statement"])
        ]
        self._by_action: dict[tuple[str, str], list[Permission]] = {}
        self.used: set[tuple[str, str, str]] = set()
        self.refused: set[tuple[str, str, str]] = set()

    def replace(self, resources: Iterable[Resource]) -> None:
        """Evaluate other policies from now on. The record stays. Raises StackError, and then nothing has changed."""
        fresh = vars(Permissions(resources))
        vars(self).update({name: value for name, value in fresh.items() if name not in {"used", "refused"}})

    def __contains__(self, role: str) -> bool:
        return role in self._roles

    def of(self, role: str) -> list[Permission]:
        return list(self._roles[role])

    def __iter__(self) -> Iterator[str]:
        return iter(self._roles)

    def allow(self, role: str, call: Call) -> bool:
        """Return True if a role allows a call. If exactly one permission allows the call, that permission is used."""
        known = self._by_action.get((role, call.action))
        if known is None:
            known = [each for each in self._roles[role] if _pattern(each.action.lower()).fullmatch(call.action.lower())]
            self._by_action[role, call.action] = known
        covering = [each for each in known if each.covers(call)]
        allowed = bool(covering) and all(each.effect == "Allow" for each in covering)
        if not allowed:
            self.refused.add((role, call.action, call.resource))
        elif len(covering) == 1:  # of two permissions that allow the same call, either could be removed
            self.used.add((role, covering[0].action, covering[0].resource))
        return allowed

    def trusts(self, role: str, context: Mapping[str, str]) -> bool:
        """Return True if a service may assume a role."""
        call = Call("sts:AssumeRole", "*", context)
        return any(each.covers(call) for each in self._trusts.get(role, []))

    def lets_invoke(self, function: str, service: str) -> bool:
        """Return True if a function's own policy lets a service of this account invoke the function."""
        return (function, service, ACCOUNT) in self._invokers

    def queue_takes(self, queue: str, rule: str) -> bool:
        """Return True if a queue's policy lets a rule of EventBridge send to the queue. Both are ARNs.

        A queue that is not in the template accepts every message: it belongs to a test or to you, and has no policy.
        """
        if queue.rpartition(":")[2] not in self._queues:
            return True
        context = {"principal": "events.amazonaws.com", "aws:SourceArn": rule, "aws:SecureTransport": "true"}
        call = Call("sqs:SendMessage", queue, context)
        known = [each for each in self._of_queues if _pattern(each.action).fullmatch(call.action)]
        covering = [each for each in known if each.covers(call)]
        return bool(covering) and all(each.effect == "Allow" for each in covering)

    def of_key(self, calls: Iterable[Call], region: str) -> Iterator[Call]:
        """Return the uses of the KMS key that the service of each call makes in the name of the caller."""
        for call in calls if self._key else ():
            service = call.action.partition(":")[0]
            via = {"kms:ViaService": f"{service}.{region}.amazonaws.com"}
            for action in _OF_KEY.get(call.action) or _OF_KEY.get(f"{service}:*", ()):
                yield Call(action, self._key, via)

    def write(self, folder: Path) -> None:
        """Write used permissions and refused calls to a new file in `folder`, for `tests/support/permissions.py`."""
        text = json.dumps({"used": sorted(self.used), "refused": sorted(self.refused)})
        (folder / f"{uuid.uuid4()}.json").write_text(text, encoding="utf-8")


def _roles(resources: tuple[Resource, ...]) -> dict[str, list[Permission]]:
    """Return the permissions of each role, without SAM's AWSLambdaBasicExecutionRole: logs go to a file here."""
    roles: dict[str, list[Permission]] = {}
    for item in resources:
        if item.type in {FUNCTION, STATE_MACHINE}:
            if "Role" in item.properties:
                raise StackError(f"{item.logical_id}: the embedded stack supports only the role that SAM makes")
            roles[role_of(item.logical_id)] = _documents(item.logical_id, item.properties.get("Policies", []))
        elif item.type == ROLE:
            policies = [each["PolicyDocument"] for each in item.properties.get("Policies", [])]
            roles[item.logical_id] = _documents(item.logical_id, policies)
        if item.type == STATE_MACHINE:
            for event in item.properties.get("Events", {}):
                start = Permission("Allow", "states:StartExecution", item.name, {})
                roles[role_of(item.logical_id + event)] = [start]
    for item in resources:
        if item.type == POLICY:
            for role in item.properties["Roles"]:
                roles[role] += _documents(item.logical_id, [item.properties["PolicyDocument"]])
    return roles


def _documents(name: str, documents: Any) -> list[Permission]:
    permissions = []
    for document in _listed(documents):
        if not isinstance(document, dict) or "Statement" not in document:
            raise StackError(f"{name}: the embedded stack knows policies with statements only")
        permissions += _permissions(name, document["Statement"])
    return permissions


def _permissions(name: str, statements: Any, more: Mapping[str, Any] = _NOTHING) -> list[Permission]:
    permissions = []
    for statement in _listed(statements):
        statement = {**more, **statement}  # noqa: PLW2901
        condition = dict(statement.get("Condition", {}))
        if (principal := statement.get("Principal", "*")) != "*":
            condition["StringEquals"] = {**condition.get("StringEquals", {}), "principal": principal["Service"]}
        resources = _listed(statement["Resource"])
        if left := [each for each in resources if not isinstance(each, str)]:
            raise StackError(f"{name}: SAM CLI could not resolve {json.dumps(left[0])}")
        if unknown := condition.keys() - _OPERATORS.keys():
            raise StackError(f"{name}: the embedded stack does not know the condition {', '.join(sorted(unknown))}")
        if unknown := statement.keys() - {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}:
            raise StackError(f"{name}: the embedded stack does not know {', '.join(sorted(unknown))} of a statement")
        permissions += [
            Permission(statement["Effect"], action, resource, condition)
            for action, resource in product(_listed(statement["Action"]), resources)
        ]
    return permissions


def _trust(role: Resource) -> Any:
    return role.properties["AssumeRolePolicyDocument"]["Statement"]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


_OPERATORS: dict[str, bool] = {
    **dict.fromkeys(("Bool", "StringEquals"), False),
    **dict.fromkeys(("StringLike", "ArnEquals", "ArnLike"), True),
}
"""True if the text of a condition may have wildcards."""


def _fits(operator: str, text: str, value: str) -> bool:
    return bool(_pattern(text).fullmatch(value)) if _OPERATORS[operator] else text == value


# What a service does with the key in the name of its caller, from each service's page on encryption at rest. DynamoDB
# decrypts the key of the table also for a write: aws/aws-cdk#10010 and #19531 are reports of what happens without.
_OF_KEY: Mapping[str, tuple[str, ...]] = {
    "dynamodb:*": ("kms:Decrypt",),
    "s3:GetObject": ("kms:Decrypt",),
    "s3:PutObject": ("kms:GenerateDataKey",),
    "secretsmanager:GetSecretValue": ("kms:Decrypt",),
    "secretsmanager:PutSecretValue": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sns:Publish": ("kms:Decrypt", "kms:GenerateDataKey"),
    "sqs:ReceiveMessage": ("kms:Decrypt",),
    "sqs:SendMessage": ("kms:Decrypt", "kms:GenerateDataKey"),
}


# ---- what a request does --------------------------------------------------------------------------------------------


def calls(service: str, region: str, environ: Mapping[str, Any], body: bytes) -> list[Call]:
    """Return every action, with its resource, that a signed request needs permission for."""
    path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")  # as WSGI has it
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if service == "s3":
        return _of_s3(environ["REQUEST_METHOD"], path, query)
    if service == "lambda":
        function = path.removeprefix("/2015-03-31/functions/").removesuffix("/invocations")
        if environ["REQUEST_METHOD"] == "POST" and path.endswith("/invocations"):
            whole = function if ":" in function else arn("lambda", region, f"function:{function}")
            return [Call("lambda:InvokeFunction", whole)]
    if service == "scheduler":
        return _of_scheduler(region, environ["REQUEST_METHOD"], path, query, json.loads(body or b"{}"))
    if service == "sns":  # its protocol is a form
        form = parse_qs(body.decode())
        return [Call(f"sns:{form['Action'][0]}", form.get("TopicArn", ["*"])[0])]
    operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    if service in _OF_JSON and operation:
        return list(_OF_JSON[service](region, operation, json.loads(body)))
    return [Call(f"{service}:{operation or environ['REQUEST_METHOD']}", "*")]


def _of_s3(method: str, path: str, query: Mapping[str, list[str]]) -> list[Call]:
    bucket, _, key = path.removeprefix("/").partition("/")
    if not key and "versions" in query:
        return [Call("s3:ListBucketVersions", f"arn:aws:s3:::{bucket}")]
    if not key:
        return [Call("s3:ListBucket" if method in {"GET", "HEAD"} else f"s3:{method}", f"arn:aws:s3:::{bucket}")]
    verb = {"GET": "Get", "HEAD": "Get", "PUT": "Put", "DELETE": "Delete"}.get(method, method)
    return [Call(f"s3:{verb}Object{'Version' if 'versionId' in query else ''}", f"arn:aws:s3:::{bucket}/{key}")]


def _of_scheduler(
    region: str, method: str, path: str, query: Mapping[str, list[str]], body: Mapping[str, Any]
) -> list[Call]:
    _, kind, *name = path.split("/", 2)
    if kind != "schedules":
        return [Call(f"scheduler:{method}", "*")]
    if not name or not name[0]:
        return [Call("scheduler:ListSchedules", "*")]
    group = body.get("GroupName") or query.get("groupName", ["default"])[0]
    verb = {"POST": "Create", "PUT": "Update", "GET": "Get", "DELETE": "Delete"}.get(method, method)
    needed = [Call(f"scheduler:{verb}Schedule", arn("scheduler", region, f"schedule/{group}/{name[0]}"))]
    if "Target" in body:
        passed = {"iam:PassedToService": "scheduler.amazonaws.com"}
        needed.append(Call("iam:PassRole", body["Target"]["RoleArn"], passed))
    return needed


def _of_dynamodb(region: str, operation: str, body: Mapping[str, Any]) -> Iterator[Call]:
    def table(name: str) -> str:
        return name if name.startswith("arn:") else arn("dynamodb", region, f"table/{name}")

    if operation.startswith("Transact"):  # each item needs its own permission
        for item in body["TransactItems"]:
            for kind, request in item.items():
                yield Call(f"dynamodb:{_OF_ITEMS.get(kind, kind)}", table(request["TableName"]))
    elif operation.startswith("Batch"):
        for name in body["RequestItems"]:
            yield Call(f"dynamodb:{operation}", table(name))
    else:
        index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
        yield Call(f"dynamodb:{operation}", table(body.get("TableName", "*")) + index)


_OF_ITEMS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "Get": "GetItem"} | {
    "ConditionCheck": "ConditionCheckItem"
}


def _of_sqs(region: str, operation: str, body: Mapping[str, Any]) -> Iterator[Call]:
    yield Call(
        f"sqs:{operation.removesuffix('Batch')}", arn("sqs", region, body.get("QueueUrl", "*").rpartition("/")[2])
    )


def _of_secrets(region: str, operation: str, body: Mapping[str, Any]) -> Iterator[Call]:
    secret = body.get("SecretId", "*")
    yield Call(
        f"secretsmanager:{operation}",
        secret if secret.startswith("arn:") else arn("secretsmanager", region, f"secret:{secret}"),
    )


def _of_states(region: str, operation: str, body: Mapping[str, Any]) -> Iterator[Call]:
    if "taskToken" in body:
        # AWS needs the permission on the state machine that waits: the policy StepFunctionsCallbackPolicy of SAM.
        from local.stack.moto_seam import machine_waiting_with  # noqa: PLC0415 - it imports this module

        if machine := machine_waiting_with(body["taskToken"], region):
            yield Call(f"states:{operation}", machine)
        return
    yield Call(f"states:{operation}", body.get("stateMachineArn") or body.get("executionArn") or "*")


def _of_events(region: str, operation: str, body: Mapping[str, Any]) -> Iterator[Call]:
    for entry in body["Entries"] if operation == "PutEvents" else [{"EventBusName": "*"}]:
        bus = entry.get("EventBusName", "default")
        yield Call(f"events:{operation}", bus if bus.startswith("arn:") else arn("events", region, f"event-bus/{bus}"))


def _of_kms(_region: str, operation: str, body: Mapping[str, Any]) -> Iterator[Call]:
    yield Call(f"kms:{operation}", body.get("KeyId", "*"))


_OF_JSON: dict[str, Callable[[str, str, Mapping[str, Any]], Iterator[Call]]] = {
    "dynamodb": _of_dynamodb,
    "sqs": _of_sqs,
    "secretsmanager": _of_secrets,
    "states": _of_states,
    "events": _of_events,
    "kms": _of_kms,
}
_WITHOUT_BODY = {"s3", "lambda"}  # method and path name the action of these services


def credential_of(environ: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return access key, region and service of a signed request."""
    # A presigned address has the credential in its query: whoever sends the request acts as the role.
    signature = environ.get("HTTP_AUTHORIZATION") or unquote(environ.get("QUERY_STRING", ""))
    credential = _CREDENTIAL.search(signature)
    return None if credential is None else (credential[1], credential[2], credential[3])


# ---- in front of moto -----------------------------------------------------------------------------------------------


class Guard:
    """A WSGI application that passes a request on to `app` if the caller's role allows it, and refuses the rest."""

    def __init__(self, app: Any, permissions: Permissions) -> None:
        self._app = app
        self.permissions = permissions

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        credential = credential_of(environ)
        if credential is None or credential[0] not in self.permissions:
            return self._app(environ, start_response)
        role, region, service = credential
        body = b""
        if service not in _WITHOUT_BODY:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
        wanted = calls(service, region, environ, body)
        for call in (*wanted, *self.permissions.of_key(wanted, region)):
            if not self.permissions.allow(role, call):
                return refusal(service, role, call)(environ, start_response)
            if call.action == "iam:PassRole" and not self._assumable(call, wanted[0]):
                return _unassumable()(environ, start_response)
        if service == "s3" and wanted[0].action.startswith("s3:GetObject"):
            return self._get_object(environ, start_response, role, wanted[0])
        return self._app(environ, start_response)

    def _get_object(self, environ: dict[str, Any], start_response: Any, role: str, call: Call) -> Any:
        """Answer 403 instead of 404 if the role may not list the bucket, as S3 does."""
        begun: list[tuple[str, Any]] = []
        content = self._app(environ, lambda status, headers, _error=None: begun.append((status, headers)))
        listing = Call("s3:ListBucket", call.resource.partition("/")[0])
        if begun[-1][0].startswith("404") and not self.permissions.allow(role, listing):
            return refusal("s3", role, listing)(environ, start_response)
        start_response(*begun[-1])
        return content

    def _assumable(self, passed: Call, schedule: Call) -> bool:
        group = schedule.resource.replace(":schedule/", ":schedule-group/").rpartition("/")[0]
        return self.permissions.trusts(passed.resource.rpartition("/")[2], {**_SCHEDULER, "aws:SourceArn": group})


_SCHEDULER = {"principal": "scheduler.amazonaws.com", "aws:SourceAccount": ACCOUNT}


def refusal(service: str, role: str, call: Call) -> Response:
    """Return a refusal as the service words it: code, status, message, and where each of them stands."""
    own = call.action.partition(":")[0]  # `kms`, if the service may not use the key for the caller
    action = {"sqs": call.action.lower(), "sns": call.action.replace("sns:", "SNS:")}.get(own, call.action)
    resource = f'"{call.resource}"' if own == "s3" else call.resource
    message = (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{role.removesuffix('Role')} is not authorized to perform: "
        f"{action} on resource: {resource} because no identity-based policy allows the {action} action"
    )
    if service == "s3":
        text = html.escape(message)
        xml = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>{text}</Message></Error>'
        return Response(xml, 403, content_type="application/xml")
    if service == "sns":
        parts = f"<Type>Sender</Type><Code>AuthorizationError</Code><Message>{html.escape(message)}</Message>"
        return Response(f"<ErrorResponse><Error>{parts}</Error></ErrorResponse>", 403, content_type="text/xml")
    if service in {"lambda", "scheduler"}:
        return _json(403, {"Message": message}, {"x-amzn-ErrorType": "AccessDeniedException"})
    kind = {"__type": "com.amazon.coral.service#AccessDeniedException", "message": message}
    if service == "sqs":
        return _json(403, kind, {"x-amzn-query-error": "AccessDenied;Sender"})
    return _json(400, kind)


def _unassumable() -> Response:
    message = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
    return _json(400, {"Message": message}, {"x-amzn-ErrorType": "ValidationException"})


def _json(status: int, body: Mapping[str, str], headers: Mapping[str, str] = _NOTHING) -> Response:
    all_of_them = {"x-amzn-RequestId": str(uuid.uuid4()), **headers}  # Step Functions shows the id
    return Response(json.dumps(body), status, all_of_them, content_type="application/x-amz-json-1.0")
