"""The state machines. An execution's name is its distribution's id, made of the idempotency key if there is one."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.inputs import FromPlanRef
from routing_weights.domain.run import Started, distribution_of
from routing_weights.errors import IdempotencyConflict

MOST_PAGES = 10
"""How many pages of a listing are read, with 100 executions each."""


NEWEST = 50
"""Events. A state and all its retries are fewer."""


class Entered(NamedTuple):
    """A state that an execution entered, and when."""

    state: str
    at: datetime


@dataclass(frozen=True)
class Executions:
    state_machine_arn: str

    def start(self, given: FromPlanRef, idempotency_key: str | None) -> Started:
        """Start a distribution, or find the one that the same key and plan started (within 90 days).

        Raises:
            IdempotencyConflict: the key was used for another plan.
        """
        name = distribution_of(idempotency_key) if idempotency_key else str(uuid.uuid4())
        text = json.dumps(given.to_json(), sort_keys=True)
        try:
            with reported("start the state machine", expected=("ExecutionAlreadyExists",)):
                answer = client("stepfunctions").start_execution(
                    stateMachineArn=self.state_machine_arn, name=name, input=text
                )
        except ClientError:
            return self._found(name, given.plan_ref)
        return Started(name, answer["executionArn"], answer["startDate"])

    def succeeded(self, since: datetime) -> Iterator[str]:
        """The ids of the runs that succeeded, newest first, back to those that started at `since`."""
        query = {"stateMachineArn": self.state_machine_arn, "statusFilter": "SUCCEEDED", "maxResults": 100}
        for _ in range(MOST_PAGES):
            with reported("list the executions"):
                page = client("stepfunctions").list_executions(**query)
            for execution in page["executions"]:
                if execution["startDate"] < since:
                    return
                yield execution["name"]
            if not page.get("nextToken"):
                return
            query["nextToken"] = page["nextToken"]

    def entered(self, distribution_id: str) -> Entered | None:
        """The state that a distribution entered last; None if its execution is unknown or has entered none."""
        try:
            with reported("read the history of the execution", expected=("ExecutionDoesNotExist",)):
                events = client("stepfunctions").get_execution_history(
                    executionArn=self._arn(distribution_id),
                    reverseOrder=True,
                    maxResults=NEWEST,
                    includeExecutionData=False,
                )["events"]
        except ClientError:
            return None
        entries = (event for event in events if "stateEnteredEventDetails" in event)
        newest = next(entries, None)
        return Entered(newest["stateEnteredEventDetails"]["name"], newest["timestamp"]) if newest else None

    def _arn(self, name: str) -> str:
        return f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"

    def _found(self, name: str, plan_ref: str) -> Started:
        arn = self._arn(name)
        with reported("read the execution that the Idempotency-Key started"):
            execution = client("stepfunctions").describe_execution(executionArn=arn)
        if json.loads(execution["input"]).get("plan_ref") != plan_ref:
            raise IdempotencyConflict(
                "This Idempotency-Key has started another plan. Use a new key for a new plan.",
                distribution_id=name,
            )
        return Started(name, arn, execution["startDate"])
