"""The lock of the login: one invocation of the token function at a time gets a token. The others wait for it."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.errors import StoreUnavailable

logger = Logger(child=True)

CLOCKS_DIFFER_S = 2.0
"""A lock lives this much longer than its holder, because the clocks of two hosts may differ."""


@dataclass(frozen=True)
class LoginLock:
    """An item of BudgetTable: `client` (the lock's name), `holder`, and `expires_at` (N, epoch seconds).

    A reserved concurrency of 1 would not do: AWS refuses calls beyond a reservation instead of queueing them, and an
    account with a small quota cannot reserve anything.
    """

    table: str
    name: str
    lives_s: float
    """How long a holder may live. The lock of a holder that dies earlier expires."""
    wall_clock: Callable[[], float] = time.time
    holder: str = field(default_factory=lambda: str(uuid.uuid4()))

    def take(self) -> bool:
        """Take the lock. Returns False if another holder has it."""
        now = self.wall_clock()
        try:
            with reported("lock the login", expected=("ConditionalCheckFailedException",)):
                client("dynamodb").put_item(
                    TableName=self.table,
                    Item={
                        "client": {"S": self.name},
                        "holder": {"S": self.holder},
                        "expires_at": {"N": f"{now + self.lives_s + CLOCKS_DIFFER_S:.3f}"},
                    },
                    # `holder = :me`: an earlier attempt took the lock, but its answer was lost.
                    ConditionExpression="attribute_not_exists(expires_at) OR expires_at < :now OR holder = :me",
                    ExpressionAttributeValues={":now": {"N": f"{now:.3f}"}, ":me": {"S": self.holder}},
                )
        except ClientError:
            return False
        return True

    def release(self) -> None:
        """Release the lock if it is still ours. A lock that cannot be released expires."""
        try:
            with reported("unlock the login", expected=("ConditionalCheckFailedException",)):
                client("dynamodb").delete_item(
                    TableName=self.table,
                    Key={"client": {"S": self.name}},
                    ConditionExpression="holder = :me",
                    ExpressionAttributeValues={":me": {"S": self.holder}},
                )
        except (ClientError, StoreUnavailable) as error:
            logger.warning("The lock of the login was not released", reason=str(error))
