"""boto3, which comes from the Lambda runtime (ADR 3)."""

from __future__ import annotations

import math
import os
import random
import threading
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from routing_weights.adapters import meter
from routing_weights.domain.pages import token_invalid
from routing_weights.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Answer = TypeVar("Answer")

CONFLICT_TRIES = 8
CONFLICT_PAUSE_S, LONGEST_CONFLICT_PAUSE_S = 0.05, 1.0
"""The first and the longest upper bound of the random pauses between tries. All pauses together: at most 3.75 s."""


class Patience(NamedTuple):
    """How long a client waits for AWS."""

    connect_s: float
    read_s: float
    attempts: int


PATIENT = Patience(3, 10, 4)
ASKING_LAMBDA = Patience(3, 35, 4)
"""The token function may take 30 s. A caller that gave up earlier would only ask again."""
HURRIED = Patience(1, 2, 2)
"""For calls before every request that may fail without harm."""

_READS = {"dynamodb": {"GetItem", "BatchGetItem", "Query", "Scan"}, "s3": {"GetObject", "HeadObject"}}
"""Every other operation counts as a write: S3 bills a listing as one."""
_creating = threading.Lock()


def client(service: str, patience: Patience | None = None) -> Any:
    """Return the process's one client of a service, with its own patience or another.

    The time-outs of its own are shorter than those of every function. Threads may share a client, but may not create
    clients at the same time (https://docs.aws.amazon.com/boto3/latest/guide/clients.html).
    """
    with _creating:
        return _client(service, patience)


@cache
def _client(service: str, patience: Patience | None) -> Any:
    connect_s, read_s, attempts = patience or (ASKING_LAMBDA if service == "lambda" else PATIENT)
    retries: Any = {"mode": "standard", "total_max_attempts": attempts}
    # For presigned addresses: botocore would sign by version 2 in some regions, which new buckets refuse, and for the
    # host of all regions, which redirects away from a bucket that is new.
    of_s3: Any = {"signature_version": "s3v4", "s3": {"addressing_style": "virtual"}} if service == "s3" else {}
    config = Config(connect_timeout=connect_s, read_timeout=read_s, retries=retries, **of_s3)
    made = boto3.client(service, config=config)  # type: ignore[call-overload]
    made.meta.events.register("before-parameter-build.dynamodb", _ask_for_units)
    made.meta.events.register("after-call", _count)
    return made


def _ask_for_units(params: dict[str, Any], model: Any, **_: Any) -> None:
    if "ReturnConsumedCapacity" in model.input_shape.members:
        params.setdefault("ReturnConsumedCapacity", "TOTAL")


def _count(parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
    """Count a call of DynamoDB or S3. DynamoDB reports no units with a refusal, which costs at least one."""
    service = model.service_model.service_name
    if service not in _READS:
        return
    kind = "read" if model.name in _READS[service] else "write"
    amounts: dict[str, float] = {f"{service}_{kind}s": 1}
    if service == "dynamodb":
        consumed = parsed.get("ConsumedCapacity") or []
        tables = [consumed] if isinstance(consumed, dict) else consumed
        amounts[f"{kind}_units"] = math.fsum(table["CapacityUnits"] for table in tables) or 1
    meter.count(**amounts)


def prepare(*services: str, patience: Callable[[], Patience | None] = lambda: None) -> None:
    """Make the clients of a function in its init phase, which has a whole processor.

    The first client costs 80 ms of it, each other one 10 ms; a function with 512 MB has less than a third of one later.
    Outside a Lambda runtime nothing happens: there may be no region yet.
    """
    if "AWS_LAMBDA_RUNTIME_API" in os.environ:
        for service in services:
            client(service, patience())


@contextmanager
def reported(action: str, *, expected: tuple[str, ...] = ()) -> Iterator[None]:
    """Turn errors of AWS into StoreUnavailable. Error codes in `expected` pass through as ClientError."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in expected:
            raise
        raise StoreUnavailable(f"Could not {action}: {code}.", aws_error=code) from error
    except BotoCoreError as error:
        name = type(error).__name__
        raise StoreUnavailable(f"Could not {action}: {name}.", aws_error=name) from error


def through_conflicts(
    write: Callable[[], Answer],
    sleep: Callable[[float], None] = time.sleep,
    tries: int = CONFLICT_TRIES,
    may_pass: Callable[[Any], bool] | None = None,
) -> Answer:
    """Call `write` again while another transaction is under way on one of its items.

    DynamoDB refuses such a write instead of queueing it, and botocore does not retry it. Only items that some
    transaction names can meet this: audit records, locks and drift. Raises botocore's ClientError: the last conflict,
    or any other refusal.

    Args:
        write: the write. It is called again as a whole, so it may read first.
        sleep: waits for that many seconds.
        tries: how often `write` is called, at most.
        may_pass: says of a refusal whether the next try may succeed. Without it, only a conflict may.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
    """
    may_pass = may_pass or is_conflict
    for attempt in range(tries - 1):
        try:
            return write()
        except ClientError as error:
            if not may_pass(error.response):
                raise
        sleep(random.random() * min(CONFLICT_PAUSE_S * 2**attempt, LONGEST_CONFLICT_PAUSE_S))  # noqa: S311  no secret
    return write()


def is_conflict(response: Any) -> bool:
    reasons = [reason.get("Code") for reason in response.get("CancellationReasons", [])]
    return response.get("Error", {}).get("Code") == "TransactionConflictException" or "TransactionConflict" in reasons


@contextmanager
def listing(action: str, token: str | None) -> Iterator[None]:
    """Like `reported`, for one page of a listing. AWS refuses a wrong page token with a ValidationException.

    Raises:
        RequestInvalid: AWS refused the caller's page token.
    """
    try:
        with reported(action, expected=("ValidationException",) if token else ()):
            yield
    except ClientError as error:
        raise token_invalid() from error
