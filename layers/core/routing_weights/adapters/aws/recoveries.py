"""Executions that have ended, and the state machine that recovers abandoned ones."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.execution import FAILURES, Execution

MOST_FAILED = 100
"""How many of the newest failed executions are listed: an earlier sweep has found the older ones."""


@dataclass(frozen=True)
class EndedExecutions:
    """Executions of any state machine; `state_machine_arn` is that of the distributions."""

    state_machine_arn: str = ""

    def describe(self, arn: str) -> Execution:
        """An execution that Step Functions does not know has the status UNKNOWN."""
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
            output=answer.get("output") or "",
            is_redriven=bool(answer.get("redriveCount")),
        )

    def failed(self, since: datetime) -> Iterator[str]:
        """The ARNs of the newest distributions that failed, timed out or were aborted, back to `since`."""
        for status in FAILURES:
            with reported("list the executions"):
                page = client("stepfunctions").list_executions(
                    stateMachineArn=self.state_machine_arn, statusFilter=status, maxResults=MOST_FAILED
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
