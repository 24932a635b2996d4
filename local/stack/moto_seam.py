"""Every private name of moto that the stack replaces, and why. `install` fails if moto no longer has one of them.

moto's state is global to a process, and so are these changes: one stack per process at a time.
"""

from __future__ import annotations

import base64
import copy
import json
import logging
import math
import os
import threading
import time
import uuid
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from jsonata.jsonata import Jsonata
from jsonata.utils import Utils
from moto.awslambda.exceptions import LambdaClientError, UnknownFunctionException
from moto.awslambda.models import LambdaBackend
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core import responses
from moto.core.common_models import BaseModel
from moto.core.config import default_user_config
from moto.core.exceptions import InvalidToken, JsonRESTError
from moto.core.responses import ActionResult, EmptyResult
from moto.core.serialize import BaseJSONSerializer, TimestampSerializer, XFormedAttributePicker
from moto.dynamodb.exceptions import DynamodbException, ItemSizeTooLarge, TransactionCanceledException
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import bytesize
from moto.dynamodb.responses import DynamoHandler
from moto.events.models import EventsBackend, Rule
from moto.kms.models import KmsBackend, kms_backends
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogsBackend
from moto.moto_server import werkzeug_app
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeKey, S3Backend
from moto.scheduler.models import EventBridgeSchedulerBackend, scheduler_backends
from moto.secretsmanager.exceptions import InvalidParameterException, InvalidRequestException, SecretNotFoundException
from moto.secretsmanager.models import SecretsManagerBackend
from moto.sqs import models as sqs_models
from moto.sqs.exceptions import InvalidParameterValue, QueueDoesNotExist
from moto.sqs.models import Message, SQSBackend
from moto.sqs.responses import SQSResponse
from moto.stepfunctions.parser.api import (
    EvaluationFailedEventDetails,
    ExecutionStatus,
    HistoryEventType,
    TaskFailedEventDetails,
)
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.intrinsic.jsonata import get_intrinsic_functions_declarations
from moto.stepfunctions.parser.asl.component.program import program
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import resource_eval_s3
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import inline_iteration_component
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branch_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_callback,
    state_task_service_dynamodb,
    state_task_service_lambda,
    state_task_service_sfn,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import (
    StateTaskServiceSfn,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task import StateTask
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval import states
from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackPoolManager
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.jsonata.jsonata import extract_jsonata_variable_references
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.backend import execution_worker
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse

from local.planted import planted
from local.stack import map_runs, moto_app, rotation, rules
from local.stack.iam import Call, Permissions
from local.stack.logs import matches
from local.stack.rules import RequestTooLarge, Throttled, Transactions
from local.stack.template import ACCOUNT, arn, named_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.stack.logs import Logs
    from local.stack.runtime import Outcome

_BEGUN = 2  # events: the execution has started, its first state was entered
_CONFLICT = "com.amazonaws.dynamodb.v20120810#TransactionConflictException"
_ONGOING = "Transaction is ongoing for the item"
_MOST_ITEM_BYTES = 405_000  # as moto, whose authors have measured it
_MOST_EXPRESSIONS = 1_000  # that stay parsed
_WRITES = ("put_item", "update_item", "delete_item", "transact_write_items")
_READS = ("get_item", "batch_get_item", "query", "scan")
_starting = threading.Lock()
_writing = threading.Lock()
_app: Any = None
_invoke: Callable[[str, bytes], Outcome] | None = None
_invoke_later: Callable[[str, bytes], None] | None = None
_ended: Callable[[str, str, str], None] | None = None
_reserve: Callable[[str, int | None], None] | None = None
_permissions: Permissions | None = None
_transactions = Transactions()
_list_schedules = EventBridgeSchedulerBackend.list_schedules


def machine_waiting_with(token: str, region: str) -> str | None:
    """Return the ARN of the state machine one of whose executions gave away a task token."""
    for execution in stepfunctions_parser_backends[ACCOUNT][region]._get_executions():  # noqa: SLF001
        worker = execution.exec_worker
        if worker and worker.env.callback_pool_manager.get(token):
            return str(execution.state_machine_arn)
    return None


def install(
    port: int,
    app: Any,
    invoke: Callable[[str, bytes], Outcome],
    invoke_later: Callable[[str, bytes], None],
    ended: Callable[[str, str, str], None],
    transactions: Transactions,
    permissions: Permissions,
) -> None:
    """Make moto interpret state machines and run functions through `invoke`. Their tasks call services at `app`.

    `invoke` raises KeyError for a function that does not exist. `invoke_later` invokes asynchronously. `ended` is
    called for every execution that ends, with its ARN, the ARN of its state machine, and its status.
    """
    global _app, _invoke, _invoke_later, _ended, _permissions, _transactions
    _app, _invoke, _invoke_later = app, invoke, invoke_later
    _ended, _permissions, _transactions = ended, permissions, transactions
    # The interpreter's clients are those of this port of `localhost`, without any proxy.
    os.environ["MOTO_PORT"] = str(port)
    os.environ["MOTO_ACCOUNT_ID"] = ACCOUNT  # else each request looks its access key up among all
    bypassed = {*(os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").split(","), "localhost", "127.0.0.1"}
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(sorted(filter(None, bypassed)))
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    default_user_config["lambda"]["use_docker"] = False
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)  # logs each caught error, with its payload
    quicken()
    for owner, name, ours in [
        (LambdaSimpleBackend, "invoke", _invoke_function),
        (LambdaBackend, "put_function_concurrency", _put_concurrency),
        (LambdaBackend, "delete_function_concurrency", _delete_concurrency),
        *((DynamoHandler, name, _one_at_a_time(name)) for name in _WRITES),
        *((DynamoHandler, name, _whole(name)) for name in _READS),
        (Rule, "_send_to_sqs_queue", _send_to_queue),
        (werkzeug_app, "DISABLE_GLOBAL_CORS", True),
        (Preprocessor, "_inner_string_of", staticmethod(_text_of)),
        (StringJSONata, "_eval_body", _evaluate),
        (EventBridgeSchedulerBackend, "list_schedules", _page_of_schedules),
        (StepFunctionsParserBackend, "start_execution", _start_execution),
        (StepFunctionsParserBackend, "stop_execution", _stop_execution),
        (states, "long_uid", _task_token),
        (CallbackPoolManager, "notify", _answer_task),
        (StepFunctionResponse, "send_task_failure", _send_task_failure),
        (StepFunctionResponse, "get_execution_history", _get_execution_history),
        (BaseExecutionWorkerCommunication, "_reflect_execution_status", _reflect_execution_status),
        (Environment, "set_error", _set_error),
        (ExecutionWorker, "_get_evaluation_entrypoint", _program),
        *((service, _CAUSE, staticmethod(_named_by(service, name))) for service, name in _UNMODELLED.items()),
        (lambda_eval_utils, "boto_client_for", _client),
        (state_task_service_aws_sdk, "boto_client_for", _client),
        (state_task_service_dynamodb, "boto_client_for", _client),
        (state_task_service_sfn, "boto_client_for", _client),
        (resource_eval_s3, "boto_client_for", _client),
        (DistributedIterationComponent, "_map_run", _map_run),
        (StateTaskServiceSfn, "_build_sync2_resolver", _build_sync2_resolver),
        (StateTaskService, "_normalise_parameters", _normalise_parameters),
        (StateTaskService, "_normalise_response", _normalise_response),
        (StateTask, "_eval_parameters", _eval_parameters),
        (CommonStateField, "_eval_body", _eval_state),
        (ErrorEqualsDecl, "_eval_body", _eval_error_equals),
        (WaitFunction, "_wait_interval", _wait_interval),
        (SQSResponse, "send_message", _send_message),
        (SQSBackend, "send_message", _send_traced),
        (SQSBackend, "_validate_message", _validate_message),
        (EventsBackend, "put_events", _put_events),
        (EventBridgeSchedulerBackend, "create_schedule", _create_schedule),
        (S3Backend, "put_object", _put_object),
        (SecretsManagerBackend, "rotate_secret", _rotate_secret),
        (SecretsManagerBackend, "update_secret_version_stage", _move_label),
    ]:
        _replace(owner, name, ours)
    refuse_invalid_signatures()
    Table.__deepcopy__ = _snapshot
    SQSResponse.start_message_move_task = _start_message_move_task
    # How Step Functions writes the service in front of an error; moto knows two of them.
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES["scheduler"] = "Scheduler"  # noqa: SLF001


def refuse_invalid_signatures() -> None:
    """Have KMS refuse a signature that is not the key's. moto answers that it is not valid, which KMS never does."""
    _replace(KmsBackend, "verify", _verify)


def name_key(region: str, made: str, name: str) -> None:
    """Give a key of KMS the id by which the template refers to it: moto makes up another one."""
    keys = kms_backends[ACCOUNT][region].keys
    key = keys[name] = keys.pop(made)
    key.id, key.arn = name, key.arn.replace(made, name)


def _verify(self: Any, **request: Any) -> Any:
    answer = _originals[KmsBackend, "verify"](self, **request)
    if not answer[1]:
        raise JsonRESTError("KMSInvalidSignatureException", "")
    return answer


_BEGINS_THREADS = (
    *(branch_worker, execute_state, execution_worker, inline_iteration_component, program),
    state_task_service_callback,
)


def quicken() -> None:
    """Make moto answer the same in less time."""
    for owner, name, ours in [
        *((module, "camelcase_to_underscores", _underscored) for module in (responses, sqs_models)),
        (responses, "method_names_from_class", _methods_of),
        (XFormedAttributePicker, "get_possible_keys", _possible_keys),
        (BaseJSONSerializer, "_serialize_type_structure", _serialize_structure),
        (TimestampSerializer, "_convert_timestamp_to_str", _timestamp),
        (BaseModel, "__new__", staticmethod(_make_model)),
        # moto keeps every thread of every execution in this list, and never looks at it.
        *((module, "TMP_THREADS", deque(maxlen=0)) for module in _BEGINS_THREADS),
        (Item, "__init__", _make_item),
        (Item, "project", _project),
        (DynamoType, "size", _size),
        (Message, "visible", property(lambda message: time.time() * 1000 > message.visible_at)),
        (Message, "delayed", property(lambda message: time.time() * 1000 < message.delayed_until)),
        *((module, "parse", _parsed_by(module.parse)) for module in (json_path, result_path)),
        (AmazonStateLanguageParser, "parse", staticmethod(_parsed_by(AmazonStateLanguageParser.parse))),
    ]:
        _replace(owner, name, ours)
    FakeKey.__deepcopy__ = _without_content


def _make_model(cls: type, *_: Any, **_named: Any) -> Any:
    """Make an instance, and forget it: moto keeps every version of every item, for its dashboard and its reset."""
    return object.__new__(cls)


def _without_content(key: FakeKey, _memo: Any) -> FakeKey:
    """Copy a version of an object for a listing. moto copies its content too, into a file that nobody closes."""
    listed: FakeKey = object.__new__(type(key))
    listed.__dict__ = key.__dict__ | {"_value_buffer": None, "multipart": None, "disposed": True}
    return listed


def parse(definition: str) -> Any:
    """Return the program of a state machine's definition. After `quicken`, a definition is parsed once."""
    return AmazonStateLanguageParser.parse(definition)[0]


def abort_all() -> None:
    """End every execution, or its thread would call the next stack of this process."""
    for backends in stepfunctions_parser_backends.values():
        for backend in backends.values():
            for machine in backend.state_machines:
                for execution in machine.executions:
                    if execution.exec_status == ExecutionStatus.RUNNING:
                        _stop_execution(backend, execution.exec_arn)


def histories() -> Iterator[tuple[str, str]]:
    """Return the name of the state machine and the whole history, as text, of every execution."""
    for backends in stepfunctions_parser_backends.values():
        for execution in [each for backend in backends.values() for each in backend._get_executions()]:  # noqa: SLF001
            if execution.exec_worker and execution.exec_worker.env:
                events = execution.exec_worker.env.event_manager._history_event_list  # noqa: SLF001
                yield execution.state_machine.name, repr(events)


def has_messages(region: str, account: str, name: str) -> bool:
    """Return True if a queue has any message, visible or not. A request to moto over HTTP would cost milliseconds."""
    queue = sqs_models.sqs_backends[account][region].queues.get(name)
    return queue is not None and bool(queue._messages)  # noqa: SLF001


def visible_messages(region: str) -> dict[str, int]:
    """Return the number of messages of each queue that a receiver would get now, by the queue's name."""
    queues = sqs_models.sqs_backends[ACCOUNT][region].queues
    return {name: queue.approximate_number_of_messages for name, queue in list(queues.items())}


def serve_logs(logs: Logs) -> None:
    """Answer FilterLogEvents with what the functions have printed. moto's own groups have nothing of it."""

    def filter_log_events(
        _backend: Any, group: str, _streams: Any, start: int, end: int, limit: int | None, *rest: Any
    ) -> Any:
        _token, pattern, _interleaved = rest
        try:
            lines = logs.lines(group)
        except KeyError:
            raise ResourceNotFoundException from None
        events = [
            {"timestamp": line.at_ms, "message": line.message, "logStreamName": group, "eventId": str(number)}
            for number, line in enumerate(lines)
            if (start or 0) <= line.at_ms <= (end or math.inf) and matches(pattern or "", line.message)
        ]
        return events[: limit or len(events)], None, []

    _replace(LogsBackend, "filter_log_events", filter_log_events)


def reserve_with(reserve: Callable[[str, int | None], None]) -> None:
    """Have `reserve` told the reserved concurrency of a function when somebody changes it."""
    global _reserve  # noqa: PLW0603  as the others of `install`
    _reserve = reserve


def schedules() -> list[dict[str, Any]]:
    """Return every schedule of EventBridge Scheduler as GetSchedule does, except that dates are epoch seconds."""
    backends = [backend for by_region in scheduler_backends.values() for backend in list(by_region.values())]
    groups = [group for backend in backends for group in list(backend.schedule_groups.values())]
    return [schedule.to_dict() for group in groups for schedule in list(group.schedules.values())]


def _page_of_schedules(backend: Any, *arguments: Any, **named: Any) -> Any:
    """Refuse a page token as the API does: InvalidToken is not among the errors of ListSchedules."""
    try:
        return _list_schedules(backend, *arguments, **named)
    except InvalidToken as error:
        raise JsonRESTError("ValidationException", "Invalid NextToken") from error


def stream_of(table: str, start: int, most: int) -> list[dict[str, Any]]:
    """Return at most `most` records of a table's stream, from the number `start` on, as a function gets them.

    No write runs meanwhile, so a transaction that is undone leaves no record.
    """
    backends = [backend for by_region in dynamodb_backends.values() for backend in list(by_region.values())]
    with _writing:
        (shard,) = (backend.tables[table].stream_shard for backend in backends if table in backend.tables)
        records = [copy.deepcopy(item.record) for item in shard.items[start : start + most]]
    for record in records:
        record["dynamodb"]["ApproximateCreationDateTime"] = record["dynamodb"][
            "ApproximateCreationDateTime"
        ].timestamp()
    return records


def _answer_task(self: Any, callback_id: str, outcome: Any) -> bool:
    """Refuse a token whose task was answered, has timed out or was stopped. moto takes every further answer.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
    """
    task = self.get(callback_id)
    if task and (task._notify_event.is_set() or task.consumer_error):  # noqa: SLF001
        raise JsonRESTError("TaskTimedOut", "The task was answered, has timed out or was stopped.")
    return bool(_originals[CallbackPoolManager, "notify"](self, callback_id=callback_id, outcome=outcome))


def _send_task_failure(self: Any) -> ActionResult:
    """With the cause, which moto drops."""
    names = ("taskToken", "error", "cause")
    self.stepfunction_backend.send_task_failure(*(self._get_param(name) for name in names))
    return EmptyResult()


def _get_execution_history(self: Any) -> ActionResult:
    """In the asked order and pages, which moto ignores. Without maxResults all events: AWS answers 100 then."""
    arn, page = self._get_param("executionArn"), self._get_param("nextToken")
    events = self.stepfunction_backend.get_execution_history(arn)["events"]
    start, most = int(page or 0), self._get_param("maxResults") or len(events)
    ordered = events[::-1] if self._get_param("reverseOrder") else events
    more = {"nextToken": str(start + most)} if start + most < len(events) else {}
    return ActionResult({"events": ordered[start : start + most], **more})


_originals: dict[tuple[Any, str], Any] = {}


def _replace(owner: Any, name: str, ours: Any) -> None:
    original = getattr(owner, name, None)
    if original is None:
        raise RuntimeError(f"moto no longer has {owner.__name__}.{name}: read its release notes, then this file")
    if original is not getattr(ours, "__wrapped__", ours):
        _originals[owner, name] = original
        setattr(owner, name, ours)


# ---- Lambda -----------------------------------------------------------------------------------------------------


def _invoke_function(
    self: Any, function_name: str, _qualifier: str | None, body: Any, headers: Any, response_headers: dict[str, str]
) -> bytes:
    """Replaces the backend that answers "happy path OK": the code on this disk runs. moto waits even for an Event."""
    name = function_name.rpartition(":function:")[2]
    payload = body.encode() if isinstance(body, str) else body
    assert _invoke is not None  # noqa: S101  `install` came first
    assert _invoke_later is not None  # noqa: S101
    most = rules.MOST_REQUEST_BYTES
    try:
        if headers.get("X-Amz-Invocation-Type") == "Event":
            self.get_function(function_name)
            most = rules.MOST_EVENT_BYTES
            _invoke_later(name, payload)
            return b""
        outcome = _invoke(name, payload)
    except KeyError:
        raise UnknownFunctionException(function_name) from None
    except Throttled:
        raise _Refused(429, "TooManyRequestsException", "Rate Exceeded.") from None
    except RequestTooLarge:
        message = f"Request must be smaller than {most} bytes for the InvokeFunction operation"
        raise _Refused(413, "RequestTooLargeException", message) from None
    if outcome.failed:
        response_headers["x-amz-function-error"] = "Unhandled"
    response_headers["x-amz-executed-version"] = "$LATEST"
    return outcome.payload


def _put_concurrency(self: Any, function_name: str, reserved_concurrency: str) -> Any:
    assert _reserve is not None  # noqa: S101  `reserve_with` came first
    _reserve(self.get_function(function_name).function_name, int(reserved_concurrency))
    return _originals[LambdaBackend, "put_function_concurrency"](self, function_name, reserved_concurrency)


def _delete_concurrency(self: Any, function_name: str) -> Any:
    assert _reserve is not None  # noqa: S101  as above
    _reserve(self.get_function(function_name).function_name, None)
    return _originals[LambdaBackend, "delete_function_concurrency"](self, function_name)


class _Refused(LambdaClientError):  # type: ignore[misc]
    def __init__(self, code: int, error: str, message: str) -> None:
        super().__init__(error, message)
        self.code = code


# ---- Secrets Manager --------------------------------------------------------------------------------------------


def _rotate_secret(
    self: Any,
    secret_id: str,
    client_request_token: str | None = None,
    rotation_lambda_arn: str | None = None,
    rotation_rules: dict[str, Any] | None = None,
    rotate_immediately: bool = True,
) -> str:
    """Call the function in a thread, one step after another, as AWS does; moto ignores that a step fails.

    moto also has the condition of a rotation that is not complete the wrong way round. With `rotate_immediately` False,
    the current value is tested as a version that is then removed.
    """
    if not self._is_valid_identifier(secret_id):
        raise SecretNotFoundException
    secret = self.secrets[secret_id]
    function = named_by(rotation_lambda_arn or secret.rotation_lambda_arn)
    if not function:
        raise InvalidRequestException("No Lambda rotation function ARN is associated with this secret.")
    assert _permissions is not None  # noqa: S101  `install` came first
    if not _permissions.lets_invoke(function, rotation.SERVICE):
        raise JsonRESTError(
            "AccessDeniedException",
            "Secrets Manager cannot invoke the specified Lambda function. "
            f"Ensure that the function policy grants access to the principal {rotation.SERVICE}.",
        )
    days = (rotation_rules or {}).get("AutomaticallyAfterDays", secret.auto_rotate_after_days)
    if not 1 <= days <= rules.MOST_ROTATION_DAYS:
        raise InvalidParameterException(f"RotationRules.AutomaticallyAfterDays must be 1-{rules.MOST_ROTATION_DAYS}.")
    secret.rotation_requested = secret.rotation_enabled = True
    secret.rotation_lambda_arn = rotation_lambda_arn or secret.rotation_lambda_arn
    secret.auto_rotate_after_days = days
    labelled = {label: version for version, kept in secret.versions.items() for label in kept["version_stages"]}
    if labelled.get(rotation.PENDING) not in {None, labelled.get(rotation.CURRENT)}:
        raise InvalidRequestException("A previous rotation isn't complete. That rotation will be reattempted.")
    secret.remove_version_stages_from_old_versions([rotation.PENDING])
    version = client_request_token or str(uuid.uuid4())
    tested = {} if rotate_immediately else secret.versions.get(labelled.get(rotation.CURRENT), {})
    value = {name: tested[name] for name in ("secret_string",) if name in tested}
    named = {"version_id": version, "version_stages": [rotation.PENDING]}
    secret.versions[version] = {"createdate": int(time.time())} | named | value
    of = arn("secretsmanager", self.region_name, f"secret:{secret.name}")

    def run() -> None:
        assert _invoke is not None  # noqa: S101  `install` came first
        if rotate_immediately:
            if rotation.run(_invoke, function, of, version):
                secret.last_rotation_date = int(time.time())
            return
        rotation.step(_invoke, function, of, version, "testSecret")
        secret.versions.pop(version, None)

    threading.Thread(target=run, name="rotation", daemon=True).start()
    return str(secret.to_short_dict(version_id=version))


def _move_label(
    self: Any, secret_id: str, version_stage: str, remove_from_version_id: str, move_to_version_id: str
) -> tuple[str, str]:
    """Move the label as moto does, and read the version with AWSCURRENT by default from then on: moto forgets that."""
    original = _originals[SecretsManagerBackend, "update_secret_version_stage"]
    moved: tuple[str, str] = original(self, secret_id, version_stage, remove_from_version_id, move_to_version_id)
    if version_stage == rotation.CURRENT:
        self.secrets[secret_id].set_default_version_id(move_to_version_id)
    return moved


# ---- DynamoDB ---------------------------------------------------------------------------------------------------


@cache
def _one_at_a_time(name: str) -> Callable[[Any], Any]:
    """Check the condition of a write and write, under one lock: moto lets two threads check before either writes.

    Refuse the write while a transaction is under way on its item (rules.Transactions).
    """

    def write(self: Any) -> Any:
        with _writing:
            return _originals[DynamoHandler, name](self)

    def write_alone(self: Any) -> Any:
        if _transactions.has(_item_of(self, self.body)):
            raise DynamodbException(_CONFLICT, _ONGOING)
        return write(self)

    def transact(self: Any) -> Any:
        items = [_item_of(self, part) for entry in self.body["TransactItems"] for part in entry.values()]
        conflicts = _transactions.begin(items)
        if any(conflicts):
            reasons = [("TransactionConflict", _ONGOING, None) if met else (None, None, None) for met in conflicts]
            raise TransactionCanceledException(reasons)
        try:
            return write(self)
        finally:
            _transactions.end(items)

    return transact if name == "transact_write_items" else write_alone


@cache
def _whole(name: str) -> Callable[[Any], Any]:
    """Read items before or after a write: moto's UpdateItem changes one attribute after the other."""

    def read(self: Any) -> Any:
        with _writing:
            return _originals[DynamoHandler, name](self)

    return read


def _item_of(handler: Any, request: dict[str, Any]) -> tuple[str, ...]:
    """Return table and key of the item that a write changes."""
    table = handler.dynamodb_backend.get_table(request["TableName"])
    attributes = request.get("Item") or request.get("Key") or {}
    keys = filter(None, (table.hash_key_attr, table.range_key_attr))
    return (table.name, *(json.dumps(attributes.get(name)) for name in keys))


def _snapshot(table: Any, _memo: Any) -> Any:
    """Copy a table for a transaction that may be undone. moto would copy each item, and the audit table only grows.

    The copies share their items. That is enough for Put and ConditionCheck, which replace items, but not for Update.
    """
    same = copy.copy(table)
    same.items = type(table.items)(table.items.default_factory, {k: copy.copy(v) for k, v in table.items.items()})
    if table.stream_shard is not None:
        same.stream_shard = copy.copy(table.stream_shard)
        same.stream_shard.items = list(table.stream_shard.items)
    return same


def _make_item(self: Item, hash_key: DynamoType, range_key: DynamoType | None, attrs: dict[str, Any]) -> None:
    """Measure an item once: moto measures all of it anew for each of its attributes."""
    self.hash_key, self.range_key = hash_key, range_key
    values = {name: DynamoType(value) for name, value in attrs.items()}
    if sum(bytesize(name) + value.size() for name, value in values.items()) > _MOST_ITEM_BYTES:
        raise ItemSizeTooLarge
    self.attrs = LimitedSizeDict()
    dict.update(self.attrs, values)


def _size(self: DynamoType) -> int:
    """Measure a map's values where they are: moto copies each of them to do so."""
    if self.is_map():
        return sum(bytesize(name) + value.size() for name, value in self.value.items())
    return int(_originals[DynamoType, "size"](self))


def _project(self: Item, expressions: list[list[str]]) -> Item:
    """Take whole attributes as they are. For each of them, moto turns all of the item into Python values and back."""
    if any(len(path) > 1 or "[" in path[0] for path in expressions):
        return _originals[Item, "project"](self, expressions)
    names = dict.fromkeys(path[0] for path in expressions)
    return Item(self.hash_key, self.range_key, {name: self.attrs[name] for name in names if name in self.attrs})


def _serialize_structure(self: Any, serialized: dict[str, Any], value: Any, shape: Any, key: str) -> None:
    """Write the members that a value has. moto looks for each one of its shape.

    An attribute has ten, at each level, and an event of a history has forty.
    """
    if shape.name == "AttributeValue" and value:
        serialized[key] = _attribute(value)
    elif shape.name == "HistoryEvent":
        event = serialized[key] = dict[str, Any]()
        for name in value.keys() & shape.members.keys():
            shape.members[name].parent = shape
            self._serialize_structure_member(event, value, shape.members[name], name)
    else:
        _originals[BaseJSONSerializer, "_serialize_type_structure"](self, serialized, value, shape, key)


def _timestamp(self: TimestampSerializer, value: Any, form: str) -> Any:
    """Read a timestamp of a history, which is a text, without dateutil: it tries every format that there is."""
    if isinstance(value, str) and value.endswith("Z"):
        value = datetime.fromisoformat(value)
    return _originals[TimestampSerializer, "_convert_timestamp_to_str"](self, value, form)


def _attribute(value: Any) -> dict[str, Any]:
    ((kind, content),) = value.to_json().items() if isinstance(value, DynamoType) else value.items()
    if kind == "M":
        return {kind: {name: _attribute(each) for name, each in content.items()}}
    if kind == "L":
        return {kind: [_attribute(each) for each in content]}
    if isinstance(content, bytes):
        return {kind: base64.b64encode(content).decode()}
    return {kind: content}


# ---- EventBridge ------------------------------------------------------------------------------------------------


def _send_to_queue(self: Rule, name: str, event: dict[str, Any], group_id: str | None = None) -> None:
    """Send to a queue if its policy allows it, or else to the target's dead-letter queue. moto checks no policy."""
    assert _permissions is not None  # noqa: S101  `install` came first
    of_queues = f"arn:aws:sqs:{self.region_name}:{self.account_id}:"
    rule = f"arn:aws:events:{self.region_name}:{self.account_id}:rule/{self.name}"
    (target,) = (each for each in self.targets if each["Arn"] == of_queues + name)
    for queue in (target["Arn"], target.get("DeadLetterConfig", {}).get("Arn")):
        if queue is not None and _permissions.queue_takes(queue, rule):
            with suppress(QueueDoesNotExist):
                _originals[Rule, "_send_to_sqs_queue"](self, queue.rpartition(":")[2], dict(event), group_id)
                return


# ---- each request -----------------------------------------------------------------------------------------------

# For each message that is sent or received, moto's SQS computes the time of every message about ten times. And every
# request builds again what depends only on a name or a class. Together, that is a third of a request's time.
_to_underscores, _method_names = responses.camelcase_to_underscores, responses.method_names_from_class


@cache
def _underscored(argument: str) -> Any:
    return _to_underscores(argument)


@cache
def _methods_of(clazz: type) -> Any:
    return _method_names(clazz)


def _possible_keys(self: Any, context: Any) -> tuple[str, ...]:
    """List the names under which a result may have a member of a shape: moto asks seven providers for each member."""
    shape, kind = context.shape, type(context.obj)
    parent = getattr(shape, "parent", None)
    known = (context.service_model.service_name, kind, parent and parent.name, context.key, shape.name)
    keys = _keys.get(known)
    if keys is None:
        names = _originals[XFormedAttributePicker, "get_possible_keys"](self, context)
        keys = _keys[known] = tuple(dict.fromkeys(names))
    return keys


_keys: dict[tuple[Any, ...], tuple[str, ...]] = {}


# ---- sizes and names -------------------------------------------------------------------------------------------------

_sending = threading.local()


def _send_message(self: SQSResponse) -> Any:
    """Keep the trace header of a request for its message: moto's model of a queue does not see the request."""
    _sending.trace = self.headers.get("X-Amzn-Trace-Id", "")
    try:
        return _originals[SQSResponse, "send_message"](self)
    finally:
        _sending.trace = ""


def _send_traced(self: Any, *args: Any, **options: Any) -> Any:
    if trace := getattr(_sending, "trace", ""):
        kept = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
        options["system_attributes"] = kept | (options.get("system_attributes") or {})
    return _originals[SQSBackend, "send_message"](self, *args, **options)


def _validate_message(self: Any, queue: Any, message_body: str, *args: Any, **options: Any) -> None:
    """Limit the bytes of a message. moto counts characters."""
    most = min(queue.maximum_message_size, rules.MOST_MESSAGE_BYTES)
    if len(message_body.encode()) > most:
        raise InvalidParameterValue(
            f"One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
        )
    _originals[SQSBackend, "_validate_message"](self, queue, message_body, *args, **options)


def _start_message_move_task(self: Any) -> ActionResult:
    """Move the visible messages of a dead-letter queue at once. moto has none. The destination must be named."""
    source, target = (
        self.sqs_backend.get_queue(self._get_param(name, "").rpartition(":")[2])
        for name in ("SourceArn", "DestinationArn")
    )
    if not self.sqs_backend.list_dead_letter_source_queues(source.name):
        raise InvalidParameterValue("Source queue must be configured as a Dead Letter Queue.")
    for message in [each for each in source._messages if each.visible]:  # noqa: SLF001
        source._messages.remove(message)  # noqa: SLF001
        message.approximate_receive_count = 0
        message.mark_sent(delay_seconds=target.delay_seconds)
        target.add_message(message)
    return ActionResult({"TaskHandle": str(uuid.uuid4())})


def _put_events(self: Any, events: list[dict[str, Any]]) -> Any:
    if sum(map(rules.size_of_entry, events)) > rules.MOST_ENTRIES_BYTES:
        raise JsonRESTError("ValidationException", "Total size of the entries in the request is over the limit.")
    return _originals[EventsBackend, "put_events"](self, events)


def _create_schedule(self: Any, **properties: Any) -> Any:
    if not rules.SCHEDULE_NAME.fullmatch(properties["name"]):
        raise JsonRESTError("ValidationException", f"'name' must match {rules.SCHEDULE_NAME.pattern}")
    return _originals[EventBridgeSchedulerBackend, "create_schedule"](self, **properties)


def _put_object(self: Any, bucket_name: str, key_name: str, *args: Any, **options: Any) -> Any:
    if len(key_name.encode()) > rules.MOST_KEY_BYTES:
        raise S3ClientError("KeyTooLongError", "Your key is too long")
    return _originals[S3Backend, "put_object"](self, bucket_name, key_name, *args, **options)


# ---- the definition ---------------------------------------------------------------------------------------------


def _text_of(parser_rule_context: Any) -> str | None:
    """Read a literal as JSON. moto only removes the quotes, and keeps every escape."""
    text: str = parser_rule_context.getText()
    return json.loads(text) if text.startswith('"') or text == "null" else text


# ---- JSONata: moto has no engine, and would paste every variable into the expression as text -----------------------


def _evaluate(self: StringJSONata, env: Environment) -> None:
    """Evaluate an expression with bound variables. moto pastes their values into the text of the expression.

    A pasted string breaks at a quote, a large input is slow to parse, and moto's `$parse` is `$eval`.
    """
    expression: str = self.expression
    store, states = env.variable_store, dict(env.states._states_data)  # noqa: SLF001
    bindings = {"states": states | {"context": _context(states["context"])}, "parse": Jsonata.JLambda(_parse)}
    bindings |= {key: Utils.NULL_VALUE if value is None else value for key, value in _variables(store).items()}
    try:
        engine = Jsonata.CURRENT.jsonata = copy.copy(_parsed_expression(expression))  # the one of this thread
        engine.environment = engine.create_frame(Jsonata.static_frame)
        result = _json(engine.evaluate(None, bindings))
    except Exception as error:  # hides nothing: whatever its engine fails of, AWS raises as this error, with the reason
        raise _query_evaluation_error(env, f"The JSONata expression '{expression}' failed: {error}") from error
    env.stack.append(result)


@lru_cache(_MOST_EXPRESSIONS)
def _parsed_expression(expression: str) -> Jsonata:
    declarations = get_intrinsic_functions_declarations(extract_jsonata_variable_references(expression) - {"$parse"})
    engine = Jsonata(f"({declarations}{expression})")
    engine.output_convert_nulls = False  # tells null from nothing
    return engine


def _variables(store: Any) -> dict[str, Any]:
    return {**store._outer_scope, **store._inner_scope}  # noqa: SLF001


def _context(context: dict[str, Any]) -> dict[str, Any]:
    """Write the start time as AWS does. moto has a datetime."""
    started = context["Execution"]["StartTime"]
    text = started.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {**context, "Execution": {**context["Execution"], "StartTime": text}}


def _parse(text: Any = None) -> Any:
    return None if text is None else json.loads(text)


def _json(value: Any) -> Any:
    if value is None:
        raise ValueError("returned nothing (undefined)")
    return json.loads(json.dumps(value, default=_plain, allow_nan=False))


def _plain(value: Any) -> None:
    if value is not Utils.NULL_VALUE:
        raise TypeError(f"a {type(value).__name__} is not JSON")


def _query_evaluation_error(env: Environment, cause: str) -> FailureEventException:
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = EvaluationFailedEventDetails(error=name.error_name, cause=cause)
    return FailureEventException(
        failure_event=FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.EvaluationFailed,
            event_details=EventDetails(evaluationFailedEventDetails=details),
        )
    )


# ---- executions -------------------------------------------------------------------------------------------------


def _start_execution(
    self: Any, state_machine_arn: str, name: str | None = None, execution_input: str | None = None, trace: Any = None
) -> Any:
    """Give an execution without a name a name (moto: `None`). Two calls with the same name start one execution."""
    if name is not None:
        self._validate_name(name)
    if len((execution_input or "").encode()) > rules.MOST_STATE_BYTES:
        raise JsonRESTError("ValidationException", f"'input' must be at most {rules.MOST_STATE_BYTES} bytes long")
    with _starting:
        return _originals[StepFunctionsParserBackend, "start_execution"](
            self, state_machine_arn, name or str(uuid.uuid4()), execution_input, trace
        )


def _task_token() -> str:
    return planted("task-token", str(uuid.uuid4()))


def _stop_execution(self: Any, execution_arn: str) -> Any:
    """Abort an execution at once. moto waits for the current task, sets no stop date, and may end it as FAILED.

    A running function continues to its end, as on AWS. The history gets its ExecutionAborted after that.
    """
    execution = self.describe_execution(execution_arn)
    clock = threading.Event()  # never set: a stop waits on it in an execution's first and last milliseconds
    while execution.exec_status == ExecutionStatus.RUNNING:
        environment = execution.exec_worker.env
        if environment is None or len(environment.event_manager.get_event_history()) < _BEGUN:
            clock.wait(0.002)
            continue
        now = datetime.now(UTC)
        environment.set_stop(stop_date=now, error=None, cause=None)
        if isinstance(environment.program_state(), ProgramStopped):  # otherwise it has just ended by itself
            execution.exec_status, execution.stop_date = ExecutionStatus.ABORTED, now
            _tell(execution)
        clock.wait(0.002)
    return execution


def _reflect_execution_status(self: Any) -> None:
    if self.execution.exec_status != ExecutionStatus.ABORTED:
        _originals[BaseExecutionWorkerCommunication, "_reflect_execution_status"](self)
        _tell(self.execution)


def _tell(execution: Any) -> None:
    assert _ended is not None  # noqa: S101  `install` came first
    _ended(execution.exec_arn, execution.state_machine.arn, execution.exec_status.value)
    map_runs.told()


def _set_error(self: Any, error: Any) -> None:
    """Keep the state of a stopped or timed-out program. moto's loop raises afterwards, and would overwrite it."""
    if self.is_running():
        _originals[Environment, "set_error"](self, error)


# Step Functions names an error that is not in the service's model, such as AccessDeniedException, after the SDK's class
# for the service. moto names it by its code.
_CAUSE = "_error_cause_from_client_error"
_UNMODELLED = {
    state_task_service_dynamodb.StateTaskServiceDynamoDB: "DynamoDB.AmazonDynamoDBException",
    state_task_service_lambda.StateTaskServiceLambda: "Lambda.AWSLambdaException",
}


@cache
def _named_by(service: type, name: str) -> Callable[[ClientError], tuple[str, str]]:
    def named(error: ClientError) -> tuple[str, str]:
        modelled, cause = _originals[service, _CAUSE](error)
        return name if type(error) is ClientError else modelled, cause

    return named


@cache
def _parsed_by(parse: Any) -> Any:
    return parse if hasattr(parse, "cache_info") else lru_cache(_MOST_EXPRESSIONS)(parse)


def _program(self: Any) -> Any:
    return parse(self._evaluation_details.state_machine_details.definition)


def _eval_parameters(self: StateTask, env: Environment) -> Any:
    parameters = _originals[StateTask, "_eval_parameters"](self, env)
    if rules.is_too_large(parameters):
        cause = f"The state/task '{self.name}' was given an input over the maximum number of bytes service limit."
        raise _task_failed(env, StatesErrorNameType.StatesStatesDataLimitExceeded, cause)
    return parameters


def _eval_state(self: CommonStateField, env: Environment) -> None:
    """End an execution before the state that would exceed the maximum of events in a history."""
    if env.event_manager._event_id_gen._next_id > rules.MOST_EVENTS:  # noqa: SLF001
        cause = f"The execution reached the maximum number of history events ({rules.MOST_EVENTS})."
        raise _task_failed(env, StatesErrorNameType.StatesRuntime, cause)
    _originals[CommonStateField, "_eval_body"](self, env)


def _task_failed(env: Environment, kind: StatesErrorNameType, cause: str) -> FailureEventException:
    details = TaskFailedEventDetails(error=kind.to_name(), cause=cause)
    return FailureEventException(
        failure_event=FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=kind),
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),
        )
    )


