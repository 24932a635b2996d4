"""The state machine of fleets. An execution has the fleet's id and the attempt in its name."""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.adapters.aws.recoveries import EndedExecutions
from routing_weights.domain.execution import Execution
from routing_weights.domain.fleet import Held, Steered, execution_name


@dataclass(frozen=True)
class FleetMachine:
    state_machine_arn: str

    def execution_arn(self, fleet_id: str, attempt: int) -> str:
        return f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{execution_name(fleet_id, attempt)}"

    def start(self, fleet_id: str, attempt: int) -> None:
        """Start an attempt, if it is not started yet."""
        self._done(
            "start_execution",
            "start the state machine of fleets",
            ("ExecutionAlreadyExists",),
            stateMachineArn=self.state_machine_arn,
            name=execution_name(fleet_id, attempt),
            input=json.dumps({"attempt": attempt, "fleet_id": fleet_id}),
        )

    def describe(self, execution_arn: str) -> Execution:
        return EndedExecutions().describe(execution_arn)

    def release(self, held: Held, by: Steered) -> bool:
        """Release a held fleet with somebody's decision. False if it is no longer held."""
        return self._done(
            "send_task_success",
            "release the fleet",
            ("TaskDoesNotExist", "TaskTimedOut", "InvalidToken"),
            taskToken=held.token,
            output=json.dumps({"release": by.action, "steered": by.model_dump(mode="json", exclude_none=True)}),
        )

    @staticmethod
    def _done(operation: str, action: str, refusals: tuple[str, ...], **request: Any) -> bool:
        try:
            with reported(action, expected=refusals):
                getattr(client("stepfunctions"), operation)(**request)
        except ClientError:
            return False
        return True
