"""Executions of distributions that wait at a task token."""

import json
from dataclasses import dataclass

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.approval import Approval
from routing_weights.domain.run import Failure
from routing_weights.errors import Rejected

_OVER = ("TaskDoesNotExist", "TaskTimedOut", "InvalidToken")


@dataclass(frozen=True)
class RunAnswers:
    def deliver(self, answered: Approval) -> bool:
        """End the wait with an answer. False if the execution no longer waits with this token."""
        try:
            with reported("answer the execution", expected=_OVER):
                if answered.state == "approved":
                    client("stepfunctions").send_task_success(
                        taskToken=answered.token, output=json.dumps({"approved": answered.hash})
                    )
                else:
                    failure = Failure.of(rejection(answered))
                    client("stepfunctions").send_task_failure(
                        taskToken=answered.token, error=failure.name, cause=failure.cause
                    )
        except ClientError:
            return False
        return True


def rejection(answered: Approval) -> Rejected:
    """The error with which a rejected run ends."""
    return Rejected(f"{answered.answered_by or 'Somebody in the console'} rejected it: {answered.reason}")