def _eval_error_equals(self: ErrorEqualsDecl, env: Environment) -> None:
    """Leave errors uncaught that States.ALL does not catch."""
    error = env.stack[-1]
    name = error.error_name if isinstance(error, ErrorName) else None
    _originals[ErrorEqualsDecl, "_eval_body"](self, env)
    if name in rules.UNCATCHABLE and error not in self.error_names:
        env.stack[-1] = False


def _wait_interval(self: WaitFunction, env: Environment, wait_seconds: int) -> None:
    if not 0 <= wait_seconds <= rules.MOST_WAIT_S:
        raise _query_evaluation_error(env, f"Seconds is {wait_seconds}, but must be from 0 to {rules.MOST_WAIT_S}")
    _originals[WaitFunction, "_wait_interval"](self, env, wait_seconds)


# ---- Distributed Map and nested executions: see map_runs -----------------------------------------------------------


def _map_run(_self: Any, env: Environment, eval_input: Any) -> None:
    """Run the items of a map as executions of their own. The role needs the rights that AWS names for it.

    https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
    """
    items = env.stack.pop()
    machine, role = _context_of(env, "StateMachine"), env.aws_execution_details.role_arn.rpartition("/")[2]
    executions = f"{machine.replace(':stateMachine:', ':execution:')}:*"
    for call in (Call("states:StartExecution", machine), Call("states:DescribeExecution", executions)):
        assert _permissions is not None  # noqa: S101  `install` came first
        if role in _permissions and not _permissions.allow(role, call):
            cause = f"{role} is not authorized to perform: {call.action} on resource: {call.resource}"
            raise _task_failed(env, StatesErrorNameType.StatesTaskFailed, cause)
    backend = stepfunctions_parser_backends[ACCOUNT][machine.split(":")[3]]
    try:
        env.stack.append(
            map_runs.run(
                env,
                eval_input.state_name,
                items,
                eval_input.map_run_record,
                lambda execution: _stop_execution(backend, execution.exec_arn),
            )
        )
    except map_runs.TooManyFailures as error:
        raise _task_failed(env, StatesErrorNameType.StatesExceedToleratedFailureThreshold, str(error)) from error
    except map_runs.TooLarge as error:
        cause = f"The map '{eval_input.state_name}' has an item or results over the maximum number of bytes."
        raise _task_failed(env, StatesErrorNameType.StatesStatesDataLimitExceeded, cause) from error


