"""Starting the state machine. The execution's name is the distribution's id and the idempotency key at once."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.execution import FAILURES, Execution
from routing_weights.domain.inputs import FromPlanRef
from routing_weights.domain.run import Started
from routing_weights.errors import IdempotencyConflict

LISTED = 100
"""Of the newest executions that failed: what is older, an earlier sweep has found."""
MOST_PAGES = 10
"""Of a listing, 100 executions each."""


def name_of(idempotency_key: str) -> str:
    """The execution's name, and the distribution's id, that a key leads to."""
    return f"key-{hashlib.sha256(idempotency_key.encode()).hexdigest()}"


@dataclass(frozen=True)
class Executions:
    state_machine_arn: str

    def start(self, given: FromPlanRef, idempotency_key: str | None) -> Started:
        """Start a distribution, or find the one that the same key and plan started (within 90 days).

        Raises:
            IdempotencyConflict: the key was used for another plan.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415

        name = name_of(idempotency_key) if idempotency_key else str(uuid.uuid4())
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

    def _found(self, name: str, plan_ref: str) -> Started:
        arn = f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        with reported("read the execution that the Idempotency-Key started"):
            execution = client("stepfunctions").describe_execution(executionArn=arn)
        if json.loads(execution["input"]).get("plan_ref") != plan_ref:
            raise IdempotencyConflict(
                "This Idempotency-Key has started another plan. Use a new key for a new plan.",
                distribution_id=name,
            )
        return Started(name, arn, execution["startDate"])


@dataclass(frozen=True)
class EndedExecutions:
    """Executions of any state machine; `state_machine_arn` is that of the distributions."""

    state_machine_arn: str = ""

    def describe(self, arn: str) -> Execution:
        """An execution that Step Functions does not know has the status UNKNOWN."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            with reported("read the execution", expected=("ExecutionDoesNotExist", "InvalidArn")):
                answer = client("stepfunctions").describe_execution(executionArn=arn)
        except ClientError:
            return Execution(arn, "UNKNOWN")
        return Execution(
            answer["executionArn"],
            answer["status"],
            started_at=answer.get("startDate"),
            stopped_at=answer.get("stopDate"),
            error=answer.get("error") or "",
            cause=answer.get("cause") or "",
            input=answer.get("input") or "",
            is_redriven=bool(answer.get("redriveCount")),
        )

    def failed(self, since: datetime) -> Iterator[str]:
        """The ARNs of the newest distributions that failed, timed out or were aborted, back to `since`."""
        for status in FAILURES:
            with reported("list the executions"):
                page = client("stepfunctions").list_executions(
                    stateMachineArn=self.state_machine_arn, statusFilter=status, maxResults=LISTED
                )
            yield from (item["executionArn"] for item in page["executions"] if item["startDate"] >= since)


@dataclass(frozen=True)
class Recoveries:
    """The state machine that recovers abandoned executions."""

    state_machine_arn: str

    def start(self, execution_arn: str, queue_id: str) -> None:
        """Start the recovery of an execution. A second one for the same finds the lock taken, or nothing to do."""
        with reported("start a recovery"):
            client("stepfunctions").start_execution(
                stateMachineArn=self.state_machine_arn,
                input=json.dumps({"executionArn": execution_arn, "queue_id": queue_id}),
            )

    def includes(self, execution_arn: str) -> bool:
        """True if the execution is itself a recovery."""
        return execution_arn.rpartition(":")[0] == self.state_machine_arn.replace(":stateMachine:", ":execution:")
