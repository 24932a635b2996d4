"""The lock of the login: one invocation of the token function at a time gets a token, the others wait for it."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from aws_lambda_powertools import Logger

from routing_weights.adapters.aws.client import client, reported
from routing_weights.errors import StoreUnavailable

logger = Logger(child=True)

CLOCKS_DIFFER_S = 2.0
"""How much longer than its holder a lock lives: the clocks of two hosts need not agree."""


@dataclass(frozen=True)
class LoginLock:
    """An item of BudgetTable: `client` (the lock's name), `holder`, and `expires_at` (N, epoch seconds).

    A lock, and not a reserved concurrency of 1: AWS refuses what exceeds a reservation, it does not queue it, and an
    account with a small quota has nothing to reserve.
    """

    table: str
    name: str
    lives_s: float
    """How long the holder may live. A holder that dies earlier leaves its lock, which then expires."""
    wall_clock: Callable[[], float] = time.time
    holder: str = field(default_factory=lambda: str(uuid.uuid4()))

    def take(self) -> bool:
        """Whether it is ours now."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

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
                    # An attempt whose answer was lost has taken it.
                    ConditionExpression="attribute_not_exists(expires_at) OR expires_at < :now OR holder = :me",
                    ExpressionAttributeValues={":now": {"N": f"{now:.3f}"}, ":me": {"S": self.holder}},
                )
        except ClientError:
            return False
        return True

    def release(self) -> None:
        """Give it back, where it is still ours. A lock that cannot be given back expires."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            with reported("unlock the login", expected=("ConditionalCheckFailedException",)):
                client("dynamodb").delete_item(
                    TableName=self.table,
                    Key={"client": {"S": self.name}},
                    ConditionExpression="holder = :me",
                    ExpressionAttributeValues={":me": {"S": self.holder}},
                )
        except (ClientError, StoreUnavailable) as error:
            logger.warning("The lock of the login was not given back", reason=str(error))