def _context_of(env: Environment, what: str) -> str:
    arn: str = env.states.context_object.context_object_data[what]["Id"]
    return arn


def _build_sync2_resolver(self: Any, env: Environment, **known: Any) -> Any:
    """Describe a nested execution once, when it is over."""
    arn = env.stack[-1]["ExecutionArn"]
    describe = _originals[StateTaskServiceSfn, "_build_sync2_resolver"](self, env, **known)

    def resolve() -> Any:
        client = _client(known["resource_runtime_part"].region, "stepfunctions", known["state_credentials"])
        map_runs.wait(client, env, arn)
        return describe() if env.is_running() else None

    return resolve


def _normalise_parameters(self: Any, parameters: dict[str, Any], *_: Any, **__: Any) -> None:
    """Write the parameters of Step Functions' own API as botocore wants them. moto sends StateMachineArn as it is."""
    if self._get_boto_service_name() == "stepfunctions":
        for name in list(parameters):
            parameters[name[0].lower() + name[1:]] = parameters.pop(name)


def _normalise_response(self: Any, response: dict[str, Any], *_: Any, **__: Any) -> None:
    if self._get_boto_service_name() == "stepfunctions":
        for name in list(response):
            value = response.pop(name)
            response[name[0].upper() + name[1:]] = value.isoformat() if isinstance(value, datetime) else value


@cache
def _client_of(app: Any, region: str, service: str, role: str) -> Any:
    client = boto3.client(  # type: ignore[call-overload]
        service,
        region_name=region,
        endpoint_url=f"http://localhost:{os.environ['MOTO_PORT']}",
        aws_access_key_id=role,
        aws_secret_access_key="of-" + role,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    moto_app.connect(client, app)
    return client


def _client(region: str, service: str, state_credentials: Any) -> Any:
    """Return a client with the state machine's role, made only once.

    moto makes a client per task, which takes 20 ms, without any role. And `boto3.client` is not thread-safe.
    """
    with _starting:
        return _client_of(_app, region, service, state_credentials.role_arn.rpartition("/")[2])
