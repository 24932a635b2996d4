"""The effort of an execution, from its history, retried and failed states included; and the sum of a fleet."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.effort import Effort, Spent, reported_in
from routing_weights.domain.run import Failure
from routing_weights.errors import StoreUnavailable

PAGE_LENGTH = 1000
"""The most events of a page: https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html"""
_TRANSITION = Effort(transitions=1)
_LOCK = Effort(dynamodb_writes=1, write_units=1)
"""The state machine itself writes only locks, which are smaller than 1 KB."""
_UNREPORTED = Effort(unreported=1)
_NOT_BEGUN = "Lambda.TooManyRequestsException"

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Histories:
    """The histories of executions, of any state machine."""

    def effort(self, execution_arn: str, *, is_over: bool) -> Effort:
        """The effort of an execution, in all its invocations that have ended.

        If the execution is not over, the caller is its last invocation.

        Raises:
            StoreUnavailable: the history is not complete, or cannot be read.
        """
        return counted(self._events(execution_arn), is_over=is_over)

    def _events(self, execution_arn: str) -> Iterator[Event]:
        query: dict[str, Any] = {"executionArn": execution_arn, "maxResults": PAGE_LENGTH}
        while True:
            with reported("read the history of the execution"):
                page = client("stepfunctions").get_execution_history(**query)
            yield from page["events"]
            if not page.get("nextToken"):
                return
            query["nextToken"] = page["nextToken"]


def counted(events: Iterable[Event], *, is_over: bool) -> Effort:
    """The effort in a history, from its oldest event on. See Histories.effort."""
    efforts: list[Effort] = []
    attempts, is_invoked = 0, False
    for event in events:
        match event["type"]:
            case "TaskScheduled":
                attempts += 1
                if attempts > 1:  # AWS bills a retry as one more transition
                    efforts.append(_TRANSITION)
                resource = event["taskScheduledEventDetails"]["resourceType"]
                is_invoked = resource == "lambda"
                if resource == "dynamodb":
                    efforts.append(_LOCK)
            # A function that keeps a task token has answered when its task is submitted; its task ends with the token.
            case "TaskSubmitted" | "TaskSucceeded" | "TaskFailed" | "TaskTimedOut" if is_invoked:
                is_invoked = False
                efforts.append(_of_invocation(event))
            case kind if kind.endswith("StateEntered"):
                attempts = 0
                efforts.append(_TRANSITION)
    if is_over and is_invoked:
        efforts.append(_UNREPORTED)
    if not (is_over or is_invoked):
        raise StoreUnavailable("The history of the execution does not show the invocation that reads it.")
    return sum(efforts, Effort())


def _of_invocation(end: Event) -> Effort:
    """What an invocation reported when it ended, in its answer or in its error."""
    match end["type"]:
        case "TaskSubmitted":
            report = reported_in(_answer(end["taskSubmittedEventDetails"].get("output")))
        case "TaskSucceeded":
            report = reported_in(_answer(end["taskSucceededEventDetails"].get("output")))
        case "TaskFailed":
            details = end["taskFailedEventDetails"]
            if details.get("error") == _NOT_BEGUN:
                return Effort()
            report = reported_in(Failure(name=details.get("error"), cause=details.get("cause")).error().details)
        case _:
            report = None
    return report or _UNREPORTED


def _answer(output: str | None) -> Any:
    """The answer of a function in the output of its task; None if it is not there. No record fails because of that."""
    try:
        return json.loads(output or "")["Payload"]
    except (ValueError, TypeError, LookupError):
        return None


@dataclass(frozen=True)
class FleetSums:
    """The effort and cost of all distributions of a fleet together: its item `spent` in FleetsTable."""

    table: str

    def add(self, fleet_id: str, spent: Spent) -> None:
        numbers = {name: {"N": f"{value:.10f}".rstrip("0").rstrip(".")} for name, value in asdict(spent).items()}
        with reported("count the effort of the fleet"):
            client("dynamodb").update_item(
                TableName=self.table,
                Key=_sum_of(fleet_id),
                UpdateExpression=f"ADD {', '.join(f'{name} :{name}' for name in numbers)}",
                ExpressionAttributeValues={f":{name}": number for name, number in numbers.items()},
            )

    def find(self, fleet_id: str) -> Spent:
        """The sum so far; nothing if no distribution has ended yet."""
        with reported("read the effort of the fleet"):
            answer = client("dynamodb").get_item(TableName=self.table, Key=_sum_of(fleet_id), ConsistentRead=True)
        numbers = {name: Decimal(typed["N"]) for name, typed in answer.get("Item", {}).items() if "N" in typed}
        usd = float(numbers.pop("usd", 0))
        return Spent(usd=usd, **{name: int(number) for name, number in numbers.items()})


def _sum_of(fleet_id: str) -> dict[str, dict[str, str]]:
    return {"fleet_id": {"S": fleet_id}, "part": {"S": "spent"}}
